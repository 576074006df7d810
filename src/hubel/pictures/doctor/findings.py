"""What is wrong with a set, each thing as a value: how serious it is, a sentence with numbers, what to do, and the pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hubel.pictures.doctor.inventory import Inventory

Weight = Literal["error", "warning", "note"]

UNEVEN, LOPSIDED = 1.5, 10
"""How many times more pictures the commonest class has than the rarest, where it is said, and where it is a warning."""

LONG = 3
"""How many times longer the longer side is than the shorter of a picture that is odd."""

TINY, ROOMY = 32, 64
"""A shorter side below the one is odd where that of most pictures is at least the other."""

FAR = 4
"""How many times larger or smaller than the usual the longer side of an odd picture is."""


@dataclass(frozen=True)
class Example:
    """Pictures that show what is said, by their numbers in the inventory."""

    pictures: tuple[int, ...]
    remark: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    kind: str
    weight: Weight
    """error: training or testing on the set would mislead. warning: it is likely to. note: worth knowing."""
    says: str
    advice: str
    examples: tuple[Example, ...] = ()


def share(part: float, whole: float) -> str:
    """A share in per cent, that is never rounded to none or all."""
    percent = 100 * part / whole
    return f"{percent:.0f}%" if part in (0, whole) else f"{min(max(percent, 0.1), 99.9):.1f}%"


def some(count: int, what: str = "picture") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def listed(words: list[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def unreadable(inventory: Inventory) -> Iterator[Finding]:
    """Pictures that cannot be decoded."""
    bad = [Example((i,), picture.reason) for i, picture in enumerate(inventory.pictures) if picture.reason]
    if bad:
        count, whole = len(bad), len(inventory.pictures)
        yield Finding(
            "unreadable",
            "error",
            f"{count:,} of {some(whole)} ({share(count, whole)}) cannot be read.",
            "Mend or remove them; training leaves them out and says so.",
            tuple(bad),
        )


def damaged(inventory: Inventory) -> Iterator[Finding]:
    """What holds pictures, and is not whole."""
    for said in inventory.damage:
        yield Finding("damage", "error", said, "Bring it here anew: what it should hold beyond that is lost.")


def converted(inventory: Inventory) -> Iterator[Finding]:
    """Pictures that lose something when they become 8-bit colour."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, picture in enumerate(inventory.pictures):
        for conversion in picture.conversions:
            by_kind[conversion].append(i)
    if by_kind:
        whole = sorted({i for members in by_kind.values() for i in members})
        kinds = sorted(by_kind.items(), key=lambda item: -len(item[1]))
        counts = listed([f"{kind} ({len(members):,})" for kind, members in kinds])
        yield Finding(
            "conversion",
            "warning",
            f"{some(len(whole))} {verb(len(whole), 'loses', 'lose')} something on the way to 8-bit colour: {counts}.",
            "See whether they are still what they should be, and convert them by hand where they are not.",
            tuple(Example((i,), ", ".join(inventory.pictures[i].conversions)) for i in _alternating([members for _, members in kinds])),
        )


def _alternating(groups: list[list[int]]) -> list[int]:
    """The members of all groups, each once, the first of every group first."""
    longest = max(map(len, groups))
    return list(dict.fromkeys(group[place] for place in range(longest) for group in groups if place < len(group)))


def absent(inventory: Inventory) -> Iterator[Finding]:
    """Classes that have no pictures in a split."""
    for name, column in zip(inventory.splits, inventory.counts().T):
        missing = [inventory.classes[i] for i in np.flatnonzero(column == 0)]
        if missing:
            learning = name in ("train", "all")
            which = f"The class {missing[0]} has" if len(missing) == 1 else f"{len(missing):,} classes, such as {missing[0]}, have"
            yield Finding(
                "absent",
                "error" if learning else "warning",
                f"{which} no pictures in {name}, so {verb(len(missing), 'it', 'they')} cannot be {'learnt' if learning else 'tested there'}.",
                "Divide the set anew with --propose, or leave the class out.",
            )


def imbalance(inventory: Inventory) -> Iterator[Finding]:
    """Classes that have many times more pictures to learn from than others."""
    name = next((split for split in ("train", "all") if split in inventory.splits), next(iter(inventory.splits)))
    counts = inventory.counts()[:, list(inventory.splits).index(name)]
    there = np.where(counts > 0, counts, counts.max())
    rarest, commonest = int(there.argmin()), int(counts.argmax())
    ratio = counts[commonest] / counts[rarest]
    if ratio >= UNEVEN:
        warned = ratio >= LOPSIDED
        yield Finding(
            "imbalance",
            "warning" if warned else "note",
            f"{inventory.classes[commonest]} has {ratio:.1f} times as many pictures{_in(name)} as {inventory.classes[rarest]}"
            f" ({counts[commonest]:,} against {counts[rarest]:,}).",
            "Look at the recall of every class rather than at the accuracy alone"
            + ("; collect more of the rare ones, or weigh the classes in training." if warned else "."),
        )


def _in(split: str) -> str:
    return "" if split == "all" else f" in {split}"


def odd_sizes(inventory: Inventory) -> Iterator[Finding]:
    """Pictures whose shape or size is far from that of the others."""
    there = np.flatnonzero(inventory.readable)
    if not len(there):
        return
    sides = np.array([(inventory.pictures[i].height, inventory.pictures[i].width) for i in there])
    shorter, longer = sides.min(1), sides.max(1)
    usual, roomy = np.median(longer), np.median(shorter) >= ROOMY
    remarks: dict[int, list[str]] = defaultdict(list)
    for i, (height, width), short, long in zip(there.tolist(), sides.tolist(), shorter.tolist(), longer.tolist()):
        if long > LONG * short:
            remarks[i].append(f"{long / short:.1f} times longer than {'wide' if height > width else 'high'}")
        if roomy and short < TINY:
            remarks[i].append("tiny")
        elif long > FAR * usual or FAR * long < usual:
            remarks[i].append("much larger than the others" if long > usual else "much smaller than the others")
    if remarks:
        yield Finding(
            "odd size",
            "note",
            f"{some(len(remarks))} {verb(len(remarks), 'is', 'are')} of an odd size, where most are about"
            f" {np.median(sides[:, 1]):.0f} wide and {np.median(sides[:, 0]):.0f} high.",
            "See whether they show what they should; fitted to a network's input, they are stretched, cut or blurred.",
            tuple(Example((i,), f"{_size(inventory, i)}, {listed(said)}") for i, said in remarks.items()),
        )


def _size(inventory: Inventory, i: int) -> str:
    return f"{inventory.pictures[i].width} x {inventory.pictures[i].height}"


def grey_among_colour(inventory: Inventory) -> Iterator[Finding]:
    """Pictures in grey where the others are in colour, or all in grey though stored in colour."""
    grey = [i for i, picture in enumerate(inventory.pictures) if picture.grey and not picture.reason]
    stored = sum(inventory.pictures[i].channels >= 3 for i in grey)
    whole = int(inventory.readable.sum())
    if grey and len(grey) < whole:
        yield Finding(
            "grey",
            "note",
            f"{len(grey):,} of {some(whole)} ({share(len(grey), whole)}) {verb(len(grey), 'is', 'are')} grey among colour"
            f"{', though stored in colour' if stored == len(grey) else f', though {stored:,} are stored in colour' if stored else ''}.",
            "This does no harm as long as it does not go with a class.",
            tuple(Example((i,)) for i in grey),
        )
    elif grey and stored == whole:
        yield Finding("grey", "note", "All pictures are grey, but stored in colour.", "A network with one channel is enough for them.")
