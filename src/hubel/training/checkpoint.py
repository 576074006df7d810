"""A training state in a file, and back to the same bits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel import weights
from hubel.cluster import Ranks
from hubel.errors import ModelError, RunError
from hubel.training.standing import Standing
from hubel.training.state import State

KEPT = 2
"""How many checkpoints stay: the last, and one before it should the last be damaged."""


def save(folder: Path, state: State) -> Path:
    """Write the state, whole or not at all, and remove all but the last few."""
    path = folder / f"checkpoint-{state.epoch:05d}-{state.step:07d}.safetensors"
    weights.write(path, _tensors(state), _says(state))
    for old in _listed(folder)[:-KEPT]:
        old.unlink()
    return path


def resume(folder: Path, state: State) -> list[str]:
    """Bring the state to the newest whole checkpoint of a folder, if there is one.

    Gives a sentence for each damaged checkpoint that was passed over. Raises RunError where all of them are damaged.
    """
    damaged = []
    for path in reversed(_listed(folder)):
        try:
            tensors, says = weights.read(path)
        except ModelError as error:
            damaged.append(str(error))
            continue
        _restore(state, tensors, says)
        return damaged
    if damaged:
        raise RunError(f"No checkpoint in {folder} is whole. {' '.join(damaged)} Start anew in another folder with --out.")
    return []


def share(state: State, ranks: Ranks) -> None:
    """Bring every process's state to where the first's is."""
    if not ranks.alone:
        tensors, says = ranks.told(({name: tensor.cpu() for name, tensor in _tensors(state).items()}, _says(state)))
        if not ranks.first:
            _restore(state, tensors, says)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.safetensors"))


def _says(state: State) -> dict[str, Any]:
    """Everything that moves and is no tensor."""
    return {"epoch": state.epoch, "step": state.step, "trained_seconds": state.trained_seconds, **asdict(state.standing)}


def _tensors(state: State) -> dict[str, Tensor]:
    """Everything that moves, by path: network.PATH, average.PATH, scaling.NAME, optimiser.NUMBER.NAME, sums."""
    named = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.average:
        named |= {f"average.{name}": tensor for name, tensor in state.average.network.state_dict().items()}
    if state.scaling:
        named |= {"scaling.scale": state.scaling.scale, "scaling.steps": state.scaling.steps}
    for number, entries in state.optimiser.state_dict()["state"].items():
        named |= {f"optimiser.{number}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
    return {**named, "sums": state.sums}


def _restore(state: State, tensors: dict[str, Tensor], says: dict[str, Any]) -> None:
    state.network.load_state_dict(_below("network.", tensors))
    if state.average:
        state.average.network.load_state_dict(_below("average.", tensors))
    if state.scaling:
        state.scaling.scale.copy_(tensors["scaling.scale"])
        state.scaling.steps.copy_(tensors["scaling.steps"])
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".", 2)
            entries.setdefault(int(number), {})[key] = tensor
    moved = state.optimiser.state_dict()
    state.optimiser.load_state_dict({"state": entries, "param_groups": moved["param_groups"]})
    _lay_out_as_weights(state.optimiser)
    state.sums[: len(tensors["sums"])] = tensors["sums"]
    state.epoch, state.step, state.trained_seconds = says["epoch"], says["step"], says["trained_seconds"]
    best = tuple(says["best"]) if says["best"] else None
    state.standing = Standing(best, *(says.get(name, 0) for name in ("waited", "drops", "since")))  # earlier checkpoints say the best alone


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _lay_out_as_weights(optimiser: torch.optim.Optimizer) -> None:
    """Give the optimiser's tensors the memory order of their weights, as they had it, so that sums run in the same order."""
    for group in optimiser.param_groups:
        for weight in group["params"]:
            for name, value in optimiser.state[weight].items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    optimiser.state[weight][name] = torch.empty_like(weight).copy_(value)
