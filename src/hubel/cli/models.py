"""What the verbs that use a trained model share: which file, and whose code where its network is no expression."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from hubel.errors import HubelError

if TYPE_CHECKING:
    from hubel.model import Model


PUBLISHED = "; or published weights, by an id that `hubel weights` lists, or a file of anybody's"


def declare(verb: argparse.ArgumentParser, changes: bool = False) -> None:
    """The flags that say which model; changes: whether its file will be written, so that it must be one of ours."""
    verb.add_argument("model", help=f"a model file or run folder{'' if changes else PUBLISHED}")
    verb.add_argument(
        "--module",
        metavar="PLACE:NAME",
        help="Python module and name of the network's class, or of what makes one, where the file holds the weights of a class of yours",
    )


def opened(given: argparse.Namespace) -> Model:
    """The model that the command is about, or published weights as one."""
    from hubel.pretrained import naming

    return own(given) if given.module else naming.opened(given.model)


def own(given: argparse.Namespace) -> Model:
    """The model file that the command is about."""
    from hubel.model import load

    return load(given.model, _imported(given.module) if given.module else None)


def _imported(text: str) -> Any:
    """What PLACE:NAME is in Python; modules may lie in the working folder."""
    place, _, name = text.partition(":")
    if not (place and name):
        raise HubelError(f"--module is {text!r}; it must be a Python module and a name in it, such as mynets.small:SmallNet.")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = attrgetter(name)(importlib.import_module(place))
    except Exception as error:  # whatever the user's own code raises
        raise HubelError(f"--module {text} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise HubelError(f"--module {text} is a {type(found).__name__}; a class, or a function without arguments, was expected.")
    return found
