"""Tar shards in the WebDataset layout: the pictures of the folder they were made from, whoever wrote them and wherever they lie."""

import io
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubel.cli import main
from hubel.errors import PictureError
from hubel.pictures.shards import headers, index, kept, remote
from hubel.pictures.shards.headers import Damaged, members
from hubel.pictures.shards.naming import expanded, split_of
from hubel.pictures.shards.samples import parted
from hubel.pictures.sources import is_packed, open_source

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
GNU_TAR = shutil.which("tar") if "GNU" in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout else None


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache folder of its own, no proxies, no waiting between attempts; and whatever a shard holds, opening it comes to an end."""

    def ring(number, frame):
        raise TimeoutError("this has hung")

    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HUBEL_DATA", str(folder))
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HUBEL_SHARDS_GB"):
        monkeypatch.delenv(name, raising=False)
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield folder
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def png(level=7, side=4):
    data = io.BytesIO()
    Image.new("L", (side, side), level).save(data, "PNG")
    return data.getvalue()


def written(path, files, form="pax"):
    """A shard of (name, bytes, or what a TarInfo is changed by)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=FORMATS[form]) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            if isinstance(data, dict):
                for key, value in data.items():
                    setattr(info, key, value)
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def pets(first=0, count=4):
    """Pictures of their own grey levels, cats and dogs in turn."""
    return [file for i in range(first, first + count) for file in ((f"{i:06d}.png", png(i)), (f"{i:06d}.cls", b"dog" if i % 2 else b"cat"))]


def levels(split):
    return [split.read(i).getpixel((0, 0)) for i in range(len(split.labels))]


def refusal(use, *arguments):
    """What a mistake is answered with: a PictureError of exactly one sentence."""
    with pytest.raises(PictureError) as caught:
        use(*arguments)
    text = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    assert not re.search(r"[.!?] [A-Z]", text), text
    return text


# --- what is said ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("a-{000..002}.tar", ["a-000.tar", "a-001.tar", "a-002.tar"]),
        ("a-{8..10}.tar", ["a-8.tar", "a-9.tar", "a-10.tar"]),
        ("a-{08..10}.tar", ["a-08.tar", "a-09.tar", "a-10.tar"]),
        ("a-{2..0}", ["a-2", "a-1", "a-0"]),
        ("a-{0..6..3}", ["a-0", "a-3", "a-6"]),
        ("{a..c}{0..1}", ["a0", "a1", "b0", "b1", "c0", "c1"]),
        ("{train,val}-{0..1}.tar", ["train-0.tar", "train-1.tar", "val-0.tar", "val-1.tar"]),
        ("x{a,b{1,2}}y", ["xay", "xb1y", "xb2y"]),
        ("x{a,}y", ["xay", "xy"]),
        ("{}{x}{1..}", ["{}{x}{1..}"]),
        ("{a,b", ["{a,b"]),
        ("{x}{a,b}", ["{x}a", "{x}b"]),
        ("plain.tar", ["plain.tar"]),
    ],
)
def test_braces_stand_for_what_a_shell_has_them_stand_for(said, wanted):
    assert list(expanded(said)) == wanted


@given(
    st.lists(
        st.sampled_from(["a", "-", ".tar", "{0..3}", "{08..11}", "{c..a}", "{1..9..4}", "{x,yz}", "{p,{1..2}}", "{q,r{s,t}}"]), max_size=4
    )
)
def test_braces_stand_for_what_webdataset_has_them_stand_for(parts):
    oracle = pytest.importorskip("braceexpand").braceexpand
    assert list(expanded("".join(parts))) == list(oracle("".join(parts)))


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-000.tar", "train"),
        ("shards/imagenet-train-000012.tar", "train"),
        ("imagenet1k-validation-00.tar", "validation"),
        ("VAL_7.tar", "validation"),
        ("test.tar", "test"),
        ("s3://bucket/set/testing-{0..3}.tar?token=train", "test"),
        ("set/val/000.tar", "validation"),
        ("train/000.tar", "train"),
        ("shard-000.tar", ""),
        ("train/extra/shard-000.tar", ""),
        ("contest-01.tar", ""),
    ],
)
def test_the_split_is_the_last_word_of_a_shard_s_name_that_is_one_or_else_its_folder_s(path, split):
    assert split_of(path) == split


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("images17/image194.left.jpg", ("images17/image194", "left.jpg")),
        ("a.b/c.d/e.JPG", ("a.b/c.d/e", "jpg")),
        ("./7.cls", ("./7", "cls")),
        ("7.seg.png", ("7", "seg.png")),
        (".hidden.jpg", None),
        ("folder/._7.jpg", None),
        ("readme", None),
        ("7.", None),
    ],
)
def test_a_key_is_the_path_up_to_the_first_dot_of_the_file_s_name(name, wanted):
    assert parted(name) == wanted


