"""hubel show, nets, paper: networks on paper. Imports neither torch nor NumPy."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hubel.anatomy import Anatomy, Row, anatomy
from hubel.cli import networks
from hubel.cli.tables import amount, as_json, as_table, cut, heading
from hubel.errors import HubelError
from hubel.joints import Expression, Head, Shape, chained, shown
from hubel.memory import OPTIMISERS, Forecast, forecast
from hubel.nets import NETS, variant
from hubel.nets.paper import checked

if TYPE_CHECKING:
    from hubel.tracing import Reconciliation


def declare(verbs: Any) -> None:
    show = verbs.add_parser(
        "show", allow_abbrev=False, help="size a network before it runs: shapes, parameters, multiply-adds, memory, receptive field"
    )
    show.add_argument("net", help=networks.NET)
    networks.declare(show)
    show.add_argument("--batch", type=int, default=1, metavar="N", help="pictures at once; multiplies MACs and activations (default 1)")
    show.add_argument("--optimiser", choices=OPTIMISERS, default="momentum", help="whose state the forecast counts (default momentum)")
    show.add_argument("--heads", action="store_true", help="count the heads of training too")
    show.add_argument("--stages", action="store_true", help="a row a stage, with its share, instead of a row a layer")
    show.add_argument("--torch", action="store_true", help="count again with torch's own counter, and explain every difference")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_show)
    nets = verbs.add_parser("nets", allow_abbrev=False, help="list the networks of the casebook")
    nets.add_argument("part", nargs="?", default="", help="only those with this in their names, such as resnet")
    nets.add_argument("--json", action="store_true", help="print JSON")
    nets.set_defaults(run=run_nets)
    paper = verbs.add_parser("paper", allow_abbrev=False, help="every figure that a network's paper prints, beside ours")
    paper.add_argument("net", nargs="?", help="a name that `hubel nets` lists")
    paper.add_argument("--all", action="store_true", help="every network")
    paper.add_argument("--json", action="store_true", help="print JSON")
    paper.set_defaults(run=run_paper)


def run_show(given: argparse.Namespace) -> int:
    name, net, shape = networks.chosen(given.net, given)
    sized = anatomy(net, shape, given.batch, given.heads)
    using = forecast(net, shape, given.batch)
    training = forecast(net, shape, given.batch, training=True, optimiser=given.optimiser)
    totals = {name: getattr(sized, name) for name in ("parameters", "weights", "biases", "macs", "flops", "activation_bytes")}
    counted = _counted_by_torch(net, shape, given.batch) if given.torch else None
    if given.json:
        forecasts = {"use": _json_forecast(using), "training": _json_forecast(training)}
        said = {"net": repr(net), "input": list(shape), "batch": given.batch, "optimiser": given.optimiser}
        rows = {"rows": [_json_row(row) for row in sized.rows], "stages": _stages(sized)}
        torchs = {"torch": {**dataclasses.asdict(counted), "residual": counted.residual}} if counted else {}
        as_json({**said, **rows, "totals": totals, "peak_bytes": forecasts, **torchs})
        return 0
    batch = f", batch {given.batch:,}" if given.batch > 1 else ""
    heading(f"{name}, input {shown(shape)}{batch}")
    table = [_share_row(row, totals) for row in _stages(sized)] if given.stages else [_table_row(row) for row in sized.rows]
    as_table(table, list(table[0]))
    print(f"{totals['parameters']:,} parameters ({totals['weights']:,} weights, {totals['biases']:,} biases)")
    print(
        f"{totals['macs']:,} multiply-adds (MACs: convolutions and fully-connected layers, biases not counted), {totals['flops']:,} FLOPs"
    )
    print(f"{totals['activation_bytes']:,} bytes of activations in float32")
    print(f"{amount(using.peak)} at the peak of memory in use, forecast (tensors; what libraries work in comes on top)")
    print(f"{amount(training.peak)} at the peak of memory in training with {given.optimiser}, forecast: {_parts(training)}")
    if counted:
        print(*counted.sentences, sep="\n")
    return 0


def _counted_by_torch(net: Expression, shape: Shape, batch: int) -> Reconciliation:
    """Torch's own count beside ours: the one thing here that loads torch."""
    from hubel.tracing import reconciled

    return reconciled(net, shape, batch)


def _parts(found: Forecast) -> str:
    names = {"parameters": "parameters and statistics", "optimiser": "optimiser", "gradients": "gradients", "activations": "activations"}
    parts = ((said, getattr(found, name)) for name, said in names.items())
    way = "back" if found.backward else "forward"
    return f"{', '.join(f'{name} {amount(count)}' for name, count in parts)}; on the way {way}, at {found.path}"


def _json_forecast(found: Forecast) -> dict[str, Any]:
    return {"peak": found.peak, **dataclasses.asdict(found)}


