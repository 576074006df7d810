"""Which learning rate suits a network and its pictures: the rate is raised until the loss breaks away (Smith 2017, "Cyclical
learning rates", sec. 3.3). All of it happens to a copy."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.errors import RunError
from hubel.pictures.told import Told
from hubel.training import probe
from hubel.training.guard import Guard
from hubel.training.lanes import Lanes
from hubel.training.loop import Job, stepped
from hubel.training.state import State

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 200
SMOOTHED = 0.025
"""Deviation of the window that smooths the losses, as a share of the steps. It reaches to both sides: no rate seems later than it is."""
BROKEN = 4.0
"""Training has broken when the loss, averaged over the last steps, is so many times the least that it was."""
KEPT = 0.9
"""The share of that average that each step keeps."""
FEWEST = 20
"""Steps that a curve needs."""


@dataclass(frozen=True)
class Rates:
    """Rates that were tried, the loss of a step at each, that loss smoothed, and what to make of it."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    lowest: float
    """The rate at which the smoothed loss is least: beyond it training breaks."""
    steepest: float
    """The rate at which it falls fastest, for a factor of the rate."""

    @property
    def suggested(self) -> float:
        """A tenth of the rate with the least loss, to two digits."""
        return float(f"{self.lowest / 10:.1e}")


def refuse_no_range(least: float, most: float, steps: int) -> None:
    """Raise RunError where rates cannot be raised so."""
    if not (0 < least < most < math.inf and steps >= FEWEST):
        raise RunError(
            f"Rates from {least:g} to {most:g} in {steps} steps are no range: the first must be above 0, and {FEWEST} steps the fewest."
        )


def tried(
    network: nn.Module, job: Job, least: float = LOWEST, most: float = HIGHEST, steps: int = STEPS, told: Told | None = None
) -> Rates:
    """Train a copy of the network for so many steps, each at a higher rate, until it breaks. The job's threads and precision are settled.

    Raises RunError where the range is none, or the loss never falls.
    """
    refuse_no_range(least, most, steps)
    threads = torch.get_num_threads()
    probe.Way(job.recipe.threads or threads, job.recipe.lanes or 1, job.recipe.precision).settle()
    try:
        with torch.random.fork_rng():  # training seeds torch's generators at every step
            found = list(_losses(copy.deepcopy(network), job, least, most, steps, told))
    finally:
        torch.set_num_threads(threads)
    return judged([lr for lr, _ in found], [loss for _, loss in found], steps)


def _losses(network: nn.Module, job: Job, least: float, most: float, steps: int, told: Told | None) -> Iterator[tuple[float, float]]:
    """Each rate with the mean loss of its step."""
    state = State(network, job.recipe)
    guard = Guard(state)
    average, lowest, counted = 0.0, math.inf, 0
    with Lanes(network, job.recipe.lanes or 1) as lanes:
        lanes.train()
        for done in range(steps):
            if done % job.steps == 0:
                state.epoch, state.step = done // job.steps, 0
                dealt = job.batches(state.epoch, 0)
            lr = least * (most / least) ** (done / (steps - 1))
            sums, images = stepped(lanes, guard, state, job, next(dealt), lr)
            if told is not None:
                told("trying", done + 1, steps)
            if not images:
                continue
            loss, counted = float(sums[0]) / images, counted + 1
            average = KEPT * average + (1 - KEPT) * loss
            now = average / (1 - KEPT**counted)
            if guard.look() is not None or now > BROKEN * lowest > 0:
                return
            lowest = min(lowest, now)
            yield lr, loss


def judged(rates: list[float], losses: list[float], steps: int) -> Rates:
    """What a curve says. Raises RunError where it says nothing."""
    if len(rates) < FEWEST:
        raise RunError(f"Training broke after {len(rates)} steps, at a rate of {rates[-1] if rates else 0:g}: begin lower, with --lowest.")
    places = np.arange(len(losses))
    window = np.exp(-0.5 * ((places[:, None] - places) / (SMOOTHED * steps)) ** 2)
    smoothed = window @ np.array(losses) / window.sum(1)
    bottom = int(smoothed.argmin())
    if bottom == 0:
        raise RunError(f"The loss never fell between {rates[0]:g} and {rates[-1]:g}: begin lower, with --lowest, or look at the pictures.")
    slopes = np.gradient(smoothed[: bottom + 1], np.log(rates[: bottom + 1]))
    return Rates(tuple(rates), tuple(losses), tuple(smoothed.tolist()), rates[bottom], rates[int(slopes.argmin())])
