"""Hostile files and folders through the real code: read, refused in a sentence, or left out; nothing else, in little memory, quietly."""

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from hostile import bombs, entries, everything, names, put
from hubel.build import build
from hubel.cli import main
from hubel.cli.data import LISTED
from hubel.model import Model
from hubel.pictures.pixels import Pixels
from hubel.reading import read

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "mutated_pictures.py"
TASTING = Path(__file__).parent / "tasting.py"
HOSTILE = everything()
LITTLE = 70
"""Megabytes that a hostile file may take: Pillow lets a PNG have 64 of text."""


def ids(name):
    return ascii(name)[1:60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of two classes, one of them of every hostile file and entry."""
    place = tmp_path_factory.mktemp("hostile") / "set"
    for label in ("bad", "good"):
        (place / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(place / label / "sound.png")
    put(HOSTILE, place / "bad")
    return place


@pytest.fixture(scope="module")
def tastes(folder):
    """Of every file, by name: how it ended, what was said, milliseconds, megabytes and what was printed, in a process of its own."""
    words = [sys.executable, str(TASTING), str(folder / "bad")]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(map(json.loads, ended.stdout.splitlines()))


# --- each file ----------------------------------------------------------------------------------------------------------


def test_there_are_hostile_files_of_every_kind():
    assert len(HOSTILE) > 250
    assert len(bombs()) >= 20
    kinds = ("PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF", "PPM")
    assert all(sum(name.startswith(kind) for name in HOSTILE) >= 5 for kind in kinds)
    assert all(any(name.startswith(kind) for name in bombs()) for kind in kinds)


@pytest.mark.parametrize("name", HOSTILE, ids=ids)
def test_a_hostile_file_is_read_or_refused_with_its_reason(tastes, name):
    ends, said, *_ = tastes[name]
    assert ends in ("read", "refused"), said
    assert re.search(HOSTILE[name].ends, said or ends), said
    assert (ends == "refused") == bool(said)
    assert said.isprintable()
    assert len(said) < 300


@pytest.mark.parametrize("name", HOSTILE, ids=ids)
def test_a_hostile_file_takes_little_memory(tastes, name):
    *_, megabytes, noise = tastes[name]
    assert megabytes < LITTLE
    assert safe(noise), ascii(noise)  # libtiff prints what it thinks of a file


@pytest.mark.parametrize("name", bombs(), ids=ids)
def test_a_bomb_is_refused_from_its_header(tastes, name):
    ends, _, _, megabytes, _ = tastes[name]
    assert ends == "refused"
    assert megabytes < 5  # a hundredth of what the least of them would be


# --- a folder of them all -----------------------------------------------------------------------------------------------

SCRIPT = """
import json, sys
from hubel.pictures.loader import decoded
from hubel.pictures.pixels import Pixels
from hubel.pictures.sources import open_source
source = open_source(sys.argv[1])
found = decoded(source.training(), Pixels(3, 16, 16))
print(json.dumps([found.names, [[refused.name, refused.reason] for refused in found.refused], source.notes]))
"""


@pytest.fixture(scope="module")
def loaded(folder):
    """The pictures that a set of everything comes to, those refused with their reasons, and its notes."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stderr == ""
    return json.loads(ended.stdout)


def test_a_folder_of_hostile_files_is_a_set_of_those_that_can_be_read(folder, loaded):
    read, refused, notes = loaded
    assert {str(folder / "good" / "sound.png"), str(folder / "bad" / "sound.png")} <= set(read)
    bad = [path for path in read if path.startswith(str(folder / "bad"))]
    assert not [path for path in bad if not path.endswith("sound.png") and not re.search(HOSTILE[os.path.basename(path)].ends, "read")]
    assert not [(path, reason) for path, reason in refused if not re.search(HOSTILE[os.path.basename(path)].ends, reason)]
    taken = {os.path.basename(path) for path in (*read, *(path for path, _ in refused))}
    assert not [name for name, hostile in HOSTILE.items() if hostile.left_out and name in taken]
    assert len(read) > 60
    assert len(refused) > 120
    assert notes


def test_a_list_of_what_is_no_file_is_refused_line_by_line(folder, tmp_path):
    """A folder leaves pipes and devices out; a list names them, and nothing may wait for what never comes."""
    below = [name for name in entries() if not os.path.isdir(folder / "bad" / name)]
    rows = [{"path": str(folder / "good" / "sound.png"), "label": "good"}]
    rows += [{"path": str(folder / "bad" / name), "label": "bad"} for name in (*below, "nobody.png", "sound.png")]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "list.jsonl")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == 0, ended.stderr[-2000:]
    read, refused, _ = json.loads(ended.stdout)
    assert len(read) + len(refused) == len(rows)
    assert {os.path.basename(path) for path in read} >= {"sound.png", "link to elsewhere.png"}
    assert {os.path.basename(path) for path, _ in refused} >= {"pipe.jpg", "socket.jpg", "link to a device.jpg", "nobody.png"}


