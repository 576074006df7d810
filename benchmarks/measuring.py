"""What every benchmark needs: processes that take turns, a neighbour that is busy, and the JSON that is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from hubel.studies.record import machine

RESULTS = Path(__file__).parents[1] / "results"


class Contender:
    """A process of its own that measures when it is told to: one line in, one JSON line out."""

    def __init__(self, *words: str, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self.process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**inherited, **environment}
        )

    def measure(self, what: str) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process that measures {what!r} has died")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


def answer(measures: dict[str, Any]) -> None:
    """The contender's side: run the measure that each line names, and print what it gives."""
    for line in sys.stdin:
        print(json.dumps(measures[line.strip()]()), flush=True)


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """One other process that always has work."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "rounds": len(values)}


def write(name: str, what: str, rows: list[dict[str, str]], figures: dict[str, Any]) -> None:
    """Leave results/NAME.json: `rows` are the README's lines, each with job, peer, ratio and goal."""
    path = RESULTS / f"{name}.json"
    body = {"what": what, "date": date.today().isoformat(), "machine": machine(), "rows": rows, "figures": figures}
    path.write_text(json.dumps(body, indent=1) + "\n")
    print(json.dumps({"rows": rows}, indent=1))
    print(f"written: {path}")
