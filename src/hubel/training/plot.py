"""Loss, accuracy and learning rate over the epochs, and what was found wrong, as one picture."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Sequence

from PIL import Image

from hubel.axes import INK, Colour, Field, Page, Point, rounds, width_of
from hubel.training.records import Epoch

WIDTH = 920
LEFT, RIGHT, HEAD, FOOT, GAP = 76, 150, 76, 56, 44
HIGH, LOW = 220, 100
"""Of the fields of loss and accuracy, and of that of the learning rate."""
LINE, SMALL = 18, 13
"""Height of a line of text below the fields, and its letters."""

# Okabe and Ito 2008, "Color universal design": told apart with every kind of colour vision; the second is darker, to be read as text.
TRAIN, VALIDATION, RATE, WRONG = (0, 114, 178), (196, 78, 0), (70, 70, 70), (160, 60, 110)

SPIKE = 2.5
"""How many times the first epoch's loss the axis reaches at most: what is above stays at its upper end."""

WIDE = 0.05
"""What the axis of accuracy spans at least: less would show chance as if it were more."""

TOLD = 6
"""Findings that are written below, the last ones."""


def plot(epochs: Sequence[Epoch], title: str) -> Image.Image:
    """Training and validation in colours that everyone can tell apart, the best epoch marked. There must be an epoch."""
    lines = [line for words in _told(epochs) for line in _wrapped(words)]
    fields = HEAD + 2 * (HIGH + GAP) + LOW
    page = Page(WIDTH, fields + FOOT + (len(lines) * LINE + 16 if lines else 0))
    page.write(title, (LEFT, 16), "la", INK, 16)
    first, last = epochs[0].epoch, epochs[-1].epoch
    across = (float(first), float(last)) if first < last else (first - 0.5, first + 0.5)
    ticks = [tick for tick in rounds(*across, 10, whole=True) if across[0] + 0.04 * (last - first) < tick <= across[1]]
    ticks += [float(first)] * (first < last)

    def field(name: str, top: float, height: float, up: Sequence[float], shown: Callable[[float], str], last: bool = False) -> Field:
        made = Field(page, LEFT, top, WIDTH - RIGHT, top + height, across, (up[0], up[-1]))
        made.rules_across(ticks, (lambda epoch: f"{epoch:.0f}") if last else None)
        made.rules_up(up, shown)
        page.write(name, (LEFT, top - 8), "ls", INK)
        return made

    losses = _pair(epochs, lambda epoch: (epoch.train_loss, epoch.validation_loss))
    shares = _pair(epochs, lambda epoch: (epoch.train_accuracy, epoch.validation_accuracy))
    _draw_pair(field("loss", HEAD, HIGH, _loss_axis(losses), lambda loss: f"{loss:g}"), losses, lambda loss: f"{loss:.4g}")
    accuracy = field("accuracy", HEAD + HIGH + GAP, HIGH, _share_axis(shares), lambda share: f"{100 * share:.4g}%")
    _draw_pair(accuracy, shares, lambda share: f"{100 * share:.2f}%")
    _mark_best(accuracy, epochs)
    rates = [(float(epoch.epoch), epoch.lr) for epoch in epochs]
    bottom = field("learning rate", fields - LOW, LOW, rounds(0, max(lr for _, lr in rates), 3), lambda lr: f"{lr:g}", last=True)
    bottom.curve(rates, RATE, 2)
    page.write(f"{rates[-1][1]:.3g}", (bottom.right + 10, bottom.y(rates[-1][1])), "lm", RATE)
    page.write("epoch", ((LEFT + WIDTH - RIGHT) / 2, bottom.bottom + 28), "ma", INK)
    for number, line in enumerate(lines):
        page.write(line, (LEFT, fields + FOOT + number * LINE), "la", WRONG, SMALL)
    return page.done()


def png(picture: Image.Image) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


class Pace:
    """When a picture is drawn anew: after every epoch, unless that would take more than a share of the time that epochs take."""

    SHARE = 0.05

    def __init__(self) -> None:
        self.drawn, self.took = time.monotonic(), 0.05

    def due(self) -> bool:
        return time.monotonic() - self.drawn > self.took / self.SHARE

    def draw(self, work: Callable[[], None]) -> None:
        """Do the work, and remember how long it took."""
        began = time.monotonic()
        work()
        self.drawn = time.monotonic()
        self.took = self.drawn - began


def _pair(epochs: Sequence[Epoch], chosen: Callable[[Epoch], tuple[float, float]]) -> tuple[list[Point], list[Point]]:
    """What is chosen of training and of validation, by epoch, where it is finite."""
    both = [(float(epoch.epoch), *chosen(epoch)) for epoch in epochs]
    train, validation = ([(row[0], row[place]) for row in both if math.isfinite(row[place])] for place in (1, 2))
    return train, validation


def _loss_axis(pair: tuple[list[Point], list[Point]]) -> list[float]:
    values = [y for points in pair for _, y in points] or [0.0, 1.0]
    most = max((points[0][1] for points in pair if points), default=1.0)
    low, high = min(values), max(min(max(values), SPIKE * most), min(values))
    near = low >= 0 and (low < 0.5 * high or high - low < 0.2 * high)
    return rounds(0 if near else low, high, 5)


def _share_axis(pair: tuple[list[Point], list[Point]]) -> list[float]:
    values = [y for points in pair for _, y in points] or [0.0, 1.0]
    low, high = min(values), max(values)
    spread = max(0.0, WIDE - (high - low)) / 2
    return [tick for tick in rounds(max(0.0, low - spread), min(1.0, high + spread), 5) if tick < 1 + 1e-9]


def _draw_pair(field: Field, pair: tuple[list[Point], list[Point]], shown: Callable[[float], str]) -> None:
    """Both lines, with their names and last values at their ends, apart from one another."""
    train, validation = pair
    ends: list[tuple[float, str, Colour]] = []
    for name, points, colour in (("train", train, TRAIN), ("validation", validation, VALIDATION)):
        field.curve(points, colour)
        if points:
            ends.append((field.y(points[-1][1]), f"{name} {shown(points[-1][1])}", colour))
    if len(ends) == 2 and abs(ends[0][0] - ends[1][0]) < LINE:
        middle, upper = (ends[0][0] + ends[1][0]) / 2, 0 if ends[0][0] <= ends[1][0] else 1
        ends = [(middle + (LINE / 2 if place != upper else -LINE / 2), text, colour) for place, (_, text, colour) in enumerate(ends)]
    for y, text, colour in ends:
        field.page.write(text, (field.right + 10, y), "lm", colour)


def _mark_best(field: Field, epochs: Sequence[Epoch]) -> None:
    """A ring at the epoch whose model is kept, and what it reached."""
    best = [epoch for epoch in epochs if epoch.best]
    if best and math.isfinite(best[-1].validation_accuracy):
        epoch = best[-1]
        field.page.dot(field.at(epoch.epoch, epoch.validation_accuracy), 5.5, VALIDATION, hollow=True)
        says = f"best: epoch {epoch.epoch}, {100 * epoch.validation_accuracy:.2f}%"
        field.page.write(says, (field.right, field.top - 8), "rs", VALIDATION)


def _told(epochs: Sequence[Epoch]) -> list[str]:
    said = [f"epoch {epoch.epoch}: {finding.says}" for epoch in epochs for finding in epoch.findings]
    return said[-TOLD:]


def _wrapped(words: str) -> list[str]:
    """The text in lines as wide as the page."""
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(longer, SMALL) <= WIDTH - LEFT - 24 or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(f"    {word}")
    return lines
