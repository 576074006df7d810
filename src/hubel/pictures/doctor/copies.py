"""Copies among the pictures of a set: the same file, the same pixels in another file, nearly the same pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hubel.pictures.doctor.alike import MIRRORS, TURNS, Floats, Numbers, close, folded, likeness
from hubel.pictures.doctor.fingerprints import ORDERS, Seen, strokes_of
from hubel.pictures.told import Told

ALIKE = 0.9
"""Similarity from which on pictures are near copies, unless the set's own are alike by nature. Chosen in benchmarks/copies.py."""

STRICTEST = 0.99
"""The most that is asked of near copies."""

SAMPLE = 500
"""Pictures by which it is judged how alike those of a set are by nature."""

NEIGHBOURS = 12
"""How many copies a picture may have without being taken for proof that the set's pictures are alike by nature."""

NEARER = 0.2
"""The part of the distance squared to a neighbour by nature, within which a near copy must lie."""

MOST = 100
"""Pairs that are named of both pictures of a pair: thousands of frames of one scene would be millions of pairs."""

PAIRS = 20_000
"""Compared in full at a time."""


class Near(NamedTuple):
    """Two pictures that are nearly the same: resized, recompressed, changed in brightness, cut a little, turned."""

    one: int
    other: int
    similarity: float
    """The cosine of the angle between their strong strokes or that between all their strokes, whichever is less; 1 at most."""
    turn: str
    """How the other lies to the one: one of TURNS, empty where it lies the same way."""


@dataclass(frozen=True)
class Copies:
    """Groups and pairs of pictures, by their number in the set."""

    exact: tuple[tuple[int, ...], ...]
    """The same file."""
    same_pixels: tuple[tuple[int, ...], ...]
    """The same pixels in two files or more, or, of pictures that are no files, the same pixels."""
    near: tuple[Near, ...]
    """Pairs, the most similar first. Of pictures with the same pixels the first stands for all. Likeness does not chain."""
    threshold: float = ALIKE
    """The similarity from which on pairs are named here."""


def find(files: Sequence[bytes | None], seen: Sequence[Seen | None], told: Told | None = None) -> Copies:
    """All copies in a set: `files` are digests of the files, None where there is none; `seen` is None of what cannot be read.

    `told` hears how far it is.
    """
    readable = [(i, one) for i, one in enumerate(seen) if one is not None]
    exact = _groups((i, file) for i, file in enumerate(files) if file is not None)
    same = _groups((i, one.pixels) for i, one in readable)
    same_pixels = tuple(group for group in same if len({i if files[i] is None else files[i] for i in group}) > 1)
    repeated = {i for group in same for i in group[1:]}
    with threadpool_limits(1, "blas"):  # which else waits by counting, and here every processor has a thread of its own
        near, threshold = _near({i: one for i, one in readable if i not in repeated}, told)
    return Copies(exact, same_pixels, near, threshold)


def _groups(known: Iterable[tuple[int, Hashable]]) -> tuple[tuple[int, ...], ...]:
    """The numbers that are known by the same thing, where there are several, in order."""
    groups: dict[Hashable, list[int]] = {}
    for i, what in known:
        groups.setdefault(what, []).append(i)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _near(seen: dict[int, Seen], told: Told | None) -> tuple[tuple[Near, ...], float]:
    """Near copies among pictures by their numbers, and from which similarity on they are."""
    numbers, known = np.array(list(seen), np.int64), list(seen.values())
    faint = strokes_of(known)
    marked = np.flatnonzero(faint.any((1, 2)))  # the others are too plain
    numbers, faint = numbers[marked], faint[marked]
    strong = faint * np.abs(faint)  # what they are the roots of
    strong /= np.sqrt((strong**2).sum((1, 2), keepdims=True))
    sample = sorted(range(len(marked)), key=lambda i: known[marked[i]].pixels)[:SAMPLE]  # by chance, and the same in every order
    threshold = _threshold(faint, np.array(sample, np.int64))
    found: dict[tuple[int, int], Near] = {}
    compared = None if told is None else lambda count: told("comparing", count, len(marked))
    for i, j in close(folded(strong), 2 - 2 * threshold, compared):
        for start in range(0, len(i), PAIRS):
            for a, b, similarity, turn in _verified(strong, faint, threshold, i[start : start + PAIRS], j[start : start + PAIRS]):
                pair = int(numbers[a]), int(numbers[b])
                found[pair] = Near(*pair, similarity, TURNS[turn])
    ordered = sorted(found.values(), key=lambda near: (-near.similarity, near.one, near.other))
    named = Counter[int]()
    return tuple(near for near in ordered if _counted(named, near) <= MOST), threshold


def _counted(named: Counter[int], near: Near) -> int:
    """How many pairs the one of them that has fewer is in, with this."""
    named.update(near[:2])
    return min(named[near.one], named[near.other])


def _threshold(faint: Floats, sample: Numbers) -> float:
    """The similarity that tells copies in this set: ALIKE, or more where many pictures have many neighbours nearly as alike.

    Handwritten digits on black are alike by nature: one in twenty has a dozen others at 0.95.
    """
    if len(faint) <= NEIGHBOURS + 1:
        return ALIKE
    everything = faint.reshape(-1, ORDERS**2)
    crowd = []
    for some in np.array_split(everything[sample], -(-len(sample) // 100)):
        alike = np.maximum(some @ everything.T, some * MIRRORS[:, 1] @ everything.T)
        crowd.append(np.partition(alike, -NEIGHBOURS - 1, axis=1)[:, -NEIGHBOURS - 1])  # itself the most alike
    by_nature = float(np.quantile(np.concatenate(crowd), 0.95))
    return min(STRICTEST, max(ALIKE, 1 - NEARER * (1 - by_nature)))


def _verified(strong: Floats, faint: Floats, threshold: float, i: Numbers, j: Numbers) -> list[tuple[int, int, float, int]]:
    """Of pairs that may be near copies those that are, each with its similarity and turn.

    Strong strokes alone are alike in two pictures with the same frame, or the same horizon; all of them are not.
    """
    ways = likeness(strong[i], strong[j])
    turn, similarity = ways.argmax(1), ways.max(1)
    kept = np.flatnonzero(similarity >= threshold)
    i, j, turn = i[kept], j[kept], turn[kept]
    similarity = np.minimum(similarity[kept], likeness(faint[i], faint[j])[np.arange(len(i)), turn])
    return [(int(i[k]), int(j[k]), min(1.0, float(similarity[k])), int(turn[k])) for k in np.flatnonzero(similarity >= threshold)]
