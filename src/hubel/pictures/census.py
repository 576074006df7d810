"""What a set holds, split by split, beside what it is published to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.published.table import Count
from hubel.pictures.sets import Source, Split
from hubel.pictures.told import Told

Size = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True)
class Counted:
    """A split counted. A picture whose header cannot be read counts as a picture, but has no size."""

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


def census(source: Source, published: Mapping[str, Count], told: Told | None = None) -> list[Counted]:
    """Every split counted; and all of them together where the publication does not divide the set, but ours is divided."""
    splits = {name: source.split(name) for name in source.openers}
    rows = [_counted(name, [split], source, published.get(name), told) for name, split in splits.items()]
    if "all" in published and "all" not in splits:
        rows.append(_counted("all", list(splits.values()), source, published["all"], told))
    return rows


def _counted(name: str, splits: list[Split], source: Source, published: Count | None, told: Told | None) -> Counted:
    sizes, unreadable = [], []
    labels = np.concatenate([split.labels for split in splits])
    for split in splits:
        for i in range(len(split.labels) if split.pixels is None else min(1, len(split.labels))):  # an array has one size
            try:
                sizes.append(split.size(i))
            except PictureError as error:
                unreadable.append(f"{split.names[i]}: {error}")
            if told is not None:
                told(f"reading {name}", i + 1, len(split.labels))
    by_class = np.bincount(labels, minlength=len(source.classes))
    ends: tuple[Size | None, Size | None] = (None, None)
    if sizes:
        table = np.array(sizes)
        channels = int(np.bincount(table[:, 2]).argmax())
        least, most = table[:, :2].min(0), table[:, :2].max(0)
        ends = (int(least[0]), int(least[1]), channels), (int(most[0]), int(most[1]), channels)
    return Counted(name, len(labels), int(by_class.min()), int(by_class.max()), *ends, tuple(unreadable), published)
