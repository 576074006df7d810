"""The lectures' notation: text to network and back, refusals that point at the character, and a page of documentation that is true."""

import doctest
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expressions import LAYERS, expressions
from hubel.anatomy import anatomy
from hubel.errors import HubelError, NotationError
from hubel.joints import DEEPEST, MOST_LAYERS, Chain, Expression, Head, chained
from hubel.layers import FC, LRN, AvgPool, Conv, Dropout, MaxPool, ReLU, Tanh
from hubel.nets import NETS
from hubel.notation import arrows, columns, is_notation, parse
from hubel.notation.words import COLUMNS, SIGNS, WORDS
from hubel.reading import LONGEST, read

PAGE = (Path(__file__).parent.parent / "docs" / "notation.md").read_text()


def layer(text):
    """The one layer of a text."""
    (found,) = parse(f"INPUT -> {text}").net.parts
    return found


# --- texts in normal form, written from the grammar alone --------------------------------------------------------------

KEPT = {"1": "0", "3": "1", "5": "2", "1x7": "0x3", "3x1": "1x0"}
"""Windows, and the padding that keeps the size."""
STRIDES, BIASES, FITS, POOL_FITS = ("", "/2", "/2x1"), ("", " nobias"), ("", " floor"), ("", " floor", " ceil")


def crossed(*choices):
    return map("".join, itertools.product(*choices))


def pads(size):
    return [*([""] if size in KEPT else []), *(f" p{pad}" for pad in ("0", "1", "2x1", "0+1", "1x0+2", "12") if pad != KEPT.get(size))]


MAPS = itertools.cycle(["-2", "-64", "-4096", "-1000000000"])
# fmt: off
LAYER_TEXTS = [
    "GAP", "FLATTEN", "RELU", "RELU6", "TANH", "SIGMOID", "SOFTMAX", "FC1", "FC10", "FC1000000000", "FC10 nobias",
    "BN", "BN eps0.001", "BN momentum0.01", "BN eps0 momentum1", "BN eps5e-324",
    "DROPOUT", "DROPOUT0", "DROPOUT0.25", "DROPOUT0.999", "DROPOUT1e-09",
    *crossed(["LRN", "LRN3", "LRN999999999"], ["", " k1", " k0.3333333333333333"], ["", " alpha0", " alpha2e-05"], ["", " beta1000000000"], ["", " g3"]),
    *(f"CONV{size}{next(MAPS)}{rest}" for size in (*KEPT, "2", "4x3") for rest in crossed(STRIDES, pads(size), ["", " g2"], BIASES, FITS)),
    "CONV3-8 d2", "CONV3-8 p1 d2", "CONV2-8 d2", "CONV2-8 p1 d3", "CONV1x3-8 d1x2",
    *(f"DWCONV{size}{rest}" for size in ("3", "2", "1x7") for rest in crossed(STRIDES, pads(size), ["", " m2"], BIASES, FITS)),
    *(f"LOCAL{size}-16{rest}" for size in ("3", "2") for rest in crossed(STRIDES, pads(size), BIASES, FITS)),
    *crossed(["POOL", "L2POOL"], ["2", "3", "2x3"], ["", "/1", "/5", "/3x2"], ["", " p1"], POOL_FITS),
    *crossed(["AVGPOOL2", "AVGPOOL7"], ["", "/1"], ["", " p1", " p0x1"], POOL_FITS, ["", " inner"]),
    *crossed(["POOL3"], ["", "/2"], [" p0+1", " p1x0+1"], FITS),
]
# fmt: on


def strung(parts):
    """Parts in a row; in normal form, no block stands beside its equal."""
    runs = [list(run) for _, run in itertools.groupby(parts, key=lambda part: re.sub(r"\*\d+$", "", part))]
    return " -> ".join(part for run in runs for part in (run[:1] if run[0][0] == "[" else run))


def told(shape, data):
    """Any bytes as a text in normal form: two of them say a layer, or open or close a block."""
    rows = [[]]
    for kind, which in zip(data[::2], data[1::2]):
        if kind < 40 and len(rows) < 6:
            rows.append([])
        elif kind < 90 and len(rows) > 1:
            close(rows, which)
        else:
            rows[-1].append(LAYER_TEXTS[(256 * kind + which) % len(LAYER_TEXTS)])
    while len(rows) > 1:
        close(rows, 0)
    return f"INPUT{shape} -> {strung(rows[0] or ['RELU'])}"


def close(rows, which):
    inside = strung(rows.pop() or ["RELU"])
    rows[-1].append(f"[{inside}]{('', '*2', '*3')[which % 3]}")


inputs = st.sampled_from(["", " 784", " 1x28x28", " 3x224x224", " 3x1x1000000000"])
arrow_texts = st.builds(told, inputs, st.binary(min_size=8, max_size=60))
names = st.sampled_from("conv3-64 conv1-256 conv5-6 conv1x7-1000000000 maxpool LRN FC-4096 FC-10".split())
column_texts = st.builds(
    lambda shape, some: " ".join(["input" + shape] * bool(shape) + some + ["soft-max"] * some[-1].startswith("FC-")),
    inputs,
    st.lists(names, min_size=1, max_size=9),
)


def reads_back(text, write):
    found = parse(text)
    assert write(found.net, found.input) == text


