"""The line of the figure: maps and the tabs of stages from left to right, the inside of each stage below its tab, in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from hubel.drawing.folding import Stage
from hubel.drawing.ink import EDGE, INK, PAPER, SHEET, SOFT, arrow, clean, cut, line, moved, text, width
from hubel.drawing.labels import counted
from hubel.drawing.maps import Maps, scale
from hubel.drawing.pieces import TALLEST, Piece, sequence
from hubel.joints import Shape

MARGIN = 30
NARROWEST, WIDEST = 560, 1200
"""Of a page: the title and the legend need so much; more is not legible."""

ABOVE, HANGING = 22, 14
"""How far a tab stands above the line; how far below the line that of a head begins."""

ARROW, BETWEEN, INNER, TURN = 18, 12, 11, 11
"""The shortest arrow on the line; what lies between the insides of stages, around each, and around a line between rows."""

NAME, COUNT, SPACING, LONGEST_NAME = 12, 10, 13, 170
"""Sizes of the words on a tab, from line to line, and of the longest name."""

SHOULDER = 10
"""A tab that is narrower than what hangs below it by less than this is made as wide."""


@dataclass(frozen=True)
class Card:
    """A stage: the words on its tab, its inside, and the maps that it leaves on the line. The input is one without words."""

    words: tuple[str, ...]
    inside: Piece
    maps: Maps | None
    head: bool = False

    @cached_property
    def sides(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """How far (the tab, the rest) reach to the left of the axis, and to the right."""
        tab = max((width(words, COUNT if place else NAME, bold=not place) + 14 for place, words in enumerate(self.words)), default=0) / 2
        rest = (self.inside.axis + INNER, self.inside.width - self.inside.axis + INNER) if self.words else (0.0, 0.0)
        left, right = ((max(tab, side) if side - tab < SHOULDER else tab, max(tab, side)) for side in rest)
        return left, right

    @property
    def top(self) -> float:
        return HANGING if self.head else -ABOVE

    @property
    def inset(self) -> float:
        """How far below the line its tab must go."""
        return self.top + 8 + SPACING * len(self.words) if self.words else 0

    def drawn(self, inset: float) -> str:
        """The tab and the rest in one outline, and what is inside; the origin is where the axis meets the line."""
        (tab_left, left), (tab_right, right) = self.sides
        bottom, end = inset + 2 * INNER + self.inside.height, self.inside.aside
        outline = [(0, self.top), (tab_right, self.top), (tab_right, inset), (right, inset), (right, bottom)]
        outline += [(-left, bottom), (-left, inset), (-tab_left, inset), (-tab_left, self.top), (0, self.top)]
        fill, dashes = (PAPER, "3 3") if self.head else (SHEET, "none")
        drawn = [line(outline, 5, fill=fill, stroke=EDGE, stroke_dasharray=dashes, class_="card")]
        for place, words in enumerate(self.words):
            y, size = self.top + 14 + SPACING * place, COUNT if place else NAME
            drawn.append(text((tab_right - tab_left) / 2, y, words, size, bold=not place, fill=SOFT if place else INK))
        drawn.append((arrow if self.inside.boxed else line)([(0, self.inset), (0, inset + INNER)]))
        drawn.append(moved(-self.inside.axis, inset + INNER, self.inside.svg))
        drawn.append(arrow([(end, bottom - INNER), (end, bottom)]))
        return "".join(drawn)


def cards(stages: Sequence[Stage], input: Shape) -> list[Card]:
    """The input and the stages."""
    passing = [stage for stage in stages if stage.head is None]
    size = scale([input, *(stage.output for stage in passing)])
    found = [Card((), Piece(0, 0, 0, ""), Maps(input, size, caption="input"))]
    now = input
    for stage in stages:
        inside = sequence(stage.nodes, {row.path: row for row in stage.rows}, TALLEST)
        maps = None
        if stage.head is None:
            last = stage is passing[-1]
            maps = Maps(stage.output, size, last or stage.output != now, "output" if last else "")
            now = stage.output
        found.append(Card(_words(stage), inside, maps, stage.head is not None))
    return found


def _words(stage: Stage) -> tuple[str, ...]:
    rows = [row for row in stage.rows if row.in_head == (stage.head is not None)]
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    name = cut(clean(stage.name), LONGEST_NAME, NAME, bold=True)
    learned = counted(parameters, "parameter") if parameters else "no parameters"
    if stage.head is not None:
        return name, f"in training, weight {stage.head:g}", learned
    return (name, learned, counted(macs, "MAC")) if macs else (name, learned)


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Cards side by side, each with the x of its axis."""

    places: tuple[tuple[Card, float], ...]

    @property
    def right(self) -> float:
        return max([x + card.sides[1][1] for card, x in self.places] + [left + maps.width for maps, left in self.maps])

    @cached_property
    def maps(self) -> list[tuple[Maps, float]]:
        """The maps on the line, each with the x where its room starts: in the middle between two tabs, or behind the last."""
        found = []
        for place, (card, x) in enumerate(self.places):
            if card.maps:
                start = x + card.sides[1][0] + (ARROW if card.words else 0)
                if card.words and place + 1 < len(self.places):
                    after, there = self.places[place + 1]
                    start += (there - after.sides[0][0] - ARROW - start - card.maps.width) / 2
                found.append((card.maps, start))
        return found

    @cached_property
    def stops(self) -> list[tuple[float, float]]:
        """Where the line is covered, from left to right."""
        tabs = [(x - card.sides[0][0], x + card.sides[1][0]) for card, x in self.places if card.words and not card.head]
        return sorted([*tabs, *(stop for maps, left in self.maps for stop in maps.stops(left))])

    @property
    def above(self) -> float:
        return max([ABOVE, *(maps.above for maps, _ in self.maps)])

    @property
    def inset(self) -> float:
        """How far below the line the insides begin."""
        return max([card.inset for card, _ in self.places] + [maps.below + 5 for maps, _ in self.maps])

    @property
    def below(self) -> float:
        return self.inset + 2 * INNER + max(card.inside.height for card, _ in self.places)

    def drawn(self, y: float) -> str:
        stops = self.stops
        drawn = [arrow([(before[1], y), (after[0], y)], stroke_width=1.5) for before, after in pairwise(stops)]
        for card, x in self.places:
            if card.head:
                start = max([end for _, end in stops if end < x], default=MARGIN - TURN)
                drawn.append(arrow([(start, y), (x, y), (x, y + card.top)], 6, stroke_dasharray="3 3"))
            if card.words:
                drawn.append(moved(x, y, card.drawn(self.inset), class_="head" if card.head else "stage"))
        return "".join(drawn) + "".join(maps.drawn(left, y) for maps, left in self.maps)


