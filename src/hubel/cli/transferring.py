"""hubel transfer, and hubel train --from: trained networks put to other classes."""

from __future__ import annotations

import argparse
import statistics
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import recipes
from hubel.cli.networks import shape_of
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json, as_table
from hubel.errors import TransferError
from hubel.training.recipe import Recipe
from hubel.transfer.recipes import HEADS, WAYS

if TYPE_CHECKING:
    from hubel.model import Model
    from hubel.transfer.comparing import Bought
    from hubel.transfer.records import Told, Transferred
    from hubel.transfer.ways import Wish

ANY = "-"
"""In the place of a network's name: whatever the weights are of."""

ENDS = 130
"""The exit status of what was stopped."""


def declare(verbs: Any) -> None:
    verb = verbs.add_parser(
        "transfer", allow_abbrev=False, help="put a trained network to other classes in three ways, and see what each bought"
    )
    verb.add_argument("net", help="the network of the casebook whose weights are taken, or - for whatever they are of")
    verb.add_argument("data", help="a set, as for train")
    declare_base(verb, required=True)
    verb.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="go each way with so many seeds, and give an interval (default 1)"
    )
    verb.add_argument("--out", metavar="FOLDER", help="where the runs are kept (default: runs/transfer-NET-DATA)")
    verb.add_argument("--input", metavar="CxHxW", help="what pictures are resized to (default: as the weights were trained)")
    verb.add_argument("--strict", action="store_true", help="stop at a picture that cannot be read instead of leaving it out")
    verb.add_argument("--json", action="store_true", help="print what each way bought as JSON")
    says = "The same for all three ways; what is not said is each way's own, but for epochs, which are those of the frozen base."
    recipes.declare(verb.add_argument_group("recipe", says), fields(Recipe))
    verb.set_defaults(run=run_transfer)


def declare_base(verb: argparse.ArgumentParser, required: bool) -> None:
    """The flags that say with which weights to begin, and what to do with them."""
    group = verb.add_argument_group("trained weights")
    group.add_argument(
        "--from",
        dest="weights",
        required=required,
        metavar="WEIGHTS",
        help="a published id or a row that `hubel weights` lists, a file of anybody's weights, or a model of ours",
    )
    group.add_argument("--origin", metavar="NAME", help="whose file it is, where it does not look like it")
    group.add_argument(
        "--head",
        choices=HEADS,
        default=HEADS[0],
        help=f"the fresh classifier: 256 units and dropout, as in the lecture notes, or the scores alone (default {HEADS[0]})",
    )
    group.add_argument(
        "--views",
        type=int,
        default=0,
        metavar="N",
        help="changed views of each picture, beside itself, whose features the head learns from (default 0)",
    )
    group.add_argument(
        "--release",
        default="",
        metavar="STAGES",
        help="of finetune: the stages that learn, with blanks or commas between them (default: the last three convolutions)",
    )
    group.add_argument("--then-all", action="store_true", help="of finetune: let all of the base learn at the end")  # fmt: skip


def declare_way(verb: argparse.ArgumentParser) -> None:
    """The flags of train that go with --from."""
    verb.add_argument("--way", choices=WAYS, help="how trained weights are used (default: chosen, and said why)")
    verb.add_argument("--minutes", type=float, metavar="N", help="how long it may take, where the way is chosen")


def base_of(given: argparse.Namespace, progress: Progress) -> Model:
    """The trained network that is begun with."""
    from hubel.pretrained.naming import opened
    from hubel.pretrained.saying import described

    model = opened(given.weights, None if given.net == ANY else given.net, given.origin, progress.told)
    for line in described(model).splitlines():
        progress.say(line)
    return model


def wish_of(given: argparse.Namespace) -> Wish:
    from hubel.transfer.ways import Wish

    release = tuple(given.release.replace(",", " ").split())
    return Wish(given.head, given.views, release, given.then_all, shape_of(given.input) if given.input else None, given.strict)


def run_train(given: argparse.Namespace) -> int:
    """hubel train NET DATA --from WEIGHTS."""
    _refuse_unheeded(given)
    from hubel.pictures.sources import open_source
    from hubel.transfer.choosing import choose
    from hubel.transfer.records import Transferred
    from hubel.transfer.ways import recipe_of, transfer

    with Progress(shown=not given.json) as progress:
        base, source, wish = base_of(given, progress), open_source(given.data, progress.told), wish_of(given)
        way = given.way or ("finetune" if wish.release or wish.all else "features" if wish.views else None)
        if way is None:
            choice = choose(base, source, recipe_of("frozen", base).epochs, given.minutes, wish.input, progress.told)
            way, wish = choice.way, replace(wish, all=wish.all or choice.all)
            progress.say(f"way: {way}. {choice.why}.")
        recipe = replace(recipe_of(way, base), **recipes.said(given, fields(Recipe)))
        out = Path(given.out or f"runs/{_called(given.net)}-{source.name}-{way}")
        telling, end = Telling(progress), None
        for end in transfer(base, source, way, recipe, wish, out, progress.told):
            telling.tell(end)
    if not isinstance(end, Transferred):
        return ENDS
    if given.json:
        as_json(
            {"way": way, "accuracy": end.accuracy, "seconds": end.seconds, "digests": end.digests, "model": str(out / "model.safetensors")}
        )
    else:
        print(f"model: {out / 'model.safetensors'}")
    return 0


