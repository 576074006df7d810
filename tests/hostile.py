"""Files and folder entries that mean harm, or nothing: each is refused in a sentence, read as what it shows, or left out of its set."""

from __future__ import annotations

import io
import os
import pickle
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageCms

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


# --- parts of files -----------------------------------------------------------------------------------------------------


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


# --- of every kind ------------------------------------------------------------------------------------------------------


def bombs():
    """Headers that claim more than is decoded."""
    big_tags = b"".join(struct.pack("<HHQQ", tag, 4, 1, said) for tag, said in ((256, 100_000), (257, 100_000), (273, 8)))
    sides = struct.pack(">HH", 65_500, 65_500)
    files = {
        "PNG 100000 x 100000.png": png(header(100_000, 100_000)),
        "PNG 2^31 - 1 x 1.png": png(header(2**31 - 1, 1)),
        "PNG 2^31 x 1.png": png(header(2**31, 1)),
        "PNG 2^32 - 1 x 2^32 - 1.png": png(header(2**32 - 1, 2**32 - 1)),
        "PNG 9500 x 9500.png": png(header(9500, 9500)),
        "PNG of two headers.png": png(header(2, 1), header(50_000, 50_000)),
        "GIF 65535 x 65535.gif": gif(65_535, 65_535, frame(65_535, 65_535)),
        "GIF with a frame beyond its canvas.gif": gif(1, 1, frame(65_535, 65_535)),
        "TIFF 100000 x 100000, strips.tif": tiff(grey(100_000, 100_000), bytes(16)),
        "TIFF 100000 x 100000, tiles.tif": tiff(tiled(100_000, 256, 16), bytes(16)),
        "TIFF 2^32 - 1 x 1.tif": tiff(grey(2**32 - 1, 1), bytes(16)),
        "TIFF, big, 100000 x 100000.tif": BIG_TIFF + struct.pack("<Q", 3) + big_tags + bytes(8),
        "WebP 16383 x 16383.webp": webp(16_383, 16_383, body=encoded("WEBP")[12:]),
        "WebP 2^24 x 256.webp": webp(2**24, 256, body=encoded("WEBP")[12:]),
        "WebP lossless 16384 x 16384.webp": patched(encoded("WEBP", lossless=True), b"VP8L", 9, b"\xff\xff\xff\x0f"),
        "WebP moving 10000 x 16000.webp": moving(10_000, 16_000),
        "BMP 60000 x 60000.bmp": bmp(60_000, 60_000),
        "BMP 60000 x -60000.bmp": bmp(60_000, -60_000),
        "BMP -5 x 5.bmp": bmp(-5, 5),
        "BMP 2^31 - 1 x 1.bmp": bmp(2**31 - 1, 1),
        "BMP of OS 2, 65535 x 65535.bmp": b"BM" + struct.pack("<IIIIHHHH", 126, 0, 26, 12, 65_535, 65_535, 1, 24) + b"\7" * 100,
        "PPM 100000 x 100000.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "PPM of letters 100000 x 100000.pgm": b"P2 100000 100000 255\n1 2 3",
        "JPEG 65500 x 65500.jpg": patched(encoded("JPEG"), b"\xff\xc0", 5, sides),
        "JPEG progressive 65500 x 65500.jpg": patched(encoded("JPEG", progressive=True), b"\xff\xc2", 5, sides),
    }  # fmt: skip
    return {name: Hostile(data, MANY) for name, data in files.items()}


def empty_sides():
    """Pictures of no width or no height."""
    sound = encoded("JPEG")
    return {name: Hostile(data, BAD) for name, data in {
        "PNG 0 x 5.png": png(header(0, 5)), "GIF 0 x 0.gif": gif(0, 0, frame(0, 0)), "TIFF 0 x 4.tif": tiff(grey(0, 4), bytes(16)),
        "BMP 0 x 5.bmp": bmp(0, 5), "PPM 0 x 0.ppm": b"P6 0 0 255\n", "PPM -1 x 5.ppm": b"P6 -1 5 255\n",
        "JPEG 0 x 40.jpg": patched(sound, b"\xff\xc0", 7, b"\0\0"), "JPEG 40 x 0.jpg": patched(sound, b"\xff\xc0", 5, b"\0\0"),
    }.items()}  # fmt: skip


