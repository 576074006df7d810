"""Pictures decoded anew each time they are dealt, by processes that fill the batches to come while the one before is worked on."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, cycle

import numpy as np
import torch
from torch import Tensor

from hubel.errors import PictureError
from hubel.pictures.batches import Batch, Refused
from hubel.pictures.batches import chosen as chosen_from
from hubel.pictures.cutting import Cut
from hubel.pictures.pixels import Pixels
from hubel.pictures.places import Place
from hubel.pictures.pool import Died, Pool
from hubel.pictures.sets import Split
from hubel.pictures.slots import Decoder, Done, Slots, Stamp, Task

BUFFERS = 4
"""Batches in memory: the one in use, and those that are being filled."""


class Stream:
    """A feed of the files of a split. A file that is gone, has changed or cannot be read is missing from its batch, and named in `refused`.

    cut: what is drawn from each picture; `seed` decides that. strict: such a file is a PictureError instead.
    """

    def __init__(self, split: Split, pixels: Pixels, cut: Cut | None = None, seed: int = 0, strict: bool = False) -> None:
        self.pixels, self.cut, self.seed, self.strict = pixels, cut, seed, strict
        self.places: Sequence[Place] = split.places or ()
        self.stamps = _stamps(self.places)
        self.all_names = split.names
        self.chosen = torch.arange(len(split.labels))
        self.labels = torch.from_numpy(np.array(split.labels))
        self.device = self.labels.device
        self.refused: list[Refused] = []
        self.lost: dict[str, int] = {}
        self.runs = split.runs
        self.hands: list[_Hands] = []
        """The processes and their memory, once they are needed; all subsets share them."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        return [self.all_names[i] for i in self.chosen.tolist()]

    def subset(self, chosen: Tensor) -> Stream:
        """The pictures with those numbers."""
        some = self._copied()
        some.chosen, some.labels = self.chosen[chosen], self.labels[chosen]
        if self.runs:
            shards = torch.searchsorted(torch.tensor(self.runs).cumsum(0), chosen, right=True)
            some.runs = [count for count in shards.bincount().tolist() if count]
        return some

    def to(self, device: torch.device) -> Stream:
        """The same, its batches dealt to that device."""
        there = self._copied()
        there.labels, there.device = self.labels.to(device), device
        return there

    def _copied(self) -> Stream:
        other = object.__new__(Stream)
        other.__dict__.update(self.__dict__, refused=[], lost={})
        return other

    def fingerprint(self) -> str:
        """SHA-256 of the labels, names and sizes of the files: what can be known without reading all of them."""
        total = hashlib.sha256(self.labels.cpu().numpy().data)
        for i in self.chosen.tolist():
            size = self.places[i].length or (self.stamps[i] or (0, 0))[0]
            total.update(f"{os.path.basename(self.all_names[i])} {size}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def dealt(self, numbers: Iterable[Tensor], epoch: int | None) -> Iterator[Batch]:
        """See Feed. One feed of a set is dealt at a time, whichever subset it is of."""
        batches = iter(numbers)
        first = next(batches, None)
        if first is None:
            return
        hands = self._hands(len(first) + 1)  # an epoch's last batch may have one more
        waiting: deque[Tensor] = deque()
        results = hands.pool.results(self._tasks(chain((first,), batches), waiting, hands, epoch), hands.slots.count - hands.room)
        begun = 0
        for result in results:
            chosen = waiting.popleft()
            done = [result, *(next(results) for _ in range(len(chosen) - 1))]
            slots = torch.arange(begun, begun + len(chosen)) % hands.slots.count
            begun += len(chosen)
            yield self._batch(chosen, slots, [Done(found.reason) if isinstance(found, Died) else found for found in done], hands)

    def _hands(self, room: int) -> _Hands:
        if not self.hands or self.hands[0].room < room:
            for hands in self.hands:
                hands.close()
            self.hands[:] = [_Hands(self.pixels, self.cut, self.seed, room)]
        return self.hands[0]

    def _tasks(self, batches: Iterable[Tensor], waiting: deque[Tensor], hands: _Hands, epoch: int | None) -> Iterator[Task]:
        slots = cycle(range(hands.slots.count))
        for chosen in batches:
            if len(chosen) > hands.room:
                raise ValueError(f"A batch has {len(chosen)} pictures where the first had {hands.room - 1}.")
            waiting.append(chosen)
            for number in chosen.tolist():
                i = int(self.chosen[number])
                yield Task(next(slots), self.places[i], self.stamps[i], number, epoch)

    def _batch(self, chosen: Tensor, slots: Tensor, done: list[Done], hands: _Hands) -> Batch:
        for picture, found in zip(chosen.tolist(), done):
            for what in found.lost:
                self.lost[what] = self.lost.get(what, 0) + 1
            if found.refused:
                self.refused.append(Refused(self.all_names[int(self.chosen[picture])], found.refused))
                if self.strict:
                    raise PictureError(
                        f"{self.refused[-1].name}: {found.refused}. Mend or remove it, or leave --strict out to train without it."
                    )
        good = torch.tensor([not found.refused for found in done])
        there = chosen[good].to(self.device)
        labels = self.labels.index_select(0, there)
        if self.device.type == "cpu":
            return Batch(hands.pictures, slots[good], there, labels)
        pixels = chosen_from(hands.pictures, slots[good]).to(self.device)
        return Batch(pixels, torch.arange(len(there), device=self.device), there, labels)


class _Hands:
    """Decoding processes, and the memory that they fill: BUFFERS batches of up to `room` pictures."""

    def __init__(self, pixels: Pixels, cut: Cut | None, seed: int, room: int) -> None:
        self.room = room
        self.slots = Slots.made(BUFFERS * room, pixels.height * pixels.width * pixels.channels)
        self.pictures = torch.from_numpy(self.slots.all()).view(-1, pixels.height, pixels.width, pixels.channels)
        self.pool = Pool[Task, Done](Decoder(pixels, self.slots, cut, seed), shared=(self.slots.handle,))
        self.close = weakref.finalize(self, _end, self.pool, self.slots)


def _end(pool: Pool[Task, Done], slots: Slots) -> None:
    pool.close()
    slots.close()


def _stamps(places: Sequence[Place]) -> list[Stamp]:
    """How each picture's file is now; a shard's is looked at once."""
    known: dict[str, Stamp] = {}
    return [known[place.path] if place.path in known else known.setdefault(place.path, place.stamp()) for place in places]
