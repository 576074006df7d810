"""Reliability diagrams: how often a network is right beside how sure it was (Guo et al. 2017, arXiv:1706.04599, fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from hubel.axes import FAINT, INK, RULE, Field, Page
from hubel.evaluation.calibration import Calibration

SIDE, LOW = 330, 84
"""Pixels of a diagram's side, and of the height of the bars that count pictures."""
LEFT, GAP, HEAD, FOOT, BETWEEN = 84, 100, 104, 62, 40
RIGHT, TOO_SURE, UNSURE = (0, 114, 178), (230, 159, 90), (150, 200, 230)
"""How often it is right; the gap up to how sure it was, or down to it. After Okabe and Ito 2008."""
FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def diagrams(found: Sequence[tuple[str, Calibration]], title: str) -> Image.Image:
    """One diagram for each name, side by side, and below each how many pictures there are of each confidence."""
    page = Page(LEFT + len(found) * (SIDE + GAP) - GAP + 32, HEAD + SIDE + BETWEEN + LOW + FOOT)
    page.write(title, (LEFT, 16), "la", INK, 16)
    most = max(max(one.counts) / sum(one.counts) for _, one in found)
    for place, (name, one) in enumerate(found):
        left = LEFT + place * (SIDE + GAP)
        page.write(name, (left, HEAD - 40), "ls", INK)
        page.write(f"calibration error {100 * one.ece:.2f}%, negative log-likelihood {one.nll:.4g}", (left, HEAD - 20), "ls")
        _draw_gaps(Field(page, left, HEAD, left + SIDE, HEAD + SIDE, (0.0, 1.0), (0.0, 1.0)), one)
        top = HEAD + SIDE + BETWEEN
        _draw_counts(Field(page, left, top, left + SIDE, top + LOW, (0.0, 1.0), (0.0, most)), one)
        page.write("confidence", (left + SIDE / 2, top + LOW + 30), "ma", INK)
    return page.done()


def _draw_gaps(field: Field, found: Calibration) -> None:
    """Accuracy as bars, the gap to confidence above them or at their upper ends, and the line on which both are equal."""
    page, bins = field.page, len(found.counts)
    field.rules_across(FIFTHS, None)
    field.rules_up(FIFTHS, lambda share: f"{100 * share:.0f}%")
    for m, (count, sure, right) in enumerate(zip(found.counts, found.confidence, found.accuracy)):
        if not count:
            continue
        start, end = field.x(m / bins) + 1, field.x((m + 1) / bins) - 1
        page.block((start, field.y(right), end, field.bottom), RIGHT)
        page.block((start, field.y(max(sure, right)), end, field.y(min(sure, right))), TOO_SURE if sure > right else UNSURE)
    page.line([field.at(0, 0), field.at(1, 1)], FAINT, 1)
    for row, (colour, words) in enumerate(((RIGHT, "right"), (TOO_SURE, "surer than right"), (UNSURE, "less sure than right"))):
        y = field.top + 18 + 20 * row
        page.block((field.left + 12, y - 6, field.left + 26, y + 6), colour)
        page.write(words, (field.left + 34, y), "lm", INK, 13)


def _draw_counts(field: Field, found: Calibration) -> None:
    """How many pictures each bin has, as a bar and in figures."""
    page, bins, total = field.page, len(found.counts), sum(found.counts)
    page.line([(field.left, field.bottom), (field.right, field.bottom)], RULE)
    for m, count in enumerate(found.counts):
        if count:
            start, end, top = field.x(m / bins) + 1, field.x((m + 1) / bins) - 1, min(field.y(count / total), field.bottom - 1)
            page.block((start, top, end, field.bottom), FAINT)
            page.write(_short(count), ((start + end) / 2, top - 3), "ms", INK, 10)
    page.write("pictures", (field.left - 10, field.bottom), "rs")
    for share in FIFTHS:
        page.write(f"{100 * share:.0f}%", (field.x(share), field.bottom + 8), "ma")


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count // 1000}k"
