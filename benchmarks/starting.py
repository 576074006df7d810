"""Training on photographs: how soon the first batch is there, and how memory grows with their number.

    python benchmarks/starting.py FOLDER [--rounds N]      writes results/bench-starting.json

FOLDER: class folders of some thousand JPEGs. First batch: whole processes, from their start to the first batch of 64 in memory (random resized
crop of 224, flip, normalise), against a DataLoader of 2 workers over torchvision; and from when both have imported what they need. Memory:
the peak of `hubel train` with 1,000 and with all photographs, as many steps, each way of keeping them, as the system counts what cannot be
given back (anonymous and shared memory).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measuring import spread, write

ROUNDS, RUNS = 7, 3
HERE = Path(__file__).resolve()
NET = "Conv(16, 3, stride=4, pad=1, fit='floor') >> ReLU() >> GlobalAvgPool() >> FC(2)"


def ours(folder: str) -> dict[str, float]:
    began = time.perf_counter()
    import torch

    import hubel  # noqa: F401
    from hubel.pictures.augment import Augmentation
    from hubel.pictures.batches import shuffled
    from hubel.pictures.cutting import Cut
    from hubel.pictures.feeding import feed
    from hubel.pictures.pixels import Pixels
    from hubel.pictures.sources import open_source

    torch.set_num_threads(1)
    imported = time.perf_counter()
    split, pixels = open_source(folder).training(), Pixels(3, 224, 224, "crop", resized=256)
    pictures = feed(split, pixels, "nothing", Cut(area=0.08))
    batch = next(pictures.dealt(shuffled(len(pictures), 64, 0, 0), 0))
    assert Augmentation(flip=True).tensor(batch, pixels, 0, 0).shape == (64, 3, 224, 224)
    return {"whole": time.perf_counter() - began, "imported": time.perf_counter() - imported}


def torchvision(folder: str) -> dict[str, float]:
    began = time.perf_counter()
    from torch.utils.data import DataLoader

    from peers import torchvision_transforms

    transforms = torchvision_transforms()
    from torchvision.datasets import ImageFolder

    imported = time.perf_counter()
    change = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    pictures = ImageFolder(folder, transforms.Compose([*change, transforms.Normalize((0.5,) * 3, (0.5,) * 3)]))
    batch, _ = next(iter(DataLoader(pictures, 64, shuffle=True, num_workers=2)))
    assert batch.shape == (64, 3, 224, 224)
    return {"whole": time.perf_counter() - began, "imported": time.perf_counter() - imported}


def first_batch(role: str, folder: Path) -> dict[str, float]:
    """Seconds that a process of its own takes."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, str(HERE), str(folder), "--as", role], capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "process": time.perf_counter() - began}


def some_of(folder: Path, place: Path, count: int) -> Path:
    """So many photographs of a folder, as many of each class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    for label in classes:
        (place / label.name).mkdir(parents=True)
        for path in sorted(label.iterdir())[: count // len(classes)]:
            shutil.copy(path, place / label.name)
    return place


def peak(pid: int, stop: threading.Event) -> int:
    """The most bytes that a process and its children have had at once which the system could not have taken back."""
    most = 0
    while not stop.wait(0.05):
        anonymous = shared = 0
        for process in [pid, *children(pid)]:
            try:
                said = Path(f"/proc/{process}/status").read_text().splitlines()
            except OSError:
                continue
            found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in said if line.startswith(("RssAnon", "RssShmem"))}
            anonymous, shared = anonymous + found.get("RssAnon", 0), max(shared, found.get("RssShmem", 0))  # which they share
        most = max(most, anonymous + shared)
    return most


def children(pid: int) -> list[int]:
    try:
        return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    except OSError:
        return []


def trained(folder: Path, keep: str, cut: str, epochs: int, place: Path) -> int:
    """Bytes at the peak of a run."""
    command = [sys.executable, "-m", "hubel", "train", NET, str(folder), "--out", str(place), "--epochs", str(epochs), "--batch", "64"]
    flags = [
        "--input",
        "3x150x150",
        "--keep",
        keep,
        "--flip",
        "--threads",
        "1",
        "--lanes",
        "1",
        "--precision",
        "fp32",
        "--validation",
        "0.2",
    ]
    process = subprocess.Popen([*command, *flags, "--random-resized-crop", cut], stdout=subprocess.DEVNULL)
    stop, found = threading.Event(), []
    watcher = threading.Thread(target=lambda: found.append(peak(process.pid, stop)))
    watcher.start()
    if process.wait():
        raise SystemExit("hubel train failed")
    stop.set()
    watcher.join()
    return int(found[0])


def main(folder: Path, rounds: int) -> None:
    times: dict[str, list[dict[str, float]]] = {"ours": [], "torchvision": []}
    for _ in range(rounds):
        for role, measured in times.items():
            measured.append(first_batch(role, folder))
    peaks: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        count = sum(1 for _ in folder.glob("*/*"))
        sets = {"1000": some_of(folder, place / "some", 1000), str(count): folder}
        for keep, cut in (("nothing", "0.08"), ("disk", "0.08"), ("disk", "0")):
            way = f"{keep}, {'parts drawn' if float(cut) else 'whole pictures'}"
            found: dict[str, list[float]] = {number: [] for number in sets}
            for run in range(RUNS):  # in turn: how the heap is broken up differs from run to run by tens of megabytes
                for number, of in sets.items():
                    out = place / f"run {keep} {cut} {number} {run}"
                    found[number].append(trained(of, keep, cut, 2 * count // int(number), out))
            peaks[way] = {number: spread(bytes) for number, bytes in found.items()}
    ratios = {what: spread([b[what] / a[what] for a, b in zip(times["ours"], times["torchvision"])]) for what in times["ours"][0]}
    rows: list[dict[str, str]] = [
        {
            "job": f"first batch of {count:,} photographs, {words}",
            "peer": "DataLoader of 2 workers over torchvision",
            "ratio": f"{ratios[what]['median']:.1f}x as soon",
            "goal": "1x",
        }
        for what, words in (("process", "whole process"), ("imported", "everything imported"))
    ]
    rows += [
        {
            "job": f"peak memory of training on {count:,} photographs, kept on {way}"
            if way.startswith("disk")
            else f"peak memory of training on {count:,} photographs, decoded anew",
            "peer": "the same with 1,000",
            "ratio": f"{found[str(count)]['median'] / found['1000']['median']:.2f}x",
            "goal": "1x",
        }
        for way, found in peaks.items()
    ]
    seconds = {role: {what: spread([each[what] for each in measured]) for what in measured[0]} for role, measured in times.items()}
    write("bench-starting", (__doc__ or "").split("\n")[0], rows, {"ratios": ratios, "seconds": seconds, "peak_bytes": peaks})


ROLES: dict[str, Any] = {"ours": ours, "torchvision": torchvision}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        print(json.dumps(ROLES[given.role](given.folder)))
    else:
        main(Path(given.folder), given.rounds)
