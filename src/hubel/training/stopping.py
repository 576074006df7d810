"""Ctrl-C and SIGTERM while training."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def nothing() -> bool:
    """Where there is nothing to save."""
    return True


@contextmanager
def asked_to_stop(save: Callable[[], bool] = nothing) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one ends the process as usual.

    `save` is called at once, in a thread of its own: who asks may not wait until a long step is over, in which Python hears no signal.
    It is called again as long as it gives False.
    """
    run = Run(save)
    if threading.current_thread() is not threading.main_thread():
        yield run.asked
        return
    _lend(run)
    try:
        yield run.asked
    finally:
        _take(run)


@dataclass(eq=False)
class Run:
    """Somebody who is asked to stop."""

    save: Callable[[], bool]
    asked: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    saving: threading.Lock = field(default_factory=threading.Lock)

    def save_unless_over(self) -> None:
        with self.saving:
            while not self.over.is_set() and not self.save():
                pass

    def end(self) -> None:
        """What is being saved is saved; after that, nothing."""
        self.over.set()
        with self.saving:
            pass


class Ear:
    """Hears signals for all the runs of this process. The system's own handler writes a signal's number into a socket, whatever Python does
    just then, and a thread reads it there."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.before: dict[int, Any] = {number: signal.signal(number, self._note) for number in NUMBERS}
        self.others = wake(self.theirs.fileno())
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def close(self) -> None:
        """Leave everything as it was. In the main thread."""
        self._put_back()
        self.theirs.shutdown(socket.SHUT_RDWR)  # closing would not end the thread while a child that was forked meanwhile holds it too
        self.listener.join()
        self.ours.close()
        self.theirs.close()

    def forget(self) -> None:
        """The same in a forked child, where there is no such thread."""
        self._put_back()
        self.ours.close()
        self.theirs.close()

    def _put_back(self) -> None:
        self._handle_as_before()
        if (now := wake(self.others)) not in (self.theirs.fileno(), -1):  # somebody has come after us
            wake(now)

    def _handle_as_before(self) -> None:
        for number, handler in self.before.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        """What Python does with a signal, once it hears it."""
        self._handle_as_before()
        for run in self.runs:
            run.asked.set()
        if not self.runs:
            signal.raise_signal(number)

    def _listen(self) -> None:
        while heard := self.ours.recv(1):
            if self.others >= 0:
                with suppress(OSError):
                    os.write(self.others, heard)
            for run in tuple(self.runs) if heard[0] in NUMBERS else ():
                run.save_unless_over()


def wake(number: int) -> int:
    """Let the system write signals to that file, to none where it is not open any more; to which it wrote before."""
    try:
        return signal.set_wakeup_fd(number, warn_on_full_buffer=False)
    except (OSError, ValueError):
        return signal.set_wakeup_fd(-1)


_ears: list[Ear] = []
"""The one that hears, if any does."""


def _lend(run: Run) -> None:
    if not _ears:
        _ears.append(Ear())
    _ears[0].runs.append(run)


def _take(run: Run) -> None:
    ear = _ears[0]
    ear.runs.remove(run)
    run.end()
    if not ear.runs and threading.current_thread() is threading.main_thread():  # in another nothing can be put back; a later run's end does
        _ears.remove(ear)
        ear.close()


def _forget() -> None:
    while _ears:
        _ears.pop().forget()


os.register_at_fork(after_in_child=_forget)