def pngs():
    one, transparent = header(2, 1), chunk(b"tRNS", b"\0\1")
    paletted, colours, first = header(2, 1, 8, 3), chunk(b"PLTE", b"\xff\0\0"), zlib.compress(bytes(3))
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2, 1, 0, 0, 1, 1, 0, 0))
    beyond = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 65_536, 1, 0, 0, 1, 1, 0, 0))
    text = b"".join(chunk(b"zTXt", b"key %d\0\0" % i + zeros(1)) for i in range(100))
    return {
        "PNG whose pixels are a bomb.png": Hostile(png(one, pixels=zeros(1000)), EITHER),
        "PNG with a bomb for its text.png": Hostile(png(one, chunk(b"zTXt", b"key\0\0" + zeros(500))), BAD),
        "PNG with a bomb for its other text.png": Hostile(png(one, chunk(b"iTXt", b"key\0\1\0\0\0" + zeros(500))), BAD),
        "PNG with a hundred bombs for its texts.png": Hostile(png(one, text), BAD),
        "PNG with a bomb for its profile.png": Hostile(png(one, chunk(b"iCCP", b"key\0\0" + zeros(500))), BAD),
        "PNG with a profile of noise.png": Hostile(png(one, chunk(b"iCCP", b"key\0\0" + b"noise" * 50)), READ),
        "PNG with a wrong sum in its header.png": Hostile(patched(png(one), b"IHDR", 17, b"\0\0\0\0"), BAD),
        "PNG with a wrong sum in its pixels.png": Hostile(patched(png(one), b"IEND", -8, b"\0\0\0\0"), EITHER),
        "PNG with too little transparency.png": Hostile(png(one, transparent), BAD),
        "PNG with too much transparency.png": Hostile(png(paletted, colours, chunk(b"tRNS", bytes(999)), pixels=first), EITHER),
        "PNG of colours that its palette has not.png": Hostile(png(paletted, colours, pixels=zlib.compress(b"\0\xc8\xff")), EITHER),
        "PNG without a palette.png": Hostile(png(paletted, pixels=first), EITHER),
        "PNG with a palette of 4 bytes.png": Hostile(png(paletted, chunk(b"PLTE", b"\0" * 4), pixels=first), EITHER),
        "PNG interlaced and cut.png": Hostile(png(header(40, 40, interlaced=1), pixels=zlib.compress(bytes(50))), BAD),
        "PNG of 3 bits.png": Hostile(png(header(2, 1, 3)), BAD),
        "PNG of colour type 5.png": Hostile(png(header(2, 1, 8, 5)), BAD),
        "PNG of filter 9.png": Hostile(png(one, pixels=zlib.compress(b"\x09" + bytes(6))), BAD),
        "PNG of compression 7.png": Hostile(png(chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 7, 7, 7))), BAD),
        "PNG without pixels.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + chunk(b"IEND", b""), BAD),
        "PNG with a short header.png": Hostile(png(chunk(b"IHDR", b"\0\0\0\2")), BAD),
        "PNG with a part of 2 GB.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + b"\x7f\xff\xff\xfftEXt" + bytes(99), BAD),
        "PNG in a hundred thousand empty parts.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + chunk(b"IDAT", b"") * 100_000 + png()[8:], READ),
        "PNG with a header behind its pixels.png": Hostile(png(one)[:-12] + header(50_000, 50_000) + png()[-12:], EITHER),
        "PNG moving, 2^31 - 1 frames.png": Hostile(png(one, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), control), EITHER),
        "PNG moving, no frames.png": Hostile(png(one, chunk(b"acTL", bytes(8)), control), EITHER),
        "PNG moving beyond its canvas.png": Hostile(png(one, chunk(b"acTL", b"\0\0\0\1" + bytes(4)), beyond), BAD),
    }  # fmt: skip


