"""Hubel: the classic convolutional networks, each exactly as its paper prints it, and everything a person does with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hubel.machine import settle_waiting

if TYPE_CHECKING:
    from hubel.anatomy import anatomy as size  # noqa: F401
    from hubel.errors import HubelError as HubelError
    from hubel.model import load as load
    from hubel.nets import NETS as NETS
    from hubel.pictures.sources import open_source as open_source
    from hubel.reading import read as read
    from hubel.training.recipe import Recipe as Recipe
    from hubel.training.run import train as train

__version__ = "0.1.0"

settle_waiting()

ROOMS = {
    "HubelError": ("errors", "HubelError"),
    "NETS": ("nets", "NETS"),
    "Recipe": ("training.recipe", "Recipe"),
    "load": ("model", "load"),
    "open_source": ("pictures.sources", "open_source"),
    "read": ("reading", "read"),
    "size": ("anatomy", "anatomy"),
    "train": ("training.run", "train"),
}
"""Where each public name lives: none has a room's own name, which an import would put in its place.

A room is imported when its first name is asked for, so that sizing a network loads no torch."""


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        room, there = ROOMS[name]
        return getattr(importlib.import_module(f"hubel.{room}"), there)
    raise AttributeError(f"module 'hubel' has no attribute {name!r}; it has {', '.join(sorted(ROOMS))}")


def __dir__() -> list[str]:
    return sorted([*ROOMS, "__version__"])
