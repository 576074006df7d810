"""What a picture file may ask for: refused by its header, before anything is unpacked. Loads no torch."""

from __future__ import annotations

import re
from numbers import Real

from PIL import Image

from hubel.errors import PictureError

LARGEST = 89_000_000
"""Pixels of one picture, just below where Pillow warns. Of a tile of a TIFF too, which is unpacked whole for a single pixel."""

LONGEST = 65_500
"""Pixels of one side, as libjpeg has it."""

SCANS, SCANNED = 500, 10_000_000_000
"""Passes over all pixels that a JPEG may ask for, and these times its pixels: a scan of a few bytes may visit every one.

Writers make about ten. As many as are let through here take about 6 seconds at most; thousands would take minutes.
"""

IN_RUNS = 4_000_000
"""Pixels of a BMP in runs, which Pillow unpacks in Python: 2 seconds."""

TILE_WIDTH, TILE_HEIGHT = 322, 323
"""Tags of TIFF 6.0."""

MARKER = re.compile(rb"\xff([^\x00\xff])")
"""Of a JPEG; between segments and within scans whatever else there is is passed over (ITU-T T.81, B.1.1)."""

START_OF_SCAN, END = 0xDA, 0xD9
ALONE = (0x01, *range(0xD0, 0xD9))
"""Markers that no segment follows: TEM, the restarts and the start of the picture."""


def refuse_excessive(picture: Image.Image, data: bytes) -> None:
    """Raise PictureError where decoding the picture, of which only the header is read, would take too much. data: its file."""
    width, height = picture.size
    if width * height > LARGEST:
        raise PictureError(f"it has {width} x {height} pixels; at most {LARGEST:,} are decoded")
    if max(width, height) > LONGEST:
        raise PictureError(f"it has {width} x {height} pixels; sides of at most {LONGEST:,} are decoded")
    if picture.format in ("JPEG", "MPO"):
        _refuse_scans(data, min(SCANS, SCANNED // (width * height)))
    across, down = tag(picture, TILE_WIDTH), tag(picture, TILE_HEIGHT)
    if across is not None and down is not None and across * down > LARGEST:
        raise PictureError(f"it has tiles of {across:.0f} x {down:.0f} pixels; at most {LARGEST:,} are decoded")
    if width * height > IN_RUNS and any(tile[0] == "bmp_rle" for tile in getattr(picture, "tile", ())):
        raise PictureError(f"it has {width} x {height} pixels in runs; at most {IN_RUNS:,} are decoded")


def _refuse_scans(data: bytes, most: int) -> None:
    if data.count(b"\xff\xda") > most and (scans := scans_of(data)) > most:  # at first those too that are none, but are told at once
        raise PictureError(f"it has {scans:,} scans; at most {most:,} of a JPEG of its size are decoded")


def scans_of(data: bytes) -> int:
    """How many scans a JPEG has, up to its end: other pictures may follow it, or lie in its segments."""
    scans, at = 0, 2
    while (found := MARKER.search(data, at)) and (marker := found[1][0]) != END:
        at = found.end()
        if marker not in ALONE:
            scans += marker == START_OF_SCAN
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return scans


def tag(picture: Image.Image, number: int) -> float | None:
    """The first number that a tag of a TIFF gives; None where there is none."""
    try:
        said = getattr(picture, "tag_v2", {}).get(number)
        said = said[0] if isinstance(said, tuple) else said
        return float(said) if isinstance(said, Real) else None
    except Exception:  # whatever the damage leads Pillow to
        return None
