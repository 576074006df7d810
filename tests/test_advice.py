"""Advice: every rule speaks where it should and nowhere else, savings are exact, and the papers' networks hear only what is so."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hubel.nets
from expressions import expressions, fitting_networks
from hubel.advice import RULES, Advice, advise
from hubel.advice.meeting import Meeting, fitting_inputs
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ShapeError
from hubel.joints import Expression, Shape
from hubel.nets.paper import Variant
from hubel.reading import read
from hubel.rewrite import fitted
from hubel.windows import Window

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for module in pkgutil.iter_modules(hubel.nets.__path__, "hubel.nets.")
    for variant in getattr(importlib.import_module(module.name), "VARIANTS", ())
}

NAMES = [rule.__name__.replace("_", " ") for rule in RULES]


def named(advice: tuple[Advice, ...], rule: str) -> Advice | None:
    return next((one for one in advice if one.rule == rule), None)


def heard(text: str, shape: Shape) -> list[str]:
    return [advice.rule for advice in advise(read(text), shape)]


# fmt: off
CASES = (  # rule; a network that should hear it; its pictures; the network repaired; its pictures, where the repair is in them
    ("window does not fit", "Conv(96, 11, stride=4)", (3, 224, 224), "Conv(96, 11, stride=4, pad=2)", None),
    ("layer added alone", "Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1) + Identity()", (8, 16, 16),
     "Sum(Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1), Identity())", None),
    ("layer repeated", "Conv(8, 3, pad=1) >> ReLU() * 3 >> FC(2)", (3, 16, 16), "(Conv(8, 3, pad=1) >> ReLU()) * 3 >> FC(2)", None),
    ("no activation between", "Conv(8, 3) >> BatchNorm() >> Conv(8, 3)", (3, 16, 16), "Conv(8, 3) >> BatchNorm() >> ReLU() >> Conv(8, 3)", None),
    ("no activation between", "Conv(8, 3) >> MaxPool(2) >> Conv(8, 3)", (3, 16, 16), "Conv(8, 3) >> Tanh() >> MaxPool(2) >> Conv(8, 3)", None),
    ("no activation between", "FC(8) >> Dropout() >> FC(2)", (5,), "FC(8) >> Sigmoid() >> Dropout() >> FC(2)", None),
    ("no activation between", "(Conv(8, 1) | Conv(8, 3, pad=1)) >> Conv(8, 3)", (3, 16, 16),
     "(Conv(8, 1) | Conv(8, 3, pad=1)) >> ReLU() >> Conv(8, 3)", None),
    ("scores are changed", "FC(3) >> Softmax()", (5,), "FC(3)", None),
    ("scores are changed", "FC(1) >> Sigmoid()", (5,), "FC(1)", None),
    ("scores are changed", "FC(3) >> BatchNorm() >> ReLU()", (5,), "FC(3) >> BatchNorm()", None),
    ("dropout before batch norm", "Conv(8, 3) >> ReLU() >> Dropout(0.2) >> BatchNorm()", (3, 16, 16),
     "Conv(8, 3) >> ReLU() >> BatchNorm() >> Dropout(0.2)", None),
    ("units see only padding", "Conv(8, 1, pad=1)", (3, 16, 16), "Conv(8, 1)", None),
    ("weights see only padding", "Conv(8, 3, pad=1)", (4, 1, 1), "Conv(8, 3, pad=1)", (4, 2, 2)),
    ("values are never read", "Conv(8, 3, pad=1) >> ReLU() >> Conv(4, 1, stride=2) >> ReLU() >> Conv(4, 3, pad=1)", (3, 16, 16),
     "Conv(8, 3, pad=1) >> ReLU() >> Conv(4, 1) >> ReLU() >> Conv(4, 3, stride=2, pad=1)", None),
    ("bias before batch norm", "Conv(8, 3) >> BatchNorm()", (3, 16, 16), "Conv(8, 3, bias=False) >> BatchNorm()", None),
    ("fully connected layers dominate", "Conv(64, 3, pad=1) >> ReLU() >> FC(512) >> ReLU() >> FC(2)", (3, 16, 16),
     "Conv(64, 3, pad=1) >> ReLU() >> GlobalAvgPool() >> FC(512) >> ReLU() >> FC(2)", None),
    ("missing reduction", "Conv(32, 5, pad=2)", (192, 28, 28), "Conv(16, 1) >> ReLU() >> Conv(32, 5, pad=2)", None),
    ("large filter", "Conv(64, 7, pad=3, bias=False)", (64, 16, 16), "Conv(64, 3, pad=3)", None),
    ("memory at full size", "Conv(64, 3, pad=1) >> ReLU() >> GlobalAvgPool() >> FC(2)", (3, 224, 224),
     "Conv(64, 3, stride=2, pad=1) >> ReLU() >> GlobalAvgPool() >> FC(2)", None),
    ("deep without shortcuts", "(Conv(4, 3, pad=1) >> ReLU()) * 21", (4, 64, 64),
     "(Sum(Conv(4, 3, pad=1) >> ReLU() >> Conv(4, 3, pad=1), Identity()) >> ReLU()) * 11", None),
    ("field outgrows the picture", "(Conv(8, 3, pad=1) >> ReLU()) * 10", (8, 5, 5), "(Conv(8, 3, pad=1) >> ReLU()) * 10", (8, 16, 16)),
    ("field is smaller than the picture", "Conv(8, 3, pad=1) >> ReLU() >> GlobalAvgPool() >> FC(2)", (3, 32, 32),
     "(Conv(8, 3, stride=2, pad=1) >> ReLU()) * 4 >> GlobalAvgPool() >> FC(2)", None),
    ("branches are not aligned", "Conv(8, 3, stride=2) >> ReLU() >> Conv(8, 3, stride=2) | Conv(8, 25)", (3, 31, 31),
     "Conv(8, 3, stride=2) >> ReLU() >> Conv(8, 3, stride=2) | Conv(8, 7, stride=4)", None),
    ("pool before convolutions", "MaxPool(2) >> Conv(8, 3) >> ReLU() >> FC(2)", (3, 16, 16), "Conv(8, 3) >> ReLU() >> MaxPool(2) >> FC(2)", None),
    ("sides do not halve", "MaxPool(2, fit='floor')", (3, 75, 75), "MaxPool(2, fit='floor')", (3, 76, 76)),
    ("sides do not halve", "MaxPool(2, fit='ceil')", (3, 75, 75), "MaxPool(2, fit='ceil')", (3, 74, 74)),
    ("pixels are lost", "Conv(8, 3, stride=2, fit='floor')", (3, 32, 32), "Conv(8, 3, stride=2, pad=1)", None),
    ("windows read beyond", "MaxPool(3, 2, fit='ceil')", (3, 32, 32), "MaxPool(3, 2, pad=1)", None),
    ("padding is never read", "Conv(64, 7, stride=2, pad=3)", (3, 224, 224), "Conv(64, 7, stride=2, pad=((3, 2), (3, 2)))", None),
)
# fmt: on


def test_every_rule_has_a_case():
    assert {rule for rule, *_ in CASES} == set(NAMES)


@pytest.mark.parametrize(("rule", "text", "shape", "repaired", "pictures"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_rule_speaks_and_falls_silent_when_it_is_followed(rule, text, shape, repaired, pictures):
    advice = named(advise(read(text), shape), rule)
    assert advice is not None
    assert any(sign.isdigit() for sign in advice.finding)
    assert rule not in heard(repaired, pictures or shape)
    if advice.mended:
        assert rule not in [one.rule for one in advise(advice.mended, shape)]


SILENT = (  # nothing is missing between two layers with weights where ...
    "Depthwise(3, pad=1) >> Conv(8, 1) >> ReLU()",  # ... both are one separable convolution,
    "Conv(16, 1) >> Depthwise(3, pad=1) >> ReLU()",
    "Conv(8, (1, 7)) >> Conv(8, (7, 1)) >> ReLU()",  # ... or one factorised over height and width,
    "Conv(2, 1) >> BatchNorm() >> Conv(16, 1)",  # ... or one through fewer maps,
    "Sum(ReLU() >> Conv(8, 3, pad=1), Conv(8, 1)) >> Conv(8, 1)",  # ... or a shortcut carries the first past the second,
    "Conv(8, 1) >> Sum(ReLU() >> Conv(4, 3, pad=1), Conv(4, 1))",  # ... or the second is one,
    "(Conv(8, 1) | Conv(8, 3, pad=1)) >> ReLU() >> Conv(8, 3)",  # ... or the activation follows the join,
    "(Conv(8, 1) | Identity()) >> BatchNorm() >> ReLU() >> Conv(8, 3)",
    "Conv(8, 3) >> ReLU() >> Conv(8, 3) >> GlobalAvgPool()",  # ... or the scores come next.
)


@pytest.mark.parametrize("text", SILENT)
def test_layers_that_are_meant_to_be_linear_together_are_left_alone(text):
    assert "no activation between" not in heard(text, (8, 16, 16))


@pytest.mark.parametrize(
    "text",
    [
        "Conv(8, 1) >> Conv(8, 3)",
        "Conv(8, 1) >> Conv(8, (7, 1))",
        "Conv(8, 3) >> Conv(8, 1)",
        "Conv(16, 1) >> Conv(16, 1)",
        "Conv(8, 3) >> ReLU() >> Conv(8, 3) >> GlobalAvgPool() >> FC(2)",
        "ReLU() >> Conv(8, 3) >> Sum(Conv(8, 3, pad=1) >> ReLU(), Identity())",
    ],
)
def test_layers_that_are_one_linear_layer_are_told(text):
    assert "no activation between" in heard(text, (8, 16, 16))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Conv(96, 11, stride=4)", (3, 227, 227)),  # as many colours as a picture has
        ("Conv(64, 7, pad=3)", (3, 64, 64)),
        ("Conv(32, 5, pad=2)", (16, 28, 28)),
        ("Conv(16, 1) >> ReLU() >> Conv(32, 5, pad=2)", (192, 28, 28)),
        ("Conv(512, 3, pad=1)", (512, 14, 14)),
        ("FC(10)", (3, 64, 64)),  # no convolution that it would dwarf
        ("Conv(16, 3) >> ReLU() >> GlobalAvgPool() >> FC(1000)", (3, 6, 6)),  # nothing left to average
        ("Sum(Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1), Identity())", (8, 16, 16)),
        ("Conv(8, 3, pad=1, bias=False) >> BatchNorm() + PadMaps(8)", (8, 16, 16)),
        ("Conv(8, 3, stride=2, pad=1)", (3, 75, 75)),  # 3 at stride 2 fits an odd side
        ("Conv(8, 3, pad=1) >> ReLU()", (3, 64, 64)),  # a part of a network
        ("Softmax() >> FC(2)", (5,)),
        ("ReLU()", (5,)),
    ],
)
def test_nothing_is_said_where_nothing_is_wrong(text, shape):
    assert heard(text, shape) == []


@pytest.mark.parametrize(
    "text",
    [
        "Conv(64, 1) >> BatchNorm() >> ReLU() >> Conv(32, 5, pad=2)",  # reduced before
        "Conv(32, 28) >> ReLU()",  # fully connected
        "Conv(10, 3, pad=1) >> GlobalAvgPool()",  # the classes' maps
        "Conv(32, 5, pad=2, groups=4)",
        "Conv(64, 3, pad=1)",
    ],
)
def test_no_reduction_is_missed_where_there_is_one_or_it_would_do_no_good(text):
    assert "missing reduction" not in heard(text, (192, 28, 28))


# --- numbers ----------------------------------------------------------------------------------------------------------


def vgg16_convolutions() -> tuple[int, int]:
    """(parameters, macs) of VGG-16's convolutions, from its widths alone."""
    widths = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
    side, before, parameters, macs = 224, 3, 0, 0
    for maps in widths:
        if maps:
            parameters += 9 * before * maps + maps
            macs += 9 * before * maps * side * side
            before = maps
        else:
            side //= 2
    return parameters, macs


