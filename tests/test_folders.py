"""What lies in a set's folder: every picture once, nothing from outside, and whatever is left out named with its reason."""

import os
import re
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.listing import DEEPEST, NAMED
from hubel.pictures.sources import open_source


def picture(path, level=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path, "PNG")


@pytest.fixture
def folder(tmp_path):
    for label in ("cat", "dog"):
        for i in range(2):
            picture(tmp_path / "set" / label / f"{i}.png")
    return tmp_path / "set"


def listed(folder):
    """Every picture by its path in the folder, and what was left out with its reason."""
    source = open_source(folder)
    names = [str(Path(name).relative_to(folder)) for split in source.openers for name in source.split(split).names]
    left = dict(re.fullmatch(r"(.*) was left out: (.*)\.", note).groups() for note in source.notes)
    return names, {str(Path(name).relative_to(folder)): reason for name, reason in left.items()}


FOUR = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
OUT = "it is a link that leads out of the set's folder"
AGAIN = "it is a link to what is listed without it"


# --- links ----------------------------------------------------------------------------------------------------------------


def test_links_that_lead_outside_are_left_out_and_named(folder, tmp_path):
    picture(tmp_path / "elsewhere" / "wolf" / "0.png")
    (folder / "wolf").symlink_to(tmp_path / "elsewhere" / "wolf")
    (folder / "cat" / "2.png").symlink_to(tmp_path / "elsewhere" / "wolf" / "0.png")
    (folder / "cat" / "deep").symlink_to("../../elsewhere")
    assert listed(folder) == (FOUR, {"wolf": OUT, "cat/2.png": OUT, "cat/deep": OUT})


def test_a_folder_whose_name_begins_like_the_sets_is_outside_of_it(folder, tmp_path):
    picture(tmp_path / "set-of-others" / "0.png")
    (folder / "cat" / "2.png").symlink_to(tmp_path / "set-of-others" / "0.png")
    assert listed(folder) == (FOUR, {"cat/2.png": OUT})


def test_the_set_itself_may_be_reached_by_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    (folder / "cat" / "2.png").symlink_to(folder / "cat" / "0.png")
    assert listed(tmp_path / "link") == (FOUR, {"cat/2.png": AGAIN})


def test_where_links_outside_leave_no_set_the_refusal_says_so_and_what_to_do(folder, tmp_path):
    (tmp_path / "linked").mkdir()
    for label in ("cat", "dog"):
        (tmp_path / "linked" / label).symlink_to(folder / label)
    with pytest.raises(PictureError) as caught:
        open_source(tmp_path / "linked")
    assert "has no class folders" in str(caught.value)
    assert f"(2, such as {tmp_path / 'linked' / 'cat'})" in str(caught.value)
    assert "a list, in CSV, may name pictures anywhere" in str(caught.value)


def test_links_to_what_is_listed_anyway_list_nothing_twice(folder):
    (folder / "cat" / "2.png").symlink_to("0.png")
    (folder / "dog" / "2.png").symlink_to("../cat/1.png")
    (folder / "owl").symlink_to("cat")
    (folder / "dog" / "cats").symlink_to("../cat")
    assert listed(folder) == (FOUR, dict.fromkeys(("owl", "cat/2.png", "dog/2.png", "dog/cats"), AGAIN))


def test_links_into_a_hidden_store_within_the_set_are_followed_once(folder):
    for i in range(3):
        picture(folder / ".store" / "owls" / f"{i}.png", i)
    picture(folder / ".store" / "9.png", 9)
    (folder / "cat" / "2.png").symlink_to("../.store/9.png")
    (folder / "dog" / "2.png").symlink_to("../.store/9.png")
    (folder / "owl").symlink_to(".store/owls")
    (folder / "dog" / "owls").symlink_to("../.store/owls")
    names, left = listed(folder)
    assert names == ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "owl/0.png", "owl/1.png", "owl/2.png"]
    assert left == {".store": "it is a hidden folder", "dog/2.png": AGAIN, "dog/owls": AGAIN}


