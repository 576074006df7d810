"""The one family of errors: each says what came, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MOST_CHOICES = 30
"""How many choices a sentence lists."""


class HubelError(Exception):
    """A mistake that a user can mend. The command line prints it as a sentence, without a traceback."""


class LayerError(HubelError):
    """A layer or joint was given a value that it cannot have."""


class ReadError(HubelError):
    """A text is not an expression."""


class NotationError(HubelError):
    """A text is not the lectures' notation, or a network cannot be said in it."""


class PictureError(HubelError):
    """A picture, or a set of them, cannot be used."""


class FetchError(HubelError):
    """A published file cannot be had: no mirror gives it, what came is another, or there is no place to keep it."""


class ModelError(HubelError):
    """A model file is damaged, or it or a network does not fit what it is asked to do."""


class RunError(HubelError):
    """A training run cannot start, go on, or has failed."""


class TransferError(HubelError):
    """A trained network cannot be put to another use."""


class ShapeError(HubelError):
    """A part of a network cannot take what flows into it; `path` is the part's place, outermost stage first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}" if self.path else self.message


@contextmanager
def placed(name: str) -> Iterator[None]:
    """Write `name` in front of the path of any ShapeError that leaves the block."""
    try:
        yield
    except ShapeError as error:
        error.path = (name, *error.path)
        raise


def choices(given: str, known: Iterable[str], noun: str) -> str:
    """A sentence that `given` is no `noun`, with the nearest of the known ones, and all of them, or some where they are many."""
    known = sorted(known)
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), by_lower, n=MOST_CHOICES // 3, cutoff=0.5)
    hint = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    if len(known) <= MOST_CHOICES:
        return f"There is no {noun} {shortened(given)}.{hint} There is: {', '.join(known)}."
    some = [by_lower[name] for name in near] or known[:: len(known) // MOST_CHOICES + 1]
    return f"There is no {noun} {shortened(given)}.{hint} Of {len(known)}: {', '.join(some)}."


def shortened(value: Any, longest: int = 60) -> str:
    """The value as code writes it, cut to what a sentence can hold."""
    if type(value) is int and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:  # Python does not write numbers of more than some thousand digits
        text = f"a {type(value).__name__} of numbers that are too long to write"
    return text if len(text) <= longest else text[: longest - 3] + "..."
