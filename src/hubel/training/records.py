"""What training tells whoever listens. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.training.recipe import Recipe

if TYPE_CHECKING:
    from hubel.model import Model
    from hubel.pictures.batches import Refused


@dataclass(frozen=True)
class Started:
    """What a run found and chose before its first step."""

    recipe: Recipe
    train: int
    validation: int
    classes: tuple[str, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
    """What the source left out, and what the run passed over."""
    lost: Mapping[str, int]
    """Of how many pictures something was lost in reading them, by what that was."""
    parameters: int
    epoch: int
    step: int
    """Where it goes on: both 0 for a new run."""
    over: bool = False
    """Whether there is nothing left to do."""


@dataclass(frozen=True)
class Step:
    """One step was taken: number `step` of `steps` in epoch `epoch`, both from 1, on `images` pictures at rate `lr`."""

    epoch: int
    step: int
    steps: int
    images: int
    lr: float


@dataclass(frozen=True)
class LeftOut:
    """Training pictures that were left out of the step that was just taken, and why."""

    pictures: tuple[Refused, ...]


@dataclass(frozen=True)
class Epoch:
    """One epoch is over. Losses are means; accuracies shares; the training ones were gathered while the weights moved."""

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    best: bool
    seconds: float
    images_per_second: float
    left_out: int = 0
    """Training pictures that could not be read in this epoch."""


@dataclass(frozen=True)
class Stopped:
    """The run was asked to stop; its state is saved, and the same command goes on."""

    epoch: int
    step: int
    folder: Path | None


@dataclass(frozen=True)
class Finished:
    """The run is over: the best epoch's model."""

    model: Model
    path: Path | None
    early: bool = False
    """Whether it ended before its last epoch, because validation got no better."""


Record = Started | Step | LeftOut | Epoch | Stopped | Finished
