"""The page: title and counts, rows of stages, legend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hubel.anatomy import Anatomy, anatomy
from hubel.drawing.folding import Stage, boxes, stages
from hubel.drawing.ink import ARROWHEAD, FONT, PAPER, SOFT, clean, cut, element, moved, number, text, wrapped
from hubel.drawing.labels import counted
from hubel.drawing.legend import legend
from hubel.drawing.rows import MARGIN, NARROWEST, TURN, Row, cards, rows, turn
from hubel.errors import HubelError, shortened
from hubel.joints import Expression, Shape, shown

TITLE, COUNTS = 17, 11

MOST_BOXES, LEGIBLE = 360, 1600
"""Layers and joints that a figure shows, and pixels that it is wide, before it hides what lies deepest. Inception-v3 has fewer boxes."""


def drawn(net: Expression, input: Shape, title: str = "", depth: int | None = None, heads: bool = True) -> str:
    """The network as a figure: SVG text, all ASCII, equal for equal networks; with `heads`, those of training too.

    Joints are opened `depth` deep, 0 for the stages alone; unless told, as deep as stays legible. Raises ShapeError as `anatomy` does.
    """
    if depth is not None and (type(depth) is not int or depth < 0):
        raise HubelError(
            f"The depth is {shortened(depth)}; it must be a whole number: 0 for the stages alone, more to open what is in them."
        )
    sized, title = anatomy(net, input, heads=heads), clean(title)
    parts, lines = _opened(sized, depth)
    wide = max(NARROWEST - MARGIN, *(row.right for row in lines)) + MARGIN
    heading, y = _heading(sized, title, wide - 2 * MARGIN)
    body = [moved(MARGIN, 0, heading)]
    for row, after in zip(lines, [*lines[1:], None]):
        y += row.above
        body.append(row.drawn(y))
        end = y + row.below + 2 * TURN
        if after:
            body.append(turn(row, y, after, end + after.above, wide))
        y = end
    signs, high = legend(parts, wide - 2 * MARGIN)
    body.append(moved(MARGIN, y, signs))
    return _document(wide, y + high + MARGIN / 2, title, _description(parts, input), "".join(body))


def _opened(sized: Anatomy, depth: int | None) -> tuple[list[Stage], list[Row]]:
    """The stages and their rows, as deep as told, or as has no more than MOST_BOXES and is no wider than LEGIBLE."""
    for deep in range(sized.net.depth, -1, -1) if depth is None else [depth]:
        parts = stages(sized, deep)
        if depth is not None or sum(boxes(part.nodes) for part in parts) <= MOST_BOXES:
            lines = rows(cards(parts, sized.input))
            if depth is not None or max(row.right for row in lines) <= LEGIBLE:
                return parts, lines
    parts = stages(sized, -1)
    return parts, rows(cards(parts, sized.input))


def _heading(sized: Anatomy, title: str, room: float) -> tuple[str, float]:
    """The title and what the network has in all, and their height."""
    used, heads = [row for row in sized.rows if not row.in_head], [row for row in sized.rows if row.in_head]
    parameters, macs = sum(row.parameters for row in used), sum(row.macs for row in used)
    counts = f"{counted(parameters, 'parameter')}, {counted(macs, 'multiply-add')} (MACs), {counted(sized.weight_layers, 'weighted layer')} deep."
    if heads:
        counts += f" The heads, in training only, have {counted(sum(row.parameters for row in heads), 'parameter')} more."
    y, lines = (52 if title else 30), wrapped(counts, room, COUNTS)
    said = [text(0, 30, cut(title, room, TITLE, bold=True), TITLE, "start", bold=True)]
    said += [text(0, y + 15 * place, words, COUNTS, "start", fill=SOFT) for place, words in enumerate(lines)]
    return "".join(said), y + 15 * len(lines)


def _description(parts: Sequence[Stage], input: Shape) -> str:
    """The figure in words, for who cannot see it."""
    said = [f"{clean(part.name)} {'is a head of training' if part.head else f'gives {shown(part.output)}'}" for part in parts]
    return f"Input {shown(input)}; {'; '.join(said)}."


def _document(wide: float, high: float, title: str, description: str, body: str) -> str:
    inside = (
        element("title", escape(title or "A network")),
        element("desc", escape(description)),
        element("defs", ARROWHEAD),
        element("rect", width=wide, height=high, fill=PAPER),
        element("g", body, font_family=FONT),
    )
    size: dict[str, str | float] = {"viewBox": f"0 0 {number(wide)} {number(high)}", "width": wide, "height": high, "role": "img"}
    whole = element("svg", "".join(inside), xmlns="http://www.w3.org/2000/svg", **size)
    return whole.encode("ascii", "xmlcharrefreplace").decode() + "\n"
