"""hubel compare, advise, draw, notation, worked: what to make of a design. Imports neither torch nor NumPy."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.anatomy import anatomy
from hubel.cli import networks
from hubel.cli.sizing import axes
from hubel.cli.tables import amount, as_json, as_table, cut, heading
from hubel.cli.writing import write
from hubel.errors import HubelError, NotationError, ShapeError
from hubel.joints import chained, shown
from hubel.memory import OPTIMISERS, forecast

if TYPE_CHECKING:
    from hubel.advice import Advice
    from hubel.worked import Way

ADVICE_WIDTH = 120
"""Characters of a line of advice."""


def declare(verbs: Any) -> None:
    compare = verbs.add_parser("compare", allow_abbrev=False, help="what several networks cost, beside one another")
    compare.add_argument("nets", nargs="+", metavar="NET", help=networks.NET)
    networks.declare(compare)
    compare.add_argument(
        "--batch", type=int, default=1, metavar="N", help="pictures at once; multiplies MACs, FLOPs and activations (default 1)"
    )
    compare.add_argument("--optimiser", choices=OPTIMISERS, default="momentum", help="whose state the forecast counts (default momentum)")
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(run=run_compare)
    advise = verbs.add_parser("advise", allow_abbrev=False, help="what a good engineer would say about a design, with the numbers")
    advise.add_argument("net", help=networks.NET)
    networks.declare(advise)
    advise.add_argument("--json", action="store_true", help="print JSON")
    advise.set_defaults(run=run_advise)
    draw = verbs.add_parser("draw", allow_abbrev=False, help="an architecture figure, in the manner of the papers' own, as SVG")
    draw.add_argument("net", help=networks.NET)
    networks.declare(draw)
    draw.add_argument("-o", "--out", metavar="FILE", help="where to write it (default: NAME.svg)")
    draw.add_argument("--depth", type=int, metavar="N", help="how deep to unfold, 0 being the stages alone (default: what stays legible)")
    draw.set_defaults(run=run_draw)
    notation = verbs.add_parser(
        "notation", allow_abbrev=False, help="a network in the lectures' notation, VGG's columns, and as an expression"
    )
    notation.add_argument("net", help=networks.NET)
    notation.add_argument("--classes", type=int, metavar="N", help="classes of a named network (default: the paper's)")
    notation.set_defaults(run=run_notation)
    worked = verbs.add_parser("worked", allow_abbrev=False, help="the worked comparisons of the lecture notes")
    worked.add_argument("--json", action="store_true", help="print JSON")
    worked.set_defaults(run=run_worked)


def run_compare(given: argparse.Namespace) -> int:
    rows = [_compared(text, given) for text in given.nets]
    if given.json:
        as_json(rows)
        return 0
    first = rows[0]
    table = [
        {
            "network": cut(row["network"]),
            "input": shown(row["input"]),
            "weight layers": row["weight_layers"],
            "parameters": row["parameters"],
            "ratio": _ratio(row["parameters"], first["parameters"]),
            "MACs": row["macs"],
            "ratio ": _ratio(row["macs"], first["macs"]),
            "FLOPs": row["flops"],
            "field": axes(*row["field"]),
            "in use": amount(row["peak_bytes"]["use"]),
            "training": amount(row["peak_bytes"]["training"]),
        }
        for row in rows
    ]
    as_table(table, list(table[0]))
    pictures = "1 picture" if given.batch == 1 else f"{given.batch:,} pictures"
    print(f"MACs: multiply-adds of convolutions and fully-connected layers, biases not counted; FLOPs: two a MAC; {pictures}.")
    print(f"in use, training: forecast of the peak of memory in float32, training with {given.optimiser}.")
    return 0


def _compared(text: str, given: argparse.Namespace) -> dict[str, Any]:
    """What one network costs."""
    name, net, shape = networks.chosen(text, given)
    try:
        sized = anatomy(net, shape, given.batch)
    except ShapeError as error:
        raise (HubelError(f"{cut(text)}: {error}") if error.path else error) from None
    peaks = {
        "use": forecast(net, shape, given.batch).peak,
        "training": forecast(net, shape, given.batch, training=True, optimiser=given.optimiser).peak,
    }
    counts = {quantity: getattr(sized, quantity) for quantity in ("weight_layers", "parameters", "macs", "flops")}
    field = [axis.size for axis in sized.field]
    said = {"network": text if name == "net" else name, "input": shape, "batch": given.batch, "optimiser": given.optimiser}
    return {**said, **counts, "field": field, "peak_bytes": peaks}


def _ratio(count: int, first: int) -> str:
    """How many times the first network's count; small shares keep two digits."""
    if not first:
        return "-"
    times = count / first
    return f"x {times:,.2f}" if times >= 0.1 or not count else f"x {times:.2g}"


