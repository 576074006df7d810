"""What moves while training: all of it is in a checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from hubel.training.averaging import Average
from hubel.training.recipe import Recipe
from hubel.training.scaling import Scaling
from hubel.training.standing import Standing


class State:
    """The weights and their average, the optimiser, the scale of the loss, the position, how validation stands, and the epoch's sums so far."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimiser = optimiser_of(network, recipe)
        self.average = Average(network, recipe.ema) if recipe.ema else None
        self.device = next(network.parameters()).device
        self.scaling = Scaling(self.device) if recipe.precision == "fp16" else None
        self.epoch = self.step = 0
        self.standing = Standing()
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        """Loss, right answers, and pictures that were left out, of this epoch."""
        self.trained_seconds = 0.0

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and saved."""
        return self.average.network if self.average else self.network

    def over(self, recipe: Recipe) -> bool:
        """Whether training has come to its end."""
        return self.epoch >= recipe.epochs or (self.step == 0 and self.standing.hopeless(recipe))


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused: one pass over the weights a step, skipped whole if `found_inf` says so."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(weights, recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    sgd = torch.optim.SGD(weights, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov, fused=True)
    if recipe.precision == "fp16" and recipe.momentum:
        for weight in weights:  # torch leaves them unwritten where the very first step is skipped, and reads them in the next
            sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return sgd
