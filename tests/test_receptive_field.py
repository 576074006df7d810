"""The receptive field of every row is what a gradient reaches: the bounding box of a unit's gradient on the input of a built network.

With positive weights, in float64, max and L2 pools as average pools of the same window and nonlinearities as the identity, a
unit's gradient is zero exactly where it does not look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hubel.anatomy import Axis, Row, anatomy
from hubel.build import build
from hubel.joints import Concat, Expression, Shape, Sum
from hubel.layers import (
    FC,
    LRN,
    RBF,
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
    ScaledTanh,
    Sigmoid,
    Softmax,
    Subsample,
    Tanh,
)
from hubel.nets import NETS
from hubel.rewrite.sites import changed, put_together, taken_apart

POINTWISE = (ReLU, Tanh, Sigmoid, ScaledTanh, Softmax, LRN, Dropout)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and beside another busy process they lose much by waiting for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def linear(layer: Layer) -> Layer:
    """The layer, or one of the same window through which every gradient passes."""
    if isinstance(layer, (MaxPool, L2Pool)):
        return AvgPool(layer.size, layer.stride, layer.pad, layer.fit)
    if isinstance(layer, RBF):
        return FC(len(layer.codes))
    return Identity() if isinstance(layer, POINTWISE) else layer


class Seen(NamedTuple):
    """What one unit was found to read on one axis of the input: from `first` to before `end`."""

    unit: int
    first: int
    end: int


@dataclass(frozen=True)
class Measured:
    """A row of the anatomy and, for each axis, what some of its units were found to read."""

    row: Row
    axes: tuple[list[Seen], list[Seen]]


def chosen(units: int) -> list[int]:
    """The first unit, the last, and two that lie between them."""
    return [0, units // 3, units // 2, units - 1]


def measured(net: Expression, input: Shape) -> list[Measured]:
    """Every row of the network, with the bounding boxes of four units' gradients; one unit where a row is a vector."""
    net = put_together(changed(taken_apart(net), lambda site: replace(site, layer=linear(site.layer)))).net
    network = build(net, input).double().eval()
    outputs: dict[str, Tensor] = {}
    rows = anatomy(net, input).rows
    for row in rows:
        network.get_submodule(row.path).register_forward_hook(lambda module, entered, left, path=row.path: outputs.update({path: left}))
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=drawn) + 0.5)
    x = torch.ones(4, *input, dtype=torch.float64, requires_grad=True)  # a picture for each unit
    network(x)
    found = []
    for row in rows:
        left = outputs[row.path]
        assert left.shape[1:] == row.output
        down, across = (chosen(row.output[1]), chosen(row.output[2])[::-1]) if left.ndim == 4 else ([0] * 4, [0] * 4)
        picked = left[range(4), :, down, across] if left.ndim == 4 else left
        (gradient,) = torch.autograd.grad(picked.sum(), x, retain_graph=True)
        reached = (gradient != 0).any(1)
        found.append(Measured(row, (boxes(down, reached.any(2)), boxes(across, reached.any(1)))))
    return found


def boxes(units: list[int], reached: Tensor) -> list[Seen]:
    """For each unit, from the first to behind the last place of an axis that is reached."""
    places = [row.nonzero().flatten().tolist() for row in reached]
    return [Seen(unit, place[0], place[-1] + 1) for unit, place in zip(units, places, strict=True)]


def tiles(row: Row) -> bool:
    """Whether the row's windows leave no gap, at a border neither: then a field that is cut off ends exactly at the input's border."""
    windows = row.part.windows() if isinstance(row.part, Layer) else None
    if windows is None:
        return True
    for window, width, units in zip(windows, row.input[1:], row.output[1:]):
        last = (units - 1) * window.stride - window.before
        if window.dilation > 1 or window.before >= window.size or last >= width or last + window.size < width:
            return False
    return True


def interval(axis: Axis, unit: int) -> tuple[int, int]:
    """What the anatomy says that a unit reads: the hull of its spans."""
    firsts = [span.start + unit * span.jump for span in axis.spans]
    return min(firsts), max(first + span.size for first, span in zip(firsts, axis.spans))


