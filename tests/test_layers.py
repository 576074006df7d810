"""Every layer: what it gives, learns and multiplies, against numbers counted one by one; and what it refuses."""

import pytest

from hubel import layers as L
from hubel.anatomy import anatomy
from hubel.errors import LayerError, ShapeError
from hubel.joints import Chain
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
    Local,
    MaxPool,
    PadMaps,
    ReLU,
    Scale,
    Softmax,
    Subsample,
)

MAPS = (3, 8, 6)
# layer, shape that enters, shape that leaves, weights, biases, MACs: all by hand
COUNTED = [
    (Conv(96, 11, stride=4), (3, 227, 227), (96, 55, 55), 34_848, 96, 105_415_200),
    (Conv(256, 5, pad=2, groups=2), (96, 27, 27), (256, 27, 27), 307_200, 256, 223_948_800),
    (Conv(4, (3, 1), bias=False), MAPS, (4, 6, 6), 36, 0, 1_296),
    (Conv(2, 3, dilation=2), MAPS, (2, 4, 2), 54, 2, 432),
    (Conv(2, 3, stride=(2, 1), pad=((1, 0), (0, 2))), MAPS, (2, 4, 6), 54, 2, 1_296),
    (Depthwise(3, pad=1), MAPS, (3, 8, 6), 27, 3, 1_296),
    (Depthwise(3, multiplier=2, bias=False), MAPS, (6, 6, 4), 54, 0, 1_296),
    (ConnectedConv(((0,), (0, 2), (1, 2)), 3), MAPS, (3, 6, 4), 45, 3, 1_080),
    (ConnectedConv(((0, 1),), (1, 2), bias=False), MAPS, (1, 8, 5), 4, 0, 160),
    (Local(2, 3), MAPS, (2, 6, 4), 1_296, 48, 1_296),
    (Local(1, 2, stride=2, bias=False), MAPS, (1, 4, 3), 144, 0, 144),
    (MaxPool(2), MAPS, (3, 4, 3), 0, 0, 0),
    (MaxPool(3, 2, fit="floor"), MAPS, (3, 3, 2), 0, 0, 0),
    (MaxPool(3, 2, fit="ceil"), MAPS, (3, 4, 3), 0, 0, 0),
    (AvgPool((2, 3), pad=(1, 0)), MAPS, (3, 5, 2), 0, 0, 0),
    (L2Pool(2, 1), MAPS, (3, 7, 5), 0, 0, 0),
    (Subsample(2), MAPS, (3, 4, 3), 3, 3, 0),
    (L.AdaptiveAvgPool((4, 5)), MAPS, (3, 4, 5), 0, 0, 0),
    (GlobalAvgPool(), MAPS, (3,), 0, 0, 0),
    (FC(5), MAPS, (5,), 720, 5, 720),
    (FC(5, bias=False), (7,), (5,), 35, 0, 35),
    (RBF(("#.#", "...")), (3,), (2,), 0, 0, 6),
    (Flatten(), MAPS, (144,), 0, 0, 0),
    (PadMaps(5, stride=2), MAPS, (5, 4, 3), 0, 0, 0),
    (PadMaps(3, stride=(3, 4)), (3, 7, 7), (3, 3, 2), 0, 0, 0),
    (BatchNorm(), MAPS, MAPS, 3, 3, 0),
    (BatchNorm(), (7,), (7,), 7, 7, 0),
    *((layer, shape, shape, 0, 0, 0) for layer in (Identity(), Scale(0.5), Softmax(), Dropout()) for shape in (MAPS, (7,))),
    *((layer, MAPS, MAPS, 0, 0, 0) for layer in (LRN(), ReLU(), L.ReLU6(), L.Tanh(), L.Sigmoid(), L.ScaledTanh())),
]


def test_every_layer_is_counted_by_hand():
    assert {type(layer) for layer, *_ in COUNTED} == set(L.LAYERS)


@pytest.mark.parametrize(("layer", "enters", "leaves", "weights", "biases", "macs"), COUNTED, ids=lambda value: repr(value)[:50])
def test_layer_gives_learns_and_multiplies_what_was_counted_by_hand(layer, enters, leaves, weights, biases, macs):
    assert layer.output(enters) == leaves
    assert (layer.weights(enters), layer.biases(enters), layer.macs(enters)) == (weights, biases, macs)
    assert all(type(side) is int for side in leaves)


# What each output map reads, for layers on six input maps.
READS = [
    (Conv(4, 3), [range(6)] * 4),
    (Conv(6, (3, 2), stride=2, pad=1, groups=3, fit="floor"), [(0, 1), (0, 1), (2, 3), (2, 3), (4, 5), (4, 5)]),
    (Conv(2, 2, dilation=3, bias=False), [range(6)] * 2),
    (Depthwise((2, 3), pad=((0, 1), (1, 0)), multiplier=2), [(0,), (0,), (1,), (1,), (2,), (2,), (3,), (3,), (4,), (4,), (5,), (5,)]),
    (ConnectedConv(((0, 5), (1, 2, 3), (4,)), 3, stride=2, fit="floor"), [(0, 5), (1, 2, 3), (4,)]),
    (Local(3, (2, 3), pad=1, stride=(2, 1), fit="floor"), [range(6)] * 3),
]


