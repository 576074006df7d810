"""What a set holds, split by split, beside what it is published to hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.published.table import Count
from hubel.pictures.sets import Split
from hubel.pictures.told import Told

Size = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True)
class Counted:
    """A split counted. A picture that cannot be read counts as a picture, but has no size."""

    split: str
    pictures: int
    rarest: int
    """Pictures of the class that has the fewest."""
    commonest: int
    smallest: Size | None
    """The least height and width; channels are those of most pictures. None where no picture can be read."""
    largest: Size | None
    unreadable: tuple[str, ...]
    """Name and reason of each."""
    published: Count | None = None

    @property
    def differs(self) -> tuple[str, ...]:
        """In what it differs from the publication."""
        if self.published is None:
            return ()
        by_class, size = self.published.by_class, self.published.size
        same = {
            "pictures": self.pictures == self.published.pictures,
            "pictures a class": by_class is None or by_class == (self.rarest, self.commonest),
            "size": size is None or size == self.smallest == self.largest,
        }
        return tuple(what for what, agrees in same.items() if not agrees)


def headers(splits: Mapping[str, Split], told: Told | None = None) -> dict[str, list[Size | str]]:
    """The size of each picture of each split as its header has it, or the reason why it cannot be read."""
    return {name: _of_split(name, split, told) for name, split in splits.items()}


def _of_split(name: str, split: Split, told: Told | None) -> list[Size | str]:
    count = len(split.labels)
    if split.pixels is not None:  # of one size
        return [split.size(0)] * count if count else []
    sizes: list[Size | str] = []
    for i in range(count):
        try:
            sizes.append(split.size(i))
        except PictureError as error:
            sizes.append(str(error))
        if told is not None:
            told(f"reading {name}", i + 1, count)
    return sizes


def census(
    splits: Mapping[str, Split], classes: int, sizes: Mapping[str, Sequence[Size | str]], published: Mapping[str, Count]
) -> list[Counted]:
    """Every split counted; and all of them together where the publication does not divide the set, but ours is divided.

    sizes: by split, of each picture, or the reason why it cannot be read.
    """
    rows = [_counted(name, [split], classes, sizes[name], published.get(name)) for name, split in splits.items()]
    if "all" in published and "all" not in splits:
        everything = [size for name in splits for size in sizes[name]]
        rows.append(_counted("all", list(splits.values()), classes, everything, published["all"]))
    return rows


def _counted(name: str, splits: Sequence[Split], classes: int, sizes: Sequence[Size | str], published: Count | None) -> Counted:
    labels = np.concatenate([split.labels for split in splits])
    names = (name for split in splits for name in split.names)
    unreadable = tuple(f"{name}: {size}" for name, size in zip(names, sizes) if isinstance(size, str))
    by_class = np.bincount(labels, minlength=classes)
    ends: tuple[Size | None, Size | None] = (None, None)
    table = np.array([size for size in sizes if not isinstance(size, str)])
    if len(table):
        channels = int(np.bincount(table[:, 2]).argmax())
        least, most = table[:, :2].min(0), table[:, :2].max(0)
        ends = (int(least[0]), int(least[1]), channels), (int(most[0]), int(most[1]), channels)
    return Counted(name, len(labels), int(by_class.min()), int(by_class.max()), *ends, unreadable, published)