def test_what_vgg16s_fully_connected_layers_cost_and_what_averaging_saves():
    advice = named(advice_on("vgg16"), "fully connected layers dominate")
    parameters, macs = vgg16_convolutions()
    connected = (7 * 7 * 512 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 1000 + 1000)
    assert (connected, parameters + connected) == (123_642_856, 138_357_544)
    assert "123,642,856 of 138,357,544" in advice.finding and "102,764,544" in advice.finding
    assert advice.instead == read("GlobalAvgPool() >> FC(1000)")
    assert advice.saves == (
        ("parameters", 138_357_544, parameters + 512 * 1000 + 1000),
        ("macs", macs + 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000, macs + 512 * 1000),
    )
    weights = 512 * 4096 + 4096 * 4096 + 4096 * 1000
    assert f"{parameters + weights + 4096 + 4096 + 1000:,} parameters and {macs + 49 * weights:,} MACs" in advice.remedy


def test_the_same_network_in_its_convolutional_form_hears_the_same():
    connected, convolved = (named(advice_on(name), "fully connected layers dominate") for name in ("vgg16", "vgg16_conv"))
    assert convolved.saves == connected.saves
    assert convolved.mended.output((3, 256, 256)) == (1000,)


def test_a_reduction_costs_what_the_lectures_count():
    advice = named(advise(read("Conv(32, 5, pad=2)"), (192, 28, 28)), "missing reduction")
    assert advice.saves[1] == ("macs", 120_422_400, 12_443_648)
    assert 28 * 28 * 32 * 5 * 5 * 192 == 120_422_400 and 28 * 28 * (16 * 192 + 32 * 5 * 5 * 16) == 12_443_648


