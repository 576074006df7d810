"""Loss scaling: half precision loses small gradients to zero, so the loss is multiplied before backward and they are divided after."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FIRST, GROWS_AFTER = 2.0**16, 2000
"""The scale begins high, is halved by every overflow, and doubled after so many steps without one (as torch.amp.GradScaler)."""


class Scaling:
    """The scale and the steps since it last moved, both on the device: nothing here waits for it (Micikevicius et al. 2018, sec. 3.2)."""

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), FIRST, device=device)
        self.steps = torch.zeros((), device=device)

    def undo(self, weights: Sequence[nn.Parameter]) -> None:
        """Divide the gradients by the scale."""
        torch._foreach_mul_([weight.grad for weight in weights if weight.grad is not None], self.scale.reciprocal())

    def move(self, overflowed: Tensor) -> None:
        """Heed whether this step's gradients were too large for half precision: a bool, ()."""
        self.steps.add_(1).mul_(overflowed.logical_not())
        grows = self.steps == GROWS_AFTER
        self.scale.mul_(torch.where(overflowed, 0.5, torch.where(grows, 2.0, 1.0)))
        self.steps.mul_(grows.logical_not())
