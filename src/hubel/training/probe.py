"""The number of threads and the precision with which this machine takes a step fastest, found by taking some."""

from __future__ import annotations

import copy
import os
import statistics
import time
from dataclasses import replace

import torch
from torch import nn

from hubel.evaluation import precise
from hubel.training.loop import Job, optimiser_of
from hubel.training.losses import loss_of
from hubel.training.recipe import Recipe

SECONDS = 3.0
"""What the probe may take; a single step of a large network may take longer."""

MARGIN = 1.15
"""How much faster bf16 must be to be chosen."""


def settled(network: nn.Module, job: Job) -> Recipe:
    """The recipe with `threads` and `precision` chosen where it leaves them open."""
    recipe = job.recipe
    device = next(network.parameters()).device
    counts = [recipe.threads] if recipe.threads else _thread_counts()
    names = [recipe.precision] if recipe.precision != "auto" else ["fp32", "bf16"]
    if device.type != "cpu":
        counts = [recipe.threads or torch.get_num_threads()]
    ways = [(threads, name) for threads in counts for name in names]
    if len(ways) == 1:
        return replace(recipe, threads=ways[0][0], precision=ways[0][1])
    took = _measured(network, job, ways)
    fastest = {name: min((way for way in ways if way[1] == name), key=took.__getitem__) for name in names}
    chosen = fastest[names[0]]
    if len(names) == 2 and took[fastest["bf16"]] * MARGIN < took[chosen]:
        chosen = fastest["bf16"]
    return replace(recipe, threads=chosen[0], precision=chosen[1])


def _thread_counts() -> list[int]:
    """1, 2, 4, ... up to the processors that this process may use."""
    most = len(os.sched_getaffinity(0))
    return sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)})


def _measured(network: nn.Module, job: Job, ways: list[tuple[int, str]]) -> dict[tuple[int, str], float]:
    """The median seconds of a step each way, the ways taken in turn."""
    trial = copy.deepcopy(network).train()
    device = next(trial.parameters()).device
    optimiser = optimiser_of(trial, job.recipe)
    some = job.train.pixels[: job.recipe.batch]
    pictures, labels = job.pixels.tensor(some), job.train.labels[: job.recipe.batch]

    def step(name: str) -> None:
        with precise(name, device):
            outputs = trial(pictures)
        scores = outputs[0] if isinstance(outputs, tuple) else outputs
        optimiser.zero_grad()
        loss_of(job.recipe, scores.shape[1])(scores.float(), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    before = torch.get_num_threads()
    times: dict[tuple[int, str], list[float]] = {way: [] for way in ways}
    began = time.perf_counter()
    while True:
        for threads, name in ways:
            torch.set_num_threads(threads)
            step(name)  # the first step with another number of threads pays for the change
            started = time.perf_counter()
            step(name)
            times[threads, name].append(time.perf_counter() - started)
        if time.perf_counter() - began > SECONDS or len(times[ways[0]]) == 20:
            break
    torch.set_num_threads(before)
    return {way: statistics.median(seconds) for way, seconds in times.items()}