def test_three_small_filters_cost_27_where_a_large_one_costs_49():
    maps = 40
    advice = named(advise(read(f"Conv({maps}, 7, pad=3)"), (maps, 20, 20)), "large filter")
    weights, stacked = 49 * maps**2, 27 * maps**2
    assert advice.saves == (("parameters", weights + maps, stacked + 3 * maps), ("macs", weights * 400, stacked * 400))


def test_idle_biases_are_counted_over_the_whole_network():
    net = read("(Conv(16, 3, pad=1) >> BatchNorm() >> ReLU()) * 3 >> Conv(40, 1) >> BatchNorm()")
    advice = named(advise(net, (3, 16, 16)), "bias before batch norm")
    assert advice.path == "0.0" and advice.others == ("1.0", "2.0", "3")
    assert f"{3 * 16 + 40} parameters" in advice.finding and "in 4 places" in advice.finding and "Conv(40, 1) at 3" in advice.finding
    before = 9 * 16 * (3 + 16 + 16) + 3 * 16 + 16 * 40 + 40 + 2 * (3 * 16 + 40)
    assert advice.saves == (("parameters", before, before - 88),)


def test_resnets_advised_to_read_everything_become_the_later_ones():
    for depth in (50, 101, 152):
        advice = named(advice_on(f"resnet{depth}"), "values are never read")
        assert advice.mended == VARIANTS[f"resnet{depth}_v15"].net()
        assert "2,352 of the 3,136 places (75.0%)" in advice.finding


