"""Layers that multiply a window by weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.arguments import Pad, Size, pair
from hubel.errors import LayerError, ShapeError
from hubel.joints import Shape
from hubel.layers.layer import Windowed
from hubel.windows import Window


@dataclass(frozen=True, repr=False)
class Convolution(Windowed):
    """A windowed layer with one set of weights a map, shared over all places."""

    def kernels(self, maps: int) -> int:
        """How many (output map, input map) pairs are connected."""
        raise NotImplementedError

    def weights(self, shape: Shape) -> int:
        return self.kernels(self.maps_in(shape)[0]) * self.area()

    def biases(self, shape: Shape) -> int:
        return self.maps_out(self.maps_in(shape)[0]) if getattr(self, "bias", True) else 0

    def macs(self, shape: Shape) -> int:
        return self.weights(shape) * math.prod(self.output(shape)[1:])


@dataclass(frozen=True, repr=False)
class Conv(Convolution):
    """A convolution to `maps` maps: (C, H, W) -> (maps, H', W'). With groups, each group of maps reads its own share of the input."""

    maps: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    groups: int = 1
    bias: bool = True
    dilation: Size = 1
    fit: str = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.maps % self.groups:
            raise LayerError(f"Conv: {self.maps} maps cannot be split into {self.groups} groups; make maps a multiple of groups.")

    def maps_out(self, maps: int) -> int:
        if maps % self.groups:
            raise ShapeError(
                f"{self!r} splits its input into {self.groups} groups, but {maps} maps come in; that must be a multiple of {self.groups}."
            )
        return self.maps

    def kernels(self, maps: int) -> int:
        return self.maps * maps // self.groups


@dataclass(frozen=True, repr=False)
class Depthwise(Convolution):
    """A convolution of each map alone, giving `multiplier` maps of it: (C, H, W) -> (C * multiplier, H', W')."""

    size: Size
    stride: Size = 1
    pad: Pad = 0
    multiplier: int = 1
    bias: bool = True
    fit: str = "exact"

    def maps_out(self, maps: int) -> int:
        return maps * self.multiplier

    def kernels(self, maps: int) -> int:
        return maps * self.multiplier


@dataclass(frozen=True, repr=False)
class ConnectedConv(Convolution):
    """A convolution whose map i reads only the input maps listed in inputs[i] (LeNet-5's table I)."""

    inputs: tuple[tuple[int, ...], ...]
    size: Size
    stride: Size = 1
    pad: Pad = 0
    bias: bool = True
    fit: str = "exact"

    def maps_out(self, maps: int) -> int:
        highest = max(map(max, self.inputs))
        if highest >= maps:
            raise ShapeError(f"ConnectedConv reads input map {highest}, but only {maps} maps come in (0 to {maps - 1}).")
        return len(self.inputs)

    def kernels(self, maps: int) -> int:
        return sum(map(len, self.inputs))


@dataclass(frozen=True, repr=False)
class Local(Windowed):
    """A convolution without weight sharing: every place has weights and biases of its own."""

    maps: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    bias: bool = True
    fit: str = "exact"

    def maps_out(self, maps: int) -> int:
        return self.maps

    def weights(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) * self.maps_in(shape)[0] * self.area()

    def biases(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) if self.bias else 0

    def macs(self, shape: Shape) -> int:
        return self.weights(shape)


@dataclass(frozen=True, repr=False)
class Subsample(Convolution):
    """LeNet's trainable pooling: the sum of each window, times one coefficient a map, plus one bias a map (1998, sec. II.B)."""

    size: Size

    def windows(self) -> tuple[Window, Window]:
        down, across = pair(self.size)
        return Window(down, down, free=()), Window(across, across, free=())

    def weights(self, shape: Shape) -> int:
        return self.maps_in(shape)[0]

    def macs(self, shape: Shape) -> int:
        return 0

    def connections(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) * (self.area() + 1)
