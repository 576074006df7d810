"""Feature maps as blocks in cabinet projection, in proportion to their sizes, on one scale for the whole figure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hubel.drawing.ink import MAPS, SOFT, element, number, path, text, width
from hubel.joints import Shape, shown

LARGEST_SIDE, LARGEST_THICKNESS = 56.0, 56.0
"""Pixels, of the largest side and of the largest number of maps in the figure."""

RECEDING = 0.5 * math.sqrt(0.5)
"""The side that recedes is drawn at 45 degrees and half its length, as cabinet projection has it."""

SIZE = 10.5


@dataclass(frozen=True)
class Scale:
    """Pixels for the square root of one: of a side, and of the number of maps."""

    side: float
    thickness: float

    def block(self, shape: Shape) -> tuple[float, float, float]:
        """(thickness, height, how far it recedes to the right and up) in pixels."""
        maps, high, wide = _full(shape)
        return self.thickness * math.sqrt(maps), self.side * math.sqrt(high), RECEDING * self.side * math.sqrt(wide)


def scale(shapes: Iterable[Shape]) -> Scale:
    """The scale on which all the shapes have room."""
    maps, *sides = zip(*map(_full, shapes))
    return Scale(LARGEST_SIDE / math.sqrt(max(map(max, sides))), LARGEST_THICKNESS / math.sqrt(max(maps)))


def _full(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W); a vector is maps of 1x1."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def block(x: float, y: float, thick: float, high: float, back: float) -> str:
    """A block whose front has its upper left at (x, y)."""
    t, h, b = number(thick), number(high), number(back)
    faces = (
        (f"M{number(x)} {number(y)}h{t}v{h}h-{t}z", MAPS),
        (f"M{number(x)} {number(y)}l{b} -{b}h{t}l-{b} {b}z", "#f1f4f7"),
        (f"M{number(x + thick)} {number(y)}l{b} -{b}v{h}l-{b} {b}z", "#bcc7d2"),
    )
    return "".join(path(steps, fill, SOFT, stroke_width=0.8, stroke_linejoin="round") for steps, fill in faces)


@dataclass(frozen=True)
class Maps:
    """Maps on the line, with their shape: a block where they change, the shape alone where they do not."""

    shape: Shape
    scale: Scale
    changed: bool = True
    caption: str = ""

    @property
    def width(self) -> float:
        thick, _, back = self.scale.block(self.shape)
        return max(thick + back if self.changed else 0, width(shown(self.shape), SIZE) + 2, width(self.caption, SIZE))

    @property
    def above(self) -> float:
        """How far they stand above the line."""
        _, high, back = self.scale.block(self.shape)
        return high / 2 + back + (17 if self.caption else 2) if self.changed else 18

    @property
    def below(self) -> float:
        return self.scale.block(self.shape)[1] / 2 + 18 if self.changed else 0

    def stops(self, left: float) -> list[tuple[float, float]]:
        """Where a block covers the line, if the maps' room starts at `left`."""
        if not self.changed:
            return []
        thick, high, back = self.scale.block(self.shape)
        start = left + (self.width - thick - back) / 2
        return [(start, start + thick + min(back, high / 2))]

    def drawn(self, left: float, y: float) -> str:
        middle, words = left + self.width / 2, shown(self.shape)
        if not self.changed:
            return text(middle, y - 6, words, SIZE)
        thick, high, back = self.scale.block(self.shape)
        top = y - high / 2
        parts = [
            block(middle - (thick + back) / 2, top, thick, high, back),
            text(middle, top - back - 5, self.caption, SIZE, fill=SOFT),
            text(middle, y + high / 2 + 13, words, SIZE),
        ]
        return element("g", "".join(parts), class_="maps")