def test_a_link_from_one_split_to_another_is_no_leak(folder, tmp_path):
    (tmp_path / "divided").mkdir()
    folder.rename(tmp_path / "divided" / "train")
    for label in ("cat", "dog"):
        picture(tmp_path / "divided" / "test" / label / "9.png")
        (tmp_path / "divided" / "test" / label / "0.png").symlink_to(f"../../train/{label}/0.png")
    names, left = listed(tmp_path / "divided")
    assert [name for name in names if name.startswith("test")] == ["test/cat/9.png", "test/dog/9.png"]
    assert left == {"test/cat/0.png": AGAIN, "test/dog/0.png": AGAIN}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cat", "dog", "cat/in", ".hidden", ".hidden/in", "cat/in/deep"]),
            st.sampled_from("abc"),
            st.sampled_from(["..", ".", "../..", "../cat", "../dog/0.png", "../.hidden", "../.hidden/in", "a", "b", "/", "../../outside"]),
        ),
        max_size=8,
    )
)
def test_whatever_links_there_are_nothing_is_listed_twice_or_from_outside(links):
    with tempfile.TemporaryDirectory() as place:
        root = Path(os.path.realpath(place)) / "set"
        for name in (
            "cat/0.png",
            "dog/0.png",
            "cat/in/0.png",
            "cat/in/deep/0.png",
            ".hidden/0.png",
            ".hidden/in/0.png",
            "../outside/0.png",
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        for where, name, target in links:
            if not os.path.lexists(root / where / name):
                (root / where / name).symlink_to(target)
        source = open_source(root)
        real = [os.path.realpath(name) for name in source.training().names]
        assert len(set(real)) == len(real)
        assert all(Path(name).is_relative_to(root) for name in real)
        assert {str(root / name) for name in ("cat/0.png", "dog/0.png", "cat/in/0.png", "cat/in/deep/0.png")} <= set(real)


# --- what is no picture ---------------------------------------------------------------------------------------------------


def test_pipes_and_sockets_are_left_out_and_named(folder, monkeypatch):
    os.mkfifo(folder / "cat" / "pipe.png")
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("dog/socket.png")
        names, left = listed(folder)
    assert names == FOUR
    assert left.keys() == {"cat/pipe.png", "dog/socket.png"}
    assert all("a pipe, a socket, or a link that leads to none" in reason for reason in left.values())


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "notes.txt", "labels.CSV", "0.json", "0.xml", "cats.zip", "cat.mp4"])
def test_files_that_are_no_pictures_by_their_names_are_left_out_and_named(folder, name):
    (folder / "cat" / name).write_text("")
    assert listed(folder) == (FOUR, {f"cat/{name}": "it is no picture by its name"})


@pytest.mark.parametrize("name", ["0.JPG", "0.heic", "0.jpg.1", "picture", "zip", "0."])
def test_files_that_may_be_meant_as_pictures_are_listed_so_that_reading_them_says_what_is_wrong(folder, name):
    (folder / "dog" / name).write_text("")
    names, left = listed(folder)
    assert (sorted(names), left) == (sorted([*FOUR, f"dog/{name}"]), {})


@pytest.mark.parametrize("count", [NAMED, NAMED + 1, 1000])
def test_many_left_out_for_one_reason_are_counted_in_one_note(folder, count):
    for i in range(count):
        (folder / "cat" / f"._{i:04}.png").touch()
    notes = open_source(folder).notes
    if count == NAMED:
        assert notes == tuple(f"{folder / 'cat' / f'._{i:04}.png'} was left out: it is hidden." for i in range(count))
    else:
        assert notes == (f"{count:,} entries were left out, such as {folder / 'cat' / '._0000.png'}: they are hidden.",)


def test_folders_in_folders_end_somewhere(folder):
    place = folder / "cat"
    for _ in range(3 * DEEPEST):
        place = place / "d"
        picture(place / "0.png")
    source = open_source(folder)
    assert len(source.training().labels) == 4 + DEEPEST - 1
    assert source.notes == (f"{folder / 'cat' / '/'.join('d' * DEEPEST)} was left out: it lies more than {DEEPEST} folders deep.",)
