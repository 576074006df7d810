"""The figures of the page, as SVG whose colours the page's style gives: bars of counts, and the sizes of all pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hubel.drawing.ink import element, number
from hubel.pictures.doctor.inventory import Inventory

BAR, GAP = 8, 3
"""Height of a bar, and room between bars."""

WIDE, HIGH = 560, 360
LEFT, RIGHT, BELOW, ABOVE = 52, 16, 40, 12
"""Of the figure of sizes, and around its field."""

COLOURS = 8
"""Classes that have a colour of their own."""

DOTS = 1500
"""Sizes that are drawn; of more, the commonest."""


def bars(counts: Sequence[int], most: int) -> str:
    """A bar for each split, as long as its count is of `most`; stretched to whatever width it is given."""
    high = len(counts) * (BAR + GAP) - GAP
    drawn = [
        element(
            "rect", x=0, y=row * (BAR + GAP), width=max(100 * count / max(most, 1), 0.4 * bool(count)), height=BAR, class_=f"split{row}"
        )
        for row, count in enumerate(counts)
    ]
    return element(
        "svg", "".join(drawn), viewBox=f"0 0 100 {high}", preserveAspectRatio="none", height=high, class_="bars", aria_hidden="true"
    )


def sizes(inventory: Inventory) -> str:
    """Width against height of every picture, a dot for each size, the larger the more pictures have it; "" where all have one."""
    coloured = len(inventory.classes) <= COLOURS
    found = Counter(
        (picture.width, picture.height, int(inventory.labels[i]) if coloured else 0)
        for i, picture in enumerate(inventory.pictures)
        if not picture.reason
    )
    if len({size[:2] for size in found}) < 2:
        return ""
    dots = found.most_common(DOTS)
    across, down = (_axis([size[axis] for size, _ in dots]) for axis in (0, 1))
    most = dots[0][1]
    drawn = [_grid(across, down)]
    for (width, height, label), count in dots:
        x, y = _place(width, height, across, down)
        drawn.append(element("circle", cx=x, cy=y, r=2.2 + 7 * math.sqrt(count / most) * (count > 1), class_=f"class{label}"))
    said = {"role": "img", "class_": "sizes", "aria_label": "Width and height of the pictures"}
    return element("svg", "".join(drawn), viewBox=f"0 0 {WIDE} {HIGH}", **said)


def _axis(values: Sequence[int]) -> list[int]:
    """The round numbers from just below the values to just above them, two at least."""
    rounds = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    first = max(place for place, number in enumerate(rounds) if number <= min(values))
    last = min((place for place, number in enumerate(rounds) if number >= max(values)), default=len(rounds) - 1)
    return rounds[first : max(last, first + 1) + 1]


def _place(width: float, height: float, across: Sequence[int], down: Sequence[int]) -> tuple[float, float]:
    """Where a size stands on logarithmic axes."""
    right, up = (math.log(value / axis[0]) / math.log(axis[-1] / axis[0]) for value, axis in ((width, across), (height, down)))
    return LEFT + (WIDE - LEFT - RIGHT) * right, HIGH - BELOW - (HIGH - BELOW - ABOVE) * up


def _grid(across: Sequence[int], down: Sequence[int]) -> str:
    """Lines and numbers of both axes."""
    drawn = []
    for value in across:
        x, foot = _place(value, down[0], across, down)
        drawn += [element("path", d=f"M{number(x)} {ABOVE}V{number(foot)}", class_="grid"), _text(x, foot + 16, f"{value}", "middle")]
    for value in down:
        start, y = _place(across[0], value, across, down)
        drawn += [
            element("path", d=f"M{number(start)} {number(y)}H{WIDE - RIGHT}", class_="grid"),
            _text(start - 6, y + 4, f"{value}", "end"),
        ]
    drawn.append(_text((LEFT + WIDE) / 2, HIGH - 6, "width, pixels", "middle"))
    drawn.append(element("text", "height, pixels", x=-(HIGH - BELOW) / 2, y=12, transform="rotate(-90)", text_anchor="middle"))
    return "".join(drawn)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return element("text", words, x=x, y=y, text_anchor=anchor)
