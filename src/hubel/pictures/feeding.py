"""Which way a split's pictures reach the network: from memory, from a file of decoded ones, or decoded anew in every epoch."""

from __future__ import annotations

import torch

from hubel.errors import PictureError
from hubel.pictures.batches import Feed
from hubel.pictures.cutting import Cut
from hubel.pictures.keeping import kept
from hubel.pictures.loader import Telling, decoded
from hubel.pictures.mapped import Mapped
from hubel.pictures.pixels import Pixels
from hubel.pictures.sets import Split
from hubel.pictures.stream import Stream

KEEPS = ("auto", "memory", "disk", "nothing")

SMALL, LARGE = 64 * 2**20, 4 * 2**30
"""Bytes of decoded pictures up to which they are held in memory, and up to which they are kept on the disk."""

SPARE = 8 / 7
"""How much more than the input's longer side a kept picture's shorter side has, where parts of it are drawn (224 of 256)."""

SAMPLE = 5000
"""Pictures that are looked at where all would take a pass over a set that is not kept."""


def feed(
    split: Split, pixels: Pixels, keep: str = "auto", cut: Cut | None = None, seed: int = 0, strict: bool = False, told: Telling = None
) -> Feed:
    """The pictures of a split, each as the policy has it or, in training, a part of it that `cut` draws; `seed` decides which.

    Raises PictureError where the split is empty, cannot be read, has no room, or cannot be fed that way.
    """
    shorter = _shorter(pixels, cut)
    way = _way(split, pixels, shorter) if keep == "auto" else keep
    if split.places is None and (cut or way != "memory"):
        what = "cut at random before they are resized" if cut else f"kept as --keep {keep} says"
        raise PictureError(f"These pictures come as one array, not as files, so they cannot be {what}; leave that out.")
    if cut and way == "memory":
        raise PictureError("Pictures of which parts are drawn at random are too large for --keep memory; say disk or nothing.")
    if way == "memory":
        return decoded(split, pixels, strict, told)
    if way == "disk":
        return Mapped(*kept(split, pixels, shorter, strict, told), split, pixels, cut, seed)
    if not len(split.labels):
        raise PictureError("There are no pictures in this set.")
    return Stream(split, pixels, cut, seed, strict)


def _shorter(pixels: Pixels, cut: Cut | None) -> int:
    """Pixels of a kept picture's shorter side; 0: it is kept as the policy has it."""
    if cut is None:
        return 0
    return max(round(SPARE * max(pixels.height, pixels.width)), *(cut.scales or (0,)))


def _way(split: Split, pixels: Pixels, shorter: int) -> str:
    """As the pictures' number and size say, so that the same set goes the same way on every machine."""
    if split.places is None:
        return "memory"
    size = len(split.labels) * (shorter**2 * 4 // 3 or pixels.height * pixels.width) * pixels.channels
    if split.runs or size > LARGE:
        return "nothing"
    return "memory" if size <= SMALL and not shorter else "disk"


def sampled(pictures: Feed) -> Feed:
    """The pictures, or, where they are not kept decoded, some of them, evenly over all."""
    if not isinstance(pictures, Stream) or len(pictures) <= SAMPLE:
        return pictures
    return pictures.subset(torch.linspace(0, len(pictures) - 1, SAMPLE).round().long())
