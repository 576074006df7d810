"""The sheet of mistakes: the surest ones, in the cells where they belong, and rows of pairs where classes are many."""

import numpy as np
import pytest
import torch

from hubel.evaluation import report, taken_for
from hubel.evaluation.mistakes import EACH, GAP, LINE, MATRIX, SIDE, mistakes, sheet
from hubel.pictures.held import Pictures


def case(count, classes, seed=0):
    """Scores and labels, and flat pictures whose red is their number."""
    draw = np.random.default_rng(seed)
    labels, scores = torch.from_numpy(draw.integers(0, classes, count)), torch.from_numpy(draw.normal(size=(count, classes))).float()
    scores[torch.arange(count), labels] += 1
    pixels = torch.zeros(count, 8, 8, 3, dtype=torch.uint8)
    pixels[..., 0], pixels[..., 2] = torch.arange(count)[:, None, None], 255
    return scores, labels, Pictures(pixels, labels, [str(i) for i in range(count)])


def test_mistakes_are_those_of_a_plain_loop_the_surest_first():
    scores, labels, _ = case(200, 4)
    numbers = torch.arange(1000, 1200)
    wanted = {}
    for i, row in enumerate((scores.double() / 2).softmax(1).tolist()):
        guess = row.index(max(row))
        if guess != labels[i]:
            wanted.setdefault((int(labels[i]), guess), []).append((max(row), 1000 + i))
    found = mistakes(scores, labels, numbers, 2.0)
    assert found.keys() == wanted.keys()
    for pair, some in wanted.items():
        some.sort(reverse=True)
        assert [one.number for one in found[pair]] == [number for _, number in some]
        assert [one.probability for one in found[pair]] == pytest.approx([sure for sure, _ in some])


def test_pairs_are_told_from_the_most_frequent_on():
    assert taken_for([[5, 1, 0], [3, 9, 3], [0, 0, 1]]) == [(1, 0, 3), (1, 2, 3), (0, 1, 1)]


def shown(picture):
    """The reds of the flat pictures on a sheet, by the corners where they begin."""
    pixels = np.asarray(picture)
    flat = (pixels[..., 1] == 0) & (pixels[..., 2] == 255)
    corners = flat & ~np.roll(flat, 1, 0) & ~np.roll(flat, 1, 1)
    return {(int(y), int(x)): int(pixels[y, x, 0]) for y, x in np.argwhere(corners)}


def test_a_matrix_has_the_surest_pictures_of_each_pair_in_its_cell():
    scores, labels, pictures = case(120, 3)
    numbers = torch.arange(120)
    found = mistakes(scores, labels, numbers)
    there = shown(sheet(found, report(scores, labels, 3), ("cat", "a\nb", "x" * 99), pictures, "title"))
    wanted = {number for some in found.values() for number in [one.number for one in some[:9]]}
    assert set(there.values()) == wanted
    wide = 3 * (SIDE + GAP) + GAP
    left, top = min(x for _, x in there), min(y for y, _ in there)
    cells = {number: ((y - top) // (wide + LINE), (x - left) // wide) for (y, x), number in there.items()}
    places = {number: pair for pair, some in found.items() for number in [one.number for one in some[:9]]}
    assert cells == places


def test_many_classes_have_rows_of_the_worst_pairs():
    classes = MATRIX + 1
    scores, labels, pictures = case(250, classes)
    scores[labels == 3, 5] += 10  # the worst pair by far
    found = mistakes(scores, labels, torch.arange(250))
    there = shown(sheet(found, report(scores, labels, classes), [f"class {i}" for i in range(classes)], pictures, "title"))
    first = [there[place] for place in sorted(there) if place[0] == min(there)[0]]
    assert first == [one.number for one in found[3, 5][:EACH]]


@pytest.mark.parametrize("classes", [3, MATRIX + 1])
def test_a_network_without_mistakes_has_a_sheet_too(classes):
    scores, labels = torch.eye(classes), torch.arange(classes)
    pictures = case(classes, classes)[2]
    names = [f"class {i}" for i in range(classes)]
    assert not shown(sheet(mistakes(scores, labels, labels), report(scores, labels, classes), names, pictures, "title"))


def test_classes_that_are_neither_there_nor_guessed_take_no_room():
    scores, labels, pictures = case(60, 3)
    wide = torch.full((60, 1000), -50.0)
    wide[:, [4, 500, 900]] = scores
    where = torch.tensor([4, 500, 900])[labels]
    names = [f"class {i}" for i in range(1000)]
    few = sheet(mistakes(scores, labels, torch.arange(60)), report(scores, labels, 3), ["class 4", "class 500", "class 900"], pictures, "t")
    many = sheet(mistakes(wide, where, torch.arange(60)), report(wide, where, 1000), names, pictures, "t")
    assert few.size == many.size and (np.asarray(few) == np.asarray(many)).mean() > 0.99
