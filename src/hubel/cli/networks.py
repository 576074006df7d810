"""What the verbs on paper share: which network, and for which input."""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

from hubel.errors import HubelError, shortened
from hubel.joints import Expression, Shape, shown
from hubel.nets import Said, said
from hubel.rewrite import fitted

NET = "a name that `hubel nets` lists, an expression such as 'Conv(6, 5) >> ReLU() >> FC(10)', or the lectures' notation"


class Chosen(NamedTuple):
    """The network that a command is about."""

    name: str
    net: Expression
    input: Shape


def declare(verb: argparse.ArgumentParser) -> None:
    """The flags that say for what a network is sized."""
    verb.add_argument("--input", metavar="CxHxW", help="the shape of one picture, such as 3x224x224; a named network brings its own")
    verb.add_argument("--classes", type=int, metavar="N", help="classes of a named network (default: the paper's)")
    verb.add_argument("--fit", choices=("floor",), help="round down where a window does not fit, in every layer")


def meant(text: str, classes: int | None) -> Said:
    """The network that `text` names, for so many classes, or writes."""
    found = said(text, classes)
    if classes is not None and found.row is None:
        raise HubelError(f"--classes is for named networks; a network that is written out says its classes itself, such as FC({classes}).")
    return found


def chosen(text: str, given: argparse.Namespace) -> Chosen:
    """The network that `text` names or writes, as the flags want it."""
    found = meant(text, given.classes)
    shape = shape_of(given.input) if given.input else found.input
    if shape is not None and len(shape) == 3 and shape[2] in (1, 3) and shape[0] == shape[1] >= 16:
        height, width, maps = shape
        raise HubelError(f"The input is {shown(shape)}; shapes are CxHxW here, maps first: {maps}x{height}x{width}.")
    if shape is None:
        raise HubelError(f"{shortened(text)} holds no input shape: say it with --input, such as --input 1x32x32.")
    return Chosen(found.name, fitted(found.net, given.fit) if given.fit else found.net, shape)


def shape_of(text: str) -> Shape:
    """Read 3x224x224. Raises HubelError for anything else."""
    if not re.fullmatch(r"\d{1,6}(x\d{1,6}x\d{1,6})?", text):
        raise HubelError(f"--input is {text!r}; it must be CxHxW, such as 3x224x224, or N for a vector.")
    return tuple(map(int, text.split("x")))
