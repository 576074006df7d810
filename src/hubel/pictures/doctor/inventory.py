"""Every picture of a set examined once: its file, what is in it, and what decoding it does to it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from hubel.pictures.decoding import described, opened, reason
from hubel.pictures.doctor.fingerprints import Seen, seen, seen_all
from hubel.pictures.flattening import conversions, flattened
from hubel.pictures.places import Place
from hubel.pictures.pool import Died, Pool
from hubel.pictures.sets import Source, Split
from hubel.pictures.told import Told

TOLERANCE = 8
"""Levels of 255 by which the colours of every pixel of a grey picture may differ: as much as JPEG's rounding makes of grey."""

BATCH = 1000
"""Pictures of an array that are examined at a time."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a picture was found to be. One that cannot be read has a reason, and nothing below it."""

    stored: int = 0
    """Bytes of its file; 0 where it has none of its own."""
    digest: bytes | None = None
    """BLAKE2 of its file."""
    reason: str = ""
    height: int = 0
    """Of the picture upright, as `width`."""
    width: int = 0
    channels: int = 0
    """As stored."""
    form: str = ""
    """JPEG, PNG, ...; "array" where it is part of one."""
    mode: str = ""
    """Pillow's, as stored."""
    orientation: int | None = 1
    """EXIF's number, 1 where it is upright as stored; None where its EXIF is broken."""
    several: bool = False
    """Whether it is the first of several in its file."""
    coarseness: float = 0.0
    """Mean step of a JPEG's first quantisation table, in levels: small where its quality is high."""
    conversions: tuple[str, ...] = ()
    """What is lost on the way to a colour picture of 8 bits."""
    grey: bool = False
    """Whether it shows grey alone, however it is stored."""
    seen: Seen | None = None


@dataclass(frozen=True)
class Inventory:
    """All pictures of a set, split after split, and what each was found to be."""

    name: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    damage: tuple[str, ...]
    splits: Mapping[str, Split]
    pictures: tuple[Examined, ...]
    names: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    split_of: NDArray[np.int64] = field(repr=False)
    """The number of the split of each."""

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        return np.array([not picture.reason for picture in self.pictures], bool)

    @property
    def is_files(self) -> bool:
        """Whether every picture is a file of its own, which a list can name."""
        return all(split.places is not None and not split.runs for split in self.splits.values())

    def split_name(self, i: int) -> str:
        """The name of the split of picture i."""
        return tuple(self.splits)[int(self.split_of[i])]

    def label(self, i: int) -> str:
        """The class of picture i."""
        return self.classes[int(self.labels[i])]

    def read(self, i: int) -> Image.Image:
        """Picture i, decoded. Raises PictureError where it cannot be."""
        number = int(self.split_of[i])
        return tuple(self.splits.values())[number].read(i - int(np.searchsorted(self.split_of, number)))

    def sizes(self) -> dict[str, list[tuple[int, int, int] | str]]:
        """Height, width and channels of each picture by split, or the reason why it cannot be read."""
        found: dict[str, list[tuple[int, int, int] | str]] = {name: [] for name in self.splits}
        for i, picture in enumerate(self.pictures):
            found[self.split_name(i)].append(picture.reason or (picture.height, picture.width, picture.channels))
        return found

    def counts(self) -> NDArray[np.int64]:
        """Pictures by class and split (classes, splits), with those that cannot be read."""
        table = np.zeros((len(self.classes), len(self.splits)), np.int64)
        np.add.at(table, (self.labels, self.split_of), 1)
        return table


def examine(source: Source, processes: int | None = None, told: Told | None = None) -> Inventory:
    """Every picture of a set, read and decoded once, in processes of their own: a decoder that crashes costs one picture only."""
    splits = {name: source.split(name) for name in source.openers}
    counts = [len(split.labels) for split in splits.values()]
    pictures: list[Examined] = []
    for (name, split), count in zip(splits.items(), counts):
        for done, examined in enumerate(_of_split(split, processes), 1):
            pictures.append(examined)
            if told is not None:
                told(f"examining {name}", done, count)
    return Inventory(
        source.name,
        source.classes,
        source.notes,
        source.damage,
        splits,
        tuple(pictures),
        tuple(name for split in splits.values() for name in split.names),
        np.concatenate([split.labels for split in splits.values()]),
        np.repeat(np.arange(len(splits)), counts),
    )


def _of_split(split: Split, processes: int | None) -> Iterator[Examined]:
    if split.pixels is not None:
        yield from _of_array(split.pixels)
    elif split.places is not None:
        with Pool(of_place, processes) as pool:
            for found in pool.results(split.places):
                yield Examined(reason=found.reason) if isinstance(found, Died) else found
    else:
        for i in range(len(split.labels)):
            try:
                yield Examined(**_looked_at(split.read(i)))
            except Exception as error:
                yield Examined(reason=reason(error))


def of_place(place: Place) -> Examined:
    """The picture whose file lies at a place."""
    try:
        data = place.read()
    except Exception as error:
        return Examined(reason=reason(error))
    file: dict[str, Any] = {"stored": len(data), "digest": hashlib.blake2b(data, digest_size=16).digest()}
    try:
        return Examined(**file, coarseness=_coarseness(data), **_looked_at(opened(data)))
    except Exception as error:
        return Examined(**file, reason=reason(error))


def _looked_at(picture: Image.Image) -> dict[str, Any]:
    """What is known of a picture that is decoded and upright."""
    header = described(picture)
    return {
        "height": picture.height,
        "width": picture.width,
        "channels": header.channels,
        "form": header.format,
        "mode": header.mode,
        "orientation": header.orientation,
        "several": header.several,
        "conversions": conversions(header, "RGB", colour_managed=True),  # as in training
        "grey": _is_grey(flattened(picture, "RGB", 255)),
        "seen": seen(picture),
    }


def _coarseness(data: bytes) -> float:
    """The mean step of a JPEG's table for brightness; 0 of any other file."""
    if not data.startswith(b"\xff\xd8"):
        return 0.0
    with suppress(Exception), JpegImageFile(io.BytesIO(data)) as picture:  # where it is damaged, its decoding says so
        return float(np.mean(picture.quantization[0]))
    return 0.0


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return not any(np.any(np.asarray(ImageChops.difference(green, other)) > TOLERANCE) for other in (red, blue))


def _of_array(pixels: NDArray[np.uint8]) -> Iterator[Examined]:
    _, height, width, *channels = pixels.shape
    form = {"height": height, "width": width, "channels": 3 if channels else 1, "form": "array", "mode": "RGB" if channels else "L"}
    for start in range(0, len(pixels), BATCH):
        some = pixels[start : start + BATCH]
        for grey, found in zip(_are_grey(some), seen_all(some)):
            yield Examined(**form, grey=grey, seen=found)


def _are_grey(pixels: NDArray[np.uint8]) -> list[bool]:
    """Of a batch (n, height, width) or (n, height, width, 3)."""
    if pixels.ndim == 3:
        return [True] * len(pixels)
    green = pixels[..., 1:2].astype(np.int16)
    return [bool(apart <= TOLERANCE) for apart in np.abs(pixels[..., ::2] - green).max((1, 2, 3))]
