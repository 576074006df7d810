"""A split decoded once, held as bytes in memory, and dealt out in batches in an order that (seed, epoch) alone decide."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hubel import chance
from hubel.errors import PictureError
from hubel.machine import free_memory
from hubel.pictures.pixels import Pixels
from hubel.pictures.published import held_out
from hubel.pictures.sources import Split

ORDER = 0
"""What the order's draw is for; augmentation has the numbers from 1 (see augment/draws.py)."""


CHUNK = 64
"""Pictures that a thread decodes before it reports."""


@dataclass(frozen=True)
class Refused:
    """A picture that was kept out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures: uint8 (N, H, W, C), their int64 labels (N,), where each came from, and what was kept out."""

    pixels: Tensor
    labels: Tensor
    names: list[str]
    refused: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, chosen: Tensor) -> Pictures:
        """The pictures with those numbers."""
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen], names=[self.names[i] for i in chosen.tolist()])

    def to(self, device: torch.device) -> Pictures:
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def fingerprint(self) -> str:
        """SHA-256 of the decoded pixels and the labels."""
        total = hashlib.sha256(self.labels.numpy().data)
        total.update(self.pixels.numpy().data)
        return total.hexdigest()

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel, of values from 0 to 1, over all pictures."""
        channels = self.pixels.shape[3]
        counts = np.zeros((channels, 256), np.int64)
        for some in torch.split(self.pixels, 1000):  # bincount makes eight bytes of each
            counts += [np.bincount(some[..., c].numpy().reshape(-1), minlength=256) for c in range(channels)]
        levels = np.arange(256) / 255
        total = counts.sum(1)
        mean = counts @ levels / total
        deviation = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 1e-6))
        return tuple(mean.tolist()), tuple(deviation.tolist())


def decoded(split: Split, pixels: Pixels, strict: bool = False, told: Callable[[int, int], None] | None = None) -> Pictures:
    """Decode every picture of a split, in threads; those that cannot be read are named with their reasons and kept out.

    `told` hears (done, of how many). Raises PictureError for the first unreadable one if `strict`, where nothing can be
    read, and where the pictures would not fit into memory.
    """
    count = len(split.labels)
    if not count:
        raise PictureError("There are no pictures in this set.")
    size = count * pixels.height * pixels.width * pixels.channels
    free = free_memory()
    if size > 0.8 * free:
        raise PictureError(
            f"{count:,} pictures of {pixels.height}x{pixels.width} take {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; use a smaller input or fewer pictures."
        )
    store = np.empty((count, pixels.height, pixels.width, pixels.channels), np.uint8)

    def decode(start: int) -> dict[int, Refused]:
        refused = {}
        for i in range(start, min(start + CHUNK, count)):
            try:
                store[i] = pixels.array(split.read(i))
            except PictureError as error:
                refused[i] = Refused(split.names[i], str(error))
        return refused

    refused: dict[int, Refused] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for start, found in zip(range(0, count, CHUNK), threads.map(decode, range(0, count, CHUNK))):
            refused |= found
            if strict and refused:
                threads.shutdown(cancel_futures=True)
                first = next(iter(refused.values()))
                raise PictureError(f"{first.name}: {first.reason}. Mend or remove it, or leave --strict out to train without it.")
            if told is not None:
                told(min(start + CHUNK, count), count)
    kept = [i for i in range(count) if i not in refused] if refused else range(count)
    if not kept:
        raise PictureError(
            f"None of the {count} pictures can be read; the first: {next(iter(refused.values())).name}: {next(iter(refused.values())).reason}."
        )
    everything = Pictures(torch.from_numpy(store), torch.from_numpy(np.array(split.labels)), list(split.names), tuple(refused.values()))
    return everything.subset(torch.tensor(kept)) if refused else everything


def divided(pictures: Pictures, share: float, seed: int) -> tuple[Pictures, Pictures]:
    """The pictures to learn from and those to validate on: `share` of every class, drawn by `seed`."""
    if pictures.labels.bincount().max() < 2:
        raise PictureError(
            "Every class has one picture only, so none can be held out to validate on; training needs two or more of a class."
        )
    held = torch.from_numpy(held_out(pictures.labels.numpy(), share, np.random.default_rng(seed)))
    return pictures.subset((~held).nonzero()[:, 0]), pictures.subset(held.nonzero()[:, 0])


def steps(count: int, batch: int) -> int:
    """How many batches an epoch of `count` pictures has. A single picture left over joins the last batch of several."""
    return count if batch == 1 else max(1, -(-(count - 1) // batch))


def batches(count: int, batch: int, seed: int, epoch: int, start: int = 0, device: torch.device | None = None) -> Iterator[Tensor]:
    """The numbers of the pictures in each batch of an epoch, from step `start` on."""
    shuffled = chance.order(count, seed, epoch, ORDER).to(device or "cpu")
    last = steps(count, batch) - 1
    for step in range(start, last + 1):
        yield shuffled[step * batch :] if step == last else shuffled[step * batch : (step + 1) * batch]
