"""The largest batch that memory holds, by the forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from hubel.cluster import Ranks
from hubel.errors import RunError
from hubel.joints import Expression, Shape
from hubel.machine import free_memory
from hubel.memory import Forecast, forecast
from hubel.training.loop import Job
from hubel.training.probe import Way
from hubel.training.recipe import Recipe

STEPS = 50
"""An epoch keeps as many, or it teaches little; our choice."""
SMALL = 32
"""Batches of so few pictures are small enough, whatever steps an epoch then has."""
MOST = 8192
"""Beyond it accuracy falls whatever the rate (Goyal et al. 2017, fig. 1)."""
SHARE = 0.8
"""Of the free memory that is taken: what a library works in, and pictures on their way, come on top of a forecast."""


def settled(net: Expression | nn.Module, input: Shape, job: Job, ways: Sequence[Way]) -> Recipe:
    """The recipe with its batch chosen where it leaves that open: a power of two, so that a little more free memory changes nothing.

    Of several processes each takes its part of the batch, and the one with the least memory says how much. ways: those of which the
    fastest will be looked for, each in a copy of the network. Raises RunError where no batch fits, or the
    network is no expression.
    """
    recipe = job.recipe
    if recipe.batch:
        return recipe
    if isinstance(net, nn.Module):
        raise RunError(f"The batch is auto, but of a {type(net).__name__}, which is no expression, no memory is forecast: say --batch N.")
    room = min(job.ranks.gathered(int(SHARE * free(job.train.labels.device, job.ranks))))
    batch = bound(len(job.train), recipe.accumulate)
    while (needed := held(step_of(net, input, math.ceil(batch / job.ranks.size), recipe), recipe, ways)) > room:
        if batch == 1:
            raise RunError(f"A single picture needs {needed:,} bytes of memory, by the forecast; there are {room:,} to be had.")
        batch //= 2
    return replace(recipe, batch=batch)


def bound(pictures: int, accumulate: int) -> int:
    """The most pictures of a batch, a power of two, that leave an epoch of so many pictures enough steps."""
    most = min(MOST, max(SMALL, pictures // (STEPS * accumulate)), pictures)
    return int(2 ** (most.bit_length() - 1))


def step_of(net: Expression, input: Shape, batch: int, recipe: Recipe) -> Forecast:
    """The forecast of a step of training."""
    optimiser = "adamw" if recipe.optimiser == "adamw" else "momentum" if recipe.momentum else "sgd"
    return forecast(net, input, batch, training=True, optimiser=optimiser)


def held(step: Forecast, recipe: Recipe, ways: Sequence[Way]) -> int:
    """Bytes at the peak: a step, the weights and their average, and for each way a copy with its optimiser and its lanes' gradients."""
    copies = sum(step.parameters * (1 + way.lanes) + step.optimiser for way in ways)
    return step.activations + step.parameters * (2 if recipe.ema else 1) + copies


def free(device: torch.device, ranks: Ranks) -> int:
    """Bytes that this process can have where its copy of the network is trained."""
    if device.type != "cuda":
        return free_memory() // ranks.here
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for whoever asks next
    return torch.cuda.mem_get_info(device)[0] + kept


def told(asked: Recipe, chosen: Recipe) -> tuple[str, ...]:
    """What there is to say of a batch that was chosen."""
    if asked.batch:
        return ()
    return (
        f"batches of {chosen.batch:,} pictures were chosen at the first start: the most, in powers of two, that the forecast of memory allows "
        f"and that leave an epoch {STEPS} steps. The rate stays {chosen.lr:g}: for so many times the pictures take as many times the rate "
        "(Goyal et al. 2017), or let `hubel lr` find one.",
    )
