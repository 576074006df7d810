"""Hostile files in JPEG, and such as are turned in a hostile way; WebP too."""

import random

from PIL import ImageCms

from hostile_parts import (
    BAD,
    EITHER,
    READ,
    Hostile,
    chunk,
    empty_scans,
    encoded,
    exif,
    header,
    jpeg,
    moving,
    patched,
    png,
    scans,
    segment,
    tiff,
    webp,
)


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
        "JPEG of 4000 empty scans, 9400 x 9400.jpg": Hostile(empty_scans(9400, 4000), "scans|damaged"),
        "JPEG with the beginnings of 4000 scans behind it.jpg": Hostile(sound + b"\xff\xda" * 4000, READ),
        "JPEG with the beginnings of 4000 scans in a comment.jpg": Hostile(jpeg(segment(0xFE, b"\xff\xda" * 4000)), READ),
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
