"""What is drawn for each picture of an epoch: a function of (seed, epoch, number, purpose) alone, in whatever batch it comes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hubel import chance
from hubel.chance import Purpose as Purpose


@dataclass(frozen=True)
class Draws:
    """The draws for pictures number `indices`, int64 (B,), in one epoch."""

    indices: Tensor
    seed: int
    epoch: int

    def between(self, low: float, high: float, purpose: Purpose) -> Tensor:
        """A float64 from low to below high, for each picture."""
        return low + (high - low) * self._share(purpose)

    def within(self, most: float, purpose: Purpose) -> Tensor:
        """A float64 from -most to below most, for each picture."""
        return self.between(-most, most, purpose)

    def whole(self, most: int, purpose: Purpose) -> Tensor:
        """An int64 from -most to most, both included, for each picture."""
        return chance.whole(self.indices, -most, most, self.seed, self.epoch, purpose)

    def place(self, side: int, purpose: Purpose) -> Tensor:
        """An int64 from 0 to side - 1, for each picture."""
        return chance.whole(self.indices, 0, side - 1, self.seed, self.epoch, purpose)

    def half(self, purpose: Purpose) -> Tensor:
        """True for half of the pictures."""
        return chance.uniform(self.indices, self.seed, self.epoch, purpose) < 0.5

    def normal(self, purpose: Purpose) -> Tensor:
        """A float64 of mean 0 and deviation 1, for each picture (Box and Muller 1958)."""
        radius = (-2 * (1 - self._share(purpose)).log()).sqrt()
        return radius * (2 * math.pi * self._share(purpose, 1)).cos()

    def _share(self, purpose: Purpose, *more: int) -> Tensor:
        return chance.uniform(self.indices, self.seed, self.epoch, purpose, *more).to(torch.float64)
