"""The accuracies of a study's arms over the epochs, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from PIL import Image

from hubel.axes import FAINT, INK, Colour, Field, Page, Point, rounds
from hubel.studies.study import called

WIDTH = 1000
LEFT, RIGHT, HEAD, FOOT, GAP = 76, 310, 92, 60, 52
HIGH, LOW = 340, 200
"""Of the fields of validation and of training."""
LINE = 19
"""Between the names at the ends of lines."""
AWAY = 26
"""From the field to the names."""

# Okabe and Ito 2008, "Color universal design", some darker, to be read as text; each of another lightness than its neighbours, for grey.
COLOURS: tuple[Colour, ...] = (
    (120, 120, 120),
    (0, 90, 150),
    (213, 94, 0),
    (0, 60, 45),
    (180, 80, 135),
    (150, 110, 0),
    (86, 160, 210),
    (60, 20, 70),
)


@dataclass(frozen=True)
class Line:
    """An arm in the figure."""

    label: str
    colour: Colour
    train: list[Point]
    validation: list[Point]
    best: Point
    """The epoch whose model is tested, as the validation pictures had it, on average."""


def curves(found: Mapping[str, Any]) -> Image.Image:
    """Validation accuracy of every arm of a record, and training accuracy below, by epoch; with several seeds their mean.

    A phase begins at the epoch at which those before it have ended; earlier phases of an arm are not drawn: another arm shows them. Beside the training field stands what each line ends with.
    """
    lines = [_line(arm, COLOURS[place % len(COLOURS)]) for place, arm in enumerate(found["arms"])]
    epochs = [x for line in lines for x, _ in line.validation]
    across = (min(epochs), max(epochs)) if min(epochs) < max(epochs) else (min(epochs) - 0.5, max(epochs) + 0.5)
    page = Page(WIDTH, HEAD + HIGH + GAP + LOW + FOOT)
    pictures, seeds = found["pictures"], max(len(arm["runs"]) for arm in found["arms"])
    page.write(f"{found['study']}: {pictures['train']:,} pictures to learn from", (LEFT, 16), "la", INK, 17)
    says = f"accuracy on {pictures['validation']:,} validation pictures; ring and figure: the best epoch, which is tested"
    page.write(f"{says}{f'; mean of {seeds} seeds' if seeds > 1 else ''}", (LEFT, 44), "la", FAINT)
    _drawn(page, "validation", HEAD, HIGH, across, [(line, line.validation) for line in lines], False)
    _drawn(page, "training", HEAD + HIGH + GAP, LOW, across, [(line, line.train) for line in lines], True)
    page.write("epoch", ((LEFT + WIDTH - RIGHT) / 2, HEAD + HIGH + GAP + LOW + 30), "ma", INK)
    return page.done()


def _line(arm: Mapping[str, Any], colour: Colour) -> Line:
    """The last phase of an arm, its seeds averaged epoch by epoch, over as many epochs as all of them have."""
    lasts = [run["curves"][-1] for run in arm["runs"]]
    before = sum(len(curve["validation"]) for curve in arm["runs"][0]["curves"][:-1])
    count = min(len(curve["validation"]) for curve in lasts)

    def mean(which: str) -> list[Point]:
        return [(before + 1.0 + epoch, fmean(curve[which][epoch] for curve in lasts)) for epoch in range(count)]

    best = fmean(_best(run) for run in arm["runs"])
    return Line(called(arm["arm"], arm["base"]), colour, mean("train"), mean("validation"), (best, arm["validation"]))


def _best(run: Mapping[str, Any]) -> int:
    """The best epoch, counted from the run's first."""
    phases = [curve["phase"] for curve in run["curves"]]
    before = run["curves"][: phases.index(run["phase"])]
    return int(run["epoch"]) + sum(len(curve["validation"]) for curve in before)


def _drawn(
    page: Page, name: str, top: float, height: float, across: tuple[float, float], drawn: Sequence[tuple[Line, list[Point]]], last: bool
) -> None:
    """A field with a curve for each line, and their names beside it."""
    shares = [y for _, points in drawn for _, y in points] + ([] if last else [line.best[1] for line, _ in drawn])
    up = [tick for tick in rounds(min(shares), max(shares), 6) if tick < 1 + 1e-9]
    up = up if len(up) > 1 else [up[0] - 0.05, up[0]]
    field = Field(page, LEFT, top, WIDTH - RIGHT, top + height, across, (up[0], up[-1]))
    ticks = [tick for tick in rounds(*across, 10, whole=True) if across[0] <= tick <= across[1]]
    field.rules_across(ticks, (lambda epoch: f"{epoch:.0f}") if last else None)
    field.rules_up(up, lambda share: f"{100 * share:.4g}%")
    page.write(name, (LEFT, top - 8), "ls", INK)
    for line, points in drawn:
        field.curve(points, line.colour)
    if not last:
        for line, _ in drawn:
            page.dot(field.at(*line.best), 5, line.colour, hollow=True)
    ends = sorted(((field.y(points[-1][1]), line, points) for line, points in drawn), key=lambda end: end[0])
    for y, (was, line, points) in zip(apart([end[0] for end in ends], LINE), ends):
        page.line([(field.x(points[-1][0]) + 4, was), (field.right + AWAY - 4, y)], line.colour, 0.5)
        shown = points[-1][1] if last else line.best[1]
        page.write(f"{line.label}  {100 * shown:.1f}%", (field.right + AWAY, y), "lm", line.colour)


def apart(places: Sequence[float], least: float) -> list[float]:
    """The places, in order, moved as little as it takes to be so far apart: those that are too near are spread about their middle."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _span(groups[-1], least)[0] < _span(groups[-2], least)[1] + least:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_span(group, least)[0] + least * number for group in groups for number in range(len(group))]


def _span(group: Sequence[float], least: float) -> tuple[float, float]:
    """Where the first and the last of a group come to stand."""
    reach = least * (len(group) - 1) / 2
    return fmean(group) - reach, fmean(group) + reach
