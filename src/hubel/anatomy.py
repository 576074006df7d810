"""The walk over a network: what every layer gives, learns, costs and sees, in exact integers, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from hubel.arguments import pair
from hubel.errors import HubelError, ShapeError, placed
from hubel.joints import Concat, Expression, Head, Shape, Sum, chained, shown
from hubel.layers import FC, RBF, AdaptiveAvgPool, Flatten, GlobalAvgPool, Layer
from hubel.windows import Window

BYTES = 4
"""Of one float32 value."""


class Span(NamedTuple):
    """What unit i of an axis reads along one way through the network: `size` inputs from `start + i * jump` on."""

    size: int
    jump: int
    start: int


@dataclass(frozen=True)
class Axis:
    """What the units on one axis see of the input: the hull of one span for each jump that meets there.

    There is one, unless branches of different strides were joined; its jump is 0 where the axis has one unit only.
    """

    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        """Inputs that unit 0 sees."""
        return max(span.start + span.size for span in self.spans) - self.start

    @property
    def start(self) -> int:
        """The first input that unit 0 sees, negative in padding."""
        return min(span.start for span in self.spans)

    @property
    def jump(self) -> int | None:
        """Inputs between the starts of neighbours; None where there is one unit only, or none that holds for all."""
        return self.spans[0].jump or None if self.aligned else None

    @property
    def aligned(self) -> bool:
        """Whether neighbours' fields are evenly spaced."""
        return len(self.spans) == 1

    def through(self, window: Window) -> Axis:
        """The field behind a window."""
        return Axis(
            tuple(
                Span(size + (window.span - 1) * jump, jump * window.stride, start - window.before * jump)
                for size, jump, start in self.spans
            )
        )

    def whole(self, units: int) -> Axis:
        """The field of one unit that reads all `units` of the axis."""
        return hull([Axis((Span(size + (units - 1) * jump, 0, start),)) for size, jump, start in self.spans])


def hull(axes: list[Axis]) -> Axis:
    """The union of what several branches see: spans of one jump move together, so they become one."""
    spans = sorted({span for axis in axes for span in axis.spans}, key=lambda span: span.jump)
    joined = []
    for jump, alike in groupby(spans, key=lambda span: span.jump):
        group = list(alike)
        start = min(span.start for span in group)
        joined.append(Span(max(span.start + span.size for span in group) - start, jump, start))
    return Axis(tuple(joined))


class Field(NamedTuple):
    """The receptive field, height first."""

    down: Axis
    across: Axis


@dataclass(frozen=True)
class Row:
    """One layer, or the join of branches, at its place in a network. Counts are for the whole batch; parameters are not."""

    path: str
    part: Expression
    input: Shape
    output: Shape
    weights: int
    biases: int
    macs: int
    connections: int
    activation_bytes: int
    field: Field
    in_head: bool

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    @property
    def aligned(self) -> bool:
        """Whether neighbours' fields are evenly spaced: not so where branches of different strides meet."""
        return self.field.down.aligned and self.field.across.aligned

    @property
    def layer(self) -> str:
        """What stands there: a layer's own text, or the joint's name."""
        return repr(self.part) if isinstance(self.part, Layer) else type(self.part).__name__


