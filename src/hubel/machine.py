"""What this machine has, and how its processors are used, which is settled before torch is imported."""

from __future__ import annotations

import os
import sys


def settle_waiting() -> None:
    """Let OpenMP's idle threads sleep after a few microseconds of spinning, unless the user has chosen.

    A thread that spins on steals its core from whoever has work: beside two busy processes a step of LeNet was seen to take
    twelve times as long. One that sleeps at once wakes late for the next operation: a sixth slower on a quiet machine.
    OpenMP reads the variables once, when torch loads it, so nothing is done where torch is loaded already.
    """
    if "torch" not in sys.modules and not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="3000")


def free_memory() -> int:
    """Bytes that can be had without pushing anything out to the disk."""
    try:
        with open("/proc/meminfo") as file:
            entries = dict(line.split(":") for line in file)
        return int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