def rows(deck: Sequence[Card]) -> list[Row]:
    """The cards in as few rows as the widest page needs, on the narrowest page that needs no more."""
    found = _dealt(deck, WIDEST - MARGIN)
    for limit in range(NARROWEST, WIDEST - MARGIN, 20):
        narrower = _dealt(deck, limit)
        if len(narrower) <= len(found) and all(row.right <= limit for row in narrower):
            return narrower
    return found


def _dealt(deck: Sequence[Card], limit: float) -> list[Row]:
    """Rows up to `limit`. A head stays with the stage that it reads, and the input with the first stage."""
    hands: list[list[Card]] = []
    for card in deck:
        if hands and (card.head or all(held.head or not held.words for held in hands[-1])):
            hands[-1].append(card)
        else:
            hands.append([card])
    found = [_placed(hands[0])]
    for hand in hands[1:]:
        longer = _placed([*(card for card, _ in found[-1].places), *hand])
        if longer.right <= limit:
            found[-1] = longer
        else:
            found.append(_placed(hand))
    return found


def _placed(deck: Sequence[Card]) -> Row:
    """The cards from left to right, as close as the tabs, the maps between them and the insides allow."""
    places: list[tuple[Card, float]] = []
    line_end, inside_end = float(MARGIN - TURN), float(MARGIN - BETWEEN)
    for card in deck:
        (tab_left, left), (tab_right, right) = card.sides
        x = max(line_end + ARROW + tab_left, inside_end + BETWEEN + left) if card.words else float(MARGIN)
        places.append((card, x))
        line_end = x + tab_right + (card.maps.width + (ARROW if card.words else 0) if card.maps else 0)
        inside_end = x + right if card.words else inside_end
    return Row(tuple(places))


def turn(before: Row, y: float, after: Row, below: float, wide: float) -> str:
    """The line from the end of one row, whose line lies at `y`, to the start of the next, at `below`."""
    far, near, between = wide - MARGIN + TURN, MARGIN - TURN, y + before.below + TURN
    points = [(before.stops[-1][1], y), (far, y), (far, between), (near, between), (near, below), (after.stops[0][0], below)]
    return arrow(points, 8, stroke_width=1.5)
