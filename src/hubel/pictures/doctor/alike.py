"""Which pictures of many are alike, whichever way they are turned: all that are closer than a limit, of all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hubel.machine import processors
from hubel.pictures.doctor.fingerprints import ORDERS

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

TURNS = ("", "mirrored", "mirrored, turned by 180 degrees", "turned by 180 degrees",
         "mirrored, turned by 90 degrees", "turned by 90 degrees", "turned by 90 degrees", "mirrored, turned by 90 degrees")  # fmt: skip
"""How one picture lies to another: as it is or exchanging down and across, and of these as it is, mirrored across, down, both."""

_DOWN, _ACROSS = np.indices((ORDERS, ORDERS)).reshape(2, -1)
MIRRORS = np.stack(
    [(-1.0) ** (down * _DOWN + across * _ACROSS) for down, across in product((0, 1), repeat=2)], axis=1
).astype(np.float32)  # fmt: skip
"""A mirrored cosine is itself where its half waves are even, else its negative: (cosines, the four ways)."""

COORDINATES = 60
"""By which pictures are compared at first; the rest of them only by its length."""

TILE = 1024
"""Pictures compared with as many at a time: their products, 4 MB, stay in the cache."""

WHOLE = 150_000
"""Pictures of which every pair is compared. More are divided into cells first."""

NEAREST = 4
"""Cells that a picture belongs to. What share of near copies share one is in results/bench-copies.json."""


def likeness(one: Floats, other: Floats) -> Floats:
    """Cosine of the angle between strokes (n, ORDERS, ORDERS) and others, the other turned in each of TURNS: (n, 8)."""
    ways = [(one * turned).reshape(-1, ORDERS**2) @ MIRRORS for turned in (other, other.transpose(0, 2, 1))]
    return np.concatenate(ways, axis=1)


def folded(strokes: Floats) -> Floats:
    """Coordinates (n, COORDINATES + 2) that no turn changes, and in which pictures are never further apart than in their closest turn.

    A sign that mirroring may change is dropped, a pair that turning may exchange is sorted: neither adds distance. Nor do
    lengths, which stand for the coordinates that vary least in this set.
    """
    kept = ((_DOWN % 2 == 0) & (_ACROSS % 2 == 0)).reshape(ORDERS, ORDERS)
    unsigned = np.where(kept, strokes, np.abs(strokes))
    exchanged = unsigned.transpose(0, 2, 1)
    above = np.arange(ORDERS)[:, None] < np.arange(ORDERS)
    invariant = np.where(above, np.minimum(unsigned, exchanged), np.maximum(unsigned, exchanged)).reshape(-1, ORDERS**2)
    invariant = invariant[:, np.argsort(-invariant.var(0), kind="stable")] if len(strokes) else invariant
    middle = (COORDINATES + ORDERS**2) // 2
    rest = (invariant[:, COORDINATES:middle], invariant[:, middle:])
    return np.column_stack([invariant[:, :COORDINATES], *(np.sqrt((part**2).sum(1)) for part in rest)])


def close(points: Floats, limit: float, told: Callable[[int], None] | None = None) -> Iterator[tuple[Numbers, Numbers]]:
    """All pairs of points, the lower number first, whose distance squared is at most the limit. `told` hears how many are compared.

    Of more than WHOLE points a pair that shares no cell is missed, and one that shares several comes as often.
    """
    cells = [np.arange(len(points))] if len(points) <= WHOLE else _cells(points)
    whole, before = sum(map(len, cells)), 0
    with ThreadPoolExecutor(processors()) as threads:
        for cell in cells:
            some = points[cell]
            half = (some**2).sum(1, keepdims=True) / 2
            rows = np.hstack([some, limit / 2 + 1e-5 - half, np.full_like(half, -1)])  # so that a product with a column is positive
            columns = np.hstack([some, np.ones_like(half), half])  # where the distance is within the limit, or its rounding
            starts = range(0, len(cell), TILE)
            for start, (i, j) in zip(starts, threads.map(partial(_strip, rows, columns), starts)):
                yield cell[i], cell[j]
                if told is not None:
                    told((before + min(start + TILE, len(cell))) * len(points) // whole)
            before += len(cell)


def _strip(rows: Floats, columns: Floats, start: int) -> tuple[Numbers, Numbers]:
    """Of TILE rows, from start on, each with the later columns whose product with it is positive."""
    found: list[Numbers] = [np.empty((2, 0), np.int64)]
    some = rows[start : start + TILE]
    for beside in range(start, len(columns), TILE):
        others = columns[beside : beside + TILE]
        i, j = np.divmod(np.flatnonzero(some @ others.T > 0), len(others))
        later = i + start < j + beside
        found.append(np.stack([i[later] + start, j[later] + beside]))
    i, j = np.concatenate(found, axis=1)
    return i, j


def _cells(points: Floats) -> list[Numbers]:
    """The points by which of n^(1/2) of them, taken evenly, are their NEAREST: n^(3/2) distances instead of n^2."""
    count = int(len(points) ** 0.5)
    centres = points[np.linspace(0, len(points) - 1, count).astype(int)]
    half = (centres**2).sum(1) / 2
    nearest = np.concatenate(
        [
            np.argpartition(half - points[start : start + TILE] @ centres.T, NEAREST, axis=1)[:, :NEAREST]
            for start in range(0, len(points), TILE)
        ]
    )
    order = np.argsort(nearest, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(nearest.ravel(), minlength=count))
    return [cell for cell in np.split(order // NEAREST, ends[:-1]) if len(cell) > 1]
