"""What every verb prints with: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_json(value: Any) -> None:
    """Print a value as JSON, one line an entry where it is a list."""
    if isinstance(value, list):
        body = ",\n ".join(json.dumps(entry) for entry in value)
        print(f"[{body}]")
    else:
        print(json.dumps(value, indent=1))


def as_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Print rows under `columns`; numbers stand to the right, with thousands apart."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, show_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), (int, float)) or row.get(column) in (None, "", "-") for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    console().print(table)


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def console() -> Any:
    """A rich console: as wide as the terminal, or as wide as needed where the output goes to a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 1000, soft_wrap=False)
