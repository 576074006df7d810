"""hubel data: what a set holds stands beside what is published, and a contact sheet shows it."""

import json

import numpy as np
import pytest
from PIL import Image

from hubel.cli import main
from hubel.pictures.sets import from_array
from hubel.pictures.sheet import contact_sheet


def picture(path, size=(4, 4), level=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level,) * 3).save(path, "PNG")


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        picture(tmp_path / "set" / "cat" / f"{i}.png", (10 + i, 20))
    picture(tmp_path / "set" / "dog" / "0.png", (5, 30))
    return tmp_path / "set"


def test_the_digits_are_as_many_as_published(capsys):
    assert main(["data", "digits", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    whole = said["splits"][-1]
    assert (whole["split"], whole["pictures"], whole["published"], whole["differs"]) == ("all", 1797, 1797, [])
    assert whole["by_class"] == [174, 183]
    assert main(["data", "digits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["split", "pictures", "size", "a", "class", "published", "that"]
    assert lines[4].split()[-2:] == ["1,797", "agrees"]


def test_a_folder_is_counted_without_a_column_of_published_figures(folder, capsys):
    (folder / "notes.txt").write_text("")
    assert main(["data", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["split", "pictures", "size", "a", "class"]
    assert out.splitlines()[2].split() == ["all", "4", "3x20x5", "to", "3x30x12", "1", "to", "3"]
    assert f"note: {folder / 'notes.txt'} was left out" in out
    assert "set: 2 classes: cat, dog" in out


def test_a_set_that_differs_from_its_publication_says_in_what_and_ends_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path))
    for label in ("cat", "dog"):
        picture(tmp_path / "dogs-vs-cats" / "train" / label / "0.png")
    assert main(["data", "dogs-vs-cats"]) == 1
    assert "25,000   differs in pictures, pictures a class" in capsys.readouterr().out


def test_pictures_that_cannot_be_read_are_named_and_counted(folder, capsys):
    for i in range(7):
        (folder / "dog" / f"bad{i}.png").write_text("no picture")
    assert main(["data", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.count("cannot be read: ") == 6
    assert "cannot be read: 2 others of all" in out


def test_the_fingerprint_is_that_of_the_source(folder, capsys):
    from hubel.pictures.sources import open_source

    assert main(["data", str(folder), "--fingerprint"]) == 0
    assert f"fingerprint: {open_source(folder).fingerprint()}" in capsys.readouterr().out


def test_without_a_set_the_names_are_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path))
    assert main(["data", "--json"]) == 0
    rows = {row["set"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) == 9
    assert (rows["mnist"]["train"], rows["mnist"]["lies"], rows["imagenet"]["lies"]) == (60000, "not here; is fetched", "not here")


def test_mistakes_are_answered_with_a_sentence(folder, tmp_path, capsys):
    assert main(["data", str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert main(["data", str(folder), "--sheet", str(tmp_path / "no" / "sheet.png")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert main(["data", str(folder), "--sheet", str(tmp_path / "sheet.png"), "--split", "test"]) == 2
    assert "has no test pictures; it has: all" in capsys.readouterr().err


# --- the contact sheet --------------------------------------------------------------------------------------------------


def colours(sheet):
    return {colour for _, colour in sheet.getcolors(1 << 24)}


@pytest.mark.parametrize(("classes", "side"), [(2, 8), (2, 300), (10, 32), (100, 32), (100, 300), (1000, 32)])
def test_every_picture_of_a_sheet_stands_in_a_cell_of_its_own_and_every_class_has_a_row(classes, side):
    labels = np.repeat(np.arange(classes), 2)
    shades = np.stack([labels % 200, labels // 200 + 50, np.tile([1, 2], classes)], 1).astype(np.uint8)
    pixels = np.broadcast_to(shades[:, None, None], (len(labels), side, side, 3))
    sheet = contact_sheet(from_array("x", pixels, labels), tuple(f"class {i}" for i in range(classes)), "x")
    drawn = np.asarray(sheet).astype(np.int32)
    code = drawn[..., 0] + 256 * drawn[..., 1] + 65536 * drawn[..., 2]
    areas = np.bincount(code.reshape(-1))
    cells = [areas[int(r) + 256 * int(g) + 65536 * int(b)] for r, g, b in shades]
    assert len(set(cells)) == 1  # whole and equal: none is cut off or covered
    assert 0.3 < sheet.width / sheet.height < 5


def test_a_sheet_of_pictures_of_all_shapes_is_written_and_what_cannot_be_read_is_crossed(folder, tmp_path, capsys):
    picture(folder / "dog" / "wide.png", (500, 3), 200)
    (folder / "dog" / "bad.png").write_text("no picture")
    assert main(["data", str(folder), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert f"contact sheet: {tmp_path / 'sheet.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert {(7, 7, 7), (200, 200, 200), (128, 128, 128)} <= colours(sheet)


def test_names_that_a_font_cannot_draw_or_that_are_too_long_do_no_harm():
    pixels, labels = np.zeros((2, 8, 8), np.uint8), np.arange(2)
    plain = contact_sheet(from_array("x", pixels, labels), ("a" * 26, "b"), "x")
    odd = contact_sheet(from_array("x", pixels, labels), ("a" * 1000, "b\n\udcff猫"), "x\0")
    assert abs(odd.width - plain.width) < 30
