"""Sets by name: looked for in the cache folder, and fetched where that is possible."""

from __future__ import annotations

from pathlib import Path

from hubel.errors import PictureError
from hubel.fetching import Remote, Unreached, cache, fetched, locked
from hubel.pictures.listing import holds
from hubel.pictures.published import recognised
from hubel.pictures.published.table import SETS, Named
from hubel.pictures.told import Told
from hubel.pictures.unpacking import unpacked


def lying(name: str) -> Path | None:
    """The folder in which a set lies whole, or None."""
    row = SETS[name]
    places = (cache() / place for place in row.places)
    return next((place for place in places if holds(place.is_dir) and _is_whole(place, row)), None)


def _is_whole(place: Path, row: Named) -> bool:
    try:
        found = recognised(place)
    except PictureError:
        if row.files:
            return False  # a file of it is still to come
        raise
    if found is None:
        return not row.files and any(place.iterdir())
    return (not row.files or {"train", "test"} <= set(found.splits)) and (not row.known_by or row.known_by in found.classes)


def obtained(name: str, told: Told | None = None) -> Path:
    """The folder in which a set lies, fetched if it does not.

    Raises PictureError or FetchError, saying what to put where, if it cannot be.
    """
    place = lying(name)
    if place is not None:
        return place
    row, folder = SETS[name], cache() / SETS[name].places[0]
    if not row.files:
        raise PictureError(f"{name} is not in {folder.parent}; {row.by_hand.format(place=folder)}.")
    with locked(folder.parent):
        place = lying(name)  # another process may have fetched it meanwhile
        if place is None:
            _brought(row, folder, told)
            place = lying(name)
    if place is None:
        raise PictureError(f"{folder} does not hold {name} whole, though all its files were fetched; remove the folder and try again.")
    return place


def _brought(row: Named, folder: Path, told: Told | None) -> None:
    """Fetch the files of a set into its folder, or the archive beside it, which is then unpacked."""
    if row.files[0].name.endswith(".tar.gz"):
        _unpacked(row.files[0], folder, told)
        return
    folder.mkdir(exist_ok=True, parents=True)
    try:
        for remote in row.files:
            fetched(remote, folder, told)
    except Unreached as error:
        missing = [remote for remote in row.files if not (folder / remote.name).exists()]
        if not any(folder.iterdir()):
            folder.rmdir()
        raise Unreached(missing, folder, error.reasons) from None


def _unpacked(remote: Remote, folder: Path, told: Told | None) -> None:
    if holds(folder.exists):
        raise PictureError(f"{folder} is there, but does not hold the whole set; remove it, so that {remote.name} can be unpacked there.")
    was_there = (folder.parent / remote.name).exists()
    archive = fetched(remote, folder.parent, told)
    unpacked(archive, folder, told=told)
    if not was_there:
        archive.unlink()
