"""What is settled of the machine before torch is loaded."""

import os
import subprocess
import sys

import pytest

from hubel.machine import free_memory

SMALL_PAGES = {"NUMPY_MADVISE_HUGEPAGE": "0"}
"""Of large ones, of which the system has some at times and at others not, so few are needed that they do not count."""

COUNT = """
import resource
import hubel
import numpy as np

for _ in range(3):
    np.ones(8 * 2**20)  # 64 MB, more than the C library keeps by itself
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="needs glibc")
@pytest.mark.parametrize(("environment", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)])
def test_freed_memory_is_kept_for_what_comes_next_unless_the_user_has_chosen(environment, kept):
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    found = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, env={**plain, **environment, **SMALL_PAGES}, check=True
    )
    assert (int(found.stdout) < 1000) == kept  # 16,384 pages each time


GB = 10**9


@pytest.mark.parametrize(
    ("groups", "files", "free"),
    [
        ("0::/job", {"sys/fs/cgroup/job": ("max", 0, 0)}, 8 * GB),
        ("0::/job", {"sys/fs/cgroup/job": (3 * GB, 2 * GB, GB // 2)}, 1.5 * GB),
        ("0::/job/part", {"sys/fs/cgroup/job/part": ("max", GB, 0), "sys/fs/cgroup/job": (4 * GB, GB, 0)}, 3 * GB),
        ("0::/", {"sys/fs/cgroup": (4 * GB, 5 * GB, 0)}, 0),
        ("4:memory:/not/seen/inside\n3:cpu:/x\n0::/", {"sys/fs/cgroup/memory": (2 * GB, GB, 0)}, GB),
        ("4:memory:/job", {"sys/fs/cgroup/memory/job": (2**63 - 4096, GB, 0)}, 8 * GB),
        (None, {}, 8 * GB),
    ],
)
def test_free_memory_is_what_the_machine_and_every_container_around_this_process_leave(tmp_path, groups, files, free):
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal:       99999999 kB\nMemAvailable:    {8 * GB // 1024} kB\n")
    if groups:
        (tmp_path / "proc" / "self" / "cgroup").write_text(groups + "\n")
    for folder, (limit, used, cached) in files.items():
        first = "memory" in folder
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / ("memory.limit_in_bytes" if first else "memory.max")).write_text(f"{limit}\n")
        (place / ("memory.usage_in_bytes" if first else "memory.current")).write_text(f"{used}\n")
        (place / "memory.stat").write_text(f"anon 5\n{'total_' if first else ''}inactive_file {cached}\n")
    assert free_memory(tmp_path) == pytest.approx(free, abs=1024)


def test_free_memory_of_this_machine_is_some():
    assert 0 < free_memory() < 2**50