def run_advise(given: argparse.Namespace) -> int:
    from hubel.advice import advise

    name, net, shape = networks.chosen(given.net, given)
    found = advise(net, shape)
    if given.json:
        as_json([_json_advice(entry) for entry in found])
        return 0
    heading(f"{name}, input {shown(shape)}")
    for number, entry in enumerate(found, 1):
        print(f"\n{number}. {entry.rule}, at {entry.path}")
        for said in (entry.finding, entry.remedy, *_savings(entry)):
            print(textwrap.fill(said, ADVICE_WIDTH, initial_indent="   ", subsequent_indent="   ", break_long_words=False))
    if not found:
        print("Nothing to say: windows fit, and nothing stands out.")
    return 0


def _json_advice(entry: Advice) -> dict[str, Any]:
    said = {name: getattr(entry, name) for name in ("rule", "path", "others", "finding", "remedy", "saves")}
    return {**said, "instead": repr(entry.instead) if entry.instead else None}


def _savings(entry: Advice) -> Iterator[str]:
    """What the remedy brings, a quantity a line."""
    for quantity, now, then in entry.saves:
        yield f"{'MACs' if quantity == 'macs' else quantity}: {now:,} -> {then:,} ({100 * (then - now) / now:+.1f}%)"


def run_draw(given: argparse.Namespace) -> int:
    from hubel.drawing import drawn

    name, net, shape = networks.chosen(given.net, given)
    out = f"{name}.svg" if given.out is None else given.out
    path = Path(out)
    if path.suffix.lower() != ".svg":
        raise HubelError(
            f"--out is {out!r}; figures are SVG, so name it something.svg (browsers and drawing programs turn it into others)."
        )
    write(path, drawn(net, shape, name if name != "net" else "", given.depth))
    print(path)
    return 0


def run_notation(given: argparse.Namespace) -> int:
    from hubel.layers import Dropout
    from hubel.notation import arrows, columns
    from hubel.rewrite import without

    found = networks.meant(given.net, given.classes)
    for style, said, net in (("arrows", arrows, found.net), ("columns", columns, without(found.net, Dropout).net)):
        left_out = " (which leave dropout out)" if chained(net) != chained(found.net) else ""
        heading(f"{style}{left_out}:")
        try:
            print(said(net, found.input, names=False))
        except NotationError as error:
            print(f"cannot say it: {error}")
    heading("expression:")
    print(found.net)
    return 0


def run_worked(given: argparse.Namespace) -> int:
    from hubel.worked import COMPARISONS

    found = [comparison() for comparison in COMPARISONS]
    if given.json:
        as_json([{"title": one.title, "ways": list(map(_json_way, one.ways)), "lesson": one.lesson} for one in found])
        return 0
    for number, comparison in enumerate(found):
        if number:
            print()
        heading(comparison.title)
        rows = [
            {"": way.what, "weights": way.weights, "MACs": way.macs, "field": way.field, **dict(way.columns)} for way in comparison.ways
        ]
        as_table(rows, list(dict.fromkeys(column for row in rows for column in row)))
        print(comparison.lesson)
    return 0


def _json_way(way: Way) -> dict[str, Any]:
    return {"what": way.what, "weights": way.weights, "macs": way.macs, "field": way.field, **dict(way.columns)}
