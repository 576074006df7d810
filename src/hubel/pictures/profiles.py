"""Colour profiles: what a file's ICC profile makes of its numbers, brought to sRGB by LittleCMS. Loads no torch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from hubel.errors import PictureError

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pillow's mode for the colours that a profile is made for, as ICC calls them."""

NEAR = 2
"""Levels of 255 by which a profile may differ from sRGB and still be taken for it: the versions of sRGB in use round their curves."""


@dataclass(frozen=True)
class Profile:
    """What a profile is made for, a mode of Pillow's, and what brings that to sRGB: None where nothing changes."""

    mode: str
    transform: ImageCms.ImageCmsTransform | None


@lru_cache(maxsize=64)
def profile(data: bytes) -> Profile | None:
    """The profile, made once for all pictures that carry it; None where it is broken.

    What it is called does not matter. It is sRGB if it changes no colour by more than NEAR.
    """
    _refuse_without_littlecms()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = MODES[source.profile.xcolor_space.strip()]
        transform = _to_srgb(source, mode)
        probe = _probe(mode)
        if probe is not None and np.abs(_levels(through(probe, transform)) - _levels(probe)).max() <= NEAR:
            return Profile(mode, None)
    except (OSError, KeyError, ValueError, TypeError, ImageCms.PyCMSError):  # all that ImageCms raises for what it cannot use
        return None
    return Profile(mode, transform)


@lru_cache(maxsize=1)
def from_lab() -> ImageCms.ImageCmsTransform:
    """From CIE L*a*b* under D50, which is what Pillow decodes a LAB file to."""
    _refuse_without_littlecms()
    source, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    flags = ImageCms.Flags.NOOPTIMIZE  # its table of 33 steps a side is off by 12 levels at the edge of sRGB
    return ImageCms.buildTransform(source, srgb, "LAB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)


def _to_srgb(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    """Relative colorimetric: a colour that sRGB has stays that colour, whichever profile says it.

    The perceptual intent is each profile's own taste. Black becomes black: the darkest ink is not quite.
    """
    srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(source, srgb, mode, "RGB", intent, ImageCms.Flags.BLACKPOINTCOMPENSATION)


def through(picture: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    """The picture, of the mode that the transform is for, in sRGB."""
    changed = ImageCms.applyTransform(picture, transform)
    assert changed is not None  # as it is where nothing is changed in place
    return changed


def _probe(mode: str) -> Image.Image | None:
    """Colours all over the cube, or all greys; no inks are sRGB."""
    if mode == "CMYK":
        return None
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3))


def _levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), dtype=np.int16)


def _refuse_without_littlecms() -> None:
    from PIL import features

    if not features.check("littlecms2"):
        raise PictureError(
            "its colours are stated by a profile or in LAB, and this Pillow was built without LittleCMS, which converts them"
        )
