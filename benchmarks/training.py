"""Training, the whole loop with its data, against the usual script; quiet, and beside one busy process.

    python benchmarks/training.py resnet20|resnet18|vgg16 CIFAR_FOLDER [--rounds N] [--quick]
    python benchmarks/training.py resnet50 PHOTOGRAPHS [--rounds N] [--quick]
                                                        write results/bench-training-NETWORK.json

CIFAR-10 (the binary version): crop of 4 pixels, flip, normalise, batches of 128; ResNet-18 and VGG-16 in their forms for 32x32. Photographs
(class folders of JPEGs, of two classes): random resized crop of 224, flip, normalise, batches of 32. Ours is `hubel.train` with what it
chooses by itself. The usual script: torchvision's transforms of one PIL image at a time, a DataLoader with its best worker count, torch's
eager fp32 as it comes, the same network (as many parameters), batch and optimiser. Each is a process of its own, because how threads
wait is settled once a process; they take turns. A turn is a stretch of an epoch that goes on in the next turn: some seconds of whole steps,
data included. --quick: a few short turns, nothing written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from measuring import Contender, answer, busy_neighbour, spread, write
from photographs import many

SECONDS = 4.0
TURN = f"{SECONDS:g} seconds or more of whole steps, data included, of epochs over all training pictures that go on from turn to turn"
QUICK_ROUNDS, QUICK_SECONDS = 2, 1.0
HERE = Path(__file__).resolve()
VALUES = {
    "cifar": ((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),
    "photographs": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and deviation of each channel, for the usual script; ours finds its own."""


class Job(NamedTuple):
    """What is trained on what, in how many rounds, and how many times the usual script's rate is the goal: quiet, and beside a busy process."""

    words: str
    pictures: str
    batch: int
    rounds: int
    goal: str
    busy_goal: str = ""


JOBS = {
    "resnet20": Job("ResNet-20 on CIFAR-10, crop and flip", "cifar", 128, 7, "2.5x", "5x"),
    "resnet18": Job("ResNet-18 on CIFAR-10, crop and flip", "cifar", 128, 5, "1.8x", "5x"),
    "vgg16": Job("VGG-16 with batch norm on CIFAR-10, crop and flip", "cifar", 128, 7, "1.8x", "5x"),
    "resnet50": Job("ResNet-50 at 224 on photographs, random resized crop and flip", "photographs", 32, 7, "3x"),
}


def network_of(name: str) -> Any:
    """Ours, as `hubel.train` takes it."""
    from hubel.joints import Chain
    from hubel.layers import FC, BatchNorm, Conv, GlobalAvgPool, MaxPool, ReLU
    from hubel.nets.resnet import basic, conv, stage

    def block(maps: int, layers: int) -> Chain:
        return (Conv(maps, 3, pad=1) >> BatchNorm() >> ReLU()) * layers >> MaxPool(2)

    if name == "resnet18":
        wide = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        return Chain(conv(64, 3) >> ReLU(), *(stage(basic, "B", 2, *maps) for maps in wide), GlobalAvgPool() >> FC(10))
    if name == "vgg16":
        return block(64, 2) >> block(128, 2) >> block(256, 3) >> block(512, 3) >> block(512, 3) >> FC(10)
    return {"resnet20": "resnet20", "resnet50": "resnet50_v15"}[name]


def rate(steps: Iterator[tuple[float, int]], seconds: float) -> float:
    """Pictures a second over the next steps, until they took so long; the first one pays for the other's turn."""
    next(steps)
    took, done = 0.0, 0
    while took < seconds:
        step, pictures = next(steps)
        took, done = took + step, done + pictures
    return done / took


def ours(name: str, folder: str, seconds: float) -> None:
    import hubel
    from hubel.training.records import Started, Step

    job = JOBS[name]
    change: dict[str, Any] = {"random_resized_crop": 0.08} if job.pictures == "photographs" else {"crop": 4, "fill": "constant"}
    recipe = hubel.Recipe(epochs=10_000, batch=job.batch, schedule="constant", lr=0.01, flip=True, **change)
    input = (3, 224, 224) if job.pictures == "photographs" else (3, 32, 32)
    going: dict[str, Any] = {}

    def steps() -> Iterator[tuple[float, int]]:
        """Seconds and pictures of each step. An epoch's end is validation, which the usual script does not do here, and is not counted."""
        started = time.perf_counter()
        for record in going["records"]:
            if isinstance(record, Step):
                yield time.perf_counter() - started, record.images
            started = time.perf_counter()

    def begin() -> dict[str, Any]:
        if "records" in going:
            going["records"].close()
        going["records"] = hubel.train(network_of(name), folder, recipe, input=input)
        first = next(going["records"])
        assert isinstance(first, Started)
        going["steps"] = steps()
        chosen = first.recipe
        return {"parameters": first.parameters, "threads": chosen.threads, "lanes": chosen.lanes, "precision": chosen.precision}

    answer({"begin": begin, "rate": lambda: rate(going["steps"], seconds)})


