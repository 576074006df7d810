"""Fields of the recipe as flags: every verb that takes some says them alike."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import Field, fields, replace
from typing import Any

from hubel.training.recipe import Recipe
from hubel.training.recipes import GENERAL, KINDS, Preset, preset

TYPES: dict[str, type] = {"int": int, "float": float, "str": str}


def declare(group: argparse._ArgumentGroup, entries: Iterable[Field[Any]]) -> None:
    """One flag a field: --label-smoothing for label_smoothing. What is not said is None."""
    for field in entries:
        flag, says = f"--{field.name.replace('_', '-')}", f"{field.metadata['says']} (default {getattr(GENERAL.recipe, field.name)})"
        if field.type == "bool":
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=says)
        else:
            choices = field.metadata["choices"] or None
            shown = None if choices else "TEXT" if field.type == "str" else "N"
            kind = number if field.metadata["auto"] else TYPES[str(field.type)]
            group.add_argument(flag, type=kind, choices=choices, metavar=shown, default=None, help=says)


def number(text: str) -> int:
    """A whole number, or auto, which a recipe writes as 0."""
    return 0 if text == "auto" else int(text)


def said(given: argparse.Namespace, entries: Iterable[Field[Any]]) -> dict[str, Any]:
    """What the user has said of those fields."""
    return {field.name: getattr(given, field.name) for field in entries if getattr(given, field.name) is not None}


def declare_all(verb: argparse.ArgumentParser) -> None:
    """The flags of a verb that trains: what its recipe starts from, and every field."""
    verb.add_argument(
        "--recipe", choices=KINDS, default="fast", help="what the flags below start from: a fast recipe, or the paper's (default fast)"
    )
    says = "What is not said is taken from the network's own recipe, which `hubel recipes NET` shows; the defaults are of networks without one."
    declare(verb.add_argument_group("recipe", says), fields(Recipe))


def meant(given: argparse.Namespace) -> Preset:
    """The preset that a user starts from, with what the flags say."""
    chosen = preset(given.net, given.recipe)
    return replace(chosen, recipe=replace(chosen.recipe, **said(given, fields(Recipe))))
