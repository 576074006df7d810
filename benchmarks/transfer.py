"""A trained network put to other classes by its features, a whole process from nothing, against a plain script that takes the same steps.

    python benchmarks/transfer.py PHOTOGRAPHS BASE [--rounds N]      writes results/bench-transfer.json

PHOTOGRAPHS: a folder with train, validation and test, each of class folders. BASE: a model file of SqueezeNet 1.1 with trained weights. Ours is
`hubel train --from BASE --way features`, its cache empty each time. The plain script has the same weights in torchvision's network: torchvision's
transforms, a DataLoader with its best worker count, torch's eager fp32 as it comes; then the same head, optimiser, epochs and batch, in a
plain loop. Each run is a process of its own, from its start until the model lies on the disk; they take turns, a seed a round. Beside that:
an epoch of the script that keeps no features, and epochs of `--way frozen`. Accuracy on validation and test is on record for all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import Contender, answer, spread, write

ROUNDS = 3
FROZEN = 4
"""Epochs of the frozen base, of which the first is not counted."""
TRIED = 256
"""Photographs by which the plain script's worker count is found."""
BATCH = 64
"""Photographs that the plain script's base sees together."""
HERE = Path(__file__).resolve()


def ours(folder: str, given: dict[str, Any]) -> None:
    from hubel.model import Model, load
    from hubel.pictures.sources import open_source
    from hubel.training.records import Epoch
    from hubel.transfer.comparing import tested
    from hubel.transfer.records import Transferred
    from hubel.transfer.ways import recipe_of, transfer

    models: list[Model] = []

    def gone(way: str, **changes: Any) -> dict[str, Any]:
        base, rates, found = load(given["base"]), [], {}
        recipe = replace(recipe_of(way, base), seed=given["seed"], **changes)
        for record in transfer(base, folder, way, recipe, out=Path(given["out"]) / way / str(given["seed"])):
            if isinstance(record, Epoch):
                rates.append(record.images_per_second)
            elif isinstance(record, Transferred):
                models.append(record.model)
                found = {"seconds": dict(record.seconds), "validation": record.accuracy, "epochs": len(rates)}
        return {**found, "images_per_second": statistics.median(rates[1:])}

    def test() -> float:
        return tested(models[-1], open_source(folder), None).accuracy

    answer({"features": lambda: gone("features"), "frozen": lambda: gone("frozen", epochs=FROZEN), "test": test})


