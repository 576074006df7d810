"""A run folder: recipe.json, log.jsonl, checkpoints, model.safetensors. The same command goes on where it stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from torch import nn
from torch.backends import cudnn

from hubel.cluster import Ranks, joined
from hubel.errors import RunError
from hubel.joints import Expression, Shape
from hubel.model import Model
from hubel.pictures.sources import Source
from hubel.pictures.told import Told
from hubel.training import beginning, checkpoint, folder, looking, probe, setup
from hubel.training.best import Best
from hubel.training.book import Book, epochs_of
from hubel.training.loop import Job, records, refuse_unless_finite
from hubel.training.recipe import Recipe
from hubel.training.recipes import Preset
from hubel.training.records import Epoch, Finished, Record, Step, Stopped
from hubel.training.state import State
from hubel.training.stopping import asked_to_stop, nothing
from hubel.training.warm import warmed

SAVE_EVERY = 60.0
"""Seconds between checkpoints within an epoch; there is one at the end of every epoch too."""

LONG = 10.0
"""Seconds of work that nobody who is asked to stop should lose."""

PATIENCE = 0.1
"""Seconds for which one who wants to save waits while the state moves, before it is asked whether training is over."""


def train(
    net: str | Expression | nn.Module | Model,
    data: str | Path | Source,
    recipe: Recipe | Preset | None = None,
    out: str | Path | None = None,
    input: Shape | None = None,
    strict: bool = False,
    told: Told | None = None,
    warm: str | Path | None = None,
    tensorboard: bool = False,
) -> Iterator[Record]:
    """Train a network on a set of pictures; yields Started, then Step and Epoch records, then Finished (or Stopped).

    net: a name of the casebook, an expression or its text; or any torch module from pictures (N, C, H, W) to scores (N, classes), of
    which a copy is trained, from the weights that it has; or a model, which is trained on, its pictures read as it reads them. data: a set's name, folder or Source. recipe: one, or a preset such as
    hubel.training.recipes.PAPER["alexnet"], which says too what becomes of pixels; None: the network's own. out: the run
    folder; where it holds an unfinished run of the same kind, that run goes on. Without it nothing is written. input: (C, H, W), for an
    expression or a module. strict: an unreadable picture is an error. warm: the model file or run folder of a shallower
    network, with whose layers this one begins, as the paper of a VGG has it. tensorboard: write event files into the folder's
    tensorboard/. Ctrl-C or SIGTERM saves at once and stops after the step. Started by torchrun, several processes train
    together: each yields the same records, the first writes the folder.
    """
    if tensorboard and out is None:
        raise RunError("TensorBoard's files lie in the run folder, and there is none: say out=.")
    with ExitStack() as stack:
        ranks = stack.enter_context(joined())
        stack.enter_context(_same_bits_on_a_gpu())
        place = Path(out) if out is not None and ranks.first else None  # the others write nothing
        before = ranks.told(folder.pixels(place) if place else None)
        design, material, asked = setup.prepared(net, data, recipe, input, strict, told, before)
        network = beginning.built(design, asked, ranks)
        if place:
            stack.enter_context(folder.held(place))
        taken = warmed(network, design, material.source.classes, warm) if warm is not None else None
        chosen, notes = beginning.chosen(place, design, material, asked, network, taken, ranks)
        probe.Way(chosen.threads, chosen.lanes, chosen.precision).settle()
        state = State(network, chosen)
        best = Best(beginning.model(design, material, chosen, state.judged), place, ranks)
        notes += ranks.told(_gone_on(place, state, best) if place else [])
        checkpoint.share(state, ranks)
        if taken and not (state.epoch or state.step):
            notes.append(taken.note)
        job = setup.job(material, chosen, state.device, ranks)
        earlier = epochs_of(state.history)
        book = stack.enter_context(Book(place, f"{design.name} on {material.source.name}", earlier, job, state, tensorboard))
        saved = time.monotonic()
        stop = stack.enter_context(asked_to_stop(partial(_save_meanwhile, place, state) if place else nothing))
        with state.at_rest():
            yield beginning.started(material, chosen, state, notes, earlier)
        left = ranks.any(stop.is_set())
        with suppress(_Left):
            for record in () if left else records(state, job, lambda done, count: _leave(stop, ranks)):
                record = book.heard(record)
                if _kept(place, state, best, record, time.monotonic() - saved > SAVE_EVERY or _long_until_the_next(record, state, job)):
                    saved = time.monotonic()
                with state.at_rest():
                    yield record
                left = ranks.any(stop.is_set())
                if left:
                    break
        last: Record
        if (left or stop.is_set()) and not state.over(chosen):
            refuse_unless_finite(state, job)
            if place:
                _save(place, state)
            last = Stopped(state.epoch + 1, state.step, None if out is None else Path(out))
        else:
            last = Finished(best.model(), None if out is None else Path(out) / folder.MODEL, early=state.epoch < chosen.epochs)
        with state.at_rest():
            yield last


class _Left(Exception):
    """Training was left between two records, because somebody asked to stop."""


def _leave(stop: threading.Event, ranks: Ranks) -> None:
    """Leave a validation; several processes end it together, since each waits for the others: its pictures are shared out."""
    if stop.is_set() and ranks.alone:
        raise _Left


@contextmanager
def _same_bits_on_a_gpu() -> Iterator[None]:
    """Let cuDNN take no way whose sums come in another order each time, as long as any run goes on."""
    BEFORE.append((cudnn.deterministic, cudnn.benchmark))
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        before = BEFORE.pop()
        if not BEFORE:
            cudnn.deterministic, cudnn.benchmark = before


BEFORE: list[tuple[bool, bool]] = []
"""What each of the runs that go on has found."""


def _long_until_the_next(record: Record, state: State, job: Job) -> bool:
    """Whether an epoch's last step was taken and what follows, validation and a look, may be long: as training on as many pictures, at most."""
    if not isinstance(record, Step) or record.step < record.steps:
        return False
    return state.trained_seconds * (len(job.validation) + looking.PICTURES) / len(job.train) > LONG


def _gone_on(place: Path, state: State, best: Best) -> list[str]:
    """Bring the state to where the folder's run stands, and its files too; what was wrong with them."""
    damaged = checkpoint.resume(place, state)
    with folder.writing(place):
        mended = [*folder.mend_log(place, state.history), *best.mend(state)]
        return [*checkpoint.put_aside(damaged), *mended]


def _kept(place: Path | None, state: State, best: Best, record: Record, due: bool) -> bool:
    """Keep what is to be kept of a record, in this order: a checkpoint speaks of a model and a log that are there. Whether one was written."""
    if isinstance(record, Epoch):
        state.history.append(asdict(record))
        with folder.writing(place) if place else nullcontext():
            best.hear(record)
            if place:
                folder.log(place, state.history[-1])
    if place and (isinstance(record, Epoch) or due):
        _save(place, state)
        return True
    return False


def _save(place: Path, state: State) -> None:
    if bool(state.stopped):  # nothing has moved since the step that was not finite, and whoever goes on from before it will hear of it
        return
    with folder.writing(place):
        checkpoint.save(place, state)


def _save_meanwhile(place: Path, state: State) -> bool:
    """Save while another thread computes; False where the state moves just now. If it fails, that will be said when training stops."""
    if not state.moving.acquire(timeout=PATIENCE):
        return False
    try:
        with suppress(Exception):
            _save(place, state)
    finally:
        state.moving.release()
    return True
