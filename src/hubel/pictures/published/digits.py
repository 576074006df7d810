"""The digits: UCI's optical recognition of handwritten digits (Alpaydin, Kaynak 1998), as scikit-learn carries them."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError
from hubel.pictures.published.forms import Arrays

HELD_OUT = 0.2


def digits() -> dict[str, Callable[[], Arrays]]:
    """1,797 digits of 8x8 in 17 grey levels; a fifth, drawn class by class with a fixed seed, is the test split."""
    return {"train": lambda: _digits(test=False), "test": lambda: _digits(test=True)}


def _digits(test: bool) -> Arrays:
    found = importlib.util.find_spec("sklearn")  # its file is wanted, not its code, which takes a second to import
    if found is None or found.origin is None:
        raise PictureError("The digits come inside scikit-learn: pip install scikit-learn.")
    with gzip.open(Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.int64)
    pictures, labels = (table[:, :64].reshape(-1, 8, 8) * 255 + 8) // 16, table[:, 64]
    held = held_out(labels, HELD_OUT, np.random.default_rng(1998))
    chosen = held if test else ~held
    return pictures[chosen].astype(np.uint8), labels[chosen]


def held_out(labels: NDArray[np.int64], share: float, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Which pictures to hold out: the same share of every class, but never the only one of it."""
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held[draw.permutation(members)[:count]] = True
    return held
