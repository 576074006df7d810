"""hubel lr: a learning rate for a network and its pictures, found by raising it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hubel.cli import recipes
from hubel.cli.networks import shape_of
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json
from hubel.cli.writing import write
from hubel.errors import HubelError


def declare(verbs: Any) -> None:
    lr = verbs.add_parser("lr", allow_abbrev=False, help="suggest a learning rate: raise it step by step until training breaks")
    lr.add_argument("net", help="a name that `hubel nets` lists, or an expression")
    lr.add_argument("data", help="a set, as for train")
    lr.add_argument("-o", "--out", metavar="FILE", default="lr.png", help="where to write the curve (default lr.png)")
    lr.add_argument("--input", metavar="CxHxW", help="what pictures are resized to; a named network brings its own")
    lr.add_argument("--lowest", type=float, default=1e-6, metavar="N", help="the first rate (default 1e-6)")
    lr.add_argument("--highest", type=float, default=10.0, metavar="N", help="the last rate (default 10)")
    lr.add_argument("--steps", type=int, default=200, metavar="N", help="steps from the one to the other (default 200)")
    lr.add_argument("--strict", action="store_true", help="stop at a picture that cannot be read instead of leaving it out")
    lr.add_argument("--json", action="store_true", help="print JSON")
    recipes.declare_all(lr)
    lr.set_defaults(run=run_lr)


def run_lr(given: argparse.Namespace) -> int:
    from hubel.training.beginning import begun
    from hubel.training.curve import curve
    from hubel.training.rates import refuse_no_range, tried

    chosen, out = recipes.meant(given), Path(given.out)
    if out.suffix.lower() != ".png":
        raise HubelError(f"--out is {given.out!r}; the curve is a PNG, so name it something.png.")
    refuse_no_range(given.lowest, given.highest, given.steps)
    shape = shape_of(given.input) if given.input else None
    with Progress(shown=not given.json) as progress:
        network, job = begun(given.net, given.data, chosen, shape, given.strict, progress.told)
        found = tried(network, job, given.lowest, given.highest, given.steps, progress.told)
    name = given.net if given.net.isidentifier() else "the network"
    write(out, curve(found, f"{name} on {given.data}: {job.recipe.optimiser}, {job.recipe.batch * job.recipe.accumulate} pictures a step"))
    if given.json:
        as_json({"suggested": found.suggested, "curve": str(out), **asdict(found)})
        return 0
    print(f"suggested: --lr {found.suggested:g}, a tenth of {found.lowest:.2g}, where the loss is least")
    print(f"the loss falls fastest at {found.steepest:.2g}; {len(found.rates)} rates were tried, up to {found.rates[-1]:.2g}")
    print(f"curve: {out}")
    return 0
