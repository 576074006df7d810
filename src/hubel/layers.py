"""The layers: what each gives, learns and costs for a shape that enters. Sizes are one number or a (height, width) pair.

A multiply-add (MAC) is counted for every weight use of convolutions, fully-connected layers and RBF units; biases, pools,
norms and activations count none. Weights and biases are counted apart; fixed values are not counted.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar

from hubel.arguments import CHECKS, Pad, Size, pair, sides
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

    def _maps(self, shape: Shape) -> tuple[int, int, int]:
        if len(shape) != 3:
            raise ShapeError(
                f"{self!r} reads maps (C, H, W), but a vector of {shown(shape)} comes in; put it before Flatten, FC and GlobalAvgPool."
            )
        return shape[0], shape[1], shape[2]


# --- convolutions ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Windowed(Layer):
    """A layer whose units each read a window of the maps."""

    def windows(self) -> tuple[Window, Window]:
        said = vars(self)
        size, stride, dilation = pair(said["size"]), pair(said.get("stride", 1)), pair(said.get("dilation", 1))
        pads = sides(said.get("pad", 0))
        fit = said.get("fit", "exact")
        return (
            Window(size[0], stride[0], *pads[0], dilation[0], fit),
            Window(size[1], stride[1], *pads[1], dilation[1], fit),
        )

    def area(self) -> int:
        """How many places of one map a unit reads."""
        return math.prod(window.size for window in self.windows())

    def maps_out(self, maps: int) -> int:
        return maps

    def output(self, shape: Shape) -> Shape:
        maps, height, width = self._maps(shape)
        axes = ("input", "input") if height == width else ("height", "width")
        down, across = self.windows()
        return self.maps_out(maps), down.outputs(height, axes[0]), across.outputs(width, axes[1])


@dataclass(frozen=True, repr=False)
class _Convolution(_Windowed):
    """A windowed layer with one set of weights a map, shared over all places."""

    def kernels(self, maps: int) -> int:
        """How many (output map, input map) pairs are connected."""
        raise NotImplementedError

    def weights(self, shape: Shape) -> int:
        return self.kernels(self._maps(shape)[0]) * self.area()

    def biases(self, shape: Shape) -> int:
        return self.maps_out(self._maps(shape)[0]) if getattr(self, "bias", True) else 0

    def macs(self, shape: Shape) -> int:
        return self.weights(shape) * math.prod(self.output(shape)[1:])


@dataclass(frozen=True, repr=False)
class Conv(_Convolution):
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
        if self.fit == "ceil":
            raise LayerError('Conv: fit="ceil" is for pools; a convolution has "exact" or "floor".')
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
class Depthwise(_Convolution):
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
class ConnectedConv(_Convolution):
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
class Local(_Windowed):
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
        return math.prod(self.output(shape)) * self._maps(shape)[0] * self.area()

    def biases(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) if self.bias else 0

    def macs(self, shape: Shape) -> int:
        return self.weights(shape)


# --- pools ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Pool(_Windowed):
    """A windowed layer without weights; the stride is the window's size unless said otherwise."""

    size: Size
    stride: Size | None = None
    pad: Pad = 0
    fit: str = "exact"

    def __post_init__(self) -> None:
        if self.stride is None:
            object.__setattr__(self, "stride", self.size)
        super().__post_init__()
        for window in self.windows():
            if 2 * max(window.before, window.after) > window.size:
                raise LayerError(
                    f"{self!r}: a pool's padding is at most half its window: pad={window.size // 2} at most, or a larger window."
                )

    def implied(self, field: Field[Any]) -> Any:
        return self.size if field.name == "stride" else field.default


@dataclass(frozen=True, repr=False)
class MaxPool(_Pool):
    """The largest value of each window: (C, H, W) -> (C, H', W')."""


@dataclass(frozen=True, repr=False)
class AvgPool(_Pool):
    """The mean of each window; padding counts as zeros in it unless `count_pad` is False."""

    count_pad: bool = True


@dataclass(frozen=True, repr=False)
class L2Pool(_Pool):
    """The square root of the sum of squares of each window."""


@dataclass(frozen=True, repr=False)
class Subsample(_Convolution):
    """LeNet's trainable pooling: the sum of each window, times one coefficient a map, plus one bias a map (1998, sec. II.B)."""

    size: Size

    def windows(self) -> tuple[Window, Window]:
        down, across = pair(self.size)
        return Window(down, down), Window(across, across)

    def weights(self, shape: Shape) -> int:
        return self._maps(shape)[0]

    def macs(self, shape: Shape) -> int:
        return 0

    def connections(self, shape: Shape) -> int:
        return math.prod(self.output(shape)) * (self.area() + 1)


@dataclass(frozen=True, repr=False)
class GlobalAvgPool(Layer):
    """The mean of each map: (C, H, W) -> (C,)."""

    def output(self, shape: Shape) -> Shape:
        return (self._maps(shape)[0],)


# --- fully connected ------------------------------------------------------------------------------------------------


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


# --- maps and vectors passed on -------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Identity(Layer):
    """The input itself."""

    view = True


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Maps to one vector, in (C, H, W) order: (C, H, W) -> (C * H * W,)."""

    view = True

    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True, repr=False)
class PadMaps(_Windowed):
    """Every `stride`-th place of each map, and maps of zeros behind them up to `maps` (ResNet 2015, shortcut option A)."""

    maps: int
    stride: Size = 1
    size: ClassVar[int] = 1

    def windows(self) -> tuple[Window, Window]:
        down, across = pair(self.stride)
        return Window(1, down), Window(1, across)

    def maps_out(self, maps: int) -> int:
        if maps > self.maps:
            raise ShapeError(f"{self!r} adds maps of zeros, but {maps} maps come in already; give it {maps} or more.")
        return self.maps


@dataclass(frozen=True, repr=False)
class Scale(Layer):
    """Every value times a fixed factor."""

    factor: float


# --- activations ----------------------------------------------------------------------------------------------------


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


# --- norms and noise ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class LRN(Layer):
    """AlexNet's response normalisation: x / (k + alpha * SUM of x^2 over n neighbouring maps)^beta (2012, sec. 3.3).

    alpha multiplies the sum, as printed; torch and Caffe divide it by n.
    """

    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    def output(self, shape: Shape) -> Shape:
        return self._maps(shape)


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
