"""How a window walks over an axis: how often it fits, what rounding would leave unread, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hubel.errors import ShapeError

FARTHEST = 1000
"""How far from its own number a refusal looks for a padding or stride that fits."""


@dataclass(frozen=True)
class Window:
    """A window on one axis: its size, stride, padding before and after, dilation; `fit` is exact, floor or ceil."""

    size: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    fit: str = "exact"
    free: tuple[str, ...] = ("pad", "stride", "fit")
    """Which of its numbers a user can change: what a refusal may propose."""

    @property
    def span(self) -> int:
        """Inputs from the first to the last that the window covers."""
        return (self.size - 1) * self.dilation + 1

    def outputs(self, width: int, axis: str = "input") -> int:
        """How many outputs an axis of `width` gives. Raises ShapeError where the window does not fit."""
        room = width + self.before + self.after - self.span
        if room < 0:
            padded = f" padded to {room + self.span}" if self.before + self.after else ""
            raise ShapeError(
                f"a window of {self.span} is larger than the {axis} of {width}{padded}; use a smaller window or a larger input."
            )
        if self.fit == "ceil":
            count = -(-room // self.stride) + 1
            # torch's rule: the last window starts inside the input or the padding before it.
            return count - 1 if (count - 1) * self.stride >= width + self.before else count
        if self.fit == "exact" and self.lost(width) > 0:
            raise ShapeError(self._refusal(width, axis))
        return room // self.stride + 1

    def unread(self, width: int) -> int:
        """How many of the last padded inputs no window reaches when the count is rounded down."""
        return (width + self.before + self.after - self.span) % self.stride

    def lost(self, width: int) -> int:
        """How many pixels rounding down would lose: unread ones that are neither padding nor in the gap between windows."""
        return max(0, self.unread(width) - self.after - max(0, self.stride - self.span))

    def _fits(self, width: int) -> bool:
        return width + self.before + self.after >= self.span and self.lost(width) == 0

    def _refusal(self, width: int, axis: str) -> str:
        exact = Fraction(width + self.before + self.after - self.span, self.stride) + 1
        pads = f"2*{self.before}" if self.before == self.after else f"{self.before} + {self.after}"
        lost = self.lost(width)
        return (
            f"the window does not fit the {axis} of {width}: ({width} - {self.span} + {pads})/{self.stride} + 1 = {_decimal(exact)}, "
            f"so the last {_counted(lost)} would be lost. What fits: {', '.join(self._remedies(width, axis))}."
        )

    def _remedies(self, width: int, axis: str) -> Iterator[str]:
        def nearest(value: int, least: int, most: int, changed: Callable[[int], Window]) -> int | None:
            steps = (value + sign * step for step in range(FARTHEST) for sign in (-1, 1))
            return next((other for other in steps if least <= other <= most and changed(other)._fits(width)), None)

        sizes = [width - self.lost(width), width + self.stride - self.unread(width)]
        yield f"{_article(axis)} of {' or '.join(str(size) for size in sizes if size > 0 and self._fits(size))}"
        pad = nearest(self.before, 0, self.size // 2, self._padded) if "pad" in self.free and self.before == self.after else None
        if pad is not None:
            yield f"pad={pad} (gives {self._padded(pad).outputs(width)})"
        stride = nearest(self.stride, 1, 2 * self.stride, self._strided) if "stride" in self.free else None
        if stride is not None:
            yield f"stride={stride} (gives {self._strided(stride).outputs(width)})"
        if "fit" in self.free:
            yield f'or fit="floor" to give {self._with(fit="floor").outputs(width)} and lose them'

    def _padded(self, pad: int) -> Window:
        return self._with(before=pad, after=pad)

    def _strided(self, stride: int) -> Window:
        return self._with(stride=stride)

    def _with(self, **changes: Any) -> Window:
        return replace(self, **changes)


def _decimal(value: Fraction) -> str:
    """54.25, or 18 1/3 where decimals do not end."""
    text = f"{float(value):.4f}".rstrip("0").rstrip(".")
    return text if Fraction(text) == value else f"{value.numerator // value.denominator} {value - value.numerator // value.denominator}"


def _counted(pixels: int) -> str:
    return "pixel" if pixels == 1 else f"{pixels} pixels"


def _article(axis: str) -> str:
    return f"{'an' if axis[0] in 'aeiou' else 'a'} {axis}"
