"""Where pictures come from: each source gives classes and splits, and says how to read picture i of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hubel.errors import PictureError
from hubel.pictures import published
from hubel.pictures.pixels import opened

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test", "testing": "test"}  # fmt: skip
"""Folder names, in lower case, that hold a split."""


@dataclass(frozen=True)
class Split:
    """Labelled pictures that are not decoded yet."""

    names: Sequence[str]
    """Where each picture lies: a path, or the set's name and a number."""
    labels: NDArray[np.int64]
    read: Callable[[int], Image.Image]
    """Picture i. Raises PictureError with the reason where it cannot be read."""


@dataclass(frozen=True)
class Source:
    """A set of pictures: its classes, in order, and its splits, each opened only when it is asked for."""

    name: str
    classes: tuple[str, ...]
    openers: dict[str, Callable[[], Split]]
    """By split: train, validation, test; or "all" where the set is not divided."""
    notes: tuple[str, ...] = field(default=())
    """What was left out, and why."""

    def split(self, name: str) -> Split:
        """One split. Raises PictureError, naming those there are, where the set has it not."""
        if name not in self.openers:
            raise PictureError(f"{self.name} has no {name} pictures; it has: {', '.join(self.openers)}.")
        return self.openers[name]()

    def training(self) -> Split:
        """The pictures to learn from: the train split, or all of a set that is not divided."""
        return self.split("all" if "all" in self.openers else "train")

    def testing(self) -> Split:
        """The pictures to be tested on: the test split, or all of a set that is not divided."""
        return self.split("all" if "all" in self.openers else "test")


def open_source(place: str | Path) -> Source:
    """A set by its name (digits) or its folder: of IDX files, of class folders, or of train, validation and test.

    Raises PictureError, in one sentence, where nothing there can be used.
    """
    if str(place) == "digits":
        return _from_arrays("digits", tuple("0123456789"), published.digits())
    folder = Path(place)
    if not _is(folder.exists):
        raise PictureError(f"There is no folder {str(place)!r}, and no set of that name; the set that is always there is: digits.")
    if not _is(folder.is_dir):
        raise PictureError(f"{str(place)!r} is a file; a set is a folder of class folders, or a folder of IDX files.")
    files = published.idx_files(folder)
    if files:
        return _from_arrays(folder.resolve().name, published.idx_classes(files), published.idx_splits(files))
    return _from_folders(folder)


def _from_arrays(
    name: str, classes: tuple[str, ...], splits: dict[str, Callable[[], tuple[NDArray[np.uint8], NDArray[np.int64]]]]
) -> Source:
    def opener(split: str) -> Callable[[], Split]:
        def open_split() -> Split:
            pictures, labels = splits[split]()
            names = [f"{name} {split} {i}" for i in range(len(labels))]
            return Split(names, labels, lambda i: Image.fromarray(pictures[i]))

        return open_split

    return Source(name, classes, {split: opener(split) for split in splits})


# --- folders of class folders -----------------------------------------------------------------------------------------


def _from_folders(folder: Path) -> Source:
    notes: list[str] = []
    below = _folders(folder, notes)
    divided = any(name.lower() in SPLITS for name in below)
    if not divided:
        return _source(folder, {"all": below}, {"all": folder}, notes)
    parts = {SPLITS[name.lower()]: path for name, path in below.items() if name.lower() in SPLITS}
    strangers = sorted(name for name in below if name.lower() not in SPLITS)
    if strangers:
        raise PictureError(
            f"{folder} has split folders ({', '.join(sorted(parts))}) beside others ({', '.join(strangers)}); move the others away."
        )
    if len(parts) < len(below):
        raise PictureError(f"{folder} has two folders for one split: {', '.join(sorted(below))}; leave one of them.")
    if "train" not in parts:
        notes.append(f"{folder} has no train folder, so it can be tested on but not trained on.")
    parts = {name: parts[name] for name in ("train", "validation", "test") if name in parts}
    return _source(folder, {name: _folders(path, notes) for name, path in parts.items()}, parts, notes)


def _source(folder: Path, folders: dict[str, dict[str, Path]], places: dict[str, Path], notes: list[str]) -> Source:
    """The set of class folders {split: {class: folder}}, if they agree and none is empty."""
    for name, by_class in folders.items():
        if not by_class:
            raise PictureError(f"{places[name]} has no class folders; a set is a folder with one folder of pictures for each class.")
    first, *others = folders
    classes = tuple(sorted(folders[first]))
    for other in others:
        if tuple(sorted(folders[other])) != classes:
            raise PictureError(
                f"The classes of {places[first]} and {places[other]} disagree: {', '.join(classes)} against {', '.join(sorted(folders[other]))}."
            )
    if len(classes) == 1:
        raise PictureError(f"{folder} has the single class {classes[0]!r}; telling classes apart takes at least two folders of pictures.")
    files = {name: {label: _files(path, notes) for label, path in by_class.items()} for name, by_class in folders.items()}
    for name, listed in files.items():
        empty = [label for label in classes if not listed[label]]
        if empty:
            raise PictureError(f"The class {empty[0]!r} has no pictures in {places[name]}; put some there, or remove the folder.")
    return Source(folder.resolve().name, classes, {name: _opener(listed, classes) for name, listed in files.items()}, tuple(notes))


def _opener(by_class: dict[str, list[Path]], classes: tuple[str, ...]) -> Callable[[], Split]:
    def open_split() -> Split:
        files = [path for label in classes for path in by_class[label]]
        labels = np.repeat(np.arange(len(classes)), [len(by_class[label]) for label in classes]).astype(np.int64)
        return Split([str(path) for path in files], labels, lambda i: opened(files[i]))

    return open_split


def _folders(folder: Path, notes: list[str]) -> dict[str, Path]:
    """The visible folders in a folder, by name; hidden ones and lone files are noted."""
    found = {}
    for entry in _entries(folder):
        hidden = entry.name.startswith(".") or entry.name == "__MACOSX"
        if not _is(entry.is_dir):
            if not hidden:
                notes.append(f"{entry.path} was left out: it lies beside the class folders, not in one.")
        elif hidden:
            notes.append(f"{entry.path} was left out: it is a hidden folder.")
        else:
            found[entry.name] = Path(entry.path)
    return found


def _files(folder: Path, notes: list[str]) -> list[Path]:
    """Every file in a class folder and the folders below it, by name; hidden ones are noted."""
    found = []
    for entry in _entries(folder):
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            notes.append(f"{entry.path} was left out: it is hidden.")
        elif not entry.is_symlink() and _is(entry.is_dir):
            found += _files(Path(entry.path), notes)
        elif _is(entry.is_file):
            found.append(Path(entry.path))
        else:
            notes.append(f"{entry.path} was left out: it is no file of its own (a pipe, a socket, or a link that leads to none).")
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise PictureError(f"{folder} cannot be read: {error.strerror or error}.") from None


def _is(asked: Callable[[], bool]) -> bool:
    """What the system says, or False where it cannot say: a link that leads to itself, a name too long."""
    try:
        return asked()
    except (OSError, ValueError):
        return False
