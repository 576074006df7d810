"""Street View House Numbers (Netzer et al. 2011), format 2: cropped digits of 32x32 in MATLAB files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.machine import free_memory
from hubel.pictures.published import matlab
from hubel.pictures.published.forms import Arrays, Found, checked

FILES = {split: f"{split}_32x32.mat" for split in ("train", "test", "extra")}
SHAPE = (32, 32, 3)


def found(folder: Path) -> Found | None:
    """The SVHN files in a folder."""

    def opener(path: Path) -> Callable[[], Arrays]:
        return lambda: _read(path)

    splits = {split: opener(folder / name) for split, name in FILES.items() if (folder / name).is_file()}
    return Found(tuple("0123456789"), splits) if splits else None


def _read(path: Path) -> Arrays:
    """X is (row, column, channel, picture); y says 10 for the digit 0."""
    said = matlab.declared(path)
    shape, kind = said.get("X", ((), ""))
    if kind != "uint8" or len(shape) != 4 or shape[:3] != SHAPE or said.get("y", ((), ""))[0] != (shape[3], 1):
        raise PictureError(f"{path} should hold X, bytes of 32 x 32 x 3 x n, and y, n labels; it is no file of SVHN's format 2.")
    if 3 * 32 * 32 * shape[3] > 0.8 * free_memory():
        raise PictureError(f"{path} says that it holds {shape[3]:,} pictures; they do not fit into the memory that is free.")
    tables = matlab.variables(path, "X", "y")
    labels = np.atleast_1d(tables["y"]).astype(np.int64)
    if labels.min(initial=1) < 1 or labels.max(initial=10) > 10:
        raise PictureError(f"{path} has labels from {labels.min()} to {labels.max()}; SVHN has 1 to 10, 10 being the digit 0.")
    return checked(np.moveaxis(tables["X"].reshape(*SHAPE, -1), 3, 0), labels % 10, 10, path)
