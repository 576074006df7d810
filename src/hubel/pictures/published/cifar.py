"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), in their binary version and in their python version, of which nothing is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.published.forms import Arrays, Found, checked, data_of, named, names_of
from hubel.pictures.published.pickled import unpickled

SIDE = 32
VALUES = 3 * SIDE * SIDE
"""Of one picture: all of its red, then its green, then its blue, row by row."""

SUPERCLASSES = "The 20 superclasses of CIFAR-100 were left out: each picture has the finer of its two labels."


@dataclass(frozen=True)
class Layout:
    """Which files a version consists of."""

    classes: int
    train: tuple[str, ...]
    test: str
    names: str
    labels: int | str
    """How many bytes of labels stand before each picture, the finest last; or the name that the python version gives them."""
    named: str = ""
    """What the python version calls the names of the classes."""


LAYOUTS = (
    Layout(10, tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin", "batches.meta.txt", 1),
    Layout(10, tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta", "labels", "label_names"),
    Layout(100, ("train.bin",), "test.bin", "fine_label_names.txt", 2),
    Layout(100, ("train",), "test", "meta", "fine_labels", "fine_label_names"),
)


def found(folder: Path) -> Found | None:
    """The CIFAR files in a folder. Raises PictureError where some of them are missing."""
    for layout in LAYOUTS:
        there = [name for name in (*layout.train, layout.test) if (folder / name).is_file()]
        telling = (folder / layout.names).is_file()
        if there and (telling or layout.classes == 10):  # the files of CIFAR-100 have names that others might use
            if not telling:
                raise PictureError(f"{folder} has {there[0]}, but not {layout.names}, which names its classes; put it there too.")
            return _found(folder, layout, there)
    return None


def _found(folder: Path, layout: Layout, there: list[str]) -> Found:
    missing = [name for name in layout.train if name not in there]
    if missing and len(missing) < len(layout.train):
        raise PictureError(
            f"{folder} lacks {', '.join(missing)}; the train split is {len(layout.train)} files, so put the others there too."
        )
    splits: dict[str, Callable[[], Arrays]] = {}
    if not missing:
        splits["train"] = lambda: _joined(folder, layout, layout.train)
    if layout.test in there:
        splits["test"] = lambda: _joined(folder, layout, (layout.test,))
    return Found(_names(folder / layout.names, layout), splits, (SUPERCLASSES,) if layout.classes == 100 else ())


def _names(path: Path, layout: Layout) -> tuple[str, ...]:
    if not layout.named:
        return names_of(path, layout.classes)
    return named(map(str, _entry(path, layout.named, list)), layout.classes, path)


def _joined(folder: Path, layout: Layout, names: tuple[str, ...]) -> Arrays:
    parts = [_read(folder / name, layout) for name in names]
    pixels, labels = (np.concatenate(both) for both in zip(*parts))
    return pixels, labels


def _read(path: Path, layout: Layout) -> Arrays:
    if isinstance(layout.labels, str):
        rows, said = _entry(path, "data", np.ndarray), _entry(path, layout.labels, list)
        if rows.ndim != 2 or rows.shape[1] != VALUES or not all(type(label) is int for label in said):
            raise PictureError(f"{path} is damaged: its pictures should have {VALUES} bytes each, and its labels be whole numbers.")
        labels = np.array(said, np.int64)
    else:
        data, record = np.frombuffer(data_of(path), np.uint8), layout.labels + VALUES
        if data.size % record:
            raise PictureError(
                f"{path} has {data.size} bytes, which is no multiple of the {record} of a picture; it is damaged or cut off."
            )
        table = data.reshape(-1, record)
        rows, labels = table[:, layout.labels :], table[:, layout.labels - 1].astype(np.int64)
    return checked(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels, layout.classes, path)


def _entry(path: Path, name: str, kind: type) -> Any:
    whole = unpickled(data_of(path), path)
    if not isinstance(whole, dict) or not isinstance(whole.get(name), kind):
        raise PictureError(f"{path} has no {name!r} where CIFAR's python version has them; it is another file.")
    return whole[name]