def gifs():
    dot, comment = frame(1, 1), b"!\xfe" + (b"\xff" + b"c" * 255) * 10_000 + b"\0"
    return {
        "GIF of 300000 frames.gif": Hostile(gif(1, 1, dot * 300_000), READ),
        "GIF with a comment of 2 MB.gif": Hostile(gif(1, 1, comment, dot), READ),
        "GIF with 100000 extensions.gif": Hostile(gif(1, 1, b"!\xf9\4\0\0\0\0\0" * 100_000, dot), READ),
        "GIF without an end.gif": Hostile(gif(1, 1, dot)[:-1], READ),
        "GIF without a frame.gif": Hostile(gif(1, 1), BAD),
        "GIF of codes of no bits.gif": Hostile(gif(1, 1, frame(1, 1, b"\0\2\x44\1\0")), EITHER),
        "GIF of codes of 255 bits.gif": Hostile(gif(1, 1, frame(1, 1, b"\xff\2\x44\1\0")), BAD),
        "GIF of noise.gif": Hostile(gif(40, 40, frame(40, 40, b"\x08\xff" + random.Random(1).randbytes(255) + b"\0")), BAD),
        "GIF of colours that its palette has not.gif": Hostile(gif(1, 1, frame(1, 1, b"\x08\4\0\xff\x05\x04\0")), EITHER),
    }  # fmt: skip


def bmps():
    palette, runs = bytes(range(256)) * 4, b"\1\1\0\0" * 9000 + b"\0\1"
    return {
        "BMP from the top.bmp": Hostile(bmp(2, -2, body=bytes(16)), READ),
        "BMP of height -2^31.bmp": Hostile(bmp(2, -(2**31)), MANY),
        "BMP in runs that end early, 9000 x 9000.bmp": Hostile(bmp(9000, 9000, 8, 1, runs, 256, palette), "at most|damaged"),
        "BMP in runs that skip beyond it.bmp": Hostile(bmp(4, 4, 8, 1, b"\0\2\xff\xff" * 50, 256, palette), EITHER),
        "BMP of colours that its palette has not.bmp": Hostile(bmp(4, 1, 8, 0, b"\0\7\xc8\xff", 2, b"\0\0\xff\0\1\2\3\0"), EITHER),
        "BMP of 2^31 - 1 colours.bmp": Hostile(bmp(4, 4, 8, colours=2**31 - 1), BAD),
        "BMP of 7 bits.bmp": Hostile(bmp(4, 4, 7), BAD),
        "BMP packed as JPEG.bmp": Hostile(bmp(4, 4, 24, 4, encoded("JPEG")), BAD),
        "BMP whose pixels lie beyond it.bmp": Hostile(patched(bmp(4, 4), b"BM", 10, b"\xff\xff\xff\x7f"), BAD),
        "BMP with a header of 2 GB.bmp": Hostile(patched(bmp(4, 4), b"BM", 14, b"\xff\xff\xff\x7f"), BAD),
        "PPM with a name for its width.ppm": Hostile(b"P6 \x1b[31mred\n 5 255\n", BAD),
        "PPM of a long number.ppm": Hostile(b"P6 " + b"9" * 5000 + b" 5 255\n", BAD),
        "PPM of levels above its most.pgm": Hostile(b"P2 2 1 9\n1 99999\n", BAD),
        "PPM that is all comment.ppm": Hostile(b"P6 #" + b"c" * 1_000_000, BAD),
        "PFM of 4 x 1.pfm": Hostile(b"Pf 4 1 -1.0\n" + bytes(16), "^read$|floating-point"),
        "PFM of numbers that are none.pfm": Hostile(b"Pf 4 1 -1.0\n" + b"\0\0\xc0\x7f" * 4, "no number|not finite|floating-point"),
    }  # fmt: skip


