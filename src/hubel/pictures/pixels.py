"""The one way from a file to a tensor. The policy is a value, saved with the weights, used by whoever reads a picture."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from hubel.errors import PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""The formats that are decoded; anything else is refused by name."""

LARGEST = 89_000_000
"""Pixels of one picture, just below where Pillow warns. Read from the header: a larger one is refused before it is decoded."""

KERNELS = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}  # fmt: skip

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Pixels:
    """How a picture becomes what a network reads.

    It is turned as its EXIF says, laid on `background` where it is transparent, made grey or RGB, brought to (height,
    width), and then each value v of 0 to 255 becomes (v / 255 - mean) / deviation of its channel.
    """

    channels: int
    height: int
    width: int
    fit: Literal["squash", "crop", "pad"] = "squash"
    """squash: both sides resized. crop: the shorter side resized, the middle kept. pad: centred on `background`, only shrunk if too large."""
    kernel: str = "bilinear"
    background: int = 0
    """The grey level, 0 to 255, behind transparent pixels and around padded pictures."""
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for name in ("mean", "deviation"):
            values = tuple(map(float, getattr(self, name)))
            object.__setattr__(self, name, values * self.channels if len(values) == 1 else values)
            if len(getattr(self, name)) != self.channels or not np.isfinite(values).all():
                raise PictureError(f"The pixel policy has {len(values)} values of {name}; it needs one, or {self.channels}, all finite.")
        if self.channels not in (1, 3) or self.fit not in ("squash", "crop", "pad") or self.kernel not in KERNELS:
            raise PictureError(f"A pixel policy cannot have channels={self.channels}, fit={self.fit!r}, kernel={self.kernel!r}.")
        whole = all(type(number) is int for number in (self.height, self.width, self.background))
        if not whole or min(self.deviation) <= 0 or not 0 <= self.background <= 255 or min(self.height, self.width) < 1:
            raise PictureError("A pixel policy needs positive deviations, positive whole sides, and a whole background from 0 to 255.")

    @property
    def mode(self) -> str:
        return "L" if self.channels == 1 else "RGB"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), as a network's input."""
        return self.channels, self.height, self.width

    def array(self, picture: Image.Image) -> Bytes:
        """The picture as uint8 (height, width, channels)."""
        plain = flattened(picture, self.mode, self.background)
        if plain.size != (self.width, self.height):
            plain = self._resized(plain)
        return np.asarray(plain, dtype=np.uint8).reshape(self.height, self.width, self.channels)

    def _resized(self, picture: Image.Image) -> Image.Image:
        size, kernel = (self.width, self.height), KERNELS[self.kernel]
        if self.fit == "squash":
            return picture.resize(size, kernel)
        if self.fit == "crop":
            return ImageOps.fit(picture, size, kernel)
        scale = min(self.width / picture.width, self.height / picture.height)
        if scale < 1:
            picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), kernel)
        grey: Any = self.background if self.channels == 1 else (self.background,) * 3
        canvas = Image.new(self.mode, size, grey)
        canvas.paste(picture, ((self.width - picture.width) // 2, (self.height - picture.height) // 2))
        return canvas

    def tensor(self, batch: Tensor) -> Tensor:
        """uint8 (N, H, W, C) to the float32 (N, C, H, W) that a network reads, channels last in memory."""
        scale = [1 / (255 * deviation) for deviation in self.deviation]
        offset = [-mean / deviation for mean, deviation in zip(self.mean, self.deviation)]
        if self.channels == 1:
            return (batch * scale[0]).add_(offset[0]).permute(0, 3, 1, 2)
        return (batch * torch.tensor(scale, device=batch.device)).add_(torch.tensor(offset, device=batch.device)).permute(0, 3, 1, 2)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(said: dict[str, Any]) -> Pixels:
        return Pixels(**{**said, "mean": tuple(said["mean"]), "deviation": tuple(said["deviation"])})


def opened(source: str | Path | bytes) -> Image.Image:
    """A picture file, decoded whole and turned upright. Raises PictureError with the reason, without the path."""
    data = source if isinstance(source, bytes) else _bytes(Path(source))
    if not data:
        raise PictureError("the file is empty")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > LARGEST:
            raise PictureError(f"it has {picture.width} x {picture.height} pixels; at most {LARGEST:,} are decoded")
        picture.load()
        return upright(picture)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"it is not a picture ({', '.join(FORMATS)} are read)") from None
    except Image.DecompressionBombError:
        raise PictureError(f"it has too many pixels; at most {LARGEST:,} are decoded") from None
    except Exception as error:  # Pillow's decoders raise whatever the damage leads them to
        raise PictureError(f"it is damaged: {error or type(error).__name__}") from None


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says, without that tag. Raises PictureError where it cannot be decoded."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception as error:  # Pillow's decoders raise whatever the damage leads them to
        raise PictureError(f"it is damaged: {error or type(error).__name__}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PictureError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None


def flattened(picture: Image.Image, mode: str, background: int) -> Image.Image:
    """The picture as 8-bit grey ("L") or "RGB": 16 bits scaled to 8, transparency laid on the background."""
    if picture.mode == mode and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):
        picture = _from_16_bits(picture)
    elif picture.mode == "F":
        raise PictureError("its pixels are floating-point numbers, whose range it does not state; save it with 8 or 16 bits")
    elif picture.mode == "LAB":
        picture = (
            ImageCms.profileToProfile(picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB") or picture
        )
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (background,) * 3 + (255,)), picture)
    return picture.convert(mode)


def _from_16_bits(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError("its pixels have 32 bits, whose range it does not state; save it with 8 or 16 bits")
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if "transparency" in picture.info:  # one level of grey that is not there
        grey.putalpha(Image.fromarray(np.where(values == picture.info["transparency"], 0, 255).astype(np.uint8)))
    return grey
