"""What a trained base makes of every picture, computed once and kept on the disk.

A file is known by all that its numbers depend on: the base's weights and expression, the pixel policy, how views are drawn, and the
content of every picture. So there is none that is stale: where anything has changed, another file is looked for.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from hubel import weights
from hubel.errors import ModelError, TransferError
from hubel.evaluation import precise
from hubel.evaluation.scoring import VALUES
from hubel.fetching import cache
from hubel.joints import Shape
from hubel.machine import has_bf16, processors
from hubel.pictures.augment import Augmentation
from hubel.pictures.batches import Batch, Feed, Refused, in_order
from hubel.pictures.feeding import feed
from hubel.pictures.held import Pictures
from hubel.pictures.keeping import make_room
from hubel.pictures.pixels import Pixels
from hubel.pictures.sets import Split
from hubel.pictures.told import Told
from hubel.transfer.grafting import Graft

FORMAT = 1
ENDING = ".features"
LIMIT = 5 * 10**9
"""Bytes that all such files may have together; those that were not used for longest make room."""


@dataclass(frozen=True)
class Views:
    """The changed views of each picture that are looked at beside the picture itself, and the seed that decides them."""

    count: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


@dataclass(frozen=True)
class Cost:
    """Seconds that were spent on features, and how many pictures went through the base; none where they lay on the disk."""

    decoding: float = 0.0
    base: float = 0.0
    pictures: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.decoding + other.decoding, self.base + other.base, self.pictures + other.pictures)


@dataclass(frozen=True)
class AsTheyAre:
    """How features reach a head: no pixel is read any more. In the place of a pixel policy."""

    shape: Shape
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def tensor(self, batch: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return batch if dtype is None else batch.to(dtype)


def features(
    graft: Graft, split: Split, views: Views = Views(), precision: str = "auto", strict: bool = False, told: Told | None = None
) -> tuple[Pictures, Cost]:
    """The features (N, ...) of a split's pictures with their labels, view after view, each in the split's order, and what they cost.

    Those that lie on the disk are read from there, to the same bits. Pictures that cannot be read are left out and named in `refused`.
    precision: fp32, bf16, or auto for bf16 where the processor or GPU has instructions for it: what is measured would not be the same
    twice, nor would the features.
    """
    precision = _settled(precision)
    path = _path(graft, split, views, precision, told)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            found = _kept(path)
            if found is None or (strict and found.refused):  # looked at anew, the first of those is an error
                made, cost = computed(graft, split, views, precision, strict, told)
                _keep(path, made)
                return made, cost
            return found, Cost()
    except OSError as error:
        raise TransferError(
            f"{error.filename or path} cannot be written: {error.strerror or error}. Make room, or set HUBEL_DATA to a folder that can be written."
        ) from None


def _path(graft: Graft, split: Split, views: Views, precision: str, told: Told | None) -> Path:
    """Its name says what it holds."""
    telling = None if told is None else lambda done, count: told("reading", done, count)
    net = [(name, repr(part)) for name, part in graft.model.expression.children()][:-1]
    drawn = [views.count, asdict(views.augmentation), views.seed] if views.count else []
    key = [FORMAT, graft.digest, net, graft.model.pixels.to_json(), drawn, precision, split.fingerprint(telling), list(split.names)]
    return cache() / "features" / f"{hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()}{ENDING}"


def _kept(path: Path) -> Pictures | None:
    """What lies in a file that is whole; None where there is none such."""
    try:
        tensors, said = weights.read(path)
    except ModelError:
        return None
    os.utime(path)
    refused = tuple(Refused(**one) for one in said["refused"])
    return Pictures(tensors["features"], tensors["labels"], list(said["names"]), refused, dict(said["lost"]))


def _keep(path: Path, made: Pictures) -> None:
    said = {"names": made.names, "refused": [asdict(one) for one in made.refused], "lost": dict(made.lost)}
    weights.write(path, {"features": made.pixels, "labels": made.labels}, said)
    make_room(path, LIMIT)


def computed(graft: Graft, split: Split, views: Views, precision: str, strict: bool, told: Told | None) -> tuple[Pictures, Cost]:
    """As `features`, computed now and not kept. Raises TransferError where no picture can be read."""
    precision = _settled(precision)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base, pixels = copy.deepcopy(graft.base).to(device).eval(), graft.model.pixels
    started = time.perf_counter()
    once = split.places is not None and not views.count  # then nothing is gained by keeping what is decoded
    pictures = feed(split, pixels, "nothing" if once else "auto", strict=strict).to(device)
    before = torch.get_num_threads()
    torch.set_num_threads(processors())
    parts: list[Tensor] = []
    indices: list[Tensor] = []
    spent = 0.0
    try:
        for view in range(views.count + 1):
            for done, batch in _batches(pictures, pixels):
                if not len(batch):
                    continue
                since = time.perf_counter()
                shown = views.augmentation.tensor(batch, pixels, views.seed, view - 1) if view else pixels.tensor(batch.pictures())
                parts.append(_of(base, shown, precision).cpu())
                indices.append(batch.indices.cpu().clone())
                spent += time.perf_counter() - since
                if told is not None:
                    told("features", view * len(pictures) + done, (views.count + 1) * len(pictures))
    finally:
        torch.set_num_threads(before)
    if not parts:
        first = pictures.refused[0]
        raise TransferError(f"None of the {len(pictures.refused)} pictures can be read; the first: {first.name}: {first.reason}.")
    order = torch.cat(indices)
    names = [pictures.names[i] for i in order.tolist()]
    labels = pictures.labels.cpu()[order]
    found = Pictures(torch.cat(parts), labels, names, tuple(pictures.refused), dict(pictures.lost))
    return found, Cost(time.perf_counter() - started - spent, spent, len(order))


def _batches(pictures: Feed, pixels: Pixels) -> Iterator[tuple[int, Batch]]:
    """All pictures as they are tested, some at a time, and how many that are then."""
    together = max(1, VALUES // math.prod(pixels.shape))
    done = 0
    for batch in pictures.dealt(in_order(len(pictures), together), None):
        done = min(done + together, len(pictures))
        yield done, batch


@torch.no_grad()
def _of(base: nn.Module, shown: Tensor, precision: str) -> Tensor:
    with precise(precision, shown.device):
        return base(shown).float()  # type: ignore[no-any-return]


def _settled(precision: str) -> str:
    if precision != "auto":
        return precision
    half = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else has_bf16()
    return "bf16" if half else "fp32"
