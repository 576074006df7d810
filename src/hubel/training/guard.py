"""Whether training is still finite, found out without making the host wait for the device at every step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hubel.training.state import State


class Guard:
    """Keeps a step that is not finite from being taken, without asking the device each time.

    Once a loss or gradient is NaN or infinite, the optimiser skips that step and every later one; `look` says which it was.
    With loss scaling, gradients that overflow skip their own step alone, as long as there is a smaller scale to try.
    """

    def __init__(self, state: State) -> None:
        self.weights, self.scaling = state.weights, state.scaling
        self.stopped, self.first = state.stopped, state.broken
        self.skipped = torch.zeros((), device=state.device) if state.scaling else self.stopped
        state.optimiser.found_inf = self.skipped  # type: ignore[attr-defined]

    def watch(self, loss: Tensor, step: int) -> None:
        """Take note of this step's loss and gradients, before the optimiser's step; gradients are as large as they are after it."""
        if self.scaling:
            self.scaling.undo(self.weights)
        total = torch.stack([weight.grad.sum() for weight in self.weights if weight.grad is not None]).sum()
        if self.scaling:
            overflowed = total.isfinite().logical_not_()
            self._note(loss.isfinite().logical_not_() | (overflowed & (self.scaling.scale <= 1)), step)
            self.scaling.move(overflowed)
            self.skipped.copy_(torch.maximum(self.stopped, overflowed))
            return
        total = loss + total  # a sum with a NaN or an infinity in it is one itself
        if total.device.type == "cpu" and math.isfinite(total.item()):
            return
        self._note(total.isfinite().logical_not_(), step)

    def _note(self, bad: Tensor, step: int) -> None:
        """Remember the first step that is bad, and that there was one."""
        self.first.copy_(torch.where(bad & (self.stopped == 0), step, self.first))
        self.stopped.copy_(torch.maximum(self.stopped, bad))

    def look(self) -> int | None:
        """The step that was not finite, if there was one. Waits for the device."""
        return int(self.first) if bool(self.stopped) else None
