"""The worked comparisons: the numbers of the lecture notes as literals, and other sizes against arithmetic written out here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.anatomy import anatomy
from hubel.errors import LayerError, ShapeError
from hubel.layers import FC, Conv, Dropout, MaxPool, ReLU
from hubel.nets import NETS
from hubel.rewrite import convolutional
from hubel.worked import COMPARISONS, Comparison, columns, fully_connected, reduction, small_filters, weight_sharing

few = st.integers(1, 9)
halves = st.integers(1, 4)
pads = st.integers(0, 4)


def numbers(comparison: Comparison) -> list[tuple[int, int, int]]:
    return [(way.weights, way.macs, way.field) for way in comparison.ways]


# --- the notes' own numbers --------------------------------------------------------------------------------------------


def test_alexnets_first_layer_without_weight_sharing_has_105_705_600_parameters():
    apart, shared = weight_sharing().ways
    assert dict(apart.columns) == {"biases": 290_400, "parameters": 105_705_600}
    assert dict(shared.columns) == {"biases": 96, "parameters": 34_944}
    assert apart.macs == shared.macs == 105_415_200
    assert "290,400 units with 364 parameters each" in weight_sharing().lesson
    assert "divides by 3,025" in weight_sharing().lesson


def test_alexnets_first_layer_is_a_product_of_96x363_and_363x3025():
    (product,) = columns().ways
    assert dict(product.columns) == {"rows": "96x363", "columns": "363x3025", "output": "96x55x55"}
    assert product.macs == 96 * 363 * 3_025


def test_the_reduction_before_a_5x5_leaves_12_443_648_of_120_422_400():
    direct, behind = reduction().ways
    assert (direct.macs, behind.macs) == (120_422_400, 12_443_648)
    assert dict(behind.columns) == {"of which": "2,408,448 + 10,035,200"}
    assert behind.macs == 2_408_448 + 10_035_200
    assert "10.3% of the multiply-adds" in reduction().lesson


@pytest.mark.parametrize("maps", [1, 64, 512])
def test_three_3x3_see_as_much_as_a_7x7_with_27_instead_of_49_weights_for_every_pair_of_maps(maps):
    large, stack = small_filters(maps).ways
    assert (large.weights, stack.weights) == (49 * maps**2, 27 * maps**2)
    assert large.field == stack.field == 7
    assert small_filters(maps).lesson.startswith("49 C^2 weights against 27 C^2, the same receptive field, and 2 more ReLUs")


def test_a_fully_connected_unit_reads_3_072_inputs_and_120_000_of_a_larger_picture():
    for shape, reads, units in (((3, 32, 32), 3_072, 10_240), ((3, 200, 200), 120_000, 400_000)):
        full, conv = fully_connected(shape).ways
        assert dict(full.columns) == {"weights a unit": reads}
        assert dict(conv.columns) == {"weights a unit": 75}
        assert (full.weights, conv.weights) == (reads * units, 750)
        assert (full.field, conv.field) == (shape[1], 5)


@pytest.mark.parametrize(
    ("width", "size", "stride", "pad", "gives"), [(7, 3, 1, 0, 5), (7, 3, 2, 0, 3), (227, 11, 4, 0, 55)], ids=lambda number: str(number)
)
def test_the_notes_output_sizes(width, size, stride, pad, gives):
    assert Conv(1, size, stride, pad).output((1, width, width)) == (1, gives, gives)


def test_a_window_that_does_not_fit_is_refused_with_the_fraction_and_settings_that_fit():
    with pytest.raises(ShapeError) as refused:
        Conv(1, 3, stride=2).output((1, 10, 10))
    said = str(refused.value)
    assert "(10 - 3 + 2*0)/2 + 1 = 4.5" in said
    assert "an input of 9 or 11" in said
    for settings in ({"stride": 1}, {"stride": 2, "pad": 1}):
        assert Conv(1, 3, **settings).output((1, 10, 10))


VGG_LIKE = (Conv(4, 3, pad=1) >> ReLU() >> MaxPool(2)) * 5 >> FC(16) >> ReLU() >> Dropout() >> FC(16) >> ReLU() >> Dropout() >> FC(10)
"""Five pools of 2 and a classifier that reads 7x7 of 224, as VGG."""


@pytest.mark.parametrize("net", [VGG_LIKE, NETS["vgg16"].net()], ids=["like vgg", "vgg16"])
def test_dense_evaluation_of_384_gives_a_map_of_6x6_one_for_each_of_36_crops(net):
    form = convolutional(net, (3, 224, 224)).net
    scores = {size: [row for row in anatomy(form, (3, size, size)).rows if len(row.output) == 3][-1] for size in (224, 384)}
    assert scores[224].output[1:] == (1, 1)
    assert scores[384].output[1:] == (6, 6)
    assert 384 // 32 == 12
    assert (12 - 7) // 1 + 1 == 6
    down, across = scores[384].field
    assert (down.jump, across.jump) == (32, 32)  # each score is that of a crop, 32 pixels from the next
    crops = {(row * 32, column * 32) for row in range(6) for column in range(6)}
    assert len(crops) == 36
    assert max(crops) == (160, 160)
    assert 160 + 224 == 384  # the last crop ends where the picture does


# --- other sizes -------------------------------------------------------------------------------------------------------


@given(few, st.integers(7, 20), few, st.integers(1, 7), pads)
def test_weight_sharing_divides_by_the_places_of_a_map(inputs, side, maps, size, pad):
    places = (side - size + 2 * pad + 1) ** 2
    each = inputs * size * size + 1
    apart, shared = weight_sharing((inputs, side, side), Conv(maps, size, pad=pad)).ways
    assert apart.weights == places * maps * inputs * size * size
    assert shared.weights == maps * inputs * size * size
    assert apart.macs == shared.macs == apart.weights
    assert dict(apart.columns) == {"biases": places * maps, "parameters": places * maps * each}
    assert dict(shared.columns) == {"biases": maps, "parameters": maps * each}
    assert apart.field == shared.field == size


@given(few, st.integers(1, 20), few, halves, few)
def test_a_reduction_costs_its_1x1_and_what_is_left(inputs, side, maps, half, reduced):
    size = 2 * half + 1
    direct, behind = reduction((inputs, side, side), maps, size, reduced).ways
    places = side * side
    first, second = places * inputs * reduced, places * reduced * size * size * maps
    assert (direct.weights, direct.macs) == (inputs * maps * size * size, places * inputs * maps * size * size)
    assert (behind.weights, behind.macs) == (inputs * reduced + reduced * maps * size * size, first + second)
    assert dict(behind.columns) == {"of which": f"{first:,} + {second:,}"}
    assert direct.field == behind.field == size


@given(few, st.integers(1, 6), st.integers(1, 30))
def test_a_stack_of_3x3_sees_what_one_large_filter_sees(maps, count, side):
    size = 2 * count + 1
    large, stack = small_filters(maps, size, side).ways
    assert (large.weights, stack.weights) == (size * size * maps * maps, count * 9 * maps * maps)
    assert (large.macs, stack.macs) == (large.weights * side * side, stack.weights * side * side)
    assert large.field == stack.field == size


@given(few, st.integers(1, 20), few, halves)
def test_a_fully_connected_layer_of_as_many_units_reads_everything_once_a_unit(inputs, side, maps, half):
    size = 2 * half + 1
    full, conv = fully_connected((inputs, side, side), maps, size).ways
    assert full.weights == full.macs == (inputs * side * side) * (maps * side * side)
    assert (conv.weights, conv.macs) == (inputs * maps * size * size, inputs * maps * size * size * side * side)
    assert dict(full.columns) == {"weights a unit": inputs * side * side}
    assert dict(conv.columns) == {"weights a unit": inputs * size * size}


@given(few, st.integers(7, 20), few, st.integers(1, 7), pads)
def test_the_columns_have_a_row_for_every_weight_and_a_column_for_every_place(inputs, side, maps, size, pad):
    out = side - size + 2 * pad + 1
    (product,) = columns((inputs, side, side), Conv(maps, size, pad=pad)).ways
    depth = inputs * size * size
    assert dict(product.columns) == {"rows": f"{maps}x{depth}", "columns": f"{depth}x{out * out}", "output": f"{maps}x{out}x{out}"}
    assert (product.weights, product.macs) == (maps * depth, maps * depth * out * out)


# --- what cannot be compared -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compare", [reduction, small_filters, fully_connected])
@pytest.mark.parametrize("size", [-3, 0, 1, 2, 4, 5.0])
def test_a_window_that_padding_cannot_centre_is_refused(compare, size):
    with pytest.raises(LayerError, match="it must be odd and 3 or more"):
        compare(size=size)


@pytest.mark.parametrize("compare", [weight_sharing, columns])
@pytest.mark.parametrize("layer", [Conv(6, 3, groups=3), Conv(6, 3, dilation=2)], ids=str)
def test_a_layer_of_groups_or_with_gaps_is_refused(compare, layer):
    with pytest.raises(LayerError, match="without groups and dilation"):
        compare((3, 9, 9), layer)


def test_without_biases_a_unit_has_its_weights_alone():
    apart, shared = weight_sharing((3, 9, 9), Conv(2, 3, bias=False)).ways
    assert dict(apart.columns) == {"biases": 0, "parameters": 27 * 2 * 49}
    assert dict(shared.columns) == {"biases": 0, "parameters": 27 * 2}
    assert "units with 27 parameters each" in weight_sharing((3, 9, 9), Conv(2, 3, bias=False)).lesson


def test_every_comparison_of_the_notes_has_a_title_ways_and_a_lesson():
    titles = []
    for comparison in (compare() for compare in COMPARISONS):
        assert comparison.ways
        assert comparison.lesson.endswith(".")
        titles.append(comparison.title)
    assert len(set(titles)) == len(titles) == 6
