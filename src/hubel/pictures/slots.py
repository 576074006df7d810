"""Decoding as a process does it: a file in, its pixels into memory that is shared with whoever waits for them. Nothing here needs torch."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from hubel.pictures.cutting import Cut, on_pixels
from hubel.pictures.decoding import described, opened, reason
from hubel.pictures.pixels import KERNELS, Bytes, Pixels
from hubel.pictures.places import Place

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Slots:
    """Memory that processes share, in `count` slots of `size` bytes: an open file without a name."""

    handle: int
    count: int
    size: int

    @staticmethod
    def made(count: int, size: int) -> Slots:
        if hasattr(os, "memfd_create"):  # unlike a file in /dev/shm, it may be larger than what a container has there
            handle = os.memfd_create("hubel")
        else:
            with tempfile.TemporaryFile() as file:
                handle = os.dup(file.fileno())
        os.ftruncate(handle, count * size)
        return Slots(handle, count, size)

    def all(self) -> Bytes:
        """Everything, (count, size); the same memory in every process."""
        return _mapped(self.handle, self.count * self.size).reshape(self.count, self.size)

    def close(self) -> None:
        _mapped.cache_clear()  # the memory itself is freed when the last array on it is
        os.close(self.handle)


@lru_cache(maxsize=4)
def _mapped(handle: int, size: int) -> Bytes:
    return np.frombuffer(mmap.mmap(handle, size), np.uint8)


class Task(NamedTuple):
    """A picture to be decoded into a slot: where its file lies, and how that was when training began; its number in the set."""

    slot: int
    place: Place
    stamp: Stamp
    number: int
    epoch: int | None
    """None: as it is tested, nothing drawn."""


class Done(NamedTuple):
    """How it went: why it is refused, if it is; else the height and width that now lie in the slot, what was lost on the way, and the file's."""

    refused: str | None
    height: int = 0
    width: int = 0
    lost: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    """Height and width of the upright picture in the file."""
    slot: int = 0


@dataclass(frozen=True)
class Decoder:
    """Decodes a picture into a slot, as uint8 (height, width, channels): as the policy has it, or the part that `cut` draws, not yet resized."""

    pixels: Pixels
    slots: Slots
    cut: Cut | None = None
    """A part of it that is drawn, instead of what the policy shows."""
    seed: int = 0
    shorter: int = 0
    """All of it, its shorter side brought to so many pixels if it is longer, instead."""

    def __call__(self, task: Task) -> Done:
        try:
            now = task.place.stamp() if task.stamp else None
            if now != task.stamp:
                return Done("it is no longer there" if now is None else "it has changed since training began")
            picture = self._opened(task)
            if self.shorter:
                array = whole(picture, self.pixels, self.shorter)
            elif self.cut is None or task.epoch is None:
                array = self.pixels.array(picture)
            else:
                array = self._part(picture, task)
        except Exception as error:
            return Done(reason(error))
        height, width, _ = array.shape
        self.slots.all()[task.slot, : array.size] = array.reshape(-1)
        header = described(picture)
        return Done(None, height, width, self.pixels.lost(picture), (header.height, header.width), task.slot)

    def _opened(self, task: Task) -> Image.Image:
        """The picture or the part of it that was drawn, decoded at as small a scale as what is wanted of it allows."""
        data, pixels = task.place.read(), self.pixels
        if self.shorter:
            return opened(data, (self.shorter, self.shorter))
        if self.cut is None or task.epoch is None:
            return pixels.opened(data)
        header = described(data)
        left, top, right, bottom = self.cut.box(header.width, header.height, pixels.shape[1:], task.number, self.seed, task.epoch)
        across, down = pixels.width * header.width / (right - left), pixels.height * header.height / (bottom - top)
        picture = opened(data, (math.ceil(across), math.ceil(down)))
        x, y = picture.width / header.width, picture.height / header.height
        return picture.crop(on_pixels((left * x, top * y, right * x, bottom * y)))

    def _part(self, picture: Image.Image, task: Task) -> Bytes:
        """A part as it is, to be resized by whoever takes it; one that is too large for a slot is resized here."""
        plain = self.pixels.plain(picture)
        if plain.width * plain.height * self.pixels.channels > self.slots.size:
            return self.pixels.array(plain, (0, 0, *plain.size))
        return np.asarray(plain, np.uint8).reshape(plain.height, plain.width, self.pixels.channels)


def whole(picture: Image.Image, pixels: Pixels, shorter: int) -> Bytes:
    """All of a picture as uint8 (height, width, channels), not enlarged, of at most 4 * shorter * shorter pixels."""
    plain = pixels.plain(picture)
    scale = min(1.0, shorter / min(plain.size), 2 * shorter / math.sqrt(plain.width * plain.height))
    if scale < 1:
        plain = plain.resize((max(1, int(plain.width * scale)), max(1, int(plain.height * scale))), KERNELS[pixels.kernel])
    return np.asarray(plain, np.uint8).reshape(plain.height, plain.width, pixels.channels)
