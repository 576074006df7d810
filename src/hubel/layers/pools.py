"""Layers that sum a window, or all of a map, up without weights."""

from __future__ import annotations

from dataclasses import Field, dataclass
from typing import Any, ClassVar

from hubel.arguments import Pad, Size, pair
from hubel.errors import LayerError, ShapeError
from hubel.joints import Shape
from hubel.layers.layer import Layer, Windowed
from hubel.windows import Window


@dataclass(frozen=True, repr=False)
class Pool(Windowed):
    """A windowed layer without weights; the stride is the window's size unless said otherwise."""

    fits = ("exact", "floor", "ceil")

    size: Size
    stride: Size | None = None
    pad: Pad = 0
    fit: str = "exact"

    def __post_init__(self) -> None:
        if self.stride is None:
            object.__setattr__(self, "stride", self.size)
        super().__post_init__()
        for window in self.windows():
            if 2 * max(window.before, window.after) > window.size:
                raise LayerError(
                    f"{self!r}: a pool's padding is at most half its window: pad={window.size // 2} at most, or a larger window."
                )
            if self.fit == "ceil" and window.before != window.after:
                raise LayerError(
                    f'{self!r}: fit="ceil" is torch\'s rule, which knows one padding for both ends of a side; pad evenly, or round down.'
                )

    def implied(self, field: Field[Any]) -> Any:
        return self.size if field.name == "stride" else field.default


@dataclass(frozen=True, repr=False)
class MaxPool(Pool):
    """The largest value of each window: (C, H, W) -> (C, H', W')."""


@dataclass(frozen=True, repr=False)
class AvgPool(Pool):
    """The mean of each window; padding counts as zeros in it unless `count_pad` is False."""

    count_pad: bool = True


@dataclass(frozen=True, repr=False)
class L2Pool(Pool):
    """The square root of the sum of squares of each window."""


@dataclass(frozen=True, repr=False)
class GlobalAvgPool(Layer):
    """The mean of each map: (C, H, W) -> (C,)."""

    def output(self, shape: Shape) -> Shape:
        return (self.maps_in(shape)[0],)


@dataclass(frozen=True, repr=False)
class AdaptiveAvgPool(Layer):
    """Means of `size` windows a side that share each map out: (C, H, W) -> (C, size, size), whatever H and W are.

    Window i of n over H places reads from floor(i H / n) to ceil((i + 1) H / n), torch's rule: even where n divides H,
    otherwise neighbours overlap.
    """

    size: Size

    def output(self, shape: Shape) -> Shape:
        return (self.maps_in(shape)[0], *pair(self.size))


@dataclass(frozen=True, repr=False)
class PadMaps(Windowed):
    """Every `stride`-th place of each map, and maps of zeros behind them up to `maps` (ResNet 2015, shortcut option A)."""

    maps: int
    stride: Size = 1
    size: ClassVar[int] = 1

    def windows(self) -> tuple[Window, Window]:
        down, across = pair(self.stride)
        return Window(1, down), Window(1, across)

    def maps_out(self, maps: int) -> int:
        if maps > self.maps:
            raise ShapeError(f"{self!r} adds maps of zeros, but {maps} maps come in already; give it {maps} or more.")
        return self.maps