def tiffs():
    pixels, packed, pad = bytes(16), zlib.compress(bytes(16)), bytes(8)
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, 1) for tag in range(65_535))
    found = {
        "TIFF whose next picture is itself.tif": Hostile(tiff(grey(), pixels, 24), READ),
        "TIFF of 20000 pictures.tif": Hostile(many(20_000), READ),
        "TIFF whose tags lie beyond it.tif": Hostile(b"II*\0\xff\xff\xff\x7f", BAD),
        "TIFF of 65535 tags.tif": Hostile(b"II*\0\x08\0\0\0\xff\xff" + tags, EITHER),
        "TIFF, big, of 2^60 tags.tif": Hostile(BIG_TIFF + struct.pack("<Q", 1 << 60) + bytes(200), BAD),
        "TIFF of 2^32 - 1 strips.tif": Hostile(tiff(grey(t273=(4, 2**32 - 1, 8)), pixels), BAD),
        "TIFF of 50000 strips.tif": Hostile(tiff(grey(4, 50_000, t273=(4, 50_000, 8), t278=1), pad * 25_000), EITHER),
        "TIFF whose strip lies beyond it.tif": Hostile(tiff(grey(t273=2**31 - 1), pixels), BAD),
        "TIFF of no rows a strip.tif": Hostile(tiff(grey(t278=0), pixels), EITHER),
        "TIFF of tiles of no width.tif": Hostile(tiff(tiled(4, 0, 16, 1), pixels), BAD),
        "TIFF of tiles of no width, packed.tif": Hostile(tiff(tiled(4, 0, len(packed)), packed), BAD),
        "TIFF of a tile of 40000 x 40000.tif": Hostile(tiff(tiled(10, 40_000, len(zeros(1600))), zeros(1600)), "at most|damaged"),
        "TIFF of a strip of 2^32 - 1 rows.tif": Hostile(tiff(grey(4, 4, 8, len(zeros(500)), t278=2**32 - 1), zeros(500)), EITHER),
        "TIFF whose strip is a bomb.tif": Hostile(tiff(grey(4, 4, 8, len(zeros(500))), zeros(500)), EITHER),
        "TIFF of 65535 samples.tif": Hostile(tiff(grey(t277=65_535), pixels), BAD),
        "TIFF of 64 bits.tif": Hostile(tiff(grey(t258=64), pixels), BAD),
        "TIFF of no size.tif": Hostile(tiff({259: 1}), BAD),
        "TIFF of width in letters.tif": Hostile(tiff(grey(t256=(2, 4, 0x41414141)), pixels), BAD),
        "TIFF of planes that are not there.tif": Hostile(tiff(grey(t262=2, t277=3, t284=2), pixels), EITHER),
        "TIFF whose tags lie in themselves.tif": Hostile(tiff({**grey(), 330: 24, 34665: 24, 34853: 24}, pixels), READ),
        "TIFF of a palette of one colour.tif": Hostile(tiff(grey(t262=3, t320=(3, 3, 8)), pixels), EITHER),
        "TIFF of floating-point numbers.tif": Hostile(encoded("TIFF", "F"), "floating-point|32 bits"),
        "TIFF of predictor 99.tif": Hostile(tiff(grey(4, 4, 8, len(packed), t317=99), packed), EITHER),
    }  # fmt: skip
    kinds = {
        "CCITT": 2, "group 3": 3, "group 4": 4, "LZW": 5, "old JPEG": 6, "JPEG": 7, "deflate": 8,
        "JBIG": 34661, "ZSTD": 50000, "LZMA": 34925, "WebP": 50001, "nothing": 4242,
    }  # fmt: skip
    for name, code in kinds.items():
        noise = random.Random(code).randbytes(300)
        found[f"TIFF packed as {name}, of noise.tif"] = Hostile(tiff({**grey(40, 40, code, 300), 258: 1 if code < 5 else 8}, noise), EITHER)
    whole = encoded("JPEG", "L")
    found["TIFF that holds a JPEG bomb.tif"] = Hostile(
        tiff(grey(40, 40, 7, len(whole)), patched(whole, b"\xff\xc0", 5, b"\xff\xdc" * 2)), EITHER
    )
    return found