def hold(net: Expression, input: Shape, borders: bool = True) -> int:
    """Compare every row with its measurement, and count the fields that lie whole inside the input.

    Where a window leaves gaps (strides or dilations that jump over inputs), a field cut off at the border may end before it;
    `borders` says that this network has no such window, so that every end must agree.
    """
    tiled, inside = True, 0
    for found in measured(net, input):
        row = found.row
        tiled = tiled and tiles(row)
        assert tiled or not borders, f"{row.path} leaves gaps: {row.layer}"
        for axis, width, seen in zip(row.field, input[1:], found.axes):
            for unit, first, end in seen:
                start, stop = interval(axis, unit)
                place = (
                    f"{row.path} ({row.layer}), unit {unit} of {row.output}: field {start} to {stop}, gradient {first} to {end} of {width}"
                )
                assert first == max(start, 0) if tiled or start >= 0 else first >= 0, place
                assert end == min(stop, width) if tiled or stop <= width else end <= width, place
                inside += start >= 0 and stop <= width and axis.size > 1
    return inside


def inception(reduce: int = 2) -> Expression:
    """Four branches of different windows."""
    return (
        Conv(2, 1) >> ReLU()
        | Conv(reduce, 1) >> ReLU() >> Conv(3, 3, pad=1) >> ReLU()
        | Conv(reduce, 1) >> ReLU() >> Conv(2, 5, pad=2) >> ReLU()
        | MaxPool(3, 1, pad=1) >> Conv(2, 1) >> ReLU()
    )


def residual(maps: int, stride: int = 1) -> Expression:
    body = Conv(maps, 3, stride, pad=1, bias=False) >> BatchNorm() >> ReLU() >> Conv(maps, 3, pad=1, bias=False) >> BatchNorm()
    return Sum(body, Identity() if stride == 1 else Conv(maps, 1, stride) >> BatchNorm()) >> ReLU()


def dense(growth: int) -> Expression:
    return Identity() | BatchNorm() >> ReLU() >> Conv(growth, 3, pad=1)


# --- networks without gaps: every end agrees, at the borders too --------------------------------------------------------

TILING: dict[str, tuple[Expression, Shape]] = {
    "one convolution": (Conv(2, 5), (2, 13, 11)),
    "convolutions": (Conv(2, 3) >> ReLU() >> Conv(3, 5) >> Tanh() >> Conv(2, 2), (1, 15, 18)),
    "padded": (Conv(2, 3, pad=1) >> Conv(2, 5, pad=2) >> Conv(2, 7, pad=3), (1, 19, 23)),
    "strided": (Conv(2, 3, stride=2) >> Conv(2, 3, stride=2) >> Conv(2, 2), (1, 31, 39)),
    "padded and strided": (Conv(2, 7, stride=2, pad=3) >> MaxPool(3, 2, pad=1) >> Conv(2, 3, stride=2, pad=1), (3, 64, 48)),
    "uneven padding": (
        Conv(2, 4, pad=((1, 2), (3, 0))) >> Conv(2, 3, stride=2, pad=((2, 1), (0, 1))) >> AvgPool(3, 1, pad=((0, 1), (1, 0))),
        (1, 16, 21),
    ),
    "rectangular": (Conv(2, (1, 7), pad=(0, 3)) >> Conv(2, (5, 1), stride=(2, 1)) >> MaxPool((2, 3), (2, 1)), (1, 23, 17)),
    "rectangular strides": (Conv(2, (3, 4), stride=(1, 2), pad=(1, 0)) >> L2Pool((4, 2), (2, 1)), (1, 18, 20)),
    "pools": (MaxPool(2) >> AvgPool(3, 1) >> L2Pool(3, 2) >> MaxPool(3, 1, pad=1), (2, 26, 34)),
    "a pool that rounds up": (Conv(2, 3) >> MaxPool(3, 2, fit="ceil") >> Conv(2, 3, pad=1) >> AvgPool(2, fit="ceil"), (1, 20, 27)),
    "a padded pool that rounds up": (AvgPool(3, 2, pad=1, fit="ceil") >> L2Pool(2, 2, fit="ceil") >> Conv(2, 3, pad=1), (1, 24, 28)),
    "lenet's own layers": (Conv(6, 5) >> ScaledTanh() >> Subsample(2) >> ConnectedConv(((0, 1), (2, 3, 4), (5,)), 5), (1, 32, 24)),
    "every map alone": (Depthwise(3, pad=1, multiplier=2) >> Conv(4, 3, groups=2) >> Depthwise((2, 3)), (2, 14, 15)),
    "unshared weights": (Conv(2, 3, pad=1) >> Local(2, 3, stride=2) >> Local(2, 2), (1, 13, 15)),
    "norms and noise": (Conv(3, 3) >> BatchNorm() >> LRN(3) >> Dropout() >> Softmax() >> Conv(2, 3), (1, 12, 13)),
    "inception": (Conv(3, 3, stride=2, pad=1) >> inception() >> MaxPool(3, 2, fit="ceil") >> inception(), (3, 40, 47)),
    "residual": (Conv(4, 3, pad=1) >> residual(4) >> residual(4) >> Conv(2, 3), (3, 24, 21)),
    "densenet": (Conv(4, 3, stride=2, pad=1) >> dense(2) >> dense(2) >> dense(2) >> Conv(2, 1) >> AvgPool(2), (3, 32, 40)),
    "joints in joints": (
        Conv(2, 3) >> Concat(residual(2), Sum(Conv(2, 5, pad=2), Conv(1, 3, pad=1) | Conv(1, (1, 7), pad=(0, 3)))) >> dense(2),
        (1, 24, 28),
    ),
    "branches that lean to one side": (
        Conv(2, 2, pad=((1, 0), (1, 0))) | Conv(2, 3, pad=((0, 2), (2, 0))) | Conv(2, (4, 1), pad=((3, 0), (0, 0))),
        (1, 14, 16),
    ),
    "branches strided alike": (Conv(2, 3, stride=2, pad=1) | Conv(1, 1) >> Conv(2, 5, stride=2, pad=2) | MaxPool(3, 2, pad=1), (2, 21, 25)),
}


