"""Rotation, shift, shear and zoom: one matrix a picture, one bilinear resampling for all of them together."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

PADDING = {"nearest": "border", "constant": "zeros", "reflect": "reflection", "wrap": "border"}
"""torch's names. Without align_corners its reflection is at the outer edge of the outer pixels: dcba|abcd|dcba."""

PIECE = 2**18
"""Values that a thread works on at a time."""


def rotation(degrees: Tensor) -> Tensor:
    """The matrices (B, 2, 2) that take (row, column) of the result to where it is seen in the picture, here and below."""
    angle = degrees.deg2rad()
    return _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def shear(degrees: Tensor) -> Tensor:
    angle = degrees.deg2rad()
    return _matrices(torch.ones_like(angle), -angle.sin(), torch.zeros_like(angle), angle.cos())


def scaling(down: Tensor, across: Tensor) -> Tensor:
    return _matrices(down, torch.zeros_like(down), torch.zeros_like(across), across)


def _matrices(*entries: Tensor) -> Tensor:
    return torch.stack(entries, -1).view(-1, 2, 2)


def product(matrices: Tensor, others: Tensor) -> Tensor:
    """(B, 2, 2) times (B, 2, n), the terms added in one order whatever the batch."""
    return matrices[:, :, :1] * others[:, :1] + matrices[:, :, 1:] * others[:, 1:]


def resampled(pictures: Tensor, matrices: Tensor, offsets: Tensor, fill: str, value: int) -> Tensor:
    """uint8 (B, H, W, C) pictures as float32 (B, C, H, W), where place p of the result shows what is at matrix * p + offset.

    Places are (row, column) in pixels from the picture's centre; matrices (B, 2, 2) and offsets (B, 2, 1) are float64. The picture
    is taken to go on for ever as `fill` says; what lies between four pixels is their bilinear mean.
    """
    count, height, width, channels = pictures.shape
    lines = [
        line
        for axis, side in enumerate((height, width))
        for line in _lines(matrices[:, axis], offsets[:, axis], height, width, side, fill == "wrap")
    ]
    planes = torch.empty(count, channels, height, width, device=pictures.device)
    for out, some, *theirs in in_pieces(planes, pictures, *lines):
        out.copy_(_sampled(some, theirs, fill, value))
    return planes


def in_pieces(planes: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """All of them, the same few pictures of each at a time: as many as stay in a processor's cache while they are worked on."""
    few = PIECE // planes[0].numel() * torch.get_num_threads() if planes.device.type == "cpu" else len(planes)
    return zip(*(torch.split(values, max(1, few)) for values in (planes, *others)))


def _lines(matrices: Tensor, offsets: Tensor, height: int, width: int, side: int, wrap: bool) -> tuple[Tensor, Tensor]:
    """What rows (B, H, 1) and columns (B, 1, W) of the result add to where they are on one axis of the picture, in float32.

    Their sum counts as torch does, -1 and 1 being the outer edges of the outer pixels; with `wrap` it counts pixels from 0.
    """
    down, across = ((torch.arange(n, device=matrices.device, dtype=torch.float64) - (n - 1) / 2) for n in (height, width))
    down, across = matrices[:, :1] * down, matrices[:, 1:] * across + offsets + (side - 1) / 2
    if not wrap:
        down, across = down * (2 / side), (2 * across + 1) / side - 1
    return down.float()[:, :, None], across.float()[:, None, :]


def _sampled(pictures: Tensor, lines: list[Tensor], fill: str, value: int) -> Tensor:
    """uint8 (B, H, W, C) pictures where the sums of their lines, (rows, columns) for either axis, are: float32 (B, C, H, W)."""
    height, width = pictures.shape[1:3]
    planes = pictures.to(torch.float32).permute(0, 3, 1, 2)
    grid = torch.empty(*pictures.shape[:3], 2, device=pictures.device)
    for axis, side in enumerate((height, width)):
        rows, columns = lines[2 * axis : 2 * axis + 2]
        places = grid[..., 1 - axis]  # torch has the column first
        if fill == "wrap":
            whole = ((rows + columns) * (1 / side)).floor_().mul_(side)
            places.copy_((rows + columns).sub_(whole).add_(0.5).mul_(2 / (side + 1)).sub_(1))
        else:
            torch.add(rows, columns, out=places)
    if fill == "wrap":  # behind the last row and column the first ones, to be blended with them
        planes = functional.pad(planes, (0, 1, 0, 1), mode="circular")
    if fill == "constant" and value:  # torch fills with 0
        return functional.grid_sample(planes - value, grid, "bilinear", "zeros", align_corners=False).add_(value)
    return functional.grid_sample(planes, grid, "bilinear", PADDING[fill], align_corners=False)
