"""What moves while training: all of it is in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from hubel.modules import Network
from hubel.training.averaging import Average
from hubel.training.freezing import groups
from hubel.training.recipe import Recipe
from hubel.training.scaling import Scaling
from hubel.training.standing import Standing


class State:
    """The weights and their average, the optimiser, the scale of the loss, the position, how validation stands, the epochs so far, and this one's sums."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimiser = optimiser_of(network, recipe)
        self.average = Average(network, recipe.ema) if recipe.ema else None
        self.device = next(network.parameters()).device
        self.scaling = Scaling(self.device) if recipe.precision == "fp16" else None
        self.epoch = self.step = 0
        self.standing = Standing()
        self.history: list[dict[str, Any]] = []
        """What was told of each epoch that is over."""
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        """Loss, right answers, and pictures that were left out, of this epoch."""
        self.trained_seconds = 0.0
        self.stopped = torch.zeros((), device=self.device)
        """1 once a step was not finite: that one and all since were not taken, though they count."""
        self.broken = torch.full((), -1, device=self.device)
        """Which step of the epoch that was, from 0."""
        self.moving = Lock()
        """Held while any of this moves, by whoever moves it; to save it, one takes it."""
        self.moving.acquire()
        self.before: dict[str, Tensor] = {}
        """Within a step the network's buffers as they were before it."""
        self.steady = True if isinstance(network, Network) else None
        """Whether forward and backward leave the weights as they are; of a module of the user's that is seen in the first step."""

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and saved."""
        return self.average.network if self.average else self.network

    @property
    def best(self) -> int:
        """The best epoch, from 1, of those that are over; 0 before any is."""
        return max((told["epoch"] for told in self.history if told["best"]), default=0)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While nothing moves, which may be long: all of it may then be saved by another thread."""
        self.moving.release()
        try:
            yield
        finally:
            self.moving.acquire()

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Forward and backward: at rest but for the buffers (batch norm's statistics), of which those from before the step count."""
        if self.steady:
            self.before = {name: buffer.clone() for name, buffer in self.network.named_buffers(remove_duplicate=False)}
            with self.at_rest():
                yield
            self.before = {}
            return
        before = [weight.detach().clone() for weight in self.network.parameters()] if self.steady is None else []
        yield
        if self.steady is None:
            self.steady = all(map(torch.equal, before, self.network.parameters()))

    def over(self, recipe: Recipe) -> bool:
        """Whether training has come to its end."""
        return self.epoch >= recipe.epochs or (self.step == 0 and self.standing.hopeless(recipe))


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused: one pass over the weights a step, skipped whole if `found_inf` says so."""
    learning = groups(network, recipe)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(learning, recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    sgd = torch.optim.SGD(learning, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov, fused=True)
    if recipe.precision == "fp16" and recipe.momentum:
        for weight in (
            weight for group in sgd.param_groups for weight in group["params"]
        ):  # torch leaves them unwritten where the very first step is skipped, and reads them in the next
            sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return sgd
