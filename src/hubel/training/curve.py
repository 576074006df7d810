"""The curve of losses over learning rates, as a picture."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from hubel.training.rates import Rates

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 60, 60
PAPER, INK, FAINT, RULE = (255, 255, 255), (34, 34, 34), (110, 110, 110), (225, 225, 225)
DOT, LINE, MARK = (180, 196, 214), (31, 90, 160), (214, 96, 24)
FONT = 14
TIMES = 2
"""It is drawn so many times as large, and shrunk: lines then have no steps."""


def curve(found: Rates, title: str) -> Image.Image:
    """Losses as dots, the smoothed ones as a line, and the suggested rate as a mark."""
    page = Image.new("RGB", (WIDTH * TIMES, HEIGHT * TIMES), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(FONT * TIMES)
    span = math.log(found.rates[-1] / found.rates[0])
    low, first = min(found.losses), max(found.smoothed[: found.rates.index(found.lowest) + 1])
    high = first + 0.15 * (first - low)  # what breaks away leaves the page

    def across(lr: float) -> float:
        return TIMES * (LEFT + (WIDTH - LEFT - RIGHT) * math.log(lr / found.rates[0]) / span)

    def down(loss: float) -> float:
        share = (loss - low) / (high - low)
        return TIMES * (HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(share, 0.0), 1.0))

    def write(text: str, at: tuple[float, float], anchor: str, colour: tuple[int, int, int] = FAINT) -> None:
        draw.text(at, "".join(sign if sign.isprintable() else "?" for sign in text), colour, font, anchor)

    for power in range(math.ceil(math.log10(found.rates[0]) - 1e-9), math.floor(math.log10(found.rates[-1]) + 1e-9) + 1):
        x = across(10.0**power)
        draw.line((x, down(high), x, down(low)), RULE, TIMES)
        write(f"{10.0**power:g}", (x, TIMES * (HEIGHT - BOTTOM + 8)), "ma")
    for share in range(5):
        loss = low + (high - low) * share / 4
        draw.line((TIMES * LEFT, down(loss), TIMES * (WIDTH - RIGHT), down(loss)), RULE, TIMES)
        write(f"{loss:.3g}", (TIMES * (LEFT - 10), down(loss)), "rm")
    for lr, loss in zip(found.rates, found.losses):
        if loss <= high:
            draw.circle((across(lr), down(loss)), 2 * TIMES, DOT)
    points = [(across(lr), down(loss)) for lr, loss in zip(found.rates, found.smoothed)]
    draw.line(points, LINE, 3 * TIMES, "curve")
    mark = across(max(found.suggested, found.rates[0]))
    draw.line((mark, down(high), mark, down(low)), MARK, 2 * TIMES)
    write(f"suggested: {found.suggested:g}", (mark + 8 * TIMES, down(high) + 4 * TIMES), "la", MARK)
    write(title, (TIMES * LEFT, TIMES * 20), "la", INK)
    write("learning rate", (TIMES * (LEFT + WIDTH - RIGHT) / 2, TIMES * (HEIGHT - 28)), "ma", INK)
    write("loss", (TIMES * 16, TIMES * (TOP - 24)), "la", INK)
    return page.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
