"""A warm start: layers that begin with those of a shallower network which is trained already (Simonyan, Zisserman 2014, sec. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from hubel import weights
from hubel.errors import RunError
from hubel.joints import shown
from hubel.model import load
from hubel.training.recipes import PAPER, Shallower
from hubel.training.setup import Design


@dataclass(frozen=True)
class Taken:
    """What a network began with: the digest of those tensors, and a sentence."""

    digest: str
    note: str


def warmed(network: nn.Module, design: Design, classes: tuple[str, ...], source: str | Path) -> Taken:
    """Put the layers that the design's recipe names into the network, from a model file or run folder; the others stay as they are.

    Raises RunError, with the tensor, where they do not fit, and ModelError where the file is damaged or of other classes.
    """
    shallower, model = _known(design), load(source)
    tensors = _fitting(network, model.network.state_dict(), design, shallower, source)
    model.refuse_other_classes(classes, "the set to train on")
    network.load_state_dict(tensors, strict=False)
    return Taken(
        weights.digest(tensors), f"{', '.join(shallower.layers)} begin as they are in {source}; the other layers begin with fresh weights."
    )


def _known(design: Design) -> Shallower:
    published = PAPER[design.name].warm if design.name in PAPER else None
    found = design.preset.warm or published
    if found is None:
        names = ", ".join(name for name, chosen in PAPER.items() if chosen.warm)
        raise RunError(f"No warm start is known for {design.name}; there is one for: {names}. Leave --warm-from out.")
    return found


def _fitting(network: nn.Module, tensors: dict[str, Tensor], design: Design, shallower: Shallower, source: str | Path) -> dict[str, Tensor]:
    """The tensors of the named layers, once it is seen that they are the network's too."""
    wanted = network.state_dict()
    fits = f"A {shallower.net} for pictures of {shown(design.input)} and their classes fits: train it on them first."
    found = {}
    for layer in shallower.layers:
        names = sorted(name for name in wanted.keys() | tensors.keys() if name.startswith(f"{layer}."))
        if not names:
            raise RunError(f"Neither {source} nor {design.name} has a layer {layer}. {fits}")
        for name in names:
            if name not in tensors or name not in wanted:
                raise RunError(f"The tensor {name!r} is not in {source if name in wanted else design.name}. {fits}")
            if tensors[name].shape != wanted[name].shape:
                raise RunError(
                    f"The tensor {name!r} is {tuple(tensors[name].shape)} in {source}; {design.name} has {tuple(wanted[name].shape)}. {fits}"
                )
            found[name] = tensors[name]
    return found