@pytest.mark.parametrize("name", TILING)
def test_every_unit_of_every_row_reads_its_field_and_nothing_else(name: str) -> None:
    assert hold(*TILING[name]) > 0


# --- networks with gaps: what is not cut off agrees ----------------------------------------------------------------------

GAPPED: dict[str, tuple[Expression, Shape]] = {
    "dilated": (Conv(2, 3, dilation=2) >> Conv(2, 3, dilation=(4, 3), pad=(4, 3)) >> Conv(2, 2, dilation=5), (1, 37, 33)),
    "strides over inputs": (Conv(2, 1, stride=2) >> Conv(2, 2, stride=3, pad=1) >> Conv(2, 3, pad=1), (1, 37, 49)),
    "pools with gaps": (MaxPool(2, 3) >> AvgPool((1, 2), (2, 3), fit="floor"), (1, 32, 41)),
    "unread borders": (Conv(2, 3, stride=2, fit="floor") >> MaxPool(3, 2, fit="floor") >> Conv(2, 3, pad=1), (1, 30, 36)),
    "padded maps": (Conv(2, 3) >> PadMaps(4, stride=2) >> Conv(2, 3, pad=1), (1, 24, 27)),
    "residual, option A": (
        Conv(2, 3, pad=1) >> Sum(Conv(4, 3, stride=2, pad=1) >> Conv(4, 3, pad=1), PadMaps(4, stride=2)) >> residual(4),
        (1, 24, 28),
    ),
    "residual, strided": (
        Conv(2, 7, stride=2, pad=3) >> MaxPool(3, 2, pad=1) >> residual(2) >> residual(4, 2) >> residual(6, 2),
        (3, 128, 96),
    ),
    "dilated branches": (Conv(2, 3, pad=1) | Conv(2, 3, pad=2, dilation=2) | Conv(2, 3, pad=4, dilation=4), (1, 20, 22)),
}


@pytest.mark.parametrize("name", GAPPED)
def test_with_gaps_between_windows_every_field_inside_the_input_is_what_its_unit_reads(name: str) -> None:
    assert hold(*GAPPED[name], borders=False) > 0


@pytest.mark.parametrize("name", ["lenet5", "lenet_relu", "lenet_sigmoid", "mnist_convnet"])
def test_the_fields_of_the_small_networks_of_the_casebook_are_what_their_units_read(name: str) -> None:
    assert hold(NETS[name].net(), NETS[name].input, borders=False) > 0


# --- vectors -----------------------------------------------------------------------------------------------------------

