"""What can be seen of a network after an epoch, on a few training pictures, with nothing of it moved."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from hubel.evaluation import precise, predicted
from hubel.pictures.batches import Batch, in_batches
from hubel.training.loop import Job
from hubel.training.losses import loss_of, loss_with_heads
from hubel.training.records import Look

PICTURES = 128
"""Pictures that are looked at: enough that a unit which none of them wakes is hardly ever woken, few beside an epoch."""

TOGETHER, VALUES = 64, 2**18
"""Pictures at once, at most, and no more than a step of training takes, whose memory there is, unless they have no more values than these."""

FEW = 3
"""Stages with weights below which a network is looked at a level deeper: a figure for each half tells nothing by depth."""


def sample(job: Job) -> Batch | None:
    """The pictures that are looked at after every epoch: the first of the first epoch, as they are tested. None: too few can be read."""
    taken = torch.cat(list(islice(job.numbers(0), -(-PICTURES // job.recipe.batch))))[:PICTURES]
    dealt = [
        replace(batch, pixels=batch.pictures().clone(), rows=torch.arange(len(batch), device=batch.rows.device), own=True)
        for batch in copy.copy(job.train).dealt(iter([taken]), None)  # what a copy meets that cannot be read is not yet said to be so
    ]
    return dealt[0] if dealt and len(dealt[0]) > 1 else None


def looked(network: nn.Module, some: Batch, job: Job, scale: float = 1.0) -> Look | None:
    """What is seen of the network on those pictures. scale: what the loss is multiplied by where half precision needs it.

    Weights, statistics, gradients, modes and generators are as before. ReLUs are seen where they are modules (nn.ReLU, nn.ReLU6), as
    build makes them: not where a module calls a function. None where the loss is not finite, or the device has too little memory left.
    """
    weights = {name: weight.detach().requires_grad_(weight.requires_grad) for name, weight in network.named_parameters()}
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    values = _at_their_places(network, {**weights, **statistics})
    together = min(TOGETHER, max(2, job.recipe.batch, VALUES // math.prod(job.pixels.shape)))
    parts = [_of(some, numbers) for numbers in in_batches(torch.arange(len(some)), together)]
    device = some.labels.device
    try:
        with _as_it_was(network, device):
            network.train()
            for module in network.modules():
                if isinstance(module, _DropoutNd):
                    module.eval()
            with _heard(network) as fired:
                loss, right, gradients = _learned(network, values, weights, parts, job, scale)
            evaluated = None
            if _norms(network):
                network.eval()
                evaluated = _right(network, parts, job) / len(some)
    except torch.OutOfMemoryError:
        return None
    if not math.isfinite(loss):
        return None
    names = stages(network)
    return Look(
        len(some),
        _short(loss),
        right / len(some),
        evaluated,
        _silent(fired, names),
        _relative(weights, gradients, names),
        _drift(network, statistics, len(parts), names),
    )


def stages(network: nn.Module) -> list[str]:
    """Paths of the parts that figures are given for, in order: the network's own stages, or what is in them where they are few."""
    found = list(network.named_children())
    while sum(any(True for _ in part.parameters()) for _, part in found) < FEW:
        deeper = [
            (f"{name}.{inner}" if inner else name, link)
            for name, part in found
            for inner, link in (part.named_children() if type(part) is nn.Sequential else [("", part)])
        ]
        if len(deeper) == len(found):
            break
        found = deeper
    return [name for name, _ in found]


