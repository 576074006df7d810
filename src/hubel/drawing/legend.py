"""The legend: a sample and a word for every sign that a figure uses, and what its proportions mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hubel.drawing.folding import Fold, Hidden, Node, Split, Stage, is_bare
from hubel.drawing.ink import EDGE, FILLS, PAPER, SOFT, arrow, element, moved, rect, text, width, wrapped
from hubel.drawing.labels import kind
from hubel.drawing.maps import block
from hubel.drawing.pieces import bar, plus
from hubel.joints import Sum

SIZE, LINE, SAMPLE = 10.5, 22, 28

PROPORTIONS = (
    "maps, CxHxW: the thickness goes with the root of C, the height with the root of H, the depth with the root of W"
    " (at half length, as in cabinet projection), on one scale for the whole figure"
)


def _swatch(fill: str, stroke: str, radius: float = 2, dashes: str = "none", inside: str = "") -> str:
    return rect(1, 1, SAMPLE - 2, 14, fill, stroke, radius, stroke_dasharray=dashes) + text(SAMPLE / 2, 12, inside, 10, bold=True)


SIGNS: dict[str, tuple[str, str]] = {
    **{name: (_swatch(fill, SOFT), f"{name} layer" if name == "other" else name) for name, fill in FILLS.items()},
    "sum": (plus(SAMPLE / 2, 0), "added"),
    "concat": (bar([(1, 13, 0, ""), (14, 13, 0, "")], 0), "stacked: the maps of each"),
    "identity": (arrow([(2, 3), (SAMPLE - 6, 3), (SAMPLE - 6, 13), (4, 13)], 6), "what came in, unchanged"),
    "fold": (_swatch(PAPER, EDGE, radius=6, inside="x n"), "n times, one after another"),
    "hidden": (_swatch(PAPER, SOFT, dashes="5 2"), "not opened"),
    "head": (_swatch(PAPER, EDGE, radius=5, dashes="3 3"), "in training only"),
}
"""A sample, SAMPLE by 16, and what it means."""


def legend(stages: Sequence[Stage], room: float) -> tuple[str, float]:
    """The legend for what the stages use, within `room` pixels, and its height."""
    used = {sign for stage in stages for sign in _signs(stage.nodes)} | {"head" for stage in stages if stage.head is not None}
    drawn, x, y = [], 0.0, 0.0
    for name, (sample, words) in SIGNS.items():
        if name in used:
            wide = SAMPLE + 6 + width(words, SIZE)
            if x + wide > room:
                x, y = 0.0, y + LINE
            drawn.append(moved(x, y, sample + text(SAMPLE + 6, 12, words, SIZE, "start")))
            x += wide + 16
    y += LINE + 2
    drawn.append(block(1, y + 5, 16, 10, 7))
    for words in wrapped(PROPORTIONS, room - SAMPLE - 6, SIZE):
        drawn.append(text(SAMPLE + 6, y + 12, words, SIZE, "start", fill=SOFT))
        y += 15
    return element("g", "".join(drawn), class_="legend"), y + 6


def _signs(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Split):
            yield "sum" if isinstance(node.joint, Sum) else "concat"
            for branch in node.branches:
                yield from ["identity"] if is_bare(branch) else _signs(branch)
        elif isinstance(node, Fold):
            yield "fold"
            yield from _signs(node.inside)
        else:
            yield "hidden" if isinstance(node, Hidden) else kind(node.layer)