@pytest.mark.parametrize(("layer", "reads"), READS, ids=lambda value: repr(value)[:40])
def test_weights_and_multiply_adds_are_those_of_every_connection_drawn(layer, reads):
    shape = (6, 7, 9)
    maps, height, width = layer.output(shape)
    assert maps == len(reads)
    size = layer.size if isinstance(layer.size, tuple) else (layer.size, layer.size)
    weights, biases, connections = set(), set(), 0
    for target, sources in enumerate(reads):
        for y in range(height):
            for x in range(width):
                place = (target, y, x) if isinstance(layer, Local) else (target,)
                biases.add(place)
                taps = [(*place, source, down, across) for source in sources for down in range(size[0]) for across in range(size[1])]
                weights.update(taps)
                connections += len(taps)
    assert layer.weights(shape) == len(weights)
    assert layer.macs(shape) == connections
    assert layer.biases(shape) == (len(biases) if layer.bias else 0)
    assert layer.connections(shape) == connections + (maps * height * width if layer.bias else 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MaxPool(2), MaxPool(2, 2)),
        (MaxPool((2, 3)), MaxPool((2, 3), stride=(2, 3))),
        (AvgPool(3, 3, pad=(1, 1)), AvgPool(3, pad=1)),
        (Conv(6, (5, 5), stride=[1, 1]), Conv(6, 5)),
        (Conv(6, 5, pad=((2, 2), (2, 2))), Conv(6, 5, pad=2)),
        (Conv(6, 5, pad=((2, 2), (1, 1))), Conv(6, 5, pad=(2, 1))),
        (Conv(6, 5, pad=((1, 2), 3)), Conv(6, 5, pad=[[1, 2], [3, 3]])),
        (ConnectedConv([[0, 1], [2]], 3), ConnectedConv(((0, 1), (2,)), 3)),
        (Scale(2), Scale(2.0)),
        (RBF(["#."]), RBF(("#.",))),
        (LRN(5, 2, 0.0001, 0.75), LRN()),
    ],
    ids=repr,
)
def test_the_same_said_otherwise_is_the_same_layer_and_text(one, other):
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)


def test_different_layers_differ():
    some = [MaxPool(2), AvgPool(2), L2Pool(2), Subsample(2), MaxPool(2, 1), Conv(2, 2), Local(2, 2), Conv(2, 2, pad=((0, 1), (0, 0)))]
    assert len(set(some)) == len(some)


HUGE = 10**9 + 1
NO_COUNTS = (0, -1, 1.0, "3", None, True, HUGE)
NO_SIZES = (*NO_COUNTS, (3,), (3, 3, 3), (0, 3), (3, "3"), ())
NO_PADS = (-1, 1.0, "1", None, True, (1,), (1, 2, 3), ((1, 2), (3,)), ((1, 2), (3, -1)), ((1, 2, 3), (1, 2, 3)), HUGE)
NO_FLAGS = (0, 1, None, "True")
NO_NUMBERS = (float("nan"), float("inf"), -1, "0.5", None, True, 10**20)
# A layer's text with {} for the argument, the field at fault, and what it cannot have.
REFUSED = [
    ("Conv({}, 3)", "maps", NO_COUNTS),
    ("Conv(4, {})", "size", NO_SIZES),
    ("Conv(4, 3, stride={})", "stride", NO_SIZES),
    ("Conv(4, 3, pad={})", "pad", NO_PADS),
    ("Conv(4, 3, groups={})", "groups", NO_COUNTS),
    ("Conv(4, 3, bias={})", "bias", NO_FLAGS),
    ("Conv(4, 3, dilation={})", "dilation", NO_SIZES),
    ("Conv(4, 3, fit={})", "fit", ("round", None, True, ["floor"])),
    ("Depthwise(3, multiplier={})", "multiplier", NO_COUNTS),
    ("ConnectedConv({}, 3)", "inputs", ((), 3, "01", (0, 1), ((),), ((0, 0),), ((-1,),), ((True,),), (("0",),), (([0],),))),
    ("Local({}, 3)", "maps", NO_COUNTS),
    ("MaxPool({})", "size", (0, "2", (2,), None)),
    ("MaxPool(3, {})", "stride", (0, "2", (2,), 1.5)),
    ("AvgPool(2, count_pad={})", "count_pad", NO_FLAGS),
    ("Subsample({})", "size", NO_SIZES),
    ("FC({})", "outputs", NO_COUNTS),
    ("RBF({})", "codes", ((), "", "#.", ("",), ("#", "##"), ("#x",), (3,), 3)),
    ("PadMaps({})", "maps", NO_COUNTS),
    ("Scale({})", "factor", (float("nan"), float("-inf"), "1", None, True, 1e10, 10**400, -(10**400))),
    ("LRN(n={})", "n", (*NO_COUNTS, 2, 4)),
    ("LRN(k={})", "k", NO_NUMBERS),
    ("LRN(alpha={})", "alpha", NO_NUMBERS),
    ("LRN(beta={})", "beta", NO_NUMBERS),
    ("LRN(groups={})", "groups", NO_COUNTS),
    ("BatchNorm(eps={})", "eps", (*NO_NUMBERS, 2)),
    ("BatchNorm(momentum={})", "momentum", (*NO_NUMBERS, 2)),
    ("Dropout({})", "rate", (*NO_NUMBERS, 1, 1.0)),
]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [(text, field, value) for text, field, values in REFUSED for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_impossible_argument_is_refused_with_its_layer_and_field(text, field, value):
    with pytest.raises(LayerError, match=rf"^{text.split('(')[0]}: {field} "):
        eval(text.format("value"), vars(L), {"value": value})


@pytest.mark.parametrize(
    "text", ["Conv(value, 3)", "Conv(4, (3, value))", "Conv(4, 3, pad=value)", "Scale(value)", "ConnectedConv(((value,),), 3)"]
)
def test_numbers_too_long_to_be_printed_are_refused(text):
    with pytest.raises(LayerError, match=rf"^{text.split('(')[0]}: "):
        eval(text, vars(L), {"value": 1 << 20_000})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Conv(6, 3, groups=4), "Conv: 6 maps cannot be split into 4 groups"),
        (lambda: MaxPool(3, pad=2), "MaxPool(3, pad=2): a pool's padding is at most half its window"),
        (lambda: AvgPool((4, 3), pad=(2, 2)), "AvgPool((4, 3), pad=2): a pool's padding is at most half its window"),
        (lambda: L2Pool(3, pad=((0, 2), (0, 0))), "a pool's padding is at most half its window"),
    ],
)
def test_arguments_that_contradict_one_another_are_refused(make, said):
    with pytest.raises(LayerError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["Conv(4, 3, fit='ceil')", "Depthwise(3, fit='ceil')", "Local(4, 3, fit='ceil')", "ConnectedConv(((0,),), 3, fit='ceil')"]
)
def test_no_convolution_rounds_up(text):
    with pytest.raises(LayerError, match=rf"^{text.split('(')[0]}: .*ceil.* is for pools"):
        eval(text, vars(L), {})