@settings(deadline=None, max_examples=500)
@given(arrow_texts)
def test_arrows_in_normal_form_are_written_as_they_were_read(text):
    reads_back(text, arrows)


@pytest.mark.slow
@settings(deadline=None, max_examples=10_000)
@given(arrow_texts)
def test_ten_thousand_arrows_in_normal_form_are_written_as_they_were_read(text):
    reads_back(text, arrows)


@settings(deadline=None, max_examples=300)
@given(column_texts)
def test_columns_in_normal_form_are_written_as_they_were_read(text):
    reads_back(text, columns)


def test_every_layer_in_normal_form_is_written_as_it_was_read():
    assert len(set(LAYER_TEXTS)) == len(LAYER_TEXTS) > 1_500
    for text in LAYER_TEXTS:
        reads_back(f"INPUT -> {text}", arrows)


# --- network to text to network ----------------------------------------------------------------------------------------

ROWS = [[cell.strip() for cell in row.split("|")[1:-1]] for row in PAGE.splitlines() if row.startswith("| `")]
DEFAULTS = [row for row in ROWS if len(row) == 4]
SAYABLE = {type(read(row[1].strip("`"))) for row in DEFAULTS}
"""The layers that the page has a word for."""

sayable_layers = st.one_of(*(LAYERS[kind] for kind in LAYERS if kind in SAYABLE))
sayable = st.recursive(
    sayable_layers,
    lambda parts: (
        st.lists(parts, min_size=1, max_size=4).map(lambda some: Chain(*some)) | st.builds(Expression.__mul__, parts, st.integers(1, 3))
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(sayable, st.none() | st.tuples(st.integers(1, 10**9)) | st.tuples(*[st.integers(1, 10**9)] * 3))
@example(LRN(k=-0.0), None)
@example(Dropout(-0.0) >> Dropout(0.0), (3, 8, 8))
def test_a_network_reads_back_from_its_arrows_as_the_same_value(net, shape):
    text = arrows(net, shape)
    assert parse(text) == (chained(net), shape)
    assert is_notation(text)


@settings(deadline=None, max_examples=200)
@given(column_texts)
def test_a_network_reads_back_from_its_columns_and_is_the_same_in_arrows(text):
    net, shape = parse(text)
    assert parse(columns(net, shape)) == (net, shape) == parse(arrows(net, shape))
    assert is_notation(text)


def first_unsayable(part, path=()):
    """The path of the first part that arrows have nothing for."""
    if not isinstance(part, Chain):
        return None if type(part) in SAYABLE else ".".join(path)
    if part.names is not None:
        return ".".join([*path, part.names[0]])
    return next(filter(None, (first_unsayable(inner, (*path, name)) for name, inner in part.children())), None)


@settings(deadline=None, max_examples=150)
@given(expressions())
def test_any_network_is_said_or_its_first_part_that_cannot_be_is_named(net):
    assert not is_notation(repr(net))
    path = first_unsayable(chained(net))
    if path is None:
        assert parse(arrows(net)).net == chained(net)
    else:
        with pytest.raises(NotationError, match=rf"^{re.escape(path)}: .*(cannot be said|no names)"):
            arrows(net)


NAMED = Chain(
    conv1=Conv(6, 5, pad=2) >> ReLU(), block=(Conv(8, 3, pad=1) >> ReLU()) * 2 >> MaxPool(2), fc=Chain(a=FC(9), b=ReLU()), last=FC(10)
)


def test_names_are_refused_or_left_out_as_one_wishes():
    for write in (arrows, columns):
        with pytest.raises(NotationError, match=r"^conv1: the notation has no names"):
            write(NAMED)
    assert arrows(NAMED, names=False) == "INPUT -> CONV5-6 -> RELU -> [CONV3-8 -> RELU]*2 -> POOL2 -> FC9 -> RELU -> FC10"
    assert columns(NAMED, (1, 8, 8), names=False) == "input 1x8x8 conv5-6 conv3-8 conv3-8 maxpool FC-9 FC-10 soft-max"
    inside = Chain(ReLU(), Chain(x=ReLU(), y=Chain(ReLU())))
    assert arrows(inside, names=False) == "INPUT -> RELU -> [RELU -> RELU]"
    with pytest.raises(NotationError, match=r"^1\.x: "):
        arrows(inside)


@pytest.mark.parametrize("variant", NETS.values(), ids=NETS)
def test_networks_of_the_casebook_keep_their_sizes_without_names(variant):
    net = variant.net()
    try:
        again = parse(arrows(net, variant.input, names=False))
    except NotationError as error:
        path = re.match(r"([\w.]+): ", str(error))[1]
        assert type(next(row.part for row in variant.anatomy().rows if row.path == path)) not in SAYABLE
        return
    assert again.input == variant.input
    ours, theirs = anatomy(*again), anatomy(net, variant.input)
    assert [(row.part, row.output, row.field) for row in ours.rows] == [(row.part, row.output, row.field) for row in theirs.rows]


@pytest.mark.parametrize(
    ("net", "path"),
    [
        (Conv(6, 5), "0"),
        (Conv(6, 5, pad=2) >> MaxPool(2), "1"),
        (ReLU(), "0"),
        (Conv(6, 5, pad=2) >> ReLU() >> ReLU(), "2"),
        (FC(10) >> ReLU(), "1"),
        (FC(10) >> FC(10), "1"),
        (Conv(6, 5, pad=2, stride=2) >> ReLU(), "0"),
        (Conv(6, 2) >> ReLU(), "0"),
        (MaxPool(3, 2), "0"),
        (MaxPool(2) >> LRN(3), "1"),
        (MaxPool(2) >> AvgPool(2), "1"),
        (MaxPool(2) >> FC(10, bias=False), "1"),
        (Chain(MaxPool(2), Chain(MaxPool(2))), "1"),
        (MaxPool(2) >> Conv(6, 5, pad=2) >> ReLU() >> Dropout() >> FC(10), "3"),
        (Chain(Head(FC(2), 1), FC(2)), "0"),
        (MaxPool(2) >> FC(2) + FC(2), "1"),
    ],
    ids=str,
)
def test_columns_name_the_first_part_that_they_cannot_say(net, path):
    with pytest.raises(NotationError, match=rf"^{path}: .* cannot be said in this notation: "):
        columns(net)


def test_paths_are_those_of_the_network_also_where_names_are_left_out():
    with pytest.raises(NotationError, match=r"^fc6\.1: Dropout\(\)"):
        columns(Chain(conv1=Conv(6, 5, pad=2) >> ReLU(), fc6=FC(9) >> Dropout()), names=False)


def test_what_is_too_long_to_be_read_is_not_written():
    long = Conv(10**9, (10**9, 10**8), (10**9, 10**8), pad=((10**9, 10**8), (10**8, 10**9))) * 5_000
    with pytest.raises(NotationError, match=r"text of [\d,]+ characters"):
        arrows(long)
    assert parse(arrows(ReLU() * MOST_LAYERS)).net == ReLU() * MOST_LAYERS


@pytest.mark.parametrize("shape", [(3, 4), (), (0,), (3, 4, -1), (True,), (2.0,), (10**10,)], ids=str)
def test_an_input_that_is_no_shape_is_refused(shape):
    for write in (arrows, columns):
        with pytest.raises(NotationError, match=r"must be \(C, H, W\) or \(N,\)"):
            write(FC(10), shape)


# --- spellings ---------------------------------------------------------------------------------------------------------

ALIKE = {
    "INPUT 3x227x227 -> CONV11-96/4 p0 -> RELU": [
        "input 3x227x227->conv11-96/4p0->relu",
        "  INPUT  3 x 227 x 227 ->\n\tCONV 11 - 96 / 4 p 0 -> ReLU\r\n",
        "INPUT 3×227×227 → CONV11x11-96 p0 /4 → RELU",
        "INPUT (227 x 227 RGB image) -> CONV011-0096 p0+0x0 /4x4 -> RELU",
    ],
    "INPUT -> [RELU -> TANH]*2 -> FC10": [
        "[RELU -> TANH]*2 -> FC10",
        "[RELU->TANH] -> [RELU->TANH]*1 -> FC10",
        "[RELU -> TANH] * 02 -> FC10",
    ],
    "INPUT -> CONV5-32 g2 nobias floor": ["INPUT -> CONV5-32 floor nobias g2 p2", "INPUT->conv5-32NOBIAS/1G2floor d1"],
    "INPUT -> LRN -> LRN3 k1 alpha2e-05": ["INPUT -> LRN5 k2 -> LRN3 alpha0.00002 beta0.75 k1.0"],
    "INPUT -> DROPOUT -> POOL2x3/2": ["INPUT -> DROPOUT0.50 -> POOL2x3 / 2x2 p0"],
    "input 3x224x224 conv3-64 maxpool FC-10 soft-max": [
        "input (224 × 224 RGB image)\nconv3-64\nmaxpool\nFC-10\nsoft-max\n",
        "INPUT 3x224x224, Conv3-64, MaxPool, fc-10, Soft-Max",
        "input 3x224x224 , conv3-64 ,maxpool FC-10,",
    ],
    "conv3-64 LRN maxpool": ["conv3x3-64\tlrn  maxpool", "input conv3-64, LRN, maxpool"],
}


@pytest.mark.parametrize(("text", "other"), [(text, other) for text, others in ALIKE.items() for other in others])
def test_spellings_that_mean_the_same_read_alike_and_have_one_normal_form(text, other):
    assert parse(other) == parse(text)
    assert (arrows if "->" in text else columns)(*parse(other)) == text


def test_blocks_keep_the_structure_of_chains_and_repeats():
    a, b, c = ReLU(), FC(3), FC(10)
    for text, net in {
        "INPUT -> RELU": Chain(a),
        "INPUT -> [RELU]": Chain(Chain(a)),
        "INPUT -> RELU -> RELU": a * 2,
        "INPUT -> [RELU]*2": Chain(a) * 2,
        "INPUT -> [FC3 -> RELU]": Chain(b >> a),
        "INPUT -> [FC3 -> RELU]*2 -> FC10": (b >> a) * 2 >> c,
        "INPUT -> [[FC3 -> RELU]*2]*3": ((b >> a) * 2) * 3,
        "INPUT -> [[[FC3]]]": Chain(Chain(Chain(Chain(b)))),
    }.items():
        assert parse(text).net == net
        assert arrows(net) == text


NOTATION = [
    "FC10", "LRN", "[RELU", "[", "conv3-64", "Conv3-64, maxpool", "FC-4096", "soft-max", "relu6 ->", "→", "input 3x32x32", "input conv3-64",
    "INPUT (9 x 9 RGB image)", "CONV3-64 RELU", "POOL2?", "RELU*2", "\nmaxpool", "input 3x9x9, FC-10",
]  # fmt: skip
OTHERS = [
    *NETS, "vgg16", "vgg16_no_top", "conv_net", "pool3_net", "inputs", "lrn.safetensors", "input/model.safetensors", "runs/conv3-64",
    "FC(10)", "FC (10)", "Conv(6, 5) >> ReLU()", "LRN >> FC(10)", "ReLU() * 2", "Chain(conv3=FC(10))", "", " ", "3", "\ud800", "\0",
]  # fmt: skip


@pytest.mark.parametrize(("text", "is_one"), [*((text, True) for text in NOTATION), *((text, False) for text in OTHERS)], ids=ascii)
def test_notation_is_told_from_expressions_and_names(text, is_one):
    assert is_notation(text) is is_one


# --- networks of papers and lectures -----------------------------------------------------------------------------------

# Simonyan, Zisserman 2014, table 1, and the parameters that follow (table 2 has them in millions).
TABLE_1 = {
    "A": ("conv3-64 maxpool conv3-128 maxpool conv3-256 conv3-256 maxpool conv3-512 conv3-512 maxpool "
          "conv3-512 conv3-512 maxpool", 132_863_336),
    "A-LRN": ("conv3-64 LRN maxpool conv3-128 maxpool conv3-256 conv3-256 maxpool conv3-512 conv3-512 maxpool "
              "conv3-512 conv3-512 maxpool", 132_863_336),
    "B": ("conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 maxpool conv3-512 conv3-512 maxpool "
          "conv3-512 conv3-512 maxpool", 133_047_848),
    "C": ("conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv1-256 maxpool "
          "conv3-512 conv3-512 conv1-512 maxpool conv3-512 conv3-512 conv1-512 maxpool", 133_638_952),
    "D": ("conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv3-256 maxpool "
          "conv3-512 conv3-512 conv3-512 maxpool conv3-512 conv3-512 conv3-512 maxpool", 138_357_544),
    "E": ("conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv3-256 conv3-256 maxpool "
          "conv3-512 conv3-512 conv3-512 conv3-512 maxpool conv3-512 conv3-512 conv3-512 conv3-512 maxpool", 143_667_240),
}  # fmt: skip


@pytest.mark.parametrize("column", TABLE_1)
@pytest.mark.parametrize("between", [" ", "\n", ", "], ids=["blanks", "lines", "commas"])
def test_the_columns_of_table_1_give_the_papers_networks(column, between):
    features, parameters = TABLE_1[column]
    names = [*features.split(), "FC-4096", "FC-4096", "FC-1000", "soft-max"]
    net, shape = parse(between.join(["input (224 × 224 RGB image)", *names]))
    sized = anatomy(net, shape)
    assert (sized.parameters, sized.output) == (parameters, (1000,))
    assert sized.within(str(len(net.parts) - 6)).rows[0].output == (512, 7, 7)
    assert columns(net, shape) == " ".join(["input 3x224x224", *names])


def test_relu_follows_every_convolution_and_every_fc_but_the_last_and_lrn_stands_behind_it():
    conv, pool = Conv(64, 3, pad=1), MaxPool(2)
    assert parse("conv3-64 LRN maxpool FC-9 FC-10 soft-max").net == conv >> ReLU() >> LRN() >> pool >> FC(9) >> ReLU() >> FC(10)
    assert parse("conv3-64 maxpool").net == conv >> ReLU() >> pool
    assert parse("FC-9 maxpool FC-9 LRN").net == FC(9) >> ReLU() >> pool >> FC(9) >> LRN()


def test_soft_max_marks_the_scores_and_is_no_layer():
    assert parse("maxpool FC-10 soft-max").net == parse("maxpool FC-10").net == MaxPool(2) >> FC(10)
    assert columns(MaxPool(2) >> FC(10)) == "maxpool FC-10 soft-max"
    assert columns(FC(10) >> ReLU() >> FC(9) >> MaxPool(2)) == "FC-10 FC-9 maxpool"


def test_the_lectures_example_has_its_shapes():
    net, shape = parse("INPUT 3x32x32 -> [[CONV3-32 -> RELU]*2 -> POOL2]*3 -> [FC128 -> RELU]*1 -> FC10")
    sized = anatomy(net, shape)
    outputs = [row.output for row in sized.rows if not isinstance(row.part, ReLU)]
    assert outputs == [(32, side, side) for side in (32, 32, 16, 16, 16, 8, 8, 8, 4)] + [(128,), (10,)]
    assert [row.path for row in sized.rows][-4:] == ["2.2", "3.0", "3.1", "4"]
    assert sized.parameters == (3 + 5 * 32) * 9 * 32 + 6 * 32 + (32 * 4 * 4 + 1) * 128 + 129 * 10


PATTERNS = {  # CS231n, "layer patterns", with numbers given
    "INPUT 3x32x32 -> FC10": FC(10),
    "INPUT 3x32x32 -> CONV5-6 -> RELU -> FC10": Conv(6, 5, pad=2) >> ReLU() >> FC(10),
    "INPUT 3x32x32 -> [CONV5-6 -> RELU -> POOL2]*2 -> FC9 -> RELU -> FC10": (Conv(6, 5, pad=2) >> ReLU() >> MaxPool(2)) * 2
    >> FC(9) >> ReLU() >> FC(10),
    "INPUT 3x32x32 -> [CONV3-6 -> RELU -> CONV3-6 -> RELU -> POOL2]*3 -> [FC9 -> RELU]*2 -> FC10": (
        Conv(6, 3, pad=1) >> ReLU() >> Conv(6, 3, pad=1) >> ReLU() >> MaxPool(2)) * 3 >> (FC(9) >> ReLU()) * 2 >> FC(10),
}  # fmt: skip


@pytest.mark.parametrize("text", PATTERNS)
def test_the_lectures_patterns_read_as_they_look(text):
    net, shape = parse(text)
    assert net == chained(PATTERNS[text])
    assert net.output(shape) == (10,)
    assert arrows(net, shape) == text


def test_alexnet_in_arrows_has_its_parameters():
    text = (
        "INPUT 3x227x227 -> CONV11-96/4 p0 -> RELU -> LRN g2 -> POOL3/2 -> CONV5-256 g2 -> RELU -> LRN g2 -> POOL3/2 -> CONV3-384 -> RELU -> "
        "CONV3-384 g2 -> RELU -> CONV3-256 g2 -> RELU -> POOL3/2 -> [FC4096 -> RELU -> DROPOUT]*2 -> FC1000"
    )
    net, shape = parse(text)
    assert anatomy(net, shape).parameters == 60_965_224
    assert arrows(net, shape) == text


# --- mistakes ----------------------------------------------------------------------------------------------------------

WORD_LIST = "CONV, DWCONV, LOCAL, POOL, AVGPOOL, L2POOL, GAP, FLATTEN, FC, RELU, RELU6, TANH, SIGMOID, SOFTMAX, LRN, BN, DROPOUT or '['"
MISTAKES = [  # a caret before the character at fault, and what the answer says
    ("INPUT ->^", "The end", f"what can: {WORD_LIST}."),
    ("INPUT -> ^CONW3-32 -> RELU", "'CONW'", f"what can: {WORD_LIST}. Did you mean CONV?"),
    ("^-> RELU", "'->'", f"what can: INPUT, {WORD_LIST}."),
    ("INPUT -> RELU -> ^-> RELU", "'->'", WORD_LIST),
    ("INPUT -> RELU ^>> RELU", "'>'", "what can: '->' or the end."),
    ("INPUT -> RELU^() -> RELU", "'('", "what can: '->' or the end."),
    ("INPUT -> RELU ^RELU", "'RELU'", "what can: '->' or the end."),
    ("INPUT ^RELU -> RELU", "'RELU'", "what can: '(', a shape such as 3x32x32 or '->'."),
    ("INPUT ^[3x32x32] -> RELU", "'['", "a shape such as 3x32x32"),
    ("INPUT 3x32 ^-> RELU", "'->'", "what can: 'x'."),
    ("INPUT 3x32x^-> RELU", "'->'", "what can: a whole number (width)."),
    ("INPUT (224 x 224 ^grey image) -> RELU", "'grey'", "what can: 'RGB image'."),
    ("INPUT ^0x32x32 -> RELU", "whole numbers from 1 to 1,000,000,000"),
    ("INPUT ^3x32x9999999999 -> RELU", "whole numbers from 1 to 1,000,000,000"),
    ("INPUT -> [CONV ^-> RELU]*2", "'->'", "what can: a whole number (size)."),
    ("INPUT -> CONV^-32", "'-'", "what can: a whole number (size)."),
    ("INPUT -> CONV3 ^-> RELU", "'->'", "what can: 'x' or '-'."),
    ("INPUT -> CONV3-^-> RELU", "'->'", "what can: a whole number (maps)."),
    ("INPUT -> CONV1x^-64", "'-'", "what can: a whole number (size)."),
    ("INPUT -> CONV3-32 ^s2", "'s'", "'/' (stride), 'p' (pad), 'g' (groups), 'd' (dilation), 'nobias', 'floor', '->' or the end."),
    ("INPUT -> CONV3-32 ^ceil", "'ceil'", "'floor'"),
    ("INPUT -> CONV3-32 p1 ^p2", "'p'", "what can: '+', 'x', '/' (stride), 'g' (groups)"),
    ("INPUT -> CONV3-32 p ^-> RELU", "'->'", "what can: a whole number (pad)."),
    ("INPUT -> CONV3-32 p1+^x2", "'x'", "what can: a whole number (pad)."),
    ("INPUT -> CONV3-32^*2 -> RELU", "'*'", "'->' or the end. Only brackets are repeated"),
    ("INPUT -> FC10 nobias ^nobias", "'nobias'", "what can: '->' or the end."),
    ("INPUT -> LRN ^q3", "'q'", "a number (n), 'g' (groups), 'k' (k), 'alpha' (alpha), 'beta' (beta), '->' or the end."),
    ("INPUT -> LRN k^.5", "'.'", "what can: a number (k)."),
    ("INPUT -> DROPOUT0.5^.5", "'.'", "what can: '->' or the end."),
    ("INPUT -> [CONV3-32 -> RELU]*^N -> FC10", "'N'", "what can: a whole number from 1 to 10,000."),
    ("INPUT -> [CONV3-32 -> RELU]*^0 -> FC10", "from 1 to 10,000 times here, not 0 times; leave it out"),
    ("INPUT -> [CONV3-32 -> RELU]*^10001 -> FC10", "from 1 to 10,000 times here, not 10,001 times"),
    ("INPUT -> [CONV3-32 -> POOL^?]*2", "'?'", "A network leaves nothing open"),
    ("INPUT -> POOL2^? -> FC10", "'?'", "'->' or the end. A network leaves nothing open"),
    ("INPUT -> [RELU]*2^*2", "'*'", "what can: '->' or the end."),
    ("INPUT -> [RELU^", "The end", "what can: '->' or ']'."),
    ("INPUT -> [^]", "']'", WORD_LIST),
    ("INPUT -> RELU^]", "']'", "what can: '->' or the end."),
    ("INPUT -> [RELU]^]", "']'", "what can: '*', '->' or the end."),
    ("INPUT -> FC^٣", "'٣' (U+0663)", "what can: a whole number (outputs)."),
    ("INPUT -> FC1^²", "'²' (U+00B2)", "'->' or the end"),
    ("INPUT -> ^СONV3-32", "'С' (U+0421)", WORD_LIST),
    ("INPUT -> ^ſoftmax", "'ſ' (U+017F)", WORD_LIST),
    ("INPUT -> RELU^\0", r"'\x00'", "what can: '->' or the end."),
    ("INPUT -> RELU^\ud800", r"'\ud800' (U+D800)", "what can: '->' or the end."),
    ("INPUT -> RELU^\x0c-> RELU", r"'\x0c'", "what can: '->' or the end."),
    ("INPUT -> RELU^\u00a0-> RELU", "(U+00A0)", "what can: '->' or the end."),
    ("INPUT -> ^FC0 -> RELU", "FC: outputs is 0; it must be a positive whole number"),
    ("INPUT -> ^CONV0-3 -> RELU", "Conv: size is 0; it must be a positive whole number"),
    ("INPUT -> RELU -> ^CONV3-9 g2", "9 maps cannot be split into 2 groups"),
    ("INPUT -> ^POOL2 p2", "padding is at most half its window"),
    ("INPUT -> ^CONV2-32 -> RELU", "say in arrows which it has, such as p0"),
    ("INPUT -> ^CONV1x2-32 -> RELU", "say in arrows which it has, such as p0"),
    ("INPUT -> ^LRN4", "n is 4; it must be odd"),
    ("INPUT -> ^LRN k1e999", "k is inf; it must be a number of 0 or more"),
    ("INPUT -> ^DROPOUT1", "rate is 1.0; it must be the share to drop"),
    ("^", "The end", "what can: input, conv, maxpool, LRN or FC-. A text without '->' is read as columns."),
    ("^maxpol", "'maxpol'", "what can: input, conv, maxpool, LRN or FC-. Did you mean maxpool?"),
    ("^FC10", "'FC'", "LRN or FC-. Did you mean FC-?"),
    ("input 3x32x32^", "The end", "what can: conv, maxpool, LRN or FC-."),
    ("CONV3-32 ^RELU", "'RELU'", "what can: conv, maxpool, LRN, FC- or the end. A text without '->' is read as columns."),
    ("conv3-64^maxpool", "'maxpool'", "what can: a blank or ','."),
    ("maxpool^2", "'2'", "what can: a blank or ','."),
    ("conv^_64", "'_'", "what can: a whole number (size)."),
    ("conv3-64 ^p0", "'p'", "what can: conv, maxpool, LRN, FC- or the end."),
    ("maxpool ^conv2-64", "say in arrows which it has, such as p0"),
    ("maxpool ^dropout FC-10", "'dropout'", "what can: conv, maxpool, LRN, FC- or the end."),
    ("maxpool ^soft-max", "'soft'", "what can: conv, maxpool, LRN, FC- or the end."),
    ("FC-10 ^softmax", "'softmax'", "what can: conv, maxpool, LRN, FC-, soft-max or the end. Did you mean soft-max?"),
    ("FC-10 soft-max ^FC-10", "'FC'", "what can: the end."),
    ("FC-^ten", "'ten'", "what can: a whole number (outputs)."),
    ("input 3x224x224, ^input", "'input'", "what can: conv, maxpool, LRN or FC-."),
]  # fmt: skip


def pointed(error):
    """The line that a refusal shows and the place of its caret in it."""
    *_, row, caret = str(error).split("\n")
    assert row[:2] == "  " and caret.strip() == "^"
    return row[2:], caret.index("^") - 2


@pytest.mark.parametrize(("marked", "says"), [(text, says) for text, *says in MISTAKES], ids=lambda value: ascii(value)[:40])
def test_a_mistake_is_pointed_at_and_what_could_stand_there_is_named(marked, says):
    text = marked.replace("^", "")
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert all(words in str(caught.value) for words in says)
    shown, under = pointed(caught.value)
    assert under == marked.index("^")
    assert shown == "".join(character if character.isprintable() else "?" for character in text.rstrip())


@pytest.mark.parametrize(
    ("text", "line", "at"),
    [
        ("INPUT -> " + "RELU -> " * 40 + "-> RELU", 0, 329),
        ("INPUT ->\nRELU ->\n  RELU >> RELU\n-> RELU", 2, 7),
        ("INPUT ->\r\nRELU ->\r\n\tRELU ~", 2, 6),
        ("conv3-64\nmaxpool\n\nrelu " + "maxpool " * 40, 3, 0),
        ("maxpool " * 100 + "?", 0, 800),
    ],
    ids=["long line", "third line", "carriage returns", "columns", "long end"],
)
def test_the_caret_stands_under_the_character_in_long_texts_and_in_any_line(text, line, at):
    with pytest.raises(NotationError) as caught:
        parse(text)
    shown, under = pointed(caught.value)
    whole = text.replace("\t", " ").splitlines()[line]
    assert len(shown) <= 76 and under <= 40
    assert whole[at - under : at] == shown[:under]
    assert whole[at:].startswith(shown[under:]) and shown[under]


# --- hostile text ------------------------------------------------------------------------------------------------------


def attempt(text):
    """Read any text: an exception that is not ours, or that cannot be printed, goes through and fails the test; a long one is None."""
    try:
        found = parse(text)
    except HubelError as error:
        return error if len(str(error).encode()) < 1_000 else None
    assert parse(arrows(*found)) == found
    return found


def test_brackets_nest_as_deep_as_joints_may_and_no_deeper():
    deepest = "[" * (DEEPEST - 1) + "RELU" + "]" * (DEEPEST - 1)
    assert parse(deepest).net.depth == DEEPEST
    with pytest.raises(NotationError, match="More than 49 brackets are open at once") as caught:
        parse(f"INPUT -> [{deepest}]")
    shown, under = pointed(caught.value)
    assert shown[under:].startswith("[RELU]")
    assert parse(" -> ".join(["[RELU] -> TANH"] * DEEPEST)).net == Chain(*[Chain(ReLU()), Tanh()] * DEEPEST)
    assert isinstance(attempt("[" * LONGEST), HubelError)


def test_a_network_has_so_many_layers_and_no_more_however_they_are_said():
    assert parse(f"[[RELU -> TANH]*100]*{MOST_LAYERS // 200}").net.layers == MOST_LAYERS
    for text in (
        f"[RELU]*{MOST_LAYERS} -> ^RELU",
        f"[RELU]*{MOST_LAYERS} -> ^[RELU]*{MOST_LAYERS}" + f" -> [RELU]*{MOST_LAYERS}" * 1_000,
        f"[[RELU]*{MOST_LAYERS}]*^2",
        "LRN " * (MOST_LAYERS + 1) + "^",
    ):
        with pytest.raises(NotationError, match="20,000|from 1 to 1 times") as caught:
            parse(text.replace("^", ""))
        shown, under = pointed(caught.value)
        assert text.partition("^")[2].startswith(shown[under:]) or text.endswith(" ^")


FLOODS = {
    "blanks": " ", "lines": "\n", "brackets": "[", "closed brackets": "[]", "blocks": "[RELU]*2->", "layers": "RELU->", "arrows": "->",
    "digits": "9", "numbers": "INPUT 9x", "repeats": "[RELU]*9999999999", "stars": "[RELU]**", "words": "CONV", "letters": "a",
    "columns": "conv3-64 ", "commas": ",", "FCs": "FC-10\n", "modifiers": "-> CONV3-64 p0", "surrogates": "\ud800", "NULs": "\0",
    "questions": "POOL2?", "inputs": "input ",
}  # fmt: skip


@pytest.mark.parametrize("size", [1_000, 20_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (LONGEST, LONGEST + 1))])
@pytest.mark.parametrize("flood", FLOODS)
def test_long_texts_are_read_or_refused(flood, size):
    assert attempt((FLOODS[flood] * size)[:size])
    assert isinstance(attempt("[" + (FLOODS[flood] * size)[: size - 1]), HubelError)


@pytest.mark.parametrize(
    "text",
    [
        f"INPUT -> FC{'9' * 5000}",
        f"INPUT -> DROPOUT0.{'9' * 5000}",
        f"[RELU]*{'0' * 5000}1",
        f"FC-{'9' * 31}",
        f"INPUT {'9' * 5000} -> FC1",
    ],
)
def test_numbers_too_long_for_a_network_are_refused_at_their_first_digit(text):
    with pytest.raises(NotationError, match=r"A number of [\d,]+ characters cannot stand in a network\.") as caught:
        parse(text)
    shown, under = pointed(caught.value)
    assert re.search(r"\d{31}|0\.9{28}", text).start() - text.index(shown[:under]) == under


def test_only_text_is_read_and_no_more_than_so_much():
    for other in (b"FC-10", None, 3, ReLU(), ["FC-10"]):
        with pytest.raises(NotationError, match="is read from text, not from"):
            parse(other)
    with pytest.raises(NotationError, match=r"300,001 characters; a network has at most 300,000"):
        parse("x" * (LONGEST + 1))


PIECES = [
    *WORDS,
    *SIGNS,
    *COLUMNS,
    "INPUT",
    "soft-max",
    " ",
    "\n",
    " -> ",
    "->",
    "→",
    "[",
    "]",
    "]*2",
    "*",
    "?",
    "x",
    "×",
    "-",
    "+",
    ",",
    "3",
    "64",
    "0",
    "0.5",
    "(",
    "\0",
    "é",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text() | st.text().map("INPUT -> {}".format))
def test_any_text_is_read_or_refused(text):
    assert attempt(text)
    assert is_notation(text) in (True, False)


changes = st.tuples(st.sampled_from("delete insert swap".split()), st.integers(0), st.characters() | st.sampled_from(PIECES))


@settings(deadline=None, max_examples=300)
@given(arrow_texts | column_texts, st.lists(changes, min_size=1, max_size=3))
def test_texts_with_characters_changed_are_read_or_refused(text, some):
    for kind, where, piece in some:
        at = where % (len(text) + 1)
        text = {
            "insert": text[:at] + piece + text[at:],
            "delete": text[:at] + text[at + 1 :],
            "swap": text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
        }[kind]
    assert attempt(text)


# --- the page ----------------------------------------------------------------------------------------------------------


def test_the_pages_examples_are_true():
    examples = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.S))
    test = doctest.DocTestParser().get_doctest(examples, {}, "notation.md", "docs/notation.md", 0)
    assert len(test.examples) >= 15
    assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test).failed == 0


