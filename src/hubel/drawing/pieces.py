"""The inside of a stage: layers as boxes, branches side by side, sums, stacks and folds, each a piece that others are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from hubel.anatomy import Row
from hubel.drawing.folding import Box, Fold, Hidden, Node, Split, is_bare
from hubel.drawing.ink import EDGE, FILLS, INK, MAPS, PAPER, SOFT, arrow, circle, element, line, moved, number, path, rect, text, width
from hubel.drawing.labels import counted, is_strip, kind, label, ranged
from hubel.errors import shortened
from hubel.joints import Sum

LAYER, STRIP, BAR, PLUS = 20, 15, 16, 8
"""Heights of a layer, of a strip along it, of the bar in which maps are stacked; the radius of a sum's sign."""

GAP, SHORT, FORK, BUS = 22, 12, 16, 5
"""Lengths of an arrow with a shape, of one without; of the fork above branches and the lines below, and where it forks."""

NARROWEST, LANE, WIDEST_STRIPS = 84, 20, 124
"""Widths of a layer at least, of a bare line, of two strips side by side at most."""

APART, COLUMNS, PADDING = 10, 24, 8
"""What lies between branches, between columns, and around what is in a fold."""

TALLEST = 360
"""Of a column: a longer stage goes on in the next."""

LARGE, SMALL = 11, 10

Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Piece:
    """Something drawn: what flows comes in at the top, `axis` from the left, and leaves at the bottom, `aside` from there."""

    width: float
    height: float
    axis: float
    svg: str
    boxed: bool = True
    """Whether there is a box at the top, so that an arrowhead may end on it."""
    aside: float = 0

    def roomy(self, half: float) -> Piece:
        """The piece with at least `half` pixels on either side of its axis."""
        before, behind = max(0.0, half - self.axis), max(0.0, half - self.width + self.axis)
        svg = moved(before, 0, self.svg) if before else self.svg
        return Piece(self.width + before + behind, self.height, self.axis + before, svg, self.boxed)


# --- one after another ------------------------------------------------------------------------------------------------


def sequence(nodes: Sequence[Node], rows: Rows, tallest: float = math.inf) -> Piece:
    """Nodes one below another, with the shapes that flow between them on the arrows; in columns where they are too tall."""
    bricks = _bricks(nodes)
    wide = max([NARROWEST, *map(_natural, bricks)])
    pieces = [_piece(brick, wide, rows) for brick in bricks]
    shapes = ["" if all(map(_is_strip, after)) else _shape(brick[-1], rows) for brick, after in pairwise(bricks)]
    steps = list(zip(["", *shapes], pieces))
    total = sum(piece.height + GAP for piece in pieces)
    limit = total / math.ceil(total / tallest) if total > tallest else total
    columns: list[list[tuple[str, Piece]]] = [[]]
    for step in steps:
        if columns[-1] and sum(piece.height + GAP for _, piece in columns[-1]) + step[1].height / 2 > limit:
            columns.append([])
        columns[-1].append(step)
    return _side_by_side(columns) if len(columns) > 1 else _stacked(steps)


def _shape(node: Node, rows: Rows) -> str:
    return ranged([rows[end].output for end in node.ends])


def _stacked(steps: Sequence[tuple[str, Piece]]) -> Piece:
    """Pieces one below another, each with the shape that flows into it, for all but the first."""
    axis = max(piece.axis for _, piece in steps)
    right = max(max(piece.width - piece.axis, width(shape, SMALL) + 5) for shape, piece in steps)
    drawn: list[str] = []
    y = 0.0
    for shape, piece in steps:
        if drawn:
            gap = GAP if shape else SHORT
            drawn.append((arrow if piece.boxed else line)([(axis, y), (axis, y + gap)]))
            drawn.append(text(axis + 5, y + gap / 2 + 2, shape, SMALL, "start", fill=SOFT))
            y += gap
        drawn.append(moved(axis - piece.axis, y, piece.svg))
        y += piece.height
    return Piece(axis + right, y, axis, "".join(drawn), steps[0][1].boxed)


