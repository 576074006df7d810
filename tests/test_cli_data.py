"""hubel data: what a set holds stands beside what is published, what is wrong with it below, and a contact sheet shows it."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from hubel.cli import main
from hubel.pictures.sets import from_array
from hubel.pictures.sheet import contact_sheet
from hubel.pictures.sources import open_source


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
    assert main(["data", "digits", "--quick", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    whole = said["splits"][-1]
    assert (whole["split"], whole["pictures"], whole["published"], whole["differs"]) == ("all", 1797, 1797, [])
    assert whole["by_class"] == [174, 183]
    assert main(["data", "digits", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["split", "pictures", "size", "a", "class", "published", "that"]
    assert lines[4].split()[-2:] == ["1,797", "agrees"]


def test_a_folder_is_counted_without_a_column_of_published_figures(folder, capsys):
    (folder / "notes.txt").write_text("")
    assert main(["data", str(folder), "--quick"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["split", "pictures", "size", "a", "class"]
    assert out.splitlines()[2].split() == ["all", "4", "3x20x5", "to", "3x30x12", "1", "to", "3"]
    assert f"note: {folder / 'notes.txt'} was left out" in out
    assert "set: 2 classes: cat, dog" in out


def test_a_set_that_differs_from_its_publication_says_in_what_and_ends_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path))
    for label in ("cat", "dog"):
        picture(tmp_path / "dogs-vs-cats" / "train" / label / "0.png")
    assert main(["data", "dogs-vs-cats", "--quick"]) == 1
    assert "25,000   differs in pictures, pictures a class" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--quick"]])
def test_pictures_that_cannot_be_read_are_named_up_to_five_counted_beyond_and_make_the_status_1(folder, capsys, flags):
    for i in range(7):
        (folder / "dog" / f"bad{i}.png").write_text("no picture")
    assert main(["data", str(folder), *flags]) == 1
    out = capsys.readouterr().out
    assert out.count("it is not a picture") == 5
    assert all(f"bad{i}.png" in out for i in range(5))
    assert ("cannot be read: 2 others of all" if flags else "and 2 more") in out


def test_without_reading_headers_alone_pictures_that_only_decoding_finds_damaged_are_found(folder, capsys):
    scene(1, (60, 60)).save(folder / "cat" / "cut.jpg")
    (folder / "cat" / "cut.jpg").write_bytes((folder / "cat" / "cut.jpg").read_bytes()[:1200])
    assert main(["data", str(folder), "--quick"]) == 0
    assert main(["data", str(folder)]) == 1
    assert "cut.jpg: it is damaged" in capsys.readouterr().out


def test_the_fingerprint_is_that_of_the_source(folder, capsys):
    assert main(["data", str(folder), "--quick", "--fingerprint"]) == 0
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
    assert main(["data", str(folder), "--quick", "--sheet", str(tmp_path / "no" / "sheet.png")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert main(["data", str(folder), "--quick", "--sheet", str(tmp_path / "sheet.png"), "--split", "test"]) == 2
    assert "has no test pictures; it has: all" in capsys.readouterr().err


# --- the examination --------------------------------------------------------------------------------------------------------


def scene(number, size=(64, 48)):
    """A picture that is like no other."""
    blots = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def scenes(tmp_path):
    for i in range(20):
        for label in ("cat", "dog"):
            (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
            scene(2 * i + (label == "dog")).save(tmp_path / "set" / label / f"{i}.png")
    return tmp_path / "set"


def test_a_sound_set_is_said_to_be_sound_and_the_status_is_0(scenes, capsys):
    assert main(["data", str(scenes)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "No trouble found: all 40 pictures can be read, and none is a copy of another."


def test_a_copy_under_two_classes_is_printed_as_an_error_with_both_names_and_what_to_do(scenes, tmp_path, capsys):
    (scenes / "dog" / "copy.png").write_bytes((scenes / "cat" / "3.png").read_bytes())
    assert main(["data", str(scenes)]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("error: 2 pictures have a copy under another class"))
    assert lines[place + 1] == f"  {scenes / 'cat' / '3.png'} = {scenes / 'dog' / 'copy.png'}: the same file"
    assert "keep each picture under the class that is right" in lines[place + 2]


def test_json_has_everything(scenes, capsys):
    (scenes / "dog" / "copy.png").write_bytes((scenes / "cat" / "3.png").read_bytes())
    assert main(["data", str(scenes), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    names = [str(scenes / "cat" / "3.png"), str(scenes / "dog" / "copy.png")]
    assert (said["splits"][0]["pictures"], said["counts"], said["formats"]) == (41, {"cat": {"all": 20}, "dog": {"all": 21}}, {"PNG": 41})
    assert said["copies"] == {"exact": [names], "same_pixels": [], "near": []}
    (finding,) = said["findings"]
    assert (finding["kind"], finding["weight"]) == ("label conflict", "error")
    assert finding["examples"][0]["pictures"] == [
        {"name": name, "split": "all", "class": label} for name, label in zip(names, ("cat", "dog"))
    ]


def test_a_proposed_division_is_written_as_a_list_that_is_a_set_and_stands_on_the_page(scenes, tmp_path, capsys):
    (scenes / "cat" / "copy.png").write_bytes((scenes / "cat" / "3.png").read_bytes())
    flags = ["--propose", str(tmp_path / "new.csv"), "--shares", "0.5,0.25,0.25", "--seed", "3", "--page", str(tmp_path / "page.html")]
    assert main(["data", str(scenes), *flags]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-2:] == [f"division: {tmp_path / 'new.csv'}", f"page: {tmp_path / 'page.html'}"]
    source = open_source(tmp_path / "new.csv")
    assert {name: len(source.split(name).labels) for name in source.openers} == {"train": 21, "validation": 10, "test": 10}
    assert "A division without leaks" in (tmp_path / "page.html").read_text()
    assert main(["data", str(scenes), *flags[:2], "--one-of-each"]) == 0
    assert f"left out: {scenes / 'cat' / 'copy.png'}: it is a copy of {scenes / 'cat' / '3.png'}" in capsys.readouterr().out
    with open(tmp_path / "new.csv", newline="") as file:
        assert "set/cat/copy.png" not in [row["path"] for row in csv.DictReader(file)]
    assert {path.name for path in tmp_path.iterdir()} == {"set", "new.csv", "page.html"}  # and nothing half written


MISTAKES = {
    "--quick --page x.html": "--quick reads headers alone",
    "--quick --propose x.csv": "--quick reads headers alone",
    "--shares 0.8,0.1,0.1": "says how --propose FILE.csv divides the set",
    "--seed 1": "says how --propose FILE.csv divides the set",
    "--one-of-each": "says how --propose FILE.csv divides the set",
    "--propose x.txt": "'x.txt' has another",
    "--propose x.csv --shares a,b": "--shares are three numbers such as 0.8,0.1,0.1, not 'a,b'",
    "--propose x.csv --shares 0.8,0.1": "they must be three from 0 to 1 that make 1",
    "--propose nowhere/x.csv": "there is no folder 'nowhere'",
    "--page nowhere/x.html": "there is no folder 'nowhere'",
}


@pytest.mark.parametrize("flags", MISTAKES)
def test_mistakes_in_flags_are_answered_with_a_sentence(scenes, tmp_path, monkeypatch, capsys, flags):
    monkeypatch.chdir(tmp_path)
    assert main(["data", str(scenes), *flags.split()]) == 2
    assert MISTAKES[flags] in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


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
    assert main(["data", str(folder), "--quick", "--sheet", str(tmp_path / "sheet.png")]) == 1  # one cannot be read
    assert f"contact sheet: {tmp_path / 'sheet.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert {(7, 7, 7), (200, 200, 200), (128, 128, 128)} <= colours(sheet)


def test_names_that_a_font_cannot_draw_or_that_are_too_long_do_no_harm():
    pixels, labels = np.zeros((2, 8, 8), np.uint8), np.arange(2)
    plain = contact_sheet(from_array("x", pixels, labels), ("a" * 26, "b"), "x")
    odd = contact_sheet(from_array("x", pixels, labels), ("a" * 1000, "b\n\udcff猫"), "x\0")
    assert abs(odd.width - plain.width) < 30
