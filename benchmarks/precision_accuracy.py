"""Whether bf16 costs accuracy: the same recipe and seeds trained in fp32 and in bf16, tested on the test split.

    python benchmarks/precision_accuracy.py NETWORK DATA [--epochs 6] [--seeds 3] [--jobs 2] [--runs FOLDER]
                                                        writes results/bench-precision-NETWORK.json

The recipe is the network's own but for its epochs. As many runs stand side by side as --jobs says, each with one thread: nothing is timed here.
Stopped, by Ctrl-C too, the same command goes on where it was: every run is a run folder in FOLDER, and those that have ended are not trained
again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from measuring import write

PRECISIONS = ("fp32", "bf16")


def hubel(*words: str) -> str:
    """What a command of ours prints. Raises SystemExit with its sentence where it fails."""
    done = subprocess.run([sys.executable, "-m", "hubel", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr or done.returncode)
    return done.stdout


def accuracy(network: str, data: str, epochs: int, seed: int, precision: str, runs: Path) -> float:
    """Of one run, trained to its end and tested."""
    run = runs / f"{network}-{epochs}-{precision}-{seed}"
    flags = {"epochs": epochs, "seed": seed, "precision": precision, "threads": 1, "lanes": 1, "out": run}
    hubel("train", network, data, *(word for name, value in flags.items() for word in (f"--{name}", str(value))))
    if len((run / "log.jsonl").read_text().splitlines()) < epochs:
        raise SystemExit("Stopped; the same command goes on.")
    found = float(json.loads(hubel("test", str(run / "model.safetensors"), data, "--json"))["accuracy"])
    print(f"{network}, seed {seed}, {precision}: {100 * found:.2f}%", flush=True)
    return found


def main(network: str, data: str, epochs: int, seeds: int, jobs: int, runs: Path) -> None:
    tasks = list(product(range(seeds), PRECISIONS))
    with ThreadPoolExecutor(jobs) as pool:
        accuracies = list(pool.map(lambda task: accuracy(network, data, epochs, *task, runs), tasks))
    found = {which: [value for (_, precision), value in zip(tasks, accuracies) if precision == which] for which in PRECISIONS}
    differences = [half - full for full, half in zip(found["fp32"], found["bf16"])]
    mean, error = statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5
    means = {precision: statistics.mean(values) for precision, values in found.items()}
    row = {
        "job": f"{network} on {Path(data).name}, {epochs} epochs, {seeds} seeds: test accuracy in bf16 ({100 * means['bf16']:.2f}%)",
        "peer": f"the same in fp32 ({100 * means['fp32']:.2f}%)",
        "ratio": f"{100 * mean:+.2f} ± {100 * error:.2f} points",
        "goal": "0 ± 0.2",
    }
    figures = {"epochs": epochs, "test_accuracy": found, "difference": {"of_each_seed": differences, "mean": mean, "standard_error": error}}
    write(f"bench-precision-{network}", (__doc__ or "").split("\n")[0], [row], figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/precision"))
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("two seeds at least: the error is of their spread")
    main(given.network, given.data, given.epochs, given.seeds, given.jobs, given.runs)
