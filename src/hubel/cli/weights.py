"""hubel weights: which public weights fit which network, and any of them as a model file of ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli.progress import Progress
from hubel.cli.tables import amount, as_json, as_table
from hubel.cli.writing import plain
from hubel.errors import HubelError

if TYPE_CHECKING:
    from hubel.model import Model
    from hubel.pretrained.published import Published

EXAMPLES = """`hubel weights` lists all that is known; `hubel weights NET` tells more of a network's. With --out, or with a file, weights are
read: `hubel weights NET --out MODEL.safetensors` fetches the listed ones of the best accuracy and writes a model file, which predicts and
is tested as any other; `hubel weights ID --out ...` takes those of that name, `hubel weights NET --from FILE --out ...` those of a file."""


def declare(verbs: Any) -> None:
    weights = verbs.add_parser("weights", allow_abbrev=False, help="public weights that fit a network, as a model file", epilog=EXAMPLES)
    weights.add_argument("net", nargs="?", metavar="NET", help="a network that `hubel nets` lists, listed weights by their id, or a file")
    weights.add_argument("--from", dest="source", metavar="FILE", help="a file of anybody's with weights of NET, or the id of listed ones")
    weights.add_argument("--origin", metavar="NAME", help="who made the file, where it does not look like it")
    weights.add_argument("--out", metavar="FILE", help="write a model file, such as model.safetensors")
    weights.add_argument("--json", action="store_true", help="print JSON")
    weights.set_defaults(run=run_weights)


def run_weights(given: argparse.Namespace) -> int:
    from hubel.nets import NETS
    from hubel.pretrained.published import PUBLISHED, of_row

    if given.source or given.out or (given.net and given.net not in (*NETS, *PUBLISHED)):
        return _read(given)
    if given.origin:
        raise HubelError("--origin says who made a file; name the file too, with --from.")
    entries = [entry for row in NETS for entry in of_row(row) if given.net in (None, entry.row, entry.id)]
    if given.json:
        as_json([_values(entry) for entry in entries])
    elif given.net is None:
        _table(entries)
    elif entries:
        print("\n\n".join(_told(entry) for entry in entries))
    else:
        print(f"No public weights are listed for {given.net}. Where you have a file: hubel weights {given.net} --from FILE --out MODEL")
    return 0


def _read(given: argparse.Namespace) -> int:
    """Open the weights, say what they are, and write them where that is asked."""
    from hubel.pretrained.naming import opened
    from hubel.pretrained.saying import described

    if not (given.source or given.net):
        raise HubelError("--out writes the weights of a network: name it, as in hubel weights resnet18 --out resnet18.safetensors.")
    if given.out and not Path(given.out).absolute().parent.is_dir():
        raise HubelError(f"{given.out} cannot be written: there is no folder {Path(given.out).parent}.")
    with Progress(shown=not given.json) as progress:
        model = opened(given.source or given.net, given.net if given.source else None, given.origin, progress.told)
    if given.out:
        _write(model, given.out)
    if given.json:
        as_json({**model.data, "pixels": model.pixels.to_json(), "classes": len(model.classes), "out": given.out})
        return 0
    print(plain(described(model)))
    print(plain(f"model file: {given.out}" if given.out else "Nothing was written: --out FILE makes a model file of it."))
    return 0


def _write(model: Model, out: str) -> None:
    try:
        model.save(Path(out))
    except OSError as error:
        raise HubelError(f"{out} cannot be written: {error.strerror or error}.") from None


def _table(entries: list[Published]) -> None:
    from hubel.pretrained.naming import folder, lying
    from hubel.pretrained.saying import in_words

    rows = [
        {
            "weights": entry.id,
            "size": _size(entry),
            "published": entry.accuracy,
            "pictures": in_words(entry.pixels).partition(", ")[0],
            "licence": entry.licence,
            "here": "yes" if lying(entry) else "no" if entry.file.urls else "by hand",
        }
        for entry in entries
    ]
    as_table(rows, list(rows[0]))
    print(f"\nWhat is here lies in {folder()}; what is not is fetched when it is named, or put there by hand.")
    print("`hubel weights NET` tells more of a network's weights, `hubel weights NET --out FILE` writes its best as a model file.")


def _told(entry: Published) -> str:
    """All that is known of a file, a line each."""
    from hubel.pretrained.naming import lying
    from hubel.pretrained.saying import in_words

    lines = {
        "file": f"{entry.file.name}, {_size(entry) or 'size not stated'}, {entry.file.stated}",
        "here": str(lying(entry) or "no"),
        "from": " or ".join(entry.file.urls) or "nowhere that is known; it is recognised where you have it",
        "origin": f"{entry.origin}, for {entry.row}",
        "pictures": in_words(entry.pixels),
        "published": entry.accuracy or "no accuracy",
        "source": entry.source,
        "licence": entry.licence,
    }
    return "\n".join([entry.id, *(f"  {name + ':':<11}{text}" for name, text in lines.items())])


def _size(entry: Published) -> str:
    return entry.size or (amount(entry.file.size) if entry.file.size else "")


def _values(entry: Published) -> dict[str, Any]:
    from hubel.pretrained.naming import lying

    file, path = entry.file, lying(entry)
    digest = {"algorithm": file.digest.algorithm, "hex": file.digest.hex, "whole": file.digest.is_whole} if file.digest else None
    return {
        "id": entry.id,
        "network": entry.row,
        "origin": entry.origin,
        "file": file.name,
        "size": file.size,
        "size_as_printed": entry.size,
        "digest": digest,
        "urls": file.urls,
        "licence": entry.licence,
        "accuracy": entry.accuracy,
        "source": entry.source,
        "pixels": entry.pixels.to_json(),
        "here": str(path) if path else None,
    }