def _of(some: Batch, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Some of the pictures, uint8 (B, H, W, C), and their labels."""
    there = numbers.to(some.labels.device)
    return some.pixels[there], some.labels[there]


@contextmanager
def _as_it_was(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Modes and generators are put back."""
    modes = [(module, module.training) for module in network.modules()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            torch.manual_seed(0)
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextmanager
def _heard(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """By path, which units of each ReLU have fired so far: bool (units,)."""
    fired: dict[str, Tensor] = {}

    def hear(path: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(module: nn.Module, given: Any, output: Tensor) -> None:
            now = (output.detach() > 0).transpose(0, 1).flatten(1).any(1)
            fired[path] = fired[path] | now if path in fired else now

        return note

    relus = [(path, module) for path, module in network.named_modules() if isinstance(module, (nn.ReLU, nn.ReLU6))]
    hooks = [module.register_forward_hook(hear(path)) for path, module in relus]
    try:
        yield fired
    finally:
        for hook in hooks:
            hook.remove()


def _at_their_places(network: nn.Module, copies: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors, said by each tensor's first path, by all paths of all of them; but of a module that stands at several, by its first:
    functional_call puts back at each path what it found there, which at the second is the copy already."""
    of = {id(tensor): copies[path] for path, tensor in _tensors(network, recurse=True)}
    return {
        f"{path}.{name}" if path else name: of[id(tensor)]
        for path, module in network.named_modules()
        for name, tensor in _tensors(module, recurse=False)
    }


def _tensors(module: nn.Module, recurse: bool) -> list[tuple[str, Tensor]]:
    """Weights and statistics: each once below a module, or at each of the module's own names."""
    return [*module.named_parameters("", recurse, recurse), *module.named_buffers("", recurse, recurse)]


def _learned(
    network: nn.Module, values: dict[str, Tensor], weights: dict[str, Tensor], parts: list[tuple[Tensor, Tensor]], job: Job, scale: float
) -> tuple[float, int, list[Tensor]]:
    """Forward and backward in training mode: the mean loss, how many are right, and the gradients of the weights that are trained."""
    learned = [weight for weight in weights.values() if weight.requires_grad]
    gradients = [torch.zeros_like(weight) for weight in learned]
    count = sum(len(labels) for _, labels in parts)
    loss, right = 0.0, 0
    for pictures, labels in parts:
        with precise(job.recipe.precision, labels.device):
            outputs = functional_call(network, values, (job.pixels.tensor(pictures),), tie_weights=False)
        scores = outputs[0] if isinstance(outputs, tuple) else outputs
        part = loss_with_heads(network, outputs, labels, loss_of(job.recipe, scores.shape[1], job.class_weights)) * (len(labels) / count)
        for total, own in zip(gradients, torch.autograd.grad(part * scale, learned, allow_unused=True)):
            if own is not None:
                total += own / scale
        loss += float(part.detach())
        right += int((predicted(scores.detach()) == labels).sum())
    return loss, right, gradients


@torch.no_grad()
def _right(network: nn.Module, parts: list[tuple[Tensor, Tensor]], job: Job) -> int:
    """How many of the pictures are recognised in evaluation mode."""
    right = 0
    for pictures, labels in parts:
        with precise(job.recipe.precision, labels.device):
            scores = network(job.pixels.tensor(pictures))
        right += int((predicted(scores) == labels).sum())
    return right


def _norms(network: nn.Module) -> list[tuple[str, _BatchNorm]]:
    """Every batch norm that keeps running statistics, by path."""
    found = [(path, module) for path, module in network.named_modules() if isinstance(module, _BatchNorm)]
    return [(path, module) for path, module in found if module.running_mean is not None]


def _silent(fired: Mapping[str, Tensor], names: list[str]) -> dict[str, float]:
    found = {name: [units.cpu() for path, units in fired.items() if _within(path, name)] for name in names}
    return {name: _short(1 - float(torch.cat(units).double().mean())) for name, units in found.items() if units}


def _relative(weights: Mapping[str, Tensor], gradients: list[Tensor], names: list[str]) -> dict[str, float]:
    """The gradient's norm over the weights', for kernels and matrices: biases and norms begin at zero or one, whatever their gradient."""
    learned = [(path, weight) for path, weight in weights.items() if weight.requires_grad]
    found = {}
    for name in names:
        pairs = [(weight, own) for (path, weight), own in zip(learned, gradients) if _within(path, name) and weight.dim() > 1]
        if pairs:
            size, slope = (math.hypot(*(float(part.detach().norm()) for part in side)) for side in zip(*pairs))
            ratio = slope / size if size else math.inf
            if math.isfinite(ratio):
                found[name] = _short(ratio)
    return found


def _drift(network: nn.Module, moved: Mapping[str, Tensor], times: int, names: list[str]) -> dict[str, float]:
    """How far the pictures' own means are from the running ones, which the look has moved `times` times in a copy."""
    found: dict[str, float] = {}
    for path, norm in _norms(network):
        if norm.momentum and norm.running_mean is not None and norm.running_var is not None:
            own = (moved[f"{path}.running_mean"] - norm.running_mean) / (1 - (1 - norm.momentum) ** times)
            distance = float((own.abs() / (norm.running_var + norm.eps).sqrt()).mean())
            name = next((name for name in names if _within(path, name)), path)
            found[name] = max(found.get(name, 0.0), _short(distance))
    return found


def _within(path: str, stage: str) -> bool:
    return path == stage or path.startswith(f"{stage}.")


def _short(value: float) -> float:
    """Four digits: the log is read by people."""
    return float(f"{value:.4g}")