def test_the_pages_table_of_defaults_is_the_table_in_the_code():
    assert [re.match(r"`(L2POOL|RELU6|[A-Z]+)", row[0])[1] for row in DEFAULTS] == list(WORDS)
    for (_, _, behind, otherwise), word in zip(DEFAULTS, WORDS.values()):
        assert behind.removesuffix(", or nothing") == ", ".join(word.leads)
        assert otherwise == ", ".join(f"{field} {value}" for field, value in word.defaults.items())


@pytest.mark.parametrize("row", DEFAULTS, ids=lambda row: row[0])
def test_a_word_alone_is_the_layer_that_the_page_says(row):
    found, meant = layer(row[0].strip("`")), read(row[1].strip("`"))
    assert found == meant
    assert repr(found) == row[1].strip("`")
    for field, value in (said.split(" ", 1) for said in row[3].split(", ") if said):
        expected = {"keeps the size": "1", "the size": "2"}.get(value, value)
        assert str(getattr(found, field)) == expected
    if "keeps the size" in row[3]:
        assert found.output((2, 9, 8))[1:] == (9, 8)


SAID = {row[0]: row for row in ROWS if len(row) == 3}


def test_the_pages_signs_are_the_signs_in_the_code():
    signs = {}
    for written, field, _ in SAID.values():
        for sign, said in zip(re.findall(r"`(.+?)`", written), field.split(", ")):
            name, *value = said.split(" ")
            signs[sign] = (name, {"False": False}.get(value[0], value[0]) if value else None)
    assert signs == SIGNS


