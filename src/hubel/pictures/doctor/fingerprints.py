"""What is kept of a picture by which its copies are known again: a digest of its pixels, and its strokes. Loads no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hubel.pictures.flattening import flattened

ORDERS = 11
"""Cosines down and across, of 0 to 10 half waves: details of a tenth of the picture's side, which a copy of 24 pixels still has."""

FAINTEST = 4.0
"""Contrast in levels of 255, as a deviation, below which a picture is too plain to be told from others by its strokes."""

SIDE = 64
"""Larger pictures are brought down to so many pixels first, each way. Bilinear: Pillow's box is not the same from both ends."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""

PIXELS = 2**20
"""Of a batch: its greys take 4 MB."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as it is remembered. A small value, so that it can be told to another process."""

    pixels: bytes
    """BLAKE2, 16 bytes, of size and RGB pixels: the same in every lossless encoding, and for grey kept as grey or as RGB."""
    strokes: bytes
    """ORDERS x ORDERS float16: how much of each cosine is in the picture's grey, as `_strokes` has it. All 0 where it is too plain."""


def seen(picture: Image.Image) -> Seen:
    """What is kept of one picture, decoded and upright. Raises PictureError where it cannot be brought to 8-bit RGB."""
    colour = flattened(picture, "RGB", 255)
    digest = _digest(colour.size, colour.tobytes())
    size = min(colour.width, SIDE), min(colour.height, SIDE)
    if size != colour.size:
        colour = colour.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Seen(digest, _strokes(np.asarray(colour)[None]).tobytes())


def seen_all(pixels: NDArray[np.uint8]) -> list[Seen]:
    """What is kept of each picture of an array, (n, height, width) or (n, height, width, 3)."""
    count, height, width = pixels.shape[:3]
    found = []
    step = max(1, PIXELS // (height * width))
    for start in range(0, count, step):
        some = pixels[start : start + step]
        colour = np.repeat(some[..., None], 3, axis=3) if some.ndim == 3 else some
        for picture, strokes in zip(colour, _strokes(colour)):
            found.append(Seen(_digest((width, height), picture.tobytes()), strokes.tobytes()))
    return found


def strokes_of(everything: Iterable[Seen]) -> NDArray[np.float32]:
    """The strokes of many, (n, ORDERS, ORDERS), first down, then across."""
    together = np.frombuffer(b"".join(one.strokes for one in everything), np.float16)
    return together.astype(np.float32).reshape(-1, ORDERS, ORDERS)


def _digest(size: tuple[int, int], pixels: bytes) -> bytes:
    digest = hashlib.blake2b(b"%d %d " % size, digest_size=16)
    digest.update(pixels)
    return digest.digest()


def _strokes(colour: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Of pictures (n, height, width, 3): the square roots, with their signs, of the share of each cosine, of length 1.

    A picture's cosines fall with their frequency f, about as 1/f (Field 1987), so each counts f^(1/2) times: fine ones are
    heard, and the finest, which resizing and recompressing change, not too much. Of these the square root: else a frame or
    a horizon would outweigh all that is in the picture.
    """
    grey = colour.astype(np.float32) @ LUMA
    count, height, width = grey.shape
    shares = _cosines(height) @ (grey.reshape(-1, width) @ _cosines(width).T).reshape(count, height, ORDERS)
    shares[:, 0, 0] = 0
    plain = np.sqrt((shares**2).sum((1, 2))) < FAINTEST
    strokes = np.sign(shares) * np.sqrt(np.abs(shares) * FREQUENCIES**0.5)
    length = np.sqrt((strokes**2).sum((1, 2)))
    length[plain] = np.inf
    shortened: NDArray[np.float16] = (strokes / length[:, None, None]).astype(np.float16)
    return shortened


def _cosines(side: int) -> NDArray[np.float32]:
    """The mean over each of `side` pixels of 1 and of 2^(1/2) cos(pi k t), k = 1 to ORDERS - 1, t from 0 to 1: (ORDERS, side), over `side`.

    So a picture's products with them are integrals over it, whatever its size.
    """
    k = np.arange(1, ORDERS)[:, None]
    waves = np.diff(np.sin(np.pi * k * np.arange(side + 1) / side), axis=1) * (np.sqrt(2) / (np.pi * k))
    return np.vstack([np.full((1, side), 1 / side), waves]).astype(np.float32)


FREQUENCIES = np.hypot(*np.indices((ORDERS, ORDERS))).astype(np.float32)
"""Of each cosine, in half waves."""
