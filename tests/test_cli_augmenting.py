"""hubel augment: a sheet that shows what it says, the share of fill, and warnings where a change makes another class of a digit."""

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

import runs
from hubel.cli import main
from hubel.pictures.augment.sheet import MARK
from hubel.training.recipe import Recipe


def said(capsys, *words, status=0):
    capsys.readouterr()
    assert main([str(word) for word in words]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out, err


def test_the_sheet_shows_the_pictures_as_they_are_and_mirrored(tmp_path, capsys):
    out, _ = said(capsys, "augment", "digits", "--flip", "--seed", 3, "-o", tmp_path / "sheet.png")
    assert "fill (nearest): 0.0% of the pixels, at most 0.0% of a picture" in out and f"sheet: {tmp_path / 'sheet.png'}" in out
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    # Pictures of 8x8 are enlarged twelve times and stand 106 pixels apart, with room for a frame; the first one has it.
    top = int((sheet[:, 17] == MARK).all(1).argmax()) + 2
    cells = [[sheet[y : y + 96, x : x + 96] for x in range(18, 18 + 8 * 106, 106)] for y in range(top, top + 3 * 106, 106)]
    first = cells[0][0]
    turned = [np.array_equal(cell, first[:, ::-1]) for row in cells for cell in row]
    same = [np.array_equal(cell, first) for row in cells for cell in row]
    assert all(a or b for a, b in zip(turned, same)) and 3 < sum(turned) < 20


def test_the_share_of_fill_is_said_and_all_fills_lay_the_same_bare(tmp_path, capsys):
    shares = set()
    for fill in ("nearest", "constant", "reflect", "wrap"):
        words = ("augment", "digits", "--shift", 0.5, "--fill", fill, "--brightness", 0.3, "-o", tmp_path / "s.png", "--json")
        found = json.loads(said(capsys, *words)[0])
        shares.add((found["fill"], found["most_fill"]))
    ((mean, most),) = shares
    # Moves of -4 to 4 of 8 pixels, 20/9 on average, leave 1 - (1 - 20/72)^2 bare.
    assert mean == pytest.approx(1 - (1 - 20 / 72) ** 2, abs=0.02) and most == 0.75


@pytest.mark.parametrize(
    ("words", "warned"),
    [(("--flip",), "flip mirrors them"), (("--vertical-flip",), "upside down"), (("--rotation", 120), "by up to 120 degrees"),
     (("--rotation", 20), None)],
)  # fmt: skip
def test_digits_that_are_mirrored_or_turned_over_are_warned_of(tmp_path, capsys, words, warned):
    out, _ = said(capsys, "augment", "digits", *words, "-o", tmp_path / "s.png")
    assert ("note:" in out) == bool(warned) and (warned or "fill") in out


def test_other_classes_are_not_warned_of_and_pictures_that_cannot_be_read_are_named(tmp_path, capsys):
    place = runs.folder(tmp_path / "set", 30)
    for before, after in (("a", "ant"), ("b", "bee"), ("c", "cow")):
        (place / before).rename(place / after)
    (place / "ant" / "000.png").write_bytes(b"no picture")
    out, err = said(capsys, "augment", place, "--flip", "--rotation", 10, "--cutout", 3, "--cutout-fill", "mean", "-o", tmp_path / "s.png")
    assert "note:" not in out and "000.png: it is not a picture" in err
    with Image.open(tmp_path / "s.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")


def test_grey_pictures_can_be_shown_in_colour_with_every_change(tmp_path, capsys):
    words = ("--input", "3x40x30", "--saturation", 0.4, "--colour-noise", 0.1, "--contrast", 0.2, "--zoom", 0.1, "--crop", 3)
    said(capsys, "augment", "digits", *words, "-o", tmp_path / "s.png")


def test_every_field_that_changes_pictures_is_a_flag_of_both_verbs(capsys):
    for verb in ("augment", "train"):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        text = capsys.readouterr().out
        for field in fields(Recipe):
            if field.metadata["changes"]:
                assert f"--{field.name.replace('_', '-')} " in text or f"--{field.name.replace('_', '-')}," in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Nothing is to be changed"),
        (("--fill", "wrap"), "Nothing is to be changed"),
        (("--flip", "--input", "8"), "1xHxW"),
        (("--saturation", "1"), "colour pictures"),
        (("--crop", "9"), "below 8"),
        (("--flip", "-o", "sheet.jpg"), "something.png"),
        (("--zoom", "1"), "zoom=1.0"),
        (("--flip", "--colour-axes", "1 2"), "twelve"),
        (("--flip", "-o", "no/where.png"), "no/where.png"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_status_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    out, err = said(capsys, "augment", "digits", *words, status=2)
    assert err.startswith("hubel: ") and message in err and not out
    assert not list(tmp_path.iterdir())


def test_parts_that_are_drawn_before_resizing_are_shown_too(tmp_path, capsys):
    place = runs.folder(tmp_path / "set", 30)
    (place / "a" / "000.png").write_bytes(b"no picture")
    sheets = []
    for cut in (("--random-resized-crop", 0.1), ("--scale-jitter", "10-16"), ("--random-resized-crop", 0.1)):
        out, err = said(capsys, "augment", place, *cut, "-o", tmp_path / "sheet.png")
        assert "fill (nearest): 0.0% of the pixels" in out and "000.png: it is not a picture" in err
        sheets.append((tmp_path / "sheet.png").read_bytes())
    assert sheets[0] == sheets[2] != sheets[1]
    _, err = said(capsys, "augment", "digits", "--random-resized-crop", 0.5, "-o", tmp_path / "sheet.png", status=2)
    assert "one array, not as files" in err
