"""Changes of pictures that keep their class, made in batches on the device, each a function of (seed, epoch, index, operation)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hubel import chance

# What a draw is for; a number here is never used again for something else.
SHIFT_DOWN, SHIFT_ACROSS, FLIP = 1, 2, 3


@dataclass(frozen=True)
class Augmentation:
    """shift: how far at most, as a share of the side, in whole pixels; the edge's pixels fill what is laid bare. flip: left and right, half of the time."""

    shift: float = 0.0
    flip: bool = False

    def batch(self, pictures: Tensor, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Pictures number `indices` of the uint8 (N, H, W, C) store, changed as this epoch has it for each: (B, H, W, C)."""
        if not self.shift and not self.flip:
            return pictures.index_select(0, indices)  # copies whole pictures; plain indexing goes byte by byte
        height, width = pictures.shape[1:3]
        rows = self._places(height, indices, seed, epoch, SHIFT_DOWN)
        columns = self._places(width, indices, seed, epoch, SHIFT_ACROSS)
        if self.flip:
            turned = chance.uniform(indices, seed, epoch, FLIP) < 0.5
            columns = torch.where(turned[:, None], columns.flip(1), columns)
        return pictures[indices[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _places(self, side: int, indices: Tensor, seed: int, epoch: int, operation: int) -> Tensor:
        """For each picture, which of its rows (or columns) stands at each place: (B, side)."""
        most = int(self.shift * side)
        moved = chance.whole(indices, -most, most, seed, epoch, operation)
        return (torch.arange(side, device=indices.device) - moved[:, None]).clamp_(0, side - 1)
