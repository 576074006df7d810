"""Who made a file of weights: how its layers are named and laid out, which rows of the casebook they are, and how pictures were read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from hubel.errors import ModelError
from hubel.pictures.pixels import Pixels
from hubel.pretrained.contents import Entry
from hubel.pretrained.units import Unit


@dataclass(frozen=True)
class Trained:
    """How the weights of a row were trained: how pictures are read, and which classes they tell apart."""

    pixels: Pixels
    classes: str = "imagenet"
    """A name that hubel.pretrained.classes.named knows."""


def as_usual(path: Path, row: str, usual: Trained) -> Trained:
    """Nothing lies beside a file that would tell more."""
    return usual


@dataclass(frozen=True)
class Origin:
    """What all files of one library or author have in common."""

    name: str
    formats: tuple[str, ...]
    mark: re.Pattern[str]
    """Of the names of layers: a file with a layer so named, from the first letter to the last, is of this origin."""
    rows: Mapping[str, Trained]
    """The rows of the casebook that are these networks to the last padding; the shapes of others may be the same."""
    units: Callable[[Sequence[Entry]], list[Unit]]
    """The layers as ours have them, in our order. Raises ModelError, without the path, for what cannot be."""
    like: Mapping[str, str] = field(default_factory=dict)
    """Of rows that are not these networks, though they go by that name: the one that is."""
    told: Callable[[Path, str, Trained], Trained] = as_usual
    """How a file's weights of a row were trained, if what lies beside it tells more than `rows`. Raises ModelError, with the path."""

    def made(self, format: str, entries: Iterable[Entry]) -> bool:
        """Whether a file of that format, with those layers, looks like one of these."""
        return format in self.formats and any(self.mark.fullmatch(entry.name) for entry in entries)


ROLES = ("weight", "bias", "running_mean", "running_var")


def torch_units(entries: Iterable[Entry], epsilon: float | None = None) -> list[Unit]:
    """Layers named and laid out as torch's own, whose count of batches is dropped. Raises ModelError where a batch norm is not whole."""
    found = []
    for entry in entries:
        arrays = {role: array for role, array in entry.arrays.items() if role != "num_batches_tracked"}
        missing = next((role for role in ROLES if role not in arrays), None)
        if missing and ("running_mean" in arrays or "running_var" in arrays):
            raise ModelError(f"its batch norm {entry.name} has no {missing}.")
        found.append(Unit(entry.name, arrays, entry.said.get("epsilon", epsilon)))
    return found


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key by which names are sorted with their numbers as numbers, however long: layer2 before layer10."""
    return tuple((len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name))


def flat_inputs(weight: Tensor, maps: int) -> Tensor:
    """(out, in) of a fully-connected layer whose inputs come row, column, channel; with them channel, row, column."""
    places = weight.shape[1] // maps
    return weight.view(len(weight), places, maps).transpose(1, 2).reshape(weight.shape)
