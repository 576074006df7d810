"""Layers in which every unit reads everything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.errors import ShapeError
from hubel.joints import Shape, shown
from hubel.layers.layer import Layer


@dataclass(frozen=True, repr=False)
class FC(Layer):
    """A fully-connected layer: everything that comes in, maps in (C, H, W) order -> (outputs,)."""

    outputs: int
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        return (self.outputs,)

    def weights(self, shape: Shape) -> int:
        return math.prod(shape) * self.outputs

    def biases(self, shape: Shape) -> int:
        return self.outputs if self.bias else 0

    def macs(self, shape: Shape) -> int:
        return self.weights(shape)


@dataclass(frozen=True, repr=False)
class RBF(Layer):
    """LeNet's output: unit i gives minus the squared distance of its input from codes[i], '#' being +1 and '.' -1."""

    codes: tuple[str, ...]

    def output(self, shape: Shape) -> Shape:
        if shape != (len(self.codes[0]),):
            raise ShapeError(
                f"RBF compares vectors of {len(self.codes[0])} with its codes, but {shown(shape)} comes in; end with FC({len(self.codes[0])}) before it."
            )
        return (len(self.codes),)

    def macs(self, shape: Shape) -> int:
        return shape[0] * len(self.codes)


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Maps to one vector, in (C, H, W) order: (C, H, W) -> (C * H * W,)."""

    view = True

    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)
