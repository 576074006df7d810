"""Convolution and pooling as matrix products, forward and backward, in NumPy: to be read, and to hold faster ones against.

A unit of a convolution multiplies a window of its input by its filter and adds up: an inner product of two vectors. Write every
window as a column and every filter as a row, and one matrix product gives all units of all maps at once. That is im2col, the way
in which convolutions came to run at the speed of matrix products (Chellapilla, Puri, Simard 2006; Caffe). Its price is memory:
a pixel is written once for each window that reads it. AlexNet's conv1 has 363 x 3025 columns, seven times the picture's numbers.

Arrays are (N, C, H, W): pictures, maps, height, width. Sizes are one number or a (height, width) pair, padding may also be
((top, bottom), (left, right)), as in the layers; what a layer refuses is refused here too. The dtype that enters leaves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hubel.arguments import CHECKS, Pad, Size, pair, sides
from hubel.errors import ShapeError
from hubel.joints import Shape
from hubel.layers import AvgPool, MaxPool
from hubel.windows import Window

Array = NDArray[Any]


# --- windows to columns, and back -------------------------------------------------------------------------------------


def columns(x: Array, size: Size, stride: Size = 1, pad: Pad = 0, dilation: Size = 1, fill: float = 0.0) -> Array:
    """Every window of x as a column (im2col): (N, C, H, W) -> (N, C * height * width, H' * W').

    A column is one place of the window, from left to right and then down. A row is one tap of it: what that tap reads at all places.
    `fill` stands in the padding. A window of 2x2 on a map of 3x3:

        1 2 3        1 2 4 5
        4 5 6   ->   2 3 5 6
        7 8 9        4 5 7 8
                     5 6 8 9
    """
    _check_maps(x, "x")
    down, across = windows = _windows(size, stride, pad, dilation)
    height, width = _outputs(x.shape, windows)
    padded = np.pad(x, ((0, 0), (0, 0), (down.before, down.after), (across.before, across.after)), constant_values=fill)
    taps = padded[:, :, _reads(down, height)[:, None, :, None], _reads(across, width)[None, :, None, :]]
    return taps.reshape(len(x), x.shape[1] * down.size * across.size, height * width)


def summed(columns: Array, shape: Shape, size: Size, stride: Size = 1, pad: Pad = 0, dilation: Size = 1) -> Array:
    """Columns put back where they were read, as maps of `shape`, (N, C, H, W) (col2im): where windows overlap, their values add.

    So it is not the inverse of `columns` but its transpose: a pixel that went into several windows gets something back from each of
    them, and that is what a gradient does. What lands in the padding is dropped.
    """
    down, across = windows = _windows(size, stride, pad, dilation)
    height, width = _outputs(shape, windows)
    _check_shape(columns, (shape[0], shape[1] * down.size * across.size, height * width), "columns")
    taps = columns.reshape(*shape[:2], down.size, across.size, height, width)
    padded = np.zeros((*shape[:2], _padded(down, shape[2]), _padded(across, shape[3])), columns.dtype)
    rows, places = _reads(down, height), _reads(across, width)
    for i, j in np.ndindex(down.size, across.size):  # one tap never reads a pixel twice, so that += misses nothing
        padded[:, :, rows[i][:, None], places[j]] += taps[:, :, i, j]
    return _inside(padded, shape, windows)


# --- convolution ------------------------------------------------------------------------------------------------------


def conv(x: Array, weight: Array, bias: Array | None = None, stride: Size = 1, pad: Pad = 0, dilation: Size = 1, groups: int = 1) -> Array:
    """The convolution of x with `weight` (M, C / groups, height, width), plus `bias` (M,): (N, C, H, W) -> (N, M, H', W').

    One matrix product: filters as rows, windows as columns. AlexNet's conv1 is 96 x 363 times 363 x 3025, and 3025 is 55 x 55.
    (As everywhere in this field, the filter is not turned over first: mathematicians call this a correlation.)
    """
    filters, windows, output = _matrices(x, weight, stride, pad, dilation, groups)
    y = (filters @ windows).reshape(output)
    if bias is None:
        return y
    _check_shape(bias, weight.shape[:1], "bias")
    return y + bias[:, None, None]


class Gradients(NamedTuple):
    """How a loss changes with each number that went into a convolution, in the shapes of those numbers."""

    x: Array
    weight: Array
    bias: Array


def conv_backward(
    gradient: Array, x: Array, weight: Array, stride: Size = 1, pad: Pad = 0, dilation: Size = 1, groups: int = 1
) -> Gradients:
    """From the gradient to what `conv` gave, (N, M, H', W'), those to what it was given.

    Forward was Y = W X, filters times columns. So dW = dY X^T and dX = W^T dY: two more products of the same size, which is why a
    step of training costs about three times a prediction. dX are columns, and go back to the pixels by `summed`. A bias is added to
    every unit of its map, so its gradient is the sum of theirs.
    """
    filters, windows, output = _matrices(x, weight, stride, pad, dilation, groups)
    _check_shape(gradient, output, "gradient")
    units = gradient.reshape(len(x), groups, filters.shape[1], -1)
    to_weight = (units @ windows.swapaxes(2, 3)).sum(0).reshape(weight.shape)
    to_windows = (filters.swapaxes(1, 2) @ units).reshape(len(x), groups * filters.shape[2], -1)
    return Gradients(summed(to_windows, x.shape, weight.shape[2:], stride, pad, dilation), to_weight, gradient.sum((0, 2, 3)))


def _matrices(x: Array, weight: Array, stride: Size, pad: Pad, dilation: Size, groups: int) -> tuple[Array, Array, Shape]:
    """Filters as rows (groups, M / groups, K), windows as columns (N, groups, K, H' * W'), and the shape that their product has as maps.

    Each group of filters reads its own share of the maps, so it meets only the K rows that come from them.
    """
    _check_maps(x, "x")
    _check_filters(x.shape, weight, groups)
    filters = weight.reshape(groups, len(weight) // groups, -1)
    windows = columns(x, weight.shape[2:], stride, pad, dilation).reshape(len(x), groups, filters.shape[2], -1)
    return filters, windows, (len(x), len(weight), *_outputs(x.shape, _windows(weight.shape[2:], stride, pad, dilation)))


def conv_backward_by_flipping(
    gradient: Array, shape: Shape, weight: Array, stride: Size = 1, pad: Pad = 0, dilation: Size = 1, groups: int = 1
) -> Array:
    """The gradient to conv's input, of `shape`, in a second way: as a convolution of the output's gradient.

    At stride 1, a pixel that unit i reads with tap k is read by unit i + 1 with tap k - 1: as units go forward, taps go backward. So,
    seen from the pixel, the filter is turned by 180 degrees, and input and output maps change places. It slides to wherever it
    touches a unit at all (a full convolution: padded by all of the window but one). Where a stride left units out, there are zeros.
    """
    _check_filters(shape, weight, groups)
    down, across = windows = _windows(weight.shape[2:], stride, pad, dilation)
    _check_shape(gradient, (shape[0], len(weight), *_outputs(shape, windows)), "gradient")
    steps = (_padded(window, width) - window.span + 1 for window, width in zip(windows, shape[2:], strict=True))
    spread = np.zeros((*gradient.shape[:2], *steps), gradient.dtype)
    spread[:, :, :: down.stride, :: across.stride] = gradient
    exchanged = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(shape[1], -1, *weight.shape[2:])
    padded = conv(spread, exchanged[:, :, ::-1, ::-1], None, 1, (down.span - 1, across.span - 1), dilation, groups)
    return _inside(padded, shape, windows)


# --- pooling ----------------------------------------------------------------------------------------------------------


def max_pool(x: Array, size: Size, stride: Size | None = None, pad: Pad = 0) -> tuple[Array, Array]:
    """The largest value of each window, (N, C, H', W'), and its switch: where it stood in its map, counted in reading order from 0.

    Of equal values the first wins; padding never does. The stride is the window's size unless said otherwise.
    """
    _check_maps(x, "x")
    stride = MaxPool(size, stride, pad).stride or size
    output = *x.shape[:2], *_outputs(x.shape, _windows(size, stride, pad))
    values = columns(x, size, stride, pad, fill=-np.inf).reshape(*x.shape[:2], -1, output[2] * output[3])
    numbered = np.arange(float(x.shape[2] * x.shape[3])).reshape(1, 1, *x.shape[2:])
    places = columns(numbered, size, stride, pad, fill=-1).astype(np.intp)
    largest = values.max(2, keepdims=True)
    winners = (~(values < largest) & (places >= 0)).argmax(2)  # argmax finds the first True
    switches = np.take_along_axis(places[None], winners[:, :, None], 2)
    return largest.reshape(output), switches.reshape(output)


def max_pool_backward(gradient: Array, switches: Array, shape: Shape) -> Array:
    """The gradient to max_pool's input, of `shape`: each value goes where its switch points, and nothing goes anywhere else.

    A pixel that is the largest of several windows gets the sum.
    """
    _check_four(shape, "the shape")
    _check_maps(gradient, "gradient")
    _check_shape(gradient, (*shape[:2], *gradient.shape[2:]), "gradient")
    _check_shape(switches, gradient.shape, "switches")
    area = shape[2] * shape[3]
    if switches.dtype.kind != "i" or not ((switches >= 0) & (switches < area)).all():
        raise ShapeError(f"the switches must be what max_pool gave: places in a map of {shape[2]}x{shape[3]}, from 0 to {area - 1}.")
    to_x = np.zeros((*shape[:2], area), gradient.dtype)
    pictures, maps, *_ = np.ogrid[tuple(map(slice, gradient.shape))]
    np.add.at(to_x, (pictures, maps, switches), gradient)
    return to_x.reshape(shape)


def avg_pool(x: Array, size: Size, stride: Size | None = None, pad: Pad = 0) -> Array:
    """The mean of each window, (N, C, H', W'); padding counts as zeros. The stride is the window's size unless said otherwise."""
    _check_maps(x, "x")
    stride = AvgPool(size, stride, pad).stride or size
    output = _outputs(x.shape, _windows(size, stride, pad))
    means: Array = columns(x, size, stride, pad).reshape(*x.shape[:2], -1, *output).mean(2)
    return means


