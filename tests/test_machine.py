"""What is settled of the machine before torch is loaded."""

import os
import subprocess
import sys

import pytest

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
    found = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, env={**plain, **environment}, check=True)
    assert (int(found.stdout) < 1000) == kept  # 16,384 pages each time
