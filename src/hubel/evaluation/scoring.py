"""A network's scores of labelled pictures, and the classes that they mean."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn

from hubel.cluster import ALONE, Ranks
from hubel.errors import PictureError
from hubel.pictures.batches import Feed, in_order
from hubel.pictures.pixels import Reading

BATCH = 500
"""Pictures that are looked at together, at most."""

VALUES = 2**23
"""Values of the pictures that are looked at together: what a network makes of them takes many times their memory."""


def precise(precision: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Arithmetic in the precision of that name: "fp32", "bf16" or "fp16"."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def scored(
    network: nn.Module,
    pictures: Feed,
    pixels: Reading,
    precision: str = "fp32",
    told: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor]:
    """Scores (N, outputs) in float32, and labels (N,), of every picture that can be read, in evaluation mode; the mode is put back.

    `told` hears (done, of how many). Several processes share the pictures out; each then has all scores, as one alone would.
    """
    scores, numbers = numbered(network, pictures, pixels, precision, told, ranks)
    return scores, pictures.labels[numbers]


@torch.no_grad()
def numbered(
    network: nn.Module,
    pictures: Feed,
    pixels: Reading,
    precision: str = "fp32",
    told: Callable[[int, int], None] | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor]:
    """As `scored`, with the numbers (N,) of the pictures that can be read in the place of their labels."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    parts, numbers, done = [], [], 0
    together = max(1, min(BATCH, VALUES // math.prod(pixels.shape)))
    mine = islice(in_order(len(pictures), together), ranks.rank, None, ranks.size)
    try:
        for batch in pictures.dealt(mine, None):
            if len(batch):
                with precise(precision, batch.labels.device):
                    parts.append(network(pixels.tensor(batch.pictures())).float())
                numbers.append(batch.indices)
            done = min(done + together * ranks.size, len(pictures))
            if told is not None:
                told(done, len(pictures))
    finally:
        for module, training in modes:
            module.training = training
    refused = [one for some in ranks.gathered(list(pictures.refused)) for one in some]
    outputs = max(ranks.gathered(parts[0].shape[1] if parts else 0))
    if not outputs:
        raise PictureError(f"None of the {len(pictures)} pictures can be read; the first: {refused[0].name}: {refused[0].reason}.")
    scores = pictures.labels.new_zeros((len(pictures), outputs), dtype=torch.float32)
    read = torch.zeros_like(pictures.labels)
    for part, places in zip(parts, numbers):
        scores[places], read[places] = part, 1
    found = ranks.total(read).bool()
    return ranks.total(scores)[found], found.nonzero()[:, 0]


def predicted(scores: Tensor) -> Tensor:
    """The class of each row of scores (N, outputs); one output means two classes, the second where it is positive."""
    return (scores[:, 0] > 0).long() if scores.shape[1] == 1 else scores.argmax(1)
