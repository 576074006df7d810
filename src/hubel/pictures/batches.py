"""Batches, and the order in which pictures come: (seed, epoch) alone decide it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hubel import chance
from hubel.chance import Purpose

TOGETHER = 4
"""Shards whose pictures are mixed with one another."""


@dataclass(frozen=True)
class Refused:
    """A picture that was kept out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Some pictures: where they are in a uint8 store (N, H, W, C), their numbers in the set, and their labels, each (B,)."""

    pixels: Tensor
    rows: Tensor
    indices: Tensor
    """By these their random changes are counted."""
    labels: Tensor
    own: bool = False
    """Whether the store is this batch and nothing else, in order, so that it may be changed in place."""

    def __len__(self) -> int:
        return len(self.indices)

    def pictures(self) -> Tensor:
        """The pictures themselves: uint8 (B, H, W, C), a copy unless they are the batch's own."""
        return self.pixels if self.own else chosen(self.pixels, self.rows)

    def parts(self, count: int) -> list[Batch]:
        """The batch in so many parts, one after another."""
        parts = []
        for part in torch.arange(len(self), device=self.rows.device).tensor_split(count):
            if self.own:
                store, rows = (
                    self.pixels[part[0] : part[-1] + 1] if len(part) else self.pixels[:0],
                    torch.arange(len(part), device=part.device),
                )
            else:
                store, rows = self.pixels, self.rows[part]
            parts.append(Batch(store, rows, self.indices[part], self.labels[part], self.own))
        return parts


def chosen(pictures: Tensor, rows: Tensor) -> Tensor:
    """The pictures in these rows of a uint8 (N, H, W, C) store, copied whole: (B, H, W, C).

    On a processor NumPy copies them: torch divides the copying of each picture of more than 32,768 bytes among its threads, and
    what they wait for one another can take fifty times as long as the copying. Its plain indexing goes byte by byte.
    """
    if pictures.device.type == "cpu":
        return torch.from_numpy(pictures.numpy().take(rows.numpy(), 0))
    return pictures.index_select(0, rows)


class Feed(Protocol):
    """Pictures that can be dealt out in batches, wherever they lie."""

    @property
    def labels(self) -> Tensor: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def refused(self) -> Sequence[Refused]: ...

    @property
    def lost(self) -> Mapping[str, int]:
        """Of how many pictures something was lost in reading them, by what that was."""

    @property
    def runs(self) -> Sequence[int]:
        """How many pictures, one after another, each shard has, where they come in shards."""

    def __len__(self) -> int: ...

    def subset(self, chosen: Tensor) -> Feed:
        """The pictures with those numbers, which are numbered anew."""

    def to(self, device: torch.device) -> Feed:
        """The same, dealt out on that device."""

    def fingerprint(self) -> str:
        """SHA-256 of labels and pictures, or of what is known of the pictures without reading all of them."""

    def dealt(self, numbers: Iterable[Tensor], epoch: int | None) -> Iterator[Batch]:
        """The pictures with those numbers, a batch for each tensor of them; `epoch` None: as they are tested, nothing drawn.

        A batch is good until the next one is asked for. Pictures that cannot be read are missing from it, and are then in `refused`.
        """


def in_order(count: int, batch: int) -> Iterator[Tensor]:
    """The numbers from 0 to count - 1."""
    return iter(torch.split(torch.arange(count), batch))


def steps(count: int, batch: int) -> int:
    """How many batches an epoch of `count` pictures has. A single picture left over joins the last batch of several."""
    return count if batch == 1 else max(1, -(-(count - 1) // batch))


def in_batches(numbers: Tensor, batch: int) -> list[Tensor]:
    """Numbers of pictures in batches, as many as `steps` says."""
    last = steps(len(numbers), batch) - 1
    return [*torch.split(numbers[: last * batch], batch), numbers[last * batch :]] if last else [numbers]


def shuffled(count: int, batch: int, seed: int, epoch: int, start: int = 0, runs: Sequence[int] = ()) -> Iterator[Tensor]:
    """The numbers of the pictures in each batch of an epoch, from step `start` on.

    runs: how many pictures, one after another, each shard has. The shards then come in a random order, a few at a time,
    whose pictures are mixed.
    """
    order = chance.order(count, seed, epoch, Purpose.ORDER) if len(runs) <= TOGETHER else _by_shard(runs, seed, epoch)
    last = steps(count, batch) - 1
    for step in range(start, last + 1):
        yield order[step * batch :] if step == last else order[step * batch : (step + 1) * batch]


def _by_shard(runs: Sequence[int], seed: int, epoch: int) -> Tensor:
    sizes = torch.tensor(runs)
    firsts = sizes.cumsum(0) - sizes
    parts = []
    for number, shards in enumerate(torch.split(chance.order(len(runs), seed, epoch, Purpose.SHARDS), TOGETHER)):
        mixed = torch.cat([torch.arange(int(firsts[shard]), int(firsts[shard] + sizes[shard])) for shard in shards])
        parts.append(mixed[chance.order(len(mixed), seed, epoch, Purpose.ORDER, number)])
    return torch.cat(parts)
