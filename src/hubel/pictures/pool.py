"""Processes that do one small job after another. A job that kills its process, or does not end, costs that job alone.

They are plain subprocesses on a socket, so that a script that trains needs no `if __name__ == "__main__"`, and they import nothing but
what their work needs.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

from hubel.errors import HubelError
from hubel.machine import processors

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE = 60.0
"""Seconds that one job may take."""

BEGINNING = 120.0
"""Seconds that a process may take to start, on however busy a machine."""

STARTS = 3
"""How often a process that ends before it is ready is started again."""

TOGETHER = 8
"""Tasks that are told to a process at once: telling costs as much as a small task."""

DEPTH = 2
"""Such groups that lie ready in a process, so that it need not wait for the next."""

SLICE = 0.5
"""Seconds of patience that are counted at a time: whoever was halted for an hour has waited for one slice."""

START = "import sys; sys.path[:] = sys.argv[2:]; from hubel.pictures.pool import _serve; _serve(int(sys.argv[1]))"


@dataclass(frozen=True)
class Died:
    """What stands in the place of a result whose process ended over it."""

    reason: str


class Pool(Generic[Task, Result]):
    """Processes that do `work`, a function that can be imported by its name (or a functools.partial of one), on task after task.

    Tasks and results are pickled, and small: what is large lies in files or in `shared`, numbers of open files that the processes
    are to have too. patience: seconds that a task may take.
    """

    def __init__(
        self, work: Callable[[Task], Result], processes: int | None = None, patience: float | None = None, shared: Sequence[int] = ()
    ) -> None:
        self.patience, self.shared = patience or PATIENCE, tuple(shared)
        self.beginning = pickle.dumps((work, self.patience))
        self.workers = [_Worker(self) for _ in range(processes or processors())]

    def __enter__(self) -> Pool[Task, Result]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, also those that are at work."""
        for worker in self.workers:
            worker.end()

    def results(self, tasks: Iterable[Task], ahead: int = 64) -> Generator[Result | Died, None, None]:
        """What came of each task, in their order. At most `ahead` tasks are begun beyond the one whose result was last taken.

        An error that the work raises is raised here.
        """
        going: _Going[Task, Result] = _Going(iter(tasks), ahead)
        threads = [threading.Thread(target=worker.keep_busy, args=(going,), daemon=True) for worker in self.workers]
        for thread in threads:
            thread.start()
        try:
            yield from going.taken()
        finally:
            going.stop()
            for thread in threads:
                thread.join()


class _Going(Generic[Task, Result]):
    """Tasks that are being done: handed out one by one, and their results put back in order."""

    def __init__(self, tasks: Iterator[Task], ahead: int) -> None:
        self.tasks, self.ahead = tasks, ahead
        self.changed = threading.Condition()
        self.begun = self.given = 0
        """How many tasks were handed out, and how many results were taken."""
        self.done: dict[int, Result | Died | BaseException] = {}
        self.ended = False

    def next(self, wait: bool) -> list[tuple[int, Task]]:
        """The next tasks and their numbers; none where there are none, or none yet and one would have to `wait`."""
        group: list[tuple[int, Task]] = []
        with self.changed:
            while wait and not self.ended and self.begun - self.given >= self.ahead:
                self.changed.wait()
            while not self.ended and len(group) < TOGETHER and self.begun - self.given < self.ahead:
                try:
                    group.append((self.begun, next(self.tasks)))
                except BaseException as error:
                    self.ended = True
                    if isinstance(error, StopIteration):
                        break
                    self.done[self.begun] = error
                self.begun += 1
            if self.ended:
                self.changed.notify_all()
        return group

    def put(self, results: Iterable[tuple[int, Result | Died | BaseException]]) -> None:
        with self.changed:
            self.done.update(results)
            self.changed.notify_all()

    def taken(self) -> Iterator[Result | Died]:
        while True:
            with self.changed:
                while self.given not in self.done:
                    if self.ended and self.given == self.begun:
                        return
                    self.changed.wait()
                result = self.done.pop(self.given)
            if isinstance(result, BaseException):
                raise result
            yield result
            with self.changed:  # only now, so that whoever took the result may still use what it stands for
                self.given += 1
                self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()


class _Worker:
    """One process, begun anew where it died."""

    def __init__(self, pool: Pool[Any, Any]) -> None:
        self.pool = pool
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", START, str(theirs.fileno()), *sys.path],
                pass_fds=(theirs.fileno(), *self.pool.shared),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders in C print warnings there
                process_group=0,  # Ctrl-C is for the one who waits for results
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self.connection = Connection(ours.detach())
        self.ready = False
        with suppress(OSError):  # as in _send
            self.connection.send_bytes(self.pool.beginning)

    def keep_busy(self, going: _Going[Any, Any]) -> None:
        """Do tasks until there are none.

        A group over which the process died is done again one by one, and a task alone once more: something else may have killed it.
        """
        waiting: deque[list[tuple[int, Any]]] = deque()
        failed, starts = -1, 0
        while True:
            while len(waiting) < DEPTH and (group := going.next(wait=not waiting)):
                waiting.append(group)
                self._send(group)
            if not waiting:
                return
            group = waiting[0]
            try:
                results = self._received()
            except (EOFError, OSError) as error:
                why, number = self._ended(error), group[0][0]
                if not isinstance(why, Died):
                    again, starts = starts < STARTS, starts + 1
                else:
                    again, starts = len(group) > 1 or (number != failed and not isinstance(error, TimeoutError)), 0
                    failed = number if len(group) == 1 else -1
                waiting.popleft()
                if again:
                    waiting.extendleft([one] for one in reversed(group))
                else:
                    going.put((number, why) for number, _ in group)
                self._begin()
                for some in waiting:
                    self._send(some)
                continue
            waiting.popleft()
            going.put(zip((number for number, _ in group), results))

    def _send(self, group: list[tuple[int, Any]]) -> None:
        with suppress(OSError):  # if it has died, the next thing to be received says so
            self.connection.send([task for _, task in group])

    def _received(self) -> Any:
        """The results of the next group. Raises EOFError where the process died, and TimeoutError where it takes too long."""
        if not self.ready:
            self._wait(BEGINNING)
            self.ready = self.connection.recv()
        self._wait(self.pool.patience)
        return self.connection.recv()

    def _wait(self, patience: float) -> None:
        for _ in range(max(1, round(patience / SLICE))):
            if self.connection.poll(SLICE):
                return
        raise TimeoutError

    def _ended(self, error: EOFError | OSError) -> Died | HubelError:
        """Why the process ended, or is ended now."""
        self.end()
        code = self.process.returncode
        if not self.ready:
            return HubelError(f"A process that was to decode pictures did not start; it ended with status {code}.")
        if isinstance(error, TimeoutError):
            return Died(f"decoding it took more than {self.pool.patience:g} seconds")
        return Died(f"decoding it ended the process ({signal.Signals(-code).name if code < 0 else f'status {code}'})")

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()


def _serve(handle: int) -> None:
    """What a process does: one task after another, until nobody sends any more."""
    connection = Connection(handle)
    work, patience = connection.recv()
    connection.send(True)
    while True:
        try:
            tasks = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, 2 * patience)  # ends this process, should nobody be left to do so
            connection.send([_done(work, task) for task in tasks])
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (EOFError, OSError):
            return


def _done(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except Exception as error:
        return error
