"""The pictures that a network was most surely wrong about: as a confusion matrix with pictures or, of many classes, the worst pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from hubel.axes import FAINT, INK, PAPER, RULE, Colour, Page, width_of
from hubel.evaluation.reporting import Report, taken_for
from hubel.evaluation.scoring import predicted
from hubel.model import probabilities
from hubel.pictures.batches import Feed
from hubel.pictures.sheet import fitted

MATRIX = 12
"""Classes up to which every pair has its cell."""
PAIRS, EACH = 20, 8
"""Of more classes: how many pairs are shown, and pictures of each."""
SIDE, GAP, MARGIN, LINE = 64, 4, 20, 20
"""Pixels of a picture's cell, between cells, around the sheet, and of a line of text."""
LETTERS, LONGEST = 12, 150
"""Size of letters, and the width of a class's name beside the matrix."""
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""Okabe and Ito 2008."""


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for another class: its number, and the probability that the network gave to that class."""

    number: int
    probability: float


Pairs = dict[tuple[int, int], list[Mistake]]
"""The mistakes of each pair (true class, taken for), the surest first."""


def mistakes(scores: Tensor, labels: Tensor, numbers: Tensor, temperature: float = 1.0) -> Pairs:
    """What of scores (N, outputs) is wrong by labels (N,). numbers (N,): of the pictures, by which they are found again."""
    guessed = predicted(scores)
    wrong = (guessed != labels).nonzero()[:, 0]
    sure = probabilities(scores[wrong].double(), temperature).amax(1)
    found: Pairs = {}
    for place in sure.argsort(descending=True, stable=True).tolist():
        i = int(wrong[place])
        pair = (int(labels[i]), int(guessed[i]))
        found.setdefault(pair, []).append(Mistake(int(numbers[i]), float(sure[place])))
    return found


def sheet(found: Pairs, report: Report, classes: Sequence[str], pictures: Feed, title: str) -> Image.Image:
    """The confusion with the pictures that were most surely wrong, as the network sees them."""
    columns = [sum(row[j] for row in report.confusion) for j in range(len(classes))]
    there = [i for i in range(len(classes)) if sum(report.confusion[i]) or columns[i]]
    if len(there) <= MATRIX:
        return _matrix(found, report.confusion, there, classes, pictures, title)
    return _pairs(found, report.confusion, classes, pictures, title)


def _matrix(
    found: Pairs, confusion: Sequence[Sequence[int]], there: Sequence[int], classes: Sequence[str], pictures: Feed, title: str
) -> Image.Image:
    """A cell for each pair: how many, how sure of the surest, and those pictures; shaded by the share of the class, mistakes by the worst."""
    across = 3 if len(there) <= 3 else 2 if len(there) <= 5 else 1
    wide = across * (SIDE + GAP) + GAP
    high = wide + LINE
    names = [_cut(classes[i], LONGEST) for i in there]
    left = MARGIN + 28 + round(max(map(_width, names))) + 10
    top = MARGIN + 3 * LINE + 6
    page = Page(
        max(left + len(there) * (wide + 1) + MARGIN, round(width_of(title, 16)) + 2 * MARGIN), top + len(there) * (high + 1) + MARGIN
    )
    page.write(title, (MARGIN, MARGIN - 4), "la", INK, 16)
    page.write("taken for", (left, top - LINE - 8), "ls", FAINT, LETTERS)
    page.write("true", (MARGIN, top + high / 2), "lm", FAINT, LETTERS)
    worst = max((len(some) / sum(confusion[i]) for (i, _), some in found.items()), default=1.0)
    chosen = {pair: some[: across * across] for pair, some in found.items()}
    shown = _pictures(pictures, [one.number for some in chosen.values() for one in some])
    pasted: list[tuple[Image.Image, tuple[int, int]]] = []
    for row, i in enumerate(there):
        y = top + row * (high + 1)
        page.write(names[row], (left - 10, y + high / 2), "rm", INK, LETTERS)
        page.write(_cut(classes[i], wide), (left + row * (wide + 1) + wide / 2, top - 6), "ms", INK, LETTERS)
        for column, j in enumerate(there):
            x, count = left + column * (wide + 1), confusion[i][j]
            share = count / max(1, sum(confusion[i]))
            page.block((x, y, x + wide, y + high), _shade(share, RIGHT) if i == j else _shade(share / worst, WRONG))
            if i == j:
                page.write(f"{count:,}", (x + wide / 2, y + high / 2), "mm", INK, 15)
            elif count:
                page.write(f"{count:,}", (x + GAP + 2, y + LINE / 2 + 1), "lm", INK, LETTERS)
                page.write(_percent(chosen[i, j][0]), (x + wide - GAP - 2, y + LINE / 2 + 1), "rm", INK, 10)
            for place, one in enumerate(chosen.get((i, j), [])):
                down, aside = divmod(place, across)
                pasted.append((shown[one.number], (x + GAP + aside * (SIDE + GAP), y + LINE + down * (SIDE + GAP))))
    return _with(page.done(), pasted)


