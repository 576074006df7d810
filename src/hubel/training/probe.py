"""The threads, lanes and precision with which this machine takes a step fastest, found by taking some."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from hubel.cluster import Ranks
from hubel.errors import RunError
from hubel.machine import processors
from hubel.pictures.batches import Batch, in_order
from hubel.training.lanes import Lanes, splittable
from hubel.training.loop import Job, part_of
from hubel.training.recipe import Recipe
from hubel.training.state import optimiser_of

SECONDS = 2.0
"""What each of the two questions may take, first of precision, then of threads; a single step of a large network may take longer."""

MARGIN = 1.15
"""How much faster bf16 must be to be chosen."""

MOST = 8
"""Steps each way, at most."""


class Way(NamedTuple):
    """A way to take a step."""

    threads: int
    lanes: int
    precision: str

    def settle(self) -> None:
        """Share the threads out among the lanes."""
        torch.set_num_threads(max(1, self.threads // self.lanes))


class Cost(NamedTuple):
    """Seconds that a step takes, and seconds that processors work for it, all of them added."""

    seconds: float
    work: float


def settled(network: nn.Module, job: Job) -> Recipe:
    """The recipe with `threads`, `lanes` and `precision` chosen where it leaves them open.

    Raises RunError where it asks for lanes with a network whose batches cannot be split.
    """
    recipe = job.recipe
    if recipe.lanes > 1 and not splittable(network):
        raise RunError(
            f"The recipe has lanes={recipe.lanes}, but batch norm and dropout need the whole batch, and so may a network that is no expression; "
            "leave --lanes out, or say 1."
        )
    if recipe.lanes > 1 and not job.ranks.alone:
        raise RunError(f"The recipe has lanes={recipe.lanes}, but here processes share each batch; leave --lanes out, or say 1.")
    ways = ways_of(recipe, network, job.ranks)
    if recipe.precision == "auto":
        precision = _precision(network, job, *ways[:2])
        ways = [way for way in ways if way.precision == precision]
    chosen = ways[0]
    if len(ways) > 1:
        took = _measured(network, job, ways)
        chosen = min(ways, key=lambda way: took[way].seconds)
    return replace(recipe, **chosen._asdict())


def _precision(network: nn.Module, job: Job, plain: Way, half: Way) -> str:
    """bf16 where it is clearly the faster. By its work: what other processes take of a processor's time does not change that.

    With the fewest threads: where others hold a processor, oneDNN's bf16 threads wait for one another without a pause, which looks like work.
    """
    took = _measured(network, job, [plain, half])
    on_host = next(network.parameters()).device.type == "cpu"
    of_plain, of_half = (took[way].work if on_host else took[way].seconds for way in (plain, half))
    return half.precision if of_half * MARGIN < of_plain else plain.precision


def ways_of(recipe: Recipe, network: nn.Module, ranks: Ranks) -> list[Way]:
    """Every way that the recipe leaves open, the fewest threads first, each in fp32 and then in bf16."""
    on_host = next(network.parameters()).device.type == "cpu"
    counts = [recipe.threads] if recipe.threads else _thread_counts() if on_host else [torch.get_num_threads()]
    names = [recipe.precision] if recipe.precision != "auto" else ["fp32", "bf16"]
    ways = []
    for threads in counts:
        lanes = [recipe.lanes] if recipe.lanes else sorted({1, threads}) if on_host and splittable(network) and ranks.alone else [1]
        ways += [Way(threads, count, name) for count in lanes for name in names]
    return ways


def _thread_counts() -> list[int]:
    """1, 2, 4, ... up to the processors that this process may use."""
    most = processors()
    return sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)})


def _measured(network: nn.Module, job: Job, ways: list[Way]) -> dict[Way, Cost]:
    """The median cost of a step each way, the ways taken in turn."""
    before = torch.get_num_threads()
    costs: dict[Way, list[Cost]] = {way: [] for way in ways}
    with ExitStack() as stack:
        batch = _first_batch(job)
        steps = {way: _stepper(copy.deepcopy(network), job, batch, way, stack) for way in ways}
        began = time.perf_counter()
        while True:
            for way in ways:
                way.settle()
                steps[way]()  # the first step with another number of threads pays for the change
                started = Cost(time.perf_counter(), time.process_time())
                steps[way]()
                costs[way].append(Cost(time.perf_counter() - started.seconds, time.process_time() - started.work))
            if time.perf_counter() - began > SECONDS or len(costs[ways[0]]) == MOST:
                break
    torch.set_num_threads(before)
    return {way: Cost(*map(statistics.median, zip(*found))) for way, found in costs.items()}


def _first_batch(job: Job) -> Batch:
    """As many pictures as a step takes, to be used again and again; at least one for each process."""
    for batch in job.train.dealt(map(job.own, in_order(len(job.train), max(job.recipe.batch, job.ranks.size))), 0):
        if len(batch):
            return replace(batch, pixels=batch.pictures(), rows=torch.arange(len(batch), device=batch.rows.device))
    raise RunError("None of the training pictures can be read.")


def _stepper(network: nn.Module, job: Job, batch: Batch, way: Way, stack: ExitStack) -> Callable[[], None]:
    """Takes one step of training in that way, again and again on the same pictures."""
    job = replace(job, recipe=replace(job.recipe, **way._asdict()))
    lanes, optimiser = stack.enter_context(Lanes(network, way.lanes)), optimiser_of(network, job.recipe)
    lanes.train()
    part = part_of(job, 0, len(batch))

    def step() -> None:
        optimiser.zero_grad()
        lanes.run(part, batch)
        optimiser.step()
        if batch.labels.device.type == "cuda":
            torch.cuda.synchronize(batch.labels.device)

    return step
