"""What a test found: accuracy, confusion, what each class came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubel.evaluation.intervals import of_share
from hubel.evaluation.scoring import predicted


@dataclass(frozen=True)
class Report:
    """What a test found. confusion[i][j]: pictures of class i that were taken for class j."""

    count: int
    accuracy: float
    top5: float | None
    """Share with the right class among the best five; None where there are fewer than ten classes."""
    confusion: list[list[int]]

    @property
    def interval(self) -> tuple[float, float]:
        """How low and how high the accuracy on all pictures of the kind may be, with 95%."""
        return of_share(sum(row[i] for i, row in enumerate(self.confusion)), self.count)

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


def taken_for(confusion: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """(class, what it was taken for, how often) of every pair that was mistaken, the most frequent first."""
    pairs = [(i, j, count) for i, row in enumerate(confusion) for j, count in enumerate(row) if count and i != j]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))
