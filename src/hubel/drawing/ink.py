"""SVG by hand: shapes and text as strings. Lengths are pixels, the origin is at the upper left."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

INK, SOFT, EDGE = "#1b2530", "#4d5863", "#8b95a0"
PAPER, SHEET, MAPS = "#ffffff", "#f4f6f8", "#dfe5ec"

# Tints in the hues of Okabe and Ito's palette (2008), which colour-blind readers tell apart, from dark to light for print without colour.
FILLS = {
    "fully connected": "#c596bb",
    "convolution": "#93bfe4",
    "pool": "#f6c08c",
    "normalisation": "#c3e6d3",
    "activation": "#fbf1ba",
    "other": "#eceef0",
}

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

# In ems, as wide as the widest font of the list has them. What is not listed has 0.64, beyond ASCII 1.05.
WIDTHS = {
    **dict.fromkeys(" ',.:;|ijl", 0.34),
    **dict.fromkeys("!()-/I[\\]frt", 0.42),
    **dict.fromkeys("#&+<=>^~ABCDEFGHKLNOPQRSTUVXYZw", 0.84),
    **dict.fromkeys("%@MWm…", 1.02),
}


def width(words: str, size: float, bold: bool = False) -> float:
    """How much room a line of text takes at most, whichever font of the list is there."""
    ems = sum(WIDTHS.get(sign) or (0.64 if sign.isascii() else 1.05) for sign in words)
    return ems * size * (1.14 if bold else 1)


def clean(words: str) -> str:
    """The text on one line, without what XML cannot hold or a reader cannot see."""
    return "".join("\ufffd" if unicodedata.category(sign)[0] == "C" else sign for sign in " ".join(words.split()))


def cut(words: str, room: float, size: float, bold: bool = False) -> str:
    """The text, with its middle left out where it is wider than `room`."""
    short, keep = words, len(words) // 2
    while keep and width(short, size, bold) > room:
        keep = min(keep - 1, keep * 9 // 10)
        short = f"{words[:keep]}…{words[len(words) - keep :]}"
    return short


def wrapped(words: str, room: float, size: float) -> list[str]:
    """The text in lines that have room."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def number(value: float) -> str:
    return f"{round(value, 1):g}"


def element(tag: str, inside: str = "", /, **attributes: str | float) -> str:
    """An element; an underscore in an attribute's name stands for a hyphen, one at its end for nothing."""
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value if isinstance(value, str) else number(value))}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{said}>{inside}</{tag}>" if inside else f"<{tag}{said}/>"


def moved(x: float, y: float, inside: str, **more: str | float) -> str:
    return element("g", inside, transform=f"translate({number(x)} {number(y)})", **more)


def text(x: float, y: float, words: str, size: float, anchor: str = "middle", bold: bool = False, fill: str = INK) -> str:
    """One line of text; y is its base line."""
    if not words:
        return ""
    more: dict[str, str | float] = {"font_weight": "bold"} if bold else {}
    return element("text", escape(words), x=x, y=y, font_size=size, text_anchor=anchor, fill=fill, **more)


def rect(x: float, y: float, wide: float, high: float, fill: str, stroke: str = INK, radius: float = 2, **more: str | float) -> str:
    return element("rect", x=x, y=y, width=wide, height=high, rx=radius, fill=fill, stroke=stroke, **more)


def circle(x: float, y: float, radius: float, fill: str) -> str:
    return element("circle", cx=x, cy=y, r=radius, fill=fill, stroke=INK)


def path(steps: str, fill: str = "none", stroke: str = INK, **more: str | float) -> str:
    return element("path", d=steps, fill=fill, stroke=stroke, **more)


def line(points: Sequence[tuple[float, float]], radius: float = 0, /, **more: str | float) -> str:
    """A line through points, its corners rounded by `radius`."""
    steps = [f"M{_point(*points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:]):
        steps.append(f"L{_towards(corner, before, radius)}Q{_point(*corner)} {_towards(corner, after, radius)}")
    steps.append(f"L{_point(*points[-1])}")
    more = {"fill": "none", "stroke": INK, **more}
    return element("path", d="".join(steps), **more)


def arrow(points: Sequence[tuple[float, float]], radius: float = 0, /, **more: str | float) -> str:
    """A line whose last point is the tip of an arrowhead."""
    return line(points, radius, marker_end="url(#hubel-arrow)", **more)


ARROWHEAD = element(
    "marker",
    path("M0 0L8 4L0 8z", fill=INK, stroke="none"),
    id="hubel-arrow",
    viewBox="0 0 8 8",
    refX=8,
    refY=4,
    markerWidth=7,
    markerHeight=7,
    markerUnits="userSpaceOnUse",
    orient="auto",
)
"""Stands once in every document."""


def _point(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"


def _towards(start: tuple[float, float], end: tuple[float, float], by: float) -> str:
    """The point `by` pixels from start towards end, at most half the way."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = (across**2 + down**2) ** 0.5
    share = min(by, length / 2) / length if length else 0
    return _point(start[0] + across * share, start[1] + down * share)
