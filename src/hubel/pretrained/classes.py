"""What the outputs of published networks mean."""

from __future__ import annotations

from importlib.resources import files

CIFAR_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""In the order of Krizhevsky's batches.meta."""


def imagenet() -> tuple[str, ...]:
    """ImageNet's 1,000 classes of ILSVRC 2012, in the order of their WordNet ids: the id, and a word for it."""
    return tuple((files("hubel.pretrained") / "imagenet.txt").read_text().splitlines())


def named(set: str, count: int | None) -> tuple[str, ...]:
    """The classes of a set's name, where it has so many, or as many as it has; else their numbers."""
    known = {"imagenet": imagenet(), "cifar10": CIFAR_10, "mnist": tuple("0123456789")}[set]
    return known if count in (None, len(known)) else tuple(map(str, range(count or 0)))
