"""Ctrl-C and SIGTERM while training."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
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
    """An event that Ctrl-C and SIGTERM set; a second one, once Python has heard the first, ends the process as usual.

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
        saved = False
        while not saved:
            with self.saving:
                saved = self.over.is_set() or self.save()
            time.sleep(0)  # let those in who wait for this to end

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
        self.before: dict[int, Any] = {}
        self.others = wake(self.theirs.fileno())
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def handle(self) -> None:
        """See that signals come here; who handled them is remembered."""
        for number in NUMBERS:
            if (now := signal.getsignal(number)) != self._note:
                self.before[number] = now
                signal.signal(number, self._note)

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
    with _unheard():
        if not _ears:
            _ears.append(Ear())
        _ears[0].handle()  # again, where it does no more since it has heard one
        _ears[0].runs.append(run)


def _take(run: Run) -> None:
    try:
        run.end()
    finally:
        with _unheard():
            for ear in [ear for ear in _ears if run in ear.runs]:  # none in a forked child
                ear.runs.remove(run)
                if not ear.runs and threading.current_thread() is threading.main_thread():
                    _ears.remove(ear)
                    ear.close()  # in another thread nothing can be put back; a later run's end does it


@contextmanager
def _unheard() -> Iterator[None]:
    """Signals wait until the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# A forked child is none of the runs. Nothing may be half saved when it is made, for it has no thread that would end that.


def _before_a_fork() -> None:
    for run in (run for ear in _ears for run in ear.runs):
        run.saving.acquire()


def _after_a_fork() -> None:
    for run in (run for ear in _ears for run in ear.runs):
        run.saving.release()


def _in_the_child() -> None:
    _after_a_fork()
    while _ears:
        _ears.pop().forget()


os.register_at_fork(before=_before_a_fork, after_in_parent=_after_a_fork, after_in_child=_in_the_child)
