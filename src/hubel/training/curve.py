"""The curve of losses over learning rates, as a picture."""

from __future__ import annotations

import math

from PIL import Image

from hubel.axes import INK, Field, Page
from hubel.training.rates import Rates

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 60, 60
DOT, LINE, MARK = (180, 196, 214), (31, 90, 160), (214, 96, 24)


def curve(found: Rates, title: str) -> Image.Image:
    """Losses as dots, the smoothed ones as a line, and the suggested rate as a mark."""
    page = Page(WIDTH, HEIGHT)
    low, first = min(found.losses), max(found.smoothed[: found.rates.index(found.lowest) + 1])
    high = first + 0.15 * (first - low)  # what breaks away leaves the page
    field = Field(page, LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM, (found.rates[0], found.rates[-1]), (low, high), powers=True)
    powers = range(math.ceil(math.log10(found.rates[0]) - 1e-9), math.floor(math.log10(found.rates[-1]) + 1e-9) + 1)
    field.rules_across([10.0**power for power in powers], lambda lr: f"{lr:g}")
    field.rules_up([low + (high - low) * share / 4 for share in range(5)], lambda loss: f"{loss:.3g}")
    for lr, loss in zip(found.rates, found.losses):
        if loss <= high:
            page.dot(field.at(lr, loss), 2, DOT)
    field.curve(list(zip(found.rates, found.smoothed)), LINE)
    mark = field.x(max(found.suggested, found.rates[0]))
    page.line([(mark, field.top), (mark, field.bottom)], MARK, 2)
    page.write(f"suggested: {found.suggested:g}", (mark + 8, field.top + 4), "la", MARK)
    page.write(title, (LEFT, 20), "la", INK)
    page.write("learning rate", ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 28), "ma", INK)
    page.write("loss", (16, TOP - 24), "la", INK)
    return page.done()
