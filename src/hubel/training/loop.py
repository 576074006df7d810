"""The training loop: one visible generator of records. Whoever consumes it prints, plots, saves or stops.

At every record the state is whole: training can be stopped there, saved, and gone on with to the same bits. So it is until a step is taken,
however long that takes to compute: another thread may save it meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hubel import chance
from hubel.chance import Purpose
from hubel.cluster import ALONE, Ranks
from hubel.errors import RunError
from hubel.evaluation import precise, predicted, scored
from hubel.modules import Network
from hubel.pictures.augment import Augmentation
from hubel.pictures.batches import Batch, Feed, Refused, in_batches, shuffled, steps
from hubel.pictures.pixels import Reading
from hubel.training.guard import Guard
from hubel.training.lanes import Lanes, Part
from hubel.training.losses import balanced, loss_of, loss_with_heads, nothing
from hubel.training.meter import Meter
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, LeftOut, Step
from hubel.training.replica import Replica
from hubel.training.scaling import Scaling
from hubel.training.schedules import rate
from hubel.training.state import State

CHECK_EVERY = 64
"""Steps between looks at the guard where a look makes the host wait for the device."""


@dataclass(frozen=True)
class Job:
    """Everything that decides how training goes, settled: the recipe's precision and threads are no longer "auto"."""

    recipe: Recipe
    pixels: Reading
    train: Feed
    validation: Feed
    ranks: Ranks = ALONE
    """The processes that share every batch: order and changes of pictures do not depend on them."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return steps(len(self.train), self.recipe.batch * self.recipe.accumulate)

    def numbers(self, epoch: int, start: int = 0) -> Iterator[Tensor]:
        """The numbers of the pictures in each step of an epoch, from step `start` on: those of one batch, or of several."""
        recipe = self.recipe
        return shuffled(len(self.train), recipe.batch * recipe.accumulate, recipe.seed, epoch, start, self.train.runs)

    def batches(self, epoch: int, start: int) -> Iterator[Iterator[Batch]]:
        """The batches of each step of an epoch, from step `start` on."""
        numbers = (self.own(part) for together in self.numbers(epoch, start) for part in in_batches(together, self.recipe.batch))
        dealt = iter(self.train.dealt(numbers, epoch))
        for step in range(start, self.steps):
            yield islice(dealt, steps(self.pictures(step), self.recipe.batch))
        next(dealt, None)  # there is none: what deals them out can end

    def own(self, numbers: Tensor) -> Tensor:
        """This process's part of a batch: sorted where pictures come in shards, so that each process reads few of them."""
        return self.ranks.part(numbers.sort().values if len(self.train.runs) else numbers)

    def pictures(self, step: int) -> int:
        """How many pictures a step takes where all can be read."""
        full = self.recipe.batch * self.recipe.accumulate
        return full if step < self.steps - 1 else len(self.train) - step * full

    @cached_property
    def class_weights(self) -> Tensor | None:
        """What a picture of each class counts in training, where they do not count alike."""
        return balanced(self.train.labels) if self.recipe.class_weights == "balanced" else None


def records(state: State, job: Job, told: Callable[[int, int], None] | None = None) -> Iterator[Step | LeftOut | Epoch]:
    """Train from where `state` stands to the end of the recipe. Raises RunError before a step that is not finite is taken.

    told: hears how far validation is (done, of how many); what it raises leaves the state as it was before the validation.
    """
    recipe = job.recipe
    guard = Guard(state)
    in_turn = 1 if state.device.type == "cpu" else CHECK_EVERY
    said = {refused.name for pictures in (job.train, job.validation) for refused in _refused(pictures, job.ranks)}
    with (
        Lanes(state.network, recipe.lanes or 1) if job.ranks.alone else Replica(state.network, job.pixels.shape, recipe, job.ranks) as lanes
    ):
        while not state.over(recipe):
            lanes.train()
            meter = Meter(state)
            started = time.perf_counter()
            for batches in job.batches(state.epoch, state.step):
                lr = rate(recipe, state.epoch * job.steps + state.step, recipe.epochs * job.steps, state.standing.drops)
                sums, images = stepped(lanes, guard, state, job, batches, lr)
                if images:
                    state.sums[:2] += sums
                state.trained_seconds += time.perf_counter() - started
                meter.images += images
                waits = state.step % in_turn == 0 or state.step == job.steps
                if waits:
                    refuse_unless_finite(state, job)
                missing = job.pictures(state.step - 1) - images
                if missing:
                    state.sums[2] += missing
                    yield from _left_out(job.train, said, job.ranks)
                yield Step(state.epoch + 1, state.step, job.steps, images, lr, *(meter.read() if waits else (None, None)))
                started = time.perf_counter()
            yield _ended(state, job, told)
            yield from _left_out(job.validation, said, job.ranks)


def _refused(pictures: Feed, ranks: Ranks) -> list[Refused]:
    """Those that any of the processes could not read."""
    return [refused for some in ranks.gathered(list(pictures.refused)) for refused in some]


def _left_out(pictures: Feed, said: set[str], ranks: Ranks) -> Iterator[LeftOut]:
    """A record of the pictures that could not be read and were not yet `said` to be so, if there are any."""
    fresh = tuple({refused.name: refused for refused in _refused(pictures, ranks) if refused.name not in said}.values())
    if fresh:
        said.update(refused.name for refused in fresh)
        yield LeftOut(fresh)


