"""hubel predict: what stands in pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import models
from hubel.cli.tables import as_json, as_table
from hubel.cli.writing import plain
from hubel.errors import HubelError, PictureError

if TYPE_CHECKING:
    from PIL import Image

SHADES = " ░▒▓█"


def declare(verbs: Any) -> None:
    predict = verbs.add_parser("predict", allow_abbrev=False, help="what stands in pictures")
    models.declare(predict)
    predict.add_argument(
        "pictures", nargs="+", metavar="FILE", help="picture files, folders of them, or a set with a test split, such as digits"
    )
    predict.add_argument("--sample", type=int, metavar="N", help="only N of them, drawn by --seed")
    predict.add_argument("--seed", type=int, default=0, metavar="N", help="decides the sample (default 0)")
    predict.add_argument("--top", type=int, default=1, metavar="K", help="the K likeliest classes of each (default 1)")
    predict.add_argument("--draw", action="store_true", help="draw each picture in the terminal")
    predict.add_argument("--json", action="store_true", help="print JSON")
    predict.set_defaults(run=run_predict)


def run_predict(given: argparse.Namespace) -> int:
    from hubel.pictures.apart import opened_apart

    if given.top < 1 or (given.sample is not None and given.sample < 1):
        raise HubelError("--top and --sample take whole numbers from 1 on.")
    model = models.opened(given)
    rows, failed = [], 0
    asked = _sampled(_gathered(given.pictures), given.sample, given.seed)
    opened = opened_apart([picture for _, picture, _ in asked if isinstance(picture, Path)], model.pixels)
    for name, picture, truth in asked:
        try:
            image = next(opened) if isinstance(picture, Path) else picture
            if isinstance(image, PictureError):
                raise image
            ranked = model.predict(image).ranked[: given.top]
        except PictureError as error:
            print(plain(f"hubel: {name}: {error}"), file=sys.stderr)
            failed += 1
            continue
        if given.draw and not given.json:
            print(drawn(image))
            said = ", ".join(f"{label} {100 * share:.1f}%" for label, share in ranked)
            print(plain(f"{name}: {said}{f' (it is {truth})' if truth else ''}"), end="\n\n")
        found = {"picture": name, "label": ranked[0][0], "probability": ranked[0][1], "top": dict(ranked)}
        rows.append({**found, "truth": truth} if truth else found)
    if given.json:
        as_json(rows)
    elif rows and not given.draw:
        table = [{**row, "probability": f"{100 * row['probability']:.1f}%", "then": _rest(row["top"])} for row in rows]
        as_table(
            table, ["picture", "label", "probability", *(["truth"] if "truth" in rows[0] else []), *(["then"] if given.top > 1 else [])]
        )
    return 1 if failed else 0


def _rest(top: dict[str, float]) -> str:
    return ", ".join(f"{label} {100 * share:.1f}%" for label, share in list(top.items())[1:])


def _gathered(places: list[str]) -> list[tuple[str, Any, str | None]]:
    """Every picture that the user named: (name, path or picture, the true class if it is known)."""
    from hubel.pictures.sources import is_packed, open_source

    found: list[tuple[str, Any, str | None]] = []
    for place in places:
        path = Path(place)
        if is_packed(place):
            source = open_source(place)
            split = source.testing()
            found += [(split.names[i], split.read(i), source.classes[label]) for i, label in enumerate(split.labels)]
        elif path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if entry.is_file() and not entry.name.startswith("."))
            if not inside:
                raise PictureError(f"There are no pictures in {place}.")
            found += [(str(entry), entry, None) for entry in inside]
        else:
            found.append((place, path, None))
    return found


def _sampled(pictures: list[Any], count: int | None, seed: int) -> list[Any]:
    import random

    return pictures if count is None or count >= len(pictures) else random.Random(seed).sample(pictures, count)


def drawn(picture: Image.Image, widest: int = 40) -> str:
    """The picture in shades of grey, two characters a pixel."""
    from hubel.pictures.flattening import flattened

    grey = flattened(picture, "L", 0)
    if grey.width > widest:
        grey = grey.resize((widest, max(1, grey.height * widest // grey.width)))
    values = list(grey.tobytes())
    rows = [values[start : start + grey.width] for start in range(0, len(values), grey.width)]
    return "\n".join("".join(SHADES[value * len(SHADES) // 256] * 2 for value in row) for row in rows)
