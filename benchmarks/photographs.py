"""Photographs on their way into batches: from JPEG files and from the file of decoded ones, against Pillow and torchvision a picture at a time.

    python benchmarks/photographs.py FOLDER [--rounds N]      writes results/bench-photographs.json

FOLDER: class folders of JPEGs of some 500x375. Each picture: random resized crop of 224, flip, normalise, batches of 64. torchvision works
inside a DataLoader with its best worker count. Ours: decoded anew by processes (--keep nothing), by threads for comparison, and read from
the file that --keep disk makes. Each contender is a process of its own and may use all processors; they take turns.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measuring import Contender, answer, spread, write

ROUNDS, SECONDS = 7, 3.0
SIDE, BATCH = 224, 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HERE = Path(__file__).resolve()
OURS = ("files fp32", "files bf16", "threads fp32", "cache fp32", "cache bf16")
GOALS = {"files fp32": "1.8x", "cache fp32": "5x", "cache bf16": "8x"}


def rate(batches: Iterator[Any]) -> float:
    """Pictures a second over the next SECONDS; the first batches pay for starting."""
    for _ in range(4):
        next(batches)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        done += len(next(batches))
    return done / (time.perf_counter() - started)


def ours(folder: str) -> None:
    import hubel

    hubel.settle_waiting()  # before torch, as in every process that begins with hubel
    import torch

    from hubel.pictures.augment import Augmentation
    from hubel.pictures.batches import shuffled
    from hubel.pictures.cutting import Cut
    from hubel.pictures.feeding import feed
    from hubel.pictures.pixels import Pixels
    from hubel.pictures.slots import Decoder, Slots, Task
    from hubel.pictures.sources import open_source

    torch.set_num_threads(1)  # the other processor has pictures to decode
    split = open_source(folder).training()
    pixels, cut = Pixels(3, SIDE, SIDE, "crop", resized=256, mean=MEAN, deviation=DEVIATION), Cut(area=0.08)
    flip = Augmentation(flip=True)

    def fed(keep: str, dtype: Any) -> Iterator[Any]:
        pictures = feed(split, pixels, keep, cut)
        for epoch in itertools.count():
            for batch in pictures.dealt(shuffled(len(pictures), BATCH, 0, epoch), epoch):
                yield flip.tensor(batch, pixels, 0, epoch, dtype)

    def threaded() -> Iterator[Any]:
        """The same decoding in threads of this process, a batch ahead."""
        slots, places = Slots.made(3 * BATCH, 3 * SIDE * SIDE), split.places or ()
        decoder, store = Decoder(pixels, slots, cut), torch.from_numpy(slots.all()).view(-1, SIDE, SIDE, 3)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:

            def begun(numbers: Any, place: int) -> Any:
                tasks = [Task(place * BATCH + row, places[i], None, i, 0) for row, i in enumerate(numbers.tolist())]
                return place * BATCH, numbers, [threads.submit(decoder, task) for task in tasks]

            waiting = None
            for number in itertools.count():
                numbers = torch.randint(len(places), (BATCH,))
                now, waiting = waiting, begun(numbers, number % 3)
                if now is not None:
                    for future in now[2]:
                        future.result()
                    rows = torch.arange(now[0], now[0] + BATCH)
                    yield pixels.tensor(flip.batch(store, now[1], 0, 0, rows))

    ways = {
        "files fp32": lambda: fed("nothing", torch.float32),
        "files bf16": lambda: fed("nothing", torch.bfloat16),
        "threads fp32": threaded,
        "cache fp32": lambda: fed("disk", torch.float32),
        "cache bf16": lambda: fed("disk", torch.bfloat16),
    }
    answer({way: lambda way=way: rate(ways[way]()) for way in ways})


def torchvision(folder: str) -> None:
    import torch
    from torch.utils.data import DataLoader

    from peers import torchvision_transforms

    transforms = torchvision_transforms()
    from torchvision.datasets import ImageFolder

    change = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    pictures = ImageFolder(folder, transforms.Compose([*change, transforms.Normalize(MEAN, DEVIATION)]))
    best = 0

    def loaded(workers: int, dtype: Any) -> Iterator[Any]:
        loader = DataLoader(pictures, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
        while True:
            for batch, _ in loader:
                yield batch.to(dtype)

    def begin() -> dict[str, float]:
        nonlocal best
        rates = {workers: rate(loaded(workers, torch.float32)) for workers in (0, 1, 2, 3)}
        best = max(rates, key=lambda workers: rates[workers])
        return {f"{workers} workers": found for workers, found in rates.items()}

    answer({"begin": begin, "fp32": lambda: rate(loaded(best, torch.float32)), "bf16": lambda: rate(loaded(best, torch.bfloat16))})


def many(folder: Path, place: Path, times: int = 10) -> str:
    """The pictures again and again under other names, so that an epoch is long, and starting one counts for little with everybody."""
    for path in sorted(folder.glob("*/*.jpg")):
        for number in range(times):
            link = place / path.parent.name / f"{number} {path.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, link)
    return str(place)


def main(folder: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, cache = many(Path(folder), Path(place) / "pictures"), str(Path(place) / "cache")
        mine = Contender(str(HERE), folder, "--as", "ours", HUBEL_DATA=cache)
        peer = Contender(str(HERE), folder, "--as", "torchvision")
        chosen = peer.measure("begin")
        for way in OURS:  # the cache is made, and everything is read once
            mine.measure(way)
        rates: dict[str, list[float]] = {way: [] for way in (*OURS, "torchvision fp32", "torchvision bf16")}
        for _ in range(rounds):
            for precision in ("fp32", "bf16"):
                rates[f"torchvision {precision}"].append(peer.measure(precision))
                for way in OURS:
                    if way.endswith(precision):
                        rates[way].append(mine.measure(way))
        for contender in (mine, peer):
            contender.close()
    ratios = {way: spread([a / b for a, b in zip(rates[way], rates[f"torchvision {way.split()[1]}"])]) for way in OURS}
    words = {"files": "from JPEG files", "cache": "from the file of decoded pictures"}
    rows = [
        {
            "job": f"photographs {words[way.split()[0]]}: random resized crop of 224, flip, normalise, {way.split()[1]}",
            "peer": "DataLoader over Pillow and torchvision",
            "ratio": f"{found['median']:.1f}x images/s",
            "goal": GOALS.get(way, "-"),
        }
        for way, found in ratios.items()
        if way.split()[0] in words
    ]
    every = {way: spread(values) for way, values in rates.items()}
    write("bench-photographs", (__doc__ or "").split("\n")[0], rows, {"ratios": ratios, "images_per_second": every, "workers": chosen})


ROLES = {"ours": ours, "torchvision": torchvision}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        ROLES[given.role](given.folder)
    else:
        main(given.folder, given.rounds)
