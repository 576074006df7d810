"""What transfer tells whoever listens, beside the records of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubel.model import Model
from hubel.training.records import Record


@dataclass(frozen=True)
class Phase:
    """Another part of the work begins, or was done: its name, and a sentence."""

    name: str
    says: str
    epochs: int = 0
    """Of training that begins with it."""


@dataclass(frozen=True)
class Transferred:
    """A way was gone to its end."""

    way: str
    model: Model
    seconds: Mapping[str, float]
    """By phase; decoding, base and head of those that work on features."""
    digests: tuple[str, str]
    """Of the base before and after: equal where it stayed frozen."""
    moved: Mapping[str, float] = field(default_factory=dict)
    """By stage, the norm of the change of its weights over their own."""
    drifted: Mapping[str, float] = field(default_factory=dict)
    """By stage, how far batch norm's running means went, in deviations."""

    @property
    def accuracy(self) -> float:
        """Of the validation pictures."""
        return float(self.model.results["validation_accuracy"])


Told = Record | Phase | Transferred
