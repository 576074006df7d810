"""Text that means harm, or nothing: the answer is always an expression or a HubelError, never another exception."""

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expressions import expressions
from hubel.cli import main
from hubel.errors import HubelError
from hubel.joints import Expression
from hubel.layers import Conv, ReLU
from hubel.reading import LONGEST, read


def attempt(text):
    """Read hostile text: any exception that is not ours goes through and fails the test."""
    try:
        net = read(text)
    except HubelError as error:
        return error
    return net


UNREADABLE = [
    "", " ", "()", "3", "'text'", "(ReLU(), ReLU())", "ReLU", "Conv", "None", "relu()", "__import__('os')", "open('/etc/passwd')", "eval('1')",
    "Expression()", "Layer()", "Chain.__init__", "ReLU().depth", "ReLU().__class__()", "Conv.maps(3)", "ReLU()()", "(ReLU)()()", "Conv(4, 3)(1)",
    "lambda: ReLU()", "(lambda x: x)(ReLU())", "f'{ReLU()}'", "Conv(*(4, 3))", "Conv(**{'maps': 4, 'size': 3})", "Chain(*[ReLU()])",
    "(x := ReLU())", "[ReLU() for x in (1, 2)]", "Chain(*(ReLU() for x in y))", "{ReLU()}", "{'a': ReLU()}", "MAKERS['Conv'](4, 3)", "(ReLU(),)[0]",
    "ReLU() if 1 else ReLU()", "ReLU() and ReLU()", "not ReLU()", "-ReLU()", "~ReLU()", "ReLU() - ReLU()", "ReLU() ** 2", "ReLU() @ ReLU()",
    "ReLU() < ReLU()", "2 * ReLU()", "ReLU() * 2.0", "ReLU() * True", "ReLU() * 0", "ReLU() * -1", "ReLU() * ReLU()", "ReLU() >> 3", "3 >> ReLU()",
    "ReLU() >> ReLU", "ReLU() >>", ">> ReLU()", "ReLU(", "ReLU())", "ReLU()]", "ReLU(]", "ReLU(); ReLU()", "x = ReLU()", "import os", "ReLU() # no\n3",
    "await ReLU()", "yield", "...", "Conv(4, None)", "Conv(4, ...)", "Conv(4, 1j)", "Conv(4, b'3')", "Conv(4)", "Conv(4, 3, 1, 0, 1, True, 1, 'exact', 9)",
    "Conv(4, 3, maps=4)", "Conv(4, 3, colour=1)", "ReLU(3)", "Chain(1)", "Chain(ReLU(), x=ReLU())", "Chain(forward=ReLU())", "Head(ReLU())", "Sum(ReLU())",
    "Head(ReLU(), -1)", "Scale(1e999)", "Scale(-1e999)", "Scale('inf')", "Conv(4, 3, fit='ceil')", "RBF(('#', '..'))", "ReLU()\0", "\0", "ReLU()\ud800",
    "\ud800", "RBF('\ud800')", "'\\ud800'", "'\\d' >> ReLU()", "9" * 5000, f"Conv({'9' * 5000}, 3)", f"ReLU() * {'9' * 5000}", f"0x{'f' * 5000}",
    f"(0x{'f' * 5000},)", f"-0x{'f' * 5000}", f"Conv(0x{'f' * 5000}, 3)", f"Scale(1{'0' * 400})", f"Scale(-1{'0' * 400})", f"ReLU() * 0x{'f' * 5000}",
    "\ufeffReLU()x", "ＲｅＬＵ(3)", "'''", '"', "\\", "\x0c3", "\t\r\n\x0b(", "ReLU()\n  ReLU()\n ReLU()",
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: ascii(text)[:40])
def test_what_is_no_network_is_refused(text):
    assert isinstance(attempt(text), HubelError)


def test_huge_numbers_are_refused_or_can_be_shown():
    assert repr(attempt(f"Head(ReLU(), 0x{'f' * 5000})"))


