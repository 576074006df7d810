"""Sound pictures in every format that is decoded, and what damage makes of their files. File i follows from (seed, i) alone."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

Mutation = Callable[[bytes, bytes, bytes, bytes, random.Random], bytes]

# fmt: off
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # what is tried: the mode and the format of the sound file, and how it is written
    "JPEG":                   ("RGB", "JPEG", {"quality": 85}),
    "JPEG, progressive":      ("RGB", "JPEG", {"progressive": True}),
    "JPEG, grey, restarting": ("L", "JPEG", {"restart_marker_rows": 1}),
    "JPEG in ink":            ("CMYK", "JPEG", {}),
    "PNG":                    ("RGB", "PNG", {}),
    "PNG, transparent":       ("RGBA", "PNG", {}),
    "PNG of 16 bits":         ("I;16", "PNG", {}),
    "PNG with a palette":     ("P", "PNG", {"transparency": 3}),
    "PNG, moving":            ("RGB", "PNG", {"save_all": True}),
    "WebP, lossy":            ("RGB", "WEBP", {"quality": 80}),
    "WebP, lossless":         ("RGBA", "WEBP", {"lossless": True}),
    "WebP, moving":           ("RGB", "WEBP", {"save_all": True}),
    "GIF":                    ("P", "GIF", {}),
    "GIF, moving":            ("P", "GIF", {"save_all": True}),
    "BMP":                    ("RGB", "BMP", {}),
    "BMP with a palette":     ("P", "BMP", {}),
    "TIFF":                   ("RGB", "TIFF", {}),
    "TIFF, LZW":              ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF, deflate":          ("I;16", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, PackBits":         ("CMYK", "TIFF", {"compression": "packbits"}),
    "TIFF, JPEG":             ("RGB", "TIFF", {"compression": "jpeg"}),
    "TIFF, group 4":          ("1", "TIFF", {"compression": "group4"}),
    "PPM":                    ("RGB", "PPM", {}),
}
# fmt: on


def sound(pictures: list[Image.Image]) -> dict[str, list[bytes]]:
    """Each picture, RGB, as a file of each kind, with EXIF that turns it where the kind has it."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "maker"
    files: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    for i, picture in enumerate(pictures):
        for kind, (mode, name, options) in KINDS.items():
            others = [pictures[(i + k) % len(pictures)].resize(picture.size) for k in (1, 2)] if "save_all" in options else []
            frames = [_in_mode(frame, mode) for frame in (picture, *others)]
            file = io.BytesIO()
            extra = ({"append_images": frames[1:]} if others else {}) | ({"exif": tags} if name in ("JPEG", "PNG", "WEBP") else {})
            frames[0].save(file, name, **options, **extra)
            files[kind].append(file.getvalue())
    return files


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture.convert("I").point(lambda level: level * 257).convert(mode) if mode == "I;16" else picture.convert(mode)


# fmt: off
MUTATIONS: dict[str, Mutation] = {
    # what is done to a part of a file, given what lies before it, the part, what lies behind it, and the end of another file
    "bits turned":           lambda before, part, after, other, draw: before + _turned(part, draw) + after,
    "a number at its end":   lambda before, part, after, other, draw: _written(before, draw.choice(EXTREMES), part + after),
    "one byte everywhere":   lambda before, part, after, other, draw: before + draw.randbytes(1) * len(part) + after,
    "noise":                 lambda before, part, after, other, draw: before + draw.randbytes(len(part)) + after,
    "inserted":              lambda before, part, after, other, draw: before + draw.randbytes(len(part)) + part + after,
    "left out":              lambda before, part, after, other, draw: before + after,
    "said again":            lambda before, part, after, other, draw: before + part * draw.randint(2, 9) + after,
    "changed places":        lambda before, part, after, other, draw: before + after[:len(part)] + part + after[len(part):],
    "cut off":               lambda before, part, after, other, draw: before,
    "another file's end":    lambda before, part, after, other, draw: before + other,
}
# fmt: on
EXTREMES = [
    number.to_bytes(size, end)
    for size in (1, 2, 4)
    for end in ("big", "little")
    for number in (0, 1, 256**size // 2 - 1, 256**size // 2, 256**size - 1)
]
"""The least and the most that numbers of one, two and four bytes can be."""


def mutated(files: list[bytes], others: list[bytes], draw: random.Random) -> bytes:
    """One of the files, changed in one to three places, half of them in its first bytes, where headers are.

    In most of the PNG files the sums are put right afterwards, so that more of them is read.
    """
    data = draw.choice(files)
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(1 + draw.choice((min(len(data), 400), len(data))))
        end = start + (1 << draw.randrange(12))
        other = draw.choice(others)
        changed = draw.choice([*MUTATIONS, *[*MUTATIONS][:4]])  # more of those that leave the rest in its place
        data = MUTATIONS[changed](data[:start], data[start:end], data[end:], other[draw.randrange(len(other)) :], draw)
    return _summed(data) if draw.random() < 0.8 and data.startswith(b"\x89PNG\r\n\x1a\n") else data


def _written(before: bytes, number: bytes, rest: bytes) -> bytes:
    return before + number + rest[len(number) :]


def _turned(part: bytes, draw: random.Random) -> bytes:
    turned = bytearray(part)
    for _ in range(draw.randint(1, 8) if part else 0):
        turned[draw.randrange(len(part))] ^= 1 << draw.randrange(8)
    return bytes(turned)


def _summed(data: bytes) -> bytes:
    """A PNG in which every part that is whole has the right sum."""
    whole, at = bytearray(data), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def mutant(files: dict[str, list[bytes]], number: int, seed: int) -> tuple[str, bytes]:
    """The kind and the bytes of a mutated file. Its other half, where it has one, comes from a file of any kind."""
    kind = list(files)[number % len(files)]
    return kind, mutated(files[kind], [data for some in files.values() for data in some], random.Random(f"{seed} {number}"))
