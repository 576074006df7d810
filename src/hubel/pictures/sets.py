"""A set of pictures as a value: its classes, its splits, and how to read picture i of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.decoding import described, opened
from hubel.pictures.places import Place
from hubel.pictures.told import Told


@dataclass(frozen=True)
class Split:
    """Labelled pictures that are not decoded yet."""

    names: Sequence[str]
    """Where each picture lies: a path, or the set's name and a number."""
    labels: NDArray[np.int64]
    read: Callable[[int], Image.Image]
    """Picture i. Raises PictureError with the reason where it cannot be read."""
    pixels: NDArray[np.uint8] | None = None
    """All of them, (n, height, width) or (n, height, width, 3), where the set is published as an array."""
    places: Sequence[Place] | None = None
    """Where the file of each picture lies, where the set is one of files."""
    runs: Sequence[int] = ()
    """How many pictures, one after another, each shard has, where what lies in one shard should be read together."""

    def subset(self, chosen: Sequence[int]) -> Split:
        """The pictures with those numbers."""
        return Split(
            [self.names[i] for i in chosen],
            self.labels[np.array(chosen, np.int64)],
            lambda i: self.read(chosen[i]),
            None if self.pixels is None else self.pixels[np.array(chosen, np.int64)],
            None if self.places is None else [self.places[i] for i in chosen],
        )

    def size(self, i: int) -> tuple[int, int, int]:
        """Height, width and channels of picture i, from its header where it is a file."""
        if self.pixels is not None:
            _, height, width, *channels = self.pixels.shape
            return height, width, channels[0] if channels else 1
        header = described(self.read(i) if self.places is None else self.places[i].read())
        return header.height, header.width, header.channels

    def fingerprint(self, told: Callable[[int, int], None] | None = None) -> str:
        """SHA-256 of the labels and, one after another, the pictures as they are stored; `told` hears (done, of how many)."""
        total = hashlib.sha256(self.labels.astype("<i8").tobytes())
        for i in range(len(self.labels)):
            try:
                stored = self.stored(i)
            except PictureError:
                stored = b""
            total.update(hashlib.sha256(stored).digest())
            if told is not None:
                told(i + 1, len(self.labels))
        return total.hexdigest()

    def stored(self, i: int) -> bytes:
        """Picture i as it is stored: its file, or its pixels. Raises PictureError where it cannot be read."""
        if self.pixels is not None:
            return bytes(self.pixels[i].tobytes())
        return self.read(i).tobytes() if self.places is None else self.places[i].read()


@dataclass(frozen=True)
class Source:
    """A set of pictures: its classes, in order, and its splits, each opened only when it is asked for."""

    name: str
    classes: tuple[str, ...]
    openers: dict[str, Callable[[], Split]]
    """By split: train, validation, test, extra; or "all" where the set is not divided."""
    notes: tuple[str, ...] = field(default=())
    """What was left out, and why."""
    damage: tuple[str, ...] = field(default=())
    """Those of the notes that say what was lost."""

    def split(self, name: str) -> Split:
        """One split. Raises PictureError, naming those there are, where the set has it not."""
        if name not in self.openers:
            raise PictureError(f"{self.name} has no {name} pictures; it has: {', '.join(self.openers)}.")
        return self.openers[name]()

    def training(self) -> Split:
        """The pictures to learn from: the train split, or all of a set that is not divided."""
        return self.split("all" if "all" in self.openers else "train")

    def testing(self) -> Split:
        """The pictures to be tested on: the test split, or all of a set that is not divided."""
        return self.split("all" if "all" in self.openers else "test")

    def fingerprint(self, told: Told | None = None) -> str:
        """SHA-256 of the classes and of every split. Names do not enter, so a set that is moved or renamed keeps it."""
        total = hashlib.sha256("\n".join(self.classes).encode(errors="surrogateescape"))
        for name in self.openers:
            telling = None if told is None else lambda done, count, name=name: told(f"reading {name}", done, count)
            total.update(f"\n{name} {self.split(name).fingerprint(telling)}".encode())
        return total.hexdigest()


def from_array(name: str, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    """The pictures of an array, called by the name and their number."""
    return Split([f"{name} {i}" for i in range(len(labels))], labels, lambda i: Image.fromarray(pixels[i]), pixels=pixels)


def from_files(files: Sequence[Path], labels: NDArray[np.int64]) -> Split:
    """The pictures of files, called by their paths."""
    return from_places([str(path) for path in files], [Place(str(path)) for path in files], labels)


def from_places(names: Sequence[str], places: Sequence[Place], labels: NDArray[np.int64]) -> Split:
    """The pictures whose files lie at those places."""
    return Split(names, labels, lambda i: opened(places[i].read()), places=places)
