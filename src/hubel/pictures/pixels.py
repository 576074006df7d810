"""The one way from a file to a tensor. The policy is a value, saved with the weights, used by whoever reads a picture. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hubel.errors import PictureError
from hubel.pictures import decoding
from hubel.pictures.flattening import conversions, flattened
from hubel.pictures.limits import LARGEST

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KERNELS = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}  # fmt: skip

UNSAID = {"resized": 0, "reduced": False, "colour_managed": False}
"""What a policy meant that was written down before it could say so. Left out when it is written, so that it stays the same text."""

PART, LARGE_PART = 2**19, 2**25
"""Values that become a tensor at a time: on a CPU as many as its cache holds, elsewhere enough to keep a device busy."""

Bytes = NDArray[np.uint8]


class Reading(Protocol):
    """How what a feed deals out becomes what a network reads: a pixel policy, or something else in its place."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def scale(self) -> tuple[float, ...]: ...
    @property
    def offset(self) -> tuple[float, ...]: ...
    def tensor(self, batch: Tensor, dtype: torch.dtype | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Pixels:
    """How a picture becomes what a network reads.

    It is turned as its EXIF says, brought to sRGB, laid on `background` where it is transparent, made grey or RGB,
    brought to (height, width), and then each value v of 0 to 255 becomes (v / 255 - mean) / deviation of its channel.
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
    resized: int = 0
    """Of a crop: what the shorter side is brought to before the middle is cut out, as torchvision does; 0 for what just covers."""
    reduced: bool = False
    """Whether large JPEGs may be decoded at a scale, see `opened`; a picture that comes decoded is used as it is."""
    colour_managed: bool = True
    """Whether embedded colour profiles count. They do not for weights trained elsewhere: other frameworks pass them over."""

    def __post_init__(self) -> None:
        for name in ("mean", "deviation"):
            values = tuple(map(float, getattr(self, name)))
            object.__setattr__(self, name, values * self.channels if len(values) == 1 else values)
            if len(getattr(self, name)) != self.channels or not np.isfinite(values).all():
                raise PictureError(f"The pixel policy has {len(values)} values of {name}; it needs one, or {self.channels}, all finite.")
        if self.channels not in (1, 3) or self.fit not in ("squash", "crop", "pad") or self.kernel not in KERNELS:
            raise PictureError(f"A pixel policy cannot have channels={self.channels}, fit={self.fit!r}, kernel={self.kernel!r}.")
        whole = all(type(number) is int for number in (self.height, self.width, self.background, self.resized))
        if not whole or min(self.deviation) <= 0 or not 0 <= self.background <= 255 or min(self.height, self.width) < 1:
            raise PictureError("A pixel policy needs positive deviations, positive whole sides, and a whole background from 0 to 255.")
        if self.resized and (self.fit != "crop" or self.resized < max(self.height, self.width)):
            raise PictureError(
                f"A pixel policy has resized={self.resized} only to crop, and then of {max(self.height, self.width)} or more."
            )
        if type(self.reduced) is not bool or type(self.colour_managed) is not bool:
            raise PictureError("A pixel policy is reduced, and colour_managed, or not: true or false.")

    @property
    def mode(self) -> str:
        return "L" if self.channels == 1 else "RGB"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), as a network's input."""
        return self.channels, self.height, self.width

    def opened(self, source: str | Path | bytes) -> Image.Image:
        """A picture file, decoded as far as the policy needs it, upright. Raises PictureError with the reason, without the path."""
        side = self.resized
        return decoding.opened(source, ((side, side) if side else (self.width, self.height)) if self.reduced else None)

    def plain(self, picture: Image.Image) -> Image.Image:
        """The picture as 8-bit grey or RGB, as large as it is. Raises PictureError where the range of its numbers is not known."""
        return flattened(picture, self.mode, self.background, self.colour_managed)

    def lost(self, picture: Image.Image) -> tuple[str, ...]:
        """What is lost on the way there, see `conversions`."""
        return conversions(picture, self.mode, self.colour_managed)

    def array(self, picture: Image.Image, box: tuple[float, float, float, float] | None = None) -> Bytes:
        """The picture as uint8 (height, width, channels).

        With `box`, (left, top, right, bottom) in pixels of the picture as it comes, fractions too, that part of it is
        resized instead of what `fit` says.
        """
        plain = self.plain(picture)
        if box is not None:
            plain = plain.resize((self.width, self.height), KERNELS[self.kernel], box)
        elif self.resized:
            plain = self._cut(plain)
        elif plain.size != (self.width, self.height):
            plain = self._fitted(plain)
        return np.asarray(plain, dtype=np.uint8).reshape(self.height, self.width, self.channels)

    def _cut(self, picture: Image.Image) -> Image.Image:
        """The middle of the picture resized, to the pixel as torchvision's Resize and CenterCrop find it."""
        shorter, longer = sorted(picture.size)
        sides = self.resized, int(self.resized * longer / shorter)
        width, height = sides if picture.width <= picture.height else sides[::-1]
        if width * height > LARGEST:
            raise PictureError(f"it is {picture.width} x {picture.height}, and would have to be resized to {width} x {height}")
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        return picture.resize((width, height), KERNELS[self.kernel]).crop((left, top, left + self.width, top + self.height))

    def _fitted(self, picture: Image.Image) -> Image.Image:
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

    @property
    def scale(self) -> tuple[float, ...]:
        """What a value of 0 to 255 of each channel is multiplied by; `offset` is then added."""
        return tuple(1 / (255 * deviation) for deviation in self.deviation)

    @property
    def offset(self) -> tuple[float, ...]:
        return tuple(-mean / deviation for mean, deviation in zip(self.mean, self.deviation))

    def tensor(self, batch: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """uint8 or float32 (N, H, W, C) of 0 to 255 to the (N, C, H, W) that a network reads, channels last in memory.

        In float32: a product and a sum, each rounded; or as `dtype` rounds that, without a float32 of the whole batch.
        Whole rows at once where they lie so in memory: numbers that alternate along a last axis of three are slow to repeat.
        """
        import torch  # here, so that a process which only decodes need not load it

        dtype = dtype or torch.float32
        scale, offset = self.scale, self.offset
        if batch.requires_grad or not batch.is_contiguous():
            factors, terms = _along(scale, offset, 1, batch.device)
            return (batch * factors).add_(terms).to(dtype).permute(0, 3, 1, 2)
        count, height, width, channels = batch.shape
        factors, terms = _along(scale, offset, width, batch.device)
        found = torch.empty((count, height, width * channels), dtype=dtype, device=batch.device)
        part = PART if batch.device.type == "cpu" else LARGE_PART
        pictures = max(1, part // (height * width * channels))
        for into, some in zip(torch.split(found, pictures), torch.split(batch.view(found.shape), pictures)):
            if dtype == torch.float32:
                torch.mul(some, factors, out=into).add_(terms)
            else:
                into.copy_((some * factors).add_(terms))
        return found.view(batch.shape).permute(0, 3, 1, 2)

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in UNSAID or value != UNSAID[name]}

    @staticmethod
    def from_json(said: dict[str, Any]) -> Pixels:
        return Pixels(**{**UNSAID, **said, "mean": tuple(said["mean"]), "deviation": tuple(said["deviation"])})


@lru_cache(maxsize=16)
def _along(scale: tuple[float, ...], offset: tuple[float, ...], width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and offset of every value of a row. Kept, because whoever sends something to a GPU waits until it has done all before."""
    import torch  # here, as above

    with torch.inference_mode(False):  # so that gradients may be asked for later
        return torch.tensor(scale * width, device=device), torch.tensor(offset * width, device=device)
