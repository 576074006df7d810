"""How the fast recipes were found: candidates trained side by side, judged on the validation pictures.

    python benchmarks/recipes.py NETWORK DATA [--epochs 10] [--flags "FLAGS"] [--try "FLAGS" ...] [--whole] [--jobs 2] [--runs FOLDER]
                                                        writes results/recipes-NETWORK.json

A candidate is some flags of `hubel train`, with --flags, which all have; what they do not say is as in START. Of CIFAR-10 every fifth
training picture is taken without --whole, of other sets all. Each run takes one thread, so that as many run side by side as there are cores, in bf16, from
seed 0. Stopped, the same command goes on: every run is a run folder in FOLDER, and those that have ended are not trained again. What
earlier calls found stays in the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

from measuring import RESULTS, machine

START = "--optimiser sgd --lr 0.02 --weight-decay 0.0005 --clip 0 --batch 128 --crop 0 --no-flip --random-resized-crop 0"
"""Whatever the network's own recipe has become since."""

RATES = [
    *(f"--optimiser sgd --lr {lr}" for lr in (0.01, 0.02, 0.05, 0.1, 0.2)),
    *(f"--optimiser adamw --weight-decay 0.05 --lr {lr}" for lr in (0.0003, 0.001, 0.003)),
]
RECORD = 1 + 3 * 32 * 32
"""Bytes of a label and its picture, in the binary version of CIFAR-10."""


def part(data: Path, place: Path) -> Path:
    """A fifth of CIFAR-10's training pictures, and all of any other set."""
    files = sorted(data.glob("data_batch_*.bin"))
    if not files:
        return data
    folder = place / data.name
    folder.mkdir()
    for path in files:
        records = path.read_bytes()
        fifth = range(0, len(records), 5 * RECORD)
        (folder / path.name).write_bytes(b"".join(records[start : start + RECORD] for start in fifth))
    for name in ("test_batch.bin", "batches.meta.txt"):
        shutil.copyfile(data / name, folder / name)
    return folder


def found(network: str, data: Path, flags: str, runs: Path) -> dict[str, Any]:
    """What one candidate comes to: the best validation accuracy, and that of every epoch; of a run that fails, why."""
    out = runs / re.sub(r"[^\w.]+", "-", network + flags)
    words = [
        "train",
        network,
        str(data),
        *shlex.split(f"{START} {flags}"),
        *"--threads 1 --lanes 1 --precision bf16 --out".split(),
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "hubel", *words], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    accuracies = [line["validation_accuracy"] for line in log]
    print(f"{network} {flags}: {100 * max(accuracies):.2f}% ({sum(line['seconds'] for line in log):.0f} s)", flush=True)
    return {"best": max(accuracies), "validation_accuracy": accuracies, "train_loss": [round(line["train_loss"], 4) for line in log]}


def main(network: str, data: Path, candidates: list[str], whole: bool, jobs: int, runs: Path) -> None:
    path = RESULTS / f"recipes-{network}.json"
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(jobs) as pool:
        pictures = data if whole else part(data, Path(place))
        runs = runs / "whole" if whole else runs
        results = dict(zip(candidates, pool.map(lambda flags: found(network, pictures, flags, runs), candidates)))
    before = json.loads(path.read_text())["candidates"] if path.exists() else {}
    body = {
        "what": (__doc__ or "").split("\n")[0],
        "network": network,
        "data": data.name,
        "date": date.today().isoformat(),
        "machine": machine(),
        "candidates": {**before, **{f"{flags}, all pictures" if whole else flags: figures for flags, figures in results.items()}},
    }
    path.write_text(json.dumps(body, indent=1) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--flags", default="", help="of hubel train, which all candidates have")
    parser.add_argument("--try", dest="candidates", nargs="+", default=RATES, metavar="FLAGS", help=f"default: {', '.join(RATES)}")
    parser.add_argument("--whole", action="store_true", help="learn from all of CIFAR-10")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/recipes"))
    given = parser.parse_args()
    common = f"--epochs {given.epochs} {given.flags}".strip()
    main(given.network, given.data, [f"{common} {flags}" for flags in given.candidates], given.whole, given.jobs, given.runs)