def _pairs(found: Pairs, confusion: Sequence[Sequence[int]], classes: Sequence[str], pictures: Feed, title: str) -> Image.Image:
    """A row for each of the pairs that are mistaken most: how many of how many, and the surest pictures, each with how sure."""
    every = taken_for(confusion)
    every.sort(key=lambda pair: (-pair[2], -found[pair[0], pair[1]][0].probability))
    worst = every[:PAIRS]
    words = [(_cut(classes[i], 2 * LONGEST), f"taken for {_cut(classes[j], 2 * LONGEST)}") for i, j, _ in worst]
    left = MARGIN + round(max([160.0, *(_width(text) for pair in words for text in pair)])) + 16
    high, top = SIDE + LINE + 2 * GAP, MARGIN + 2 * LINE + 12
    page = Page(max(left + EACH * (SIDE + GAP) + MARGIN, round(width_of(title, 16)) + 2 * MARGIN), top + len(worst) * high + MARGIN)
    page.write(title, (MARGIN, MARGIN - 4), "la", INK, 16)
    page.write(f"the {len(worst)} worst of {len(every):,} pairs of classes", (MARGIN, MARGIN + LINE), "la", FAINT, LETTERS)
    chosen = {(i, j): found[i, j][:EACH] for i, j, _ in worst}
    shown = _pictures(pictures, [one.number for some in chosen.values() for one in some])
    pasted: list[tuple[Image.Image, tuple[int, int]]] = []
    for row, ((i, j, count), (truth, taken)) in enumerate(zip(worst, words)):
        y = top + row * high
        page.line([(MARGIN, y - GAP), (left + EACH * (SIDE + GAP), y - GAP)], RULE)
        for line, (text, colour) in enumerate(((truth, INK), (taken, WRONG), (f"{count:,} of {sum(confusion[i]):,}", FAINT))):
            page.write(text, (MARGIN, y + 4 + line * LINE), "la", colour, LETTERS)
        for place, one in enumerate(chosen[i, j]):
            x = left + place * (SIDE + GAP)
            page.write(_percent(one), (x + SIDE / 2, y + SIDE + 2), "ma", FAINT, 11)
            pasted.append((shown[one.number], (x, y)))
    return _with(page.done(), pasted)


def _pictures(pictures: Feed, numbers: Sequence[int]) -> dict[int, Image.Image]:
    """Those pictures by their numbers, as the network sees them, as large as a cell takes them."""
    if not numbers:
        return {}
    some = pictures.subset(torch.tensor(numbers))
    (batch,) = some.dealt([torch.arange(len(numbers))], None)
    arrays = batch.pictures().expand(-1, -1, -1, 3).contiguous().numpy()
    shown = {numbers[place]: fitted(Image.fromarray(array), SIDE) for place, array in zip(batch.indices.tolist(), arrays)}
    empty = Image.new("RGB", (SIDE, SIDE), RULE)  # it could be read when it was tested, and cannot any more
    return {number: shown.get(number, empty) for number in numbers}


def _with(page: Image.Image, pictures: Sequence[tuple[Image.Image, tuple[int, int]]]) -> Image.Image:
    """The page with pictures in cells at those corners."""
    for picture, (x, y) in pictures:
        page.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
    return page


def _shade(share: float, colour: Colour) -> Colour:
    """From white to half the colour, so that what stands on it can be read."""
    red, green, blue = (round(paper + 0.5 * share * (full - paper)) for paper, full in zip(PAPER, colour))
    return red, green, blue


def _percent(mistake: Mistake) -> str:
    return f"{100 * mistake.probability:.0f}%"


def _width(text: str) -> float:
    return width_of(text, LETTERS)


def _cut(name: str, room: float) -> str:
    """As much of a name as there is room for, in pixels."""
    if _width(name) <= room:
        return name
    while name and _width(f"{name}...") > room:
        name = name[:-1]
    return f"{name}..."
