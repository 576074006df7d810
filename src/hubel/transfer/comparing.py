"""The three ways on one split and one budget: what each bought."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hubel.evaluation import Report, report, scored
from hubel.model import Model
from hubel.pictures.feeding import feed
from hubel.pictures.sources import Source
from hubel.pictures.told import Told as Telling
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch
from hubel.transfer.recipes import WAYS
from hubel.transfer.records import Phase, Told, Transferred
from hubel.transfer.ways import PLAIN, Wish, transfer


@dataclass(frozen=True)
class Bought:
    """What a way came to, a figure for each seed."""

    way: str
    validation: tuple[float, ...]
    test: tuple[float, ...]
    """Accuracy on the test split; none where the set has none."""
    seconds: tuple[float, ...]
    rate: float
    """Pictures a second of a way's own epochs: those of the head where it learns from features."""
    model: Model
    """Of the first seed."""


def compared(
    base: Model,
    source: Source,
    recipes: dict[str, Recipe],
    seeds: Sequence[int] = (0,),
    wish: Wish = PLAIN,
    out: Path | None = None,
    told: Telling | None = None,
) -> Iterator[Told | Bought]:
    """Go every way with every seed; yields their records, and a Bought after each way.

    With each seed the three ways have the same pictures to learn from and to validate on; a set without a validation split is divided anew by each.
    """
    for way in WAYS:
        ends: list[Transferred] = []
        spent: list[float] = []
        rates: list[float] = []
        for seed in seeds:
            yield Phase(way, f"seed {seed}")
            since = time.perf_counter()
            place = out and out / way / str(seed)
            for record in transfer(base, source, way, replace(recipes[way], seed=seed), _meant(wish, way), place, told):
                yield record
                if isinstance(record, Transferred):
                    ends.append(record)
                elif isinstance(record, Phase) and record.epochs:
                    rates = []  # of the last phase alone: fine-tuning begins with a head that features taught
                elif isinstance(record, Epoch):
                    rates.append(record.images_per_second)
            spent.append(time.perf_counter() - since)
            if len(ends) < len(spent):
                return  # it was stopped
        test = tuple(tested(end.model, source, told).accuracy for end in ends) if "test" in source.openers else ()
        rate = statistics.median(rates) if rates else 0.0
        yield Bought(way, tuple(end.accuracy for end in ends), test, tuple(spent), rate, ends[0].model)


def _meant(wish: Wish, way: str) -> Wish:
    """As much of what is wanted as goes for a way."""
    return wish if way == "finetune" else replace(wish, release=(), all=False, views=wish.views if way == "features" else 0)


def tested(model: Model, source: Source, told: Telling | None) -> Report:
    """What a model makes of the test pictures."""
    pictures = feed(source.split("test"), model.pixels)
    telling = None if told is None else lambda done, count: told("testing", done, count)
    scores, labels = scored(model.network, pictures, model.pixels, told=telling)
    return report(scores, labels, len(model.classes))