def avg_pool_backward(gradient: Array, shape: Shape, size: Size, stride: Size | None = None, pad: Pad = 0) -> Array:
    """The gradient to avg_pool's input, of `shape`: every pixel of a window gets an equal share."""
    layer = AvgPool(size, stride, pad)
    stride = layer.stride or size
    _check_shape(gradient, (*shape[:2], *_outputs(shape, _windows(size, stride, pad))), "gradient")
    shares = (gradient / layer.area()).reshape(*shape[:2], 1, -1).repeat(layer.area(), 2)
    return summed(shares.reshape(shape[0], shape[1] * layer.area(), -1), shape, size, stride, pad)


# --- which input a tap reads ------------------------------------------------------------------------------------------


def _windows(size: Size, stride: Size, pad: Pad, dilation: Size = 1) -> tuple[Window, Window]:
    """The window on each axis, height first. Raises LayerError for what is no size, stride, padding or dilation."""
    sizes, strides, dilations = (
        pair(CHECKS[name](value, name)) for name, value in (("size", size), ("stride", stride), ("dilation", dilation))
    )
    pads = sides(CHECKS["pad"](pad, "pad"))
    down, across = (Window(sizes[i], strides[i], *pads[i], dilations[i], free=("pad", "stride")) for i in (0, 1))
    return down, across


