"""Data sets in the formats in which they are published, one format a file; each knows its own files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hubel.pictures.published import cifar, dogs_vs_cats, idx, imagenet, stl, svhn
from hubel.pictures.published.digits import digits, held_out
from hubel.pictures.published.forms import Arrays, Found
from hubel.pictures.published.idx import FASHION, idx_files, idx_splits

__all__ = ["ARRAYS", "FASHION", "Arrays", "Found", "digits", "held_out", "idx_files", "idx_splits", "recognised"]

ARRAYS = (idx.found, cifar.found, stl.found, svhn.found)
FORMATS = (*ARRAYS, imagenet.found, dogs_vs_cats.found)


def recognised(folder: Path, formats: Sequence[Callable[[Path], Found | None]] = FORMATS) -> Found | None:
    """What lies in a folder in a published format, or None. Raises PictureError where a format's files are not whole."""
    return next((found for found in (look(folder) for look in formats) if found is not None), None)