def test_what_padding_makes_idle_is_counted():
    """ResNet-18 on 32x32: its last maps are 1x1, where 8 of 9 weights of 3x3 meet nothing, and 5 of 9 where 2x2 are halved."""
    advice = named(advise(VARIANTS["resnet18"].net(), (3, 32, 32)), "weights see only padding")
    idle = 5 * 256 * 512 + 3 * 8 * 512 * 512
    assert f"{idle:,} weights are idle" in advice.finding
    assert advice.saves[0] == ("parameters", 11_689_512, 11_689_512 - idle)


def test_lost_pixels_are_counted():
    finding = named(advise(read("MaxPool(2, fit='floor')"), (3, 75, 75)), "sides do not halve").finding
    assert "75x75 become 37x37" in finding and f"{75 * 75 - 74 * 74} of 5,625 places" in finding


def test_a_remainder_is_told_as_resnets_first_layer_leaves_it():
    advice = named(advice_on("resnet50"), "padding is never read")
    assert "1 row and 1 column" in advice.finding and "(224 - 7 + 6)/2 leaves a remainder of 1" in advice.finding


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("MaxPool(3, 2, fit='ceil')", (2, 8, 9)),
        ("MaxPool(4, 3, fit='ceil')", (2, 12, 9)),
        ("MaxPool(3, 2, pad=1, fit='floor')", (2, 8, 7)),
        ("AvgPool(3, 2, pad=1)", (2, 8, 8)),
        ("AvgPool(3, 2, pad=1, count_pad=False)", (2, 8, 8)),
        ("Conv(4, 5, stride=3, pad=2)", (2, 9, 9)),
        ("Depthwise(3, stride=2, pad=1)", (2, 8, 10)),
    ],
)
def test_what_is_said_to_compute_the_same_does(text, shape):
    advice = advise(read(text), shape)[-1]
    assert "computes the same" in advice.remedy and advice.instead == advice.mended.parts[0]
    now, then = build(read(text), shape), build(advice.mended, shape)
    then.load_state_dict(now.state_dict())
    pictures = torch.randn(2, *shape)
    torch.testing.assert_close(now.eval()(pictures), then.eval()(pictures))


