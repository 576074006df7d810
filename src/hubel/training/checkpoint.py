"""A training state in a file, and back to the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel import weights
from hubel.cluster import Ranks
from hubel.errors import ModelError, RunError
from hubel.training import folder
from hubel.training.standing import Standing
from hubel.training.state import State

KEPT = 2
"""How many checkpoints stay: the last, and one before it should the last be damaged. That of the best epoch stays too."""

MOVING = {torch.optim.SGD: ("momentum_buffer",), torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step")}
"""What an optimiser remembers of each weight, once it has taken a step; `step` is one number."""

POSITION = ("epoch", "step", "trained_seconds", "standing", "history")
"""Everything that moves and is no tensor, by the state's names."""


def save(place: Path, state: State) -> Path:
    """Write the state, whole or not at all, and remove all but the last few."""
    path = of(place, state.epoch, state.step)
    says = {"epoch": state.epoch, "step": state.step, "trained_seconds": state.trained_seconds, **asdict(state.standing)}
    weights.write(path, _tensors(state), {**says, "history": state.history})
    best = of(place, state.best, 0)
    for old in [old for old in _listed(place) if old <= path][:-KEPT]:  # one beyond it could not be read
        if old != best:
            old.unlink()
    return path


def of(place: Path, epoch: int, step: int) -> Path:
    """The checkpoint's file when so many epochs, and so many steps of the next, are over."""
    return place / f"checkpoint-{epoch:05d}-{step:07d}.safetensors"


def resume(place: Path, state: State) -> dict[Path, ModelError]:
    """Bring the state to the newest whole checkpoint of a folder, if there is one.

    Gives those that are no good and were passed over. Raises RunError where all of them are damaged, and where one is whole
    but of another network.
    """
    damaged: dict[Path, ModelError] = {}
    for path in reversed(_listed(place)):
        try:
            tensors, says = weights.read(path)
            position = _position(path, says, place)
        except ModelError as error:
            damaged[path] = error
            continue
        try:
            weights.match(_wanted(state, tensors), tensors, path)
        except ModelError as error:
            raise RunError(f"This checkpoint is of another network: {error} Choose another folder with --out.") from None
        _restore(state, tensors)
        vars(state).update(position)
        return damaged
    if damaged:
        raise RunError(
            f"No checkpoint in {place} is whole. {' '.join(map(str, damaged.values()))} Start anew in another folder with --out."
        )
    return {}


def put_aside(damaged: Mapping[Path, ModelError]) -> list[str]:
    """Give damaged files names that count for nothing, those that cannot be read excepted: perhaps they can be another time. A sentence for each."""
    told = []
    for path, error in damaged.items():
        if isinstance(error.__context__, OSError):
            told.append(str(error))
        else:
            told.append(f"{error} It was put aside as {path.rename(path.with_name(f'damaged-{path.name}')).name}.")
    return told


def share(state: State, ranks: Ranks) -> None:
    """Bring every process's state to where the first's is."""
    if ranks.alone:
        return
    position = {name: getattr(state, name) for name in POSITION}
    tensors, position = ranks.told(({name: tensor.cpu() for name, tensor in _tensors(state).items()}, position))
    if not ranks.first:
        _restore(state, tensors)
        vars(state).update(position)


def judged(path: Path) -> dict[str, Tensor]:
    """The weights that were validated when the checkpoint was written. Raises ModelError where it is damaged."""
    tensors, _ = weights.read(path)
    return _below("average.", tensors) or _below("network.", tensors)


def _listed(place: Path) -> list[Path]:
    return sorted(place.glob("checkpoint-*.safetensors"))


def _tensors(state: State) -> dict[str, Tensor]:
    """Everything that moves, by path: network.PATH, average.PATH, scaling.NAME, optimiser.NUMBER.NAME, sums."""
    named = {f"network.{name}": state.before.get(name, tensor) for name, tensor in state.network.state_dict().items()}
    if state.average:
        named |= {f"average.{name}": tensor for name, tensor in state.average.network.state_dict().items()}
    if state.scaling:
        named |= {"scaling.scale": state.scaling.scale, "scaling.steps": state.scaling.steps}
    for number, entries in state.optimiser.state_dict()["state"].items():
        named |= {f"optimiser.{number}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
    return {**named, "sums": state.sums}


def _wanted(state: State, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a checkpoint of this state has: of the weights that were trained when it was written, what the optimiser remembers too."""
    wanted = {name: tensor for name, tensor in _tensors(state).items() if not name.startswith("optimiser.")}
    wanted["sums"] = state.sums[: len(found["sums"])] if "sums" in found else state.sums  # earlier ones have two
    trained = {name.split(".")[1] for name in found if name.startswith("optimiser.")}
    for number, weight in enumerate(state.weights):
        if str(number) in trained:
            for name in MOVING[type(state.optimiser)]:
                wanted[f"optimiser.{number}.{name}"] = torch.zeros(()) if name == "step" else weight
    return wanted


def _position(path: Path, says: dict[str, Any], place: Path) -> dict[str, Any]:
    """Where the state stood, by the names that it has for that. Raises ModelError where the file does not say it."""
    try:
        epoch, best = int(says["epoch"]), tuple(map(float, says["best"])) if says["best"] else None
        waited, drops, since = (int(says.get(name, 0)) for name in ("waited", "drops", "since"))  # earlier ones say the best alone
        return {
            "epoch": epoch,
            "step": int(says["step"]),
            "trained_seconds": float(says["trained_seconds"]),
            "standing": Standing(best if best is None else (best[0], best[1]), waited, drops, since),
            "history": list(says["history"]) if "history" in says else folder.logged(place, epoch),
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{path} is damaged: it does not say how training stood ({type(error).__name__}: {error}).") from None


def _restore(state: State, tensors: dict[str, Tensor]) -> None:
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


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _lay_out_as_weights(optimiser: torch.optim.Optimizer) -> None:
    """Give the optimiser's tensors the memory order of their weights, as they had it, so that sums run in the same order."""
    for group in optimiser.param_groups:
        for weight in group["params"]:
            for name, value in optimiser.state[weight].items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    optimiser.state[weight][name] = torch.empty_like(weight).copy_(value)
