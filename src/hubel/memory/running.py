"""A network at work, as the books have it: what each layer computes, what it keeps for the way back, what is let go.

An operation's result lives as long as a variable or the backward pass needs it. What each layer leaves for the backward
pass is torch's choice (a ReLU keeps its result, a convolution its input, a max-pool its input and 64-bit places); it is
written down here once, and held against measurements. Maps lie channels last, as our pictures do.
"""

from __future__ import annotations

import math
from functools import singledispatchmethod

from hubel.anatomy import BYTES, Row
from hubel.arguments import sides
from hubel.joints import Chain, Expression, Head, Sum
from hubel.layers import (
    FC,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    ConnectedConv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    L2Pool,
    Layer,
    Local,
    MaxPool,
    PadMaps,
    ReLU6,
    Scale,
    ScaledTanh,
    Subsample,
    Windowed,
)
from hubel.memory.books import Books, Tensor

LONG = 8
"""Bytes of a 64-bit whole number."""


class Run(Books):
    """A network at work."""

    def __init__(self, rows: dict[str, Row], training: bool) -> None:
        super().__init__(training)
        self.rows, self.path = rows, next(iter(rows))

    def network(self, net: Chain, x: Tensor) -> list[Tensor]:
        """What a whole network gives; in training, its heads' scores too."""
        here, heads = self.keep(x), []
        for name, stage in net.children():
            if not isinstance(stage, Head):
                here = self._then(here, self.run(stage, here, name))
            elif self.training:
                heads.append(self.run(stage.net, here, f"{name}.0"))
        return [here, *heads]

    def _then(self, before: Tensor, after: Tensor) -> Tensor:
        """The result of a second operation on the result of a first, which is let go."""
        self.drop(before)
        return after

    def run(self, part: Expression, x: Tensor, path: str) -> Tensor:
        """What a part gives for x, which its caller goes on holding."""
        if isinstance(part, Layer):
            self.path = path
            return self.layer(part, x, self.rows[path])
        if isinstance(part, Chain):
            here = self.keep(x)
            for name, link in part.children():
                here = self._then(here, self.run(link, here, f"{path}.{name}"))
            return here
        if isinstance(part, Sum):
            return self._sum(part, x, path)
        branches = [self.run(branch, x, f"{path}.{name}") for name, branch in part.children()]
        self.path = path
        stacked = self.operation(*branches, bytes=sum(branch.bytes for branch in branches), passes=True)
        self.drop(*branches)
        return stacked

    def _sum(self, part: Sum, x: Tensor, path: str) -> Tensor:
        total: Tensor | None = None
        for name, branch in part.children():
            added = self.run(branch, x, f"{path}.{name}")
            self.path = path
            if total is not None:
                both, total = (total, added), self.operation(total, added, passes=True)
                self.drop(*both)
            else:
                total = added
        assert total is not None
        return total

    # --- what each layer computes and keeps ---------------------------------------------------------------------------

    def _view(self, x: Tensor, gradient: int, passes: bool) -> Tensor:
        """x or some of it, seen differently."""
        seen = self.operation(x, bytes=0, passes=passes)
        seen.gradient = gradient
        return seen

    @singledispatchmethod
    def layer(self, layer: Layer, x: Tensor, row: Row) -> Tensor:
        """A layer that keeps its result for the backward pass: ReLU, Tanh, Sigmoid, Softmax."""
        return self.operation(x, bytes=row.activation_bytes, keeps_result=True)

    @layer.register
    def _(self, layer: Windowed, x: Tensor, row: Row) -> Tensor:
        """A convolution or a pool: keeps its input, padded where torch has no such padding."""
        weights = (row.weights + row.biases) * BYTES
        also = row.activation_bytes * LONG // BYTES if isinstance(layer, MaxPool) else 0  # the places of the largest values
        padded = self._padded(layer, x, row)
        result = self._then(padded, self.operation(padded, bytes=row.activation_bytes, keeps=(padded,), also=also, weights=weights))
        if isinstance(layer, AvgPool) and not layer.count_pad and _uneven(layer):
            return self._then(result, self._averaged(result, padded.bytes, row))
        return result

    def _averaged(self, means: Tensor, padded: int, row: Row) -> Tensor:
        """Means over uneven padding, each divided by how much of its window is inside: one map of ones, padded and pooled."""
        maps = means.bytes // (math.prod(row.output[1:]) * BYTES)
        ones, shares = self.new(padded // maps), self.new(means.bytes // maps)
        result = self.operation(means, keeps=(shares,))
        self.drop(ones, shares)
        return result

    def _padded(self, layer: Windowed, x: Tensor, row: Row) -> Tensor:
        if not _uneven(layer):
            return self.keep(x)
        (top, bottom), (left, right) = sides(vars(layer)["pad"])
        _, height, width = row.input
        return self.operation(x, bytes=x.bytes // (height * width) * (height + top + bottom) * (width + left + right))

    @layer.register
    def _(self, layer: ConnectedConv, x: Tensor, row: Row) -> Tensor:
        """Its kernels are put into a table of zeros, in a copy of it; the table's gradient is copied back into its order."""
        zeros = self.new(row.output[0] * row.input[0] * layer.area() * BYTES)
        table = self.operation(zeros, weights=row.weights * BYTES)
        self.drop(zeros)
        padded = self._padded(layer, x, row)
        kernels = self._view(table, table.bytes, passes=False)
        biases = row.biases * BYTES
        result = self.operation(padded, kernels, bytes=row.activation_bytes, keeps=(padded, table), weights=biases)
        self.drop(table, kernels, padded)
        return result

    @layer.register
    def _(self, layer: FC, x: Tensor, row: Row) -> Tensor:
        flat = self._flat(x, row)
        weights = (row.weights + row.biases) * BYTES
        return self._then(flat, self.operation(flat, bytes=row.activation_bytes, keeps=(flat,), weights=weights))

    @layer.register
    def _(self, layer: Flatten, x: Tensor, row: Row) -> Tensor:
        return self._flat(x, row)

    def _flat(self, x: Tensor, row: Row) -> Tensor:
        """A vector in (C, H, W) order: a copy of maps that lie channels last."""
        places = math.prod(row.input[1:])
        return self.keep(x) if places == 1 or row.input[0] == 1 else self.operation(x, passes=True)

    @layer.register
    def _(self, layer: Identity, x: Tensor, row: Row) -> Tensor:
        return self.keep(x)

    @layer.register
    def _(self, layer: Dropout, x: Tensor, row: Row) -> Tensor:
        return self.operation(x, also=x.bytes) if self.training and layer.rate else self.keep(x)

    @layer.register
    def _(self, layer: BatchNorm, x: Tensor, row: Row) -> Tensor:
        statistics = 2 * row.weights * BYTES if self.training else 0  # of this batch
        return self.operation(x, keeps=(x,), also=statistics, weights=row.parameters * BYTES)

    @layer.register(AdaptiveAvgPool)
    @layer.register(ReLU6)
    def _(self, layer: Layer, x: Tensor, row: Row) -> Tensor:
        return self.operation(x, bytes=row.activation_bytes, keeps=(x,))

    @layer.register
    def _(self, layer: PadMaps, x: Tensor, row: Row) -> Tensor:
        """Rows are chosen, then columns, and gradients go back in as many steps."""
        height, width = row.output[1:]
        rows = self._view(x, x.bytes // row.input[1] * height, passes=height == row.input[1])
        chosen = self._view(rows, rows.gradient // row.input[2] * width, passes=width == row.input[2])
        self.drop(rows)
        return self._then(chosen, self.operation(chosen, bytes=row.activation_bytes))

    @layer.register(GlobalAvgPool)
    @layer.register(Scale)
    def _(self, layer: Layer, x: Tensor, row: Row) -> Tensor:
        return self.operation(x, bytes=row.activation_bytes)

    @layer.register
    def _(self, layer: ScaledTanh, x: Tensor, row: Row) -> Tensor:
        slower = self.operation(x)
        squashed = self._then(slower, self.operation(slower, keeps_result=True))
        return self._then(squashed, self.operation(squashed))

    @layer.register
    def _(self, layer: LRN, x: Tensor, row: Row) -> Tensor:
        squares = self.operation(x, keeps=(x,), spare=x.bytes)
        wide = self._then(squares, self.operation(squares, bytes=x.bytes // row.input[0] * (row.input[0] + layer.groups * (layer.n - 1))))
        means = self._then(wide, self.operation(wide, bytes=x.bytes, keeps=(wide,)))
        scaled = self.operation(means)
        shifted = self._then(scaled, self.operation(scaled, passes=True))
        powers = self._then(shifted, self.operation(shifted, keeps=(shifted,), spare=2 * x.bytes))
        self.drop(means)
        return self._then(powers, self.operation(x, powers, keeps=(x, powers), spare=2 * x.bytes))

    @layer.register
    def _(self, layer: L2Pool, x: Tensor, row: Row) -> Tensor:
        first = self.operation(x, keeps=(x,), spare=x.bytes)
        squares = self._then(first, self._padded(layer, first, row))
        total = self.operation(squares, bytes=row.activation_bytes, keeps=(squares,))
        above = self.operation(total, keeps=(total,), spare=total.bytes // BYTES)  # a byte for each: is it above?
        root = self.operation(above, keeps_result=True, spare=above.bytes)
        self.drop(squares, total, above)
        return root

    @layer.register
    def _(self, layer: Subsample, x: Tensor, row: Row) -> Tensor:
        total = self.operation(x, bytes=row.activation_bytes, keeps=(x,))
        scaled = self.operation(total, keeps=(total,), weights=row.weights * BYTES, spare=total.bytes)
        result = self._then(scaled, self.operation(scaled, weights=row.biases * BYTES, passes=True))
        return self._then(total, result)

    @layer.register
    def _(self, layer: RBF, x: Tensor, row: Row) -> Tensor:
        apart = self.operation(x, bytes=x.bytes * len(layer.codes))
        squares = self._then(apart, self.operation(apart, keeps=(apart,), spare=2 * apart.bytes))
        distances = self._then(squares, self.operation(squares, bytes=row.activation_bytes, passes=True))
        return self._then(distances, self.operation(distances))

    @layer.register
    def _(self, layer: Local, x: Tensor, row: Row) -> Tensor:
        """Its windows are laid out as columns; the gradient of its weights comes in the order of the product."""
        windows = x.bytes // math.prod(row.input[1:]) * layer.area() * math.prod(row.output[1:])
        padded = self._padded(layer, x, row)
        seen = self._view(padded, max(padded.bytes, windows), passes=True)  # torch adds gradients up in memory of the columns' size
        columns = self.operation(seen, bytes=windows)
        self.drop(seen, padded)
        weights = row.weights * BYTES
        result = self.operation(columns, bytes=row.activation_bytes, keeps=(columns,), weights=weights, copied=weights)
        if layer.bias:
            result = self._then(result, self.operation(result, weights=row.biases * BYTES, passes=True))
        self.drop(columns)
        return result


def _uneven(layer: Windowed) -> bool:
    """Whether the maps are padded before the layer, because torch's own padding is the same on both sides."""
    (top, bottom), (left, right) = sides(vars(layer).get("pad", 0))
    return top != bottom or left != right
