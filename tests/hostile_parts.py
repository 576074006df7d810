"""Parts of picture files, sound ones and such as no writer would write."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

READ, BAD, EITHER = "^read$", "damaged|not a picture", "^read$|damaged|not a picture"
MANY = "pixels; (sides of )?at most"
STRANGE = "not a picture"
UNREADABLE = "cannot be read|is no file"

BIG_TIFF = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)
"""The beginning of one whose numbers have 64 bits; its tags begin at byte 16."""


class Hostile(NamedTuple):
    """A file's bytes, or what makes the entry at a path; what `opened` comes to, as a pattern of "read" or the reason."""

    made: bytes | Callable[[Path], None]
    ends: str
    left_out: bool = False
    """Whether a folder's set leaves it out, with a note."""


def picture(mode="RGB", side=40):
    return Image.frombytes(mode, (side, side), random.Random(0).randbytes(side * side * len(Image.new(mode, (1, 1)).tobytes())))


def encoded(kind, mode="RGB", side=40, **options):
    """The bytes of a sound file of that format."""
    file = io.BytesIO()
    picture(mode, side).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width, height, depth=8, colour=2, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(*chunks, pixels=None):
    """A PNG; its pixels are black dots if its header says 2 x 1."""
    pixels = zlib.compress(bytes(7)) if pixels is None else pixels
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def zeros(megabytes):
    """So many megabytes of zeros, as zlib packs them: a thousandth of that."""
    packer = zlib.compressobj(9)
    head, piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH), zlib.compressobj(9, wbits=-15)
    body = piece.compress(bytes(1 << 20)) + piece.flush(zlib.Z_FULL_FLUSH)
    return head + body * (megabytes - 1) + b"\3\0" + struct.pack(">I", (((megabytes << 20) % 65521) << 16) | 1)


def bmp(width, height, bits=24, packed=0, body=b"\7" * 100, colours=0, palette=b""):
    start = 54 + len(palette)
    said = struct.pack("<IIIIiiHHIIiiII", start + len(body), 0, start, 40, width, height, 1, bits, packed, 0, 0, 0, colours, 0)
    return b"BM" + said + palette + body


def gif(width, height, *blocks, colours=1):
    """A GIF of so many bits a colour."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x7F + colours, 0, 0) + bytes(range(3 << colours)) + b"".join(blocks) + b";"


def frame(width, height, data=b"\2\2\x44\1\0"):
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + data


def webp(width, height, flags=0, body=b""):
    """An extended WebP of that canvas."""
    canvas = struct.pack("<II", width - 1, height - 1)
    body = b"VP8X" + struct.pack("<II", 10, flags) + canvas[:3] + canvas[4:7] + body
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def moving(width, height, frames=1):
    """An animated WebP of frames of 40 x 40."""
    inner = encoded("WEBP", lossless=True)[12:]
    one = b"ANMF" + struct.pack("<I", 16 + len(inner)) + bytes(6) + (39).to_bytes(3, "little") * 2 + bytes(4) + inner
    return webp(width, height, 2, b"ANIM" + struct.pack("<I", 6) + bytes(6) + one * frames)


def tiff(tags, data=b"", following=0):
    """A TIFF; `data` begins at byte 8, tags follow. A tag is a number, or its type, count, and number or place."""
    entries = [struct.pack("<HHII", tag, *(said if isinstance(said, tuple) else (4, 1, said))) for tag, said in sorted(tags.items())]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def grey(width=4, height=4, packed=1, size=16, **others):
    """The tags of a grey TIFF of one strip."""
    usual = {256: width, 257: height, 258: 8, 259: packed, 262: 1, 273: 8, 277: 1, 278: height, 279: size}
    return {**usual, **{int(tag[1:]): said for tag, said in others.items()}}


def tiled(side, tile, size, packed=8):
    return {256: side, 257: side, 258: 8, 259: packed, 262: 1, 277: 1, 322: tile, 323: tile, 324: 8, 325: size}


def many(pictures):
    """A TIFF of so many pictures of one dot, one after another."""
    first, size = tiff(grey(1, 1, 1, 1)), len(tiff(grey())) - 8
    return first[:8] + b"".join(first[8:-4] + struct.pack("<I", 8 + size * i if i < pictures else 0) for i in range(1, pictures + 1))


def segment(marker, data, length=None):
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2 if length is None else length) + data


def jpeg(*segments, **options):
    """A sound JPEG with these segments put in at its start."""
    whole = encoded("JPEG", **options)
    return whole[:2] + b"".join(segments) + whole[2:]


def patched(data, mark, offset, new):
    """The bytes with `new` written so far behind the first `mark`."""
    at = data.index(mark) + offset
    return data[:at] + new + data[at + len(new) :]


def exif(tags, data=b""):
    return jpeg(segment(0xE1, b"Exif\0\0" + tiff(tags, data)))


def scans(side, count):
    """A grey progressive JPEG whose scans are a few bytes that say that every block is done."""
    blocks = (-(-side // 8)) ** 2
    runs = int(("0" + "1" * 14) * -(-blocks // 32767), 2) << 7
    run = runs.to_bytes(-(-runs.bit_length() // 8) + 1, "big").replace(b"\xff", b"\xff\0")
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    start = segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    return b"\xff\xd8" + tables + start + first + (segment(0xDA, b"\1\1\0\1\x3f\0") + run) * count + b"\xff\xd9"


def empty_scans(side, count):
    """A colour JPEG, not progressive, with so many scans of its first part that hold nothing."""
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(16))
    start = segment(0xC0, struct.pack(">BHHB", 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0")
    return b"\xff\xd8" + tables + start + (segment(0xDA, b"\1\1\0\0\x3f\0") + b"\0") * count + b"\xff\xd9"
