"""A network under advice: sized, with what flows into every layer and where it goes on, and what it costs when parts are others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hubel.advice.meeting import meetings
from hubel.anatomy import Anatomy, Row, anatomy
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum, chained
from hubel.layers import BatchNorm, Dropout, Identity, Layer, ReLU, ReLU6, ScaledTanh, Sigmoid, Tanh, Windowed
from hubel.rewrite import fitted
from hubel.rewrite.sites import MULTIPLYING

ACTIVATIONS = (ReLU, ReLU6, Tanh, ScaledTanh, Sigmoid)

POINTWISE = (*ACTIVATIONS, BatchNorm, Dropout, Identity)
"""Layers that treat every place alike, and keep its maps apart."""

PICTURE = ""
"""The path of what flows into the network."""

COUNTED = ("parameters", "macs")

Saving = tuple[str, int, int]
"""A quantity, now and then."""


@dataclass(frozen=True)
class Advice:
    """One thing to say of a network, and what to do about it."""

    rule: str
    path: str
    """Where it holds, or holds first."""
    finding: str
    remedy: str
    instead: Expression | None = None
    """What should stand at `path`; None where that is for the author to choose."""
    saves: tuple[Saving, ...] = ()
    """(quantity, now, then) of the whole network, with the advice taken wherever it holds: what grows is said too."""
    others: tuple[str, ...] = ()
    """Where else it holds."""
    mended: Chain | None = field(default=None, repr=False)
    """The whole network with the advice taken wherever it holds."""


@dataclass(frozen=True)
class Place:
    """A layer or the join of branches, with the paths of what flows into it and of what reads it."""

    row: Row
    sources: tuple[str, ...]
    readers: tuple[str, ...]

    @property
    def part(self) -> Expression:
        return self.row.part


@dataclass(frozen=True)
class Case:
    """A network that is sized, heads of training left out; windows that did not fit are rounded down."""

    net: Chain
    input: Shape
    sized: Anatomy
    places: dict[str, Place]
    """By path, in the order of computation."""
    refusal: ShapeError | None
    """What sizing said of the first window that does not fit."""

    def rows(self, *kinds: type[Expression]) -> list[Row]:
        """The rows of all layers and joins of these kinds."""
        return [row for row in self.sized.rows if isinstance(row.part, kinds)]

    def multiplying(self) -> list[Row]:
        return self.rows(*MULTIPLYING)

    def behind(self, path: str, passing: Collection[type[Expression]]) -> list[Row]:
        """What reads the output of `path`, directly or through layers and joins of the kinds `passing`, which are not listed."""
        found, waiting, seen = [], list(self.places[path].readers), {path}
        while waiting:
            here = waiting.pop(0)
            if here in seen:
                continue
            seen.add(here)
            place = self.places[here]
            if isinstance(place.part, tuple(passing)):
                waiting += place.readers
            else:
                found.append(place.row)
        return found

    def before(self, path: str, passing: Collection[type[Expression]]) -> Row | None:
        """What flows into `path`, alone, through layers of the kinds `passing`; None where that is the picture."""
        source = self.places[path].sources[0]
        while source != PICTURE and isinstance(self.places[source].part, tuple(passing)):
            source = self.places[source].sources[0]
        return None if source == PICTURE else self.places[source].row

    def part(self, path: str) -> Expression:
        """The layer or joint at `path`."""
        part: Expression = self.net
        for name in path.split(".") if path else ():
            part = dict(part.children())[name]
        return part

    def entering(self, path: str) -> Shape:
        """The shape that flows into what stands at `path`."""
        return self.places[next(leaves(self.part(path), path))[0]].row.input

    def advice(
        self, rule: str, rows: Sequence[Row], finding: str, remedy: str, at: Mapping[str, Expression | None] | None = None
    ) -> Advice:
        """An advice that holds at these rows, first of all at the first; `at` says what stands where when it is taken."""
        path, *others = (row.path for row in rows)
        then = self.with_parts(at) if at else None
        if not at or then is None:
            return Advice(rule, path, finding, remedy, others=tuple(others))
        counts = [(quantity, getattr(self.sized, quantity), getattr(then, quantity)) for quantity in COUNTED]
        saves = tuple((quantity, now, later) for quantity, now, later in counts if now != later)
        return Advice(rule, path, finding, remedy, at.get(path), saves, tuple(others), chained(then.net))

    def with_parts(self, at: Mapping[str, Expression | None]) -> Anatomy | None:
        """The network with other parts at these paths, None being no part at all; None where there can be no such network."""
        try:
            net = _replaced(self.net, at, _above(at), ())
            return anatomy(net, self.input) if net else None
        except HubelError:
            return None


def opened(net: Expression, input: Shape) -> Case:
    """The case of a network for pictures of shape `input`. Raises ShapeError where no rounding down lets it be sized."""
    refusal = None
    whole = chained(net)
    try:
        sized = anatomy(whole, input)
    except ShapeError as error:
        refusal = error
        try:
            whole = _rounded(whole, input)
            sized = anatomy(whole, input)
        except ShapeError:
            raise refusal from None
    rows = {row.path: row for row in sized.rows}
    sources = dict(_sources(whole, (), PICTURE))
    readers: dict[str, list[str]] = {path: [] for path in (PICTURE, *sources)}
    for path, entering in sources.items():
        for source in entering:
            readers[source].append(path)
    places = {path: Place(rows[path], entering, tuple(readers[path])) for path, entering in sources.items()}
    return Case(whole, input, sized, places, refusal)


def _rounded(net: Chain, input: Shape) -> Chain:
    """The network with those windows rounded down that do not fit."""
    rows = anatomy(fitted(net, "floor"), input, heads=True).rows
    misfits = {row.path: row.part for row in rows if isinstance(row.part, Windowed) and any(side.lost for side in meetings(row))}
    return chained(_replaced(net, misfits, _above(misfits), ()) or net)


def _sources(part: Expression, path: tuple[str, ...], before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(path, paths of what flows in) of everything inside `part`; the last is what leaves it. `before` is what flows into the part."""
    if isinstance(part, Layer):
        yield ".".join(path), (before,)
    elif isinstance(part, (Sum, Concat)):
        ends = []
        for name, branch in part.children():
            inside = list(_sources(branch, (*path, name), before))
            yield from inside
            ends.append(inside[-1][0])
        yield ".".join(path), tuple(ends)
    elif not isinstance(part, Head):
        for name, link in part.children():
            inside = list(_sources(link, (*path, name), before))
            yield from inside
            before = inside[-1][0] if inside else before