# --- names --------------------------------------------------------------------------------------------------------------


def safe(text):
    """Whether a terminal only writes it, line by line: no controls, and nothing that turns the direction of writing round."""
    return not [letter for letter in text if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def small_set(place, *labels):
    for label in labels:
        (place / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(place / label / "sound.png")
    return place


BAD_NAMES = [name for name in names() if "bad" in name]
HARMFUL = " ".join(name.removesuffix(" bad.png") for name in BAD_NAMES if len(name) < 20 and "\udcff" not in name)


@pytest.mark.parametrize("first", range(0, len(BAD_NAMES), LISTED))
def test_files_are_named_each_in_one_line_that_a_terminal_can_show(tmp_path, capsys, first):
    place, some = small_set(tmp_path / "set", "a", "b"), BAD_NAMES[first : first + LISTED]
    put({name: names()[name] for name in some}, place / "a")
    main(["data", str(place), "--quick"])
    out = capsys.readouterr().out
    assert safe(out), ascii(out)
    lines = [line for line in out.splitlines() if "is not a picture" in line]
    assert len(lines) == len(some)
    assert all(f"{place / 'a'}{os.sep}" in line and " bad.png: " in line for line in lines)


@pytest.mark.parametrize("name", [HARMFUL, os.fsdecode(b"\xff\xfe"), "x" * 200], ids=["all", "no text", "long"])
def test_classes_and_folders_with_hostile_names_reach_the_terminal_unharmful(tmp_path, capsys, name):
    place = small_set(tmp_path / name, f"{name} a", "b")
    os.mkfifo(place / f"{name} pipe")  # noted
    main(["data", str(place), "--quick"])
    main(["data", str(tmp_path / f"{name} nowhere")])  # refused
    main(["data", str(place / "b"), "--quick"])
    printed = capsys.readouterr()
    assert safe(printed.out), ascii(printed.out)
    assert safe(printed.err), ascii(printed.err)
    assert len(printed.err.splitlines()) == 2


def test_the_warnings_of_decoders_do_not_reach_people(folder):
    ended = subprocess.run([sys.executable, "-m", "hubel", "data", str(folder), "--quick"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")  # pictures are unreadable
    assert f"cannot be read: {folder}" in ended.stdout
    assert safe(ended.stdout)


def test_predicting_hostile_files_names_each_in_a_line_and_goes_on(folder, tmp_path):
    net = read("Flatten() >> FC(2)")
    model = Model(net, (3, 16, 16), ("a", "b"), Pixels(3, 16, 16), build(net, (3, 16, 16), "he", 0), {}, {}, {})
    model.save(tmp_path / "model.safetensors")
    words = [sys.executable, "-m", "hubel", "predict", str(tmp_path / "model.safetensors"), str(folder), "--json"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert safe(ended.stderr), ascii(ended.stderr)
    lines = ended.stderr.splitlines()
    assert [line for line in lines if not line.startswith(f"hubel: {folder}")] == []
    assert len(lines) > 120
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(lines) + len(json.loads(ended.stdout)) == len(files)


# --- mutations ----------------------------------------------------------------------------------------------------------


def test_mutated_pictures_of_every_format_are_read_or_refused():
    ended = subprocess.run([sys.executable, str(BENCHMARK), "--count", "300"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.search(r"^kind all, files 300, read (\d+), refused (\d+), crash 0, hang 0, wrong 0, ", ended.stdout, re.M)
    assert found, ended.stdout
    assert min(map(int, found.groups())) > 50  # some of the damage must be found, some must be harmless