def the_same_set(source, count=12):
    """Whether these are the pets of three shards, in order."""
    split = source.training()
    assert (source.classes, split.labels.tolist(), levels(split)) == (("cat", "dog"), [0, 1] * (count // 2), list(range(count)))
    assert split.labels.dtype == np.int64
    return split


def test_patterns_lists_folders_and_urls_of_files_name_the_same_set(tmp_path, monkeypatch):
    for i in range(3):
        written(tmp_path / "pets" / f"part-{i}.tar", pets(4 * i))
    monkeypatch.chdir(tmp_path)
    for said in (
        "pets",
        Path("pets"),
        "pets/",
        "pets/*.tar",
        "pets/part-{0..2}.tar",
        "pets/part-{0,1}.tar::pets/part-2.tar",
        f"{tmp_path}/pets/part-[012].tar",
        f"file://{tmp_path}/pets/part-{{0..2}}.tar",
        f"file://{tmp_path}/pets/*.tar",
    ):
        source = open_source(said)
        split = the_same_set(source)
        assert (source.name, list(source.openers), source.notes, split.runs) == ("pets", ["all"], (), (4, 4, 4))
        assert split.names[5] == "part-1.tar: 000005"
        assert split.names[-1] == "part-2.tar: 000011" and split.names[4:6] == list(split.names)[4:6]
        assert is_packed(said)
    assert levels(open_source("pets/part-1.tar").training()) == [4, 5, 6, 7]
    assert open_source("pets/part-1.tar").name == "part-1"


def test_shards_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for i, folder in enumerate("ab"):
        written(tmp_path / folder / "0.tar", pets(4 * i))
    names = open_source(f"{tmp_path}/{{a,b}}/0.tar").training().names
    assert (names[0], names[4]) == (f"{tmp_path}/a/0.tar: 000000", f"{tmp_path}/b/0.tar: 000004")


def test_a_path_that_has_braces_or_brackets_itself_is_taken_as_it_is(tmp_path):
    written(tmp_path / "a[1]{2,3}.tar", pets())
    assert len(open_source(tmp_path / "a[1]{2,3}.tar").training().labels) == 4


def test_shards_are_divided_by_the_splits_in_their_names(tmp_path):
    for i, name in enumerate(("train-000", "train-001", "val-000", "test-000")):
        written(tmp_path / f"{name}.tar", pets(4 * i))
    source = open_source(tmp_path)
    assert list(source.openers) == ["train", "validation", "test"]
    assert [levels(source.split(split))[0] for split in source.openers] == [0, 8, 12]
    assert source.training().runs == (4, 4)
    assert list(open_source(f"{tmp_path}/{{test,train}}-000.tar").openers) == ["train", "test"]
    written(tmp_path / "extra-000.tar", pets())
    assert "has shards of a split (test, train, validation) beside others (extra-000.tar)" in refusal(open_source, tmp_path)


def test_a_folder_of_shards_may_hold_other_files_which_are_left_out_and_noted_but_neither_folders_nor_pictures(tmp_path):
    written(tmp_path / "0.tar", pets())
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "classes.txt").write_text("")
    (tmp_path / "readme.md").write_text("")
    assert open_source(tmp_path).notes == (f"{tmp_path / 'readme.md'} was left out: it is no shard.",)
    (tmp_path / "cat.jpg").write_bytes(b"")
    assert not is_packed(tmp_path)
    (tmp_path / "cat.jpg").unlink()
    (tmp_path / "cats").mkdir()
    assert not is_packed(tmp_path)


def no_shards(folder):
    written(folder / "0.tar", pets())
    (folder / "1.tar.gz").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")


BAD_NAMES = {
    "{}/0{{,,}}.tar": "stands for {}/0.tar twice",
    "{}/{{0..2}}.tar": "There is no shard {}/1.tar.",
    "{}/x*.tar": "There is no shard that matches {}/x*.tar.",
    "{}/missing.tar": "There is no shard {}/missing.tar.",
    "{}/{{0..99999999}}.tar": "stands for more than 1,000,000 shards",
    "{}/1.tar.gz": "{}/1.tar.gz is compressed; shards are plain .tar",
    "{}": "{}/1.tar.gz is compressed; shards are plain .tar",
    "memory://x/notes.txt": "memory://x/notes.txt is no shard; the name of a shard ends in .tar.",
    "http://[::1]:1/0.tar": "http://[::1]:1/0.tar cannot be read: ",
    "{}/0.tar::{}/notes.txt::x.tar": "notes.txt is no shard",
}


@pytest.mark.parametrize("said", BAD_NAMES)
def test_what_names_no_shards_is_refused_in_one_sentence(tmp_path, said):
    no_shards(tmp_path)
    assert BAD_NAMES[said].format(tmp_path) in refusal(open_source, said.format(tmp_path, tmp_path))


# --- who wrote the shards ---------------------------------------------------------------------------------------------------

LONG = "folder-" + "x" * 90 + "/" + "y" * 120 + "é" * 40


@pytest.mark.parametrize("form", FORMATS)
def test_shards_that_python_writes_are_read_in_each_format(tmp_path, form):
    for i in range(3):
        written(tmp_path / f"{i}.tar", pets(4 * i), form)
    the_same_set(open_source(tmp_path))
    assert open_source(tmp_path).notes == ()


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_long_names_are_read_in_each_format_that_has_them(tmp_path, form):
    written(tmp_path / "0.tar", [(f"{LONG}{name}", data) for name, data in pets()], form)
    split = open_source(tmp_path / "0.tar").training()
    assert list(split.names) == [f"0.tar: {LONG}{i:06d}" for i in range(4)]
    assert levels(split) == [0, 1, 2, 3]


def test_a_header_for_all_members_is_read_over(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "one for all"}) as tar:
        for name, data in pets():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    source = open_source(tmp_path / "0.tar")
    assert (levels(source.training()), source.notes) == ([0, 1, 2, 3], ())


@pytest.mark.skipif(GNU_TAR is None, reason="tar is not GNU tar here")
@pytest.mark.parametrize("form", ["ustar", "gnu", "pax", "v7", "oldgnu"])
@pytest.mark.parametrize("order", ["name", "none"])
def test_shards_that_gnu_tar_writes_are_read_in_each_format_sorted_or_not(tmp_path, form, order):
    (tmp_path / "files" / "deep").mkdir(parents=True)
    for name, data in pets(0, 6):
        (tmp_path / "files" / "deep" / name).write_bytes(data)
    path = tmp_path / "0.tar"
    subprocess.run(["tar", f"--format={form}", f"--sort={order}", "-cf", path, "-C", tmp_path / "files", "."], check=True)
    source = open_source(path)
    split = source.training()
    assert source.notes == ()
    assert sorted(zip(split.names, split.labels.tolist(), levels(split))) == [(f"0.tar: ./deep/{i:06d}", i % 2, i) for i in range(6)]


