"""What every verb prints with: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GAP = "   "
"""Between columns."""

UNITS = {"GB": (1e9, 2), "MB": (1e6, 1), "kB": (1e3, 1)}
"""Of memory, the largest first: bytes, and how many decimals are shown."""

AMOUNT = re.compile(r"[\d,.]+(%| [kMG]?B)|x [\d,.]+")
"""A text that stands for a number: 97.2%, 1.72 GB, x 2.27."""

LONGEST = 44
"""Characters of a layer or a network in a table."""

NARROWEST = 12
"""How far a column of text is narrowed to fit a terminal."""


def as_json(value: Any) -> None:
    """Print a value as JSON, one line an entry where it is a list."""
    if isinstance(value, list):
        body = ",\n ".join(json.dumps(entry) for entry in value)
        print(f"[{body}]")
    else:
        print(json.dumps(value, indent=1))


def as_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows under `columns`; numbers stand to the right, with thousands apart. Text is folded where a terminal is too narrow."""
    rows = list(rows)
    right = {column: all(_is_amount(row.get(column)) for row in rows) for column in columns}
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(columns, *cells)]
    if sys.stdout.isatty():
        _narrow(widths, [right[column] for column in columns])
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    lines = [*_lines(columns, widths, list(right.values())), rule]
    for texts in cells:
        lines += _lines(texts, widths, list(right.values()))
    print("\n".join(lines))


def _is_amount(value: Any) -> bool:
    """Whether a value is a number, a text that stands for one, or nothing."""
    return isinstance(value, (int, float)) or value in (None, "", "-") or bool(AMOUNT.fullmatch(str(value)))


def _narrow(widths: list[int], right: Sequence[bool]) -> None:
    """Take from the widest columns of text until the table fits the terminal, or can give no more."""
    room = shutil.get_terminal_size().columns - len(GAP) * (len(widths) - 1)
    while sum(widths) > room:
        texts = [place for place, width in enumerate(widths) if not right[place] and width > NARROWEST]
        if not texts:
            return
        widths[max(texts, key=widths.__getitem__)] -= 1


def _lines(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """One row, as many lines as its longest cell takes."""
    folded = [_folded(text, width) for text, width in zip(texts, widths)]
    lines = []
    for place in range(max(map(len, folded), default=1)):
        parts = [column[place] if place < len(column) else "" for column in folded]
        padded = (
            " " * (width - _width(part)) + part if to_right else part + " " * (width - _width(part))
            for part, width, to_right in zip(parts, widths, right)
        )
        lines.append(GAP.join(padded).rstrip())
    return lines


def _folded(text: str, width: int) -> list[str]:
    """The text on as many lines as it takes, parted between words, or within one that is longer than a line."""
    if _width(text) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        if lines[-1] and _width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if _width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def _width(text: str) -> int:
    """Places that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_places(character) for character in text)


def _places(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):  # marks that stand on the character before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "".join(character if character.isprintable() else " " for character in str(value))


def cut(text: str) -> str:
    """A text as a table has room for it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def amount(count: int) -> str:
    """Bytes as people read them, a megabyte being a million."""
    for unit, (size, decimals) in UNITS.items():
        if count >= size:
            return f"{count / size:,.{decimals}f} {unit}"
    return f"{count} B"


def heading(text: str) -> None:
    """Print a line that stands above a table: bold on a terminal."""
    print(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text)
