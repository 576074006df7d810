"""Text to expression: the same text that `repr` writes, read through a whitelist. Nothing is ever executed.

Length and nesting are bounded on the tokens, before any parser sees the text.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hubel.errors import HubelError, ReadError, choices, shortened
from hubel.joints import MOST_LAYERS, Chain, Concat, Expression, Head, Sum
from hubel.layers import LAYERS

LONGEST = 300_000
"""Characters. The longest network of the casebook has less than a hundredth of it."""

MOST_OPEN = 60
"""Brackets open at once; a deeper text cannot be a network (see joints.DEEPEST)."""

MAKERS: dict[str, Callable[..., Expression]] = {kind.__name__: kind for kind in (Chain, Sum, Concat, Head, *LAYERS)}

JOINING: dict[type[ast.operator], type[Chain | Sum | Concat]] = {ast.RShift: Chain, ast.Add: Sum, ast.BitOr: Concat}


def read(text: str) -> Expression:
    """The network that `text` writes, so that read(repr(net)) == net.

    Raises ReadError where the text is no expression, and LayerError where a layer in it cannot exist.
    """
    if not isinstance(text, str):
        raise ReadError(f"A network is read from text, not from {type(text).__name__}.")
    text = text.strip().replace("\r\n", "\n").replace("\r", "\n")
    _bound(text)
    try:
        net = _Reader(text.split("\n")).value(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise ReadError(f"This is not an expression: {error.msg}{_place(text, error.lineno or 1, error.offset or 1)}") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise ReadError(
            f"This text is too long or too deep to be a network, or holds a character that cannot be read ({type(error).__name__})."
        ) from None
    if not isinstance(net, Expression):
        raise ReadError(
            f'A network was expected, such as "Conv(6, 5) >> ReLU() >> FC(10)", but this is the {type(net).__name__} {shortened(net)}.'
        )
    return net


def _bound(text: str) -> None:
    if len(text) > LONGEST:
        raise ReadError(f"This text has {len(text):,} characters; a network has at most {LONGEST:,}.")
    opened = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP:
                opened += (token.string in "([{") - (token.string in ")]}")
                if opened > MOST_OPEN:
                    raise ReadError(f"More than {MOST_OPEN} brackets are open at once{_place(text, *token.start, first=0)}")
    except (tokenize.TokenError, SyntaxError):
        pass  # ast.parse says it better
    if "\\" in text:
        raise ReadError("A backslash cannot stand in a network.")
    if not text:
        raise ReadError('A network was expected, such as "Conv(6, 5) >> ReLU() >> FC(10)", but there is nothing that could be one.')


@dataclass(frozen=True)
class _Reader:
    lines: list[str]

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp):
            return self.joined(node)
        if isinstance(node, ast.Call):
            return self.made(node)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, str, bool):
            if type(node.value) is int and node.value.bit_length() > 64:
                raise ReadError(f"A number of {node.value.bit_length()} bits cannot stand in a network{self.place(node)}.")
            return node.value
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(self.value(part) for part in node.elts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            number = self.value(node.operand)
            if type(number) in (int, float):
                return -number
        if isinstance(node, ast.Name):
            raise ReadError(
                f"{node.id} is written with its parentheses: {node.id}(...)."
                if node.id in MAKERS
                else choices(node.id, MAKERS, "layer or joint")
            )
        raise ReadError(f"{_quoted(node)} cannot stand in a network: only layers, joints, numbers, texts and tuples can.")

    def joined(self, node: ast.expr) -> Expression:
        """A run of operators, taken down its left spine in a loop."""
        pending: list[tuple[ast.operator, ast.expr]] = []
        while isinstance(node, ast.BinOp):
            pending.append((node.op, node.right))
            node = node.left
        value = self.part(node)
        while pending:
            operator, right = pending.pop()
            if isinstance(operator, ast.Mult):
                value = value * _times(right)
            elif type(operator) in JOINING:
                parts = [value, self.part(right)]
                while pending and type(pending[-1][0]) is type(operator):
                    parts.append(self.part(pending.pop()[1]))
                value = _joint(JOINING[type(operator)], parts)
            else:
                raise ReadError(
                    f"Layers are joined by >>, + and |, and repeated by * and a number; {_quoted(right)} stands behind another operator."
                )
        return value

    def part(self, node: ast.expr) -> Expression:
        value = self.value(node)
        if not isinstance(value, Expression):
            raise ReadError(f"{_quoted(node)} stands where a layer or joint was expected, such as ReLU().")
        return value

    def made(self, node: ast.Call) -> Expression:
        if not isinstance(node.func, ast.Name):
            raise ReadError(f"{_quoted(node.func)} cannot be called in a network: only the layers and joints can, by their names.")
        name = node.func.id
        if name not in MAKERS:
            raise ReadError(choices(name, MAKERS, "layer or joint"))
        words = [keyword.arg for keyword in node.keywords]
        if any(isinstance(argument, ast.Starred) for argument in node.args) or None in words:
            raise ReadError(f"{name} is given its arguments one by one: * and ** cannot stand in a network.")
        twice = [word for word, times in Counter(words).items() if times > 1]
        if twice:
            raise ReadError(f"{name} is given the argument {shortened(twice[0])} twice{self.place(node)}.")
        positional = [self.value(argument) for argument in node.args]
        named = {str(keyword.arg): self.value(keyword.value) for keyword in node.keywords}
        try:
            return MAKERS[name](*positional, **named)
        except TypeError as error:
            raise ReadError(f"{name} {str(error).rpartition('() ')[2]:.120}{self.place(node)}. {_usage(MAKERS[name])}") from None
        except HubelError as error:
            raise type(error)(f"{error}{self.place(node)}") from None

    def place(self, node: ast.expr) -> str:
        before = self.lines[node.lineno - 1].encode()[: node.col_offset].decode()  # ast counts bytes
        return f" (at character {len(before) + 1})" if len(self.lines) == 1 else f" (line {node.lineno}, character {len(before) + 1})"


def _joint(kind: type[Chain | Sum | Concat], parts: list[Expression]) -> Expression:
    if kind is Chain:
        parts = [leaf for part in parts for leaf in (part.parts if isinstance(part, Chain) and part.names is None else (part,))]
    return kind(*parts)


def _times(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and 1 <= node.value <= MOST_LAYERS:
        return node.value
    raise ReadError(
        f"{_quoted(node)} stands behind *: a part is repeated by a whole number, at most {MOST_LAYERS:,}, as in (Conv(64, 3, pad=1) >> ReLU()) * 2."
    )


def _usage(kind: Callable[..., Expression]) -> str:
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else ["net", "weight"] if kind is Head else ["parts"]
    return f"It takes: {', '.join(names)}." if names else "It takes nothing."


def _quoted(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except (RecursionError, ValueError):
        text = type(node).__name__
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _place(text: str, line: int, column: int, first: int = 1) -> str:
    """The line at fault, cut to what fits, with a caret under the character."""
    rows = text.split("\n")
    row, at = rows[min(line, len(rows)) - 1], max(0, column - first)
    start = max(0, at - 40)
    return f"\n  {row[start : start + 76]}\n  {' ' * (at - start)}^"
