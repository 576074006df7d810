"""What a recipe is published with."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.training.recipe import Recipe


@dataclass(frozen=True)
class Shallower:
    """A shallower network that is trained first, and its layers with which this one may then begin, by their paths, which are the same."""

    net: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Preset:
    """A recipe for one network, the pictures it wants, and what to expect of it."""

    recipe: Recipe
    expect: str
    source: str
    departs: tuple[str, ...] = ()
    """What a paper does not say and is chosen here, or says and is done otherwise."""
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None
    """Of values from 0 to 1, one a channel or one for all; None: those of the training pictures."""
    padded: tuple[int, int] | None = None
    """Pictures of this (height, width) are padded to the input; others are resized to it."""
    warm: Shallower | None = None
    """What it begins with where the file of one is given."""