BODY = Conv(2, 3, pad=1) >> MaxPool(2) >> Conv(3, (2, 3))


@pytest.mark.parametrize(
    "end",
    [
        FC(4),
        Flatten(),
        GlobalAvgPool(),
        Flatten() >> FC(4) >> ReLU() >> FC(2),
        GlobalAvgPool() >> FC(4),
        GlobalAvgPool() | FC(2),
        (GlobalAvgPool() >> FC(2)) + FC(2),
        Sum(Conv(2, 3) >> FC(2), FC(2)),
    ],
    ids=str,
)
def test_behind_a_fully_connected_layer_or_global_pooling_one_unit_reads_the_hull_and_has_no_jump(end: Expression) -> None:
    input = (2, 12, 16)
    hold(BODY >> end, input)
    before = anatomy(BODY, input).rows[-1]
    row = anatomy(BODY >> end, input).rows[-1]
    for axis, joined, units in zip(row.field, before.field, before.output[1:]):
        assert axis.jump is None
        assert joined.jump is not None
        assert (axis.start, axis.size) == (joined.start, (units - 1) * joined.jump + joined.size)
    assert row.aligned


def test_a_network_of_vectors_has_one_unit_and_no_jump() -> None:
    for row in anatomy(FC(3) >> ReLU() >> FC(2), (5,)).rows:
        assert [(axis.size, axis.start, axis.jump) for axis in row.field] == [(1, 0, None)] * 2
        assert row.aligned


# --- branches whose units are spaced differently -----------------------------------------------------------------------

UNALIGNED: tuple[tuple[Expression, Shape], ...] = (  # all join maps of one size, but their units are 1 and 2 inputs apart
    (Conv(2, 3) | Conv(2, 1, stride=2), (1, 5, 5)),
    (Conv(2, 3) + Conv(2, 1, stride=2), (1, 5, 5)),
    (Conv(2, (3, 1)) | Conv(2, 1, stride=(2, 1)), (1, 5, 7)),
    (Conv(2, (1, 3)) | Conv(2, 1, stride=(1, 2)), (1, 7, 5)),
    (Conv(2, 3) | MaxPool(3, 2, pad=1), (1, 5, 5)),
    (Conv(2, 5, pad=1) | Conv(2, 1, stride=2) | Conv(2, 3), (1, 5, 5)),
)


@pytest.mark.parametrize(("joint", "input"), UNALIGNED, ids=str)
def test_a_joint_of_branches_with_different_jumps_is_not_aligned_nor_what_follows_it(joint: Expression, input: Shape) -> None:
    rows = {row.path: row for row in anatomy(Conv(1, 1) >> joint >> ReLU() >> Conv(2, 1) >> (Identity() | ReLU()), input).rows}
    assert {path for path, row in rows.items() if row.aligned} == {"0", *(path for path in rows if path.startswith("1."))}
    split = [before != after for before, after in zip(input[1:], rows["1"].output[1:])]
    assert [axis.aligned for axis in rows["1"].field] == [not different for different in split]
    assert [axis.jump for axis in rows["1"].field] == [None if different else 1 for different in split]


@pytest.mark.parametrize(
    "after", [Identity(), Conv(2, 2), Conv(2, 1) >> MaxPool(3, 1), Flatten(), FC(3), GlobalAvgPool() >> FC(3)], ids=str
)
@pytest.mark.parametrize(("joint", "input"), UNALIGNED, ids=str)
def test_every_unit_behind_a_joint_that_is_not_aligned_reads_the_hull_of_its_branches(
    joint: Expression, input: Shape, after: Expression
) -> None:
    assert hold(joint >> after, input, borders=False) > 0


def test_joints_that_are_not_aligned_may_follow_one_another() -> None:
    net = (Conv(2, 7) | Conv(2, 1, stride=2)) >> Conv(2, 3, pad=1) >> Conv(2, 3) >> (Conv(2, 3) + Conv(2, 1, stride=2)) >> Identity()
    for end in (Conv(1, 2), FC(3)):
        assert hold(net >> end, (1, 13, 13), borders=False) > 0
    assert [span.jump for span in anatomy(net, (1, 13, 13)).rows[-1].field.down.spans] == [1, 2, 4]


