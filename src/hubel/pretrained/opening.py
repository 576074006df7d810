"""From a file of weights to a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import ModelError, ShapeError
from hubel.joints import Expression, Shape
from hubel.layers import BatchNorm
from hubel.model import Model
from hubel.nets import variant
from hubel.pretrained.classes import named
from hubel.pretrained.files import contents
from hubel.pretrained.origins import Origin, Trained, origin_of
from hubel.pretrained.pairing import Norm, alike, learning, paired
from hubel.pretrained.units import Unit
from hubel.rewrite import fitted, judged

MOST_CLASSES = 10**6
"""More than any set has; a file that has more is taken for damaged before a network of that size is thought of."""


def of_file(path: Path, row: str, origin: str | None = None, trained: Trained | None = None) -> Model:
    """The network of a row of the casebook with the weights of a file, and the pixel policy that goes with them.

    origin: whose file it is, where it does not look like it; trained: how, where that is known of this very file.
    Raises ModelError, naming the first tensor that differs and the rows that would fit, where the file is not of that row.
    """
    variant(row)  # refuses a name that is none before anything is read
    found = contents(path)
    made_by = origin_of(found, origin)
    try:
        units = made_by.units(found.entries)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if row not in made_by.rows:
        raise ModelError(f"{path} is {made_by.name}'s, and {row} is none of its networks. {_remedy(row, made_by, units)}")
    known = trained or made_by.told(path, row, made_by.rows[row])
    shape, count = known.pixels.shape, _classes(units)
    try:
        net = _net(row, shape, count)
        tensors = paired(net, shape, units, str(path))
    except ShapeError as error:
        raise ModelError(f"{path}: {row} cannot read pictures of {shape[1]} x {shape[2]}: {error}") from None
    except ModelError as error:
        raise ModelError(f"{error} {_remedy(row, made_by, units)}".rstrip()) from None
    network = build(net, shape, None)
    network.load_state_dict(tensors)
    classes = named(known.classes, 2 if count == 1 else count)  # one score tells two apart
    of = known.classes if classes == named(known.classes, None) else f"{len(classes)} classes"
    data = {"name": f"{of}, by {made_by.name}", "file": path.name, "sha256": found.sha256}
    return Model(net, shape, classes, known.pixels, network.eval(), {}, data, {})


def _classes(units: Sequence[Unit]) -> int | None:
    """How many classes a file's last layer tells apart; None where that cannot be seen."""
    last = next((unit.arrays["weight"] for unit in reversed(units) if "weight" in unit.arrays and not unit.norm), None)
    return len(last) if last is not None and last.dim() and 0 < len(last) <= MOST_CLASSES else None


def _net(row: str, shape: Shape, classes: int | None) -> Expression:
    """The row for so many classes, as it is used. Windows that do not fit pictures of another size than its own are rounded down."""
    net = judged(variant(row).net(classes)).net
    if shape == variant(row).input:
        return net
    try:
        anatomy(net, shape)
    except ShapeError:
        return fitted(net, "floor")
    return net


@lru_cache
def _weights(row: str, shape: Shape, classes: int | None) -> int:
    """How many weights the row has on paper, which is quick, without those of batch norms."""
    return sum(layer.weights for layer in anatomy(_net(row, shape, classes), shape).rows if not isinstance(layer.part, BatchNorm))


def _remedy(row: str, origin: Origin, units: Sequence[Unit]) -> str:
    fitting, like = list(fits(origin, units)), origin.like.get(row)
    if like in fitting:
        return f"It fits {like}, which is what {origin.name} calls so."
    if row in fitting:
        return ""
    if fitting:
        return f"It fits {' or '.join(fitting)}."
    if like:
        return f"What {origin.name} calls so is {like}, but the file does not fit that either."
    return f"It fits none of the networks known of {origin.name}: {', '.join(origin.rows)}."


def fits(origin: Origin, units: Sequence[Unit]) -> Iterator[str]:
    """The rows of an origin whose layers are those of a file, by number and shape."""
    weights = [unit.arrays["weight"] for unit in units if "weight" in unit.arrays and not unit.norm]
    total, classes = sum(weight.numel() for weight in weights), _classes(units)
    for name, known in origin.rows.items():
        shape = known.pixels.shape
        if _weights(name, shape, classes) != total:
            continue
        layers = learning(_net(name, shape, classes), shape).values()
        ours = [module.get_parameter("weight") for module in layers if not isinstance(module, Norm)]
        if len(ours) == len(weights) and all(map(alike, weights, ours)):
            yield name
