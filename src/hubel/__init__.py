"""Hubel: the classic convolutional networks, each exactly as its paper prints it, and everything a person does with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, overload

from hubel.machine import settle_memory, settle_waiting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hubel.advice import advise as advise
    from hubel.anatomy import Anatomy
    from hubel.errors import HubelError as HubelError
    from hubel.joints import Expression, Shape
    from hubel.memory import forecast as forecast
    from hubel.model import load as load
    from hubel.nets import NETS as NETS
    from hubel.pictures.sources import open_source as open_source
    from hubel.reading import read as read
    from hubel.tracing import Traced
    from hubel.training.figure import watch as watch
    from hubel.training.recipe import Recipe as Recipe
    from hubel.training.run import train as train

__version__ = "0.1.0"

settle_waiting()
settle_memory()

ROOMS = {
    "HubelError": ("errors", "HubelError"),
    "NETS": ("nets", "NETS"),
    "Recipe": ("training.recipe", "Recipe"),
    "advise": ("advice", "advise"),
    "forecast": ("memory", "forecast"),
    "load": ("model", "load"),
    "open_source": ("pictures.sources", "open_source"),
    "read": ("reading", "read"),
    "train": ("training.run", "train"),
    "watch": ("training.figure", "watch"),
}
"""Where each public name lives: none has a room's own name, which an import would put in its place.

A room is imported when its first name is asked for, so that sizing a network loads no torch."""


@overload
def size(net: Expression | str, input: Shape | None = None, batch: int = 1, heads: bool = False) -> Anatomy: ...
@overload
def size(net: nn.Module, input: Shape | tuple[Shape | Tensor, ...], batch: int = 1) -> Traced: ...
def size(net: Any, input: Any = None, batch: int = 1, heads: bool = False) -> Anatomy | Traced:
    """What a network costs for `batch` pictures of shape `input`, (C, H, W): parameters, multiply-adds, memory, a row a layer.

    An expression is sized on paper (hubel.anatomy.anatomy), with its training heads if asked; so is a network of the casebook by its
    name, or one in the lectures' notation, whose own input is taken where none is given. Any torch module is sized by running a
    copy of it without values (hubel.tracing.traced): what is not understood is named in `.unknown`. Raises ShapeError where it does
    not take the input.
    """
    from hubel.anatomy import anatomy
    from hubel.errors import ShapeError
    from hubel.joints import Expression
    from hubel.nets import said

    if isinstance(net, str):
        found = said(net)
        net, input = found.net, input or found.input
    if input is None:
        raise ShapeError("No input shape is said: give one, such as (3, 224, 224).")
    if isinstance(net, Expression):
        return anatomy(net, input, batch, heads)
    from hubel.tracing import traced

    return traced(net, input, batch)


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        room, there = ROOMS[name]
        return getattr(importlib.import_module(f"hubel.{room}"), there)
    raise AttributeError(f"module 'hubel' has no attribute {name!r}; it has {', '.join(sorted(ROOMS))}")


def __dir__() -> list[str]:
    return sorted([*ROOMS, "__version__", "size"])