def test_the_size_and_start_of_a_field_are_those_of_its_first_unit() -> None:
    for joint, input in UNALIGNED:
        for axis in anatomy(joint, input).rows[-1].field:
            assert (axis.start, axis.start + axis.size) == interval(axis, 0)


def test_equal_jumps_are_aligned_whatever_the_windows() -> None:
    assert all(row.aligned for net, input in (*TILING.values(), *GAPPED.values()) for row in anatomy(net, input).rows)


# --- random networks ---------------------------------------------------------------------------------------------------


@st.composite
def tiling_layers(draw: st.DrawFn, sides: tuple[int, int]) -> Expression:
    """A layer with a window of its own on each axis, whose padding behind lets it end exactly at the border."""
    is_pool = draw(st.booleans())
    size, stride, pad = [], [], []
    for side in sides:
        window = draw(st.integers(1, 4))
        step = draw(st.integers(1, min(window // 2 + 1 if is_pool else window, 3)))
        before = draw(st.integers(0, window // 2 if is_pool else window - 1))
        size.append(window)
        stride.append(step)
        pad.append((before, (window - side - before) % step))
    if is_pool:
        return draw(st.sampled_from((MaxPool, AvgPool, L2Pool)))(tuple(size), tuple(stride), tuple(pad))
    return Conv(draw(st.integers(1, 2)), tuple(size), tuple(stride), tuple(pad))


@st.composite
def keeping(draw: st.DrawFn, maps: int, depth: int, dilation: int = 1) -> Expression:
    """A part that keeps height and width and gives `maps` maps, by windows that lean to any side."""
    kind = draw(st.sampled_from(("conv", "pool", "chain", "sum", "concat")[: 5 if depth else 2]))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    spread = draw(st.integers(1, dilation))
    if kind == "pool":
        pad = tuple(((side - 1) // 2, side // 2) for side in size)
        return draw(st.sampled_from((MaxPool, AvgPool, L2Pool)))(size, 1, pad) >> Conv(maps, 1)
    if kind == "chain":
        return draw(keeping(2, depth - 1, dilation)) >> ReLU() >> draw(keeping(maps, depth - 1, dilation))
    if kind == "sum":
        return Sum(draw(keeping(maps, depth - 1, dilation)), draw(keeping(maps, depth - 1, dilation)))
    if kind == "concat" and maps > 1:
        return Concat(draw(keeping(1, depth - 1, dilation)), draw(keeping(maps - 1, depth - 1, dilation)))
    spare = [(side - 1) * spread for side in size]
    before = [draw(st.integers(0, room)) for room in spare]
    return Conv(maps, size, 1, tuple((first, room - first) for first, room in zip(before, spare)), dilation=spread)


@st.composite
def networks(draw: st.DrawFn, gaps: bool) -> tuple[Expression, Shape]:
    """A small network and what enters it; with `gaps`, windows may be dilated, jump over inputs and leave a border unread."""
    shape: Shape = (draw(st.integers(1, 2)), draw(st.integers(20, 32)), draw(st.integers(20, 32)))
    net: Expression = Conv(2, 1)
    for _ in range(draw(st.integers(1, 3))):
        maps, *sides = net.output(shape)
        kind = draw(st.sampled_from(("layer", "keep", "residual", "dense")))
        if kind == "layer" and min(sides) >= 8:
            if gaps:
                size, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
                net = net >> draw(st.sampled_from((Conv(2, size, stride, fit="floor"), MaxPool(size, stride, fit="floor"))))
            else:
                net = net >> draw(tiling_layers((sides[0], sides[1])))
        elif kind == "residual":
            net = net >> Sum(draw(keeping(maps, 1, 2 if gaps else 1)), Identity())
        elif kind == "dense":
            net = net >> Concat(Identity(), draw(keeping(1, 1, 2 if gaps else 1)))
        else:
            net = net >> draw(keeping(2, 2, 2 if gaps else 1))
    return (net >> FC(2) if draw(st.booleans()) else net), shape


several = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@several
@given(networks(gaps=False))
def test_in_any_network_without_gaps_every_unit_reads_its_field_and_nothing_else(case: tuple[Expression, Shape]) -> None:
    hold(*case)


@several
@given(networks(gaps=True))
def test_in_any_network_with_gaps_every_field_inside_the_input_is_what_its_unit_reads(case: tuple[Expression, Shape]) -> None:
    hold(*case, borders=False)
