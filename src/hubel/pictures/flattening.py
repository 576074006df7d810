"""Every kind of picture brought to 8-bit grey or RGB, and what that loses said in words. Loads no torch."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from PIL.ImageCms import ImageCmsTransform

from hubel.errors import PictureError
from hubel.pictures.decoding import Header, damaged, described
from hubel.pictures.profiles import Profile, from_lab, profile, through

GREYS = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def flattened(picture: Image.Image, mode: str, background: int, colour_managed: bool = False) -> Image.Image:
    """The picture as 8-bit grey ("L") or "RGB", transparent pixels on a background of that grey level.

    More than 8 bits are scaled by their true range, as far as Pillow hands them over: 16 bits of grey are rounded; of
    16-bit colour and of grey with alpha it gives the upper 8 bits of a PNG or TIFF, and rounds a PPM. Colours become
    those of sRGB: LAB, and where `colour_managed` whatever an embedded ICC profile states; without one CMYK is taken as
    the plain complement of RGB, its JPEGs as inverted, as Adobe writes them. A PNG's gAMA and cHRM are not read.
    Raises PictureError where the range of the numbers is not known, and where the picture is damaged.
    """
    try:
        return _flattened(picture, mode, background, colour_managed)
    except PictureError:
        raise
    except Exception as error:  # a damaged palette is found only here; Pillow raises whatever it leads it to
        raise damaged(error) from None


def _flattened(picture: Image.Image, mode: str, background: int, colour_managed: bool) -> Image.Image:
    header = described(picture)
    fitting = _fitting(header) if colour_managed else None
    transform = fitting.transform if fitting else None
    if picture.mode == mode and not header.transparent and transform is None:
        return picture
    if picture.mode[0] in "IF":
        picture = _scaled(picture, header)
    elif picture.mode == "LAB":
        picture = through(picture, from_lab())
    elif picture.mode == "La":  # which Pillow converts to nothing else
        picture = picture.convert("LA")
    if header.transparent:
        picture = _with_alpha(picture, header.bits)
    if fitting and transform:
        picture = _in_srgb(picture, fitting.mode, transform)
    if header.transparent:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (background,) * 3 + (255,)), picture)
    return picture.convert(mode)


def conversions(picture: Image.Image | Header, mode: str, colour_managed: bool = False) -> tuple[str, ...]:
    """What is lost where such a picture is opened and flattened to that mode: phrases that stay the same, to be counted.

    Found from the header alone, so by what the file is, not by what its pixels make use of: an alpha channel counts
    though nothing be transparent, RGB though every pixel be grey. Of a picture in memory 8 bits are 8 bits. Palettes
    and grey lose nothing in RGB, nor does a profile that says sRGB.
    """
    header = picture if isinstance(picture, Header) else described(picture)
    fitting = _fitting(header)
    changing = fitting is not None and fitting.transform is not None
    found = {
        "first of several frames": header.several,
        "broken EXIF ignored": header.orientation is None,
        "floating point to 8 bits": header.mode == "F",
        f"{header.bits} bits to 8": header.bits > 8 and header.mode != "F",
        f"{header.mode} to RGB": header.mode in ("CMYK", "LAB", "YCbCr", "HSV"),
        "transparency laid on the background": header.transparent,
        "broken colour profile ignored": header.profile is not None and fitting is None,
        "embedded colour profile to sRGB": changing and colour_managed,
        "embedded colour profile ignored": changing and not colour_managed,
        "colour to grey": mode == "L" and header.mode not in GREYS,
    }
    return tuple(phrase for phrase, lost in found.items() if lost)


def _fitting(header: Header) -> Profile | None:
    """The picture's profile, where it has one that can be used for it.

    One for RGB is used for grey too, as of equal parts: writers leave it there when they turn a picture grey.
    """
    if header.profile is None or header.mode == "LAB":
        return None
    found = profile(header.profile)
    if found is None or (found.mode == "CMYK") != (header.mode == "CMYK") or (found.mode == "L" and header.mode not in GREYS):
        return None
    return found


def _in_srgb(picture: Image.Image, mode: str, transform: ImageCmsTransform) -> Image.Image:
    """The picture in the colours that its profile, which is for that mode, means; its alpha untouched."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    changed = through(picture if picture.mode == mode else picture.convert("RGB").convert(mode), transform)
    if alpha is not None:
        changed.putalpha(alpha)
    return changed


def _with_alpha(picture: Image.Image, bits: int) -> Image.Image:
    """The picture as RGBA. The colour that stands for "transparent" is as the file writes it, so it is brought to 8 bits here."""
    key = picture.info.get("transparency")
    if picture.mode == "1" and isinstance(key, int):
        picture = _keyed(picture, 255 if key else 0)
    elif picture.mode == "L" and bits < 8 and isinstance(key, int):
        picture = _keyed(picture, key * 255 // (2**bits - 1))
    elif picture.mode == "RGB" and bits == 16 and isinstance(key, tuple):
        picture = _keyed(picture, tuple(level >> 8 for level in key))  # where Pillow has cut the pixels likewise
    return picture.convert("RGBA")


def _keyed(picture: Image.Image, key: int | tuple[int, ...]) -> Image.Image:
    picture = picture.copy()
    picture.info["transparency"] = key
    return picture


def _scaled(picture: Image.Image, header: Header) -> Image.Image:
    """Grey of more than 8 bits, brought to 8."""
    values = np.asarray(picture)
    if picture.mode == "I" and header.bits == 32 and header.format == "TIFF" and not header.signed:
        values = values.view(np.uint32)  # Pillow reads all 32 bits as signed
    lowest, highest = _range(values, header)
    levels = (values.astype(np.float64) - lowest) * (255 / (highest - lowest))
    grey = Image.fromarray(np.floor((255 - levels if header.inverted else levels) + 0.5).astype(np.uint8))
    key = picture.info.get("transparency")
    if key is not None:  # one level of grey that is not there
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _range(values: np.ndarray, header: Header) -> tuple[float, float]:
    """The numbers that mean black and white (where inverted, white and black).

    Of integers of 12 and 16 bits what they can be; of others what the file states; else 16 bits, of floating-point
    numbers 0 to 1, if they keep to it. Raises PictureError otherwise.
    """
    if header.mode.startswith("I;16"):
        return 0, 4095 if header.bits == 12 else 65535
    kind, usual = ("floating-point", (0, 1)) if header.mode == "F" else ("whole", (0, 65535))
    lowest, highest = header.stated or usual
    if -math.inf < lowest < highest < math.inf and values.min() >= lowest and values.max() <= highest:
        return lowest, highest
    found = f"its pixels are {kind} numbers from {values.min():.7g} to {values.max():.7g}"
    if header.stated:
        raise PictureError(
            f"{found}, but it states a range of {lowest:.7g} to {highest:.7g}; mend what it states, or save it with 8 or 16 bits"
        )
    raise PictureError(f"{found}, whose range it does not state; save it with 8 or 16 bits")
