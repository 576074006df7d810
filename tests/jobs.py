"""Work that decoding processes do in tests: importable there by its name, as a pool wants it."""

import os
import signal
import sys
import time
from dataclasses import dataclass

from hubel.errors import PictureError
from hubel.pictures.pixels import Pixels


def square(task):
    return task * task


def obey(task):
    """Does what it is told, whatever that does to the process; numbers come back."""
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "leave":
        os._exit(3)
    if task == "sleep":
        time.sleep(1000)
    if task == "halt":
        os.kill(os.getpid(), signal.SIGSTOP)
    if task == "fail":
        raise PictureError("as told")
    return task


def once(path):
    """Kills its process the first time, as something outside might."""
    if not os.path.exists(path):
        with open(path, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return path


def loaded(task):
    """Which of the large packages this process has imported."""
    return sorted({"torch", "scipy", "sklearn", "rich"} & set(sys.modules))


@dataclass(frozen=True)
class Fragile(Pixels):
    """A policy whose decoder dies of a file that ends in b"crash", and never ends over one that ends in b"hang"."""

    def opened(self, source):
        if source.endswith((b"crash", b"hang")):
            obey("crash" if source.endswith(b"crash") else "sleep")
        return super().opened(source)
