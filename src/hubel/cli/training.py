"""hubel train. Its flags are the recipe's fields."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict
from typing import Any

from hubel.cli import recipes, transferring
from hubel.cli.networks import shape_of
from hubel.cli.progress import Progress
from hubel.training.records import Epoch, Finished, LeftOut, Record, Started, Step, Stopped


def declare(verbs: Any) -> None:
    train = verbs.add_parser("train", allow_abbrev=False, help="train a network on pictures; the same command goes on where it was stopped")
    train.add_argument("net", help="a name that `hubel nets` lists, or an expression; with --from also -, for whatever the weights are of")
    train.add_argument("data", help="a set's name (`hubel data` lists them), a folder of class folders, a CSV or JSONL list, or tar shards")
    train.add_argument("--out", metavar="FOLDER", help="the run folder (default: runs/NET-DATA)")
    train.add_argument("--input", metavar="CxHxW", help="what pictures are resized to; a named network brings its own")
    train.add_argument("--strict", action="store_true", help="stop at a picture that cannot be read instead of leaving it out")
    train.add_argument(
        "--warm-from",
        metavar="FILE",
        help="a trained vgg11's model file or run folder, with some layers of which vgg13 and deeper begin, as in their paper",
    )
    train.add_argument("--json", action="store_true", help="print the records as JSON lines")
    train.add_argument("--tensorboard", action="store_true", help="write event files for TensorBoard too, in the run folder's tensorboard/")
    transferring.declare_base(train, required=False)
    transferring.declare_way(train)
    recipes.declare_all(train)
    train.set_defaults(run=run_train)


def run_train(given: argparse.Namespace) -> int:
    from hubel.cluster import joined
    from hubel.pictures.sources import open_source
    from hubel.training.run import train

    if given.weights:
        return transferring.run_train(given)
    transferring.refuse_without_weights(given)
    chosen = recipes.meant(given)
    name = given.net if given.net.isidentifier() else f"net-{hashlib.sha256(given.net.encode()).hexdigest()[:8]}"
    shape = shape_of(given.input) if given.input else None
    with joined(), Progress(shown=not given.json) as progress:
        source = open_source(given.data, progress.told)
        out = given.out or f"runs/{name}-{source.name}"
        for record in train(given.net, source, chosen, out, shape, given.strict, progress.told, given.warm_from, given.tensorboard):
            if given.json:
                _print_json(record)
            else:
                tell(record, progress, chosen.recipe.epochs)
    return 0 if isinstance(record, Finished) else 130


def _print_json(record: Record) -> None:
    kind = type(record).__name__.lower()
    if isinstance(record, Finished):
        print(json.dumps({"record": kind, "path": str(record.path), "results": record.model.results, "early": record.early}), flush=True)
    elif not isinstance(record, Step):
        said = asdict(record)
        said.pop("earlier", None)  # the log has them
        print(json.dumps({"record": kind, **said}, default=str), flush=True)


def tell(record: Record, progress: Progress, epochs: int) -> None:
    """What there is to say of a record, line by line; a step moves the bar."""
    if isinstance(record, Step):
        progress.step(record, epochs)
    elif isinstance(record, Started):
        _print_started(record, progress)
    elif isinstance(record, Epoch):
        train = f"train loss {record.train_loss:.4f}, accuracy {100 * record.train_accuracy:.2f}%"
        validation = f"validation loss {record.validation_loss:.4f}, accuracy {100 * record.validation_accuracy:.2f}%"
        best = " (best)" if record.best else ""
        progress.say(
            f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}  {train}; {validation}{best}; {record.images_per_second:,.0f} images/s"
        )
        for finding in record.findings:
            progress.say(f"watch: {finding.says}")
    elif isinstance(record, LeftOut):
        for refused in record.pictures:
            progress.say(f"left out: {refused.name}: {refused.reason}")
    elif isinstance(record, Stopped):
        progress.say(f"Stopped in epoch {record.epoch} after step {record.step}; all is saved. The same command goes on from there.")
    else:
        _print_finished(record, progress)


def _print_started(record: Started, progress: Progress) -> None:
    for note in record.notes:
        progress.say(f"note: {note}")
    for refused in record.refused:
        progress.say(f"left out: {refused.name}: {refused.reason}")
    for what, count in record.lost.items():
        progress.say(f"note: of {count:,} picture{'s' if count > 1 else ''} something was lost: {what}.")
    if record.refused:
        progress.say(f"{len(record.refused)} pictures were left out; --strict stops at them instead.")
    recipe = record.recipe
    progress.say(
        f"{record.parameters:,} parameters; {record.train:,} pictures to learn from, {record.validation:,} to validate on, {len(record.classes)} classes; "
        f"{recipe.threads} thread{'s' if recipe.threads > 1 else ''}{f' in {recipe.lanes} lanes' if recipe.lanes > 1 else ''}, {recipe.precision}"
    )
    if record.over:
        progress.say("This run is finished.")
    elif record.epoch or record.step:
        progress.say(f"Going on in epoch {record.epoch + 1} after step {record.step}.")


def _print_finished(record: Finished, progress: Progress) -> None:
    results = record.model.results
    if record.early:
        progress.say("Training ended early: no epoch of the last few was better (--patience).")
    loss = f", loss {results['validation_loss']:.4f}" if record.model.recipe.get("judged_by") == "loss" else ""
    progress.say(f"Best: epoch {results['epoch']}, validation accuracy {100 * results['validation_accuracy']:.2f}%{loss}")
    progress.say(f"model: {record.path}")
    if record.path:
        progress.say(f"log:   {record.path.with_name('log.jsonl')}, as a picture: log.png")
