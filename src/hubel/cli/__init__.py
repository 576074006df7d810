"""The command line: one command a verb. A verb's room is imported when it runs; help needs none of them."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

import hubel
from hubel.cli import (
    augmenting,
    calibrating,
    data,
    designing,
    predicting,
    published,
    rates,
    sizing,
    studying,
    testing,
    training,
    transferring,
    weights,
)
from hubel.cli.writing import plain
from hubel.errors import HubelError, LayerError, NotationError, ReadError, ShapeError

UNHEARD = logging.NullHandler()
POINTING = (LayerError, NotationError, ReadError, ShapeError)
"""Errors of several lines, which point at a place in a text. In others a line break belongs to a name."""


def parser() -> argparse.ArgumentParser:
    """Every verb with its flags."""
    top = argparse.ArgumentParser(prog="hubel", description="The classic convolutional networks: sized, trained, tested, used.")
    top.add_argument("--version", action="version", version=f"hubel {hubel.__version__}")
    top.set_defaults(run=lambda given: _help(top))
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for room in (
        sizing,
        designing,
        data,
        augmenting,
        published,
        weights,
        rates,
        training,
        transferring,
        studying,
        testing,
        calibrating,
        predicting,
    ):
        room.declare(verbs)
    return top


def _help(top: argparse.ArgumentParser) -> int:
    top.print_help()
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 2 for a user's mistake, or 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a terminal has no character for becomes a question mark
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is said by us, and nothing else is a user's business
    logging.getLogger("PIL").addHandler(UNHEARD)
    given = parser().parse_args(words)
    try:
        speaks = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts the first speaks for all
        with nullcontext(sys.stdout) if speaks else open(os.devnull, "w") as output, redirect_stdout(output), _terminated_as_interrupted():
            status: int = given.run(given)
            sys.stdout.flush()
            return status
    except HubelError as error:
        lines = str(error).split("\n") if isinstance(error, POINTING) else [str(error)]
        print("hubel:", "\n".join(map(plain, lines)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hubel: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has left; what follows would only complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print(
            "hubel: there is not enough memory for this. A smaller --batch, --input or network needs less; `hubel show NET --batch N` forecasts it.",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        print(plain(f"hubel: {error.filename or 'output'}: {error.strerror or error}"), file=sys.stderr)
        return 2


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python says so, or torch of a processor's memory or of a GPU's."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: " in str(error)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what it began is cleared away."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