FLOODS = {
    "open brackets": lambda n: "(" * n,
    "balanced brackets": lambda n: "(" * (n // 2) + ")" * (n // 2),
    "balanced calls": lambda n: "Chain(" * (n // 7) + ")" * (n // 7),
    "open lists": lambda n: "[" * n,
    "balanced lists": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "minuses": lambda n: "-" * n,
    "minuses before a layer": lambda n: "-" * (n - 6) + "ReLU()",
    "tildes": lambda n: "~" * (n - 1) + "1",
    "nots": lambda n: "not " * (n // 4),
    "links": lambda n: "ReLU()>>" * (n // 8),
    "doublings": lambda n: "ReLU()" + "*2" * (n // 2),
    "ones": lambda n: "ReLU()" + "*1" * (n // 2),
    "powers": lambda n: "2**" * (n // 3) + "2",
    "attributes": lambda n: "a" + ".b" * (n // 2),
    "calls of calls": lambda n: "ReLU" + "()" * (n // 2),
    "subscripts": lambda n: "a" + "[0]" * (n // 3),
    "lambdas": lambda n: "lambda:" * (n // 7) + "0",
    "choices": lambda n: "1 if 1 else " * (n // 12) + "1",
    "digits": lambda n: "9" * n,
    "hexadecimal digits": lambda n: "0x" + "f" * (n - 2),
    "one name": lambda n: "R" * n + "()",
    "commas": lambda n: "Conv(" + "1," * (n // 2 - 3) + ")",
    "one text": lambda n: "'" + "x" * (n - 2) + "'",
    "quotes": lambda n: "'" * n,
    "lines": lambda n: "ReLU(" + "\n" * (n - 5),
    "backslashes": lambda n: "\\\n" * (n // 2),
    "joined text": lambda n: "''" * (n // 2),
}


LARGEST_READ = ["balanced brackets", "minuses", "links"]


@pytest.mark.parametrize(
    ("kind", "size"),
    [*((kind, size) for kind in FLOODS for size in (900, 20_000, LONGEST + 1_000)), *((kind, LONGEST) for kind in LARGEST_READ)],
)
def test_long_and_deep_text_is_refused(kind, size):
    assert isinstance(attempt(FLOODS[kind](size)), HubelError)


@pytest.mark.parametrize("text", ["ReLU()>>" * 24_000 + "ReLU()", "ReLU()|" * 28_000 + "ReLU()", "ReLU()+" * 2_000 + "ReLU()"], ids=len)
def test_long_joints_are_read_or_refused(text):
    assert isinstance(attempt(text), (Expression, HubelError))


LONG_WINDED = {
    "text for a number": "Conv('" + "x" * 50_000 + "', 3)",
    "text for a choice": "Conv(4, 3, fit='" + "x" * 50_000 + "')",
    "tuple for a number": "Conv((" + "1, " * 20_000 + "), 3)",
    "name": "R" * 50_000 + "()",
    "stage": "Chain(" + "a" * 50_000 + "_=1)",
    "argument": "ReLU(" + "a" * 50_000 + "=1)",
    "argument again and again": "Chain(" + "a=ReLU(), " * 5_000 + ")",
    "line": "ReLU() >> " * 5_000 + ")",
}


@pytest.mark.parametrize("text", LONG_WINDED.values(), ids=LONG_WINDED)
def test_long_mistakes_have_short_answers(text):
    error = attempt(text)
    assert isinstance(error, HubelError)
    assert len(str(error)) < 1_000


HOSTILE = [
    *[text for text in UNREADABLE if "\0" not in text and "\ud800" not in text][::8],
    *[flood(100_000) for flood in FLOODS.values()][::3],
    f"0x{'f' * 5000}",
    f"Scale(1{'0' * 400})",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:40])
def test_command_line_refuses_hostile_text_in_a_sentence(capsys, text):
    assert main(["show", "--input=3x8x8", "--", text]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("hubel: ")


@pytest.mark.parametrize("text", HOSTILE[::8], ids=lambda text: ascii(text)[:40])
def test_a_process_refuses_hostile_text_without_a_traceback(text):
    words = [sys.executable, "-m", "hubel", "show", "--input=3x8x8", "--", text]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("hubel: ")
    assert "Traceback" not in ended.stderr


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    assert isinstance(attempt(text), (Expression, HubelError))


PIECES = [
    "(",
    ")",
    "[",
    "]",
    ",",
    " >> ",
    " + ",
    " | ",
    " * ",
    "2",
    "-",
    "ReLU",
    "()",
    "Conv(4, 3)",
    "Chain",
    "x=",
    "'",
    ".",
    "\n",
    "\0",
    "e9",
    ":",
    "é",
]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_pieces_of_networks_are_read_or_refused(text):
    assert isinstance(attempt(text), (Expression, HubelError))


@settings(deadline=None, max_examples=200)
@given(
    expressions(),
    st.lists(st.tuples(st.sampled_from("delete insert swap".split()), st.integers(0), st.characters()), min_size=1, max_size=3),
)
@example(Conv(4, 3) >> ReLU(), [("insert", 3, "\0")])
def test_networks_with_characters_changed_are_read_or_refused(net, changes):
    text = list(repr(net))
    for kind, where, character in changes:
        at = where % len(text)
        if kind == "insert":
            text.insert(at, character)
        elif kind == "swap":
            text[at - 1], text[at] = text[at], text[at - 1]
        elif len(text) > 1:
            del text[at]
    found = attempt("".join(text))
    if isinstance(found, Expression):
        assert read(repr(found)) == found
