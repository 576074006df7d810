"""What a run begins with: the network where it is trained, its recipe with everything chosen, and what there is to say of it."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

import hubel
from hubel import foreign, weights
from hubel.build import build
from hubel.cluster import ALONE, Ranks
from hubel.errors import RunError
from hubel.joints import Expression, Shape
from hubel.model import Model
from hubel.pictures.sources import Source
from hubel.pictures.told import Told
from hubel.training import folder, largest, probe, setup
from hubel.training.freezing import freeze
from hubel.training.loop import Job
from hubel.training.recipe import Recipe
from hubel.training.recipes import Preset
from hubel.training.records import Epoch, Started
from hubel.training.state import State
from hubel.training.warm import Taken


def begun(
    net: str | Expression | nn.Module | Model,
    data: str | Path | Source,
    recipe: Recipe | Preset | None,
    input: Shape | None,
    strict: bool,
    told: Told | None,
) -> tuple[nn.Module, Job]:
    """What `train` would begin with, everything chosen: fresh weights and the job. Nothing is written."""
    design, material, asked = setup.prepared(net, data, recipe, input, strict, told)
    network = built(design, asked, ALONE)
    device = next(network.parameters()).device
    return network, setup.job(material, _settled(design, network, setup.job(material, asked, device)), device)


def built(design: setup.Design, recipe: Recipe, ranks: Ranks) -> nn.Module:
    """The network where it is trained: with fresh weights, or those that it came with, and what is to stay as it is frozen."""
    if design.begins:
        network = copy.deepcopy(design.begins.network)
    else:
        network = design.net if isinstance(design.net, nn.Module) else build(design.net, design.input, recipe.initialisation, recipe.seed)
    if next(network.parameters(), None) is None:
        raise RunError("The network has no weights, so there is nothing to train; it needs a Conv or an FC.")
    freeze(network, recipe)
    return network.to(ranks.device)


def chosen(
    place: Path | None,
    design: setup.Design,
    material: setup.Material,
    asked: Recipe,
    network: nn.Module,
    taken: Taken | None,
    ranks: Ranks,
) -> tuple[Recipe, list[str]]:
    """The recipe with everything chosen: as the folder's run began, or measured now, by all together, and written there.

    With it, a sentence for what has changed since and is no reason not to go on.
    """
    said = {
        "hubel": hubel.__version__,
        "torch": torch.__version__,
        "network": design.name,
        "warm": taken.digest if taken else None,
        **(foreign.identity(design.net) if isinstance(design.net, nn.Module) else {"net": repr(design.net)}),
        **({"weights": weights.digest(design.begins.network.state_dict())} if design.begins else {}),
        "input": design.input,
        "data": material.source.name,
        "fingerprint": material.fingerprint,
        "classes": material.source.classes,
        "pixels": material.pixels.to_json(),
        "processes": ranks.size,
    }
    earlier, notes = ranks.told(folder.began(place, said, asked) if place else (None, []))
    if earlier is not None:
        return earlier, notes
    recipe = ranks.told(_settled(design, network, setup.job(material, asked, ranks.device, ranks)))
    if place:
        with folder.writing(place):
            folder.begin(place, said, asked, recipe)
    return recipe, list(largest.told(asked, recipe))


def _settled(design: setup.Design, network: nn.Module, job: Job) -> Recipe:
    """The job's recipe with everything chosen: first how much is computed at once, then the fastest way to do that."""
    fitting = largest.settled(design.net, design.input, job, probe.ways_of(job.recipe, network, job.ranks))
    return probe.settled(network, replace(job, recipe=fitting))


def started(material: setup.Material, recipe: Recipe, state: State, notes: list[str], earlier: tuple[Epoch, ...]) -> Started:
    """What there is to say before the first step. earlier: the epochs that are over."""
    return Started(
        recipe,
        len(material.train),
        len(material.validation),
        material.source.classes,
        material.refused,
        (*material.source.notes, *notes),
        material.lost,
        sum(weight.numel() for weight in state.network.parameters()),
        state.epoch,
        state.step,
        state.over(recipe),
        earlier,
    )


def model(design: setup.Design, material: setup.Material, recipe: Recipe, network: nn.Module) -> Model:
    """The model as it is trained."""
    data = {
        "name": material.source.name,
        "fingerprint": material.fingerprint,
        "train": len(material.train),
        "validation": len(material.validation),
    }
    net = foreign.name_of(design.net) if isinstance(design.net, nn.Module) else design.net
    return Model(net, design.input, material.source.classes, material.pixels, network, asdict(recipe), data, {})