def _side_by_side(columns: Sequence[Sequence[tuple[str, Piece]]]) -> Piece:
    """Columns from left to right; a line leads from the foot of each to the top of the next."""
    pieces = [_stacked(steps) for steps in columns]
    height = GAP + max(piece.height for piece in pieces) + SHORT
    drawn: list[str] = []
    left, foot = 0.0, (pieces[0].axis, 0.0)
    for steps, piece in zip(columns, pieces):
        axis, bend, low = left + piece.axis, left - COLUMNS / 2, foot[1] + SHORT - BUS
        lead = [foot, (foot[0], low), (bend, low), (bend, BUS), (axis, BUS)] if drawn else [foot]
        drawn.append((arrow if piece.boxed else line)([*lead, (axis, GAP)], 6))
        drawn.append(text(axis + 6, GAP - 6, steps[0][0], SMALL, "start", fill=SOFT))
        drawn.append(moved(left, GAP, piece.svg))
        left, foot = left + piece.width + COLUMNS, (axis, GAP + piece.height)
    drawn.append(line([foot, (foot[0], height)]))
    return Piece(left - COLUMNS, height, pieces[0].axis, "".join(drawn), boxed=False, aside=foot[0] - pieces[0].axis)


# --- layers -----------------------------------------------------------------------------------------------------------


