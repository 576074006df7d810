"""The average of a network's weights over its steps, which is often better than the last weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """An exponential moving average, in a copy of the network.

    Batch norm's statistics are averaged like the weights: they are then of the same stretch of steps. Copied, they would
    be of the last few steps alone, and belong to other weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network)
        pairs = list(zip(_tensors(self.network), _tensors(network)))
        self.own = [own for own, _ in pairs if own.is_floating_point()]
        self.followed = [followed for _, followed in pairs if followed.is_floating_point()]
        self.counts = [(own, followed) for own, followed in pairs if not own.is_floating_point()]

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        """Take in the weights as they are after `steps` steps. Before many, the average is of what there is: decay grows up to its own."""
        decay = min(self.decay, (1 + steps) / (10 + steps))  # as TensorFlow's ExponentialMovingAverage with num_updates
        torch._foreach_lerp_(self.own, self.followed, 1 - decay)
        for own, followed in self.counts:
            own.copy_(followed)


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
