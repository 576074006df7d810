"""Layers that keep the shape: activations, norms, noise."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.errors import LayerError, ShapeError
from hubel.joints import Shape
from hubel.layers.layer import Layer


@dataclass(frozen=True, repr=False)
class Identity(Layer):
    """The input itself."""

    view = True


@dataclass(frozen=True, repr=False)
class Scale(Layer):
    """Every value times a fixed factor."""

    factor: float


@dataclass(frozen=True, repr=False)
class ReLU(Layer):
    """max(0, x)."""


@dataclass(frozen=True, repr=False)
class ReLU6(Layer):
    """min(6, max(0, x)) (MobileNet)."""


@dataclass(frozen=True, repr=False)
class Tanh(Layer):
    """tanh(x)."""


@dataclass(frozen=True, repr=False)
class Sigmoid(Layer):
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, repr=False)
class ScaledTanh(Layer):
    """LeNet's squashing function, 1.7159 tanh(2/3 x) (1998, eq. 6 and appendix A)."""


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """exp(x) over its sum, over the maps or the vector."""


@dataclass(frozen=True, repr=False)
class LRN(Layer):
    """AlexNet's response normalisation: x / (k + alpha * SUM of x^2 over n neighbouring maps)^beta (2012, sec. 3.3).

    alpha multiplies the sum, as printed; torch and Caffe divide it by n. n is odd: as many maps on either side. With groups,
    no map of one group is a neighbour of another's.
    """

    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n % 2 == 0:
            raise LayerError(f"LRN: n is {self.n}; it must be odd, so that as many neighbours stand on either side of a map.")

    def output(self, shape: Shape) -> Shape:
        maps, _, _ = shape = self.maps_in(shape)
        if maps % self.groups:
            raise ShapeError(f"{self!r} has {self.groups} groups, but {maps} maps come in; that must be a multiple of {self.groups}.")
        return shape


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Each map to mean 0 and variance 1 over the batch, then a learned scale and shift (Ioffe, Szegedy 2015).

    `momentum` is the weight of the newest batch in the running statistics.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    def weights(self, shape: Shape) -> int:
        return shape[0]

    def biases(self, shape: Shape) -> int:
        return shape[0]


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """In training, each value is zeroed with probability `rate` and the others divided by 1 - rate."""

    rate: float = 0.5
