"""hubel recipes: how networks are trained, fast or as their papers say, with what to expect. Imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from typing import Any

from hubel.cli.tables import as_json, as_table
from hubel.nets import variant
from hubel.training.recipe import Recipe
from hubel.training.recipes import FAST, GENERAL, KINDS, PAPER, Preset, preset


def declare(verbs: Any) -> None:
    recipes = verbs.add_parser(
        "recipes", allow_abbrev=False, help="how networks are trained, fast or as their papers say, and what to expect"
    )
    recipes.add_argument("net", nargs="?", help="one of them, with its sources and what is done otherwise (default: all, in a table)")
    recipes.add_argument("--json", action="store_true", help="print JSON")
    recipes.set_defaults(run=run_recipes)


def run_recipes(given: argparse.Namespace) -> int:
    if given.net:
        variant(given.net)
        found = [(given.net, kind, preset(given.net, kind)) for kind in KINDS if kind == "fast" or given.net in PAPER]
    else:
        found = [(name, kind, chosen) for kind, presets in (("fast", FAST), ("paper", PAPER)) for name, chosen in presets.items()]
    if given.json:
        as_json([{"network": name, "kind": kind, **asdict(chosen)} for name, kind, chosen in found])
    elif given.net:
        for number, (_, kind, chosen) in enumerate(found):
            print("\n" * bool(number) + "\n".join(_told(given.net, kind, chosen)))
    else:
        rows = _rows([*found, ("every other, and your expressions", "fast", GENERAL)])
        as_table(rows, list(rows[0]))
        print(f"\n`hubel recipes {found[-1][0]}` says more of one.")
    return 0


def _rows(found: list[tuple[str, str, Preset]]) -> list[dict[str, Any]]:
    """The table's: one for all networks that are trained alike."""
    alike: dict[tuple[str, Recipe], list[str]] = {}
    for name, kind, chosen in found:
        alike.setdefault((kind, chosen.recipe), []).append(name)
    return [
        {"networks": _listed(names), "recipe": kind, **{column: getattr(recipe, column) for column in COLUMNS}}
        for (kind, recipe), names in alike.items()
    ]


def _listed(names: list[str]) -> str:
    """All of them, or of many the first ones and how many more there are."""
    return " ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


LISTED = 3
"""How many networks a row of the table names."""

COLUMNS = ("epochs", "batch", "optimiser", "lr", "schedule", "weight_decay")
"""What the table of all recipes shows of each."""


def _told(name: str, kind: str, chosen: Preset) -> list[str]:
    """A recipe as the flags that say it, and what is known of it."""
    lines = [f"hubel train {name} DATA --recipe {kind}", f"  {flags(chosen.recipe) or 'the defaults that `hubel train --help` shows'}"]
    lines += [f"expect: {chosen.expect}", f"source: {chosen.source}"]
    return lines + [f"note:   {departure}" for departure in chosen.departs]


def flags(recipe: Recipe) -> str:
    """The flags of train that make this recipe of the default one."""
    said = []
    for field in fields(Recipe):
        value, flag = getattr(recipe, field.name), field.name.replace("_", "-")
        if value != getattr(GENERAL.recipe, field.name):
            said.append(
                f"--{'' if value else 'no-'}{flag}" if field.type == "bool" else f"--{flag} {repr(value) if ' ' in str(value) else value}"
            )
    return " ".join(said)
