"""How a window walks over the side of the maps that it meets: what it loses, exceeds, skips, and reads in vain."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NamedTuple

from hubel.anatomy import Row
from hubel.arguments import pair
from hubel.errors import HubelError, ShapeError
from hubel.joints import Concat, Expression, Head, Shape, Sum
from hubel.layers import AdaptiveAvgPool, Layer, Windowed
from hubel.rewrite.classifiers import FLATTENING
from hubel.windows import Window

FARTHEST = 64
"""How many pixels from the given picture a fitting one is looked for: maps are seldom halved more than six times."""


class Meeting(NamedTuple):
    """A window, the side that it meets, and how many units it gives there."""

    window: Window
    side: int
    units: int

    @property
    def lost(self) -> int:
        """Pixels at the end that rounding down loses."""
        return 0 if self.window.fit == "ceil" else self.window.lost(self.side)

    @property
    def beyond(self) -> int:
        """By how many places the last unit sticks out of the padded side."""
        window = self.window
        return max(0, (self.units - 1) * window.stride + window.span - self.side - window.before - window.after)

    @property
    def unread(self) -> int:
        """Places of padding at the end that rounding down leaves unread."""
        return 0 if self.window.fit == "ceil" else min(self.window.after, self.window.unread(self.side))

    @property
    def skips(self) -> bool:
        """Whether there are gaps between its units' windows."""
        return self.window.stride > self.window.span

    @property
    def outside(self) -> int:
        """Units that see nothing but padding."""
        window = self.window
        first = -(-max(0, window.before - window.span + 1) // window.stride)  # those that end before the first pixel
        inside = -(-(self.side + window.before) // window.stride)  # those that start before the end
        return min(self.units, first) + max(0, self.units - inside)

    @property
    def met(self) -> range:
        """The places of the filter that some unit lays on a pixel, from the first to the last."""
        window = self.window
        starts = range(-window.before, (self.units - 1) * window.stride - window.before + 1, window.stride)
        used = [place for place in range(window.size) if _reaches(starts, place * window.dilation, self.side)]
        return range(used[0], used[-1] + 1) if used else range(0)


def _reaches(starts: range, offset: int, side: int) -> bool:
    """Whether one of the places `start + offset` is a pixel of the side."""
    nearest = -(-max(0, -offset - starts.start) // starts.step)  # the first start that lays the place behind the border
    return nearest < len(starts) and 0 <= starts[nearest] + offset < side


def meetings(row: Row) -> tuple[Meeting, Meeting]:
    """The windows of a layer on the maps that it meets, height first."""
    assert isinstance(row.part, Windowed)
    down, across = row.part.windows()
    return Meeting(down, row.input[1], row.output[1]), Meeting(across, row.input[2], row.output[2])


def fitting_inputs(net: Expression, input: Shape) -> list[Shape]:
    """The nearest smaller and larger pictures on which no window of the network loses or exceeds a pixel."""

    def nearest(axis: int, step: int) -> int | None:
        sides = (input[axis + 1] + step * distance for distance in range(FARTHEST + 1))
        return next((side for side in sides if side > 0 and _fits(net, axis, side)), None)

    both = [(nearest(0, step), nearest(1, step)) for step in (-1, 1)]
    return [(input[0], down, across) for down, across in both if down and across]


def _fits(net: Expression, axis: int, side: int) -> bool:
    """Whether every window fits along one axis, where the pictures have that side."""

    @cache
    def leaving(part: Expression, side: int) -> int:
        if isinstance(part, Windowed):
            window = part.windows()[axis]
            if window.fit == "ceil" and window.unread(side):
                raise ShapeError("the last window sticks out.")
            return replace(window, fit="exact").outputs(side)
        if isinstance(part, Layer):
            return pair(part.size)[axis] if isinstance(part, AdaptiveAvgPool) else 0 if isinstance(part, FLATTENING) else side
        if isinstance(part, (Sum, Concat)):
            ends = {leaving(branch, side) for _, branch in part.children()}
            if len(ends) > 1:
                raise ShapeError("the branches differ.")
            return ends.pop()
        for _, link in part.children():
            left = leaving(link, side)
            side = side if isinstance(link, Head) else left
        return side

    try:
        leaving(net, side)
    except HubelError:
        return False
    return True
