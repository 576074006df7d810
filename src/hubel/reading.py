"""Text to expression: the same text that `repr` writes, read through a whitelist. Nothing is ever executed.

Length and nesting are bounded on the tokens, before any parser sees the text.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable
from typing import Any

from hubel.errors import HubelError, ReadError, choices
from hubel.joints import Chain, Concat, Expression, Head, Sum
from hubel.layers import LAYERS

LONGEST = 200_000
"""Characters. The longest network of the casebook has about a twentieth of it."""

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
    text = text.strip()
    _bound(text)
    try:
        tree = ast.parse(text, mode="eval").body
        net = _value(tree)
    except SyntaxError as error:
        raise ReadError(f"This is not an expression: {error.msg}{_place(text, error.lineno or 1, error.offset or 1)}") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise ReadError(
            f"This text is too long or too deep to be a network, or holds a character that cannot be read ({type(error).__name__})."
        ) from None
    if not isinstance(net, Expression):
        raise ReadError(
            f'A network was expected, such as "Conv(6, 5) >> ReLU() >> FC(10)", but this is the {type(net).__name__} {net!r:.60}.'
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
    if not text:
        raise ReadError('A network was expected, such as "Conv(6, 5) >> ReLU() >> FC(10)", but there is nothing that could be one.')


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):
        return _joined(node)
    if isinstance(node, ast.Call):
        return _made(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str, bool)):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_value(part) for part in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        if type(number) in (int, float):
            return -number  # type: ignore[operator]
    raise ReadError(f"{_quoted(node)} cannot stand in a network: only layers, joints, numbers, texts and tuples can.")


def _joined(node: ast.expr) -> Expression:
    """A run of operators, taken down its left spine in a loop."""
    pending: list[tuple[ast.operator, ast.expr]] = []
    while isinstance(node, ast.BinOp):
        pending.append((node.op, node.right))
        node = node.left
    value = _value(node)
    while pending:
        operator, right = pending.pop()
        if isinstance(operator, ast.Mult):
            value = _part(value, node) * _times(right)
        elif type(operator) in JOINING:
            parts = [_part(value, node), _part(_value(right), right)]
            while pending and type(pending[-1][0]) is type(operator):
                last = pending.pop()[1]
                parts.append(_part(_value(last), last))
            value = _joint(JOINING[type(operator)], parts)
        else:
            raise ReadError(
                f"Layers are joined by >>, + and |, and repeated by * and a number; {_quoted(right)} stands behind another operator."
            )
    return _part(value, node)


def _joint(kind: type[Chain | Sum | Concat], parts: list[Expression]) -> Expression:
    if kind is Chain:
        parts = [leaf for part in parts for leaf in (part.parts if isinstance(part, Chain) and part.names is None else (part,))]
    return kind(*parts)


def _part(value: Any, node: ast.expr) -> Expression:
    if not isinstance(value, Expression):
        raise ReadError(f"{_quoted(node)} stands where a layer or joint was expected, such as ReLU().")
    return value


def _times(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and 1 <= node.value <= 10_000:
        return node.value
    raise ReadError(
        f"{_quoted(node)} stands behind *: a part is repeated by a whole number from 1 to 10,000, as in (Conv(64, 3, pad=1) >> ReLU()) * 2."
    )


def _made(node: ast.Call) -> Expression:
    if not isinstance(node.func, ast.Name):
        raise ReadError(f"{_quoted(node.func)} cannot be called in a network: only the layers and joints can, by their names.")
    name = node.func.id
    if name not in MAKERS:
        raise ReadError(choices(name, MAKERS, "layer or joint"))
    if any(isinstance(argument, ast.Starred) for argument in node.args) or any(keyword.arg is None for keyword in node.keywords):
        raise ReadError(f"{name} is given its arguments one by one: * and ** cannot stand in a network.")
    positional = [_value(argument) for argument in node.args]
    named = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
    try:
        return MAKERS[name](*positional, **named)
    except TypeError as error:
        raise ReadError(f"{name} cannot be made so: {str(error).replace('__init__()', name)}.") from None
    except HubelError as error:
        raise type(error)(f"{error}{_place_of(node)}") from None


def _quoted(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except RecursionError:
        text = type(node).__name__
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _place_of(node: ast.expr) -> str:
    return f" (at character {node.col_offset + 1})" if node.lineno == 1 else f" (line {node.lineno}, character {node.col_offset + 1})"


def _place(text: str, line: int, column: int, first: int = 1) -> str:
    """The line at fault, cut to what fits, with a caret under the character."""
    rows = text.splitlines() or [""]
    row, at = rows[min(line, len(rows)) - 1], max(0, column - first)
    start = max(0, at - 40)
    return f"\n  {row[start : start + 76]}\n  {' ' * (at - start)}^"
