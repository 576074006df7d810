"""LeNet (28x28, ReLU) on MNIST, whole epochs with data, against the usual script and against a bare loop.

    python benchmarks/lenet_mnist.py MNIST_FOLDER      writes results/bench-lenet-mnist.json

The usual script: torchvision transforms of one PIL image at a time in a DataLoader with its best worker count, the same
network, batch and optimiser. The bare loop: batches gathered from normalised tensors in memory, nothing told, nothing
guarded. Each contender is a process of its own, because how threads wait is settled once a process; they take turns.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import Contender, answer, busy_neighbour, spread, write

BATCH, PICTURES, ROUNDS = 128, 19_200, 7
HERE = Path(__file__).resolve()


def ours(folder: str) -> None:
    """Our loop, with the data and way that a first start chooses, and the bare loop in the same way."""
    import torch

    import hubel
    from hubel.build import build
    from hubel.training import probe, setup
    from hubel.training.lanes import Lanes
    from hubel.training.loop import records
    from hubel.training.records import Step
    from hubel.training.state import State, optimiser_of

    torch.set_num_interop_threads(1)
    asked = hubel.Recipe(epochs=10_000, batch=BATCH, schedule="constant", lr=0.01)
    design, material, asked = setup.prepared("lenet_relu", folder, asked)
    going: dict[str, Any] = {}

    def begin() -> dict[str, Any]:
        network = build(design.net, design.input)
        recipe = probe.settled(network, setup.job(material, asked, torch.device("cpu")))
        job = setup.job(material, recipe, torch.device("cpu"))
        probe.Way(recipe.threads, recipe.lanes, recipe.precision).settle()
        pictures = job.pixels.tensor(job.train.pixels)
        other = build(design.net, design.input)
        going.update(loop=records(State(network, recipe), job), bare=bare(other, pictures, job.train.labels, recipe))
        return {"threads": recipe.threads, "lanes": recipe.lanes, "precision": recipe.precision}

    def bare(network: torch.nn.Module, pictures: torch.Tensor, labels: torch.Tensor, recipe: hubel.Recipe) -> Iterator[None]:
        optimiser = optimiser_of(network, recipe)

        def part(network: torch.nn.Module, indices: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
                scores = network(pictures[indices])
            loss = torch.nn.functional.cross_entropy(scores.float(), labels[indices])
            (loss * (len(indices) / BATCH)).backward()
            return loss.detach()

        with Lanes(network, recipe.lanes) as lanes:
            lanes.train()
            while True:
                order = torch.randperm(len(labels))
                for start in range(0, len(order) - BATCH + 1, BATCH):
                    optimiser.zero_grad()
                    lanes.run(part, order[start : start + BATCH])
                    optimiser.step()
                    yield

    def loop_rate() -> float:
        seconds, steps, started = 0.0, 0, time.perf_counter()
        while steps < PICTURES // BATCH:
            record = next(going["loop"])
            now = time.perf_counter()
            if isinstance(record, Step):  # an epoch's end is validation, which the other loops do not do
                seconds, steps = seconds + now - started, steps + 1
            started = now
        return steps * BATCH / seconds

    def bare_rate() -> float:
        started = time.perf_counter()
        for _ in range(PICTURES // BATCH):
            next(going["bare"])
        return PICTURES / (time.perf_counter() - started)

    answer({"begin": begin, "loop": loop_rate, "bare": bare_rate})


def usual(folder: str) -> None:
    """The usual script. Its network is torch's own, and nothing of ours but the reader of the files is used."""
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    from hubel.pictures.published import idx_files, idx_splits
    from peers import torchvision_transforms

    pictures, labels = idx_splits(idx_files(Path(folder)))["train"]()
    transforms = torchvision_transforms()
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

    class Digits(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            return change(Image.fromarray(pictures[i])), int(labels[i])

    # fmt: off
    network = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
    # fmt: on
    optimiser = torch.optim.SGD(network.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    loops: dict[int, Any] = {}
    best = 0

    def batches(workers: int) -> Iterator[Any]:
        while True:
            yield from DataLoader(Digits(), BATCH, shuffle=True, drop_last=True, num_workers=workers)

    def rate(workers: int, count: int = PICTURES, seconds: float = 30) -> float:
        """Pictures a second; a rate so low that `seconds` pass is taken from what was done by then."""
        loops.setdefault(workers, batches(workers))
        next(loops[workers])
        started, done = time.perf_counter(), 0
        while done < count and time.perf_counter() - started < seconds:
            x, y = next(loops[workers])
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            optimiser.step()
            done += len(y)
        return done / (time.perf_counter() - started)

    def begin() -> dict[str, Any]:
        nonlocal best
        rates = {workers: rate(workers, PICTURES // 4, 10) for workers in (0, 1, 2)}
        best = max(rates, key=lambda workers: rates[workers])
        for workers in [workers for workers in loops if workers != best]:
            del loops[workers]
        return {"workers": best, "rates": rates}

    answer({"begin": begin, "usual": lambda: rate(best)})


def rounds(contenders: dict[str, Contender], names: dict[str, str]) -> dict[str, Any]:
    """Each measure in turn, round by round: rates, and ratios of ours to the others within a round."""
    chosen = {who: contender.measure("begin") for who, contender in contenders.items()}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name, who in names.items():
            rates[name].append(contenders[who].measure(name))
    ratios = {f"loop/{name}": spread([a / b for a, b in zip(rates["loop"], rates[name])]) for name in names if name != "loop"}
    return {"chosen": chosen, "images_per_second": {name: spread(values) for name, values in rates.items()}, "ratios": ratios}


def whole_command(folder: str) -> dict[str, Any]:
    """`hubel train` and `hubel test` as a user types them: seconds, accuracy, memory beyond importing torch."""
    with tempfile.TemporaryDirectory() as place:
        base = _timed([sys.executable, "-c", "import torch"])
        trained = _timed([sys.executable, "-m", "hubel", "train", "lenet_relu", folder, "--out", f"{place}/run"])
        tested = _timed([sys.executable, "-m", "hubel", "test", f"{place}/run/model.safetensors", folder, "--json"])
        log = (Path(place) / "run" / "log.jsonl").read_text()
    spent = sum(map(float, re.findall(r'"seconds": ([\d.]+)', log)))
    found = re.search(r'"accuracy": ([\d.]+)', tested["said"])
    assert found
    return {
        "test_accuracy": float(found[1]),
        "epochs": log.count("\n"),
        "seconds_of_training": spent,
        "seconds_of_the_command": trained["seconds"],
        "peak_bytes_beyond_importing_torch": trained["peak"] - base["peak"],
        "bytes_of_the_data": 60_000 * 28 * 28,
    }


def _timed(words: list[str]) -> dict[str, Any]:
    started = time.perf_counter()
    process = subprocess.run(["/usr/bin/time", "-f", "peak %M", *words], capture_output=True, text=True, check=True)
    peak = re.search(r"peak (\d+)", process.stderr)
    assert peak
    return {"said": process.stdout, "seconds": time.perf_counter() - started, "peak": int(peak[1]) * 1024}


def main(folder: str) -> None:
    contenders = {"ours": Contender(str(HERE), folder, "--as", "ours"), "usual": Contender(str(HERE), folder, "--as", "usual")}
    quiet = rounds(contenders, {"usual": "usual", "loop": "ours", "bare": "ours"})
    print("quiet:", quiet["ratios"], flush=True)
    with busy_neighbour():
        busy = rounds(contenders, {"usual": "usual", "loop": "ours"})
    print("busy:", busy["ratios"], flush=True)
    for contender in contenders.values():
        contender.close()
    command = whole_command(folder)
    over = command["peak_bytes_beyond_importing_torch"] - command["bytes_of_the_data"]
    peer = "DataLoader over torchvision transforms"
    job = "training LeNet on MNIST, batch 128"
    rows = [
        {"job": job, "peer": peer, "ratio": f"{quiet['ratios']['loop/usual']['median']:.1f}x images/s", "goal": "3x"},
        {
            "job": f"{job}, one busy process beside it",
            "peer": peer,
            "ratio": f"{busy['ratios']['loop/usual']['median']:.1f}x images/s",
            "goal": "8x",
        },
        {
            "job": job,
            "peer": "bare loop over tensors in memory",
            "ratio": f"{100 * quiet['ratios']['loop/bare']['median']:.0f}% of its rate",
            "goal": "97%",
        },
        {
            "job": f"`hubel train lenet_relu mnist`: {100 * command['test_accuracy']:.2f}% on the test split",
            "peer": "-",
            "ratio": f"{command['seconds_of_training']:.0f} s of training, {command['seconds_of_the_command']:.0f} s in all",
            "goal": "99.0%",
        },
        {"job": "its peak memory beyond importing torch and the data", "peer": "-", "ratio": f"{over / 1e6:.0f} MB", "goal": "400 MB"},
    ]
    write("bench-lenet-mnist", __doc__.split("\n")[0], rows, {"quiet": quiet, "busy": busy, "command": command})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", help="the folder of the four IDX files")
    parser.add_argument("--as", dest="role", choices=("ours", "usual"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    {"ours": ours, "usual": usual, None: main}[given.role](given.mnist)