def _outputs(shape: Shape, windows: tuple[Window, Window]) -> tuple[int, int]:
    """How many units stand below and beside one another. Raises ShapeError where a window does not fit."""
    _check_four(shape, "the shape")
    axes = ("input", "input") if shape[2] == shape[3] else ("height", "width")
    return windows[0].outputs(shape[2], axes[0]), windows[1].outputs(shape[3], axes[1])


def _reads(window: Window, outputs: int) -> Array:
    """The place on the padded axis that tap k of unit i reads, (taps, units)."""
    return np.arange(window.size)[:, None] * window.dilation + np.arange(outputs) * window.stride


def _padded(window: Window, width: int) -> int:
    return window.before + width + window.after


def _inside(padded: Array, shape: Shape, windows: tuple[Window, Window]) -> Array:
    """Maps without their padding."""
    (top, height), (left, width) = ((window.before, side) for window, side in zip(windows, shape[2:], strict=True))
    inside: Array = padded[:, :, top : top + height, left : left + width]
    return inside


# --- what is refused --------------------------------------------------------------------------------------------------


def _check_four(shape: Shape, what: str) -> None:
    if len(shape) != 4 or min(shape) < 1:
        raise ShapeError(f"{what} is {tuple(shape)}; it must be (N, C, H, W): pictures, maps, height, width, 1 or more of each.")


def _check_maps(x: Any, what: str) -> None:
    if not isinstance(x, np.ndarray):
        raise ShapeError(f"{what} is a {type(x).__name__}; it must be a NumPy array of four axes.")
    _check_four(x.shape, f"the shape of {what}")
    if x.dtype.kind != "f":
        raise ShapeError(f"{what} holds {x.dtype}, in which sums of products overflow; give it floats: {what}.astype(numpy.float32).")


def _check_filters(shape: Shape, weight: Array, groups: int) -> None:
    _check_maps(weight, "weight")
    CHECKS["groups"](groups, "groups")
    maps, reads = weight.shape[0], weight.shape[1] * groups
    _check_four(shape, "the shape")
    if shape[1] != reads:
        raise ShapeError(
            f"a weight of {weight.shape}, which is (maps, input maps / groups, height, width), "
            f"reads {reads} maps with groups={groups}, but {shape[1]} come in."
        )
    if maps % groups:
        raise ShapeError(f"{maps} filters cannot be split into {groups} groups; make their number a multiple of groups.")


def _check_shape(array: Any, shape: Shape, what: str) -> None:
    if not isinstance(array, np.ndarray) or array.shape != tuple(shape):
        came = f"one of {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise ShapeError(f"the {what} must be a NumPy array of {tuple(shape)} here; {came} came.")
