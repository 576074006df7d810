"""What every layer says of itself, and what those with a window share."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar

from hubel.arguments import CHECKS, pair, sides
from hubel.errors import LayerError, ShapeError
from hubel.joints import Expression, Shape, shown
from hubel.windows import Window


@dataclass(frozen=True, repr=False)
class Layer(Expression):
    """One layer. What it does not say otherwise: the shape passes unchanged, nothing is learned, nothing is multiplied."""

    view: ClassVar[bool] = False
    """Whether the output is the input itself, seen differently: it takes no memory of its own."""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, CHECKS[field.name](getattr(self, field.name), f"{type(self).__name__}: {field.name}"))

    def __repr__(self) -> str:
        said = [(field, getattr(self, field.name)) for field in fields(self)]
        required = [repr(value) for field, value in said if field.default is MISSING]
        chosen = [f"{field.name}={value!r}" for field, value in said if field.default is not MISSING and value != self.implied(field)]
        return f"{type(self).__name__}({', '.join(required + chosen)})"

    def implied(self, field: Field[Any]) -> Any:
        """The value that a field has where the text does not say it."""
        return field.default

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape) -> int:
        return 0

    def biases(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-adds for one picture."""
        return 0

    def connections(self, shape: Shape) -> int:
        """Connections in LeCun's sense (1998): every use of a weight, and of a bias, by every unit."""
        return self.macs(shape) + (math.prod(self.output(shape)) if self.biases(shape) else 0)

    def windows(self) -> tuple[Window, Window] | None:
        """The window on each axis, height first; None where the layer works point by point, or reads everything."""
        return None

    def maps_in(self, shape: Shape) -> tuple[int, int, int]:
        if len(shape) != 3:
            raise ShapeError(
                f"{self!r} reads maps (C, H, W), but a vector of {shown(shape)} comes in; put it before Flatten, FC and GlobalAvgPool."
            )
        return shape[0], shape[1], shape[2]


@dataclass(frozen=True, repr=False)
class Windowed(Layer):
    """A layer whose units each read a window of the maps."""

    fits: ClassVar[tuple[str, ...]] = ("exact", "floor")

    def __post_init__(self) -> None:
        super().__post_init__()
        fit = vars(self).get("fit", "exact")
        if fit not in self.fits:
            raise LayerError(f"{type(self).__name__}: fit={fit!r} is for pools; a convolution has {' or '.join(map(repr, self.fits))}.")

    def windows(self) -> tuple[Window, Window]:
        said = vars(self)
        size, stride, dilation = pair(said["size"]), pair(said.get("stride", 1)), pair(said.get("dilation", 1))
        pads = sides(said.get("pad", 0))
        fit = said.get("fit", "exact")
        free = tuple(name for name in ("pad", "stride", "fit") if name in said)
        return (
            Window(size[0], stride[0], *pads[0], dilation[0], fit, free),
            Window(size[1], stride[1], *pads[1], dilation[1], fit, free),
        )

    def area(self) -> int:
        """How many places of one map a unit reads."""
        return math.prod(pair(vars(self)["size"]))

    def maps_out(self, maps: int) -> int:
        return maps

    def output(self, shape: Shape) -> Shape:
        maps, height, width = self.maps_in(shape)
        axes = ("input", "input") if height == width else ("height", "width")
        down, across = self.windows()
        return self.maps_out(maps), down.outputs(height, axes[0]), across.outputs(width, axes[1])
