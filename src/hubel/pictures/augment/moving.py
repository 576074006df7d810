"""Moves by whole pixels and mirrorings: every pixel of the result is copied from one of the picture, byte for byte."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hubel.pictures.batches import chosen

LARGE = 64 * 64
"""Pixels of a picture from which on it is faster on a processor to move one after another, whole rows first."""


def mirrored(pictures: Tensor, upside_down: Tensor | None, mirrored: Tensor | None) -> Tensor:
    """The same pictures (B, H, W, C), in place, those that are said to be turned."""
    large = pictures.device.type == "cpu" and pictures.shape[1] * pictures.shape[2] >= LARGE
    for axis, half in ((1, upside_down), (2, mirrored)):
        if half is None:
            continue
        turned = half.nonzero()[:, 0]
        if large:
            for i in turned.tolist():
                pictures[i] = pictures[i].flip(axis - 1)
        else:
            pictures.index_copy_(0, turned, chosen(pictures, turned).flip(axis))
    return pictures


def moved(
    pictures: Tensor, down: Tensor, across: Tensor, upside_down: Tensor | None, mirrored: Tensor | None, fill: str, value: int
) -> Tensor:
    """uint8 (B, H, W, C) pictures, each moved by its whole numbers `down` and `across`, then mirrored where it is said; `fill` fills the rest."""
    height, width = pictures.shape[1:3]
    rows, columns = _places(height, down, upside_down, fill), _places(width, across, mirrored, fill)
    if fill == "constant":  # a frame of that value, one pixel wide: there is where everything outside leads to
        pictures = functional.pad(pictures, (0, 0, 1, 1, 1, 1), value=value)
        rows, columns = rows + 1, columns + 1
    return _gathered(pictures, rows, columns)


def _places(side: int, moved: Tensor, mirrored: Tensor | None, fill: str) -> Tensor:
    """For each picture, which of its rows (or columns) stands at each place: int64 (B, side); -1 and `side` are outside."""
    places = torch.arange(side, device=moved.device)[None, :]
    if mirrored is not None:
        places = torch.where(mirrored[:, None], side - 1 - places, places)
    places = places - moved[:, None]
    if fill == "wrap":
        return places.remainder(side)
    if fill == "reflect":  # dcba|abcd|dcba: the edge's pixels are seen twice
        places = places.remainder(2 * side)
        return torch.minimum(places, 2 * side - 1 - places)
    return places.clamp(-1, side) if fill == "constant" else places.clamp(0, side - 1)


def _gathered(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Of each picture the pixels at its rows (B, h) and columns (B, w): (B, h, w, C)."""
    count, height, width, channels = pictures.shape
    if pictures.device.type == "cpu" and height * width >= LARGE:
        return _one_by_one(pictures, rows, columns)
    kind = torch.int32 if count * height * width < 2**31 else torch.int64  # half the bytes are read in half the time
    first = torch.arange(count, device=rows.device, dtype=kind) * height
    lines = (first[:, None] + rows.to(kind)) * width
    places = (lines[:, :, None] + columns.to(kind)[:, None, :]).reshape(-1)
    if channels == 1:
        return pictures.reshape(-1).index_select(0, places).view(count, rows.shape[1], columns.shape[1], 1)
    return pictures.reshape(-1, channels).index_select(0, places).view(count, rows.shape[1], columns.shape[1], channels)


def _one_by_one(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    count, height, width, channels = pictures.shape
    lines, found = (
        pictures.numpy().reshape(count, height, width * channels),
        pictures.new_empty(count, rows.shape[1], columns.shape[1], channels),
    )
    places = (columns[:, :, None] * channels + torch.arange(channels)).view(count, -1).numpy()
    for picture, theirs, across, out in zip(lines, rows.numpy(), places, found.view(count, rows.shape[1], -1).numpy()):
        picture.take(theirs, 0).take(across, 1, out=out, mode="clip")  # every place is there; "raise" would copy once more
    return found