def _above(paths: Collection[str]) -> set[str]:
    """The paths of all joints that hold one of these."""
    return {path[:end] for path in paths for end in (0, *(end for end, sign in enumerate(path) if sign == "."))}


def _replaced(part: Expression, at: Mapping[str, Expression | None], above: set[str], path: tuple[str, ...]) -> Expression | None:
    """The part with others at these paths; None where nothing is left of it."""
    here = ".".join(path)
    if here in at:
        return at[here]
    if here not in above:
        return part
    parts = [(name, _replaced(inside, at, above, (*path, name))) for name, inside in part.children()]
    if isinstance(part, (Sum, Concat)):  # a branch that holds nothing is the input itself
        return type(part)(*(inside or Identity() for _, inside in parts))
    kept = {name: inside for name, inside in parts if inside is not None}
    if not kept:
        return None
    if isinstance(part, Head):
        return Head(kept["0"], part.weight)
    return Chain(**kept) if isinstance(part, Chain) and part.names is not None else Chain(*kept.values())


def leaves(part: Expression, path: str) -> Iterator[tuple[str, Layer]]:
    """(path, layer) of all layers of what stands at `path`."""
    if isinstance(part, Layer):
        yield path, part
    for name, inside in part.children():
        yield from leaves(inside, f"{path}.{name}")


# --- words ------------------------------------------------------------------------------------------------------------


def said(row: Row) -> str:
    """A layer and its place: Conv(64, 3, pad=1) at conv1.0."""
    text = row.layer if len(row.layer) <= 60 else f"{row.layer[:56]}...)"
    return f"{text} at {row.path}"


def further(rows: Sequence[Row], example: str = "") -> str:
    """A sentence on where else it holds, behind one on the first of these rows: how often, and an example, otherwise the last."""
    return f" So it is in {len(rows)} places, {example or f'the last at {rows[-1].path}'}." if len(rows) > 1 else ""


def percent(part: int, whole: int) -> str:
    """89.4%."""
    return f"{100 * part / whole:.1f}%"


def lines(down: int, across: int) -> str:
    """Rows and columns in words: 1 row and 2 columns."""
    counts = ((down, "row"), (across, "column"))
    return " and ".join(f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counts if count)
