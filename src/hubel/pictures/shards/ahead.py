"""Shards at URLs fetched before their turn comes, so that nobody waits at every new one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from hubel.errors import PictureError
from hubel.pictures.places import Place
from hubel.pictures.shards import kept

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 2
"""Shards that are fetched side by side."""

Shard = tuple[str, str]
"""Its URL and version."""


def fetched_ahead(batches: Iterable[Tensor], places: Sequence[Place], together: int) -> Iterator[Tensor]:
    """The numbers of the pictures in each batch, as they come; what comes is looked at until it is of more than `together` shards.

    places: where each picture lies. The shards are fetched meanwhile; what cannot be is said by whoever reads it.
    """
    waiting: deque[tuple[Tensor, set[Shard]]] = deque()
    ahead: Counter[Shard] = Counter()
    wanted: SimpleQueue[Shard | None] = SimpleQueue()
    for _ in range(AT_ONCE):
        Thread(target=_fetch, args=(wanted,), daemon=True).start()  # which nobody need wait for at the end
    try:
        for chosen in batches:
            shards = {(places[i].path, places[i].version) for i in chosen.tolist()}
            for shard in shards - ahead.keys():
                wanted.put(shard)
            waiting.append((chosen, shards))
            ahead.update(shards)
            while len(waiting) > 1 and len(ahead) > together:
                first, done = waiting.popleft()
                ahead.subtract(done)
                ahead = +ahead
                yield first
        for first, _ in waiting:
            yield first
    finally:
        for _ in range(AT_ONCE):
            wanted.put(None)


def worth_while(places: Sequence[Place], together: int) -> bool:
    """Whether pictures lie in shards at URLs, of which twice `together` may be kept: else some in use would be pushed out."""
    largest = max((kept.size_of(place.version) for place in places if "://" in place.path), default=0)
    return 0 < 2 * together * largest <= kept.most()


def _fetch(wanted: SimpleQueue[Shard | None]) -> None:
    """Fetch what is wanted, until nothing is."""
    while shard := wanted.get():
        with suppress(PictureError, OSError), kept.opened(*shard):
            pass
