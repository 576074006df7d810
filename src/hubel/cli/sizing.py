"""hubel show, nets, paper: networks on paper. Imports neither torch nor NumPy."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from typing import Any

from hubel.anatomy import Row, anatomy
from hubel.cli.tables import as_json, as_table, console
from hubel.errors import HubelError
from hubel.joints import Expression, Shape, shown
from hubel.nets import NETS, said, variant
from hubel.nets.paper import Variant, checked
from hubel.rewrite import fitted


def declare(verbs: Any) -> None:
    show = verbs.add_parser(
        "show", allow_abbrev=False, help="size a network before it runs: shapes, parameters, multiply-adds, memory, receptive field"
    )
    show.add_argument("net", help="a name that `hubel nets` lists, or an expression such as 'Conv(6, 5) >> ReLU() >> FC(10)'")
    show.add_argument("--input", metavar="CxHxW", help="the shape of one picture, such as 3x224x224; a named network brings its own")
    show.add_argument("--batch", type=int, default=1, metavar="N", help="pictures at once; multiplies MACs and activations (default 1)")
    show.add_argument("--classes", type=int, metavar="N", help="classes of a named network (default: the paper's)")
    show.add_argument("--fit", choices=("floor",), help="round down where a window does not fit, in every layer")
    show.add_argument("--heads", action="store_true", help="count the heads of training too")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_show)
    nets = verbs.add_parser("nets", allow_abbrev=False, help="list the networks of the casebook")
    nets.add_argument("--json", action="store_true", help="print JSON")
    nets.set_defaults(run=run_nets)
    paper = verbs.add_parser("paper", allow_abbrev=False, help="every figure that a network's paper prints, beside ours")
    paper.add_argument("net", nargs="?", help="a name that `hubel nets` lists")
    paper.add_argument("--all", action="store_true", help="every network")
    paper.add_argument("--json", action="store_true", help="print JSON")
    paper.set_defaults(run=run_paper)


def shape_of(text: str) -> Shape:
    """Read 3x224x224. Raises HubelError for anything else."""
    if not re.fullmatch(r"\d{1,6}(x\d{1,6}x\d{1,6})?", text):
        raise HubelError(f"--input is {text!r}; it must be CxHxW, such as 3x224x224, or N for a vector.")
    return tuple(map(int, text.split("x")))


def run_show(given: argparse.Namespace) -> int:
    found = said(given.net)
    net: Expression
    shape: Shape | None
    if isinstance(found, Variant):
        net, shape, name = found.net(given.classes), found.input, found.name
    elif given.classes is not None:
        raise HubelError(f"--classes is for named networks; an expression says its classes itself, such as FC({given.classes}).")
    else:
        net, shape, name = found, None, "net"
    if given.input:
        shape = shape_of(given.input)
    if shape is None:
        raise HubelError("An expression holds no input shape: say it with --input, such as --input 1x32x32.")
    if given.fit:
        net = fitted(net, given.fit)
    sized = anatomy(net, shape, given.batch, given.heads)
    totals = {name: getattr(sized, name) for name in ("parameters", "weights", "biases", "macs", "activation_bytes")}
    if given.json:
        as_json(
            {"net": repr(net), "input": list(shape), "batch": given.batch, "rows": [_json_row(row) for row in sized.rows], "totals": totals}
        )
        return 0
    batch = f", batch {given.batch}" if given.batch > 1 else ""
    console().print(f"{name}, input {shown(shape)}{batch}", style="bold")
    rows = [_table_row(row) for row in sized.rows]
    as_table(rows, list(rows[0]))
    print(f"{totals['parameters']:,} parameters ({totals['weights']:,} weights, {totals['biases']:,} biases)")
    print(f"{totals['macs']:,} multiply-adds (MACs: convolutions and fully-connected layers, biases not counted)")
    print(f"{totals['activation_bytes']:,} bytes of activations in float32")
    return 0


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
        "layer": row.layer if len(row.layer) <= 44 else f"{row.layer[:40]}...)",
        "output": shown(row.output),
        "parameters": row.parameters,
        "MACs": row.macs,
        "activation bytes": row.activation_bytes,
        "field": _axes(down.size, across.size),
        "jump": _axes(down.jump, across.jump) if row.aligned else "not aligned",
        "start": _axes(down.start, across.start),
    }


def _axes(down: int | None, across: int | None) -> int | str:
    texts = ["-" if value is None else str(value) for value in (down, across)]
    if down is not None and down == across:
        return down
    return texts[0] if texts[0] == texts[1] else " x ".join(texts)


def run_nets(given: argparse.Namespace) -> int:
    rows = []
    for row in NETS.values():
        sized = row.anatomy()
        counts = {"parameters": sized.parameters, "macs": sized.macs}
        rows.append(
            {
                "name": row.name,
                "input": shown(row.input),
                "output": shown(sized.output),
                **counts,
                "what": row.title,
                "source": row.citation,
            }
        )
    if given.json:
        as_json(rows)
    else:
        as_table(rows, ["name", "input", "output", "parameters", "macs", "what"])
    return 0


def run_paper(given: argparse.Namespace) -> int:
    if given.all == bool(given.net):
        raise HubelError(f"Say one network or --all. There is: {', '.join(NETS)}.")
    chosen = list(NETS.values()) if given.all else [variant(given.net)]
    rows, differ = [], 0
    for entry in chosen:
        checks = checked(entry, recorded(entry.name))
        rows += [{"net": entry.name, **dataclasses.asdict(check)} for check in checks]
        differ += sum(check.agrees is False and check.kind != "erratum" for check in checks)
    if given.json:
        as_json(rows)
        return 1 if differ else 0
    verdict = {True: "agree", False: "differ", None: ""}
    table = [{**row, "stage": row["at"] or "all", "ours": row["ours"], "": verdict[row["agrees"]], "why": row["why"]} for row in rows]
    columns = ["quantity", "stage", "printed", "ours", "", "kind", "place"]
    for entry in chosen:
        console().print(f"{entry.name}: {entry.citation}", style="bold")
        own = [row for row in table if row["net"] == entry.name]
        as_table(own, columns + (["why"] if any(row["why"] for row in own) else []))
        print()
    print("All figures that need no training agree." if not differ else f"{differ} figures differ.")
    return 1 if differ else 0


def recorded(name: str) -> dict[str, float]:
    """What our own recorded runs of a network reached, by quantity; empty where none is at hand."""
    from importlib.resources import files
    from pathlib import Path

    found: dict[str, float] = {}
    for folder in (Path(str(files("hubel"))) / "results", Path(__file__).parents[3] / "results"):
        for path in sorted(folder.glob(f"run-{name}-*.json")):
            found.update(json.loads(path.read_text()).get("reaches", {}))
    return found
