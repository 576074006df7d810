"""A run folder: recipe.json, log.jsonl, checkpoints, model.safetensors. The same command goes on where it stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import hubel
from hubel import foreign
from hubel.build import build
from hubel.cluster import ALONE, Ranks, joined
from hubel.joints import Expression, Shape
from hubel.model import Model, load
from hubel.pictures.sources import Source
from hubel.pictures.told import Told
from hubel.training import checkpoint, folder, largest, probe, setup
from hubel.training.loop import Job, records
from hubel.training.recipe import Recipe
from hubel.training.recipes import Preset
from hubel.training.records import Epoch, Finished, Record, Started, Stopped
from hubel.training.state import State
from hubel.training.warm import Taken, warmed

SAVE_EVERY = 60.0
"""Seconds between checkpoints within an epoch; there is one at the end of every epoch too."""


def train(
    net: str | Expression | nn.Module,
    data: str | Path | Source,
    recipe: Recipe | Preset | None = None,
    out: str | Path | None = None,
    input: Shape | None = None,
    strict: bool = False,
    told: Told | None = None,
    warm: str | Path | None = None,
) -> Iterator[Record]:
    """Train a network on a set of pictures; yields Started, then Step and Epoch records, then Finished (or Stopped).

    net: a name of the casebook, an expression or its text; or any torch module from pictures (N, C, H, W) to scores (N, classes), of
    which a copy is trained, from the weights that it has. data: a set's name, folder or Source. recipe: one, or a preset such as
    hubel.training.recipes.PAPER["alexnet"], which says too what becomes of pixels; None: the network's own. out: the run
    folder; where it holds an unfinished run of the same kind, that run goes on. Without it nothing is written. input: (C, H, W), for an
    expression or a module. strict: an unreadable picture is an error. warm: the model file or run folder of a shallower
    network, with whose layers this one begins, as the paper of a VGG has it. Ctrl-C or SIGTERM stops after the step, with everything saved.
    Started by torchrun, several processes train together: each yields the same records, the first writes the folder.
    """
    folder_said = None if out is None else Path(out)
    with ExitStack() as stack:
        ranks = stack.enter_context(joined())
        place = folder_said if ranks.first else None  # the others write nothing
        before = ranks.told(folder.pixels(place) if place else None)
        design, material, asked = setup.prepared(net, data, recipe, input, strict, told, before)
        network = _built(design, asked, ranks)
        if place:
            stack.enter_context(folder.held(place))
        stop = stack.enter_context(_asked_to_stop())
        taken = warmed(network, design, material.source.classes, warm) if warm is not None else None
        chosen = _chosen(place, design, material, asked, network, taken, ranks)
        probe.Way(chosen.threads, chosen.lanes, chosen.precision).settle()
        state = State(network, chosen)
        passed_over = checkpoint.resume(place, state) if place else []
        checkpoint.share(state, ranks)
        if place:
            folder.trim_log(place, state.epoch)
        began_warm = [taken.note] if taken and not (state.epoch or state.step) else []
        yield _started(design, material, chosen, state, [*largest.told(asked, chosen), *began_warm, *ranks.told(passed_over)])
        best = Best(_model(design, material, chosen, state.judged), place)
        saved = time.monotonic()
        for record in records(state, setup.job(material, chosen, state.device, ranks)):
            if isinstance(record, Epoch):
                best.hear(record)
                if place:
                    folder.log(place, asdict(record))
            if place and (isinstance(record, Epoch) or time.monotonic() - saved > SAVE_EVERY):
                checkpoint.save(place, state)
                saved = time.monotonic()
            yield record
            if ranks.any(stop.is_set()) and not state.over(chosen):
                if place:
                    checkpoint.save(place, state)
                yield Stopped(state.epoch + 1, state.step, folder_said)
                return
        yield Finished(best.model(ranks), folder_said and folder_said / folder.MODEL, early=state.epoch < chosen.epochs)


def begun(
    net: str | Expression | nn.Module,
    data: str | Path | Source,
    recipe: Recipe | Preset | None,
    input: Shape | None,
    strict: bool,
    told: Told | None,
) -> tuple[nn.Module, Job]:
    """What `train` would begin with, everything chosen: fresh weights and the job. Nothing is written."""
    design, material, asked = setup.prepared(net, data, recipe, input, strict, told)
    network = _built(design, asked, ALONE)
    device = next(network.parameters()).device
    return network, setup.job(material, _settled(design, network, setup.job(material, asked, device)), device)


def _built(design: setup.Design, recipe: Recipe, ranks: Ranks) -> nn.Module:
    """The network where it is trained: with fresh weights, or those that it came with."""
    network = design.net if isinstance(design.net, nn.Module) else build(design.net, design.input, recipe.initialisation, recipe.seed)
    return network.to(ranks.device)


class Best:
    """The model of the best epoch so far, in the run folder or, where there is none, in memory."""

    def __init__(self, training: Model, place: Path | None) -> None:
        self.training = training
        self.path = place / folder.MODEL if place else None
        self.weights: dict[str, Tensor] = {}

    def hear(self, record: Epoch) -> None:
        """Keep this epoch's weights if it is the best."""
        if not record.best:
            return
        found = {"epoch": record.epoch, "validation_accuracy": record.validation_accuracy, "validation_loss": record.validation_loss}
        self.training.results = found
        if self.path:
            self.training.save(self.path)
        else:
            self.weights = {name: tensor.clone() for name, tensor in self.training.network.state_dict().items()}

    def model(self, ranks: Ranks) -> Model:
        """The best epoch's, ready to predict, in every process."""
        if self.path:
            best = load(self.path, self.training.network if isinstance(self.training.net, str) else None)
            ranks.told((best.network.state_dict(), best.results))
            return best
        weights, self.training.results = ranks.told((self.weights, self.training.results))
        self.training.network.load_state_dict(weights)
        self.training.network.eval()
        return self.training


