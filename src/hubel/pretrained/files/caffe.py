"""Caffe's caffemodel: the net with the arrays ("blobs") of its layers. Numbers of fields are those of caffe.proto, BVLC/caffe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry
from hubel.pretrained.files import wire

LAYER, V1_LAYER = 100, 2
"""NetParameter's layer, and the older layers, in which a type is a number."""

V1_TYPES = {4: "Convolution", 14: "InnerProduct", 39: "Deconvolution"}
"""V1LayerParameter.LayerType, of those that have arrays. Batch norm came later."""

INNER_PRODUCT_PARAM, TRANSPOSE = 117, 6
BATCH_NORM_PARAM, EPS = 139, 3

MOST_BLOBS = 16
"""Of one layer; those of networks here have three at most."""


def entries(path: Path) -> tuple[Entry, ...]:
    """The layers that have arrays, in the file's order, which is the net's; the arrays are named 0, 1, 2."""
    net = wire.gathered(wire.opened(path), (LAYER, V1_LAYER))
    found = [_layer(message) for message in wire.messages(net[LAYER])] or [_v1_layer(message) for message in wire.messages(net[V1_LAYER])]
    if not any(entry.arrays for entry in found):
        raise ModelError("is a net of Caffe's without a single weight: a caffemodel was expected, not a definition.")
    return tuple(entry for entry in found if entry.arrays)


def looks_so(path: Path) -> bool:
    """Whether the file's fields are those of a net: a name, layers with a name and a type. The format has no mark of its own."""
    try:
        net = wire.gathered(wire.opened(path), (1, LAYER, V1_LAYER))
        named = [wire.gathered(layer, (1, 2)) for layer in wire.messages(net[LAYER][:1])]
        named += [wire.gathered(layer, (4, 5)) for layer in wire.messages(net[V1_LAYER][:1])]
        wire.text(net[1])
    except ModelError:
        return False
    return bool(named) and all(all(fields.values()) for fields in named)


def _layer(message: memoryview) -> Entry:
    layer = wire.gathered(message, (1, 2, 7, INNER_PRODUCT_PARAM, BATCH_NORM_PARAM))
    said: dict[str, Any] = {}
    if (kind := wire.text(layer[2])) == "BatchNorm":
        values = [wire.gathered(param, (EPS,))[EPS] for param in wire.messages(layer[BATCH_NORM_PARAM])]
        said["epsilon"] = next((wire.decimal(value) for value in values if value), 1e-5)
    if kind == "InnerProduct":
        params = wire.messages(layer[INNER_PRODUCT_PARAM])
        said["transposed"] = any(wire.number(wire.gathered(param, (TRANSPOSE,))[TRANSPOSE]) for param in params)
    return Entry(name := wire.text(layer[1]), _blobs(name, layer[7]), kind, said)


def _v1_layer(message: memoryview) -> Entry:
    layer = wire.gathered(message, (4, 5, 6))
    kind = wire.number(layer[5])
    return Entry(name := wire.text(layer[4]), _blobs(name, layer[6]), V1_TYPES.get(kind, f"V1LayerParameter.{kind}"))


def _blobs(name: str, values: Sequence[wire.Value]) -> dict[str, Tensor]:
    if len(values) > MOST_BLOBS:
        raise ModelError(f"is damaged: {name} has {len(values):,} arrays.")
    return {str(index): _blob(blob, f"{name}.{index}") for index, blob in enumerate(wire.messages(values))}


def _blob(message: memoryview, name: str) -> Tensor:
    """A BlobProto: its shape, or the four sides of older files; its data, and not what training left beside it."""
    blob = wire.gathered(message, (1, 2, 3, 4, 5, 7, 8))
    row = wire.array(blob[5], "<f4") if blob[5] or not blob[8] else wire.array(blob[8], "<f8")
    if blob[7]:
        sides = [side for shape in wire.messages(blob[7]) for side in wire.integers(wire.gathered(shape, (1,))[1])]
    else:
        sides = [wire.number(blob[side]) for side in (1, 2, 3, 4)]
    return wire.shaped(row, sides, name)
