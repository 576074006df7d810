"""What is written down of a run as it goes on: a line an epoch, a picture of all of them, and TensorBoard's files if they are wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
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

PICTURE, BOARD = "log.png", "tensorboard"


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
            folder.log(self.place, asdict(record))
            self.behind = True
            if self.pace.due():
                self.pace.draw(self._draw)

    def _draw(self) -> None:
        """Bring the picture up to the log. A disk that is full stops the run where something is lost by it: not here."""
        if self.place:
            with suppress(OSError):
                place(self.place / PICTURE, png(plot(self.epochs, self.title)))
        self.behind = False


def logged(run: Path) -> tuple[list[Epoch], tuple[str, ...]]:
    """The epochs in the log of a run folder, and a sentence for the lines that are none."""
    path = run / folder.LOG
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    found = [_epoch(line) for line in lines]
    bad = [number for number, epoch in enumerate(found, 1) if epoch is None]
    kept = [epoch for epoch in found if epoch]
    if not bad:
        return kept, ()
    what = f"{path} is damaged in {len(bad)} of its lines, first in line {bad[0]}"
    return kept, (f"{what}: the picture and the findings go without them.",)


def _epoch(line: str) -> Epoch | None:
    """What a line of the log says; None where it is no such line."""
    try:
        said: dict[str, Any] = json.loads(line)
        look, findings = said.pop("look", None), said.pop("findings", ())
        told = tuple(Finding(one["kind"], one["says"], tuple(one["stages"])) for one in findings)
        return Epoch(**said, look=look and Look(**look), findings=told)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