stem = Conv(4, 3, pad=1)
MISFITS = [
    (Chain(conv1=stem, conv2_x=Chain(stem, Conv(8, 3, pad=1) + Identity())), "conv2_x.1: Sum adds equal shapes, but its branches give 8x8x8 and 4x8x8"),
    (Chain(conv1=stem, block=FC(3) + FC(4)), "block: Sum adds equal shapes, but its branches give 3 and 4"),
    (Chain(conv1=stem, mixed=stem | MaxPool(2) | stem), "mixed: Concat stacks maps of one size, but its branches give 4x8x8 and 4x4x4 and 4x8x8"),
    (Chain(conv1=stem, mixed=stem | FC(3)), "mixed: Concat stacks maps of one size, but its branches give 4x8x8 and 3"),
    (Chain(conv1=stem, fc2=Flatten() >> stem), "fc2.1: Conv(4, 3, pad=1) reads maps (C, H, W), but a vector of 256 comes in"),
    (FC(5) >> MaxPool(2), "1: MaxPool(2) reads maps (C, H, W), but a vector of 5 comes in"),
    (GlobalAvgPool() >> LRN(), "1: LRN() reads maps (C, H, W), but a vector of 3 comes in"),
    (Chain(a=Chain(b=ReLU() | stem >> Conv(2, 9))), "a.b.1.1: a window of 9 is larger than the input of 8;"),
    (Chain(conv1=stem, pool1=MaxPool(3, 2)), "pool1: the window does not fit the input of 8"),
    (Conv(6, 3, groups=2), "0: Conv(6, 3, groups=2) splits its input into 2 groups, but 3 maps come in"),
    (Chain(norm1=LRN(groups=2)), "norm1: LRN(groups=2) has 2 groups, but 3 maps come in; that must be a multiple of 2."),
    (Chain(S2=stem, C3=ConnectedConv(((0, 5),), 3)), "C3: ConnectedConv reads input map 5, but only 4 maps come in (0 to 3)"),
    (Chain(conv1=stem, short=PadMaps(2)), "short: PadMaps(2) adds maps of zeros, but 4 maps come in already"),
    (Chain(F6=FC(84), OUTPUT=RBF(("#." * 40,))), "OUTPUT: RBF compares vectors of 80 with its codes, but 84 comes in"),
    (Chain(OUTPUT=RBF(("#",))), "OUTPUT: RBF compares vectors of 1 with its codes, but 3x8x8 comes in"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "said"), MISFITS, ids=lambda value: str(value)[:40])
def test_what_a_part_cannot_read_is_refused_in_its_own_words_at_its_path(net, said):
    for refuse in (lambda: anatomy(net, (3, 8, 8)), lambda: (net if isinstance(net, Chain) else Chain(net)).output((3, 8, 8))):
        with pytest.raises(ShapeError) as caught:
            refuse()
        assert str(caught.value).startswith(said)
        assert ".".join(caught.value.path) == said.split(":")[0]
