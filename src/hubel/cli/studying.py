"""hubel study: the claims of the papers as runs with error bars."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import transferring
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json, as_table
from hubel.errors import RunError
from hubel.placing import place
from hubel.studies import STUDIES, Arm, FromBase, Study, study
from hubel.studies.study import called, printed

if TYPE_CHECKING:
    from hubel.model import Model
    from hubel.pictures.sources import Source
    from hubel.studies.running import Ran

RECORD, FIGURE = "study.json", "study.png"


def declare(verbs: Any) -> None:
    verb = verbs.add_parser(
        "study", allow_abbrev=False, help="run what a source claims, with error bars; the same command goes on where it was stopped"
    )
    verb.add_argument("study", nargs="?", metavar="STUDY", help=f"one of: {', '.join(STUDIES)}; without it, what each claims")
    verb.add_argument("data", nargs="?", help="a set, as for train, divided in three or not at all (default: the study's own, by its name)")
    verb.add_argument(
        "--from",
        dest="weights",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="a trained base, as for train; may be said several times, and as NET=WEIGHTS where a file does not tell whose weights it holds",
    )
    verb.add_argument("--net", metavar="NET", help="the row of the casebook whose weights they all are, where that is not said with each")
    verb.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="run each arm with so many seeds, and give an interval of the mean (default 1)"
    )
    verb.add_argument("--epochs", type=int, metavar="N", help="of every arm (default: each arm's own)")
    verb.add_argument("--out", metavar="FOLDER", help="where the runs are kept (default: runs/study-STUDY-DATA)")
    verb.add_argument("--json", action="store_true", help="print the record, or the list of studies, as JSON")
    verb.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    if given.study is None:
        return _list(given)
    chosen = study(given.study)
    if given.repeats < 1:
        raise RunError(f"--repeats is {given.repeats}; it must be 1 or more.")
    return _run(chosen, given)


def _list(given: argparse.Namespace) -> int:
    if given.json:
        as_json(
            [
                {"study": one.name, "claim": one.claim, "source": one.citation, "arms": [_of_arm(arm) for arm in one.arms]}
                for one in STUDIES.values()
            ]
        )
        return 0
    for one in STUDIES.values():
        print(f"{one.name}: {one.claim}\n{one.citation}; {one.data}, {' + '.join(f'{size:,}' for size in one.sizes)} pictures\n")
        as_table([_of_arm(arm) for arm in one.arms], ["arm", "what is done", "the source"])
    return 0


def _of_arm(arm: Arm) -> dict[str, str]:
    return {"arm": arm.name, "what is done": arm.says, "the source": printed(arm.claim, arm.place)}


def _run(chosen: Study, given: argparse.Namespace) -> int:
    from hubel.pictures.sources import open_source
    from hubel.studies.cutting import cut
    from hubel.studies.running import Begun, Ran, run

    done: list[Ran] = []
    with Progress(shown=not given.json) as progress:
        telling = transferring.Telling(progress)
        source = cut(open_source(given.data or chosen.data, progress.told), chosen.sizes)
        for note in source.notes:
            progress.say(f"note: {note}")
        bases = _bases(given, progress)
        left_out = [arm.name for arm in chosen.arms if isinstance(arm.how, FromBase) and not bases]
        if left_out:
            progress.say(f"Left out, since they begin with trained weights (--from): {', '.join(left_out)}.")
        out = Path(given.out or f"runs/study-{chosen.name}-{source.name}")
        for one in run(chosen, source, bases, out, range(given.repeats), given.epochs, progress.told):
            if isinstance(one, Begun):
                telling.epochs = one.recipe.epochs
                progress.say(f"== {called(one.arm.name, one.base)}, seed {one.seed}: {one.arm.says}")
            elif isinstance(one, Ran):
                done.append(one)
                progress.say(f"validation {100 * one.validation:.1f}%, test {100 * one.test:.1f}%, {one.seconds:,.0f} s")
            else:
                telling.tell(one)
    if not isinstance(one, Ran):
        return transferring.ENDS
    _show(chosen, done, source, bases, out, given.json)
    return 0


def _show(chosen: Study, done: list[Ran], source: Source, bases: dict[str, Model], out: Path, json_wanted: bool) -> None:
    """Write what was found, and print it."""
    from hubel.studies.curves import curves
    from hubel.studies.record import record, table
    from hubel.training.folder import writing
    from hubel.training.plot import png

    found = record(chosen, done, source, bases)
    with writing(out):
        place(out / RECORD, f"{json.dumps(found, indent=1)}\n".encode())
        place(out / FIGURE, png(curves(found)))
    if json_wanted:
        as_json(found)
    else:
        rows = table(found)
        as_table(rows, list(rows[0]))
        print(f"record: {out / RECORD}\nfigure: {out / FIGURE}")


def _bases(given: argparse.Namespace, progress: Progress) -> dict[str, Model]:
    """The trained networks that are begun with, each by a name of its own."""
    from hubel.pretrained.naming import opened

    bases: dict[str, Model] = {}
    for text in given.weights:
        row, weights = row_of(text)
        base = opened(weights, row or given.net, None, progress.told)
        name = row or (str(base.data.get("row") or given.net or Path(weights).stem) if Path(weights).exists() else weights)
        if name in bases:
            raise RunError(f"--from has {name} twice; each base is run once, and --repeats runs it with several seeds.")
        bases[name] = base
    return bases


def row_of(text: str) -> tuple[str | None, str]:
    """What NET=WEIGHTS says: the row, None where it is not said, and the weights."""
    row, said, weights = text.partition("=")
    return (row, weights) if said and row.isidentifier() else (None, text)
