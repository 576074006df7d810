"""What goes with a class besides what it shows: its format, size or lack of colour, by which a network could tell it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hubel.pictures.doctor.findings import Example, Finding, share
from hubel.pictures.doctor.inventory import Inventory

APART = 0.25
"""By how much the share of a class differs from that of all others where it is said."""

TELLING = 0.85
"""In what part of all pairs the picture of the class is the larger one (or the smaller one) where it is said."""

CHANCE = 1e-3
"""How likely chance alone would make any class differ so much, at most."""

ROUNDING = 1e-9
"""Of what is equal for two classes, that of the first is told."""

SHOWN = 12
"""Pictures that show it."""

WORDS = {
    "size": ("larger", "smaller", "pixels", "bring all to one size in the same way before training, so that all are equally sharp"),
    "shape": ("wider for their height", "narrower for their height", "times as wide as high", "train with --random-resized-crop, so that none is stretched"),
    "compression": ("compressed more", "compressed less", "levels a step of JPEG", "save all of them anew in one quality"),
}  # fmt: skip
"""Of each property that is a number: what more and less of it are called, its unit, and what to do."""


@dataclass(frozen=True)
class Told:
    """A class that a property tells, and its value (a share, or the median) there and among all others."""

    label: int
    inside: float
    outside: float


def shortcuts(inventory: Inventory) -> Iterator[Finding]:
    """Each property of the files that goes with a class, for the class that it tells best."""
    there = np.flatnonzero(inventory.readable)
    pictures, labels = [inventory.pictures[i] for i in there], inventory.labels[there]
    grey = np.array([picture.grey for picture in pictures], bool)
    if told := shares(grey, labels):
        yield _of_share(inventory, there[grey], told, "grey", "grey", "make all of them grey, or collect as many grey ones of every class")
    forms = np.array([picture.form for picture in pictures])
    for form, _ in reversed(Counter(forms.tolist()).most_common()):
        if told := shares(forms == form, labels):
            yield _of_share(inventory, there[forms == form], told, "format", f"{form} files", "save all of them in one format and quality")
            break  # what is not of this format is of another: the same would be said twice
    sides = np.array([(picture.height, picture.width) for picture in pictures], float).reshape(-1, 2)
    steps = np.array([picture.coarseness for picture in pictures])
    for name, values in {"size": sides.prod(1), "shape": sides[:, 1] / sides[:, 0], "compression": steps}.items():
        known = values > 0
        if told := order(values[known], labels[known]):
            yield _of_order(inventory, there[known], values[known], told, name)


def shares(has: NDArray[np.bool_], labels: NDArray[np.int64]) -> Told | None:
    """The class of which the largest or smallest part has a property, against all others; None where that might be chance."""
    each, having = np.bincount(labels), np.bincount(labels[has], minlength=labels.max(initial=0) + 1)
    best, widest = None, APART
    for label in np.flatnonzero((each > 0) & (each < len(labels))):
        a, b = int(having[label]), int(each[label] - having[label])
        c, d = int(has.sum()) - a, int(len(labels) - has.sum()) - b
        told = Told(int(label), a / (a + b), c / (c + d))
        apart = abs(told.inside - told.outside)
        if (apart > widest + ROUNDING or (apart >= widest and best is None)) and _chance_of_table(a, b, c, d) * len(each) < CHANCE:
            best, widest = told, apart
    return best


def _chance_of_table(a: int, b: int, c: int, d: int) -> float:
    """How likely two shares a/(a+b) and c/(c+d) differ so by chance: the chi-squared test with Yates' correction."""
    whole, sides = a + b + c + d, float(a + b) * (c + d) * (a + c) * (b + d)
    if not sides:
        return 1.0
    return math.erfc(math.sqrt(whole * max(0.0, abs(a * d - b * c) - whole / 2) ** 2 / sides / 2))


def order(values: NDArray[np.float64], labels: NDArray[np.int64]) -> Told | None:
    """The class whose values are the most often larger, or the most often smaller, than those of all others; None where that might be chance.

    The test is that of Mann and Whitney (1947), without their correction for ties.
    """
    each = np.bincount(labels)
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.bincount(labels, (np.cumsum(count) - (count - 1) / 2)[place])
    best, clearest = None, TELLING
    for label in np.flatnonzero((each > 0) & (each < len(labels))):
        n, others = int(each[label]), len(labels) - int(each[label])
        above = (ranks[label] - n * (n + 1) / 2) / (n * others)
        deviation = math.sqrt((len(labels) + 1) / (12 * n * others))
        clear = max(above, 1 - above)
        chance = math.erfc((clear - 0.5) / deviation / math.sqrt(2))
        if (clear > clearest + ROUNDING or (clear >= clearest and best is None)) and chance * len(each) < CHANCE:
            best, clearest = int(label), clear
    if best is None:
        return None
    return Told(best, float(np.median(values[labels == best])), float(np.median(values[labels != best])))


def _of_share(inventory: Inventory, having: NDArray[np.int64], told: Told, kind: str, what: str, remedy: str) -> Finding:
    more = told.inside > told.outside
    return _finding(
        kind,
        f"{share(told.inside, 1)} of the pictures of {inventory.classes[told.label]} are {what}, but {share(told.outside, 1)} of {_others(inventory, told)}.",
        remedy,
        [int(i) for i in having if (inventory.labels[i] == told.label) == more],
    )


def _of_order(inventory: Inventory, there: NDArray[np.int64], values: NDArray[np.float64], told: Told, kind: str) -> Finding:
    more, less, unit, remedy = WORDS[kind]
    return _finding(
        kind,
        f"Nearly all pictures of {inventory.classes[told.label]} are {more if told.inside > told.outside else less} than {_others(inventory, told)}:"
        f" {_number(told.inside)} {unit} in the middle, against {_number(told.outside)}.",
        remedy,
        [int(i) for i in there[np.argsort(np.abs(values - told.inside), kind="stable")] if inventory.labels[i] == told.label],
    )


def _finding(kind: str, says: str, remedy: str, members: list[int]) -> Finding:
    advice = f"A network could learn this instead of what the pictures show: {remedy}."
    return Finding(f"shortcut by {kind}", "warning", says, advice, tuple(Example((i,)) for i in members[:SHOWN]))


def _others(inventory: Inventory, told: Told) -> str:
    return f"those of {inventory.classes[1 - told.label]}" if len(inventory.classes) == 2 else "those of all other classes"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
