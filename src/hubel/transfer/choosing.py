"""Which way to take, from how many pictures there are, how much they are like the base's own, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hubel.joints import Shape
from hubel.model import Model
from hubel.pictures.sets import Split
from hubel.pictures.sources import Source
from hubel.pictures.told import Told
from hubel.transfer.features import Views, computed
from hubel.transfer.grafting import grafted

SAMPLE = 200
"""Pictures that are looked at."""

FEW = 1000
"""Pictures below which the base is not moved; the lecture notes' own experiment has 2,000."""

ALIKE = 0.5
"""Share of the way from guessing to knowing that the nearest neighbour goes, from which on what the base knows serves the new pictures.

Measured with SqueezeNet 1.1, of ImageNet: dogs-vs-cats 0.8, MNIST 0.8, CIFAR-10's 32x32 pictures, enlarged, 0.3."""

BACKWARD = 1.5
"""How many forward passes an epoch of a frozen base or of its last layers costs, about: changing and decoding pictures come on top."""


@dataclass(frozen=True)
class Choice:
    """A way, and why."""

    way: str
    why: str
    all: bool = False
    """Whether all of the base is to learn at the end."""


def choose(
    base: Model, source: Source, epochs: int, minutes: float | None = None, input: Shape | None = None, told: Told | None = None
) -> Choice:
    """The way for these pictures; minutes: how long it may take, by what the base's pass over a few of them took."""
    split = source.training()
    count = len(split.labels)
    some = sampled(split, SAMPLE)
    found, cost = computed(grafted(base, source.classes, "linear", input), some, Views(), "auto", False, told)
    rate = len(found) / max(1e-9, cost.decoding + cost.base)
    guessing, known = 1 / len(source.classes), nearest(found.pixels.flatten(1), found.labels)
    alike = (known - guessing) / (1 - guessing) >= ALIKE
    seen = (
        f"{count:,} pictures; of {len(found)} of them the nearest other one, as the base sees them, is of the same class for {100 * known:.0f}% "
        f"(guessing: {100 * guessing:.0f}%), so what it knows {'serves well here' if alike else 'is of little use here as it is'}"
    )
    needed = BACKWARD * epochs * count / rate / 60
    if minutes is not None and needed > minutes:
        return Choice("features", f"{seen}; anything but features would take about {needed:.0f} minutes, and there are {minutes:g}")
    if count < FEW:
        if alike:
            return Choice("features", f"{seen}; with so few, the base is best left as it is")
        return Choice("frozen", f"{seen}; with so few, changed pictures help the head most, and the base is left as it is")
    if alike:
        return Choice("finetune", f"{seen}; that many can move its last layers a little")
    return Choice("finetune", f"{seen}; that many can move all of it", all=True)


def sampled(split: Split, count: int) -> Split:
    """So many of a split's pictures, evenly over each class, fewer where there are fewer."""
    classes = np.unique(split.labels)
    chosen = []
    for label in classes:
        places = np.flatnonzero(split.labels == label)
        wanted = min(len(places), max(2, count // len(classes)))
        chosen += [int(places[i]) for i in np.linspace(0, len(places) - 1, wanted).round().astype(int)]
    return split.subset(sorted(set(chosen)))


def nearest(found: Tensor, labels: Tensor) -> float:
    """The share of points (N, features) whose nearest other point, by the angle between them, has the same label."""
    directions = torch.nn.functional.normalize(found.double(), dim=1)
    alike = directions @ directions.T
    alike.fill_diagonal_(-2)
    return float((labels[alike.argmax(1)] == labels).double().mean())
