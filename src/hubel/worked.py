"""The worked comparisons of the lecture notes: what weight sharing, small filters and reductions save, counted on the expressions.

Each is a function of its sizes, which are the notes' unless others are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from hubel.anatomy import anatomy
from hubel.errors import LayerError
from hubel.joints import Expression, Shape, shown
from hubel.layers import FC, Conv, Local, ReLU


@dataclass(frozen=True)
class Way:
    """One way to do the same job, and what it costs; `columns` says further counts by name."""

    what: str
    weights: int
    macs: int
    field: int
    """Inputs that a unit sees on a side."""
    columns: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Ways beside one another, the first being what the others are held against, and what is to be learned from them."""

    title: str
    ways: tuple[Way, ...]
    lesson: str


def _odd(size: int) -> int:
    if type(size) is not int or size < 3 or size % 2 == 0:
        raise LayerError(f"The window's size is {size!r}; it must be odd and 3 or more, so that padding keeps the size of the maps.")
    return size


def _undivided(layer: Conv) -> Conv:
    if layer.groups > 1 or layer.dilation != 1:
        raise LayerError(f"{layer!r} is compared without groups and dilation; leave them out.")
    return layer


def _way(what: str, net: Expression, input: Shape) -> Way:
    sized = anatomy(net, input)
    return Way(what, sized.weights, sized.macs, sized.field.down.size)


def weight_sharing(input: Shape = (3, 227, 227), layer: Conv | None = None) -> Comparison:
    """AlexNet's first layer with and without shared weights (CS231n): 105,705,600 parameters against 34,944."""
    conv = _undivided(layer or Conv(96, 11, stride=4))
    shared = anatomy(conv, input)
    apart = anatomy(Local(conv.maps, conv.size, conv.stride, conv.pad, conv.bias, conv.fit), input)
    units = math.prod(shared.output)
    ways = tuple(
        Way(
            what,
            sized.weights,
            sized.macs,
            sized.field.down.size,
            (("biases", sized.biases), ("parameters", sized.parameters)),
        )
        for what, sized in (("a set of weights for every unit", apart), ("one set for every map", shared))
    )
    each = apart.parameters // units
    lesson = f"{units:,} units with {each:,} parameters each, or {conv.maps:,} maps with {each:,} each: sharing divides by {units // conv.maps:,}."
    return Comparison(f"{conv!r} on {shown(input)}, with and without weight sharing", ways, lesson)


def reduction(input: Shape = (192, 28, 28), maps: int = 32, size: int = 5, reduced: int = 16) -> Comparison:
    """A large window directly, and behind a 1x1 that reduces the maps (GoogLeNet's 3a): 120,422,400 MACs against 12,443,648."""
    large = Conv(maps, _odd(size), pad=size // 2)
    direct = _way(repr(large), large, input)
    first, both = _way(f"Conv({reduced}, 1)", Conv(reduced, 1), input), _way("both", Conv(reduced, 1) >> ReLU() >> large, input)
    second = _way(repr(large), large, (reduced, *input[1:]))
    parts: tuple[tuple[str, int | str], ...] = (("of which", f"{first.macs:,} + {second.macs:,}"),)
    behind = Way(f"Conv({reduced}, 1) >> ReLU() >> {large!r}", both.weights, both.macs, both.field, parts)
    lesson = f"The reduction to {reduced} maps leaves {100 * both.macs / direct.macs:.1f}% of the multiply-adds, and adds a ReLU."
    return Comparison(f"{size}x{size} on {shown(input)} to {maps} maps, directly and behind a reduction", (direct, behind), lesson)


def small_filters(maps: int = 64, size: int = 7, side: int = 56) -> Comparison:
    """One large filter, and the stack of 3x3 that sees as much (VGG, sec. 2.3): 49 C^2 weights against 27 C^2."""
    count = _odd(size) // 2
    large = Conv(maps, size, pad=count, bias=False)
    small = Conv(maps, 3, pad=1, bias=False)
    stack: Expression = small
    for _ in range(count - 1):
        stack = stack >> ReLU() >> small
    input = (maps, side, side)
    ways = (_way(f"one {size}x{size}", large, input), _way(f"{count} of 3x3", stack, input))
    now, then = (way.weights // maps**2 for way in ways)
    lesson = f"{now} C^2 weights against {then} C^2, the same receptive field, and {count - 1} more ReLUs between."
    return Comparison(f"One {size}x{size} against a stack of 3x3, {maps} maps of {side}x{side} in and out", ways, lesson)


def fully_connected(input: Shape = (3, 32, 32), maps: int = 10, size: int = 5) -> Comparison:
    """As many units as a convolution has, fully connected and as that convolution (CS231n): a unit reads 3,072 inputs, or 75."""
    conv = Conv(maps, _odd(size), pad=size // 2)
    sized = anatomy(conv, input)
    units = math.prod(sized.output)
    full = anatomy(FC(units), input)
    ways = (
        Way(repr(FC(units)), full.weights, full.macs, full.field.down.size, (("weights a unit", math.prod(input)),)),
        Way(repr(conv), sized.weights, sized.macs, sized.field.down.size, (("weights a unit", input[0] * size * size),)),
    )
    lesson = f"Of {shown(input)}, a fully-connected unit reads everything through {math.prod(input):,} weights of its own."
    return Comparison(f"{units:,} units on {shown(input)}: fully connected, or {maps} maps of {size}x{size}", ways, lesson)


def columns(input: Shape = (3, 227, 227), layer: Conv | None = None) -> Comparison:
    """A convolution as one matrix product (im2col): AlexNet's first is 96x363 times 363x3025."""
    conv = _undivided(layer or Conv(96, 11, stride=4))
    sized = anatomy(conv, input)
    places, depth = math.prod(sized.output[1:]), sized.weights // conv.maps
    product: tuple[tuple[str, int | str], ...] = (
        ("rows", f"{conv.maps}x{depth}"),
        ("columns", f"{depth}x{places}"),
        ("output", shown(sized.output)),
    )
    ways = (Way("rows times columns", sized.weights, conv.maps * depth * places, sized.field.down.size, product),)
    larger = depth * places / math.prod(input)
    lesson = f"The columns hold every input {larger:.1f} times over, {depth * places:,} values in place of {math.prod(input):,}."
    return Comparison(f"{conv!r} on {shown(input)} as one matrix product", ways, lesson)


COMPARISONS: tuple[Callable[[], Comparison], ...] = (
    weight_sharing,
    reduction,
    small_filters,
    columns,
    fully_connected,
    lambda: fully_connected((3, 200, 200)),
)
"""The notes' own, in their order."""
