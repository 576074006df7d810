"""Text to expression: what is written reads back, and what is mistyped is answered usefully. See test_hostile_text for the rest."""

import re

import pytest
from hypothesis import given, settings

from expressions import LAYERS, any_layer, expressions
from hubel.errors import LayerError, ReadError
from hubel.joints import Chain, Concat, Head, Sum
from hubel.layers import FC, Conv, Layer, MaxPool, ReLU, Scale, Tanh
from hubel.reading import MAKERS, MOST_OPEN, read

a, b, c = Conv(4, 3), ReLU(), Tanh()
LIGATURE = {"\ufb01rst": b}  # Python's own parser would read it as "first"


def test_every_layer_and_joint_can_be_read_and_is_drawn():
    assert set(MAKERS.values()) == {*LAYERS, Chain, Sum, Concat, Head}
    classes, written = [Layer], set()
    for kind in classes:
        classes += kind.__subclasses__()
        written |= {kind} if kind.__module__.startswith("hubel.layers") and not kind.__subclasses__() else set()
    assert written == set(LAYERS)


@settings(deadline=None, max_examples=300)
@given(expressions())
def test_what_is_written_reads_back_as_the_same_value_and_the_same_text(net):
    again = read(repr(net))
    assert again == net
    assert repr(again) == repr(net)


@settings(deadline=None, max_examples=200)
@given(any_layer)
def test_a_layer_says_only_what_was_chosen(layer):
    assert "=None" not in repr(layer)
    for name, said in re.findall(r"(\w+)=([^,()]+)[,)]", repr(layer)):
        assert repr(type(layer).__dataclass_fields__[name].default) != said


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (a >> b, "Conv(4, 3) >> ReLU()"),
        (Chain(a), "Chain(Conv(4, 3))"),
        (Chain(a) * 2, "Chain(Conv(4, 3)) * 2"),
        (c >> Chain(a >> b), "Tanh() >> Chain(Conv(4, 3) >> ReLU())"),
        ((a >> b) * 2 >> c, "(Conv(4, 3) >> ReLU()) * 2 >> Tanh()"),
        (Chain(b, b, b), "ReLU() * 3"),
        (b >> b >> a, "ReLU() * 2 >> Conv(4, 3)"),
        (Sum(a >> b, c), "Sum(Conv(4, 3) >> ReLU(), Tanh())"),
        (a + c, "Conv(4, 3) + Tanh()"),
        ((a | c) >> b, "(Conv(4, 3) | Tanh()) >> ReLU()"),
        (a | c >> b, "Conv(4, 3) | Tanh() >> ReLU()"),
        (Chain(x=a, y=Head(b, 0.3)), "Chain(x=Conv(4, 3), y=Head(ReLU(), 0.3))"),
        (Conv(4, 3, pad=((1, 2), (0, 3)), groups=2), "Conv(4, 3, pad=((1, 2), (0, 3)), groups=2)"),
        (MaxPool(3, 2), "MaxPool(3, stride=2)"),
        (Scale(-0.5), "Scale(-0.5)"),
    ],
    ids=str,
)
def test_expressions_print_as_the_code_that_makes_them(net, text):
    assert repr(net) == text
    assert read(text) == net


def test_spaces_lines_in_brackets_lists_and_number_forms_read_alike():
    assert read("  (Conv(0x40, [3, 3], pad=(1,\n 1))\n >> ReLU())\n") == Conv(64, 3, pad=1) >> ReLU()


BUILT = {
    "large run": lambda: b * 9_999 >> c,
    "larger run": lambda: b * 20_000,
    "long chain": lambda: Chain(*[b, c] * 5000),
    "long chain of blocks": lambda: Chain(*[a >> b, c, Chain(a), b + c, a | c] * 300),
    "long sum": lambda: Sum(*[b, c] * 3000),
    "long concat": lambda: Concat(*[b, c >> a] * 3000),
    "many stages": lambda: Chain(**{f"stage{number}": a for number in range(5000)}),
    "name of a ligature": lambda: Chain(**LIGATURE),
    "huge weight": lambda: Chain(Head(b, 10**400)),
}


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
def test_whatever_can_be_built_reads_back(build):
    try:
        net = build()
    except LayerError:
        return
    assert read(repr(net)) == net


@pytest.mark.parametrize("text", ["Chain(x=ReLU(), x=Tanh())", "Conv(4, 3, pad=1, pad=2)"])
def test_what_is_said_twice_is_refused(text):
    with pytest.raises(ReadError, match=r"twice|repeated"):
        read(text)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("Conf(4, 3)", "Conv"), ("relu()", "ReLU"), ("ReLU() >> Maxpool(2)", "MaxPool"), ("FC(3) | Consat(b, b)", "Concat")],
)
def test_unknown_names_are_answered_with_the_nearest_and_all(text, nearest):
    with pytest.raises(ReadError) as caught:
        read(text)
    assert f"Did you mean '{nearest}'?" in str(caught.value)
    assert all(name in str(caught.value) for name in MAKERS)


def test_unknown_argument_is_answered_with_the_layers_own():
    with pytest.raises(ReadError) as caught:
        read("Conv(4, 3, strides=2)")
    assert "'strides'" in str(caught.value)
    assert re.search(r"\bstride\b", str(caught.value))


def test_missing_argument_is_named_with_its_layer_said_once():
    with pytest.raises(ReadError, match=r"^Conv .*'size'") as caught:
        read("Conv(4)")
    assert "Conv.Conv" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "at"),
    [
        ("Conv(3, 3) >> >> ReLU()", 0, 14),
        ("ReLU() >> " * 30 + ">> ReLU()", 0, 300),
        ("(ReLU()\n>> Conv(4 3))", 1, 8),
        ("(" * 61, 0, MOST_OPEN),
    ],
    ids=["short", "long", "second line", "brackets"],
)
def test_caret_stands_under_the_character_at_fault(text, line, at):
    with pytest.raises(ReadError) as caught:
        read(text)
    _, row, caret = str(caught.value).split("\n")
    assert caret.strip() == "^"
    shown, under = row.removeprefix("  "), caret.index("^") - 2
    whole = text.split("\n")[line]
    assert len(shown) <= 76
    assert shown[under:] == whole[at : at + len(shown) - under]
    assert shown[:under] == whole[at - under : at]


@pytest.mark.parametrize(
    "text", ["Conv(0, 3)", "ReLU() >> Conv(0, 3)", "Chain(é=ReLU(), b=Conv(0, 3))", "(ReLU() >>\n Conv(0, 3))", "(ReLU() >>\f Conv(0, 3))"]
)
def test_impossible_layers_are_placed_by_their_character(text):
    line = text.split("\n")[-1]
    with pytest.raises(LayerError, match=rf"character {line.index('Conv') + 1}\)$"):
        read(text)


def test_no_text_is_answered_with_an_example():
    for text in ("", "  \n", "3", "(1, 2)"):
        with pytest.raises(ReadError, match=re.escape("such as")):
            read(text)
    for other in (b"ReLU()", None, 3, ReLU(), FC):
        with pytest.raises(ReadError, match="is read from text, not from"):
            read(other)
