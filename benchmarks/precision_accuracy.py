"""Whether bf16 costs accuracy: the same recipe and seeds trained in fp32 and in bf16, tested on the test split.

    python benchmarks/precision_accuracy.py DATA [--network resnet20] [--epochs 3] [--seeds 3] [--runs FOLDER]
                                                        writes results/bench-precision-NETWORK.json

The recipe is the network's own but for its epochs. Stopped, by Ctrl-C too, the same command goes on where it was: every run is a run folder
in FOLDER, and those that have ended are not trained again. Seeds take turns, so that stopped early there is still something to compare.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from measuring import write

PRECISIONS = ("fp32", "bf16")
STOPPED = "Stopped; the same command goes on."


def hubel(*words: str, told: bool = True) -> str:
    """What a command of ours prints, also shown if `told`."""
    process = subprocess.Popen([sys.executable, "-m", "hubel", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if told:
                print(line, end="", flush=True)
    except KeyboardInterrupt:  # which has reached that process too: it saves, and says so
        print(process.communicate()[0])
        raise SystemExit(STOPPED) from None
    if process.wait():
        raise SystemExit(process.returncode)
    return "".join(lines)


def accuracy(network: str, data: str, epochs: int, seed: int, precision: str, runs: Path) -> float:
    """Of one run, trained to its end and tested."""
    run = runs / f"{network}-{epochs}-{precision}-{seed}"
    flags = {"epochs": epochs, "seed": seed, "precision": precision, "out": run}
    hubel("train", network, data, *(word for name, value in flags.items() for word in (f"--{name}", str(value))))
    if len((run / "log.jsonl").read_text().splitlines()) < epochs:
        raise SystemExit(STOPPED)
    return float(json.loads(hubel("test", str(run / "model.safetensors"), data, "--json", told=False))["accuracy"])


def main(data: str, network: str, epochs: int, seeds: int, runs: Path) -> None:
    found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in range(seeds):
        for precision in PRECISIONS:
            found[precision].append(accuracy(network, data, epochs, seed, precision, runs))
            print(f"{network}, seed {seed}, {precision}: {100 * found[precision][-1]:.2f}%", flush=True)
    differences = [half - full for full, half in zip(found["fp32"], found["bf16"])]
    mean, error = statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5
    medians = {precision: statistics.median(values) for precision, values in found.items()}
    row = {
        "job": f"{network} on {Path(data).name}, {epochs} epochs, {seeds} seeds: test accuracy in bf16 ({100 * medians['bf16']:.2f}%)",
        "peer": f"the same in fp32 ({100 * medians['fp32']:.2f}%)",
        "ratio": f"{100 * mean:+.2f} ± {100 * error:.2f} points",
        "goal": "0",
    }
    figures = {"epochs": epochs, "test_accuracy": found, "difference": {"of_each_seed": differences, "mean": mean, "standard_error": error}}
    write(f"bench-precision-{network}", (__doc__ or "").split("\n")[0], [row], figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/precision"))
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("two seeds at least: the error is of their spread")
    main(given.data, given.network, given.epochs, given.seeds, given.runs)
