"""A run folder: recipe.json, log.jsonl, checkpoints, model.safetensors. The same command goes on where it stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

import torch

import hubel
from hubel.build import build
from hubel.errors import RunError
from hubel.joints import Expression, Shape
from hubel.model import Model
from hubel.modules import Network
from hubel.pictures.sources import Source
from hubel.pictures.told import Told
from hubel.training import checkpoint, folder, probe, setup
from hubel.training.best import Best
from hubel.training.loop import Job, records
from hubel.training.recipe import Recipe
from hubel.training.recipes import Preset
from hubel.training.records import Epoch, Finished, Record, Started, Stopped
from hubel.training.state import State
from hubel.training.stopping import asked_to_stop

SAVE_EVERY = 60.0
"""Seconds between checkpoints within an epoch; there is one at the end of every epoch too."""


def train(
    net: str | Expression,
    data: str | Path | Source,
    recipe: Recipe | Preset | None = None,
    out: str | Path | None = None,
    input: Shape | None = None,
    strict: bool = False,
    told: Told | None = None,
) -> Iterator[Record]:
    """Train a network on a set of pictures; yields Started, then Step and Epoch records, then Finished (or Stopped).

    net: a name of the casebook, an expression or its text. data: a set's name, folder or Source. recipe: one, or a preset such as
    hubel.training.recipes.PAPER["alexnet"], which says too what becomes of pixels; None: the network's own. out: the run
    folder; where it holds an unfinished run of the same kind, that run goes on. Without it nothing is written. input: (C, H, W), for an
    expression. strict: an unreadable picture is an error. Ctrl-C or SIGTERM stops after the step, with everything saved.
    """
    place = None if out is None else Path(out)
    before = folder.pixels(place) if place else None
    design, material, asked = setup.prepared(net, data, recipe, input, strict, told, before)
    network = _built(design, asked)
    with folder.held(place) if place else nullcontext():
        chosen = _chosen(place, design, material, asked, network)
        probe.Way(chosen.threads, chosen.lanes, chosen.precision).settle()
        state = State(network, chosen)
        best = Best(_model(design, material, chosen, state.judged), place)
        notes = _gone_on(place, state, best) if place else []
        saved = time.monotonic()
        with asked_to_stop(lambda: _save_at_rest(place, state)) as stop:
            with state.at_rest():
                yield _started(design, material, chosen, state, notes)
            with suppress(_Left):
                _leave(stop)
                for record in records(state, setup.job(material, chosen, state.device), lambda done, count: _leave(stop)):
                    if _kept(place, state, best, record, time.monotonic() - saved > SAVE_EVERY):
                        saved = time.monotonic()
                    with state.at_rest():
                        yield record
                    if stop.is_set():
                        break
            if stop.is_set() and not state.over(chosen):
                if place:
                    _save(place, state)
                yield Stopped(state.epoch + 1, state.step, place)
                return
        yield Finished(best.model(), best.path, early=state.epoch < chosen.epochs)


class _Left(Exception):
    """Training was left between two records, because somebody asked to stop."""


def _leave(stop: threading.Event) -> None:
    if stop.is_set():
        raise _Left


def _gone_on(place: Path, state: State, best: Best) -> list[str]:
    """Bring the state to where the folder's run stands, and its files too; what was wrong with them."""
    notes = checkpoint.resume(place, state)
    with folder.writing(place):
        return [*notes, *folder.mend_log(place, state.history), *best.mend(state)]


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
    with folder.writing(place):
        checkpoint.save(place, state)


def _save_at_rest(place: Path | None, state: State) -> None:
    """Save if nothing moves just now; if that fails, it will be said when training stops."""
    if place and state.resting:
        state.resting = False  # another signal may come while this one is answered
        with suppress(RunError):
            _save(place, state)
        state.resting = True


def begun(
    net: str | Expression, data: str | Path | Source, recipe: Recipe | Preset | None, input: Shape | None, strict: bool, told: Told | None
) -> tuple[Network, Job]:
    """What `train` would begin with, everything chosen: fresh weights and the job. Nothing is written."""
    design, material, asked = setup.prepared(net, data, recipe, input, strict, told)
    network = _built(design, asked)
    device = next(network.parameters()).device
    return network, setup.job(material, probe.settled(network, setup.job(material, asked, device)), device)


def _built(design: setup.Design, recipe: Recipe) -> Network:
    """Fresh weights, where they are trained."""
    return build(design.net, design.input, recipe.initialisation, recipe.seed).to("cuda" if torch.cuda.is_available() else "cpu")


def _chosen(place: Path | None, design: setup.Design, material: setup.Material, asked: Recipe, network: Network) -> Recipe:
    """The recipe with everything chosen: as the folder's run began, or measured now and written there."""
    said = {
        "hubel": hubel.__version__,
        "torch": torch.__version__,
        "network": design.name,
        "net": repr(design.net),
        "input": design.input,
        "data": material.source.name,
        "fingerprint": material.fingerprint,
        "classes": material.source.classes,
        "pixels": material.pixels.to_json(),
    }
    earlier = folder.began(place, said, asked) if place else None
    if earlier is not None:
        return earlier
    chosen = probe.settled(network, setup.job(material, asked, next(network.parameters()).device))
    if place:
        with folder.writing(place):
            folder.begin(place, said, asked, chosen)
    return chosen


def _started(design: setup.Design, material: setup.Material, recipe: Recipe, state: State, wrong: list[str]) -> Started:
    notes = (*material.source.notes, *wrong)
    parameters = sum(weight.numel() for weight in state.network.parameters())
    counts = (len(material.train), len(material.validation))
    return Started(
        recipe,
        *counts,
        material.source.classes,
        material.refused,
        notes,
        material.lost,
        parameters,
        state.epoch,
        state.step,
        state.over(recipe),
    )


def _model(design: setup.Design, material: setup.Material, recipe: Recipe, network: Network) -> Model:
    data = {
        "name": material.source.name,
        "fingerprint": material.fingerprint,
        "train": len(material.train),
        "validation": len(material.validation),
    }
    return Model(design.net, design.input, material.source.classes, material.pixels, network, asdict(recipe), data, {})