def stepped(lanes: Lanes | Replica, guard: Guard, state: State, job: Job, batches: Iterator[Batch], lr: float) -> tuple[Tensor, int]:
    """Take a step on some batches: their summed loss and right answers, and how many pictures they had."""
    recipe = job.recipe
    for group in state.optimiser.param_groups:
        group["lr"] = lr * group["share"]
    chance.seed_torch(state.device, recipe.seed, state.epoch, state.step, Purpose.DROPOUT, *job.ranks.counts)
    state.optimiser.zero_grad()
    with state.in_step():
        sums, images = _backward(lanes, state, job, batches)
    if images:
        guard.watch(sums[0], state.step)
        if recipe.clip:
            nn.utils.clip_grad_norm_(state.weights, recipe.clip)
        state.optimiser.step()
    state.step += 1
    if state.average:
        state.average.follow(state.epoch * job.steps + state.step)
    return sums, images


def _backward(lanes: Lanes | Replica, state: State, job: Job, batches: Iterator[Batch]) -> tuple[Tensor, int]:
    """Run a step's batches forward and backward: what they sum to, and how many pictures they had, of which the gradients are means."""
    planned, several = job.pictures(state.step), job.recipe.accumulate > 1 or not job.ranks.alone
    sums, images = None, 0
    for batch in batches:
        if len(batch) or not job.ranks.alone:  # those who have none must still meet the others
            part = part_of(job, state.epoch, planned if several else len(batch), state.scaling)
            found = lanes.run(part, batch)
            sums, images = found if sums is None else sums + found, images + len(batch)
    sums = state.sums.new_zeros(2) if sums is None else sums
    images = int(job.ranks.total(torch.tensor(images)))
    sums = job.ranks.total(sums)
    if several and 0 < images < planned:  # some could not be read
        torch._foreach_mul_([weight.grad for weight in state.weights if weight.grad is not None], planned / images)
    return sums, images


def part_of(job: Job, epoch: int, batch: int, scaling: Scaling | None = None) -> Part:
    """How to run some of a step's `batch` pictures forward and backward: gives their summed loss and right answers."""
    recipe = job.recipe
    augmentation = augmentation_of(recipe, job.pixels)

    def part(network: nn.Module, some: Batch) -> Tensor:
        plain = network.module if isinstance(network, DistributedDataParallel) else network
        dtype = torch.bfloat16 if recipe.precision == "bf16" and begins_with_convolution(plain) else torch.float32
        pictures = augmentation.tensor(some, job.pixels, recipe.seed, epoch, dtype)
        labels = some.labels
        with precise(recipe.precision, labels.device):
            outputs = network(pictures)
        scores = outputs[0] if isinstance(outputs, tuple) else outputs
        loss_function = loss_of(recipe, scores.shape[1], job.class_weights) if len(some) else nothing
        loss = loss_with_heads(plain, outputs, labels, loss_function)
        share = loss * (len(some) / batch * job.ranks.size)  # DDP takes the mean over the processes
        (share * scaling.scale if scaling else share).backward()  # type: ignore[no-untyped-call]
        right = (predicted(scores.detach()) == labels).sum()
        return torch.stack([loss.detach() * len(some), right])

    return part


def begins_with_convolution(network: nn.Module) -> bool:
    """Whether the first thing that happens to pictures is a convolution, which in bf16 rounds them: they may then come rounded."""
    while isinstance(network, nn.Sequential) and type(network) in (nn.Sequential, Network) and len(network):
        network = network[0]
    return isinstance(network, nn.Conv2d)


def augmentation_of(recipe: Recipe, pixels: Reading) -> Augmentation:
    """What the recipe says is to happen to the pictures: its fields by those names, and what it took from the pictures."""
    said = {field.name: getattr(recipe, field.name) for field in fields(Augmentation) if field.name != "mean"}
    return Augmentation(**said, mean=pixels.mean)


def _ended(state: State, job: Job, told: Callable[[int, int], None] | None) -> Epoch:
    """Validate, and move to the next epoch."""
    lr = rate(job.recipe, (state.epoch + 1) * job.steps - 1, job.recipe.epochs * job.steps, state.standing.drops)
    loss, right, left_out = state.sums.tolist()
    count = max(1, len(job.train) - int(left_out))
    job.ranks.as_first(state.judged.buffers())  # batch norm's, where each process has its own
    with state.at_rest():
        scores, labels = scored(state.judged, job.validation, job.pixels, job.recipe.precision, told, job.ranks)
    accuracy = float((predicted(scores) == labels).double().mean())
    validation_loss = float(loss_of(job.recipe, scores.shape[1])(scores, labels))
    accuracy, validation_loss = job.ranks.told((accuracy, validation_loss))  # another processor's may differ in the last bit
    state.standing = state.standing.after(accuracy, validation_loss, job.recipe)
    best = state.standing.waited == 0
    seconds = state.trained_seconds
    state.epoch, state.step, state.trained_seconds = state.epoch + 1, 0, 0.0
    state.sums.zero_()
    return Epoch(
        state.epoch, lr, loss / count, right / count, validation_loss, accuracy, best, seconds, count / max(seconds, 1e-9), int(left_out)
    )


def refuse_unless_finite(state: State, job: Job) -> None:
    """Raise RunError where a step was not finite, with its pictures. Waits for the device."""
    if not bool(state.stopped):
        return
    step = int(state.broken)
    everybody = job.train.names
    names = [everybody[i] for i in next(job.numbers(state.epoch, step)).tolist()]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise RunError(
        f"The loss or a gradient was not finite in epoch {state.epoch + 1}, step {step + 1}; the step was not taken. "
        f"Its pictures: {listed}. Try a smaller --lr, or --precision fp32."
    )
