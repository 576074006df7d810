"""What a layer is called in a figure, and to which kind it belongs."""

from __future__ import annotations

import re

from hubel import layers as L
from hubel.arguments import pair
from hubel.joints import Shape, shown

KINDS: dict[str, tuple[type[L.Layer], ...]] = {
    "convolution": (L.Conv, L.Depthwise, L.ConnectedConv, L.Local),
    "fully connected": (L.FC, L.RBF),
    "pool": (L.MaxPool, L.AvgPool, L.L2Pool, L.Subsample, L.AdaptiveAvgPool, L.GlobalAvgPool),
    "normalisation": (L.LRN, L.BatchNorm),
    "activation": (L.ReLU, L.ReLU6, L.Tanh, L.Sigmoid, L.ScaledTanh, L.Softmax),
}

NAMES: dict[type[L.Layer], str] = {
    L.ConnectedConv: "partial conv",
    L.Depthwise: "depthwise conv",
    L.Local: "unshared conv",
    L.AvgPool: "average pool",
    L.AdaptiveAvgPool: "average pool to",
    L.GlobalAvgPool: "global average",
    L.BatchNorm: "BN",
    L.PadMaps: "zero maps to",
}
"""Where it is not the layer's own name, taken apart into words."""


def kind(layer: L.Layer) -> str:
    """A name in KINDS, or "other"."""
    return next((name for name, layers in KINDS.items() if isinstance(layer, layers)), "other")


def is_strip(layer: L.Layer) -> bool:
    """Whether the layer only changes values, so that it is drawn as a strip along its neighbour."""
    return kind(layer) in ("normalisation", "activation", "other") and layer.windows() is None


def label(layer: L.Layer) -> str:
    """The layer as papers write it: "conv 3x3, 64, /2" for 64 maps at stride 2."""
    said = vars(layer)
    size = shown(pair(said["size"])) if "size" in said else ""
    numbers = [f"{said[field]:g}" for field in ("n", "factor", "rate") if field in said]
    units = [str(_count(said[field])) for field in ("maps", "inputs", "outputs", "codes") if field in said]
    name = " ".join([NAMES.get(type(layer)) or _words(type(layer).__name__), *filter(None, [size]), *numbers, *([] if size else units)])
    stride, dilation = pair(said.get("stride", 1)), pair(said.get("dilation", 1))
    more = [
        *(units if size else []),
        *([f"/{_side(stride)}"] if stride != (1, 1) else []),
        *([f"{said['groups']} groups"] if said.get("groups", 1) > 1 else []),
        *([f"{said['multiplier']} of each"] if said.get("multiplier", 1) > 1 else []),
        *([f"dilation {_side(dilation)}"] if dilation != (1, 1) else []),
    ]
    return ", ".join([name, *more])


def ranged(shapes: list[Shape]) -> str:
    """A shape, or what lies between the first and the last of several: 64…224x56x56."""
    first, last = shapes[0], shapes[-1]
    if len(first) != len(last):
        return f"{shown(first)}…{shown(last)}"
    return "x".join(str(one) if one == other else f"{one}…{other}" for one, other in zip(first, last))


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _count(value: int | tuple[object, ...]) -> int:
    return len(value) if isinstance(value, tuple) else value


def _side(sides: tuple[int, int]) -> str:
    return str(sides[0]) if sides[0] == sides[1] else shown(sides)


def _words(name: str) -> str:
    """ScaledTanh as "scaled tanh"; FC, RBF and ReLU as they are."""
    return name if re.fullmatch(r"[A-Z]+|ReLU\d*", name) else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