def jpegs():
    sound, inks = encoded("JPEG"), encoded("JPEG", "CMYK")
    restarts = b"".join(bytes((0xFF, 0xD0 + i % 8)) for i in range(65_535))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    several = segment(0xE2, b"MPF\0" + tiff({0xB001: 2**31 - 1, 0xB002: (7, 2**31, 8)}))
    kinds = {
        "of 12 bits": (4, b"\x0c"), "extended": (1, b"\xc1"), "lossless": (1, b"\xc3"), "hierarchical": (1, b"\xc5"),
        "arithmetic": (1, b"\xc9"), "arithmetic and lossless": (1, b"\xcb"), "of 255 layers": (9, b"\xff"),
        "of layers in no part": (11, b"\0"), "of layers in 15 parts": (11, b"\xff"), "of a table that is not there": (12, b"\3"),
    }  # fmt: skip
    found = {f"JPEG {name}.jpg": Hostile(patched(sound, b"\xff\xc0", *change), EITHER) for name, change in kinds.items()}
    return found | {
        "JPEG of 4000 scans, 9400 x 9400.jpg": Hostile(scans(9400, 4000), "scans|damaged"),
        "JPEG of 4000 scans, 8 x 8.jpg": Hostile(scans(8, 4000), "^read$|scans|damaged"),
        "JPEG with a restart after every block.jpg": Hostile(jpeg(segment(0xDD, b"\0\1")), EITHER),
        "JPEG with 65535 restarts.jpg": Hostile(sound[:-2] + restarts + sound[-2:], READ),
        "JPEG of restarts alone.jpg": Hostile(b"\xff\xd8" + restarts + b"\xff\xd9", BAD),
        "JPEG of padding alone.jpg": Hostile(b"\xff\xd8\xff" + b"\xff" * 1_000_000, BAD),
        "JPEG with a part of no length.jpg": Hostile(jpeg(segment(0xE0, b"", 0)), EITHER),
        "JPEG with a part that is longer than it.jpg": Hostile(b"\xff\xd8" + segment(0xE0, b"JFIF", 65_535), BAD),
        "JPEG with a thousand parts.jpg": Hostile(jpeg(segment(0xEB, bytes(1000)) * 1000), READ),
        "JPEG with a comment of 64 kB.jpg": Hostile(jpeg(segment(0xFE, b"\x1b[31m" * 13_000)), READ),
        "JPEG without tables.jpg": Hostile(sound.replace(b"\xff\xdb", b"\xff\xef"), BAD),
        "JPEG with codes that cannot be.jpg": Hostile(patched(sound, b"\xff\xc4", 5, b"\xff" * 16), BAD),
        "JPEG without an end.jpg": Hostile(sound[:-2], EITHER),
        "JPEG in ink with a broken mark of Adobe.jpg": Hostile(patched(inks, b"Adobe", 5, b"\xff" * 7), EITHER),
        "JPEG in ink with a short mark of Adobe.jpg": Hostile(b"\xff\xd8" + segment(0xEE, b"Adobe\0") + inks[2:], EITHER),
        "JPEG with half a profile.jpg": Hostile(jpeg(icc_profile=profile[:99]), READ),
        "JPEG with part 9 of 3 of a profile.jpg": Hostile(jpeg(segment(0xE2, b"ICC_PROFILE\0\x09\3noise")), READ),
        "JPEG of several pictures, of which one.mpo": Hostile(jpeg(several), READ),
        "JPEG turned by 0.jpg": Hostile(exif({0x112: 0}), READ),
        "JPEG turned by 9.jpg": Hostile(exif({0x112: 9}), READ),
        "JPEG turned by 65535.jpg": Hostile(exif({0x112: 65_535}), READ),
        "JPEG turned by a word.jpg": Hostile(exif({0x112: (2, 4, 0x00636261)}), READ),
        "JPEG turned by a fraction.jpg": Hostile(exif({0x112: (5, 1, 8)}, bytes(8)), READ),
        "JPEG turned 2^32 - 1 times.jpg": Hostile(exif({0x112: (3, 2**32 - 1, 8)}), EITHER),
        "JPEG whose tags lie in themselves.jpg": Hostile(exif({0x8769: 8, 0x8825: 8, 0xA005: 8, 0x112: 6}), READ),
        "JPEG whose tags lie beyond it.jpg": Hostile(jpeg(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")), EITHER),
        "JPEG with tags of noise.jpg": Hostile(jpeg(segment(0xE1, b"Exif\0\0" + random.Random(2).randbytes(900))), EITHER),
        "JPEG with a maker's note of 64 kB.jpg": Hostile(exif({0x8769: 64_908, 0x927C: (7, 64_900, 8)}, bytes(64_900)), READ),
        "PNG turned by noise.png": Hostile(png(header(2, 1), chunk(b"eXIf", b"II*\0noise")), EITHER),
        "WebP turned by 65535.webp": Hostile(encoded("WEBP", exif=b"Exif\0\0" + tiff({0x112: 65_535})), READ),
        "WebP of 500 frames.webp": Hostile(moving(40, 40, 500), READ),
        "WebP with a frame beyond its canvas.webp": Hostile(moving(20, 20), BAD),
        "WebP without a picture.webp": Hostile(webp(40, 40), BAD),
        "WebP that says 4 GB.webp": Hostile(patched(encoded("WEBP"), b"RIFF", 4, b"\xff\xff\xff\xff"), EITHER),
    }  # fmt: skip


def cut():
    """Sound files that end too early."""
    kinds = {"JPEG": {}, "PNG": {}, "WEBP": {"lossless": True}, "GIF": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "PPM": {}}
    found = {"nothing.jpg": Hostile(b"", "empty"), "one byte.jpg": Hostile(b"\xff", STRANGE)}
    for kind, options in kinds.items():
        whole = encoded(kind, **options)
        for part in (len(whole) // 8, len(whole) // 2, len(whole) * 7 // 8):
            found[f"{kind} cut to {part} bytes.{kind.lower()}"] = Hostile(whole[:part], BAD)
        found[f"{kind} cut to its mark.{kind.lower()}"] = Hostile(whole[: 12 if kind == "WEBP" else 4], BAD)
    return found


def strangers():
    """Files that are no picture, or one of another format than their name says, or of one that is not decoded."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.py", "raise SystemExit")
    texts = {
        "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "object.jpg": b'{"error": "not found"}',
        "program.jpg": b"\x7fELF\2\1\1" + bytes(200),
        "archive.jpg": archive.getvalue(),
        "document.jpg": encoded("PDF"),
        "notes.txt": b"cats, all of them\n",
        "escapes.jpg": b"\x1b[2J\x1b[31mowned\n" * 20,
        "pickle.jpg": pickle.dumps({"a": [1, 2]}),
        "zeros.png": bytes(5000),
        "noise.jpg": random.Random(3).randbytes(5000),
        "video.jpg": b"\0\0\0\x18ftypmp42" + bytes(99),
        "video.avi": b"RIFF\xff\0\0\0AVI LIST" + bytes(99),
        "AVIF.jpg": b"\0\0\0\x1cftypavif" + bytes(99),
        "HEIF.jpg": b"\0\0\0\x1cftypheic" + bytes(99),
        "stars.jpg": b"SIMPLE  =                    T".ljust(2880),
        "Photoshop.jpg": b"8BPS\0\1" + bytes(99),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "desktop.ini": b"[.ShellClassInfo]\r\n",
        "metafile.jpg": b"\xd7\xcd\xc6\x9a" + bytes(99),
        "bitmap.jpg": b"#define a_width 9\n#define a_height 9\nstatic char a[] = {0};",
        "JPEG 2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
    }
    texts |= {f"{kind}.jpg": encoded(kind) for kind in ("ICO", "EPS", "ICNS", "PCX", "TGA", "SGI", "DDS", "QOI")}
    found = {name: Hostile(data, STRANGE) for name, data in texts.items()}
    return found | {
        "PNG called.jpg": Hostile(encoded("PNG"), READ),
        "JPEG called.png": Hostile(encoded("JPEG"), READ),
        "picture and archive.jpg": Hostile(encoded("JPEG") + archive.getvalue(), READ),
        "picture and script.gif": Hostile(gif(1, 1, b"!\xfe\x0f*/=1;alert(1)/*\0", frame(1, 1)), READ),
        "picture without an ending": Hostile(encoded("PNG"), READ),
    }


def names():
    """Names that do something to a terminal, a shell or a reader; what they name is a picture, or none."""
    terminal = ("two\nlines", "return\rhere", "red \x1b[31m", "title \x1b]0;owned\7", "bell \7", "\x9b31m", "back\x08\x08")
    others = (
        "-rf",
        "%s %n {0}",
        "$(reboot)",
        "猫 🐈",
        "\u202egnp.exe",
        "e\u0301",
        os.fsdecode(b"\xff\xfe"),
        "x" * 246,
        " ",
        "a;b|c&d",
        "CON",
    )
    found = {f"{name}.png": Hostile(encoded("PNG"), READ) for name in (*terminal, *others)}
    return found | {f"{name} bad.png": Hostile(b"no picture", STRANGE) for name in (*terminal, *others)}


def entries():
    """What lies in a folder and is no file, or not one of its own."""
    sound = encoded("PNG")

    def linked(to):
        return lambda path: path.symlink_to(to)

    def outside(path):
        elsewhere = path.parent.parent.parent / "elsewhere.png"
        elsewhere.write_bytes(sound)
        path.symlink_to(elsewhere)

    def sparse(path):
        path.write_bytes(sound[:60])
        os.truncate(path, 1 << 30)

    def locked(path):
        path.write_bytes(sound)
        path.chmod(0)

    def below(name):
        def make(path):
            path.mkdir()
            (path / name).write_bytes(b"\0\5\x16\7" + bytes(99))

        return make

    return {
        "a gigabyte of holes.png": Hostile(sparse, "at most|damaged"),
        "folder.jpg": Hostile(lambda path: path.mkdir(), UNREADABLE),
        "link to itself.jpg": Hostile(linked("link to itself.jpg"), UNREADABLE, True),
        "link to a link.jpg": Hostile(linked("link back.jpg"), UNREADABLE, True),
        "link back.jpg": Hostile(linked("link to a link.jpg"), UNREADABLE, True),
        "link to nothing.jpg": Hostile(linked("nowhere"), UNREADABLE, True),
        "link to a device.jpg": Hostile(linked("/dev/zero"), UNREADABLE, True),
        "link to the folder above": Hostile(linked(".."), UNREADABLE, True),
        "link to elsewhere.png": Hostile(outside, READ),
        "pipe.jpg": Hostile(os.mkfifo, UNREADABLE, True),
        "socket.jpg": Hostile(lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), UNREADABLE, True),
        "locked.png": Hostile(locked, READ if os.geteuid() == 0 else UNREADABLE),
        "._hidden.jpg": Hostile(b"\0\5\x16\7" + bytes(99), STRANGE, True),
        ".DS_Store": Hostile(b"\0\0\0\1Bud1" + bytes(99), STRANGE, True),
        ".ipynb_checkpoints": Hostile(below("x-checkpoint.jpg"), UNREADABLE, True),
        "__MACOSX": Hostile(below("._x.jpg"), UNREADABLE, True),
    }


def everything():
    """By name, all of the above."""
    return bombs() | empty_sides() | pngs() | gifs() | bmps() | tiffs() | jpegs() | cut() | strangers() | names() | entries()


def put(found, folder):
    """Make them in a folder that is there."""
    for name, (made, _, _) in found.items():
        path = folder / name
        if isinstance(made, bytes):
            path.write_bytes(made)
        else:
            made(path)
