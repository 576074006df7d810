"""Network to notation. What the notation cannot say is refused with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import Any

from hubel.arguments import LARGEST, sides
from hubel.errors import NotationError, shortened
from hubel.joints import Chain, Expression, Shape, chained, shown
from hubel.layers import FC, ReLU
from hubel.notation.words import COLUMNS, SIGNS, WORDS, rectified
from hubel.reading import LONGEST

Path = tuple[str, ...]

NAMES: dict[type[Expression], str] = {word.kind: name for name, word in WORDS.items()}


def arrows(net: Expression, input: Shape | None = None, *, names: bool = True) -> str:
    """The network in arrows, so that parse(arrows(net)).net == net; a layer alone becomes the chain of it.

    With `names` False, stages lose their names and are spliced as `>>` would. Raises NotationError, with the path of the
    first part that arrows cannot say.
    """
    return _bounded(f"INPUT{_shape(input)} -> {_sequence(chained(net), (), names)}")


def columns(net: Expression, input: Shape | None = None, *, names: bool = True) -> str:
    """The network in the columns of the VGG paper's table 1, so that parse(columns(net)).net == net.

    With `names` False, stages lose their names and every chain is spliced, for columns have no brackets. Raises
    NotationError, with the path of the first part that columns cannot say.
    """
    links = list(_links(chained(net), (), names, flat=not names))
    seen = [(path, part) for path, part in links if not isinstance(part, ReLU)]
    texts = [_column(part, path) for path, part in seen]
    parts, meant = [part for _, part in links], rectified([part for _, part in seen])
    if parts != meant:
        alike = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(parts, meant)))
        path, part = links[min(alike, len(links) - 1)]
        raise _unsayable(path, part, "columns mean a ReLU behind every conv and every FC but the last, and nowhere else")
    before = [] if input is None else [f"input{_shape(input)}"]
    return _bounded(" ".join([*before, *texts, *(["soft-max"] if isinstance(parts[-1], FC) else [])]))


def _links(chain: Chain, path: Path, names: bool, flat: bool = False) -> Iterator[tuple[Path, Expression]]:
    """The parts of a chain with their paths; stages are spliced where names are left out, and blocks too if all is to be flat."""
    for name, part in chain.children():
        here = (*path, name)
        if chain.names is not None and names:
            raise NotationError(f"{'.'.join(here)}: the notation has no names for stages; leave them out with names=False.")
        if isinstance(part, Chain) and (chain.names is not None or flat):
            yield from _links(part, here, names, flat)
        else:
            yield here, part


def _sequence(chain: Chain, path: Path, names: bool) -> str:
    texts: dict[Expression, str] = {}  # what is repeated is written once
    row = []
    for here, part in _links(chain, path, names):
        if part not in texts:
            texts[part] = f"[{_sequence(part, here, names)}]" if isinstance(part, Chain) else _layer(part, here)
        row.append(texts[part])
    runs = [(text, len(list(run))) for text, run in groupby(row)]
    return " -> ".join(f"{text}*{times}" if text[0] == "[" and times > 1 else " -> ".join([text] * times) for text, times in runs)


def _layer(part: Expression, path: Path) -> str:
    """CONV3-64/2 p0: the word, what stands right behind it, and what is not as the table has it."""
    if type(part) not in NAMES:
        raise _unsayable(path, part, f"arrows are one line of layers, and these are their words: {', '.join(WORDS)}")
    name = NAMES[type(part)]
    word, values = WORDS[name], vars(part)
    chosen = {field: values[field] for field in (*word.leads, *word.defaults) if values[field] != word.implied(field, values)}
    leads = "-".join(_value(chosen[field]) for field in word.leads if field in chosen)
    return name + leads + "".join(_modifier(field, value) for field, value in chosen.items() if field not in word.leads)


def _modifier(field: str, value: Any) -> str:
    sign, (_, fixed) = next(row for row in SIGNS.items() if row[1] in ((field, value), (field, None)))
    return f"{'' if field == 'stride' else ' '}{sign}{_value(value) if fixed is None else ''}"


def _value(value: Any) -> str:
    """4, 0.5, 1x7 for height and width, 0+1 for before and behind."""
    if isinstance(value, float):
        return repr(abs(value)).removesuffix(".0")
    down, across = (str(before) if before == behind else f"{before}+{behind}" for before, behind in sides(value))
    return down if down == across else f"{down}x{across}"


def _column(part: Expression, path: Path) -> str:
    for name, (word, says) in COLUMNS.items():
        if says is not None and part == WORDS[word].made(says):
            return name
        if says is None and type(part) is WORDS[word].kind:
            numbers, *behind = re.split("(?=[/ ])", _layer(part, path).removeprefix(word))
            if not behind:
                return name + numbers
    raise _unsayable(path, part, f"columns are {', '.join(COLUMNS)} and soft-max with their defaults, and have no brackets")


def _shape(input: Shape | None) -> str:
    if input is None:
        return ""
    if len(input) not in (1, 3) or not all(type(side) is int and 1 <= side <= LARGEST for side in input):
        raise NotationError(f"The input is {shortened(input)}; it must be (C, H, W) or (N,), positive whole numbers.")
    return f" {shown(input)}"


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise NotationError(f"This network would be a text of {len(text):,} characters; at most {LONGEST:,} are read.")
    return text


def _unsayable(path: Path, part: Expression, why: str) -> NotationError:
    return NotationError(f"{'.'.join(path)}: {shortened(part)} cannot be said in this notation: {why}.")
