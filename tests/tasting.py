"""A picture file read in a process of its own: what becomes of it, how long it takes and how much memory, and what is printed.

python tests/tasting.py FOLDER    prints what becomes of every file there, one JSON a line
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.decoding import opened
from hubel.pictures.pixels import Pixels

Image.init()  # all formats, so that no copy of this process has to load them
POLICY = Pixels(3, 32, 32)
BEYOND = 4 << 30
"""Bytes of address space that a process may have more than at its start, so that a bomb does not take the machine along."""


class Taste(NamedTuple):
    """What became of a file."""

    ends: str
    """read, refused, crash, hang or wrong: an exception other than PictureError, or a reason that is no printable line."""
    said: str
    """The reason, the exception or the signal."""
    milliseconds: float
    megabytes: float
    """The most memory, beyond what the process had before."""
    noise: str
    """What reached standard output and standard error, Python's warnings left out."""

    @property
    def well(self) -> bool:
        return self.ends in ("read", "refused")


def tasted(source: Path | bytes, limit: float = 10) -> Taste:
    """What becomes of a file in a copy of this process, which has `limit` seconds."""
    reading, writing = os.pipe()
    started = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit)
            os.write(writing, json.dumps(_eaten(source)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if said:
        return Taste(*json.loads(said))
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number else f"it ended with {os.WEXITSTATUS(status)}"
    return Taste("hang" if number == signal.SIGALRM else "crash", name, 1000 * (time.perf_counter() - started), 0, "")


def _eaten(source: Path | bytes) -> Taste:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BEYOND,) * 2)
    with tempfile.TemporaryFile() as noise:
        for stream in (1, 2):
            os.dup2(noise.fileno(), stream)
        warnings.simplefilter("ignore")
        before, started = _peak(), time.perf_counter()
        try:
            POLICY.array(opened(source))
            ends, said = "read", ""
        except PictureError as error:
            ends, said = "refused", str(error)
            if not said or not said.isprintable():
                ends, said = "wrong", f"a reason that cannot be printed in a line: {said!a}"
        except BaseException as error:
            ends, said = "wrong", f"{type(error).__name__}: {error}"
        milliseconds, most = 1000 * (time.perf_counter() - started), _peak() - before
        sys.stderr.flush()
        noise.seek(0)
        return Taste(ends, said[:2000], milliseconds, most, noise.read(2000).decode(errors="replace"))


def _peak() -> float:
    """Megabytes of memory that this process has had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps([path.name, tasted(path)]), flush=True)
