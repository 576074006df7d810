"""Training in processes that are forked from one in which torch is imported already: they begin at once, and are killed for real.

Run as a program, this is that process: it reads orders, one JSON line each, and answers each with one.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

MARK = "HUBEL_TEST_FORK"
"""In the environment of every process that a fork has begun."""

CLONE_NEWUSER, CLONE_NEWNS, MS_REMOUNT = 0x10000000, 0x00020000, 32


class Forks:
    """The process that forks; what the forks print goes to `said`."""

    def __init__(self, place):
        self.said, self.mark = place / "said", f"{place}"
        environment = {
            **os.environ,
            MARK: self.mark,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }  # no thread may run where one forks
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.said], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _answer(self, **order):
        self.process.stdin.write(f"{json.dumps(order, default=str)}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def begin(self, **order):
        """Fork a process that does as `work` says; its number."""
        self.said.write_text("")
        return self._answer(**order)

    def wait(self, number):
        """How the process ended: its status, or minus the signal."""
        return self._answer(wait=number)

    def run(self, **order):
        """Fork a process, wait for it, and give its status and what it said."""
        return self.wait(self.begin(**order)), self.said.read_text()

    def left(self):
        """The numbers of processes that are still there, beside the one that forks."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    found.append(int(place.name))
        return set(found) - {self.process.pid}


def serve():
    """Do orders until there are no more."""
    import runs

    list(runs.train(recipe=replace(runs.RECIPE, epochs=1)))  # torch imports much when it takes its first step
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.dup2(file, 1)
                os.dup2(file, 2)
                work(order)
        print(json.dumps(answer), flush=True)


def work(order):
    """Train, and end the process. words: as the command line; or else the drawings in the folder `out`, with changes to the `recipe`.

    save_every: seconds between checkpoints. stop: this process stops itself, at the "start" of all or when it has "started" to train.
    room: `out` has so many bytes, and after the first run more, for a second one; `copy`: where all is copied to then.
    """
    from hubel.cli import main
    from hubel.training import run

    run.SAVE_EVERY = order.get("save_every", run.SAVE_EVERY)
    if "room" in order:
        _in_little_room(order)
    if order.get("stop") == "start":
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.exit(main(order["words"]) if "words" in order else _trained(order))


def _trained(order):
    import runs
    from hubel.errors import HubelError
    from hubel.training.records import Started

    try:
        for record in runs.train(Path(order["out"]), recipe=replace(runs.RECIPE, **order.get("recipe", {}))):
            if isinstance(record, Started):
                print(*record.notes, sep="\n", flush=True)
                if order.get("stop") == "started":
                    os.kill(os.getpid(), signal.SIGSTOP)
    except HubelError as error:
        print(f"hubel: {error}")
        return 2
    return 0


def _in_little_room(order):
    """Train on a filesystem of our own that is too small, and again when it is larger."""
    system, out, room = ctypes.CDLL(None, use_errno=True), order["out"].encode(), order.pop("room")
    ids = f"0 {os.getuid()} 1", f"0 {os.getgid()} 1"
    if system.unshare(CLONE_NEWUSER | CLONE_NEWNS):
        sys.exit("no namespaces here")
    for name, text in (("setgroups", "deny"), ("uid_map", ids[0]), ("gid_map", ids[1])):
        Path("/proc/self", name).write_text(text)
    if system.mount(b"none", out, b"tmpfs", 0, f"size={room}".encode()):
        sys.exit("no mounts here")
    statuses = []
    for _ in range(2):
        child = os.fork()
        if not child:
            work(order)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        system.mount(b"none", out, b"tmpfs", MS_REMOUNT, b"size=64m")
    print("statuses:", *statuses, flush=True)
    shutil.copytree(order["out"], order["copy"])
    sys.exit(0)


if __name__ == "__main__":
    serve()
