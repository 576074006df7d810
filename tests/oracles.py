"""What every layer computes, as NumPy in float64, written from the papers and the layers' docstrings and not from hubel.modules.

Maps are (N, C, H, W). `weights` has a layer's parameters by their names in the state dict; nothing here is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hubel.arguments import pair, sides
from hubel.layers import (
    FC,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    ConnectedConv,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    L2Pool,
    Layer,
    Local,
    MaxPool,
    PadMaps,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Subsample,
    Tanh,
)

Weights = dict[str, np.ndarray]


def taps(width: int, size: int, stride: int, before: int, after: int, dilation: int, ceil: bool) -> list[list[int]]:
    """The places that each unit of an axis reads, 0 being the first input: those below 0, or from `width` on, are padding.

    With `ceil`, where the last window leaves something unread, one more may stick out behind the padding if it starts before the
    input's end; what sticks out is not there.
    """
    reads = []
    for start in range(-before, width + after, stride):
        window = [start + dilation * k for k in range(size)]
        if window[-1] < width + after:
            reads.append(window)
        else:
            if ceil and start < width and reads[-1][-1] < width + after - 1:
                reads.append([place for place in window if place < width + after])
            break
    return reads


def windows(layer: Any, x: np.ndarray, fill: float) -> tuple[tuple[int, int], Iterator[tuple[int, int, np.ndarray]]]:
    """How many units there are down and across, and (row, column, what that unit reads: (N, C, height, width))."""
    (top, bottom), (left, right) = sides(getattr(layer, "pad", 0))
    size, dilation = pair(layer.size), pair(getattr(layer, "dilation", 1))
    stride = pair(getattr(layer, "stride", layer.size))
    ceil = getattr(layer, "fit", "exact") == "ceil"
    rows = taps(x.shape[2], size[0], stride[0], top, bottom, dilation[0], ceil)
    columns = taps(x.shape[3], size[1], stride[1], left, right, dilation[1], ceil)
    wide = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)

    def patches() -> Iterator[tuple[int, int, np.ndarray]]:
        for i, down in enumerate(rows):
            for j, across in enumerate(columns):
                yield i, j, wide[:, :, np.array(down) + top][:, :, :, np.array(across) + left]

    return (len(rows), len(columns)), patches()


def reduced(layer: Any, x: np.ndarray, fill: float, reduce: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Each map's windows, one number each."""
    shape, patches = windows(layer, x, fill)
    y = np.zeros((*x.shape[:2], *shape))
    for i, j, patch in patches:
        y[:, :, i, j] = reduce(patch.reshape(*x.shape[:2], -1))
    return y


def convolved(layer: Any, x: np.ndarray, weights: Weights, kernel: Callable[[int, int, int], np.ndarray], maps: int) -> np.ndarray:
    """Windows times the (C, height, width) kernel of (map, row, column)."""
    shape, patches = windows(layer, x, 0.0)
    y = np.zeros((len(x), maps, *shape))
    for i, j, patch in patches:
        for m in range(maps):
            y[:, m, i, j] = (patch * kernel(m, i, j)).sum((1, 2, 3))
    if layer.bias:
        y += weights["bias"].reshape(maps, *(shape if isinstance(layer, Local) else (1, 1)))
    return y


def conv(layer: Conv, x: np.ndarray, weights: Weights) -> np.ndarray:
    """Map m reads the input maps of its own group alone."""
    dense = np.zeros((layer.maps, x.shape[1], *pair(layer.size)))
    share, members = x.shape[1] // layer.groups, layer.maps // layer.groups
    for m in range(layer.maps):
        first = m // members * share
        dense[m, first : first + share] = weights["weight"][m]
    return convolved(layer, x, weights, lambda m, i, j: dense[m], layer.maps)


