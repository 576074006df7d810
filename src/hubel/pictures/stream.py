"""Pictures decoded anew each time they are dealt, by processes that fill the batches to come while the one before is worked on."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, cycle, islice

import numpy as np
import torch
from torch import Tensor

from hubel.errors import PictureError
from hubel.pictures.batches import TOGETHER, Batch, Refused
from hubel.pictures.cutting import Cut
from hubel.pictures.picked import Picked
from hubel.pictures.pixels import Bytes, Pixels
from hubel.pictures.places import Place
from hubel.pictures.pool import Died, Pool
from hubel.pictures.resizing import resized
from hubel.pictures.sets import Split
from hubel.pictures.shards.ahead import fetched_ahead, worth_while
from hubel.pictures.slots import Decoder, Done, Slots, Stamp, Task

AHEAD = 128
"""Pictures that are decoded beyond the one that is being put into its batch."""

SLOTS = AHEAD + 1

LARGER = 2
"""How much larger than the input on either side a part may be that comes as it is, to be resized faster here."""


class Stream(Picked):
    """A feed of the files of a split. A file that is gone, has changed or cannot be read is missing from its batch, and named in `refused`.

    cut: what is drawn from each picture; `seed` decides that. strict: such a file is a PictureError instead.
    """

    def __init__(self, split: Split, pixels: Pixels, cut: Cut | None = None, seed: int = 0, strict: bool = False) -> None:
        super().__init__(split, torch.arange(len(split.labels)))
        self.pixels, self.cut, self.seed, self.strict = pixels, cut, seed, strict
        self.files: Sequence[Place] = split.places or ()
        self.stamps = _stamps(self.files)
        self.refused: list[Refused] = []
        self.lost: dict[str, int] = {}
        self.runs = split.runs
        self.hands: list[_Hands] = []
        """The processes and their memory, once they are needed; all subsets share them."""

    def subset(self, chosen: Tensor) -> Stream:
        """The pictures with those numbers."""
        some = super().subset(chosen)
        if self.runs:
            shards = torch.searchsorted(torch.tensor(self.runs).cumsum(0), chosen, right=True)
            some.runs = [count for count in shards.bincount().tolist() if count]
        return some

    def __copy__(self) -> Stream:
        """Another that shares everything but what it has met."""
        other = object.__new__(Stream)
        other.__dict__.update(self.__dict__, refused=[], lost={})
        return other

    def fingerprint(self) -> str:
        """SHA-256 of the labels, names and sizes of the files: what can be known without reading all of them."""
        total = hashlib.sha256(self.labels.cpu().numpy().data)
        for i in self.places.tolist():
            size = self.files[i].length or (self.stamps[i] or (0, 0))[0]
            total.update(f"{os.path.basename(self.split.names[i])} {size}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def dealt(self, numbers: Iterable[Tensor], epoch: int | None) -> Iterator[Batch]:
        """See Feed. One feed of a set is dealt at a time, whichever subset it is of."""
        hands = self._hands()
        waiting: deque[Tensor] = deque()
        if self.runs and worth_while(self.files, TOGETHER):
            numbers = fetched_ahead(numbers, [self.files[i] for i in self.places.tolist()], TOGETHER)
        results = hands.pool.results(self._tasks(numbers, waiting, epoch), AHEAD)
        stores: deque[Bytes] = deque([np.empty(0, np.uint8)] * 2)
        with ThreadPoolExecutor(1, "batch") as another:  # which makes the next batch ready while one is in use
            try:
                coming = another.submit(self._next, results, waiting, stores)
                while made := coming.result():
                    coming = another.submit(self._next, results, waiting, stores)
                    yield self._batch(*made)
            finally:
                another.shutdown()
                results.close()

    def _hands(self) -> _Hands:
        if not self.hands:
            self.hands.append(_Hands(self.pixels, self.cut, self.seed))
        return self.hands[0]

    def _tasks(self, batches: Iterable[Tensor], waiting: deque[Tensor], epoch: int | None) -> Iterator[Task]:
        slots = cycle(range(SLOTS))
        for chosen in batches:
            waiting.append(chosen)
            for number in chosen.tolist():
                i = int(self.places[number])
                yield Task(next(slots), self.files[i], self.stamps[i], number, epoch)

    def _next(
        self, results: Iterator[Done | Died], waiting: deque[Tensor], stores: deque[Bytes]
    ) -> tuple[Tensor, Bytes, list[Done]] | None:
        """The numbers of a batch, its pictures brought to size, and how each went; None after the last."""
        first = next(results, None)
        if first is None:
            return None
        chosen, shape = waiting.popleft(), (self.pixels.height, self.pixels.width, self.pixels.channels)
        store = stores.popleft()
        if len(store) < len(chosen):
            store = np.empty((len(chosen), *shape), np.uint8)
        stores.append(store)
        done, row, memory = [], 0, self._hands().slots.all()
        for found in chain((first,), islice(results, len(chosen) - 1)):
            done.append(Done(found.reason) if isinstance(found, Died) else found)
            if done[-1].refused is None:
                height, width = done[-1].height, done[-1].width
                picture = memory[done[-1].slot, : height * width * shape[2]].reshape(height, width, shape[2])
                store[row] = picture if picture.shape == shape else resized(picture, self.pixels)
                row += 1
        return chosen, store[:row], done

    def _batch(self, chosen: Tensor, store: Bytes, done: list[Done]) -> Batch:
        for picture, found in zip(chosen.tolist(), done):
            for what in found.lost:
                self.lost[what] = self.lost.get(what, 0) + 1
            if found.refused:
                self.refused.append(Refused(self.split.names[int(self.places[picture])], found.refused))
                if self.strict:
                    raise PictureError(
                        f"{self.refused[-1].name}: {found.refused}. Mend or remove it, or leave --strict out to go on without it."
                    )
        there = chosen[torch.tensor([not found.refused for found in done])].to(self.device)
        pixels = torch.from_numpy(store).to(self.device)
        return Batch(pixels, torch.arange(len(there), device=self.device), there, self.labels.index_select(0, there), own=True)


class _Hands:
    """Decoding processes, and the memory that they fill."""

    def __init__(self, pixels: Pixels, cut: Cut | None, seed: int) -> None:
        larger = LARGER**2 if cut else 1
        self.slots = Slots.made(SLOTS, larger * pixels.height * pixels.width * pixels.channels)
        self.pool = Pool[Task, Done](Decoder(pixels, self.slots, cut, seed), shared=(self.slots.handle,))
        self.close = weakref.finalize(self, _end, self.pool, self.slots)


def _end(pool: Pool[Task, Done], slots: Slots) -> None:
    pool.close()
    slots.close()


def _stamps(places: Sequence[Place]) -> list[Stamp]:
    """How each picture's file is now; a shard's is looked at once."""
    known: dict[str, Stamp] = {}
    return [known[place.path] if place.path in known else known.setdefault(place.path, place.stamp()) for place in places]
