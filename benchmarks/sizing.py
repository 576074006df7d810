"""Sizing a network: `hubel show` against a script that calls torchinfo on torchvision's model, whole processes; and all rows at once.

python benchmarks/sizing.py        writes results/bench-sizing.json
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from measuring import spread, write

HERE = str(Path(__file__).parent)
ROUNDS = 7
NETS = ("vgg16", "resnet152")

PEER = f"""
import sys; sys.path.insert(0, {HERE!r})
from peers import torchvision_models
from torchinfo import summary
print(summary(getattr(torchvision_models(), sys.argv[1])(), (1, 3, 224, 224)))
"""

ALL = """
import sys, time
from hubel.anatomy import anatomy
from hubel.nets import NETS
started = time.perf_counter()
for row in NETS.values():
    anatomy(row.net(), row.input)
print(time.perf_counter() - started, len(NETS), "torch" in sys.modules)
"""


def seconds(*words: str) -> float:
    """A whole process, from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def all_rows() -> tuple[float, int]:
    """Seconds to build and size every row in one process, and how many rows there are."""
    said = subprocess.run([sys.executable, "-c", ALL], capture_output=True, text=True, check=True).stdout.split()
    assert said[2] == "False", "sizing has loaded torch"
    return float(said[0]), int(said[1])


def main() -> None:
    ours: dict[str, list[float]] = {net: [] for net in NETS}
    theirs: dict[str, list[float]] = {net: [] for net in NETS}
    every = []
    for _ in range(ROUNDS):
        for net in NETS:
            ours[net].append(seconds("-m", "hubel", "show", net))
            theirs[net].append(seconds("-c", PEER, net))
        every.append(all_rows()[0])
    ratios = {net: spread([b / a for a, b in zip(ours[net], theirs[net])]) for net in NETS}
    rows = [
        {
            "job": f"`hubel show {net}`, whole process",
            "peer": "a script that calls torchinfo on torchvision's model",
            "ratio": f"{ratios[net]['median']:.0f}x as fast ({spread(ours[net])['median']:.2f} s, {spread(theirs[net])['median']:.1f} s)",
            "goal": "8x",
        }
        for net in NETS
    ]
    count = all_rows()[1]
    rows.append(
        {"job": f"sizing all {count} networks in one process", "peer": "-", "ratio": f"{spread(every)['median']:.2f} s", "goal": "2 s"}
    )
    figures = {
        "ratios": ratios,
        "seconds": {"ours": {net: spread(ours[net]) for net in NETS}, "theirs": {net: spread(theirs[net]) for net in NETS}},
        "all_rows_seconds": spread(every),
    }
    write("bench-sizing", (__doc__ or "").split("\n")[0], rows, figures)


if __name__ == "__main__":
    main()