def _stages(sized: Anatomy) -> list[dict[str, Any]]:
    """What each top-level stage gives and costs, heads of training among them if they were counted."""
    rows = []
    for name, part in chained(sized.net).children():
        if isinstance(part, Head) and not any(row.in_head for row in sized.rows):
            continue
        inside = sized.within(name)
        counts = {"parameters": inside.parameters, "macs": inside.macs, "activation_bytes": inside.activation_bytes}
        rows.append({"stage": name, "output": inside.rows[-1].output, **counts})
    return rows


def _share_row(stage: dict[str, Any], totals: dict[str, int]) -> dict[str, Any]:
    def share(quantity: str) -> str:
        return f"{100 * stage[quantity] / totals[quantity]:.1f}%" if totals[quantity] else "-"

    return {
        "stage": stage["stage"],
        "output": shown(stage["output"]),
        "parameters": stage["parameters"],
        "of all": share("parameters"),
        "MACs": stage["macs"],
        "of all ": share("macs"),
        "activation bytes": stage["activation_bytes"],
        "of all  ": share("activation_bytes"),
    }


def _json_row(row: Row) -> dict[str, Any]:
    down, across = row.field
    counts = {"parameters": row.parameters, "macs": row.macs, "activation_bytes": row.activation_bytes}
    field = {
        "size": (down.size, across.size),
        "jump": (down.jump, across.jump),
        "start": (down.start, across.start),
        "aligned": row.aligned,
    }
    return {"stage": row.path, "layer": row.layer, "output": row.output, **counts, "field": field}


def _table_row(row: Row) -> dict[str, Any]:
    down, across = row.field
    return {
        "stage": row.path,
        "layer": cut(row.layer),
        "output": shown(row.output),
        "parameters": row.parameters,
        "MACs": row.macs,
        "activation bytes": row.activation_bytes,
        "field": axes(down.size, across.size),
        "jump": axes(down.jump, across.jump) if row.aligned else "not aligned",
        "start": axes(down.start, across.start),
    }


def axes(down: int | None, across: int | None) -> int | str:
    """A number of each axis, or one where they are equal."""
    texts = ["-" if value is None else str(value) for value in (down, across)]
    if down is not None and down == across:
        return down
    return texts[0] if texts[0] == texts[1] else " x ".join(texts)


def run_nets(given: argparse.Namespace) -> int:
    rows = []
    found = [row for row in NETS.values() if given.part in row.name]
    if not found:
        raise HubelError(f"No network has {given.part!r} in its name; `hubel nets` lists them all.")
    for row in found:
        sized = row.anatomy()
        counts = {"parameters": sized.parameters, "macs": sized.macs}
        shapes = {"input": shown(row.input), "output": shown(sized.output)}
        rows.append({"name": row.name, **shapes, **counts, "what": row.title, "source": row.citation})
    if given.json:
        as_json(rows)
    else:
        as_table([{**row, "MACs": row["macs"]} for row in rows], ["name", "input", "output", "parameters", "MACs", "what"])
    return 0


def run_paper(given: argparse.Namespace) -> int:
    if given.all == bool(given.net):
        raise HubelError("Say one network or --all; `hubel nets` lists them.")
    rows = list(NETS.values()) if given.all else [variant(given.net)]
    checks = {row.name: checked(row, recorded(row.name)) for row in rows}
    differ = sum(check.agrees is False and check.kind != "erratum" for found in checks.values() for check in found)
    if given.json:
        as_json([{"net": name, **dataclasses.asdict(check)} for name, found in checks.items() for check in found])
        return 1 if differ else 0
    verdict = {True: "agree", False: "differ", None: ""}
    for row in rows:
        heading(f"{row.name}: {row.citation}")
        table = [
            {
                **dataclasses.asdict(check),
                "stage": check.at or "all",
                "figure": check.printed,
                "": verdict[check.agrees],
                "place": _placed(check.place, check.why),
            }
            for check in checks[row.name]
        ]
        as_table(table, ["quantity", "stage", "figure", "ours", "", "kind", "place"])
        print()
    errata = sum(check.kind == "erratum" for found in checks.values() for check in found)
    explained = f"; {errata} printed ones that do not follow from the architecture stand as errata, each with the reason" if errata else ""
    rule = "within one unit of the last printed digit, and exactly what follows by arithmetic"
    print(f"All figures that need no training agree, {rule}{explained}." if not differ else f"{differ} figures differ.")
    return 1 if differ else 0


def _placed(place: str, why: str) -> str:
    return f"{place}: {why}" if why else place


def recorded(name: str) -> dict[str, float]:
    """What our own recorded runs of a network reached, by quantity; empty where none is at hand."""
    from importlib.resources import files
    from pathlib import Path

    found: dict[str, float] = {}
    for folder in (Path(str(files("hubel"))) / "results", Path(__file__).parents[3] / "results"):
        for path in sorted(folder.glob(f"run-{name}-*.json")):
            found.update(json.loads(path.read_text()).get("reaches", {}))
    return found
