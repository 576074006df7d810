"""A study: what a source claims, and the runs that hold it against real pictures, as values. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.joints import Expression, Shape
from hubel.training.recipe import Recipe


@dataclass(frozen=True)
class FromScratch:
    """A network is trained from fresh weights."""

    net: str | Expression
    """A row of the casebook, or an expression."""
    recipe: Recipe
    input: Shape | None = None
    """(C, H, W), of an expression."""


@dataclass(frozen=True)
class FromBase:
    """A trained network is put to the study's classes in one of transfer's ways."""

    way: str
    recipe: Recipe | None = None
    """None: the way's own."""


@dataclass(frozen=True)
class Arm:
    """One of the things that a study sets beside one another."""

    name: str
    """Of its folder too, and of its line in the figure."""
    says: str
    """What is done, in a sentence."""
    claim: str
    """What the source says comes of it, with the numbers as printed; "" where it says nothing."""
    place: str
    """Where it says so."""
    how: FromScratch | FromBase


@dataclass(frozen=True)
class Study:
    """A claim, whose it is, and the arms that test it."""

    name: str
    claim: str
    citation: str
    data: str
    """The set that is taken where none is said."""
    sizes: tuple[int, int, int]
    """Pictures to learn from, to validate on and to test on, of all classes together."""
    arms: tuple[Arm, ...]


def called(arm: str, base: str) -> str:
    """What an arm is called with a base; "" is none."""
    return f"{arm}, {base}" if base else arm


def printed(claim: str, place: str) -> str:
    """What the source says, and where, as a table shows it."""
    return f"{claim} ({place})" if claim else "-"