@pytest.mark.filterwarnings("ignore")
def test_shards_that_webdataset_writes_are_read_as_webdataset_reads_them(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "0.tar")) as writer:
        for i in range(6):
            writer.write({"__key__": f"key{i}", "png": png(i), "cls": i % 3, "json": {"caption": "a pet"}})
    with webdataset.TarWriter(str(tmp_path / "1.tar")) as writer:
        for i in range(6, 9):
            writer.write({"__key__": f"key{i}", "png": png(i), "json": {"label": i % 3}})
    theirs = list(webdataset.WebDataset([str(tmp_path / "0.tar"), str(tmp_path / "1.tar")], shardshuffle=False))
    source = open_source(tmp_path)
    split = source.training()
    assert [name.split(": ")[1] for name in split.names] == [sample["__key__"] for sample in theirs]
    assert [place.read() for place in split.places] == [sample["png"] for sample in theirs]
    assert (source.classes, split.labels.tolist(), source.notes) == (("0", "1", "2"), [i % 3 for i in range(9)], ())


@needs_data
def test_photographs_in_shards_are_those_in_a_folder_to_the_byte(tmp_path):
    with tarfile.open(Path(DATA) / "dogs-vs-cats" / "test.tar") as archive:
        photographs = [member for member in archive if member.isfile()][::40]
        archive.extractall(tmp_path / "photographs", photographs, filter="data")
    folder = open_source(tmp_path / "photographs" / "test").training()
    files = [(f"{Path(name).stem.replace('.', '-')}", Path(name).read_bytes(), label) for name, label in zip(folder.names, folder.labels)]
    for i in range(4):
        some = [part for key, data, label in files[i::4] for part in ((f"{key}.jpg", data), (f"{key}.cls", (b"cat", b"dog")[label]))]
        written(tmp_path / "shards" / f"{i}.tar", some)
    source = open_source(tmp_path / "shards")
    split = source.training()
    found = {name.split(": ")[1]: (i, label) for i, (name, label) in enumerate(zip(split.names, split.labels))}
    assert (source.classes, len(found)) == (("cat", "dog"), len(files)) and len(files) >= 20
    for i, (key, data, label) in enumerate(files):
        place, said = found[key]
        assert (split.places[place].read() == data, said) == (True, label)
        assert np.array_equal(np.asarray(split.read(place)), np.asarray(folder.read(i)))
        assert split.size(place) == folder.size(i)