def depthwise(layer: Depthwise, x: np.ndarray, weights: Weights) -> np.ndarray:
    """The maps made of input map 0 come first, then those of map 1."""
    maps = x.shape[1] * layer.multiplier
    dense = np.zeros((maps, x.shape[1], *pair(layer.size)))
    for m in range(maps):
        dense[m, m // layer.multiplier] = weights["weight"][m, 0]
    return convolved(layer, x, weights, lambda m, i, j: dense[m], maps)


def connected(layer: ConnectedConv, x: np.ndarray, weights: Weights) -> np.ndarray:
    """One kernel for each listed (map, input map), in the list's order."""
    dense = np.zeros((len(layer.inputs), x.shape[1], *pair(layer.size)))
    kernels = iter(weights["weight"])
    for m, reads in enumerate(layer.inputs):
        for c in reads:
            dense[m, c] = next(kernels)
    return convolved(layer, x, weights, lambda m, i, j: dense[m], len(layer.inputs))


def local(layer: Local, x: np.ndarray, weights: Weights) -> np.ndarray:
    """Weights of its own for every place, places in reading order."""
    across = windows(layer, x, 0.0)[0][1]
    shape = (x.shape[1], *pair(layer.size))
    return convolved(layer, x, weights, lambda m, i, j: weights["weight"][i * across + j, m].reshape(shape), layer.maps)


def average(layer: AvgPool, x: np.ndarray, weights: Weights) -> np.ndarray:
    if layer.count_pad:
        return reduced(layer, x, 0.0, lambda patch: patch.mean(-1))
    return reduced(layer, x, np.nan, lambda patch: np.nanmean(patch, -1))


def subsample(layer: Subsample, x: np.ndarray, weights: Weights) -> np.ndarray:
    total = reduced(layer, x, 0.0, lambda patch: patch.sum(-1))
    return total * weights["weight"].reshape(-1, 1, 1) + weights["bias"].reshape(-1, 1, 1)


def shared_out(layer: AdaptiveAvgPool, x: np.ndarray, weights: Weights) -> np.ndarray:
    """Window i of n over H places: from floor(i H / n) to ceil((i + 1) H / n)."""
    (down, across), (height, width) = pair(layer.size), x.shape[2:]
    y = np.zeros((*x.shape[:2], down, across))
    for i in range(down):
        for j in range(across):
            rows = slice(i * height // down, -(-(i + 1) * height // down))
            y[:, :, i, j] = x[:, :, rows, j * width // across : -(-(j + 1) * width // across)].mean((2, 3))
    return y


def pad_maps(layer: PadMaps, x: np.ndarray, weights: Weights) -> np.ndarray:
    down, across = pair(layer.stride)
    kept = x[:, :, ::down, ::across]
    y = np.zeros((len(x), layer.maps, *kept.shape[2:]))
    y[:, : x.shape[1]] = kept
    return y


def fully_connected(layer: FC, x: np.ndarray, weights: Weights) -> np.ndarray:
    y = x.reshape(len(x), -1) @ weights["weight"].T
    return y + weights["bias"] if layer.bias else y


def rbf(layer: RBF, x: np.ndarray, weights: Weights) -> np.ndarray:
    codes = np.array([[{"#": 1.0, ".": -1.0}[mark] for mark in code] for code in layer.codes])
    return np.array([[-sum((row - code) ** 2) for code in codes] for row in x])


def response_norm(layer: LRN, x: np.ndarray, weights: Weights) -> np.ndarray:
    """Sec. 3.3 of AlexNet's paper: the sum runs over the maps max(0, i - n/2) to min(N - 1, i + n/2), of the group that i is in."""
    y, group = np.empty_like(x), x.shape[1] // layer.groups
    for i in range(x.shape[1]):
        first = i // group * group
        near = x[:, max(first, i - layer.n // 2) : min(first + group - 1, i + layer.n // 2) + 1]
        y[:, i] = x[:, i] / (layer.k + layer.alpha * (near**2).sum(1)) ** layer.beta
    return y


def batch_norm(layer: BatchNorm, x: np.ndarray, weights: Weights) -> np.ndarray:
    """As in evaluation: with the running statistics."""
    return normalised(layer, x, weights, weights["running_mean"], weights["running_var"])


def normalised(layer: BatchNorm, x: np.ndarray, weights: Weights, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    shape = (-1,) + (1,) * (x.ndim - 2)
    mean, variance, scale, shift = (value.reshape(shape) for value in (mean, variance, weights["weight"], weights["bias"]))
    return (x - mean) / np.sqrt(variance + layer.eps) * scale + shift


def softmax(layer: Softmax, x: np.ndarray, weights: Weights) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


ORACLES: dict[type[Layer], Callable[..., np.ndarray]] = {
    Conv: conv,
    Depthwise: depthwise,
    ConnectedConv: connected,
    Local: local,
    FC: fully_connected,
    RBF: rbf,
    MaxPool: lambda layer, x, weights: reduced(layer, x, -np.inf, lambda patch: patch.max(-1)),
    AvgPool: average,
    L2Pool: lambda layer, x, weights: reduced(layer, x, 0.0, lambda patch: np.sqrt((patch**2).sum(-1))),
    Subsample: subsample,
    AdaptiveAvgPool: shared_out,
    GlobalAvgPool: lambda layer, x, weights: x.mean((2, 3)),
    Identity: lambda layer, x, weights: x,
    Scale: lambda layer, x, weights: layer.factor * x,
    PadMaps: pad_maps,
    Flatten: lambda layer, x, weights: x.reshape(len(x), -1),
    ReLU: lambda layer, x, weights: np.maximum(x, 0),
    ReLU6: lambda layer, x, weights: np.minimum(np.maximum(x, 0), 6),
    Tanh: lambda layer, x, weights: 1 - 2 / (np.exp(2 * x) + 1),
    Sigmoid: lambda layer, x, weights: 1 / (1 + np.exp(-x)),
    ScaledTanh: lambda layer, x, weights: 1.7159 * np.tanh(2 * x / 3),
    Softmax: softmax,
    LRN: response_norm,
    BatchNorm: batch_norm,
    Dropout: lambda layer, x, weights: x,
}
"""In evaluation."""


# --- LeNet-5, from section II.B of LeCun et al. 1998 ------------------------------------------------------------------

# fmt: off
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
""".split()  # a row for each map of S2, a column for each map of C3
# fmt: on


def lenet5(pictures: np.ndarray, weights: list[np.ndarray], bitmaps: np.ndarray) -> np.ndarray:
    """Pictures (N, 1, 32, 32) to the RBF units' distances (N, 10); weights and biases of C1, S2, C3, S4, C5, F6 in turn."""
    c1, c1_bias, s2, s2_bias, c3, c3_bias, s4, s4_bias, c5, c5_bias, f6, f6_bias = weights

    def squashed(a: np.ndarray) -> np.ndarray:
        return 1.7159 * np.tanh(2 / 3 * a)

    def five_by_five(x: np.ndarray, kernels: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return np.einsum("ncijhw,mchw->nmij", sliding_window_view(x, (5, 5), (2, 3)), kernels) + bias[:, None, None]

    def subsampled(x: np.ndarray, coefficient: np.ndarray, bias: np.ndarray) -> np.ndarray:
        four = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
        return four * coefficient[:, None, None] + bias[:, None, None]

    masked = np.zeros((16, 6, 5, 5))
    masked[[[mark == "X" for mark in column] for column in zip(*TABLE_I)]] = c3  # in the order of maps, then of inputs

    x = squashed(five_by_five(pictures, c1, c1_bias))
    x = squashed(subsampled(x, s2, s2_bias))
    x = squashed(five_by_five(x, masked, c3_bias))
    x = squashed(subsampled(x, s4, s4_bias))
    x = squashed(five_by_five(x, c5, c5_bias))[:, :, 0, 0]
    x = squashed(x @ f6.T + f6_bias)
    return ((x[:, None, :] - bitmaps) ** 2).sum(2)