def _bricks(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes that are drawn in one: strips with the layer before them or, where norm or activation come first, the one after."""
    first = nodes[0]
    ahead = isinstance(first, Box) and kind(first.layer) in ("normalisation", "activation")
    bricks: list[list[Node]] = []
    for node in nodes:
        if not bricks or _is_parted(bricks[-1], node, ahead):
            bricks.append([])
        bricks[-1].append(node)
    if ahead and len(bricks) > 1 and all(map(_is_strip, bricks[-1])) and isinstance(bricks[-2][-1], Box):
        bricks[-2:] = [bricks[-2] + bricks[-1]]  # nothing comes after these
    return bricks


def _is_parted(brick: Sequence[Node], node: Node, ahead: bool) -> bool:
    """Whether `node` begins another brick."""
    if not isinstance(node, Box) or not isinstance(brick[-1], Box):
        return True
    return not _is_strip(brick[-1]) if ahead else not _is_strip(node) and not all(map(_is_strip, brick))


def _is_strip(node: Node) -> bool:
    return isinstance(node, Box) and is_strip(node.layer)


def _lines(brick: Sequence[Node]) -> list[list[Box | Hidden]]:
    """What stands side by side in a brick: a layer alone, strips in pairs where they are short."""
    lines: list[list[Box | Hidden]] = []
    for node in brick:
        if isinstance(node, (Box, Hidden)):
            pair = [*(lines[-1] if lines else []), node]
            if len(pair) == 2 and all(map(_is_strip, pair)) and sum(map(_room, pair)) <= WIDEST_STRIPS:
                lines[-1] = pair
            else:
                lines.append([node])
    return lines


def _words(node: Box | Hidden) -> str:
    return label(node.layer) if isinstance(node, Box) else counted(node.layers, "layer")


def _room(node: Box | Hidden) -> float:
    return width(_words(node), SMALL if _is_strip(node) else LARGE) + 8


def _natural(brick: Sequence[Node]) -> float:
    return max([sum(map(_room, nodes)) for nodes in _lines(brick)], default=0)


def _piece(brick: Sequence[Node], wide: float, rows: Rows) -> Piece:
    if isinstance(brick[0], Fold):
        return _fold(brick[0], rows)
    if isinstance(brick[0], Split):
        return _split(brick[0], rows)
    drawn, y = [], 0.0
    for nodes in _lines(brick):
        high, x = STRIP if _is_strip(nodes[0]) else LAYER, 0.0
        spare = (wide - sum(map(_room, nodes))) / len(nodes)
        for node in nodes:
            drawn.append(moved(x, y, _box(node, _room(node) + spare, high, rows)))
            x += _room(node) + spare
        y += high
    return Piece(wide, y, wide / 2, "".join(drawn))


def _box(node: Box | Hidden, wide: float, high: float, rows: Rows) -> str:
    words = text(wide / 2, high / 2 + 3.7, _words(node), SMALL if _is_strip(node) else LARGE)
    if isinstance(node, Hidden):
        return element("g", rect(0, 0, wide, high, PAPER, stroke_dasharray="5 2", class_="hidden") + words, data_layers=node.layers)
    row = rows[node.ends[0]]
    said = f"{row.path}: {shortened(node.layer, 160)}, {counted(row.parameters, 'parameter')}"
    said += f"; {len(node.ends) - 1:,} more like it" if len(node.ends) > 1 else ""
    box = rect(0, 0, wide, high, FILLS[kind(node.layer)], class_="layer")
    return element("g", element("title", escape(said)) + box + words, data_layers=1)


# --- folds and branches -----------------------------------------------------------------------------------------------


def _fold(fold: Fold, rows: Rows) -> Piece:
    """What repeats, once in a frame, and how often beside it."""
    inside = sequence(fold.inside, rows)
    wide, high, axis = inside.width + 2 * PADDING, inside.height + 2 * SHORT, inside.axis + PADDING
    words = f"x {fold.times:,}"
    drawn = [
        rect(0, 0, wide, high, PAPER, EDGE, radius=6, class_="fold"),
        (arrow if inside.boxed else line)([(axis, 0), (axis, SHORT)]),
        moved(PADDING, SHORT, inside.svg),
        line([(axis, high - SHORT), (axis, high)]),
        text(wide + 6, high / 2 + 4, words, 13, "start", bold=True),
    ]
    return Piece(wide + 8 + width(words, 13, bold=True), high, axis, element("g", "".join(drawn), data_times=fold.times))


@dataclass(frozen=True)
class _Column:
    """A branch at its place; one that is `bare` is a line alone."""

    piece: Piece
    left: float
    maps: str
    bare: bool

    @property
    def axis(self) -> float:
        return self.left + self.piece.axis

    def drawn(self, fork: float, join: Sequence[tuple[float, float]]) -> str:
        """The branch, from the fork at x = `fork` through the points that lead to the joint."""
        start = [(fork, BUS), (self.axis, BUS)]
        if self.bare:
            return element("g", arrow([*start, *join], 7, data_layers=1), class_="branch")
        drawn = [
            (arrow if self.piece.boxed else line)([*start, (self.axis, FORK)], 5),
            moved(self.left, FORK, self.piece.svg),
            arrow([(self.axis, FORK + self.piece.height), *join], 7),
        ]
        return element("g", "".join(drawn), class_="branch")


def _split(split: Split, rows: Rows) -> Piece:
    """Branches side by side, from a fork to the sign that they are added, or to the bar in which their maps are stacked."""
    added = isinstance(split.joint, Sum)
    columns = _columns(split, rows)
    wide, low = columns[-1].left + columns[-1].piece.width, 2 * FORK + max(column.piece.height for column in columns)
    bodies = [column for column in columns if not column.bare]
    main = (bodies or columns)[0] if added or len(bodies) == 1 else None
    axis = main.axis if main else wide / 2
    if added:
        sign, height = plus(axis, low), low + 2 * PLUS
        joins = [
            [(axis, low)] if column is main else [(column.axis, low + PLUS), (axis + math.copysign(PLUS, column.axis - axis), low + PLUS)]
            for column in columns
        ]
    else:
        edges = [0, *(column.left - APART / 2 for column in columns[1:]), wide]
        cells = [(left, right - left, column.axis, column.maps) for left, right, column in zip(edges, edges[1:], columns)]
        sign, height = bar(cells, low), low + BAR
        joins = [[(column.axis, low)] for column in columns]
    drawn = [line([(axis, 0), (axis, BUS)]), circle(axis, BUS, 1.5, INK)]
    drawn += [column.drawn(axis, join) for column, join in zip(columns, joins)]
    return Piece(wide, height, axis, element("g", "".join(drawn) + sign, class_="sum" if added else "concat"), boxed=False)


def _columns(split: Split, rows: Rows) -> list[_Column]:
    columns: list[_Column] = []
    left = 0.0
    for branch in split.branches:
        maps = ranged([rows[end].output[:1] for end in branch[-1].ends])
        bare = is_bare(branch)
        piece = Piece(LANE, 0, LANE / 2, "", boxed=False) if bare else sequence(branch, rows)
        piece = piece if isinstance(split.joint, Sum) else piece.roomy(width(maps, SMALL) / 2 + 5)
        columns.append(_Column(piece, left, maps, bare))
        left += piece.width + APART
    return columns


def plus(x: float, y: float) -> str:
    """The sign of a sum, its top at (x, y)."""
    middle, arm = y + PLUS, PLUS - 3
    cross = path(f"M{number(x - arm)} {number(middle)}h{2 * arm}M{number(x)} {number(middle - arm)}v{2 * arm}", stroke_width=1.5)
    return element("g", circle(x, middle, PLUS, PAPER) + cross, class_="join")


def bar(cells: Sequence[tuple[float, float, float, str]], y: float) -> str:
    """The bar of a stack, from cells (left, width, the middle of the words, words)."""
    drawn = [
        rect(left, y, wide, BAR, MAPS, radius=0, class_="cell") + text(middle, y + BAR / 2 + 3.7, words, SMALL)
        for left, wide, middle, words in cells
    ]
    return element("g", "".join(drawn), class_="join")
