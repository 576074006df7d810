"""Notation to network, in one pass from left to right. Nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hubel.arguments import LARGEST
from hubel.errors import LayerError, NotationError
from hubel.joints import DEEPEST, MOST_LAYERS, Chain, Expression, Shape
from hubel.layers import FC, Layer
from hubel.notation.cursor import Cursor
from hubel.notation.words import COLUMNS, WORDS, Word, rectified
from hubel.reading import LONGEST

LONGEST_NUMBER = 30
"""Characters; the longest number that a layer can have is shorter."""

PAIRS = frozenset(("size", "stride", "dilation", "pad"))
FRACTIONS = frozenset(("k", "alpha", "beta", "eps", "momentum", "rate"))


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


NOTHING = "(?!)"
ARROW, TIMES, INPUT, WORD, COLUMN = "->|→", "[x×]", "input(?![a-z])", _any_of(WORDS), _any_of(COLUMNS)
OPENING = re.compile(
    rf"\s*(?:\[|input(?=\s*[\d(]|\s+[a-z])|(?:{WORD}|{COLUMN}|soft-max)(?:\d[\da-z/+-]*)?(?=[\s,?*]|\Z)(?!\s*[(>+|]))",
    re.ASCII | re.IGNORECASE,
)


class Notated(NamedTuple):
    """What a text says: a network, and the shape that enters it where the text has one."""

    net: Expression
    input: Shape | None


def is_notation(text: str) -> bool:
    """Whether a text is meant as notation, rather than as an expression or the name of a network."""
    return re.search(ARROW, text) is not None or OPENING.match(text) is not None


def parse(text: str) -> Notated:
    """The network that `text` says: in arrows where it holds "->" or "[", in columns otherwise.

    Raises NotationError, with a caret under the character at fault.
    """
    if not isinstance(text, str):
        raise NotationError(f"A network is read from text, not from {type(text).__name__}.")
    if len(text) > LONGEST:
        raise NotationError(f"This text has {len(text):,} characters; a network has at most {LONGEST:,}.")
    reader = _Reader(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").rstrip(" \n"))
    return reader.arrows() if re.search(rf"{ARROW}|\[", text) else reader.columns()


class _Reader(Cursor):
    """Each method takes what it is named for."""

    opened = 0
    """Brackets that are open."""

    def arrows(self) -> Notated:
        shape = None
        if self.take(INPUT, "INPUT"):
            shape = self.shape()
            self.need(ARROW, "'->'")
        net = self.sequence()
        self.end()
        return Notated(net, shape)

    def sequence(self) -> Chain:
        parts: list[Expression] = []
        layers = 0
        while True:
            start = self.here()
            links = self.part()
            layers += links[0].layers * len(links)
            if layers > MOST_LAYERS:
                self.refuse(f"A network has at most {MOST_LAYERS:,} layers; this part would make them {layers:,}.", start)
            parts += links
            if not self.take(ARROW, "'->'"):
                return Chain(*parts)

    def part(self) -> list[Expression]:
        """A layer, or a bracket as often as it is repeated."""
        start = self.here()
        name = self.take(WORD, *WORDS)
        if name:
            return [self.layer(WORDS[name.upper()], start)]
        self.need(r"\[", "'['")
        if self.opened == DEEPEST - 1:
            self.refuse(f"More than {DEEPEST - 1} brackets are open at once.", start)
        self.opened += 1
        inside = self.sequence()
        self.need("]", "']'")
        self.opened -= 1
        return [inside] * (self.repeats(MOST_LAYERS // inside.layers) if self.take(r"\*", "'*'") else 1)

    def repeats(self, most: int) -> int:
        start = self.here()
        times = self.whole(f"a whole number from 1 to {most:,}")
        if not 1 <= times <= most:
            self.refuse(f"A part is repeated from 1 to {most:,} times here, not {times:,} times; leave it out if it is not there.", start)
        return times

    def layer(self, word: Word, start: int) -> Layer:
        said = self.leads(word)
        while True:
            signs = {sign: says for sign, says in word.signs.items() if says[0] not in said}
            looks = (f"'{sign}'" if value is not None else f"'{sign}' ({field})" for sign, (field, value) in signs.items())
            sign = self.take("|".join(map(_whole, signs)) or NOTHING, *looks).lower()
            if not sign:
                return self.made(word, said, start)
            field, value = signs[sign]
            said[field] = self.value(field) if value is None else value

    def leads(self, word: Word) -> dict[str, Any]:
        """What stands right behind a word."""
        said: dict[str, Any] = {}
        for field in word.leads:
            if field in word.defaults and not self.comes("[0-9]", f"a number ({field})"):
                break
            if said:
                self.need("-(?!>)", "'-'")
            said[field] = self.value(field)
        return said

    def made(self, word: Word, said: Mapping[str, Any], start: int) -> Layer:
        try:
            return word.made(said)
        except LayerError as error:
            self.refuse(str(error), start)

    def value(self, field: str) -> Any:
        if field in FRACTIONS:
            return float(self.number(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", f"a number ({field})"))
        if field not in PAIRS:
            return self.whole(f"a whole number ({field})")
        down = self.axis(field)
        if self.take(TIMES, "'x'"):
            return down, self.axis(field)
        return (down, down) if field == "pad" else down

    def axis(self, field: str) -> int | tuple[int, int]:
        before = self.whole(f"a whole number ({field})")
        return (before, self.whole(f"a whole number ({field})")) if field == "pad" and self.take(r"\+", "'+'") else before

    def whole(self, what: str) -> int:
        return int(self.number("[0-9]+", what))

    def number(self, pattern: str, what: str) -> str:
        found = self.need(pattern, what)
        if len(found) > LONGEST_NUMBER:
            self.refuse(f"A number of {len(found):,} characters cannot stand in a network.", self.at - len(found))
        return found

    def shape(self) -> Shape | None:
        start = self.here()
        if self.take(r"\(", "'('"):  # the paper's own words: input (224 x 224 RGB image)
            shape: Shape = (3, *self.height_and_width())
            self.need("RGB[ \n]+image", "'RGB image'")
            self.need(r"\)", "')'")
        elif self.comes("[0-9]", "a shape such as 3x32x32"):
            shape = (self.whole("a whole number"),)
            if self.take(TIMES, "'x'"):
                shape += self.height_and_width()
        else:
            return None
        if not all(1 <= side <= LARGEST for side in shape):
            self.refuse(f"A shape is made of whole numbers from 1 to {LARGEST:,}.", start)
        return shape

    def height_and_width(self) -> tuple[int, int]:
        height = self.whole("a whole number (height)")
        self.need(TIMES, "'x'")
        return height, self.whole("a whole number (width)")

    def columns(self) -> Notated:
        self.note = " A text without '->' is read as columns."
        shape = None
        if self.take(INPUT, "input"):
            shape = self.shape()
            self.gap()
        layers: list[Expression] = []
        while name := self.take(COLUMN, *COLUMNS):
            start = self.at - len(name)
            word, says = next(entry for column, entry in COLUMNS.items() if column.lower() == name.lower())
            layers.append(self.made(WORDS[word], self.leads(WORDS[word]) if says is None else says, start))
            self.gap()
        if not layers:
            self.refuse()
        if isinstance(layers[-1], FC):
            self.take("soft-max", "soft-max")
        self.end()
        links = rectified(layers)
        if len(links) > MOST_LAYERS:
            self.refuse(f"A network has at most {MOST_LAYERS:,} layers; this one has {len(links):,}.")
        return Notated(Chain(*links), shape)

    def gap(self) -> None:
        """What stands between the names of columns: blanks, and a comma if one likes."""
        here = self.here()
        if here < len(self.text) and self.text[here - 1] not in " \n" and self.text[here] != ",":
            self.could += ["a blank", "','"]
            self.refuse()
        self.take(",")


def _whole(sign: str) -> str:
    """The pattern of a sign: where it is a word, not the beginning of another."""
    return f"{sign}(?![a-z])" if sign.isalpha() else re.escape(sign)