@pytest.mark.parametrize("row", SAID.values(), ids=lambda row: row[0])
def test_the_pages_examples_of_a_sign_read_back_and_say_its_field(row):
    for text in re.findall(r"`(.+?)`", row[2]):
        whole = text if text[0].isupper() else f"CONV3-64 {text}"
        reads_back(f"INPUT -> {whole}", arrows)
        for field in {said.split(" ")[0] for said in row[1].split(", ")}:
            assert any(sign in whole for sign, (name, _) in SIGNS.items() if name == field)


def test_the_pages_columns_stand_for_the_arrows_beside_them():
    rows = {row[0].strip("`"): re.findall(r"`(.+?)`", row[1]) for row in ROWS if len(row) == 2}
    assert [name.rstrip("0123456789") for name in rows] == ["conv3-", "maxpool", "LRN", "FC-", "soft-max"]
    assert rows.pop("soft-max") == []
    inside, last = rows.pop("FC-4096")
    assert parse("FC-4096 FC-1").net == parse(f"INPUT -> {inside} -> FC1").net
    assert parse("FC-4096").net == parse(f"INPUT -> {last}").net
    for column, (said,) in rows.items():
        assert parse(column).net == parse(f"INPUT -> {said}").net


def test_the_pages_grammar_has_every_word_and_the_bounds_are_told():
    grammar = dict(re.findall(r"^(\w+) += (.*?) ;$", re.search(r"```ebnf\n(.*?)```", PAGE, re.S)[1], re.S | re.M))
    assert re.findall('"(.*?)"', grammar["word"]) == list(WORDS)
    assert set(re.findall('"(.*?)"', grammar["modifier"])) == set(SIGNS)
    assert set(re.findall('"(.*?)"', grammar["column"])) == {*COLUMNS, "-", ","}
    used = {name for rule in grammar.values() for name in re.findall(r"[a-z]+", re.sub('".*?"', "", rule))}
    assert used - set(grammar) == {"blank", "end", "of", "text"}
    assert f"at most {LONGEST:,} characters, a number 30, a network {MOST_LAYERS:,} layers" in PAGE
    assert f"{DEEPEST - 1} brackets" in PAGE
