"""A division of a set without leaks: copies stay together, every class is divided in the same shares."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.doctor.copies import Copies
from hubel.pictures.doctor.findings import listed
from hubel.pictures.doctor.inventory import Inventory
from hubel.pictures.sets import Split

SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Proposal:
    """A division: the split of each picture that is in it, and why the others are not."""

    shares: tuple[float, ...]
    seed: int
    splits: dict[int, str]
    """By the number of the picture in the inventory."""
    left_out: dict[int, str]
    """The reason, likewise."""

    def counts(self, inventory: Inventory) -> dict[str, list[int]]:
        """Pictures of each class, by split."""
        found = Counter((split, int(inventory.labels[i])) for i, split in self.splits.items())
        return {split: [found[split, label] for label in range(len(inventory.classes))] for split in SPLITS}


def proposed(inventory: Inventory, copies: Copies, shares: Sequence[float] = SHARES, seed: int = 0, one_of_each: bool = False) -> Proposal:
    """Divide the pictures into train, validation and test in those shares, class by class.

    Copies, near ones too, stay in one split. Left out are pictures that cannot be read, copies that lie under several classes, and
    with `one_of_each` all but the first of those with the same pixels. A class has pictures in every split, or in train alone where it has
    fewer groups of copies than there are splits. Raises PictureError where the shares are none.
    """
    shares = checked(shares)
    left_out = _left_out(inventory, copies, one_of_each)
    by_label: dict[int, list[list[int]]] = defaultdict(list)
    for group in together(len(inventory.pictures), [*_same(copies), *((near.one, near.other) for near in copies.near)]):
        kept = [i for i in group if i not in left_out]
        if kept:
            by_label[Counter(int(inventory.labels[i]) for i in kept).most_common(1)[0][0]].append(kept)
    splits: dict[int, str] = {}
    for label, groups in sorted(by_label.items()):
        order = np.random.default_rng((seed, label)).permutation(len(groups))
        shuffled = [groups[place] for place in order]
        for group, split in zip(shuffled, dealt([len(group) for group in shuffled], shares)):
            splits |= dict.fromkeys(group, SPLITS[split])
    return Proposal(shares, seed, dict(sorted(splits.items())), left_out)


def checked(shares: Sequence[float]) -> tuple[float, ...]:
    """The shares, if they are some."""
    if len(shares) != 3 or not all(0 <= part <= 1 for part in shares) or abs(sum(shares) - 1) > 1e-6 or not shares[0]:
        raise PictureError(
            f"The shares are {', '.join(f'{part:g}' for part in shares)}; they must be three from 0 to 1 that make 1: of train (above 0), validation and test."
        )
    return tuple(map(float, shares))


def together(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The numbers below `count` in groups: those that pairs join, directly or through others, and single ones."""
    above = list(range(count))

    def top(i: int) -> int:
        while above[i] != i:
            above[i] = above[above[i]]
            i = above[i]
        return i

    for i, j in pairs:
        first, second = sorted((top(i), top(j)))
        above[second] = first
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(count):
        groups[top(i)].append(i)
    return list(groups.values())


def dealt(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """The split of each group: the largest first, each to the split that lacks the most of its share, the last ones to splits without any.

    Where there are fewer groups than splits, all go to the first.
    """
    splits = [split for split, part in enumerate(shares) if part > 0]
    given = [0] * len(sizes)
    if len(sizes) < len(splits):
        return given
    lacking, empty = [part * sum(sizes) for part in shares], set(splits)
    for done, place in enumerate(sorted(range(len(sizes)), key=lambda place: -sizes[place])):
        open_to = splits if len(sizes) - done > len(empty) else sorted(empty)
        split = max(open_to, key=lacking.__getitem__)
        given[place] = split
        lacking[split] -= sizes[place]
        empty.discard(split)
    return given


def _same(copies: Copies) -> list[tuple[int, int]]:
    """Pairs that join all pictures of the same pixels."""
    return [(group[0], i) for groups in (copies.exact, copies.same_pixels) for group in groups for i in group[1:]]


def _left_out(inventory: Inventory, copies: Copies, one_of_each: bool) -> dict[int, str]:
    left_out = {i: f"it cannot be read: {picture.reason}" for i, picture in enumerate(inventory.pictures) if picture.reason}
    for group in together(len(inventory.pictures), _same(copies)):
        labels = sorted({int(inventory.labels[i]) for i in group})
        for i in group:
            if len(labels) > 1:
                left_out.setdefault(i, f"its copies lie under {listed([inventory.classes[label] for label in labels])}")
            elif one_of_each and i != group[0]:
                left_out.setdefault(i, f"it is a copy of {inventory.names[group[0]]}")
    return left_out


def check_listable(name: str, splits: Iterable[Split]) -> None:
    """Raises PictureError where the pictures of a set are no files, one each, so that no list can name them."""
    if any(split.places is None or split.runs for split in splits):
        raise PictureError(f"The pictures of {name} lie in arrays or archives, so a list cannot name them; they are divided as published.")


def as_list(inventory: Inventory, proposal: Proposal, folder: Path) -> str:
    """The division as a CSV list of path, label and split, to lie in a folder. Raises PictureError where a list cannot hold it."""
    check_listable(inventory.name, inventory.splits.values())
    places = [place for split in inventory.splits.values() for place in split.places or ()]
    text, base = io.StringIO(newline=""), os.path.realpath(folder)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "split"))
    for i, split in proposal.splits.items():
        path, label = os.path.relpath(os.path.abspath(places[i].path), base), inventory.label(i)
        if not _is_text(path) or not _is_text(label):
            raise PictureError(f"The name {path.encode(errors='surrogateescape')!r} is no UTF-8, so a list cannot hold it; rename it.")
        writer.writerow((path, label, split))
    return text.getvalue()


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False