def usual(name: str, folder: str, seconds: float) -> None:
    """The usual script: nothing of ours in it."""
    import torch
    from torch.utils.data import DataLoader

    import peers

    job = JOBS[name]
    transforms = peers.torchvision_transforms()
    crop = transforms.RandomResizedCrop(224) if job.pictures == "photographs" else transforms.RandomCrop(32, 4)
    values = [transforms.ToTensor(), transforms.Normalize(*VALUES[job.pictures])]
    change = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *values])
    if job.pictures == "photographs":
        from torchvision.datasets import ImageFolder

        pictures = ImageFolder(folder, change)
    else:
        pictures = peers.Cifar10(Path(folder), change)
    network = getattr(peers, name)().train()
    optimiser = torch.optim.SGD(network.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    going: dict[str, Any] = {}

    def steps(workers: int) -> Iterator[tuple[float, int]]:
        loader = DataLoader(pictures, job.batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
        while True:
            started = time.perf_counter()
            for x, y in loader:
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(network(x), y).backward()
                optimiser.step()
                yield time.perf_counter() - started, len(y)
                started = time.perf_counter()

    def begin() -> dict[str, Any]:
        rates, loops = {}, {}
        for workers in (0, 1, 2):
            loops[workers] = steps(workers)
            rates[workers] = rate(loops[workers], seconds)
        best = max(rates, key=lambda workers: rates[workers])
        going["steps"] = loops[best]  # the other loaders end with their loops
        parameters = sum(weight.numel() for weight in network.parameters())
        return {"parameters": parameters, "threads": torch.get_num_threads(), "workers": best, "images_per_second": rates}

    answer({"begin": begin, "rate": lambda: rate(going["steps"], seconds)})


def rounds(contenders: dict[str, Contender], count: int) -> dict[str, Any]:
    """Both in turn, round by round: rates, and the ratio of ours to the usual script's within a round."""
    chosen = {who: contender.measure("begin") for who, contender in contenders.items()}
    if chosen["ours"]["parameters"] != chosen["usual"]["parameters"]:
        raise SystemExit(f"the networks are not the same: {chosen}")
    rates: dict[str, list[float]] = {who: [] for who in contenders}
    for _ in range(count):
        for who, contender in contenders.items():
            rates[who].append(contender.measure("rate"))
    ratios = [a / b for a, b in zip(rates["ours"], rates["usual"])]
    return {"chosen": chosen, "images_per_second": {who: spread(values) for who, values in rates.items()}, "ratio": spread(ratios)}


def main(name: str, folder: str, count: int, quick: bool) -> None:
    job, found = JOBS[name], {}
    seconds = str(QUICK_SECONDS if quick else SECONDS)
    with tempfile.TemporaryDirectory() as place:
        if job.pictures == "photographs":
            folder = many(Path(folder), Path(place) / "pictures")
        contenders = {
            role: Contender(str(HERE), name, folder, "--as", role, "--seconds", seconds, HUBEL_DATA=f"{place}/cache") for role in ROLES
        }
        found["quiet"] = rounds(contenders, count)
        print("quiet:", found["quiet"], flush=True)
        if job.busy_goal:
            with busy_neighbour():
                found["busy"] = rounds(contenders, count)
            print("busy:", found["busy"], flush=True)
        for contender in contenders.values():
            contender.close()
    rows = [
        {
            "job": f"training {job.words}, batch {job.batch}{words}",
            "peer": "DataLoader over torchvision transforms, eager fp32",
            "ratio": f"{found[when]['ratio']['median']:.1f}x images/s",
            "goal": goal,
        }
        for when, words, goal in (("quiet", "", job.goal), ("busy", ", one busy process beside it", job.busy_goal))
        if when in found
    ]
    if not quick:
        write(f"bench-training-{name}", (__doc__ or "").split("\n")[0], rows, {"a_turn": TURN, **found})


ROLES = {"usual": usual, "ours": ours}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=JOBS)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        ROLES[given.role](given.network, given.folder, given.seconds)
    else:
        main(given.network, given.folder, given.rounds or (QUICK_ROUNDS if given.quick else JOBS[given.network].rounds), given.quick)