def of_python(data):
    """What Python's tarfile finds."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info.name, info.offset_data, info.size) for info in tar if not info.isdir()]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cc", "Cs")), min_size=1, max_size=140)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=1200) | st.just({"type": tarfile.DIRTYPE})), max_size=6), st.sampled_from(["gnu", "pax"])
)
def test_members_are_those_that_python_s_tarfile_finds(files, form):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=FORMATS[form]) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    found = members(io.BytesIO(data.getvalue()), len(data.getvalue()))
    assert [(member.name, member.start, member.length) for member in found] == of_python(data.getvalue())


class Counting(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def test_the_pictures_themselves_are_not_read_to_index_them(tmp_path):
    path = written(tmp_path / "0.tar", [file for i in range(20) for file in ((f"{i}.png", bytes(1_000_000)), (f"{i}.cls", b"cat"))])
    file = Counting(path.read_bytes())
    found = index.samples(file, path.stat().st_size)
    assert found.keys == [str(i) for i in range(20)]
    assert file.count < 60_000


# --- labels and classes -----------------------------------------------------------------------------------------------------


def labelled(folder, *labels):
    """A shard of pictures with those labels: bytes of a .cls, or what a .json holds."""
    files = []
    for i, label in enumerate(labels):
        said = (f"{i}.cls", label) if isinstance(label, bytes) else (f"{i}.json", json.dumps(label).encode())
        files += [(f"{i}.png", png(i)), said]
    written(folder / "0.tar", files)
    return folder / "0.tar"


@pytest.mark.parametrize(
    ("labels", "classes", "wanted"),
    [
        ([b"dog", b"cat", b"Owl"], ("Owl", "cat", "dog"), [2, 1, 0]),
        ([b"10", b"9\n", b"010", b" 0 "], ("0", "9", "10"), [2, 1, 2, 0]),
        ([{"label": 1}, {"class": 0}, {"cls": "1", "id": 7}], ("0", "1"), [1, 0, 1]),
        ([{"label": "dog", "class": "x"}, {"cls": "cat"}], ("cat", "dog"), [1, 0]),
        ([b"7", b"cat", {"label": 7}], ("7", "cat"), [0, 1, 0]),
        (["été".encode(), b"hiver"], ("hiver", "été"), [1, 0]),
    ],
)
def test_labels_are_numbers_or_names_of_cls_or_json(tmp_path, labels, classes, wanted):
    source = open_source(labelled(tmp_path, *labels))
    assert (source.classes, source.training().labels.tolist()) == (classes, wanted)


def test_where_a_sample_has_cls_and_json_the_cls_is_its_label(tmp_path):
    path = written(tmp_path / "0.tar", [("0.json", b'{"label": "x"}'), *pets(0, 2), ("1.json", b"no json")])
    assert open_source(path).classes == ("cat", "dog")


@pytest.mark.parametrize(("file", "text"), [("classes.txt", "owl\ncrow\r\njay\n"), ("classes.json", '["owl", "crow", "jay"]')])
def test_numbers_are_the_classes_that_a_file_beside_the_shards_names_in_its_order(tmp_path, file, text):
    path = labelled(tmp_path, b"1", b"0", b"1")
    (tmp_path / file).write_text(text)
    source = open_source(path)
    assert (source.classes, source.training().labels.tolist()) == (("owl", "crow", "jay"), [1, 0, 1])
    assert source.notes == (f"No sample is of jay, which {tmp_path / file} names.",)


def test_numbers_without_names_are_classes_by_value_and_one_that_is_missing_is_none_which_is_noted(tmp_path):
    source = open_source(labelled(tmp_path, b"7", b"2", b"30"))
    assert (source.classes, source.training().labels.tolist()) == (("2", "7", "30"), [1, 0, 2])
    assert source.notes == ("The labels are 3 of the numbers from 0 to 30; those that are missing are no classes.",)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("classes.txt", "owl\ncrow", "A label is 2, but {} has 2 classes, whose numbers are 0 to 1."),
        ("classes.txt", "owl\n\ncrow\n", "{} does not name the classes"),
        ("classes.txt", "owl\ncrow\nowl\n", "{} names the class 'owl' twice."),
        ("classes.json", '{"owl": 0}', "{} does not name the classes"),
        ("classes.json", "[" * 100_000, "{} does not name the classes"),
        ("classes.json", '["owl", 3, "jay"]', "{} does not name the classes"),
    ],
)
def test_a_file_of_classes_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, file, text, said):
    path = labelled(tmp_path, b"1", b"0", b"2")
    (tmp_path / file).write_text(text)
    assert said.format(tmp_path / file) in refusal(open_source, path)


def test_a_single_class_is_refused(tmp_path):
    assert "has the single class 'cat'; telling classes apart takes at least two." in refusal(
        open_source, labelled(tmp_path, b"cat", b"cat")
    )


LEFT_OUT = {
    "no label (.cls, or .json with label, class or cls)": [("x.png", png())],
    "no picture (jpg, jpeg, png, webp, gif, bmp, tif, tiff, ppm)": [("x.cls", b"cat"), ("x.txt", b"a cat")],
    "two pictures of one key": [("x.left.png", png()), ("x.right.jpg", png()), ("x.cls", b"cat")],
    "two labels of one key": [("x.png", png()), ("x.a.cls", b"cat"), ("x.b.cls", b"dog")],
    "a hidden file, or one without an extension": [("x", b"")],
}
BAD_LABELS = [
    b"",
    b"-1",
    b"\xff",
    b"a\nb",
    b"9" * 20,
    b"x" * 1025,
    [],
    {"label": None},
    {"label": 1.5},
    {"label": True},
    {"label": ""},
    {"name": "x"},
]


@pytest.mark.parametrize("why", LEFT_OUT)
def test_what_is_no_sample_is_left_out_and_noted_with_its_reason(tmp_path, why):
    path = written(tmp_path / "0.tar", [*pets(), *LEFT_OUT[why]])
    source = open_source(path)
    assert levels(source.training()) == [0, 1, 2, 3]
    assert source.notes == (f"0.tar: x was left out: {why}.",)


@pytest.mark.parametrize("label", BAD_LABELS, ids=lambda label: str(label)[:20])
def test_a_label_that_is_none_is_left_out_and_noted(tmp_path, label):
    path = labelled(tmp_path, b"cat", b"dog", label)
    assert open_source(path).notes == ("0.tar: 2 was left out: a label that is neither a whole number from 0 on nor a name.",)


def test_the_same_name_twice_in_one_shard_is_two_pictures_but_in_two_shards_two_samples(tmp_path):
    path = written(tmp_path / "0.tar", [*pets(), ("000001.png", png(9))])
    assert open_source(path).notes == ("0.tar: 000001 was left out: two pictures of one key.",)
    written(tmp_path / "1.tar", pets(0, 2))
    assert len(open_source(f"{tmp_path}/{{0,1}}.tar").training().labels) == 5


def test_many_that_are_left_out_for_one_reason_are_one_note(tmp_path):
    for shard in "ab":
        written(tmp_path / f"{shard}.tar", [*pets(), *((f"x{i}.png", png()) for i in range(5))])
    assert open_source(tmp_path).notes == (
        "a.tar: x0, a.tar: x1, a.tar: x2 and 7 more were left out: no label (.cls, or .json with label, class or cls).",
    )


LINKS = {
    "a symbolic link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "a link": {"type": tarfile.LNKTYPE, "linkname": "000001.png"},
    "a device": {"type": tarfile.CHRTYPE},
    "a disk": {"type": tarfile.BLKTYPE},
    "a pipe": {"type": tarfile.FIFOTYPE},
    "an unknown kind": {"type": b"Z"},
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_are_left_out_and_noted(tmp_path, kind):
    path = written(tmp_path / "0.tar", [("000009.png", LINKS[kind]), *pets()])
    source = open_source(path)
    assert levels(source.training()) == [0, 1, 2, 3]
    assert source.notes == ("0.tar: 000009.png was left out: a link, a device, or a file with holes.",)


@pytest.mark.skipif(GNU_TAR is None, reason="tar is not GNU tar here")
@pytest.mark.parametrize("kind", ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"])
def test_files_with_holes_are_left_out_and_noted_and_what_follows_them_is_read(tmp_path, kind):
    (tmp_path / "files").mkdir()
    with open(tmp_path / "files" / "000000.png", "wb") as file:
        for i in range(40):  # so many holes that their map goes on in further blocks
            file.seek(i * 200_000)
            file.write(b"x" * 5000)
    for name, data in pets(1, 4):
        (tmp_path / "files" / name).write_bytes(data)
    path = tmp_path / "0.tar"
    subprocess.run(["tar", *f"--format={kind}".split(), "--sparse", "--sort=name", "-cf", path, "-C", tmp_path / "files", "."], check=True)
    source = open_source(path)
    assert levels(source.training()) == [1, 2, 3, 4]
    assert source.notes == ("0.tar: ./000000.png was left out: a link, a device, or a file with holes.",)


# --- damaged and hostile shards ---------------------------------------------------------------------------------------------


def header(name="x.png", size=0, kind=b"0", raw=None):
    """A header of 512 bytes, whose size may be given as it is written."""
    block = bytearray(512)
    block[: len(name)] = name.encode()
    block[100:136] = b"0000644\0" + b"0000000\0" * 2 + (raw if raw is not None else b"%011o\0" % size)
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def whole(form="pax"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=FORMATS[form]) as tar:
        for name, content in pets():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


WHOLE = whole()
BODY = WHOLE[: 8 * 1024]  # eight members of a header and a block, then the end mark
HUGE = b"\x80" + (1 << 60).to_bytes(11, "big")
NEGATIVE = b"\xff" + ((1 << 88) - 1024).to_bytes(11, "big")

# what is written, how many samples of four are found, and what is said
HOSTILE = {
    "cut within a picture": (WHOLE[: 6 * 1024 + 540], 3, "bytes follow, but there are 28"),
    "cut within a header": (WHOLE[: 6 * 1024 + 100], 3, "has no header at byte 6,144"),
    "cut between members": (WHOLE[: 6 * 1024], 3, "ends after 6,144 bytes without an end mark"),
    "no end mark": (BODY, 4, "ends after 8,192 bytes without an end mark"),
    "a wrong checksum": (WHOLE[:4096] + b"z" + WHOLE[4097:], 2, "has no header at byte 4,096"),
    "noise in the middle": (WHOLE[:4096] + np.random.default_rng(0).bytes(512) + WHOLE[4608:], 2, "has no header at byte 4,096"),
    "two joined": (WHOLE + WHOLE, 4, "goes on after its end mark at byte 8,192"),
    "a size beyond the file": (BODY + header(size=10**9) + bytes(2048), 4, "says at byte 8,192 that 1,000,000,000 bytes follow, but there are 2,048"),
    "a size beyond every file": (BODY + header(raw=HUGE) + bytes(2048), 4, "bytes follow, but there are 2,048"),
    "a negative size": (BODY + header(raw=NEGATIVE) + bytes(2048), 4, "says at byte 8,192 that -1,024 bytes follow"),
    "a size that is no number": (BODY + header(raw=b"99999999999\0") + bytes(2048), 4, "has no header at byte 8,192"),
    "a PAX header of gigabytes": (BODY + header(kind=b"x", size=1 << 31) + bytes(1 << 20), 4, "bytes follow, but there are 1,048,576"),
    "a PAX header of a megabyte": (BODY + header(kind=b"x", size=1 << 20) + b"9" * (1 << 20) + bytes(1024), 4, "has a header of 1,048,576 bytes"),
    "a PAX header of digits": (BODY + header(kind=b"x", size=1 << 16) + b"9" * (1 << 16) + bytes(1024), 4, "has an extended header that is none"),
    "a PAX record of no length": (BODY + header(kind=b"x", size=16) + b"0 path=x\n".ljust(512, b"\0") + bytes(1024), 4, "that is none"),
    "a PAX record beyond its header": (BODY + header(kind=b"g", size=16) + b"99 path=x\n".ljust(512, b"\0") + bytes(1024), 4, "that is none"),
    "a PAX size beyond the file": (BODY + header(kind=b"x", size=20) + b"20 size=99999999999\n".ljust(512, b"\0") + header() + bytes(1024), 4, "bytes follow"),
    "a long name of a megabyte": (BODY + header(kind=b"L", size=1 << 20) + b"x" * (1 << 20) + bytes(1024), 4, "has a header of 1,048,576 bytes"),
    "a thousand headers of headers": (BODY + (header(kind=b"x", size=10) + b"10 path=x\n".ljust(512, b"\0")) * 2000, 4, "without an end mark"),
    "a map of holes without end": (BODY + header(kind=b"S")[:482] + b"\1" + bytes(29) + b"\1" * 4096, 4, "has no header at byte 8,192"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_of_a_damaged_or_hostile_shard_what_comes_before_is_used_and_the_rest_noted(tmp_path, kind):
    data, count, said = HOSTILE[kind]
    (tmp_path / "0.tar").write_bytes(data)
    source = open_source(tmp_path / "0.tar")
    assert levels(source.training()) == list(range(count))
    assert source.notes[0].startswith("0.tar ") and said in source.notes[0] and source.notes[0].endswith(".")


@pytest.mark.parametrize("kind", ["empty", "text", "zeros", "only an end mark", "an archive of class folders"])
def test_a_file_that_holds_no_samples_is_refused_in_one_sentence(tmp_path, kind):
    path = tmp_path / "0.tar"
    path.write_bytes({"empty": b"", "text": b"no tar" * 1000, "zeros": bytes(1 << 16), "only an end mark": bytes(10240)}.get(kind, b""))
    if kind == "an archive of class folders":
        written(path, [(f"train/cat/cat.{i}.jpg", png()) for i in range(3)])
    assert "holds no samples: a picture and a .cls or .json, named alike up to their first dot" in refusal(open_source, path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_compressed_shard_is_refused_whatever_it_is_called(tmp_path, kind):
    written(tmp_path / "0.tar", pets())
    with tarfile.open(tmp_path / "1.tar", f"w:{kind}") as tar:
        tar.addfile(tarfile.TarInfo("x.png"))
    assert refusal(open_source, tmp_path).startswith(f"{tmp_path / '1.tar'} is compressed; shards are plain .tar")


def test_a_shard_of_millions_of_members_comes_to_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "MOST", 1000)
    path = tmp_path / "0.tar"
    path.write_bytes(BODY + header("x.txt") * 2000)
    assert open_source(path).notes[0] == "0.tar has more than 1,000 headers, where a shard has thousands."


@given(st.binary(max_size=2048), st.integers(0, len(WHOLE)))
def test_whatever_stands_in_a_shard_reading_it_ends_with_members_within_it(noise, place):
    data = (WHOLE[:place] + noise + WHOLE[place + len(noise) :])[: len(WHOLE)]
    found = []
    with suppress(Damaged):
        found += members(io.BytesIO(data), len(data))
    assert all(0 < member.start <= member.start + member.length <= len(data) for member in found)


# --- the index ----------------------------------------------------------------------------------------------------------------


def test_opening_again_reads_no_headers_and_gives_the_same_set(tmp_path, monkeypatch):
    for i in range(3):
        written(tmp_path / "pets" / f"{i}.tar", [*pets(4 * i), ("x.cls", b"cat")])
    heard = []
    first = open_source(tmp_path / "pets", lambda *said: heard.append(said))
    assert heard == [("indexing", 1, 3), ("indexing", 2, 3), ("indexing", 3, 3)]
    monkeypatch.setattr(index, "samples", None)  # whoever calls it fails
    again = open_source(tmp_path / "pets")
    the_same_set(again)
    assert (again.notes, again.fingerprint()) == (first.notes, first.fingerprint())
    assert list(again.training().places) == list(first.training().places)


def test_a_shard_that_has_changed_is_indexed_again_and_its_old_places_are_refused(tmp_path):
    path = written(tmp_path / "0.tar", pets())
    before = open_source(path).training()
    written(path, pets(4, 6))
    os.utime(path, (1, 1))
    assert levels(open_source(path).training()) == [4, 5, 6, 7, 8, 9]
    with pytest.raises(PictureError, match="its file has changed since the set was opened"):
        before.read(0)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 0, "version": "", "index": {}}', b"\xff", b"null"])
def test_an_index_that_is_damaged_is_made_again(tmp_path, cache, damage):
    path = written(tmp_path / "0.tar", pets())
    open_source(path)
    (place,) = (cache / "indexes").iterdir()
    kept_before = place.read_bytes()
    place.write_bytes(damage)
    assert levels(open_source(path).training()) == [0, 1, 2, 3]
    assert place.read_bytes() == kept_before


def test_without_a_folder_to_keep_indexes_in_shards_are_opened_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "file"))
    assert levels(open_source(written(tmp_path / "0.tar", pets())).training()) == [0, 1, 2, 3]


def test_names_that_are_not_utf_8_survive_the_index(tmp_path):
    written(tmp_path / "0.tar", [(f"caf\udce9{name}", data) for name, data in pets()], "gnu")
    for _ in range(2):
        assert open_source(tmp_path / "0.tar").training().names[0] == "0.tar: caf\udce9000000"


def test_places_and_names_are_values_that_other_processes_can_be_told(tmp_path):
    split = open_source(written(tmp_path / "0.tar", pets())).training()
    places, names = pickle.loads(pickle.dumps((split.places, split.names)))
    assert list(places) == list(split.places) and list(names) == list(split.names)
    assert pickle.loads(pickle.dumps(split.places[2])) == split.places[2] == places[-2] == places[1:3][1]
    assert places[2].stamp() == (os.stat(tmp_path / "0.tar").st_size, os.stat(tmp_path / "0.tar").st_mtime_ns)
    with pytest.raises(IndexError):
        places[4]


def test_shards_are_read_without_loading_torch(tmp_path):
    written(tmp_path / "0.tar", pets())
    place = open_source(tmp_path / "0.tar").training().places[0]
    code = (
        "import sys; from hubel.pictures.places import Place; from hubel.pictures.shards import kept;"
        "sys.exit('torch' in sys.modules or not Place(*eval(sys.argv[1])).read())"
    )
    arguments = repr((place.path, place.start, place.length, place.version))
    assert subprocess.run([sys.executable, "-c", code, arguments]).returncode == 0


# --- shards at URLs ---------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serves files by name, in the manner that the first part of the path names; `asked` has (method, path, Range) of every request."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = files, []
        self.failures = Counter()

    def url(self, manner, name):
        return f"http://127.0.0.1:{self.server_port}/{manner}/{name}"

    def bodies(self, name):
        return [wanted for method, path, wanted in self.asked if method == "GET" and path.endswith(name)]

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that leave are what is tested."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *words):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        _, manner, name = self.path.partition("?")[0].split("/", 2)
        wanted = self.headers.get("Range")
        self.server.asked.append((self.command, self.path, wanted))
        if name not in self.server.files or manner == "forbidden":
            self.close_connection = True
            self.send_error(404 if manner != "forbidden" else 403)
            return
        data = self.server.files[name]
        start, end = 0, len(data)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
        if found and manner != "norange":
            start, end = int(found[1]), min(int(found[2]) + 1, len(data))
        self.send_response(206 if found and manner != "norange" else 200)
        if found and manner != "norange":
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        if manner != "unversioned":
            self.send_header("ETag", f'"{hash(data)}"')
        self.end_headers()
        if with_body:
            self.server.failures[self.path, wanted] += 1
            broken = manner == "always" or (manner == "breaks" and self.server.failures[self.path, wanted] <= 2)
            self.close_connection = self.close_connection or broken
            self.wfile.write(data[start : start + (end - start) // 2] if broken else data[start:end])


@pytest.fixture
def http(tmp_path):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    with Server({f"{i}.tar": written(tmp_path / f"{i}.tar", pets(4 * i)).read_bytes() for i in range(3)}) as server:
        yield server


@pytest.fixture
def memory():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_shards_in_the_memory_of_fsspec_are_read_by_braces_and_by_patterns(tmp_path, memory):
    for i in range(3):
        memory.pipe(f"/pets/{i}.tar", written(tmp_path / f"{i}.tar", pets(4 * i)).read_bytes())
    memory.pipe("/pets/classes.txt", b"unused")
    for said in ("memory://pets/{0..2}.tar", "memory://pets/*.tar"):
        source = open_source(said)
        assert (source.name, source.notes) == ("pets", ())
        assert the_same_set(source).names[5] == "1.tar: 000005"
    assert "There is no shard that matches memory://none/*.tar." in refusal(open_source, "memory://none/*.tar")
    assert refusal(open_source, "memory://pets/3.tar") == "memory://pets/3.tar is not there."


def test_classes_are_named_by_a_file_beside_shards_at_a_url(tmp_path, memory):
    memory.pipe("/pets/0.tar", labelled(tmp_path, b"1", b"0").read_bytes())
    assert open_source("memory://pets/0.tar").classes == ("0", "1")
    memory.pipe("/pets/classes.txt", b"owl\ncrow\n")
    assert open_source("memory://pets/0.tar").classes == ("owl", "crow")


@pytest.mark.parametrize("manner", ["good", "norange", "breaks", "unversioned"])
def test_shards_on_a_web_server_are_fetched_whole_once_and_read_from_there(http, cache, monkeypatch, manner):
    monkeypatch.setattr(remote, "PIECE", 5000)
    url = http.url(manner, "{0..2}.tar?token=secret")
    split = the_same_set(open_source(url))
    assert sorted(path.stat().st_size for path in (cache / "shards").glob("*.tar")) == sorted(map(len, http.files.values()))
    assert not list((cache / "shards").glob(".*.part"))
    assert split.names[0] == "0.tar: 000000"
    http.asked.clear()
    assert levels(split) == list(range(12)) and http.asked == []
    the_same_set(open_source(url))
    assert {method for method, _, _ in http.asked} == {"HEAD"}


def test_a_shard_that_is_larger_than_all_that_may_be_kept_is_read_by_ranges(http, cache, monkeypatch):
    monkeypatch.setenv("HUBEL_SHARDS_GB", "0")
    split = the_same_set(open_source(http.url("good", "{0..2}.tar")))
    http.asked.clear()
    place = split.places[5]
    assert place.read() == png(5)
    assert http.asked == [("GET", "/good/1.tar", f"bytes={place.start}-{place.start + place.length - 1}")]
    assert not (cache / "shards").exists()
    monkeypatch.setattr(remote, "AHEAD", 1024)
    assert "its server gives no parts of it; let HUBEL_SHARDS_GB be more." in refusal(open_source, http.url("norange", "{0..2}.tar"))


def test_a_remote_shard_that_has_changed_is_indexed_again_and_its_old_places_are_refused(http, cache, tmp_path, monkeypatch):
    before = open_source(http.url("good", "0.tar")).training()
    http.files["0.tar"] = written(tmp_path / "new.tar", pets(8, 6)).read_bytes()
    assert before.read(0).getpixel((0, 0)) == 0  # it is kept
    shutil.rmtree(cache / "shards")
    with pytest.raises(PictureError, match="has changed since the set was opened; open it again"):
        before.read(0)
    assert levels(open_source(http.url("good", "0.tar")).training()) == [8, 9, 10, 11, 12, 13]
    assert before.places[0].stamp() != open_source(http.url("good", "0.tar")).training().places[0].stamp()


BAD_SERVERS = {
    "missing": ("good", "3.tar", "/good/3.tar is not there."),
    "forbidden": ("forbidden", "0.tar", "/forbidden/0.tar cannot be read: the server answers 403."),
    "always": ("always", "0.tar", "/always/0.tar cannot be read: "),
}


@pytest.mark.parametrize("kind", BAD_SERVERS)
def test_a_server_that_gives_nothing_is_named_with_its_reason_but_not_with_its_password(http, cache, kind):
    manner, name, said = BAD_SERVERS[kind]
    text = refusal(open_source, http.url(manner, name).replace("//", "//user:secret@") + "?token=secret")
    assert said in text and "secret" not in text and "user" not in text
    assert not list((cache / "shards").glob("*.tar")) and not list((cache / "shards").glob(".*.part"))


def test_a_server_that_is_not_there_is_named(http):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "cannot be read: " in refusal(open_source, f"http://127.0.0.1:{free.getsockname()[1]}/0.tar")


def test_a_picture_whose_shard_cannot_be_fetched_any_more_has_that_for_its_reason(http, cache):
    split = open_source(http.url("good", "0.tar")).training()
    shutil.rmtree(cache / "shards")
    http.files.clear()
    with pytest.raises(PictureError, match=r"/good/0\.tar is not there"):
        split.read(0)


READER = """
import sys
from hubel.pictures.shards.opening import from_shards
split = from_shards(sys.argv[1]).training()
for i in range(len(split.labels)):
    assert split.read(i).getpixel((0, 0)) == i % 256, i
