"""IDX files: MNIST (LeCun, Cortes), and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), whose files have the same names."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError
from hubel.pictures.published.forms import Arrays, Found, data_of

IDX = {"train": "train", "test": "t10k"}
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FASHION_STARTS = {"train": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], "test": [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]}
"""The first labels of Fashion-MNIST, by which it is told from MNIST."""


def found(folder: Path) -> Found | None:
    """The IDX files in a folder."""
    files = idx_files(folder)
    return Found(idx_classes(files), idx_splits(files)) if files else None


def idx_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The (pictures, labels) files of each split that lie in a folder, unpacked or not; empty where there are none.

    Raises PictureError where a split has only one of its two files.
    """
    found = {}
    for split, prefix in IDX.items():
        pair = [_one_of(folder, f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
        if pair[0] and pair[1]:
            found[split] = (pair[0], pair[1])
        elif pair[0] or pair[1]:
            raise PictureError(
                f"{folder} has {(pair[0] or pair[1])} without its other half: {prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte (or .gz) belong together."
            )
    return found


def _one_of(folder: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")  # as some unpackers name them
    return next((path for stem in (name, dotted) for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def idx_classes(files: dict[str, tuple[Path, Path]]) -> tuple[str, ...]:
    """The names of the ten classes: garments if the labels begin as Fashion-MNIST's do, digits otherwise."""
    split, (_, labels) = next(iter(files.items()))
    return FASHION if idx(labels, 1)[:10].tolist() == FASHION_STARTS[split] else tuple("0123456789")


def idx_splits(files: dict[str, tuple[Path, Path]]) -> dict[str, Callable[[], Arrays]]:
    """How to read each split."""

    def opener(split: str) -> Callable[[], Arrays]:
        return lambda: _idx_pair(*files[split])

    return {split: opener(split) for split in files}


def _idx_pair(pictures: Path, labels: Path) -> Arrays:
    drawn, said = idx(pictures, 3), idx(labels, 1)
    if len(drawn) != len(said):
        raise PictureError(f"{pictures} has {len(drawn)} pictures, but {labels} has {len(said)} labels; the files do not belong together.")
    if not drawn.size:
        raise PictureError(f"{pictures} holds no pictures: its header says {' x '.join(map(str, drawn.shape))}.")
    if said.max() > 9:
        raise PictureError(f"{labels} has the label {said.max()}; MNIST and Fashion-MNIST have 0 to 9.")
    return drawn, said.astype(np.int64)


def idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of bytes, gzipped or not. Raises PictureError where it is not what its header says."""
    data = data_of(path)
    head = 4 + 4 * dimensions
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < head:
        raise PictureError(
            f"{path} is not an IDX file of bytes in {dimensions} dimensions: it begins with {data[:4].hex(' ') or 'nothing'}."
        )
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    if math.prod(shape) != len(data) - head:
        raise PictureError(f"{path} says {' x '.join(map(str, shape))} values, but holds {len(data) - head}; it is damaged or cut off.")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
