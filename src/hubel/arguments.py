"""What may stand in a layer's parentheses: every argument of one name is checked and brought to one form in one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubel.errors import LayerError, shortened

Size = int | tuple[int, int]
Pad = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]

LARGEST = 10**9
"""No count in a network comes near it; above it lies only a mistyped number, or an attempt to exhaust the machine."""


def pair(value: Any) -> tuple[int, int]:
    """A size as (height, width)."""
    return value if isinstance(value, tuple) else (value, value)


def sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """A padding as ((top, bottom), (left, right))."""
    down, across = pair(value)
    return pair(down), pair(across)


def _is_count(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= LARGEST


def _count(value: Any, where: str) -> int:
    if not _is_count(value, 1):
        raise LayerError(f"{where} is {shortened(value)}; it must be a positive whole number, at most {LARGEST:,}.")
    return int(value)


def _folded(value: Any) -> Any:
    """A pair of equal numbers as the number itself."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


def _size(value: Any, where: str) -> Size:
    parts = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(parts) != 2 or not all(_is_count(part, 1) for part in parts):
        raise LayerError(
            f"{where} is {shortened(value)}; it must be a positive whole number, at most {LARGEST:,}, or a (height, width) pair of them."
        )
    folded: Size = _folded(parts)
    return folded


def _pad(value: Any, where: str) -> Pad:
    parts = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    parts = tuple(tuple(part) if isinstance(part, (tuple, list)) else (part, part) for part in parts)
    if len(parts) != 2 or not all(len(part) == 2 and all(_is_count(side, 0) for side in part) for part in parts):
        raise LayerError(
            f"{where} is {shortened(value)}; it must be a whole number, a (height, width) pair, or ((top, bottom), (left, right))."
        )
    even = all(part[0] == part[1] for part in parts)
    folded: Pad = _folded((parts[0][0], parts[1][0])) if even else parts
    return folded


def _flag(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise LayerError(f"{where} is {shortened(value)}; it must be True or False.")
    return value


def _fit(value: Any, where: str) -> str:
    if value not in ("exact", "floor", "ceil"):
        raise LayerError(f'{where} is {shortened(value)}; it must be "exact", "floor" or "ceil".')
    return str(value)


def _number(least: float, most: float, words: str) -> Callable[[Any, str], float]:
    def check(value: Any, where: str) -> float:
        if type(value) not in (int, float) or not least <= value <= most:  # neither NaN nor infinity passes
            raise LayerError(f"{where} is {shortened(value)}; it must be {words}.")
        return float(value)

    return check


def _inputs(value: Any, where: str) -> tuple[tuple[int, ...], ...]:
    rows = tuple(tuple(row) if isinstance(row, (tuple, list)) else () for row in value) if isinstance(value, (tuple, list)) else ()
    if not rows or not all(row and all(_is_count(i, 0) for i in row) and len(set(row)) == len(row) for row in rows):
        raise LayerError(
            f"{where} is {shortened(value)}; it must list, for each map, the input maps that it reads, such as ((0, 1, 2), (1, 2, 3)), none twice."
        )
    return rows


def _codes(value: Any, where: str) -> tuple[str, ...]:
    codes = tuple(value) if isinstance(value, (tuple, list)) else ()
    drawn = all(isinstance(code, str) and code and set(code) <= set("#.") for code in codes)
    if not codes or not drawn or len({len(code) for code in codes}) > 1:
        raise LayerError(f"{where} must be texts of one length, a class each, with '#' for +1 and '.' for -1.")
    return codes


CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "maps": _count,
    "outputs": _count,
    "groups": _count,
    "multiplier": _count,
    "n": _count,
    "size": _size,
    "stride": _size,
    "dilation": _size,
    "pad": _pad,
    "bias": _flag,
    "count_pad": _flag,
    "fit": _fit,
    "factor": _number(-1e9, 1e9, "a finite number"),
    "k": _number(0, 1e9, "a number of 0 or more"),
    "alpha": _number(0, 1e9, "a number of 0 or more"),
    "beta": _number(0, 1e9, "a number of 0 or more"),
    "eps": _number(0, 1, "a number from 0 to 1"),
    "momentum": _number(0, 1, "a number from 0 to 1"),
    "rate": _number(0, 0.999, "the share to drop, at least 0 and below 1"),
    "inputs": _inputs,
    "codes": _codes,
}
