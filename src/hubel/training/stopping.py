"""Ctrl-C and SIGTERM while training."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_stop(save: Callable[[], bool] | None = None) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one ends the process as usual.

    `save` is called at once, in a thread of its own: who asks may not wait until a long step is over, in which Python hears no signal.
    It is called again as long as it gives False.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: Any) -> None:
        event.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in NUMBERS}
    for number in before:
        signal.signal(number, note)
    try:
        with _heard(save) if save else nullcontext():
            yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _heard(save: Callable[[], bool]) -> Iterator[None]:
    """See that `save` is called when a signal comes: the system's own handler writes its number, whatever Python does."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    others = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    over = threading.Event()

    def listen() -> None:
        while numbers := ours.recv(1):
            if others >= 0:  # an event loop around us, say a notebook's
                with suppress(OSError):
                    os.write(others, numbers)
            while numbers[0] in NUMBERS and not over.is_set() and not save():
                pass

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(others)
        over.set()
        theirs.close()
        listener.join()
        ours.close()
