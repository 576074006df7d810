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
    earlier: tuple[Epoch, ...] = ()
    """The epochs that are over, as the log has them."""


@dataclass(frozen=True)
class Step:
    """One step was taken: number `step` of `steps` in epoch `epoch`, both from 1, on `images` pictures at rate `lr`."""

    epoch: int
    step: int
    steps: int
    images: int
    lr: float
    loss: float | None = None
    """Mean over the pictures since the last step that said it; None where asking would make the host wait for the device."""
    accuracy: float | None = None
    """Likewise."""


@dataclass(frozen=True)
class LeftOut:
    """Training pictures that were left out of the step that was just taken, and why."""

    pictures: tuple[Refused, ...]


@dataclass(frozen=True)
class Look:
    """What was seen of the network after an epoch, on a few training pictures, unchanged and without dropout."""

    pictures: int
    loss: float
    """As training has it, batch norm with the pictures' own statistics."""
    accuracy: float
    """Likewise."""
    evaluated: float | None
    """Accuracy with batch norm's running statistics, as in validation; None where there is no batch norm."""
    silent: Mapping[str, float]
    """Share of the ReLU units of each stage, a map being one, that are zero for all of the pictures."""
    gradients: Mapping[str, float]
    """Norm of the loss's gradient by the weights of each stage, over the norm of the weights."""
    drift: Mapping[str, float]
    """How far batch norm's running means are from the pictures' own, in deviations, where a stage has them furthest."""


@dataclass(frozen=True)
class Finding:
    """Something is wrong, in plain words: what was measured, and what to do. It is said in the epoch in which it begins."""

    kind: str
    """rate, dead, vanishing, adrift, still or overfitting."""
    says: str
    stages: tuple[str, ...] = ()
    """Those that it is said of, where it is of some."""


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
    look: Look | None = None
    findings: tuple[Finding, ...] = ()


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