def _chosen(
    place: Path | None,
    design: setup.Design,
    material: setup.Material,
    asked: Recipe,
    network: nn.Module,
    taken: Taken | None,
    ranks: Ranks,
) -> Recipe:
    """The recipe with everything chosen: as the folder's run began, or measured now, by all together, and written there."""
    said = {
        "hubel": hubel.__version__,
        "torch": torch.__version__,
        "network": design.name,
        "warm": taken.digest if taken else None,
        **(foreign.identity(design.net) if isinstance(design.net, nn.Module) else {"net": repr(design.net)}),
        "input": design.input,
        "data": material.source.name,
        "fingerprint": material.fingerprint,
        "classes": material.source.classes,
        "pixels": material.pixels.to_json(),
        "processes": ranks.size,
    }
    earlier = ranks.told(folder.began(place, said, asked) if place else None)
    if earlier is not None:
        return earlier
    chosen = ranks.told(_settled(design, network, setup.job(material, asked, ranks.device, ranks)))
    if place:
        folder.begin(place, said, asked, chosen)
    return chosen


def _settled(design: setup.Design, network: nn.Module, job: Job) -> Recipe:
    """The job's recipe with everything chosen: first how much is computed at once, then the fastest way to do that."""
    fitting = largest.settled(design.net, design.input, job, probe.ways_of(job.recipe, network, job.ranks))
    return probe.settled(network, replace(job, recipe=fitting))


def _started(design: setup.Design, material: setup.Material, recipe: Recipe, state: State, notes: list[str]) -> Started:
    parameters = sum(weight.numel() for weight in state.network.parameters())
    counts = (len(material.train), len(material.validation))
    return Started(
        recipe,
        *counts,
        material.source.classes,
        material.refused,
        (*material.source.notes, *notes),
        material.lost,
        parameters,
        state.epoch,
        state.step,
        state.over(recipe),
    )


def _model(design: setup.Design, material: setup.Material, recipe: Recipe, network: nn.Module) -> Model:
    data = {
        "name": material.source.name,
        "fingerprint": material.fingerprint,
        "train": len(material.train),
        "validation": len(material.validation),
    }
    net = foreign.name_of(design.net) if isinstance(design.net, nn.Module) else design.net
    return Model(net, design.input, material.source.classes, material.pixels, network, asdict(recipe), data, {})


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one ends the process as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: Any) -> None:
        event.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
