"""The walk: rows and totals against a walk by hand, receptive fields against sets of inputs, worked examples of the lecture notes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expressions import fitting_networks
from hubel.anatomy import anatomy
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Head
from hubel.layers import (
    FC,
    AvgPool,
    Conv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    Layer,
    Local,
    PadMaps,
    ReLU,
    Sigmoid,
    Subsample,
)

TOTALS = ("parameters", "weights", "biases", "macs", "connections", "activation_bytes")


def said(axis):
    return axis.size, axis.jump, axis.start, axis.aligned


def laid_out(part, shape, path=()):
    """(path, part, shape that enters) of every layer and branching joint, in the order of computation."""
    if not isinstance(part, Layer):
        for name, inner in part.children():
            yield from laid_out(inner, shape, (*path, name))
            if isinstance(part, Chain):
                shape = inner.output(shape)
    if not isinstance(part, Chain):
        yield ".".join(path), part, shape


@settings(deadline=None, max_examples=120)
@given(fitting_networks())
def test_rows_are_the_layers_and_joins_in_order_with_what_each_costs(drawn):
    net, shape = drawn
    sized, enters = anatomy(net, shape), {}
    expected = list(laid_out(net, shape))
    assert [(row.path, row.part) for row in sized.rows] == [(path, part) for path, part, _ in expected]
    for row, (_, part, inside) in zip(sized.rows, expected):
        if isinstance(part, Layer):
            enters[row.path] = inside
            assert (row.input, row.output) == (inside, part.output(inside))
            assert (row.weights, row.biases, row.macs) == (part.weights(inside), part.biases(inside), part.macs(inside))
            assert row.activation_bytes == (0 if isinstance(part, (Identity, Flatten)) else 4 * math.prod(row.output))
            assert row.layer == repr(part)
        else:
            assert (row.output, row.parameters, row.macs) == (part.output(row.input), 0, 0)
            assert row.activation_bytes == 4 * math.prod(row.output)
            assert row.layer == type(part).__name__
    assert sized.output == sized.rows[-1].output == net.output(shape)
    for total in TOTALS:
        assert getattr(sized, total) == sum(getattr(row, total) for row in sized.rows)


@settings(deadline=None, max_examples=60)
@given(fitting_networks(), st.integers(2, 300))
def test_batch_multiplies_work_and_memory_and_no_parameters(drawn, batch):
    one, many = anatomy(*drawn), anatomy(*drawn, batch=batch)
    for alone, row in zip(one.rows, many.rows):
        assert (row.macs, row.activation_bytes) == (alone.macs * batch, alone.activation_bytes * batch)
        assert (row.path, row.weights, row.biases, row.output, row.field) == (
            alone.path,
            alone.weights,
            alone.biases,
            alone.output,
            alone.field,
        )
    assert many.parameters == one.parameters


def test_joins_have_rows_of_their_own_behind_their_branches():
    net = Chain(stem=Conv(2, 1), block=Conv(2, 3, pad=1) >> ReLU() | Identity() + Conv(2, 1))
    rows = [(row.path, row.layer, row.output, row.parameters, row.activation_bytes) for row in anatomy(net, (1, 4, 4)).rows]
    assert rows == [
        ("stem", "Conv(2, 1)", (2, 4, 4), 4, 128),
        ("block.0.0", "Conv(2, 3, pad=1)", (2, 4, 4), 38, 128),
        ("block.0.1", "ReLU()", (2, 4, 4), 0, 128),
        ("block.1.0", "Identity()", (2, 4, 4), 0, 0),
        ("block.1.1", "Conv(2, 1)", (2, 4, 4), 6, 128),
        ("block.1", "Sum", (2, 4, 4), 0, 128),
        ("block", "Concat", (4, 4, 4), 0, 256),
    ]


def test_equal_layers_at_two_places_are_counted_twice():
    block = Conv(4, 3, pad=1) >> ReLU()
    sized = anatomy(block * 2 + block * 2, (4, 5, 5))
    assert sized.parameters == 4 * (4 * 4 * 9 + 4)
    assert len({row.path for row in sized.rows}) == len(sized.rows) == 9


WITH_HEAD = Chain(conv1=Conv(4, 3), aux=Head(Conv(2, 1) >> FC(5), 0.3), conv10=Conv(4, 3), fc=FC(5))


def test_heads_are_counted_when_asked_alone_and_change_nothing_else():
    without, asked = anatomy(WITH_HEAD, (1, 8, 8)), anatomy(WITH_HEAD, (1, 8, 8), heads=True)
    assert [row.path for row in without.rows] == ["conv1", "conv10", "fc"]
    assert [row.path for row in asked.rows] == ["conv1", "aux.0.0", "aux.0.1", "conv10", "fc"]
    assert [row.path for row in asked.rows if row.in_head] == ["aux.0.0", "aux.0.1"]
    assert asked.parameters - without.parameters == (4 * 2 + 2) + (2 * 36 * 5 + 5) == asked.within("aux").parameters
    assert tuple(row for row in asked.rows if not row.in_head) == without.rows
    assert asked.field == without.field
    assert asked.output == without.output == (5,)


def test_within_takes_a_stage_and_all_below_it_and_no_namesake():
    sized = anatomy(WITH_HEAD, (1, 8, 8), heads=True)
    assert [row.path for row in sized.within("conv1").rows] == ["conv1"]
    assert [row.path for row in sized.within("aux").rows] == ["aux.0.0", "aux.0.1"]
    assert [row.path for row in sized.within("aux.0.1").rows] == ["aux.0.1"]
    for path in ("conv", "aux.1", "", "aux.0.1.0"):
        with pytest.raises(HubelError, match="There is no part"):
            sized.within(path)


@pytest.mark.parametrize("shape", [(), (3, 8), (1, 3, 8, 8), (0, 8, 8), (3, -8, 8), (3, 8.0, 8), ("3",), (True, 8, 8), (0,)])
def test_inputs_that_are_neither_maps_nor_vectors_are_refused(shape):
    with pytest.raises(ShapeError, match=r"^the input is"):
        anatomy(ReLU(), shape)


@pytest.mark.parametrize("batch", [0, -1, 1.5, "2", True])
def test_batches_that_are_no_positive_whole_number_are_refused(batch):
    with pytest.raises(ShapeError, match=r"^the batch is"):
        anatomy(ReLU(), (3,), batch)


def test_worked_example_without_parameter_sharing():
    sized = anatomy(Local(96, 11, stride=4), (3, 227, 227))
    assert math.prod(sized.output) == 290_400
    assert sized.parameters == 105_705_600 == 290_400 * 364


def test_worked_example_of_the_bottleneck_before_5x5():
    assert anatomy(Conv(32, 5, pad=2), (192, 28, 28)).macs == 120_422_400
    slim = anatomy(Conv(16, 1) >> Conv(32, 5, pad=2), (192, 28, 28))
    assert [row.macs for row in slim.rows] == [2_408_448, 10_035_200]
    assert slim.macs == 12_443_648


@pytest.mark.parametrize("maps", [1, 64, 512])
def test_worked_example_of_three_3x3_for_one_7x7(maps):
    stack, one = (anatomy(net, (maps, 32, 32)) for net in (Conv(maps, 3, pad=1, bias=False) * 3, Conv(maps, 7, pad=3, bias=False)))
    assert (stack.parameters, one.parameters) == (27 * maps**2, 49 * maps**2)
    assert {said(axis) for axis in (*stack.field, *one.field)} == {(7, 1, -3, True)}


# --- receptive fields: which inputs a unit depends on, on an axis without ends ---------------------------------------


def read_by(part, units, shape, axis):
    """The inputs on one axis, some in padding, on which `units` of the output depend; `shape` enters."""
    if isinstance(part, Chain):
        shapes = [shape]
        for _, link in part.children():
            shapes.append(link.output(shapes[-1]))
        for (_, link), enters in reversed(list(zip(part.children(), shapes))):
            units = read_by(link, units, enters, axis)
        return units
    if not isinstance(part, Layer):
        return set().union(*(read_by(branch, units, shape, axis) for _, branch in part.children()))
    if isinstance(part, (FC, Flatten, GlobalAvgPool)):
        return set(range(shape[axis])) if len(shape) == 3 else units
    own = vars(part)
    size, stride, pad = own.get("size", 1), own.get("stride", own.get("size") if isinstance(part, Subsample) else 1), own.get("pad", 0)
    size, stride, dilation, pad = (
        value if isinstance(value, tuple) else (value, value) for value in (size, stride, own.get("dilation", 1), pad)
    )
    before = pad[axis - 1][0] if isinstance(pad[axis - 1], tuple) else pad[axis - 1]
    return {unit * stride[axis - 1] - before + tap * dilation[axis - 1] for unit in units for tap in range(size[axis - 1])}


@settings(deadline=None, max_examples=200)
@given(fitting_networks())
def test_field_is_from_the_first_to_the_last_input_that_a_unit_depends_on(drawn):
    net, shape = drawn
    for axis, field in zip((1, 2), anatomy(net, shape).field):
        first, second = read_by(net, {0}, shape, axis), read_by(net, {1}, shape, axis)
        assert field.aligned
        assert (field.start, field.size) == (min(first), max(first) - min(first) + 1)
        assert field.jump == (min(second) - min(first) if len(net.output(shape)) == 3 else None)


def test_field_of_branches_is_their_hull():
    field = anatomy(Conv(1, 3, pad=((2, 0), (0, 2))) + Conv(1, 1) + Conv(1, (5, 3), dilation=(1, 2), pad=(2, 2)), (1, 9, 9)).field
    assert said(field.down) == (5, 1, -2, True)
    assert said(field.across) == (5, 1, -2, True)


UNALIGNED = Conv(1, 1, stride=2) + Conv(1, 3)


def test_branches_of_different_strides_are_not_aligned_nor_is_what_follows():
    for net in (UNALIGNED, UNALIGNED >> ReLU(), UNALIGNED >> ReLU() | UNALIGNED):
        sized = anatomy(net, (1, 4, 4))
        assert not sized.rows[-1].aligned
        assert said(sized.field.down) == (3, None, 0, False)
    assert anatomy(UNALIGNED, (1, 4, 4)).rows[0].aligned


@pytest.mark.parametrize("behind", [Conv(1, 1) >> AvgPool(2), FC(3), GlobalAvgPool()], ids=repr)
def test_field_behind_unaligned_branches_is_no_smaller_than_what_is_seen(behind):
    net, shape = UNALIGNED >> behind, (1, 4, 4)
    seen = read_by(net, {0}, shape, 1)
    assert anatomy(net, shape).field.down.size >= max(seen) - min(seen) + 1


def test_one_unit_that_reads_everything_has_no_jump():
    for end in (FC(3), GlobalAvgPool(), Flatten() >> Dropout() >> FC(2), FC(4) >> Sigmoid() >> FC(2)):
        field = anatomy(Conv(2, 3, stride=2, pad=1) >> PadMaps(4) >> end, (1, 8, 6)).field
        assert (said(field.down), said(field.across)) == ((9, None, -1, True), (7, None, -1, True))
    assert anatomy(FC(3), (7,)).field.down.jump is None
