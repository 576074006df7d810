"""What this machine has, and how its processors are used, which is settled before torch is imported."""

from __future__ import annotations

import os
import sys


def settle_waiting() -> None:
    """Let OpenMP's idle threads sleep instead of spin, unless the user has chosen.

    A spinning thread steals its core from whoever has work: beside one other busy process a training step takes many times
    as long. OpenMP reads the variable once, when torch loads it, so nothing is done where torch is loaded already.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def free_memory() -> int:
    """Bytes that can be had without pushing anything out to the disk."""
    try:
        with open("/proc/meminfo") as file:
            entries = dict(line.split(":") for line in file)
        return int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
