"""The words of the notation, and what each means where the text says no more: one table, for reading and for writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hubel.arguments import pair
from hubel.errors import LayerError
from hubel.joints import Expression
from hubel.layers import (
    FC,
    LRN,
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalAvgPool,
    L2Pool,
    Layer,
    Local,
    MaxPool,
    ReLU,
    ReLU6,
    Sigmoid,
    Softmax,
    Tanh,
    Windowed,
)

KEEPS = "keeps the size"
"""The padding dilation * (size - 1) / 2 on every side: at stride 1, as much leaves as enters."""

SIZE = "the size"
"""A pool's stride: its windows lie side by side."""


@dataclass(frozen=True)
class Word:
    """A word of the arrows: its layer, the fields right behind it, and the values of fields that the text does not say."""

    kind: type[Layer]
    leads: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def implied(self, field: str, said: Mapping[str, Any]) -> Any:
        """What a field is where it is not said, beside what is; None where it must be said."""
        default = self.defaults.get(field)
        if default == SIZE:
            return said["size"]
        if default != KEEPS:
            return default
        down, across = (max(0, size - 1) * apart for size, apart in zip(pair(said["size"]), pair(said.get("dilation", 1))))
        if down % 2 or across % 2:
            return None
        return down // 2 if down == across else (down // 2, across // 2)

    def made(self, said: Mapping[str, Any]) -> Layer:
        """The layer of which `said` is said. Raises LayerError where there can be none."""
        values = {**{field: self.implied(field, said) for field in self.defaults}, **said}
        if "pad" in values and values["pad"] is None:
            raise LayerError(
                "No even padding keeps the size under this window: say in arrows which it has, such as p0, or p0+1 for one more behind."
            )
        return self.kind(**values)

    @cached_property
    def signs(self) -> dict[str, tuple[str, Any]]:
        """The rows of SIGNS that can stand behind it."""
        fits = self.kind.fits if issubclass(self.kind, Windowed) else ()
        said_behind = [field for field in self.defaults if field not in self.leads]
        return {sign: says for sign, says in SIGNS.items() if says[0] in said_behind and (says[0] != "fit" or says[1] in fits)}


# fmt: off
WORDS: dict[str, Word] = {
    "CONV": Word(Conv, ("size", "maps"), {"stride": 1, "pad": KEEPS, "groups": 1, "bias": True, "dilation": 1, "fit": "exact"}),
    "DWCONV": Word(Depthwise, ("size",), {"stride": 1, "pad": KEEPS, "multiplier": 1, "bias": True, "fit": "exact"}),
    "LOCAL": Word(Local, ("size", "maps"), {"stride": 1, "pad": KEEPS, "bias": True, "fit": "exact"}),
    "POOL": Word(MaxPool, ("size",), {"stride": SIZE, "pad": 0, "fit": "exact"}),
    "AVGPOOL": Word(AvgPool, ("size",), {"stride": SIZE, "pad": 0, "fit": "exact", "count_pad": True}),
    "L2POOL": Word(L2Pool, ("size",), {"stride": SIZE, "pad": 0, "fit": "exact"}),
    "GAP": Word(GlobalAvgPool),
    "FLATTEN": Word(Flatten),
    "FC": Word(FC, ("outputs",), {"bias": True}),
    "RELU": Word(ReLU),
    "RELU6": Word(ReLU6),
    "TANH": Word(Tanh),
    "SIGMOID": Word(Sigmoid),
    "SOFTMAX": Word(Softmax),
    "LRN": Word(LRN, ("n",), {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75, "groups": 1}),
    "BN": Word(BatchNorm, (), {"eps": 1e-5, "momentum": 0.1}),
    "DROPOUT": Word(Dropout, ("rate",), {"rate": 0.5}),
}

SIGNS: dict[str, tuple[str, Any]] = {
    "/": ("stride", None), "p": ("pad", None), "g": ("groups", None), "d": ("dilation", None), "m": ("multiplier", None),
    "k": ("k", None), "alpha": ("alpha", None), "beta": ("beta", None), "eps": ("eps", None), "momentum": ("momentum", None),
    "nobias": ("bias", False), "floor": ("fit", "floor"), "ceil": ("fit", "ceil"), "inner": ("count_pad", False),
}
"""What says a field: the field, and the value that it has then; None where the value stands behind the sign."""

COLUMNS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "conv": ("CONV", None), "maxpool": ("POOL", {"size": 2}), "LRN": ("LRN", {}), "FC-": ("FC", None),
}
"""A column's name, the word that it stands for, and what the name says of it; None where that stands behind the name."""
# fmt: on


def rectified(layers: list[Expression]) -> list[Expression]:
    """What columns mean: the layers that they show, and a ReLU behind every convolution and every FC but the last."""
    last = max((index for index, layer in enumerate(layers) if isinstance(layer, FC)), default=None)
    groups = ([layer, ReLU()] if isinstance(layer, (Conv, FC)) and index != last else [layer] for index, layer in enumerate(layers))
    return [layer for group in groups for layer in group]
