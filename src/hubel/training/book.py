"""What is written down of a run as it goes on: a line an epoch, a picture of all of them, and TensorBoard's files if they are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from hubel.placing import place
from hubel.training import folder
from hubel.training.board import Board
from hubel.training.looking import looked, sample
from hubel.training.loop import Job
from hubel.training.plot import Pace, plot, png
from hubel.training.records import Epoch, Finding, LeftOut, Look, Step
from hubel.training.state import State
from hubel.training.watching import facts, watched

Heard = Step | LeftOut | Epoch

BOARD = "tensorboard"


class Book:
    """The epochs of a run so far, in memory and, where it has a folder, in its log and its picture; what is wrong is found here."""

    def __init__(self, place: Path | None, title: str, earlier: Sequence[Epoch], job: Job, state: State, tensorboard: bool) -> None:
        self.place, self.title, self.job, self.state = place, title, job, state
        self.epochs = list(earlier)
        self.known = facts(job.recipe, job.steps, job.train.labels.bincount().tolist())
        self.some = None if state.over(job.recipe) else sample(job)
        self.pace, self.behind = Pace(), bool(place and earlier)
        self.board = Board(place / BOARD, job.steps, state.epoch * job.steps + state.step) if place and tensorboard else None

    def __enter__(self) -> Book:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.board:
            self.board.close()
        if self.behind:
            self._draw()

    def heard(self, record: Heard) -> Heard:
        """Write down a record of the loop; an epoch's comes back with what was seen and found."""
        if isinstance(record, Epoch):
            record = self._watched(record)
            self._write(record)
        elif isinstance(record, Step) and self.board:
            self.board.step(record)
        return record

    def _watched(self, record: Epoch) -> Epoch:
        scaling = self.state.scaling
        look = looked(self.state.judged, self.some, self.job, float(scaling.scale) if scaling else 1.0) if self.some else None
        return watched(self.epochs, replace(record, look=look), self.known)

    def _write(self, record: Epoch) -> None:
        self.epochs.append(record)
        if self.board:
            self.board.epoch(record)
        if self.place:
            self.behind = True
            if self.pace.due():
                self.pace.draw(self._draw)

    def _draw(self) -> None:
        """Bring the picture up to the log. A disk that is full stops the run where something is lost by it: not here."""
        if self.place:
            with suppress(OSError):
                place(self.place / folder.PICTURE, png(plot(self.epochs, self.title)))
        self.behind = False


def epochs_of(history: Sequence[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    """The epochs that were told of, as a checkpoint tells them; earlier versions told less."""
    return tuple(map(_epoch, history))


def _epoch(told: Mapping[str, Any]) -> Epoch:
    look, findings = told.get("look"), told.get("findings", ())
    said = {field.name: told[field.name] for field in fields(Epoch) if field.name in told}
    found = tuple(Finding(one["kind"], one["says"], tuple(one["stages"])) for one in findings)
    return Epoch(**{**said, "look": look and Look(**look), "findings": found})