# --- networks that do not fit -----------------------------------------------------------------------------------------


def test_a_network_that_does_not_fit_is_told_so_in_anatomys_words_and_advised_all_the_same():
    net = VARIANTS["alexnet"].net()
    with pytest.raises(ShapeError) as refusal:
        anatomy(net, (3, 224, 224))
    first, *others = advise(net, (3, 224, 224))
    assert (first.rule, first.path) == ("window does not fit", "conv1.0")
    assert refusal.value.message in first.finding
    assert "3x195x195 or 3x227x227 fit everywhere" in first.remedy
    assert [advice.rule for advice in others] == ["fully connected layers dominate", "pixels are lost"]
    assert "54x54 become 26x26" in others[1].finding and "in 3 places" in others[1].finding
    assert others[0].saves == named(advise(fitted(net, "floor"), (3, 224, 224)), "fully connected layers dominate").saves


def test_what_cannot_be_sized_even_rounded_down_is_refused_as_it_was_written():
    for text, shape in [("Subsample(2)", (6, 5, 5)), ("MaxPool(2) >> Conv(8, 9)", (3, 15, 15)), ("Conv(8, 3) + Conv(9, 3)", (3, 9, 9))]:
        with pytest.raises(ShapeError) as ours:
            advise(read(text), shape)
        with pytest.raises(ShapeError) as sizing:
            anatomy(read(text), shape)
        assert str(ours.value) == str(sizing.value)


def test_windows_in_heads_of_training_must_fit_too():
    net = read("Chain(body=Conv(8, 3) >> ReLU(), aux=Head(MaxPool(2) >> FC(2), 0.3), last=FC(2))")
    assert [(advice.rule, advice.path) for advice in advise(net, (3, 9, 9))] == [("window does not fit", "aux.0.0")]


FITTING = [
    ("Conv(96, 11, stride=4) >> MaxPool(3, 2) >> MaxPool(3, 2)", (3, 224, 224)),
    ("(Conv(8, 3, pad=1) >> MaxPool(2)) * 4", (3, 70, 70)),
    ("Conv(8, 3) >> MaxPool(2, fit='ceil') >> Conv(8, 3) >> MaxPool(2) >> Flatten() >> FC(2)", (1, 29, 29)),
    ("Conv(3, 3, stride=2, pad=1) + MaxPool(2) >> GlobalAvgPool()", (3, 33, 33)),
    ("AdaptiveAvgPool(7) >> MaxPool(7)", (3, 30, 30)),
    ("AdaptiveAvgPool(7) >> MaxPool(3)", (3, 30, 30)),
    ("MaxPool(7) >> MaxPool(29)", (3, 30, 30)),
    ("Chain(body=Conv(8, 3), aux=Head(MaxPool(3) >> FC(2), 0.3), last=FC(2))", (3, 30, 30)),
]