def _called(net: str) -> str:
    return "weights" if net == ANY else net


def _refuse_unheeded(given: argparse.Namespace) -> None:
    """Raise TransferError for flags that say nothing where trained weights are begun with."""
    for said, flag in ((given.warm_from, "--warm-from"), (given.tensorboard, "--tensorboard"), (given.recipe == "paper", "--recipe paper")):
        if said:
            raise TransferError(f"{flag} goes with fresh weights; with --from it would do nothing: leave it out.")


def refuse_without_weights(given: argparse.Namespace) -> None:
    """Raise TransferError for flags that say nothing where weights are fresh."""
    said = {"--way": given.way, "--minutes": given.minutes, "--origin": given.origin, "--views": given.views, "--release": given.release}
    for flag, value in {**said, "--then-all": given.then_all, "--head": given.head != HEADS[0]}.items():
        if value:
            raise TransferError(f"{flag} goes with trained weights: say which with --from, or leave it out.")


class Telling:
    """Says what there is to say of each record, line by line."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.epochs = progress, 0

    def tell(self, record: Told) -> None:
        from hubel.cli import training
        from hubel.training.records import Finished
        from hubel.transfer.records import Phase, Transferred

        if isinstance(record, Phase):
            self.epochs = record.epochs or self.epochs
            self.progress.say(f"{record.name}: {record.says}")
        elif isinstance(record, Transferred):
            for line in _ended(record):
                self.progress.say(line)
        elif not isinstance(record, Finished):  # the end of a phase is not that of the way
            training.tell(record, self.progress, self.epochs)


def _ended(end: Transferred) -> list[str]:
    before, after = end.digests
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in end.seconds.items() if seconds)
    lines = [f"{end.way}: validation accuracy {100 * end.accuracy:.2f}%; {spent}"]
    if before == after:
        lines.append(f"base: SHA-256 {before} before and after")
    else:
        lines.append(f"base: SHA-256 {before} before, {after} after")
        for what, found in (("weights moved by", end.moved), ("batch norm's means drifted, in deviations, by", end.drifted)):
            if any(found.values()):
                lines.append(f"{what} " + ", ".join(f"{name} {far:.2g}" for name, far in found.items() if far))
    return lines


def run_transfer(given: argparse.Namespace) -> int:
    from hubel.pictures.sources import open_source
    from hubel.transfer.comparing import Bought, compared
    from hubel.transfer.ways import recipe_of, unchanged

    if given.repeats < 1:
        raise TransferError(f"--repeats is {given.repeats}; it must be 1 or more.")
    bought: list[Bought] = []
    with Progress(shown=not given.json) as progress:
        telling = Telling(progress)
        base, source = base_of(given, progress), open_source(given.data, progress.told)
        said = {"epochs": recipe_of("frozen", base).epochs, **recipes.said(given, fields(Recipe))}
        chosen = {way: replace(recipe_of(way, base), **said) for way in WAYS}
        if not given.views:
            chosen["features"] = unchanged(chosen["features"])
        out = Path(given.out or f"runs/transfer-{_called(given.net)}-{source.name}")
        seeds = range(chosen["frozen"].seed, chosen["frozen"].seed + given.repeats)
        for record in compared(base, source, chosen, seeds, wish_of(given), out, progress.told):
            if isinstance(record, Bought):
                bought.append(record)
            else:
                telling.tell(record)
    if given.json:
        as_json([{**_row(one), "model": str(out / one.way / str(seeds[0]) / "model.safetensors")} for one in bought])
    else:
        as_table(
            [_shown(one) for one in bought],
            ["way", "validation", *(["test"] if bought and bought[0].test else []), "seconds", "images/s of an epoch"],
        )
    return 0 if len(bought) == len(WAYS) else ENDS


def _row(one: Bought) -> dict[str, Any]:
    return {"way": one.way, "validation": one.validation, "test": one.test, "seconds": one.seconds, "images_per_second": one.rate}


def _shown(one: Bought) -> dict[str, str]:
    return {
        "way": one.way,
        "validation": _mean(one.validation),
        "test": _mean(one.test),
        "seconds": f"{statistics.mean(one.seconds):,.0f}",
        "images/s of an epoch": f"{one.rate:,.0f}",
    }


def _mean(shares: tuple[float, ...]) -> str:
    """The mean of some runs, with Student's interval where there are two or more."""
    from hubel.evaluation.intervals import of_mean

    if not shares:
        return "-"
    mean = f"{100 * statistics.mean(shares):.2f}%"
    return f"{mean} ({'-'.join(f'{100 * end:.1f}' for end in of_mean(shares))})" if len(shares) > 1 else mean
