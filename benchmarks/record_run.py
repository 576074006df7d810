"""Puts a finished run on record: tests its model and writes results/run-NETWORK-DATA.json.

    python benchmarks/record_run.py runs/lenet5-mnist DATA/mnist mnist_test_error "hubel train lenet5 DATA/mnist"

The quantity is one that the network's paper reports (`hubel paper`): an error if its name ends so, an accuracy otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from measuring import RESULTS, machine


def main(run: Path, data: str, quantity: str, command: str) -> None:
    tested = subprocess.run(
        [sys.executable, "-m", "hubel", "test", str(run / "model.safetensors"), data, "--json"], capture_output=True, text=True, check=True
    )
    found = json.loads(tested.stdout)
    began = json.loads((run / "recipe.json").read_text())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    record = {
        "what": f"{began['network']} trained on {began['data']}, tested by `hubel test` on {found['pictures']} pictures",
        "network": began["network"],
        "command": command,
        "date": date.today().isoformat(),
        "machine": machine(),
        "hubel": began["hubel"],
        "recipe": began["recipe"],
        "reaches": {quantity: found["error"] if "error" in quantity else found["accuracy"]},
        "seconds_of_training": sum(line["seconds"] for line in log),
        "log": log,
    }
    path = RESULTS / f"run-{began['network']}-{began['data']}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"written: {path}: {record['reaches']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("quantity")
    parser.add_argument("command")
    given = parser.parse_args()
    main(given.run, given.data, given.quantity, given.command)
