"""What may happen to a picture, as one frozen value, and a batch of pictures to which it has happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hubel.pictures.augment import colour, moving, resampling
from hubel.pictures.augment.draws import Draws, Purpose
from hubel.pictures.batches import Batch, chosen
from hubel.pictures.pixels import Reading


@dataclass(frozen=True)
class Augmentation:
    """How far each change goes at most; 0 and False leave it out. They come in the order of these fields.

    Each pixel of the result is looked up, about the picture's centre, through the flips, the moves by whole pixels (shift, crop),
    then Keras's zoom, shear, shift and rotation, in that order: what one sees is the picture rotated first and flipped last.
    """

    shift: float = 0.0
    """Moves by whole pixels, as a share of each side."""
    flip: bool = False
    """Left and right change places, half of the time."""
    vertical_flip: bool = False
    crop: int = 0
    """So many pixels are added on all sides, and a picture of the old size is cut out of that: a move by whole pixels."""
    rotation: float = 0.0
    """Degrees."""
    width_shift: float = 0.0
    """Share of the side; not by whole pixels."""
    height_shift: float = 0.0
    shear: float = 0.0
    """Degrees."""
    zoom: float = 0.0
    """Each side shows 1 - zoom to 1 + zoom of itself, the two drawn apart."""
    fill: str = "nearest"
    """What is laid bare shows the nearest pixel, a constant, or the picture again: mirrored (reflect) or as it is (wrap)."""
    fill_value: int = 0
    """The constant, 0 to 255, of all channels."""
    brightness: float = 0.0
    """Of this and the next two: a factor of 1 - strength, at least 0, to 1 + strength."""
    contrast: float = 0.0
    saturation: float = 0.0
    colour_noise: float = 0.0
    """AlexNet's: the deviation of alpha, 0.1 in the paper."""
    cutout: int = 0
    """The side of a square, its centre anywhere in the picture, that is blotted out (DeVries and Taylor 2017)."""
    cutout_fill: str = "zero"
    """The square is 0, or the mean to the nearest whole level."""
    mean: tuple[float, ...] = ()
    """Of each channel, of values from 0 to 1."""
    axes: colour.Axes = ()
    """Of the colours of the training pictures (see colour_axes)."""

    @property
    def leaves_alone(self) -> bool:
        """Whether pictures come out as they went in."""
        return not (self._moves or self._resamples or self._recolours or self.cutout)

    @property
    def _moves(self) -> bool:
        return bool(self.shift or self.crop or self.flip or self.vertical_flip)

    @property
    def _resamples(self) -> bool:
        return bool(self.rotation or self.width_shift or self.height_shift or self.shear or self.zoom)

    @property
    def _recolours(self) -> bool:
        return bool(self.brightness or self.contrast or self.saturation or self.colour_noise)

    def batch(self, pictures: Tensor, indices: Tensor, seed: int, epoch: int, rows: Tensor | None = None) -> Tensor:
        """Pictures number `indices` of the uint8 (N, H, W, C) store, changed as this epoch has it for each: (B, H, W, C).

        rows: where in the store they are, if not at their numbers.

        uint8 where pixels are only moved or blotted out; else float32 from 0 to 255, not rounded (colour_noise alone goes beyond).
        """
        draws = Draws(indices, seed, epoch)
        changed = chosen(pictures, indices if rows is None else rows)
        if self._resamples:
            changed = self._resampled(changed, draws).permute(0, 2, 3, 1)
        elif self._moves:
            changed = self._moved(changed, draws)
        if self._recolours:
            changed = self._recoloured(changed, draws)
        return self._cut_out(changed, draws) if self.cutout else changed

    def tensor(self, batch: Batch, pixels: Reading, seed: int, epoch: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """The pictures of a batch as the network reads them, (B, C, H, W): changed, then as the policy's `tensor` makes them."""
        if not self._resamples or self._recolours or self.cutout:
            return pixels.tensor(self.batch(batch.pixels, batch.indices, seed, epoch, batch.rows), dtype)
        scale, offset = (torch.tensor(each, device=batch.pixels.device)[:, None, None] for each in (pixels.scale, pixels.offset))

        def normalised(sampled: Tensor) -> Tensor:  # the same numbers with one pass over them less
            return sampled.mul_(scale).add_(offset)

        return self._resampled(batch.pictures(), Draws(batch.indices, seed, epoch), normalised, dtype)

    def _whole(self, draws: Draws, height: int, width: int) -> tuple[Tensor, Tensor]:
        """How many whole pixels each picture moves down, and across."""
        down = draws.whole(int(self.shift * height), Purpose.SHIFT_DOWN)
        across = draws.whole(int(self.shift * width), Purpose.SHIFT_ACROSS)
        if not self.crop:
            return down, across
        return down + draws.whole(self.crop, Purpose.CROP_DOWN), across + draws.whole(self.crop, Purpose.CROP_ACROSS)

    def _turned(self, draws: Draws) -> tuple[Tensor | None, Tensor | None]:
        """Which pictures are upside down, and which mirrored."""
        upside_down = draws.half(Purpose.VERTICAL_FLIP) if self.vertical_flip else None
        return upside_down, draws.half(Purpose.FLIP) if self.flip else None

    def _moved(self, chosen: Tensor, draws: Draws) -> Tensor:
        if not (self.shift or self.crop):
            return moving.mirrored(chosen, *self._turned(draws))
        return moving.moved(chosen, *self._whole(draws, *chosen.shape[1:3]), *self._turned(draws), self.fill, self.fill_value)

    def _resampled(
        self, chosen: Tensor, draws: Draws, finish: Callable[[Tensor], Tensor] = lambda sampled: sampled, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """As (B, C, H, W). Keras's matrix, rotation * shift * shear * zoom, behind the whole moves and the flips, which are a change of sign."""
        height, width = chosen.shape[1:3]
        turn = resampling.rotation(draws.within(self.rotation, Purpose.ROTATION))
        shift = torch.stack(
            [draws.within(self.height_shift * height, Purpose.HEIGHT_SHIFT), draws.within(self.width_shift * width, Purpose.WIDTH_SHIFT)], 1
        )
        zoom = resampling.scaling(1 + draws.within(self.zoom, Purpose.ZOOM_DOWN), 1 + draws.within(self.zoom, Purpose.ZOOM_ACROSS))
        slanted = resampling.product(resampling.shear(draws.within(self.shear, Purpose.SHEAR)), zoom)
        whole = torch.stack(self._whole(draws, height, width), 1).to(torch.float64)
        offsets = resampling.product(turn, shift[:, :, None] - resampling.product(slanted, whole[:, :, None]))
        signs = [torch.ones_like(turn[:, 0, 0]) if half is None else 1 - 2.0 * half for half in self._turned(draws)]
        matrices = resampling.product(turn, slanted) * torch.stack(signs, 1)[:, None, :]
        return resampling.resampled(chosen, matrices, offsets, self.fill, self.fill_value, finish, dtype)

    def _recoloured(self, pictures: Tensor, draws: Draws) -> Tensor:
        steps: list[tuple[Callable[[Tensor, Tensor], None], Tensor]] = [
            (change, draws.between(max(0.0, 1 - strength), 1 + strength, purpose))
            for strength, purpose, change in (
                (self.brightness, Purpose.BRIGHTNESS, colour.brighten),
                (self.contrast, Purpose.CONTRAST, colour.change_contrast),
                (self.saturation, Purpose.SATURATION, colour.saturate),
            )
            if strength
        ]
        if self.colour_noise:
            purposes = (Purpose.COLOUR_1, Purpose.COLOUR_2, Purpose.COLOUR_3)
            alphas = torch.stack([self.colour_noise * draws.normal(purpose) for purpose in purposes], 1)
            steps.append((colour.add_noise, colour.noise(self.axes, alphas)))
        planes = colour.planes(pictures)

        def change(some: Tensor, *strengths: Tensor) -> None:
            for (step, _), strength in zip(steps, strengths):
                step(some, strength)

        resampling.side_by_side(change, planes, *(strength for _, strength in steps))
        return planes.permute(0, 2, 3, 1)

    def _cut_out(self, pictures: Tensor, draws: Draws) -> Tensor:
        """Each picture with its square; what of it lies outside the picture is lost."""
        height, width, channels = pictures.shape[1:]
        rows = self._hole(height, draws.place(height, Purpose.CUTOUT_DOWN))
        columns = self._hole(width, draws.place(width, Purpose.CUTOUT_ACROSS))
        mean = self.mean if self.cutout_fill == "mean" else (0.0,) * channels
        levels = (torch.tensor(mean, dtype=torch.float64) * 255).round().clamp(0, 255).to(pictures.dtype).to(pictures.device)
        return torch.where((rows[:, :, None] & columns[:, None, :])[..., None], levels, pictures)

    def _hole(self, side: int, centres: Tensor) -> Tensor:
        """Where along a side each picture's square is: (B, side)."""
        places = torch.arange(side, device=centres.device) - (centres - self.cutout // 2)[:, None]
        return (places >= 0) & (places < self.cutout)

    def laid_bare(self, height: int, width: int, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Share of each picture, (B,), that shows fill and not the picture; where it fades, as much of a pixel as is fill."""
        geometry = replace(self, fill="constant", fill_value=0, brightness=0, contrast=0, saturation=0, colour_noise=0, cutout=0)
        white = torch.full((1, height, width, 1), 255, dtype=torch.uint8)
        return 1 - geometry.batch(white, indices, seed, epoch, torch.zeros_like(indices)).to(torch.float64).mean((1, 2, 3)) / 255


def rounded(pictures: Tensor) -> Tensor:
    """A batch as uint8: to the nearest whole level, the even one of two, what is below 0 or above 255 cut off."""
    return pictures if pictures.dtype == torch.uint8 else pictures.round().clamp_(0, 255).to(torch.uint8)
