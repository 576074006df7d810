"""Hubel: the classic convolutional networks, each exactly as its paper prints it, and everything a person does with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hubel.machine import settle_waiting

if TYPE_CHECKING:
    from hubel.anatomy import anatomy as anatomy
    from hubel.build import build as build
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
    "anatomy": "anatomy",
    "build": "build",
    "HubelError": "errors",
    "load": "model",
    "NETS": "nets",
    "open_source": "pictures.sources",
    "read": "reading",
    "train": "training.run",
    "Recipe": "training.recipe",
}
"""Where each public name lives. A room is imported when its first name is asked for, so that sizing a network loads no torch."""


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return getattr(importlib.import_module(f"hubel.{ROOMS[name]}"), name)
    raise AttributeError(f"module 'hubel' has no attribute {name!r}; it has {', '.join(sorted(ROOMS))}")


def __dir__() -> list[str]:
    return sorted([*globals(), *ROOMS])
