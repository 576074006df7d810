"""A split decoded: every picture once, into memory or into a file, by processes that a bad picture cannot take the run down with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from hubel.errors import PictureError
from hubel.machine import free_memory, processors
from hubel.pictures.apart import FEW
from hubel.pictures.batches import Feed, Refused
from hubel.pictures.held import Pictures
from hubel.pictures.pixels import Bytes, Pixels
from hubel.pictures.pool import Died, Pool
from hubel.pictures.published import held_out
from hubel.pictures.sets import Split
from hubel.pictures.slots import Decoder, Done, Slots, Task

AHEAD = 128
"""Pictures that are decoded beyond the one that is being put away."""

CHUNK = 64
"""Pictures of an array that a thread brings to size before it reports."""

Telling = Callable[[int, int], None] | None
"""Hears (done, of how many)."""


def decoded(split: Split, pixels: Pixels, strict: bool = False, told: Telling = None) -> Pictures:
    """Decode every picture of a split into memory; those that cannot be read are named with their reasons and kept out.

    Raises PictureError for the first unreadable one if `strict`, where nothing can be read, and where the pictures would not
    fit into memory.
    """
    count = len(split.labels)
    size = count * pixels.height * pixels.width * pixels.channels
    free = free_memory()
    if size > 0.8 * free:
        raise PictureError(
            f"{count:,} pictures of {pixels.height}x{pixels.width} take {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; use a smaller input or fewer pictures."
        )
    store = np.empty((count, pixels.height, pixels.width, pixels.channels), np.uint8)
    lost, refused = Counter[str](), dict[int, Refused]()
    for i, (done, array) in enumerate(each(split, pixels, strict=strict, told=told)):
        lost.update(done.lost)
        if array is None:
            refused[i] = Refused(split.names[i], done.refused or "")
        else:
            store[i] = array
    kept = [i for i in range(count) if i not in refused]
    everything = Pictures(
        torch.from_numpy(store), torch.from_numpy(np.array(split.labels)), list(split.names), tuple(refused.values()), dict(lost)
    )
    return everything.subset(torch.tensor(kept)) if refused else everything


def each(split: Split, pixels: Pixels, shorter: int = 0, strict: bool = False, told: Telling = None) -> Iterator[tuple[Done, Bytes | None]]:
    """Every picture of a split, one after another: how it went and its uint8 (height, width, channels), good until the next is asked for.

    shorter: see Decoder. Raises PictureError where the split has no pictures, none can be read, or, if `strict`, one cannot.
    """
    count = len(split.labels)
    if not count:
        raise PictureError("There are no pictures in this set.")
    first: Refused | None = None
    readable = False
    for i, (done, array) in enumerate(_from_array(split, pixels) if split.places is None else _from_files(split, pixels, shorter)):
        if array is None:
            first = first or Refused(split.names[i], done.refused or "")
            if strict:
                raise PictureError(f"{first.name}: {first.reason}. Mend or remove it, or leave --strict out to go on without it.")
        readable = readable or array is not None
        yield done, array
        if told is not None and ((i + 1) % CHUNK == 0 or i + 1 == count):
            told(i + 1, count)
    if first and not readable:
        raise PictureError(f"None of the {count} pictures can be read; the first: {first.name}: {first.reason}.")


def _from_files(split: Split, pixels: Pixels, shorter: int) -> Iterator[tuple[Done, Bytes | None]]:
    places = split.places or ()
    slots = Slots.made(2 * AHEAD, 4 * shorter**2 * pixels.channels or pixels.height * pixels.width * pixels.channels)
    try:
        memory = slots.all()
        tasks = (Task(i % slots.count, place, None, i, 0) for i, place in enumerate(places))
        processes = min(processors(), 1 + len(places) // FEW)
        with Pool[Task, Done](Decoder(pixels, slots, shorter=shorter), processes, shared=(slots.handle,)) as pool:
            for i, result in enumerate(pool.results(tasks, AHEAD)):
                done = Done(result.reason) if isinstance(result, Died) else result
                size = done.height * done.width * pixels.channels
                array = memory[i % slots.count, :size].reshape(done.height, done.width, pixels.channels)
                yield done, None if done.refused else array
    finally:
        slots.close()


def _from_array(split: Split, pixels: Pixels) -> Iterator[tuple[Done, Bytes | None]]:
    """Pictures that are no files, which nothing can be wrong with that would harm this process."""

    def some(start: int) -> list[tuple[Done, Bytes | None]]:
        return [one(i) for i in range(start, min(start + CHUNK, len(split.labels)))]

    def one(i: int) -> tuple[Done, Bytes | None]:
        try:
            picture = split.read(i)
            array = pixels.array(picture)
        except PictureError as error:
            return Done(str(error)), None
        return Done(None, array.shape[0], array.shape[1], pixels.lost(picture)), array

    with ThreadPoolExecutor(processors()) as threads:
        starts = range(0, len(split.labels), CHUNK * 16)
        for start in starts:  # a few at a time, so that what is finished does not pile up
            for found in threads.map(some, range(start, min(start + CHUNK * 16, len(split.labels)), CHUNK)):
                yield from found


def divided(pictures: Feed, share: float, seed: int) -> tuple[Feed, Feed]:
    """The pictures to learn from and those to validate on: `share` of every class, drawn by `seed`."""
    learn, validate = parted(pictures.labels, share, seed)
    return pictures.subset(learn), pictures.subset(validate)


def parted(labels: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """The numbers of those to learn from and of those to validate on. Raises PictureError where none can be held out."""
    if labels.bincount().max() < 2:
        raise PictureError(
            "Every class has one picture only, so none can be held out to validate on; training needs two or more of a class."
        )
    held = torch.from_numpy(held_out(labels.numpy(), share, np.random.default_rng(seed)))
    return (~held).nonzero()[:, 0], held.nonzero()[:, 0]
