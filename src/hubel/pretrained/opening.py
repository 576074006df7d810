"""From a file of weights to a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hubel.build import build
from hubel.errors import ModelError
from hubel.joints import Chain
from hubel.model import Model
from hubel.nets import NETS, variant
from hubel.pretrained.classes import named
from hubel.pretrained.files import contents
from hubel.pretrained.origins import Origin, Trained, origin_of
from hubel.pretrained.pairing import Norm, learning, paired
from hubel.pretrained.units import Unit
from hubel.rewrite import judged


def of_file(path: Path, row: str, origin: str | None = None, trained: Trained | None = None) -> Model:
    """The network of a row of the casebook with the weights of a file, and the pixel policy that goes with them.

    origin: whose file it is, where it does not look like it; trained: how, where that is known of this very file.
    Raises ModelError, naming the first tensor that differs and the rows that would fit, where the file is not of that row.
    """
    found = contents(path)
    made_by = origin_of(found, origin)
    try:
        units = made_by.units(found.entries)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    count = next((len(unit.arrays["weight"]) for unit in reversed(units) if "weight" in unit.arrays and not unit.norm), 0)
    if row not in made_by.rows:
        raise ModelError(f"{path} is {made_by.name}'s, and {row} is none of its networks. {_remedy(row, made_by, units)}")
    known = trained or made_by.rows[row]
    net, shape = judged(variant(row).net(count)).net, known.pixels.shape
    try:
        tensors = paired(net, shape, units, str(path))
    except ModelError as error:
        raise ModelError(f"{error} {_remedy(row, made_by, units)}") from None
    network = build(net, shape, None)
    network.load_state_dict(tensors)
    data = {"name": f"{known.classes}, by {made_by.name}", "file": path.name, "sha256": found.sha256}
    return Model(net, shape, named(known.classes, count), known.pixels, network.eval(), {}, data, {})


def _remedy(row: str, origin: Origin, units: Sequence[Unit]) -> str:
    fitting = [name for name in fits(origin, units) if name != row]
    if fitting:
        return f"It fits {' or '.join(fitting)}."
    if row in origin.like:
        return f"Of {origin.name}'s, {origin.like[row]} is the nearest to {row}, but this file is not of that either."
    return f"It fits none of the networks known of {origin.name}: {', '.join(origin.rows)}."


def fits(origin: Origin, units: Sequence[Unit]) -> Iterator[str]:
    """The rows of an origin whose layers are those of a file, by number and shape."""
    weights = [unit.arrays["weight"] for unit in units if "weight" in unit.arrays and not unit.norm]
    for name, known in origin.rows.items():
        row = NETS[name]
        net: Chain = judged(row.net(len(weights[-1]) if weights else None)).net
        ours = [module.get_parameter("weight") for module in learning(net, known.pixels.shape).values() if not isinstance(module, Norm)]
        if [weight.flatten(1).shape for weight in ours] == [weight.flatten(1).shape for weight in weights]:
            yield name
