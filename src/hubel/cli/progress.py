"""What a person sees of long work: a bar with rate and time left in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hubel.cli.writing import plain

if TYPE_CHECKING:
    from hubel.training.records import Step

EVERY = 0.1
"""Seconds between updates: drawing costs time that the work could use."""


class Means:
    """Training loss and accuracy of the epoch so far, as its steps have said them."""

    def __init__(self) -> None:
        self.epoch = self.waiting = self.images = 0
        self.loss = self.right = 0.0

    def hear(self, record: Step) -> None:
        """Take in a step; one that says no loss is counted by the next that does."""
        if record.epoch != self.epoch:
            self.epoch, self.waiting, self.images, self.loss, self.right = record.epoch, 0, 0, 0.0, 0.0
        self.waiting += record.images
        if record.loss is not None and record.accuracy is not None:
            self.loss += record.loss * self.waiting
            self.right += record.accuracy * self.waiting
            self.images, self.waiting = self.images + self.waiting, 0

    def words(self) -> list[str]:
        """Nothing before the first step that says a loss."""
        if not self.images:
            return []
        return [f"loss {self.loss / self.images:.4g}", f"{100 * self.right / self.images:.1f}% right"]


class Progress:
    """A bar that appears with the first thing told, and goes away when all is done."""

    def __init__(self, shown: bool = True) -> None:
        self.shown = shown
        self.bar: Any = None
        self.task: Any = None
        self.what = ""
        self.updated = 0.0
        self.images = self.started = 0.0
        self.means = Means()

    def __enter__(self) -> Progress:
        if self.shown and sys.stdout.isatty():
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
            )
            self.bar = Bar(*columns, transient=True, refresh_per_second=5, expand=True)
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()

    def told(self, what: str, done: int, count: int) -> None:
        """Work called `what` has come to `done` of `count`."""
        if self.bar is None or (done < count and what == self.what and time.monotonic() - self.updated < EVERY):
            return
        if what != self.what:
            self._begin(what)
        self.bar.update(self.task, completed=done, total=count)
        self.updated = time.monotonic()

    def step(self, record: Step, epochs: int) -> None:
        """Training took a step."""
        if self.bar is None:
            return
        if self.what != "training":
            self._begin("training")
            self.images, self.started = -record.images, time.monotonic()  # the clock starts when the first step is over
        self.images += record.images
        self.means.hear(record)
        now = time.monotonic()
        if now - self.updated >= EVERY:
            rate = self.images / max(now - self.started, 1e-9)
            done, total = (record.epoch - 1) * record.steps + record.step, epochs * record.steps
            says = [*self.means.words(), f"lr {record.lr:.2g}", *([f"{rate:,.0f} images/s"] if self.images else [])]
            self.bar.update(self.task, completed=done, total=total, description=f"epoch {record.epoch}/{epochs}", rate=", ".join(says))
            self.updated = now

    def say(self, line: str) -> None:
        """A line that stays."""
        line = plain(line)
        if not self.shown:
            return
        if self.bar is not None:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def _begin(self, what: str) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(what, total=None, rate="")
        self.what = what
