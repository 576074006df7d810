"""Pictures that are decoded already, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from hubel.pictures.batches import Batch, Feed, Refused, in_order

CHUNK = 128
"""Pictures that are looked at together where all are looked at."""


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures: uint8 (N, H, W, C), their int64 labels (N,), where each came from, and what was kept out."""

    pixels: Tensor
    labels: Tensor
    names: list[str]
    refused: tuple[Refused, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    """Of how many pictures something was lost in reading them, by what that was."""

    runs: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, chosen: Tensor) -> Pictures:
        """The pictures with those numbers."""
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen], names=[self.names[i] for i in chosen.tolist()])

    def to(self, device: torch.device) -> Pictures:
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def dealt(self, numbers: Iterable[Tensor], epoch: int | None = None) -> Iterator[Batch]:
        """See Feed. Whatever is drawn for these pictures is drawn after they are dealt."""
        for chosen in numbers:
            there = chosen.to(self.labels.device)
            yield Batch(self.pixels, there, there, self.labels.index_select(0, there))

    def fingerprint(self) -> str:
        """SHA-256 of the decoded pixels and the labels."""
        total = hashlib.sha256(self.labels.numpy().data)
        total.update(self.pixels.numpy().data)
        return total.hexdigest()


def statistics(pictures: Feed) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, of values from 0 to 1, over all pictures as they are tested."""
    counts = np.zeros((3, 256), np.int64)
    for some in chunks(pictures):
        for channel in range(some.shape[3]):  # bincount makes eight bytes of each value
            counts[channel] += np.bincount(some[..., channel].numpy().reshape(-1), minlength=256)
    counts = counts[: some.shape[3]]
    levels = np.arange(256) / 255
    total = counts.sum(1)
    mean = counts @ levels / total
    deviation = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 1e-6))
    return tuple(mean.tolist()), tuple(deviation.tolist())


def chunks(pictures: Feed) -> Iterator[Tensor]:
    """All pictures as they are tested, some at a time: uint8 (B, H, W, C)."""
    for batch in pictures.dealt(in_order(len(pictures), CHUNK), None):
        yield batch.pictures()
