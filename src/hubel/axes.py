"""A page to draw on with Pillow, with axes on it: what the drawings of training and of tests share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAPER, INK, FAINT, RULE = (255, 255, 255), (34, 34, 34), (110, 110, 110), (225, 225, 225)
FONT = 14
TIMES = 2
"""It is drawn so many times as large, and shrunk: lines then have no steps."""


class Page:
    """A white picture to draw on; everything is said in the pixels that it has in the end."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * TIMES, height * TIMES), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1) -> None:
        self.draw.line([(x * TIMES, y * TIMES) for x, y in points], colour, round(width * TIMES), "curve")

    def block(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """A rectangle: left, top, right, bottom."""
        left, top, right, bottom = (round(side * TIMES) for side in box)
        if right > left and bottom > top:
            self.draw.rectangle((left, top, right - 1, bottom - 1), colour)

    def dot(self, at: Point, radius: float, colour: Colour, hollow: bool = False) -> None:
        where = (at[0] * TIMES, at[1] * TIMES)
        if hollow:
            self.draw.circle(where, radius * TIMES, PAPER, colour, 2 * TIMES)
        else:
            self.draw.circle(where, radius * TIMES, colour)

    def write(self, text: str, at: Point, anchor: str, colour: Colour = FAINT, size: int = FONT) -> None:
        self.draw.text((at[0] * TIMES, at[1] * TIMES), _drawable(text), colour, _font(size * TIMES), anchor)

    def done(self) -> Image.Image:
        return self.image.reduce(TIMES)


@dataclass(frozen=True)
class Field:
    """A rectangle of a page with an axis across and one up, each from its first to its last value."""

    page: Page
    left: float
    top: float
    right: float
    bottom: float
    across: tuple[float, float]
    up: tuple[float, float]
    powers: bool = False
    """Whether the axis across is logarithmic."""

    def x(self, value: float) -> float:
        first, last = self.across
        share = math.log(value / first) / math.log(last / first) if self.powers else (value - first) / (last - first)
        return self.left + (self.right - self.left) * share

    def y(self, value: float) -> float:
        """What lies beyond the axis is drawn at its end."""
        low, high = self.up
        return self.bottom - (self.bottom - self.top) * min(max((value - low) / (high - low), 0.0), 1.0)

    def at(self, x: float, y: float) -> Point:
        return self.x(x), self.y(y)

    def rules_across(self, values: Sequence[float], shown: Callable[[float], str] | None) -> None:
        """A line up at each value of the axis across, with the value below it if it is to be `shown`."""
        for value in values:
            x = self.x(value)
            self.page.line([(x, self.top), (x, self.bottom)], RULE)
            if shown is not None:
                self.page.write(shown(value), (x, self.bottom + 8), "ma")

    def rules_up(self, values: Sequence[float], shown: Callable[[float], str]) -> None:
        """A line across at each value of the axis up, with the value on its left."""
        for value in values:
            self.page.line([(self.left, self.y(value)), (self.right, self.y(value))], RULE)
            self.page.write(shown(value), (self.left - 10, self.y(value)), "rm")

    def curve(self, points: Sequence[Point], colour: Colour, width: float = 3) -> None:
        """A line through points, or a dot where there is one."""
        if len(points) == 1:
            self.page.dot(self.at(*points[0]), 1.3 * width, colour)
        elif points:
            self.page.line([self.at(*point) for point in points], colour, width)


def rounds(low: float, high: float, count: int, whole: bool = False) -> list[float]:
    """About `count` round numbers, evenly spaced, from one at or below `low` to one at or above `high`; whole: none between whole ones."""
    rough = max((high - low) / count, 1e-9 * abs(low), 1e-9 * abs(high), 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit >= rough * (1 - 1e-9))
    step = max(1.0, float(math.ceil(step))) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def width_of(text: str, size: int = FONT) -> float:
    """Pixels that a line of text takes."""
    return _font(size * TIMES).getlength(_drawable(text)) / TIMES


def _drawable(text: str) -> str:
    """The text without what a font cannot draw on one line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
