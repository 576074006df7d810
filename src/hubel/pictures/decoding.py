"""A picture file decoded: recognised by its header, measured before anything is unpacked, turned upright. Loads no torch."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from hubel.errors import PictureError
from hubel.pictures.limits import LARGEST, refuse_excessive, tag
from hubel.pictures.places import Place

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""The formats that are decoded; anything else is refused by name."""

TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}  # fmt: skip
"""What brings a picture of that orientation upright (EXIF 2.32, tag 0x0112)."""

WIDTH, PHOTOMETRIC, ORIENTATION, SAMPLE_FORMAT, LOWEST, HIGHEST = 256, 262, 274, 339, 340, 341
"""Tags of TIFF 6.0 (and EXIF); the last two are SMinSampleValue and SMaxSampleValue."""

HEADER = "hubel header"
"""Where a decoded picture's `info` keeps what its header said: turning and decoding lose it."""

TURNING = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
"""What in a picture's `info` may say how it is to be turned."""


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before the pixels."""

    format: str
    """As Pillow calls it; a JPEG of several pictures is MPO, and what was made in memory has none."""
    mode: str
    """What Pillow decodes it to; bits and the like, below, are of the file."""
    width: int
    height: int
    """Of the upright picture."""
    several: bool = False
    """Whether more pictures follow this one in the file."""
    orientation: int | None = 1
    """As EXIF counts, 1 to 8; None where the EXIF is broken. A PNG may say it after its pixels, which is not seen here."""
    bits: int = 8
    """Of a sample, where Pillow tells: 16 of a colour PNG, TIFF or PPM that it brings to 8 by itself."""
    signed: bool = False
    inverted: bool = False
    """Whether the largest number means black, and Pillow leaves it so (TIFF's WhiteIsZero of more than 8 bits)."""
    stated: tuple[float, float] | None = None
    """The lowest and highest number that a sample can be, where a TIFF states them."""
    transparent: bool = False
    """Whether there is an alpha channel, or a colour that stands for what is not there; not whether any pixel makes use of it."""
    profile: bytes | None = None
    """The embedded ICC profile."""

    @property
    def channels(self) -> int:
        """Of the mode: 1 of grey and palettes, 3 of RGB, 4 of CMYK and RGBA."""
        return Image.getmodebands(self.mode)


def opened(source: str | Path | bytes, wanted: tuple[int, int] | None = None) -> Image.Image:
    """A picture file, decoded whole and turned upright. Raises PictureError with the reason, without the path.

    With `wanted`, (width, height) of the upright picture, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is
    still at least twice as large on both sides: faster by far, and close to what resizing makes of the whole. A last row
    or column that is not full then counts as one, so the far edges lie off by less than half a pixel of what is wanted.
    """
    picture = _recognised(source if isinstance(source, bytes) else Place(str(source)).read())
    header = described(picture)
    if wanted is not None and picture.format in ("JPEG", "MPO"):
        across, down = wanted if (header.orientation or 1) < 5 else wanted[::-1]  # as it is stored
        picture.draft(None, (2 * across, 2 * down))  # whose own choice is the smallest scale that leaves so much
    return _upright(picture, header)


def upright(picture: Image.Image) -> Image.Image:
    """A copy of the picture, decoded and turned as its EXIF says, without that tag. Raises PictureError where it cannot be decoded."""
    return _upright(picture, described(picture), copied=True)


def described(source: bytes | Image.Image) -> Header:
    """What the header of a file, or of a picture that Pillow has opened, says. Raises PictureError as `opened` does."""
    picture = _recognised(source) if isinstance(source, bytes) else source
    said = picture.info.get(HEADER)
    if isinstance(said, Header) and said.mode == picture.mode:
        return said
    orientation, (width, height) = _orientation(picture), picture.size
    if (orientation or 1) >= 5 and tag(picture, WIDTH) in (None, width):  # Pillow gives the size of a TIFF as upright, of late
        width, height = height, width
    return Header(
        picture.format or "",
        picture.mode,
        width,
        height,
        orientation=orientation,
        bits=_bits(picture),
        signed=tag(picture, SAMPLE_FORMAT) == 2,
        inverted=tag(picture, PHOTOMETRIC) == 0 and picture.mode[0] in "IF",
        stated=_stated(picture),
        transparent=picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info,
        profile=picture.info.get("icc_profile") or None,
        several=_several(picture),  # the last: looking for more goes on through the file
    )


def _recognised(data: bytes) -> Image.Image:
    """A picture of which only the header is read."""
    if not data:
        raise PictureError("the file is empty")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise PictureError(f"it is not a picture ({', '.join(FORMATS)} are read)") from None
    except Image.DecompressionBombError:
        raise PictureError(f"it has too many pixels; at most {LARGEST:,} are decoded") from None
    except Exception as error:  # Pillow's parsers raise whatever the damage leads them to
        raise damaged(error) from None
    refuse_excessive(picture, data)
    return picture


def _upright(picture: Image.Image, header: Header, copied: bool = False) -> Image.Image:
    """The picture decoded and turned. Pillow turns a TIFF while it decodes it, so the tag counts that is there afterwards."""
    try:
        picture.load()
        if copied:
            picture = picture.copy()
        turn = TURNS.get(_orientation(picture) or 1)
        turned = picture if turn is None else picture.transpose(turn)
    except Exception as error:  # Pillow's decoders raise whatever the damage leads them to
        raise damaged(error) from None
    if turn is not None:
        turned.info = {name: value for name, value in turned.info.items() if name not in TURNING}
    turned.info[HEADER] = header
    return turned


def _orientation(picture: Image.Image) -> int | None:
    """What EXIF says, 1 where it says nothing; None where it cannot be read."""
    if picture.format == "PNG" and "exif" not in picture.info and getattr(picture, "tile", None):
        return 1  # to look further, Pillow would decode it
    try:
        exif = picture.getexif()
        broken = not exif and bool(picture.info.get("exif"))  # Pillow may have come upon the damage before
    except Exception:  # whatever the damage leads Pillow to
        return None
    said = exif.get(ORIENTATION, 1)
    return None if broken else said if said in TURNS else 1


def _bits(picture: Image.Image) -> int:
    """Of a sample: from the form in which Pillow is about to unpack it, else as many as the mode has."""
    tile = getattr(picture, "tile", None)
    said = tile[0][3] if tile else ()
    if picture.format == "PPM" and isinstance(said, tuple) and said[-1:] > (255,):
        return 16
    raw = said if isinstance(said, str) else said[0] if said else ""
    if picture.format in ("PNG", "TIFF", "PPM") and (found := re.search(r";(\d+)", str(raw))):
        return int(found[1])
    return 16 if picture.mode.startswith("I;16") else 32 if picture.mode in ("I", "F") else 8


def _stated(picture: Image.Image) -> tuple[float, float] | None:
    lowest, highest = tag(picture, LOWEST), tag(picture, HIGHEST)
    return None if lowest is None or highest is None else (lowest, highest)


def _several(picture: Image.Image) -> bool:
    """Whether there is a second picture in the file. How many there are is not asked: Pillow goes from each of a TIFF through all before it."""
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # whatever the damage leads Pillow to
        with suppress(Exception):
            picture.seek(0)
        return False


def damaged(error: Exception) -> PictureError:
    """What is said of a file over which Pillow raised that."""
    return PictureError(f"it is damaged: {str(error) or type(error).__name__}")


def reason(error: Exception) -> str:
    """Why a picture is refused, whatever was raised over it: one file must not end the reading of all others."""
    return str(error) if isinstance(error, PictureError) else f"it cannot be decoded: {type(error).__name__}: {error}"
