"""The training loop: one visible generator of records. Whoever consumes it prints, plots, saves or stops.

At every record the state is whole: training can be stopped there, saved, and gone on with to the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from hubel import chance
from hubel.chance import Purpose
from hubel.errors import RunError
from hubel.evaluation import precise, predicted, scored
from hubel.modules import head_weights
from hubel.pictures.augment import Augmentation
from hubel.pictures.batches import Batch, Feed, shuffled, steps
from hubel.pictures.pixels import Pixels
from hubel.training.lanes import Lanes, Part
from hubel.training.losses import loss_of
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, LeftOut, Step

CHECK_EVERY = 64
"""Steps between looks at the guard where a look makes the host wait for the device."""


@dataclass(frozen=True)
class Job:
    """Everything that decides how training goes, settled: the recipe's precision and threads are no longer "auto"."""

    recipe: Recipe
    pixels: Pixels
    train: Feed
    validation: Feed

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return steps(len(self.train), self.recipe.batch)

    def numbers(self, epoch: int, start: int = 0) -> Iterator[Tensor]:
        """The numbers of the pictures in each step of an epoch, from step `start` on."""
        return shuffled(len(self.train), self.recipe.batch, self.recipe.seed, epoch, start, self.train.runs)


class State:
    """What moves while training: the weights, the optimiser, the position, and the epoch's sums so far."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.optimiser = optimiser_of(network, recipe)
        self.device = next(network.parameters()).device
        self.epoch = self.step = 0
        self.best: tuple[float, float] | None = None
        """(accuracy, minus loss) on the validation pictures, of the best epoch so far."""
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        """Loss, right answers, and pictures that were left out, of this epoch."""
        self.trained_seconds = 0.0


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused: one pass over the weights a step, skipped whole if `found_inf` says so."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(weights, recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(weights, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov, fused=True)


class Guard:
    """Keeps a step that is not finite from being taken, without asking the device each time.

    Once a loss or gradient is NaN or infinite, the optimiser skips that step and every later one; `look` says which it was.
    """

    def __init__(self, state: State) -> None:
        self.weights = [weight for weight in state.network.parameters() if weight.requires_grad]
        self.stopped = torch.zeros((), device=state.device)
        self.first = torch.full((), -1, device=state.device)
        state.optimiser.found_inf = self.stopped  # type: ignore[attr-defined]

    def watch(self, loss: Tensor, step: int) -> None:
        """Take note of this step's loss and gradients, before the optimiser's step."""
        total = torch.stack([weight.grad.sum() for weight in self.weights if weight.grad is not None]).sum()
        total = loss + total  # a sum with a NaN or an infinity in it is one itself
        if total.device.type == "cpu" and math.isfinite(total.item()):
            return
        bad = total.isfinite().logical_not_()
        self.first.copy_(torch.where(bad & (self.stopped == 0), step, self.first))
        self.stopped.copy_(torch.maximum(self.stopped, bad))

    def look(self) -> int | None:
        """The step that was not finite, if there was one. Waits for the device."""
        return int(self.first) if bool(self.stopped) else None


def records(state: State, job: Job) -> Iterator[Step | LeftOut | Epoch]:
    """Train from where `state` stands to the end of the recipe. Raises RunError before a step that is not finite is taken."""
    recipe = job.recipe
    guard = Guard(state)
    in_turn = 1 if state.device.type == "cpu" else CHECK_EVERY
    said = {refused.name for pictures in (job.train, job.validation) for refused in pictures.refused}
    with Lanes(state.network, recipe.lanes or 1) as lanes:
        while state.epoch < recipe.epochs:
            lanes.train()
            started = time.perf_counter()
            for batch in job.train.dealt(job.numbers(state.epoch, state.step), state.epoch):
                rate = recipe.rate(state.epoch * job.steps + state.step, recipe.epochs * job.steps)
                for group in state.optimiser.param_groups:
                    group["lr"] = rate
                chance.seed_torch(state.device, recipe.seed, state.epoch, state.step, Purpose.DROPOUT)
                state.optimiser.zero_grad()
                if len(batch):
                    sums = lanes.run(part_of(job, state.epoch, len(batch)), batch)
                    guard.watch(sums[0], state.step)
                    state.optimiser.step()
                    state.sums[:2] += sums
                state.step += 1
                state.trained_seconds += time.perf_counter() - started
                if state.step % in_turn == 0 or state.step == job.steps:
                    _refuse_unless_finite(guard, state, job)
                if batch.missing:
                    state.sums[2] += batch.missing
                    yield from _left_out(job.train, said)
                yield Step(state.epoch + 1, state.step, job.steps, len(batch), rate)
                started = time.perf_counter()
            record = _ended(state, job)
            yield from _left_out(job.validation, said)
            yield record


def _left_out(pictures: Feed, said: set[str]) -> Iterator[LeftOut]:
    """A record of the pictures that could not be read and were not yet `said` to be so, if there are any."""
    fresh = tuple({refused.name: refused for refused in pictures.refused if refused.name not in said}.values())
    if fresh:
        said.update(refused.name for refused in fresh)
        yield LeftOut(fresh)


def part_of(job: Job, epoch: int, batch: int) -> Part:
    """How to run some pictures of a batch forward and backward: gives their summed loss and right answers."""
    recipe = job.recipe
    augmentation = augmentation_of(recipe, job.pixels)

    def part(network: nn.Module, some: Batch) -> Tensor:
        dtype = torch.bfloat16 if recipe.precision == "bf16" and begins_with_convolution(network) else torch.float32
        pictures = augmentation.tensor(some, job.pixels, recipe.seed, epoch, dtype)
        labels = some.labels
        with precise(recipe.precision, labels.device):
            outputs = network(pictures)
        scores, *heads = outputs if isinstance(outputs, tuple) else (outputs,)
        loss_function = loss_of(recipe, scores.shape[1])
        loss = loss_function(scores.float(), labels)
        for head, weight in zip(heads, head_weights(network) if heads else []):
            loss = loss + weight * loss_function(head.float(), labels)
        (loss * (len(some) / batch)).backward()  # type: ignore[no-untyped-call]
        right = (predicted(scores.detach()) == labels).sum()
        return torch.stack([loss.detach() * len(some), right])

    return part


def begins_with_convolution(network: nn.Module) -> bool:
    """Whether the first thing that happens to pictures is a convolution, which in bf16 rounds them: they may then come rounded."""
    while isinstance(network, nn.Sequential) and len(network):
        network = network[0]
    return isinstance(network, nn.Conv2d)


def augmentation_of(recipe: Recipe, pixels: Pixels) -> Augmentation:
    """What the recipe says is to happen to the pictures: its fields by those names, and what it took from the pictures."""
    said = {field.name: getattr(recipe, field.name) for field in fields(Augmentation) if field.name != "mean"}
    return Augmentation(**said, mean=pixels.mean)


def _ended(state: State, job: Job) -> Epoch:
    """Validate, and move to the next epoch."""
    rate = job.recipe.rate((state.epoch + 1) * job.steps - 1, job.recipe.epochs * job.steps)
    loss, right, left_out = state.sums.tolist()
    count = max(1, len(job.train) - int(left_out))
    scores, labels = scored(state.network, job.validation, job.pixels, job.recipe.precision)
    accuracy = float((predicted(scores) == labels).double().mean())
    validation_loss = float(loss_of(job.recipe, scores.shape[1])(scores, labels))
    standing = (accuracy, -validation_loss)
    best = state.best is None or standing > state.best
    state.best = standing if best else state.best
    seconds = state.trained_seconds
    state.epoch, state.step, state.trained_seconds = state.epoch + 1, 0, 0.0
    state.sums.zero_()
    return Epoch(
        state.epoch, rate, loss / count, right / count, validation_loss, accuracy, best, seconds, count / max(seconds, 1e-9), int(left_out)
    )


def _refuse_unless_finite(guard: Guard, state: State, job: Job) -> None:
    step = guard.look()
    if step is None:
        return
    everybody = job.train.names
    names = [everybody[i] for i in next(job.numbers(state.epoch, step)).tolist()]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise RunError(
        f"The loss or a gradient was not finite in epoch {state.epoch + 1}, step {step + 1}; the step was not taken. "
        f"Its pictures: {listed}. Try a smaller --lr, or --precision fp32."
    )
