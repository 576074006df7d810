"""Rotation, shift, shear and zoom: one matrix a picture, one bilinear resampling for all of them together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

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


def resampled(
    pictures: Tensor,
    matrices: Tensor,
    offsets: Tensor,
    fill: str,
    value: int,
    finish: Callable[[Tensor], Tensor] = lambda sampled: sampled,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """uint8 (B, H, W, C) pictures as (B, C, H, W), where place p of the result shows what is at matrix * p + offset.

    Places are (row, column) in pixels from the picture's centre; matrices (B, 2, 2) and offsets (B, 2, 1) are float64. The picture
    is taken to go on for ever as `fill` says; what lies between four pixels is their bilinear mean. finish: what is to be done with
    the float32 of some pictures while it is still in the processor's cache; then it is rounded to `dtype`.
    """
    count, height, width, channels = pictures.shape
    lines = [
        line
        for axis, side in enumerate((height, width))
        for line in _lines(matrices[:, axis], offsets[:, axis], height, width, side, fill == "wrap")
    ]
    planes = torch.empty(count, channels, height, width, dtype=dtype, device=pictures.device)

    def sample(out: Tensor, some: Tensor, *theirs: Tensor) -> None:
        out.copy_(finish(_sampled(some, theirs, fill, value)))

    side_by_side(sample, planes, pictures, *lines)
    return planes


def side_by_side(work: Callable[..., None], planes: Tensor, *others: Tensor) -> None:
    """Do some work on the same few pictures of each at a time; on a processor, on as many pieces at once as torch has threads."""
    on_host = planes.device.type == "cpu"
    threads = torch.get_num_threads() if on_host else 1
    few = min(PIECE // planes[0].numel(), -(-len(planes) // threads)) if on_host else len(planes)
    pieces = list(_split(few, planes, *others))

    def done(piece: tuple[Tensor, ...]) -> None:
        with torch.inference_mode():  # which each thread has for itself
            work(*piece)

    if threads == 1 or len(pieces) == 1:
        for piece in pieces:
            done(piece)
    else:
        list(_helpers(threads).map(done, pieces))  # what one of them raises is raised here


def _split(few: int, *batches: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.split(batch, max(1, few)) for batch in batches))


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """So many threads, each of which runs torch's operations alone and takes another piece when it is done with one.

    Where torch divides an operation among its threads it waits for the slowest, dozens of times a batch: beside two busy processes
    two threads were seen to take three times as long as one.
    """
    helpers, begun = ThreadPoolExecutor(count, "resampling"), Barrier(count + 1)

    def settle() -> None:
        torch.get_num_threads()  # torch settles a thread's number when it is first needed, over what was set before
        torch.set_num_threads(1)  # of this thread, but also of all that begin from now on, until it is set again
        begun.wait()

    for _ in range(count):
        helpers.submit(settle)
    begun.wait()
    torch.set_num_threads(count)
    return helpers


os.register_at_fork(after_in_child=_helpers.cache_clear)  # a forked process has none of the threads


def _lines(matrices: Tensor, offsets: Tensor, height: int, width: int, side: int, wrap: bool) -> tuple[Tensor, Tensor]:
    """What rows (B, H, 1) and columns (B, 1, W) of the result add to where they are on one axis of the picture, in float32.

    Their sum counts as torch does, -1 and 1 being the outer edges of the outer pixels; with `wrap` it counts pixels from 0.
    """
    down, across = ((torch.arange(n, device=matrices.device, dtype=torch.float64) - (n - 1) / 2) for n in (height, width))
    down, across = matrices[:, :1] * down, matrices[:, 1:] * across + offsets + (side - 1) / 2
    if not wrap:
        down, across = down * (2 / side), (2 * across + 1) / side - 1
    return down.float()[:, :, None], across.float()[:, None, :]


def _sampled(pictures: Tensor, lines: Sequence[Tensor], fill: str, value: int) -> Tensor:
    """uint8 (B, H, W, C) pictures where the sums of their lines, (rows, columns) for either axis, are: float32 (B, C, H, W)."""
    height, width = pictures.shape[1:3]
    planes = pictures.to(torch.float32).permute(0, 3, 1, 2)
    grid = torch.empty(2, *pictures.shape[:3], device=pictures.device)
    for axis, side in enumerate((height, width)):
        places = torch.add(*lines[2 * axis : 2 * axis + 2], out=grid[1 - axis])  # torch has the column first
        if fill == "wrap":
            whole = (places * (1 / side)).floor_().mul_(side)
            places.sub_(whole).add_(0.5).mul_(2 / (side + 1)).sub_(1)
    grid = grid.permute(1, 2, 3, 0)
    if fill == "wrap":  # behind the last row and column the first ones, to be blended with them
        planes = functional.pad(planes, (0, 1, 0, 1), mode="circular")
    if fill == "constant" and value:  # torch fills with 0
        return functional.grid_sample(planes - value, grid, "bilinear", "zeros", align_corners=False).add_(value)
    return functional.grid_sample(planes, grid, "bilinear", PADDING[fill], align_corners=False)
