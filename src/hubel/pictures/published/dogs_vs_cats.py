"""Dogs vs. Cats (Kaggle 2013, from Microsoft's Asirra) as Kaggle packs it: train/cat.0.jpg, train/dog.0.jpg and so on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.listing import holds
from hubel.pictures.published.forms import Files, Found

CLASSES = ("cat", "dog")
PICTURE = re.compile(r"(cat|dog)\.(\d+)\.jpe?g", re.IGNORECASE)
UNLABELLED = ("test1", "test")


def found(folder: Path) -> Found | None:
    """The pictures of Kaggle's train folder, whether the folder is that or the one above it."""
    for place in (folder / "train", folder):
        names = [entry.name for entry in place.iterdir()] if holds(place.is_dir) else []
        numbered = [(match[1].lower(), int(match[2]), match[0]) for match in map(PICTURE.fullmatch, names) if match]
        if numbered:
            return _found(folder, place, sorted(numbered), len(names) - len(numbered))
    return None


def _found(folder: Path, place: Path, numbered: list[tuple[str, int, str]], others: int) -> Found:
    missing = set(CLASSES) - {label for label, _, _ in numbered}
    if missing:
        raise PictureError(f"{place} has no picture of a {missing.pop()}; telling cats from dogs takes both.")
    notes = [f"{folder / name} was left out: its pictures have no labels." for name in UNLABELLED if (folder / name).is_dir()]
    if others:
        notes.append(f"{others} other entries of {place} were left out: they are not named like cat.0.jpg.")

    def files() -> Files:
        return [place / name for _, _, name in numbered], np.array([CLASSES.index(label) for label, _, _ in numbered], np.int64)

    return Found(CLASSES, {"train": files}, tuple(notes))
