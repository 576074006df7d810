"""Ctrl-C and SIGTERM while training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_to_stop(save: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one ends the process as usual.

    `save` is called at once, whatever is being waited for: who asks may not wait until that has come.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: Any) -> None:
        event.set()
        signal.signal(number, before[number])
        save()

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
