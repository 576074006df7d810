"""How this machine's processors are used; settled before torch is imported."""

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
