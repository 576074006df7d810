"""Weights by whatever a person calls them: a listed id, a network of the casebook, a file of anybody's, a model of ours."""

from __future__ import annotations

from pathlib import Path

from hubel.errors import FetchError, ModelError, choices, shortened
from hubel.fetching import Told, cache, checked, digests, fetched, locked
from hubel.model import Model, load
from hubel.nets import NETS, variant
from hubel.pretrained.contents import Contents
from hubel.pretrained.files import contents
from hubel.pretrained.opening import fits, of_file
from hubel.pretrained.origins import Origin, origin_of
from hubel.pretrained.published import PUBLISHED, Published, of_row
from hubel.rewrite import fitted, judged
from hubel.weights import is_ours

ENDINGS = (".safetensors", ".pth", ".pt", ".th", ".npz", ".h5", ".onnx", ".caffemodel")
"""What is so called is meant for a file."""


def opened(text: str | Path, row: str | None = None, origin: str | None = None, told: Told | None = None) -> Model:
    """The network with the weights that `text` names, ready to be used.

    text: an id that is listed, fetched where it is not kept yet; a row of the casebook, for the listed file with the best accuracy;
    a file of anybody's; a model file or run folder of ours. row, origin: what a file does not say itself. What was taken for what
    stands in the model's `data`. Raises ModelError or FetchError, in words that say what to do.
    """
    if row is not None:
        variant(row)
    listed = _by_name(str(text))
    if listed is not None:
        path = obtained(listed, told)
        known_by = "as named" if text == listed.id else f"the best that is listed for {listed.row}"
    else:
        path = _file(Path(text))
        if path.is_dir() or is_ours(path):
            return _own(path, row)
        listed, known_by = recognised(path, told), "recognised by what its publisher states of it"
        if listed is not None and listed.file.digest is not None and listed.file.digest.is_all:
            known_by = "recognised by its SHA-256"
    if listed is None:
        return _unlisted(path, row, origin)
    _refuse_other(listed, path, row, origin)
    model = of_file(path, listed.row, listed.origin, listed.trained)
    model.data |= {"row": listed.row, "origin": listed.origin, "weights": listed.id, "known_by": known_by}
    model.data |= {"published": listed.accuracy, "licence": listed.licence, "source": listed.source}
    return model


def folder() -> Path:
    """Where fetched weights are kept."""
    return cache() / "weights"


def lying(listed: Published) -> Path | None:
    """Where a listed file is kept; None where it is not."""
    path = folder() / listed.file.name
    return path if path.is_file() else None


def obtained(listed: Published, told: Told | None = None) -> Path:
    """The listed file, checked; fetched where it is not kept yet. Raises FetchError, in a sentence that says what to put where."""
    path = lying(listed)
    if path is not None:
        return checked(listed.file, path, told)
    if not listed.file.urls:
        raise FetchError(
            f"The weights {listed.id} are offered nowhere that is known; put {listed.file.name} ({listed.file.stated}) into {folder()}, "
            "or give its path."
        )
    try:
        with locked(folder()):
            return fetched(listed.file, folder(), told)
    except FetchError as error:
        raise FetchError(f"The weights {listed.id} are not here: {error}") from None


def recognised(path: Path, told: Told | None = None) -> Published | None:
    """What is listed of a file, by its size and what its publisher states of its bytes; None where nothing is."""
    try:
        size = path.stat().st_size
        stated = [(entry, entry.file.digest) for entry in PUBLISHED.values() if entry.file.size in (None, size)]
        found = digests(path, {digest.algorithm for _, digest in stated if digest})
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from None
    return next((entry for entry, digest in stated if digest and found[digest.algorithm].startswith(digest.hex)), None)


def _by_name(text: str) -> Published | None:
    """What is listed under an id, or for a row."""
    if text in PUBLISHED:
        return PUBLISHED[text]
    if text not in NETS:
        return None
    listed = of_row(text)
    if not listed:
        raise ModelError(f"No public weights are listed for {text}; `hubel weights` lists all. Where you have a file, name it too.")
    return listed[0]


def _file(path: Path) -> Path:
    if path.is_file() or path.is_dir():
        return path
    if path.exists():
        raise ModelError(f"{path} is no file, but a device, a pipe or the like.")
    if len(path.parts) > 1 or path.suffix in ENDINGS:
        raise ModelError(f"There is no file {path}.")
    raise ModelError(f"{choices(str(path), [*PUBLISHED, *NETS], 'file, listed weights or network')} `hubel weights` lists them.")


def _own(path: Path, row: str | None) -> Model:
    """A model of ours; of a row, where one is said."""
    model = load(path)
    nets = [] if row is None else [judged(variant(row).net(count)).net for count in (len(model.classes), 1)]
    if row is not None and model.net not in [*nets, *(fitted(net, "floor") for net in nets)]:
        raise ModelError(f"{path} is a model of ours, but not of {row}: {shortened(model.net)}. Say - in the place of its name.")
    return model


def _unlisted(path: Path, row: str | None, origin: str | None) -> Model:
    found = contents(path)
    made_by = origin_of(found, origin)
    row, known_by = (row, "as you say") if row else (_only_row(found, made_by), "the only network that it fits")
    model = of_file(path, row, made_by.name)
    model.data |= {"row": row, "origin": made_by.name, "weights": "", "known_by": known_by, "published": "", "licence": "not known"}
    return model


def _only_row(found: Contents, made_by: Origin) -> str:
    """The one row that a file fits. Raises ModelError, with their names, where there are several, or none."""
    try:
        rows = list(fits(made_by, made_by.units(found.entries)))
    except ModelError as error:
        raise ModelError(f"{found.path}: {error}") from error
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise ModelError(f"{found.path} is {made_by.name}'s, and fits {' and '.join(rows)} alike: say which it is.")
    raise ModelError(f"{found.path} looks like {made_by.name}'s, but fits none of the networks known of it: {', '.join(made_by.rows)}.")


def _refuse_other(listed: Published, path: Path, row: str | None, origin: str | None) -> None:
    if row not in (None, listed.row):
        raise ModelError(f"{path} is {listed.id}, weights of {listed.row} and not of {row}: name {listed.row}.")
    if origin not in (None, listed.origin):
        raise ModelError(f"{path} is {listed.id}, {listed.origin}'s and not {origin}'s: leave the origin out.")
