"""How good a network is on labelled pictures."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hubel.errors import PictureError
from hubel.pictures.batches import Feed, in_order
from hubel.pictures.pixels import Pixels

BATCH = 500
"""Pictures that are looked at together, at most."""

VALUES = 2**23
"""Values of the pictures that are looked at together: what a network makes of them takes many times their memory."""


def precise(precision: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Arithmetic in the precision of that name: "fp32", "bf16" or "fp16"."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


@torch.no_grad()
def scored(
    network: nn.Module, pictures: Feed, pixels: Pixels, precision: str = "fp32", told: Callable[[int, int], None] | None = None
) -> tuple[Tensor, Tensor]:
    """Scores (N, outputs) in float32, and labels (N,), of every picture that can be read, in evaluation mode; the mode is put back.

    `told` hears (done, of how many).
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    parts, labels, done = [], [], 0
    together = max(1, min(BATCH, VALUES // math.prod(pixels.shape)))
    try:
        for batch in pictures.dealt(in_order(len(pictures), together), None):
            if len(batch):
                with precise(precision, batch.labels.device):
                    parts.append(network(pixels.tensor(batch.pictures())).float())
                labels.append(batch.labels)
            done = min(done + together, len(pictures))
            if told is not None:
                told(done, len(pictures))
    finally:
        for module, training in modes:
            module.training = training
    if not parts:
        raise PictureError(
            f"None of the {len(pictures)} pictures can be read; the first: {pictures.refused[0].name}: {pictures.refused[0].reason}."
        )
    return torch.cat(parts), torch.cat(labels)


def predicted(scores: Tensor) -> Tensor:
    """The class of each row of scores (N, outputs); one output means two classes, the second where it is positive."""
    return (scores[:, 0] > 0).long() if scores.shape[1] == 1 else scores.argmax(1)


@dataclass(frozen=True)
class Report:
    """What a test found. confusion[i][j]: pictures of class i that were taken for class j."""

    count: int
    accuracy: float
    top5: float | None
    """Share with the right class among the best five; None where there are fewer than ten classes."""
    confusion: list[list[int]]

    @property
    def recall(self) -> list[float | None]:
        """Of the pictures of each class, the share that was recognised; None where there are none."""
        return [row[i] / sum(row) if sum(row) else None for i, row in enumerate(self.confusion)]

    @property
    def precision(self) -> list[float | None]:
        """Of the pictures taken for each class, the share that were of it."""
        columns = list(zip(*self.confusion))
        return [column[i] / sum(column) if sum(column) else None for i, column in enumerate(columns)]


def report(scores: Tensor, labels: Tensor, classes: int) -> Report:
    """Compare scores with labels."""
    guessed = predicted(scores)
    confusion = torch.bincount(labels * classes + guessed, minlength=classes * classes).view(classes, classes)
    top5 = None
    if classes >= 10:
        top5 = float((scores.topk(5, 1).indices == labels[:, None]).any(1).double().mean())
    return Report(len(labels), float((guessed == labels).double().mean()), top5, confusion.tolist())
