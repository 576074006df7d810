"""Augmentation: uint8 pictures in, changed and normalised batches out, against torchvision a picture at a time and kornia a batch at a time.

    python benchmarks/augmenting.py [--rounds N]      writes results/bench-augmenting.json

CIFAR's: crop of 4 pixels, flip, normalise, 32x32, batches of 512. Photographs: rotation, shift, shear, zoom, flip, normalise, 150x150,
batches of 64, bilinear. torchvision works inside a DataLoader with its best worker count, from PIL images or, for photographs, tensors,
whichever is faster. Each contender is a process of its own and may use all processors; they take turns. Pictures are noise: what they
show costs nobody more or less.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measuring import Contender, answer, spread, write

ROUNDS, SECONDS = 7, 2.0
HERE = Path(__file__).resolve()
SETS = {"cifar": (10_000, 32, 512), "photographs": (1_000, 150, 64)}
"""How many pictures there are, their side, and pictures in a batch."""
MEAN, DEVIATION = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
DEGREES, SHIFT, SHEAR, ZOOM = 40.0, 0.2, 10.0, 0.2
MEASURES = ("cifar fp32", "cifar bf16", "photographs fp32", "photographs bf16")


def noise(name: str) -> Any:
    import numpy as np

    count, side, _ = SETS[name]
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def rate(batches: Iterator[Any]) -> float:
    """Pictures a second over the next SECONDS; the first batch pays for starting."""
    next(batches)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        done += len(next(batches))
    return done / (time.perf_counter() - started)


def measures(batches: Callable[[str, Any], Iterator[Any]], begin: Callable[[], dict[str, Any]]) -> None:
    """Answer "begin" and every measure; its iterator stays from round to round."""
    import torch

    going: dict[str, Iterator[Any]] = {}

    def measured(measure: str) -> float:
        name, precision = measure.split()
        if measure not in going:
            going[measure] = batches(name, {"fp32": torch.float32, "bf16": torch.bfloat16}[precision])
        return rate(going[measure])

    answer({"begin": begin, **{measure: lambda measure=measure: measured(measure) for measure in MEASURES}})


def ours() -> None:
    import hubel

    hubel.settle_waiting()  # before torch, as in every process that begins with hubel
    import torch

    from hubel.pictures.augment import Augmentation
    from hubel.pictures.batches import Batch, shuffled
    from hubel.pictures.pixels import Pixels

    changes = {
        "cifar": Augmentation(crop=4, flip=True, fill="constant"),
        "photographs": Augmentation(rotation=DEGREES, width_shift=SHIFT, height_shift=SHIFT, shear=SHEAR, zoom=ZOOM, flip=True),
    }

    def changed(name: str, precision: Any) -> Iterator[Any]:
        count, side, batch = SETS[name]
        store, pixels = torch.from_numpy(noise(name)), Pixels(3, side, side, mean=MEAN, deviation=DEVIATION)
        for epoch in itertools.count():
            for indices in shuffled(count, batch, 0, epoch):
                yield changes[name].tensor(Batch(store, indices, indices, indices), pixels, 0, epoch, precision)

    measures(changed, lambda: {"threads": torch.get_num_threads()})


def torchvision() -> None:
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from peers import torchvision_transforms

    v1 = torchvision_transforms()
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    affine = [v2.RandomAffine(DEGREES, (SHIFT, SHIFT), (1 - ZOOM, 1 + ZOOM), SHEAR, bilinear), v2.RandomHorizontalFlip()]
    values = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)]
    ways = {
        "cifar": {"PIL": v1.Compose([v1.RandomCrop(32, 4), v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, DEVIATION)])},
        "photographs": {"PIL": v2.Compose([*affine, *values]), "tensor": v2.Compose([*affine, *values[1:]])},
    }
    best: dict[str, tuple[str, int]] = {}

    class Changed(Dataset):  # type: ignore[type-arg]
        def __init__(self, name: str, kind: str) -> None:
            self.pictures, self.change, self.kind = noise(name), ways[name][kind], kind
            self.planes = torch.from_numpy(self.pictures).permute(0, 3, 1, 2).contiguous() if kind == "tensor" else None

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, i: int) -> torch.Tensor:
            return self.change(Image.fromarray(self.pictures[i]) if self.planes is None else self.planes[i])  # type: ignore[no-any-return]

    def loaded(name: str, precision: Any, kind: str, workers: int) -> Iterator[Any]:
        loader = DataLoader(Changed(name, kind), SETS[name][2], shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        while True:
            for batch in loader:
                yield batch.to(precision)

    def begin() -> dict[str, Any]:
        rates = {
            name: {(kind, workers): rate(loaded(name, torch.float32, kind, workers)) for kind in kinds for workers in (0, 1, 2)}
            for name, kinds in ways.items()
        }
        best.update({name: max(found, key=lambda way: found[way]) for name, found in rates.items()})
        said = {name: {f"{kind}, {workers} workers": value for (kind, workers), value in found.items()} for name, found in rates.items()}
        return {"best": {name: f"{kind}, {workers} workers" for name, (kind, workers) in best.items()}, "images_per_second": said}

    measures(lambda name, precision: loaded(name, precision, *best[name]), begin)


def kornia() -> None:
    import torch
    from kornia import augmentation

    normalised = augmentation.Normalize(torch.tensor(MEAN), torch.tensor(DEVIATION))
    affine = augmentation.RandomAffine(DEGREES, (SHIFT, SHIFT), (1 - ZOOM, 1 + ZOOM), SHEAR, padding_mode="border", p=1.0)
    changes = {
        "cifar": torch.nn.Sequential(augmentation.RandomCrop((32, 32), padding=4), augmentation.RandomHorizontalFlip(), normalised),
        "photographs": torch.nn.Sequential(affine, augmentation.RandomHorizontalFlip(), normalised),
    }

    def changed(name: str, precision: Any) -> Iterator[Any]:
        count, _, batch = SETS[name]
        store = torch.from_numpy(noise(name)).permute(0, 3, 1, 2).contiguous()
        while True:
            for indices in torch.randperm(count).split(batch):
                yield changes[name](store[indices].float() / 255).to(precision)

    measures(changed, lambda: {"threads": torch.get_num_threads()})


def main(rounds: int) -> None:
    contenders = {name: Contender(str(HERE), "--as", name) for name in ROLES}
    chosen = {name: contender.measure("begin") for name, contender in contenders.items()}
    rates: dict[str, dict[str, list[float]]] = {name: {measure: [] for measure in MEASURES} for name in ROLES}
    for _ in range(rounds):
        for measure in MEASURES:
            for name, contender in contenders.items():
                rates[name][measure].append(contender.measure(measure))
    for contender in contenders.values():
        contender.close()
    ratios = {
        peer: {measure: spread([a / b for a, b in zip(rates["ours"][measure], rates[peer][measure])]) for measure in MEASURES}
        for peer in ("torchvision", "kornia")
    }
    jobs = {"cifar": "crop, flip, normalise, 32x32", "photographs": "rotate, shift, shear, zoom, flip, normalise, 150x150"}
    peers = {"torchvision": "DataLoader over torchvision transforms", "kornia": "kornia, batched"}
    goals = {
        ("torchvision", "cifar"): "8x",
        ("torchvision", "photographs"): "4x",
        ("kornia", "cifar"): "2.5x",
        ("kornia", "photographs"): "2.5x",
    }
    rows = [
        {
            "job": f"augmentation: {jobs[measure.split()[0]]}, {measure.split()[1]}",
            "peer": peers[peer],
            "ratio": f"{found['median']:.1f}x images/s",
            "goal": goals[peer, measure.split()[0]],
        }
        for peer, by_measure in ratios.items()
        for measure, found in by_measure.items()
    ]
    every = {name: {measure: spread(values) for measure, values in found.items()} for name, found in rates.items()}
    write("bench-augmenting", (__doc__ or "").split("\n")[0], rows, {"ratios": ratios, "images_per_second": every, "chosen": chosen})


ROLES = {"ours": ours, "torchvision": torchvision, "kornia": kornia}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        ROLES[given.role]()
    else:
        main(given.rounds)
