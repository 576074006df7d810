"""hubel calibrate: one number that makes a model's probabilities mean what they say."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import models
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json, as_table
from hubel.cli.testing import drawable, say_what_is_odd, tested
from hubel.cli.writing import plain, write
from hubel.errors import HubelError

if TYPE_CHECKING:
    from hubel.evaluation.calibration import Fit
    from hubel.model import Model
    from hubel.pictures.batches import Feed
    from hubel.pictures.sources import Source

FEW = 200
"""Pictures below which a temperature is little more than a guess."""


def declare(verbs: Any) -> None:
    calibrate = verbs.add_parser(
        "calibrate", allow_abbrev=False, help="make a model's probabilities mean what they say; its decisions stay as they are"
    )
    models.declare(calibrate)
    calibrate.add_argument(
        "data", help="the set that it was trained on: its validation split is read or, where it has none, the part that training held out"
    )
    calibrate.add_argument("--split", metavar="NAME", help="which split is read instead; it should be neither learned from nor the test")
    calibrate.add_argument("--figure", metavar="FILE", help="draw how often it is right beside how sure it is, before and after, as a PNG")
    calibrate.add_argument("--strict", action="store_true", help="stop at a picture that cannot be read instead of leaving it out")
    calibrate.add_argument("--json", action="store_true", help="print JSON")
    calibrate.set_defaults(run=run_calibrate)


def run_calibrate(given: argparse.Namespace) -> int:
    from hubel.cluster import joined
    from hubel.evaluation import predicted
    from hubel.evaluation.calibration import calibration, fitted
    from hubel.evaluation.reliability import diagrams
    from hubel.model import IN_A_RUN
    from hubel.pictures.sources import open_source
    from hubel.training import folder

    drawn = drawable(given.figure, "--figure")
    path = Path(given.model) / IN_A_RUN if Path(given.model).is_dir() else Path(given.model)
    with ExitStack() as kept:
        with joined() as ranks, Progress(shown=not given.json) as progress:
            if ranks.first and (path.parent / folder.RECIPE).exists():
                kept.enter_context(folder.held(path.parent))  # a run that went on there meanwhile would write a better model
            model = models.opened(given)
            source = open_source(given.data, progress.told)
            model.numbers_of(source.classes, source.name)  # before anything is decoded
            pictures, name = _pictures(model, source, given, progress)
            found = tested(model, source, pictures, progress, ranks)
        if not ranks.first:
            return 0
        title = f"{source.name}: {len(found.labels):,} pictures, {name}"
        fit = fitted(found.scores, found.labels)
        if fit.bounded:
            raise HubelError(_hopeless(len(found.labels), fit.temperature))
        heats = {"before": model.temperature, "after": fit.temperature}
        sides = {when: calibration(found.scores, found.labels, heat) for when, heat in heats.items()}
        if drawn:
            parts = [(f"{when}, at temperature {heat:.4g}", sides[when]) for when, heat in heats.items()]
            write(drawn, diagrams(parts, title))
        replace(model, temperature=fit.temperature).save(path)
    say_what_is_odd(model, source, found)
    for note in _notes(model, pictures, name, len(found.labels), fit):
        print(plain(f"note: {note}"), file=sys.stderr)
    accuracy = float((predicted(found.scores) == found.labels).double().mean())
    rows = {when: {"temperature": heats[when], "nll": one.nll, "ece": one.ece, "accuracy": accuracy} for when, one in sides.items()}
    if given.json:
        counted = {"data": source.name, "split": name, "pictures": len(found.labels), "left_out": len(found.left_out)}
        as_json({**counted, **rows, "interval": fit.interval, "model": str(path)})
        return 0
    print(plain(title))
    as_table([{"": when, **_worded(row)} for when, row in rows.items()], ["", *_worded(rows["after"])])
    low, high = fit.interval
    print(f"temperature {fit.temperature:.4g} ({low:.3g}-{high:.3g} with 95%)")
    print(plain(f"model: {path}"))
    if drawn:
        print(plain(f"figure: {drawn}"))
    return 0


def _worded(row: dict[str, float]) -> dict[str, Any]:
    return {
        "temperature": row["temperature"],
        "negative log-likelihood": row["nll"],
        "calibration error": f"{100 * row['ece']:.2f}%",
        "accuracy": f"{100 * row['accuracy']:.2f}%",
    }


def _pictures(model: Model, source: Source, given: argparse.Namespace, progress: Progress) -> tuple[Feed, str]:
    """Pictures that were not learned from, and how they are called."""
    from hubel.pictures.feeding import feed
    from hubel.training.reserved import reserved

    telling = partial(progress.told, "decoding")
    if not given.split and "validation" not in source.openers:
        return reserved(model, source, given.strict, telling), "held out in training"
    name = given.split or "validation"
    return feed(source.split(name), model.pixels, strict=given.strict, told=telling), name


def _hopeless(count: int, temperature: float) -> str:
    """Why no temperature suits the pictures, where the best lies beyond all that are looked at."""
    if temperature < 1:
        why = "every one is recognised, or nearly so, and the likelihood grows without end as the temperature falls"
    else:
        why = "the network is no better than chance on them"
    return (
        f"These {count:,} pictures tell of no temperature: {why}. The model file stays as it is; take more pictures, or others (--split)."
    )


def _notes(model: Model, pictures: Feed, name: str, count: int, fit: Fit) -> list[str]:
    """What makes the temperature less than it seems."""
    notes, (low, high) = [], fit.interval
    if count < FEW:
        notes.append(f"the temperature was fitted to {count:,} pictures, fewer than {FEW}: it is rough, and so are the errors on so few.")
    if low <= 1 <= high:
        notes.append(
            f"the temperature lies between {low:.3g} and {high:.3g} with 95%: these pictures do not tell whether the network is too sure, "
            f"above 1, or not sure enough."
        )
    if name == "train" or pictures.fingerprint() == model.data.get("fingerprint"):
        notes.append(
            "the network learned from these pictures, so it is surer of them than of new ones, and will seem surer than it should."
        )
    if name == "test":
        notes.append("the test split is fitted to now: what `hubel test` says of probabilities on it is too good.")
    return notes
