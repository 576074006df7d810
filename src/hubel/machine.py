"""What this machine has, and how its processors are used, which is settled before torch is imported."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""

KEPT = 2**29


def settle_waiting() -> None:
    """Let OpenMP's idle threads sleep after a few microseconds of spinning, unless the user has chosen.

    A thread that spins on steals its core from whoever has work: beside two busy processes a step of LeNet was seen to take
    twelve times as long. One that sleeps at once wakes late for the next operation: a sixth slower on a quiet machine.
    OpenMP reads the variables once, when torch loads it, so nothing is done where torch is loaded already.
    """
    if "torch" not in sys.modules and not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="3000")


def settle_memory() -> None:
    """Let the C library keep freed memory for the next tensor, unless the user has chosen.

    glibc gives each block of more than 32 MB back to the system at once, which then clears every page of the next one: normalising
    64 photographs was seen to take four times as long, a step of ResNet-20 a fifth longer. What is kept is at most KEPT bytes.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        library = ctypes.CDLL(None)
        for what in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            library.mallopt(what, KEPT)


def processors() -> int:
    """How many this process may use: those of the machine that it was given, shared with the others that torchrun started here."""
    shared = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, len(os.sched_getaffinity(0)) // (int(shared) if shared.isdecimal() and int(shared) else 1))


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that can be had without pushing anything out to the disk, or being ended for taking more than a container may.

    root: where the system tells of itself.
    """
    try:
        entries = dict(line.split(":") for line in (root / "proc/meminfo").read_text().splitlines())
        free = int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, min(free, *_left(root)))


CONTROLLERS = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of Linux's control groups, version 2 and version 1: the folder, the limit, what is used, and what of that can be had back at once."""


def _left(root: Path) -> list[int]:
    """What is left to each control group that this process is in, where it has a limit."""
    left: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, names, group = line.split(":", 2)
            for name in names.split(","):
                if name in CONTROLLERS:
                    place, *files = CONTROLLERS[name]
                    inside = Path(group.lstrip("/"))
                    left += [_left_in(root / "sys/fs/cgroup" / place / folder, *files) for folder in (inside, *inside.parents)]
    return left or [sys.maxsize]


def _left_in(folder: Path, limit: str, used: str, reclaimable: str) -> int:
    """A container sees its own group as the root: what is not there, or says "max", limits nothing."""
    try:
        entries = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int((folder / limit).read_text()) - int((folder / used).read_text()) + int(entries.get(reclaimable, 0))
    except (OSError, ValueError):
        return sys.maxsize


def has_bf16() -> bool:
    """Whether the processor multiplies in bf16 itself (AVX-512 or AMX of x86, as Linux tells it); False where that is not known."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(text.split()))
