"""STL-10 (Coates, Lee, Ng 2011), in its binary version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.published.forms import Arrays, Found, checked, data_of, names_of

SIDE = 96
NAMES = "class_names.txt"


def found(folder: Path) -> Found | None:
    """The STL-10 files in a folder. Raises PictureError where one of a pair is missing."""
    splits: dict[str, Callable[[], Arrays]] = {}

    def opener(pictures: Path, labels: Path) -> Callable[[], Arrays]:
        return lambda: _read(pictures, labels)

    for split in ("train", "test"):
        files = (folder / f"{split}_X.bin", folder / f"{split}_y.bin")
        there = [path.is_file() for path in files]
        if any(there) and not all(there):
            raise PictureError(
                f"{folder} has {files[there.index(True)].name} without {files[there.index(False)].name}; they belong together."
            )
        if all(there):
            splits[split] = opener(*files)
    if not splits:
        return None
    if not (folder / NAMES).is_file():
        raise PictureError(f"{folder} lacks {NAMES}, which names the classes of STL-10; put it there too.")
    notes = []
    if (folder / "unlabeled_X.bin").exists():
        notes.append(f"{folder / 'unlabeled_X.bin'} was left out: its pictures have no labels.")
    return Found(names_of(folder / NAMES, 10), splits, tuple(notes))


def _read(pictures: Path, labels: Path) -> Arrays:
    data = np.frombuffer(data_of(pictures), np.uint8)
    if data.size % (3 * SIDE * SIDE):
        raise PictureError(f"{pictures} has {data.size} bytes, no multiple of a picture's 3 x {SIDE} x {SIDE}; it is damaged or cut off.")
    by_columns = data.reshape(-1, 3, SIDE, SIDE)  # (n, channel, column, row)
    said = np.frombuffer(data_of(labels), np.uint8).astype(np.int64) - 1  # the file counts from 1
    return checked(by_columns.transpose(0, 3, 2, 1), said, 10, pictures)