print(len(split.labels))
"""


def readers(count, url, **environment):
    """As many processes that each read every picture of a set; what they say."""
    command = [sys.executable, "-c", READER, url]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment)
        for _ in range(count)
    ]
    return [process.communicate(timeout=50)[0].strip() for process in running]


def test_two_processes_that_want_a_shard_fetch_it_once(http):
    assert readers(2, http.url("good", "{0..2}.tar")) == ["12", "12"]
    assert [len(http.bodies(f"{i}.tar")) for i in range(3)] == [1, 1, 1]


def test_what_is_kept_of_more_shards_than_fit_stays_within_its_bound_while_two_processes_read_them(tmp_path, cache, monkeypatch):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    files = {f"{i}.tar": written(tmp_path / f"{i}.tar", pets(4 * i)).read_bytes() for i in range(12)}
    bound = 3 * len(files["0.tar"]) + 100
    seen, stopping = [], threading.Event()

    def watch():
        while not stopping.wait(0.002):
            sizes = []
            for path in (cache / "shards").glob("*"):
                with suppress(FileNotFoundError):
                    sizes.append(path.stat().st_size)
            seen.append(sum(sizes))

    watching = threading.Thread(target=watch)
    with Server(files) as server:
        watching.start()
        try:
            assert readers(2, server.url("good", "{0..11}.tar"), HUBEL_SHARDS_GB=str(bound / 1e9)) == ["48", "48"]
        finally:
            stopping.set()
            watching.join()
    assert max(seen) > len(files["0.tar"])
    assert max(seen) <= bound
    assert 1 <= len(list((cache / "shards").glob("*.tar"))) <= 3


def test_the_shard_that_was_not_used_for_longest_makes_room(http, monkeypatch):
    size = len(http.files["0.tar"])
    monkeypatch.setenv("HUBEL_SHARDS_GB", str(2.5 * size / 1e9))
    urls = [http.url("good", f"{i}.tar") for i in range(3)]
    versions = [remote.version(url) for url in urls]
    for i in (0, 1, 0, 2, 0):
        kept.read(urls[i], versions[i], 0, 10)
        time.sleep(0.01)
    assert [len(http.bodies(f"{i}.tar")) for i in range(3)] == [1, 1, 1]
    kept.read(urls[1], versions[1], 0, 10)
    assert [len(http.bodies(f"{i}.tar")) for i in range(3)] == [1, 2, 1]


def test_what_a_killed_process_left_makes_room(http, cache, monkeypatch):
    size = len(http.files["0.tar"])
    monkeypatch.setenv("HUBEL_SHARDS_GB", str(1.5 * size / 1e9))
    (cache / "shards").mkdir()
    for name in ("00", "77", "ff"):
        (cache / "shards" / f".{name}{'x' * 30}.tar.part").write_bytes(bytes(size))
    assert len(kept.read(http.url("good", "0.tar"), remote.version(http.url("good", "0.tar")), 0, 10)) == 10
    assert not list((cache / "shards").glob(".*.part"))


@pytest.mark.parametrize("said", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_none_is_refused(monkeypatch, said):
    monkeypatch.setenv("HUBEL_SHARDS_GB", said)
    assert refusal(kept.most) == f"HUBEL_SHARDS_GB is {said!r}; it says how many GB of shards may be kept, such as 8."


def test_a_full_disk_is_said_with_what_is_needed(http, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert "a shard needs 10,240 bytes in" in refusal(open_source, http.url("good", "0.tar"))


@pytest.mark.parametrize(
    ("url", "gone", "said"),
    [
        (
            "http://x/0.tar",
            "fsspec",
            'http://x/0.tar cannot be read (import of fsspec halted; None in sys.modules); pip install "hubel[shards]".',
        ),
        ("http://x/0.tar", "aiohttp", 'pip install "hubel[shards]".'),
        ("s3://x/0.tar", "s3fs", 's3://x/0.tar cannot be read (Install s3fs to access S3); pip install "hubel[shards]" s3fs.'),
        ("nosuch://x/0.tar", "s3fs", "nosuch://x/0.tar cannot be read: Protocol not known: nosuch."),
    ],
)
def test_without_the_package_that_reads_a_url_the_line_that_installs_it_is_said(monkeypatch, url, gone, said):
    monkeypatch.setitem(sys.modules, gone, None)
    assert said in refusal(open_source, url)


def test_without_fsspec_shards_that_lie_here_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert levels(open_source(written(tmp_path / "0.tar", pets())).training()) == [0, 1, 2, 3]


# --- from the command line --------------------------------------------------------------------------------------------------


def test_shards_are_counted_by_the_command_line(tmp_path, capsys):
    for i, split in enumerate(("train", "val")):
        written(tmp_path / "pets" / f"{split}-{i}.tar", [*pets(4 * i), ("x.png", png())])
    assert main(["data", "--quick", f"{tmp_path}/pets/{{train,val}}-*.tar"]) == 0
    said = capsys.readouterr().out
    assert "pets: 2 classes: cat, dog" in said
    assert "note: train-0.tar: x, val-1.tar: x were left out: no label" in said
    assert re.search(r"train +4 +1x4x4 +2\b", said) and re.search(r"validation +4 +1x4x4 +2\b", said)


def test_a_shard_that_is_cut_off_is_an_error_to_whoever_examines_the_set(tmp_path, capsys):
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        with tarfile.open(folder / f"train-{number:06}.tar", "w") as shard:
            for i in range(6):
                for ending, data in (("png", noise(10 * number + i)), ("cls", str(i % 2).encode())):
                    member = tarfile.TarInfo(f"{i:03}.{ending}")
                    member.size = len(data)
                    shard.addfile(member, io.BytesIO(data))
    assert main(["data", str(folder), "--json"]) == 0
    path = folder / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:-12_000])
    capsys.readouterr()
    assert main(["data", str(folder), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert ["train-000001.tar" in finding["says"] for finding in findings if finding["kind"] == "damage"] == [True]


def noise(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()
