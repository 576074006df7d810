"""What of a network a figure shows: equal neighbours fold to one with its count, and what lies too deep hides in one box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from hubel.anatomy import Anatomy, Row
from hubel.drawing.labels import is_strip, kind
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum, chained
from hubel.layers import Identity, Layer

MOST_STAGES = 48
"""Stages that a figure shows before it hides those in the middle."""

LONGEST_PERIOD = 4
"""Parts that may repeat together: convolution, norm, activation, dropout."""


@dataclass(frozen=True)
class Box:
    """One layer. Within a fold it stands in several places: `ends` are the paths of the rows of what leaves, as for every node."""

    layer: Layer
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Hidden:
    """Parts that are not opened, and how many layers they have."""

    layers: int
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """What is `inside`, `times` times one after another."""

    times: int
    inside: tuple[Node, ...]
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Branches that read the same, and the joint in which they end."""

    joint: Sum | Concat
    branches: tuple[tuple[Node, ...], ...]
    ends: tuple[str, ...]


Node = Box | Hidden | Fold | Split


@dataclass(frozen=True)
class Stage:
    """A top-level part of the network, or several that are shown as one; `head` is the weight of one that exists in training only."""

    name: str
    nodes: tuple[Node, ...]
    rows: tuple[Row, ...]
    head: float | None

    @property
    def output(self) -> Shape:
        return [row for row in self.rows if row.in_head == (self.head is not None)][-1].output


def stages(sized: Anatomy, depth: int) -> list[Stage]:
    """The stages of a network, joints in them opened `depth` deep; at -1 not even layers are shown one by one.

    Heads are among them where the anatomy has their rows.
    """
    rows = {name: tuple(inside) for name, inside in groupby(sized.rows, lambda row: row.path.partition(".")[0])}
    groups = _elided([group for group in _groups(chained(sized.net)) if group.names[0] in rows])
    return [
        Stage(group.title, group.nodes(depth), tuple(row for name in group.names for row in rows.get(name, ())), group.head)
        for group in groups
    ]


def boxes(nodes: Sequence[Node]) -> int:
    """How many layers and joints are shown."""
    total = len(nodes)
    for node in nodes:
        if isinstance(node, Fold):
            total += boxes(node.inside)
        elif isinstance(node, Split):
            total += sum(map(boxes, node.branches))
    return total


def is_bare(branch: Sequence[Node]) -> bool:
    """Whether a branch is the identity, so that a line says it all."""
    return len(branch) == 1 and isinstance(branch[0], Box) and isinstance(branch[0].layer, Identity)


# --- which parts stand together ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Link:
    """One part at the paths where it stands."""

    part: Expression
    paths: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        part, below = self.part, ""
        while isinstance(part, Chain):
            *_, (name, part) = part.children()
            below += f".{name}"
        return tuple(path + below for path in self.paths)

    def inside(self) -> list[_Link]:
        return [_Link(part, tuple(f"{path}.{name}" for path in self.paths)) for name, part in self.part.children()]


@dataclass(frozen=True)
class _Group:
    """What one stage of the figure has: top-level names and the parts behind them; `closed` ones are never opened."""

    names: tuple[str, ...]
    links: tuple[_Link, ...]
    head: float | None = None
    closed: bool = False

    @property
    def title(self) -> str:
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} to {self.names[-1]}"

    def nodes(self, depth: int) -> tuple[Node, ...]:
        if self.closed or (depth < 0 and len(self.links) > 1):
            return (Hidden(sum(link.part.layers for link in self.links), self.links[-1].ends),)
        return _opened(self.links, depth)


def _groups(net: Chain) -> list[_Group]:
    """The stages; where none is named, each layer that reads a window or everything begins one, and what only follows it is in it."""
    together: list[list[_Link]] = []
    for name, part in net.children():
        link = _Link(part, (name,))
        follows = isinstance(part, Layer) and (is_strip(part) or kind(part) == "pool")
        if net.names is None and together and (follows or part == together[-1][-1].part) and not isinstance(together[-1][-1].part, Head):
            together[-1].append(link)
        else:
            together.append([link])
    groups = []
    for links in together:
        names, part = tuple(link.paths[0] for link in links), links[0].part
        groups.append(_Group(names, tuple(links[0].inside()), part.weight) if isinstance(part, Head) else _Group(names, tuple(links)))
    return groups


def _elided(groups: list[_Group]) -> list[_Group]:
    """The groups, those in the middle as one where they are too many."""
    if len(groups) <= MOST_STAGES:
        return groups
    half = MOST_STAGES // 2
    middle = groups[half:-half]
    names = tuple(name for group in middle for name in group.names)
    links = tuple(link for group in middle for link in group.links)
    head = None if any(group.head is None for group in middle) else middle[0].head
    return [*groups[:half], _Group(names, links, head, closed=True), *groups[-half:]]


# --- how deep they are opened -----------------------------------------------------------------------------------------


def _opened(links: Sequence[_Link], depth: int) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for run, times in _runs(links):
        inside = tuple(node for link in run for node in _nodes(link, depth))
        if times > 1:
            last = run[-1].ends
            inside = (Fold(times, inside, last[-len(last) // times :]),)
        for node in inside:
            before = nodes[-1] if nodes else None
            if isinstance(node, Hidden) and isinstance(before, Hidden):
                nodes[-1] = Hidden(before.layers + node.layers, node.ends)
            else:
                nodes.append(node)
    return tuple(nodes)


def _nodes(link: _Link, depth: int) -> tuple[Node, ...]:
    part = link.part
    if isinstance(part, Layer):
        return (Box(part, link.paths),)
    if depth < 1:
        return (Hidden(part.layers, link.ends),)
    if isinstance(part, (Sum, Concat)):
        return (Split(part, tuple(_opened([branch], depth - 1) for branch in link.inside()), link.paths),)
    return _opened(link.inside(), depth - 1)


def _runs(links: Sequence[_Link]) -> Iterator[tuple[list[_Link], int]]:
    """Parts that repeat together, each with the paths of all its copies in order, and how often they do; others are runs of one."""
    at = 0
    while at < len(links):
        period, times = _repeated(links, at)
        copies = [links[at + copy * period : at + (copy + 1) * period] for copy in range(times)]
        yield [_Link(same[0].part, tuple(path for link in same for path in link.paths)) for same in zip(*copies)], times
        at += period * times


def _repeated(links: Sequence[_Link], at: int) -> tuple[int, int]:
    """How many parts from `at` on repeat together, and how often: one part twice or more, several four times or more."""
    for period in range(1, LONGEST_PERIOD + 1):
        end = at + period
        while end < len(links) and links[end].part == links[end - period].part:
            end += 1
        times = (end - at) // period
        if times >= (2 if period == 1 else 4):
            return period, times
    return 1, 1