@dataclass(frozen=True, repr=False)
class Anatomy:
    """A network sized for one input shape and batch: a row a layer, in the order of computation, and the totals."""

    net: Expression
    input: Shape
    batch: int
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        return (
            f"<Anatomy: {shown(self.input)} in, {shown(self.output)} out{batch}; {self.parameters:,} parameters, {self.macs:,} MACs; "
            f"{len(self.rows)} rows>"
        )

    @property
    def last(self) -> Row:
        """The row of what leaves."""
        return ([row for row in self.rows if not row.in_head] or list(self.rows))[-1]

    @property
    def output(self) -> Shape:
        return self.last.output

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def weights(self) -> int:
        return sum(row.weights for row in self.rows)

    @property
    def biases(self) -> int:
        return sum(row.biases for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations: two a MAC."""
        return 2 * self.macs

    @property
    def connections(self) -> int:
        return sum(row.connections for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)

    @property
    def weight_layers(self) -> int:
        """Convolutions and fully-connected layers on the longest way through the network: its depth, as papers count it."""
        return _longest(chained(self.net), {row.path: row for row in self.rows}, ())

    @property
    def field(self) -> Field:
        """The receptive field of the output."""
        return self.last.field

    def within(self, path: str) -> Anatomy:
        """The part of the anatomy at `path` or below it. Raises HubelError where there is none."""
        rows = tuple(row for row in self.rows if row.path == path or row.path.startswith(f"{path}."))
        if not rows:
            raise HubelError(f"There is no part {path!r} in this network.")
        return Anatomy(self.net, self.input, self.batch, rows)


def anatomy(net: Expression, input: Shape, batch: int = 1, heads: bool = False) -> Anatomy:
    """Size a network for pictures of shape `input`, (C, H, W) or (N,); with `heads`, those of training too.

    Raises ShapeError, with the path of the part, where the network cannot take what flows into it.
    """
    if not 1 <= len(input) <= 3 or len(input) == 2 or not all(type(side) is int and side > 0 for side in input):
        raise ShapeError(f"the input is {input!r}; it must be (C, H, W) or (N,), positive whole numbers.")
    if type(batch) is not int or batch < 1:
        raise ShapeError(f"the batch is {batch!r}; it must be a positive whole number.")
    whole = chained(net)
    point = Axis((Span(1, 1 if len(input) == 3 else 0, 0),))
    field = Field(point, point)
    rows = tuple(_Walk(batch).rows(whole, input, field, ()))
    if all(row.in_head for row in rows):
        raise ShapeError("a network of nothing but heads computes nothing when it is used; give it a stage that is no Head.")
    return Anatomy(whole, input, batch, tuple(row for row in rows if heads or not row.in_head))


@dataclass(frozen=True)
class _Walk:
    batch: int
    in_head: bool = False

    def rows(self, part: Expression, shape: Shape, field: Field, path: tuple[str, ...]) -> Iterator[Row]:
        """Rows of everything inside `part`; the last one holds what leaves it."""
        if isinstance(part, Layer):
            yield self._row(part, shape, part.output(shape), _beyond(part, shape, field), path)
        elif isinstance(part, Head):
            if len(path) != 1:
                raise ShapeError("a Head can only be a top-level stage of a network.")
            with placed("0"):
                yield from _Walk(self.batch, True).rows(part.net, shape, field, (*path, "0"))
        elif isinstance(part, (Sum, Concat)):
            ends = []
            for name, branch in part.children():
                with placed(name):
                    inside = list(self.rows(branch, shape, field, (*path, name)))
                yield from inside
                ends.append(inside[-1])
            met = Field(hull([end.field.down for end in ends]), hull([end.field.across for end in ends]))
            yield self._row(part, shape, part.joined([end.output for end in ends]), met, path)
        else:
            for name, link in part.children():
                with placed(name):
                    inside = list(self.rows(link, shape, field, (*path, name)))
                yield from inside
                if not isinstance(link, Head):
                    shape, field = inside[-1].output, inside[-1].field

    def _row(self, part: Expression, shape: Shape, output: Shape, field: Field, path: tuple[str, ...]) -> Row:
        size = 0 if isinstance(part, Layer) and part.view else math.prod(output) * BYTES * self.batch
        counts = (
            (part.weights(shape), part.biases(shape), part.macs(shape) * self.batch, part.connections(shape) * self.batch)
            if isinstance(part, Layer)
            else (0, 0, 0, 0)
        )
        return Row(".".join(path), part, shape, output, *counts, size, field, self.in_head)


def _longest(part: Expression, rows: dict[str, Row], path: tuple[str, ...]) -> int:
    """Weighted layers on the longest way through `part`, of those that have a row."""
    if isinstance(part, Layer):
        row = rows.get(".".join(path))
        return int(row is not None and row.weights > 0 and row.macs > 0)
    ways = [_longest(inside, rows, (*path, name)) for name, inside in part.children() if not isinstance(inside, Head)]
    return max(ways) if isinstance(part, (Sum, Concat)) else sum(ways)


def _beyond(layer: Layer, shape: Shape, field: Field) -> Field:
    windows = layer.windows()
    if windows is not None:
        return Field(field.down.through(windows[0]), field.across.through(windows[1]))
    if isinstance(layer, AdaptiveAvgPool):
        down, across = (_shared(axis, units, windows) for axis, units, windows in zip(field, shape[1:], pair(layer.size)))
        return Field(down, across)
    if isinstance(layer, (FC, RBF, Flatten, GlobalAvgPool)) and len(shape) == 3:
        return Field(field.down.whole(shape[1]), field.across.whole(shape[2]))
    return field


def _shared(axis: Axis, units: int, windows: int) -> Axis:
    """The field where an axis of `units` is shared out over `windows`: evenly spaced only where they share it out evenly."""
    starts = [window * units // windows for window in range(windows)]
    ends = [-(-(window + 1) * units // windows) for window in range(windows)]
    widest = max(end - start for start, end in zip(starts, ends))
    steps = {units // windows, -(-units // windows)} - {0}
    return hull([axis.through(Window(widest, step)) for step in steps])