@pytest.mark.parametrize(("text", "shape"), FITTING)
def test_pictures_that_fit_are_the_nearest_that_anatomy_accepts(text, shape):
    def accepted(side: int) -> bool:
        try:
            anatomy(read(text.replace("ceil", "exact")), (shape[0], side, side))
        except ShapeError:
            return False
        return True

    ranges = (range(shape[1], max(0, shape[1] - 65), -1), range(shape[1], shape[1] + 65))
    nearest = [next((side for side in sides if accepted(side)), None) for sides in ranges]
    assert fitting_inputs(read(text), shape) == [(shape[0], side, side) for side in nearest if side]


def test_each_side_of_a_picture_is_fitted_by_itself():
    net = read("(Conv(8, 3, pad=1) >> MaxPool(2)) * 4")
    assert fitting_inputs(net, (3, 70, 61)) == [(3, 64, 48), (3, 80, 64)]
    assert fitting_inputs(net, (3, 70, 48)) == [(3, 64, 48), (3, 80, 48)]


@settings(max_examples=1000)
@given(
    st.builds(
        Window, st.integers(1, 5), st.integers(1, 4), *[st.integers(0, 6)] * 2, st.integers(1, 3), st.sampled_from(["floor", "ceil"])
    ),
    st.integers(1, 12),
)
def test_what_a_window_loses_exceeds_and_meets_is_what_its_units_read(window, side):
    if window.fit == "ceil" and (window.before != window.after or 2 * window.before > window.size or window.dilation > 1):
        return
    try:
        met = Meeting(window, side, window.outputs(side))
    except ShapeError:
        return
    reads = [[unit * window.stride - window.before + place * window.dilation for place in range(window.size)] for unit in range(met.units)]
    assert met.outside == sum(all(not 0 <= at < side for at in range(unit[0], unit[-1] + 1)) for unit in reads)
    assert met.beyond == max(0, reads[-1][-1] + 1 - side - window.after)
    if window.fit == "floor":
        assert met.unread == max(0, min(window.after, side + window.after - 1 - reads[-1][-1]))
    used = [place for place in range(window.size) if any(0 <= unit[place] < side for unit in reads)]
    assert met.met == (range(used[0], used[-1] + 1) if used else range(0))
    if window.stride <= window.span:
        assert met.lost == max(0, side - 1 - reads[-1][-1])


# --- the casebook -----------------------------------------------------------------------------------------------------


@cache
def advice_on(name: str) -> tuple[Advice, ...]:
    return advise(VARIANTS[name].net(), VARIANTS[name].input)


FULLY_CONNECTED, UNREAD, BEYOND = "fully connected layers dominate", "padding is never read", "windows read beyond"

