"""hubel test: how good a model is on pictures that it has not seen."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import models
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json, as_table
from hubel.cli.writing import plain, write
from hubel.errors import HubelError

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.cluster import Ranks
    from hubel.evaluation import Report
    from hubel.evaluation.calibration import Calibration
    from hubel.model import Model
    from hubel.pictures.batches import Feed, Refused
    from hubel.pictures.sources import Source

SHOWN = 20
"""Classes up to which the whole confusion is printed; of more, so many pairs, the worst."""


def declare(verbs: Any) -> None:
    test = verbs.add_parser("test", allow_abbrev=False, help="how good a model is on a test split: accuracy, confusion, a table by class")
    models.declare(test)
    test.add_argument("data", help="a set, as for train; its test split is read, or all of it where it is not divided")
    test.add_argument("--split", metavar="NAME", help="which split is read instead")
    test.add_argument(
        "--mistakes", metavar="FILE", help="draw the pictures that it was most surely wrong about, by pairs of classes, as a PNG"
    )
    test.add_argument("--strict", action="store_true", help="stop at a picture that cannot be read instead of leaving it out")
    test.add_argument("--json", action="store_true", help="print JSON")
    test.set_defaults(run=run_test)


@dataclass(frozen=True)
class Tested:
    """A model's scores of the pictures that could be read; labels are the model's own numbers of the classes."""

    pictures: Feed
    scores: Tensor
    labels: Tensor
    numbers: Tensor
    """Of the pictures, in `pictures`."""
    left_out: tuple[Refused, ...]
    there: tuple[int, ...]
    """The set's classes, by the model's numbers."""


def tested(model: Model, source: Source, pictures: Feed, progress: Progress, ranks: Ranks) -> Tested:
    """Score the pictures, shared out over the processes."""
    import torch

    from hubel.evaluation import numbered

    own = model.numbers_of(source.classes, source.name)
    there = pictures.to(ranks.device)
    network, telling = model.network.to(ranks.device), partial(progress.told, "testing")
    scores, numbers = numbered(network, there, model.pixels, told=telling, ranks=ranks)
    scores, numbers = scores.cpu(), numbers.cpu()
    labels = torch.tensor(own)[pictures.labels[numbers]]
    left_out = {one.name: one for some in ranks.gathered(list(there.refused)) for one in some}
    return Tested(pictures, scores, labels, numbers, tuple(left_out.values()), tuple(own))


def say_what_is_odd(model: Model, source: Source, found: Tested) -> None:
    """What was left out, and what makes the figures other than they seem, on the error stream."""
    notes = [f"left out: {one.name}: {one.reason}" for one in found.left_out]
    if source.classes != model.classes:
        notes.append(
            f"note: the model tells apart {len(model.classes):,} classes; the {len(source.classes):,} of {source.name} were found among "
            f"them by name, and its scores are over all of its own."
        )
    for note in notes:
        print(plain(note), file=sys.stderr)


def drawable(name: str | None, flag: str) -> Path | None:
    """Where a figure is to lie. Raises HubelError where that is no PNG."""
    if name is not None and Path(name).suffix.lower() != ".png":
        raise HubelError(f"{flag} is {name!r}; the figure is a PNG, so name it something.png.")
    return None if name is None else Path(name)


def run_test(given: argparse.Namespace) -> int:
    from hubel.cluster import joined
    from hubel.evaluation import report
    from hubel.evaluation.calibration import calibration
    from hubel.evaluation.mistakes import mistakes, sheet
    from hubel.pictures.feeding import feed
    from hubel.pictures.sources import open_source

    drawn = drawable(given.mistakes, "--mistakes")
    model = models.opened(given)
    with joined() as ranks, Progress(shown=not given.json) as progress:
        source = open_source(given.data, progress.told)
        model.numbers_of(source.classes, source.name)  # before anything is decoded
        split = source.split(given.split) if given.split else source.testing()
        pictures = feed(split, model.pixels, strict=given.strict, told=partial(progress.told, "decoding"))
        made = tested(model, source, pictures, progress, ranks)
    if not ranks.first:
        return 0
    found = report(made.scores, made.labels, len(model.classes))
    sure = calibration(made.scores, made.labels, model.temperature)
    say_what_is_odd(model, source, made)
    if pictures.fingerprint() == model.data.get("fingerprint"):
        print("note: these are the very pictures that the model was trained on; this says nothing of new ones.", file=sys.stderr)
    title = f"{source.name}: {found.count:,} pictures, accuracy {100 * found.accuracy:.2f}%"
    if drawn:
        wrong = mistakes(made.scores, made.labels, made.numbers, model.temperature)
        write(drawn, sheet(wrong, found, model.classes, pictures, title))
    rows = [
        {"class": name, "pictures": sum(found.confusion[i]), "recall": found.recall[i], "precision": found.precision[i]}
        for i, name in enumerate(model.classes)
    ]
    if given.json:
        counted = {"data": source.name, "pictures": found.count, "left_out": len(made.left_out), "accuracy": found.accuracy}
        shares = {"interval": found.interval, "top5": found.top5, "error": 1 - found.accuracy}
        probabilities = {"temperature": model.temperature, "ece": sure.ece, "nll": sure.nll}
        as_json({**counted, **shares, **probabilities, "classes": rows, "confusion": found.confusion})
        return 0
    rows = [rows[i] for i in made.there]
    as_table([{**row, "recall": _percent(row["recall"]), "precision": _percent(row["precision"])} for row in rows], list(rows[0]))
    print()
    print_confusion(found, made.there, model.classes)
    print()
    _print_figures(title, found, sure, model.temperature)
    if drawn:
        print(plain(f"mistakes: {drawn}"))
    return 0


def _print_figures(title: str, found: Report, sure: Calibration, temperature: float) -> None:
    top5 = "" if found.top5 is None else f", top-5 {100 * found.top5:.2f}%"
    low, high = (100 * end for end in found.interval)
    print(plain(f"{title} ({low:.1f}-{high:.1f} with 95%), error {100 - 100 * found.accuracy:.2f}%{top5}"))
    heat = "" if temperature == 1 else f", at temperature {temperature:.4g}"
    print(f"probabilities{heat}: calibration error {100 * sure.ece:.2f}%, negative log-likelihood {sure.nll:.4f}")


def print_confusion(found: Report, there: tuple[int, ...], classes: tuple[str, ...]) -> None:
    """The whole of it, of the set's classes and those that they were taken for; or, where these are many, the worst pairs."""
    from hubel.evaluation import taken_for

    columns = [j for j in range(len(classes)) if j in there or any(row[j] for row in found.confusion)]
    if len(columns) <= SHOWN:
        names = {j: f"as {classes[j]}" for j in columns}
        rows = [{"": classes[i], **{name: found.confusion[i][j] for j, name in names.items()}} for i in sorted(there)]
        as_table(rows, ["", *names.values()])
        return
    pairs = taken_for(found.confusion)
    as_table(
        [{"class": classes[i], "taken for": classes[j], "pictures": count} for i, j, count in pairs[:SHOWN]],
        ["class", "taken for", "pictures"],
    )
    if len(pairs) > SHOWN:
        print(f"and {len(pairs) - SHOWN:,} more pairs that were mistaken less")


def _percent(share: Any) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
