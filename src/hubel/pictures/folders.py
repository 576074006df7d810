"""Folders of pictures: one for each class, alone or below folders of splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.listing import Listing
from hubel.pictures.sets import Source, Split, from_files

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test", "testing": "test"}  # fmt: skip
"""Names, in lower case, of folders that hold a split."""


def from_folders(folder: Path) -> Source:
    """A set of class folders. Raises PictureError, in one sentence, where they do not make one."""
    listing = Listing(folder)
    below = listing.folders_in(folder)
    divided = any(name.lower() in SPLITS for name in below)
    if not divided:
        return _source(folder, {"all": below}, {"all": folder}, listing)
    parts = {SPLITS[name.lower()]: path for name, path in below.items() if name.lower() in SPLITS}
    strangers = sorted(name for name in below if name.lower() not in SPLITS)
    if strangers:
        raise PictureError(
            f"{folder} has split folders ({', '.join(sorted(parts))}) beside others ({', '.join(strangers)}); move the others away."
        )
    if len(parts) < len(below):
        raise PictureError(f"{folder} has two folders for one split: {', '.join(sorted(below))}; leave one of them.")
    lacks = () if "train" in parts else (f"{folder} has no train folder, so it can be tested on but not trained on.",)
    parts = {name: parts[name] for name in ("train", "validation", "test") if name in parts}
    return _source(folder, {name: listing.folders_in(path) for name, path in parts.items()}, parts, listing, lacks)


def _source(
    folder: Path, folders: dict[str, dict[str, Path]], places: dict[str, Path], listing: Listing, notes: tuple[str, ...] = ()
) -> Source:
    """The set of class folders {split: {class: folder}}, if they agree and none is empty."""
    for name, by_class in folders.items():
        if not by_class:
            raise PictureError(
                f"{places[name]} has no class folders; a set is a folder with one folder of pictures for each class{listing.outside()}."
            )
    first, *others = folders
    classes = tuple(sorted(folders[first]))
    for other in others:
        if tuple(sorted(folders[other])) != classes:
            raise PictureError(
                f"The classes of {places[first]} and {places[other]} disagree: {', '.join(classes)} against"
                f" {', '.join(sorted(folders[other]))}{listing.outside()}."
            )
    if len(classes) == 1:
        raise PictureError(
            f"{folder} has the single class {classes[0]!r}; telling classes apart takes at least two folders of pictures{listing.outside()}."
        )
    files = {name: {label: listing.files_in(path) for label, path in by_class.items()} for name, by_class in folders.items()}
    for name, listed in files.items():
        empty = [label for label in classes if not listed[label]]
        if empty:
            raise PictureError(
                f"The class {empty[0]!r} has no pictures in {places[name]}; put some there, or remove the folder{listing.outside()}."
            )
    notes = (*listing.notes(), *notes)
    return Source(folder.resolve().name, classes, {name: _opener(listed, classes) for name, listed in files.items()}, notes)


def _opener(by_class: dict[str, list[Path]], classes: tuple[str, ...]) -> Callable[[], Split]:
    def open_split() -> Split:
        labels = np.repeat(np.arange(len(classes)), [len(by_class[label]) for label in classes]).astype(np.int64)
        return from_files([path for label in classes for path in by_class[label]], labels)

    return open_split