# fmt: off
CASEBOOK = {  # what is said, in its order: of which networks
    (): """
        lenet5 lenet_sigmoid lenet_relu lecun1989_net1 lecun1989_net2 lecun1989_net3 fc_784_512_10 pattern_linear
        mobilenet_v1 mobilenet_v1_0_75 mobilenet_v1_0_50 mobilenet_v1_0_25
        mobilenet_v1_tf mobilenet_v1_0_75_tf mobilenet_v1_0_50_tf mobilenet_v1_0_25_tf mobilenet_v2
        inception_v3 inception_v3_torch inception_resnet_v2 xception squeezenet_1_0
        densenet_bc100_k12 densenet_bc250_k24 densenet_bc190_k40""",
    (FULLY_CONNECTED,): "alexnet alexnet_one_tower alexnet_caffe caffenet pattern_conv_relu_fc pattern_single_conv pattern_double_conv",
    ("no activation between", FULLY_CONNECTED): "lenet_caffe",
    ("units see only padding",): "squeezenet_1_0_caffe",
    (FULLY_CONNECTED, UNREAD): "alexnet_owt",
    (FULLY_CONNECTED, "memory at full size"): "vgg11 vgg11_lrn vgg13 vgg16 vgg16_c vgg16_conv vgg19",
    (FULLY_CONNECTED, "sides do not halve"): "dogs_cats",
    ("sides do not halve",): "mnist_convnet",
    ("missing reduction",): "densenet40_k12 densenet100_k12 densenet100_k24",
    ("values are never read",): "strided_cnn_b",
    ("values are never read", UNREAD): """
        resnet50 resnet101 resnet152 resnet50_a resnet101_a resnet152_a resnet50_c resnet101_c resnet152_c""",
    ("deep without shortcuts", "field outgrows the picture", UNREAD): "plain34 plain32 plain44 plain56 plain110",
    ("pixels are lost", BEYOND): "nin_imagenet",
    (BEYOND,): """
        nin_cifar10 nin_cifar10_caffe squeezenet_1_1
        base_cnn_a base_cnn_b base_cnn_c convpool_cnn_a convpool_cnn_b convpool_cnn_c""",
    (BEYOND, UNREAD): "googlenet googlenet_caffe googlenet_bn",
    (UNREAD,): """
        resnet18 resnet34 resnet18_a resnet34_a resnet18_c resnet34_c resnet50_v15 resnet101_v15 resnet152_v15 plain18
        resnet20 resnet32 resnet44 resnet56 resnet110 resnet1202 plain20
        densenet121 densenet169 densenet201 densenet264 mobilenet_v1_torch mobilenet_v2_torch xception_torch
        strided_cnn_a strided_cnn_c all_cnn_a all_cnn_b all_cnn_c""",
}
# fmt: on
EXPECTED = {name: rules for rules, names in CASEBOOK.items() for name in names.split()}


def test_every_network_of_the_casebook_has_its_place_in_the_table():
    assert sorted(VARIANTS) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_papers_networks_hear_what_is_so_and_no_more(name):
    assert tuple(advice.rule for advice in advice_on(name)) == EXPECTED[name]


# --- any network ------------------------------------------------------------------------------------------------------


def entering(net: Expression, input: Shape, path: str) -> Shape:
    return next(row.input for row in anatomy(net, input, heads=True).rows if row.path == path)


RESIZING = {"layer repeated", "units see only padding", "values are never read", "fully connected layers dominate"}
"""Rules whose repair gives other sizes of maps to what follows, which may then need a repair that it did not."""


def checked(net: Expression, input: Shape) -> None:
    advice = advise(net, input)
    rules = [one.rule for one in advice]
    assert rules == sorted(set(rules), key=NAMES.index)
    does_not_fit = "window does not fit" in rules
    for one in advice:
        assert any(sign.isdigit() for sign in one.finding) and one.finding.endswith(".") and one.remedy.endswith(".")
        assert len({one.path, *one.others}) == 1 + len(one.others)
        if one.mended:
            assert one.rule in RESIZING or one.rule not in [again.rule for again in advise(one.mended, input)]
            now, then = (anatomy(form, input) for form in (fitted(net, "floor") if does_not_fit else net, one.mended))
            counts = {quantity: (getattr(now, quantity), getattr(then, quantity)) for quantity in ("parameters", "macs")}
            assert one.saves == tuple((quantity, *pair) for quantity, pair in counts.items() if pair[0] != pair[1])
        if one.instead and not does_not_fit:
            assert prod(anatomy(one.instead, entering(net, input, one.path)).output) > 0
        if one.rule in ("padding is never read", "windows read beyond") and one.mended:
            assert one.mended.output(input) == anatomy(net if not does_not_fit else fitted(net, "floor"), input).output


@settings(deadline=None)
@given(fitting_networks())
def test_any_network_that_fits_is_advised(network):
    checked(*network)


shapes = st.tuples(st.integers(1, 9)) | st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))


@settings(deadline=None, max_examples=300)
@given(expressions(), shapes)
def test_any_expression_is_advised_or_refused_with_reasons(net, shape):
    try:
        checked(net, shape)
    except HubelError as error:
        with pytest.raises(type(error)):
            anatomy(net, shape)


def test_advice_is_a_value_and_the_same_each_time():
    net = VARIANTS["dogs_cats"].net()
    assert advise(net, (3, 150, 150)) == advise(net, (3, 150, 150))
    assert len({*advise(net, (3, 150, 150))}) == 2
