"""Hostile files in TIFF."""

import random
import struct
import zlib

from hostile_parts import BAD, BIG_TIFF, EITHER, READ, Hostile, encoded, grey, many, patched, tiff, tiled, zeros


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