def plain(folder: str, given: dict[str, Any]) -> None:
    """The plain script: nothing of ours in it."""
    import copy

    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Subset, TensorDataset

    import peers

    transforms, models = peers.torchvision_transforms(), peers.torchvision_models()
    from torchvision.datasets import ImageFolder

    cut = [transforms.Resize(given["resized"]), transforms.CenterCrop(given["side"])]
    change = transforms.Compose([*cut, transforms.ToTensor(), transforms.Normalize(given["mean"], given["deviation"])])
    base = nn.Sequential(models.squeezenet1_1().features, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    base[0].load_state_dict(torch.load(given["weights"]))
    pictures = {name: ImageFolder(f"{folder}/{name}", change) for name in ("train", "validation", "test")}
    torch.manual_seed(given["seed"])
    head = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, len(pictures["train"].classes)))
    recipe = given["recipe"]
    optimiser = torch.optim.AdamW(head.parameters(), recipe["lr"], weight_decay=recipe["weight_decay"])

    @torch.no_grad()
    def features(set: Any, workers: int) -> Any:
        parts = [(base(x), y) for x, y in DataLoader(set, BATCH, num_workers=workers)]
        return TensorDataset(torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))

    @torch.no_grad()
    def accuracy(loader: Any) -> float:
        head.eval()
        right = [float((head(x).argmax(1) == y).sum()) for x, y in loader]
        return sum(right) / len(loader.dataset)

    def step(x: Any, y: Any) -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(x), y).backward()
        optimiser.step()

    def run() -> dict[str, Any]:
        started = time.perf_counter()
        train, validation = (features(pictures[name], given["workers"]) for name in ("train", "validation"))
        seconds = {"features": time.perf_counter() - started}
        loader, judge = DataLoader(train, recipe["batch"], shuffle=True), DataLoader(validation, recipe["batch"])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe["epochs"] * len(loader))
        best, kept = -1.0, head.state_dict()
        for _ in range(recipe["epochs"]):
            head.train()
            for x, y in loader:
                step(x, y)
                schedule.step()
            now = accuracy(judge)
            if now > best:
                best, kept = now, copy.deepcopy(head.state_dict())
        head.load_state_dict(kept)
        torch.save(nn.Sequential(base, head).state_dict(), f"{given['out']}/plain.pt")
        seconds["head"] = time.perf_counter() - started - seconds["features"]
        return {"seconds": seconds, "validation": best, "epochs": recipe["epochs"], "threads": torch.get_num_threads()}

    def test() -> float:
        return accuracy(DataLoader(features(pictures["test"], given["workers"]), BATCH))

    def epoch() -> float:
        """Seconds of an epoch of those who keep no features, without its validation."""
        head.train()
        started = time.perf_counter()
        for x, y in DataLoader(pictures["train"], recipe["batch"], shuffle=True, num_workers=given["workers"]):
            with torch.no_grad():
                seen = base(x)
            step(seen, y)
        return time.perf_counter() - started

    def workers() -> dict[int, float]:
        """Photographs a second by the number of workers."""
        some = Subset(pictures["train"], list(range(0, len(pictures["train"]), max(1, len(pictures["train"]) // TRIED))))
        found = {}
        features(Subset(some, range(BATCH)), 0)  # the first pays for starting
        for count in (0, 1, 2):
            started = time.perf_counter()
            features(some, count)
            found[count] = len(some) / (time.perf_counter() - started)
        return found

    answer({"run": run, "test": test, "epoch": epoch, "workers": workers})


def given_of(path: str, place: Path) -> dict[str, Any]:
    """What a contender is told: the base, how it reads pictures, its weights in torchvision's network, and the recipe of the head."""
    import torch

    import peers
    from hubel.model import load
    from hubel.transfer.grafting import grafted
    from hubel.transfer.ways import recipe_of

    base = load(path)
    recipe, pixels = recipe_of("features", base), base.pixels
    network = peers.torchvision_models().squeezenet1_1().features.eval()
    network.load_state_dict(dict(zip(network.state_dict(), base.network.state_dict().values())))
    with torch.no_grad():
        pictures = torch.randn(2, *pixels.shape)
        same = torch.allclose(network(pictures).mean((2, 3)), grafted(base, ("a", "b")).base.eval()(pictures), rtol=1e-3, atol=1e-3)
    if pixels.fit != "crop" or not same:
        raise SystemExit(f"{path} is not torchvision's SqueezeNet 1.1 on cut pictures")
    torch.save(network.state_dict(), place / "base.pt")
    reading = {"resized": pixels.resized or pixels.height, "side": pixels.height, "mean": pixels.mean, "deviation": pixels.deviation}
    head = {name: getattr(recipe, name) for name in ("epochs", "batch", "lr", "weight_decay")}
    return {"base": path, "weights": str(place / "base.pt"), "out": str(place), "workers": 0, "seed": 0, "recipe": head, **reading}


def measured(folder: str, given: dict[str, Any], place: Path, rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each contender came to, round by round; the plain script's epoch and the frozen base last."""
    contender = begun("plain", folder, given, place / "none")
    rates = contender.measure("workers")
    contender.close()
    given["workers"] = int(max(rates, key=lambda count: rates[count]))
    yield "workers", rates
    for number in range(rounds):
        for role, what in (("plain", "run"), ("ours", "features")):
            started = time.perf_counter()
            contender = begun(role, folder, {**given, "seed": number}, place / f"cache {number}")
            found = contender.measure(what)
            found["whole"] = time.perf_counter() - started
            found["test"] = contender.measure("test")
            if role == "plain" and number == rounds - 1:
                yield "epoch", {"seconds": contender.measure("epoch")}
            contender.close()
            yield role, found
    contender = begun("ours", folder, given, place / "cache of the frozen")
    yield "frozen", {**contender.measure("frozen"), "test": contender.measure("test")}
    contender.close()


def begun(role: str, folder: str, given: dict[str, Any], cache: Path) -> Contender:
    return Contender(str(HERE), folder, given["base"], "--as", role, "--given", json.dumps(given), HUBEL_DATA=str(cache))


def main(folder: str, base: str, rounds: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in Path(folder).rglob("*.jpg"):
        path.read_bytes()  # whoever is first need not wait for the disk
    with tempfile.TemporaryDirectory() as name:
        given = given_of(base, Path(name))
        for role, figures in measured(folder, given, Path(name), rounds):
            print(role, figures, flush=True)
            found.setdefault(role, []).append(figures)
    mine, peer, frozen = found["ours"], found["plain"], found["frozen"][0]
    whole = {role: statistics.median(one["whole"] for one in found[role]) for role in ("ours", "plain")}
    naive = found["epoch"][0]["seconds"] * given["recipe"]["epochs"]
    rate = statistics.median(one["images_per_second"] for one in mine)
    ratios = {
        "whole": whole["plain"] / whole["ours"],
        "keeping nothing": naive / whole["ours"],
        "epoch": rate / frozen["images_per_second"],
    }
    count = " + ".join(f"{sum(1 for _ in Path(folder, split).glob('*/*.jpg')):,}" for split in ("train", "validation"))
    job = f"a head on SqueezeNet 1.1's features of {count} photographs, whole process, nothing kept yet: {whole['ours']:.0f} s"
    epochs = given["recipe"]["epochs"]
    rows = [
        {
            "job": job,
            "peer": "the same steps: DataLoader over torchvision, eager fp32",
            "ratio": f"{ratios['whole']:.1f}x as soon",
            "goal": "3x, 60 s",
        },
        {
            "job": "the same",
            "peer": f"the script that runs the base in each of {epochs} epochs, by one of them",
            "ratio": f"{ratios['keeping nothing']:.0f}x as soon",
            "goal": "-",
        },
        {
            "job": "an epoch of the head from kept features",
            "peer": "an epoch of ours of the frozen base, `--way frozen`",
            "ratio": f"{ratios['epoch']:.0f}x images/s",
            "goal": "10x",
        },
    ]
    figures = {
        "ratios": ratios,
        "whole_seconds": {role: spread([one["whole"] for one in found[role]]) for role in whole},
        "seconds": {role: parts([one["seconds"] for one in found[role]]) for role in whole},
        "images_per_second": {"features": spread([one["images_per_second"] for one in mine]), "frozen": frozen["images_per_second"]},
        "accuracy": {
            "features": parts([{name: one[name] for name in ("validation", "test")} for one in mine]),
            "plain": parts([{name: one[name] for name in ("validation", "test")} for one in peer]),
            f"frozen, {FROZEN} epochs": {"validation": frozen["validation"], "test": frozen["test"]},
        },
        "epoch_without_features_seconds": found["epoch"][0]["seconds"],
        "plain": {"workers": given["workers"], "images_per_second_by_workers": found["workers"][0], "threads": peer[0]["threads"]},
        "recipe": given["recipe"],
    }
    write("bench-transfer", (__doc__ or "").split("\n")[0], rows, figures)


def parts(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: spread([one[name] for one in found]) for name in found[0]}


ROLES = {"ours": ours, "plain": plain}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs")
    parser.add_argument("base")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--as", dest="role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--given", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        ROLES[given.role](given.photographs, given.given)
    else:
        main(given.photographs, given.base, given.rounds)
