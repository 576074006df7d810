"""What every published format comes to: classes, and splits that are read when they are asked for."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pictures (n, height, width) or (n, height, width, 3), and their labels (n,)."""

Files = tuple[list[Path], NDArray[np.int64]]
"""Picture files, and their labels (n,)."""


@dataclass(frozen=True)
class Found:
    """A set as it lies in a folder."""

    classes: tuple[str, ...]
    splits: Mapping[str, Callable[[], Arrays] | Callable[[], Files]]
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


def data_of(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzipped."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise PictureError(f"{path} cannot be read: {error}.") from None


def names_of(path: Path, count: int) -> tuple[str, ...]:
    """The names of the classes, one a line."""
    names = tuple(filter(None, (line.strip() for line in data_of(path).decode(errors="replace").splitlines())))
    return named(names, count, path)


def named(names: Iterable[str], count: int, path: Path) -> tuple[str, ...]:
    """The names, if they are as many as they should be, and none stands twice."""
    names = tuple(names)
    if len(names) != count or len(set(names)) != count:
        raise PictureError(f"{path} should name {count} different classes, but it names {len(set(names))}.")
    return names


def checked(pixels: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, where: Path) -> Arrays:
    """Pictures and labels, if there is one of each, and every label is a class."""
    if len(pixels) != len(labels):
        raise PictureError(f"{where} has {len(pixels)} pictures, but {len(labels)} labels; it is damaged, or of another set.")
    if not len(labels):
        raise PictureError(f"{where} holds no pictures.")
    strange = labels[(labels < 0) | (labels >= classes)]
    if len(strange):
        raise PictureError(f"{where} has the label {strange[0]}, counted from 0; the set has {classes} classes.")
    return pixels, labels
