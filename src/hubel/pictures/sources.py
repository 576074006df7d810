"""Where pictures come from: a name, a folder or a list becomes a set, whose pictures are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import PictureError
from hubel.pictures import published
from hubel.pictures.folders import SPLITS as SPLITS
from hubel.pictures.folders import from_folders
from hubel.pictures.listing import holds
from hubel.pictures.lists import KINDS, from_list
from hubel.pictures.names import obtained
from hubel.pictures.published.table import SETS
from hubel.pictures.sets import Source as Source
from hubel.pictures.sets import Split as Split
from hubel.pictures.sets import from_array, from_files
from hubel.pictures.shards import naming
from hubel.pictures.shards.opening import from_shards
from hubel.pictures.told import Told


def open_source(place: str | Path, told: Told | None = None) -> Source:
    """A set by its name, its folder (of a published format, of class folders, of train, validation and test), its list, or its shards.

    A name (mnist, cifar10, ...) is looked for in the cache folder and fetched if it is not there; `told` hears how far that is.
    Shards are tar files in the WebDataset layout: "shards/train-{000..146}.tar", "shards/*.tar", a folder, a URL that fsspec reads.
    Raises PictureError, in one sentence, where nothing there can be used.
    """
    name = str(place)
    if name in SETS:
        return _by_name(name, told)
    if naming.meant(name):
        return from_shards(name, told)
    path = Path(place)
    if not holds(path.exists):
        raise PictureError(f"There is no folder {name!r}, and no set of that name; the sets known by name are: {', '.join(SETS)}.")
    if path.suffix.lower() in KINDS and holds(path.is_file):
        return from_list(path)
    if not holds(path.is_dir):
        raise PictureError(f"{name!r} is a file; a set is a folder of pictures, or a file ({' or '.join(KINDS)}) that lists them.")
    return _from_folder(path, path.resolve().name)


def is_packed(place: str | Path) -> bool:
    """Whether this is a set's name, or a format whose pictures are no files that could be named one by one."""
    path = Path(place)
    return (
        str(place) in SETS or naming.meant(str(place)) or (holds(path.is_dir) and published.recognised(path, published.ARRAYS) is not None)
    )


def _by_name(name: str, told: Told | None) -> Source:
    if name == "digits":
        return _from_found(name, published.Found(tuple("0123456789"), published.digits()))
    source = replace(_from_folder(obtained(name, told), name), name=name)
    here = Path(name)
    if holds(here.is_dir):
        source = replace(source, notes=(*source.notes, f"This is the set called {name}; say ./{name} for the folder of that name."))
    return source


def _from_folder(folder: Path, name: str) -> Source:
    found = published.recognised(folder)
    return from_folders(folder) if found is None else _from_found(name, found)


def _from_found(name: str, found: published.Found) -> Source:
    def opener(split: str, read: Callable[[], tuple[Any, Any]]) -> Callable[[], Split]:
        def open_split() -> Split:
            pictures, labels = read()
            if isinstance(pictures, np.ndarray):
                return from_array(f"{name} {split}", pictures, labels)
            return from_files(pictures, labels)

        return open_split

    return Source(name, found.classes, {split: opener(split, read) for split, read in found.splits.items()}, found.notes)
