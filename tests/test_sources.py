"""Where pictures come from: class folders, IDX files and the digits, and one clear sentence for whatever cannot be used."""

import gzip
import hashlib
import os
import re
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.loader import decoded
from hubel.pictures.pixels import Pixels
from hubel.pictures.published import FASHION
from hubel.pictures.sources import open_source

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")


@pytest.fixture(autouse=True)
def _nothing_hangs():
    """Whatever lies in a folder, opening it comes to an end."""

    def ring(number, frame):
        raise TimeoutError("this has hung")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def picture(path, level=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path, "PNG")


def classes(folder, *labels, count=2):
    """Class folders with a few pictures each."""
    for label in labels or ("cat", "dog"):
        for i in range(count):
            picture(folder / label / f"{i}.png")
    return folder


def refusal(use, *arguments):
    """What a mistake is answered with: a PictureError of exactly one sentence."""
    with pytest.raises(PictureError) as caught:
        use(*arguments)
    text = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    assert not re.search(r"[.!?] [A-Z]", text), text
    assert not re.search(r"\b(against|has|and|in)[ :]*[.;]", text), text  # nothing stands where something should be named
    return text


# --- class folders ------------------------------------------------------------------------------------------------------


def test_folders_of_pictures_are_classes_in_the_order_of_their_names(tmp_path):
    classes(tmp_path, "dog", "cat", "Owl")
    picture(tmp_path / "cat" / "10.png")
    picture(tmp_path / "cat" / "of-2024" / "deep" / "9.png")
    source = open_source(tmp_path)
    assert (source.name, source.classes, list(source.openers), source.notes) == (tmp_path.name, ("Owl", "cat", "dog"), ["all"], ())
    split = source.split("all")
    wanted = ["Owl/0.png", "Owl/1.png", "cat/0.png", "cat/1.png", "cat/10.png", "cat/of-2024/deep/9.png", "dog/0.png", "dog/1.png"]
    assert split.names == [str(tmp_path / name) for name in wanted]
    assert split.labels.dtype == np.int64
    assert split.labels.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    assert source.training().names == source.testing().names == split.names


def test_each_picture_is_read_from_its_own_file(tmp_path):
    for i, label in enumerate("ab"):
        for j in range(3):
            picture(tmp_path / label / f"{j}.png", 10 * i + j)
    for place in (tmp_path, str(tmp_path)):
        split = open_source(place).training()
        assert [split.read(i).getpixel((0, 0)) for i in range(6)] == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "validation", "test"), ("train", "val", "test"), ("train", "valid", None), ("Training", "VALIDATION", "Testing"), ("train", None, "test"), ("TRAIN", None, None)],
)  # fmt: skip
def test_split_folders_are_known_by_their_usual_names(tmp_path, train, validation, test):
    for count, name in enumerate((train, validation, test), 1):
        if name:
            classes(tmp_path / name, "cat", "dog", count=count)
    source = open_source(tmp_path)
    there = [split for split, name in (("train", train), ("validation", validation), ("test", test)) if name]
    assert (source.classes, list(source.openers), source.notes) == (("cat", "dog"), there, ())
    for count, (split, name) in enumerate((("train", train), ("validation", validation), ("test", test)), 1):
        if name:
            assert source.split(split).labels.tolist() == [0] * count + [1] * count
            assert all(Path(path).is_relative_to(tmp_path / name) for path in source.split(split).names)
        else:
            assert refusal(source.split, split) == f"{tmp_path.name} has no {split} pictures; it has: {', '.join(there)}."
    assert source.training().names == source.split("train").names
    if test:
        assert source.testing().names == source.split("test").names


def test_a_set_with_train_but_no_test_is_not_tested_on_its_training_pictures(tmp_path):
    classes(tmp_path / "train")
    assert "has no test pictures" in refusal(open_source(tmp_path).testing)


def test_a_set_of_test_pictures_alone_can_be_tested_on_and_says_that_it_has_none_to_learn_from(tmp_path):
    classes(tmp_path / "test")
    source = open_source(tmp_path)
    assert len(source.testing().labels) == 4
    assert source.notes == (f"{tmp_path} has no train folder, so it can be tested on but not trained on.",)
    assert "has no train pictures" in refusal(source.training)


def test_hidden_folders_and_lone_files_are_left_out_and_noted_once_each(tmp_path):
    classes(tmp_path)
    for hidden in (".git", ".ipynb_checkpoints", "__MACOSX", "cat/.ipynb_checkpoints", "dog/__MACOSX"):
        picture(tmp_path / hidden / "x.png")
    picture(tmp_path / "cat" / "._0.png")
    (tmp_path / "readme.txt").write_text("pictures of pets")
    (tmp_path / ".DS_Store").write_text("")
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog")
    assert len(source.training().labels) == 4
    wanted = [".git", ".ipynb_checkpoints", "__MACOSX", "cat/.ipynb_checkpoints", "cat/._0.png", "dog/__MACOSX", "readme.txt"]
    assert sorted(note.split(" was left out: ")[0] for note in source.notes) == sorted(str(tmp_path / name) for name in wanted)


def test_hidden_things_beside_split_folders_are_left_out_and_noted_once_each(tmp_path):
    classes(tmp_path / "train")
    classes(tmp_path / "val")
    picture(tmp_path / ".ipynb_checkpoints" / "x.png")
    picture(tmp_path / "val" / "__MACOSX" / "x.png")
    source = open_source(tmp_path)
    assert list(source.openers) == ["train", "validation"]
    assert sorted(note.split(" was")[0] for note in source.notes) == [
        str(tmp_path / ".ipynb_checkpoints"),
        str(tmp_path / "val" / "__MACOSX"),
    ]


def empty_class(folder):
    classes(folder)
    (folder / "owl").mkdir()


def class_of_hidden_pictures(folder):
    classes(folder)
    picture(folder / "owl" / ".0.png")


def empty_class_in_validation(folder):
    classes(folder / "train", "cat", "dog", "owl")
    classes(folder / "valid")
    (folder / "valid" / "owl").mkdir()


def other_classes_in_validation(folder):
    classes(folder / "train", "cat", "dog")
    classes(folder / "val", "cat", "wolf", "owl")


def nothing_in_validation(folder):
    classes(folder / "train")
    (folder / "val").mkdir()


def pictures_without_folders_in_train(folder):
    picture(folder / "train" / "0.png")


def split_folders_beside_strangers(folder):
    classes(folder / "train")
    classes(folder / "owls")


def two_folders_for_one_split(folder):
    for name in ("train", "val", "valid"):
        classes(folder / name)


def pictures_without_folders(folder):
    picture(folder / "0.png")


BAD_FOLDERS = {
    empty_class: ["The class 'owl' has no pictures in {}", "put some there, or remove the folder"],
    class_of_hidden_pictures: ["The class 'owl' has no pictures in {}"],
    empty_class_in_validation: ["The class 'owl' has no pictures in {}/valid"],
    other_classes_in_validation: ["{}/train", "{}/val", "cat, dog", "cat, owl, wolf", "disagree"],
    nothing_in_validation: ["{}/val"],
    pictures_without_folders_in_train: ["has no class folders"],
    split_folders_beside_strangers: ["{} has split folders (train) beside others (owls)", "move the others away"],
    two_folders_for_one_split: ["{} has two folders for one split: train, val, valid"],
    pictures_without_folders: ["{} has no class folders"],
    (lambda folder: classes(folder, "cat")): ["{} has the single class 'cat'", "at least two"],
    (lambda folder: classes(folder / "train", "cat")): ["the single class 'cat'"],
    (lambda folder: None): ["{} has no class folders"],
    (lambda folder: (folder / "train").mkdir()): ["has no class folders"],
    (lambda folder: classes(folder, ".cat", "__MACOSX")): ["{} has no class folders"],
}


@pytest.mark.parametrize("make", BAD_FOLDERS, ids=lambda make: make.__name__)
def test_folders_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, make):
    make(tmp_path)
    text = refusal(open_source, tmp_path)
    for words in BAD_FOLDERS[make]:
        assert words.format(tmp_path) in text


def test_places_that_are_no_folder_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "file.zip").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    assert "is a file; a set is a folder" in refusal(open_source, tmp_path / "file.zip")
    for place in (tmp_path / "missing", str(tmp_path / "a" / "b"), tmp_path / "link", "digit", "a\0b"):
        assert "There is no folder" in refusal(open_source, place)


def test_places_that_the_system_cannot_look_up_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for place in ("x" * 5000, tmp_path / "loop"):
        refusal(open_source, place)


def test_pipes_and_links_that_lead_nowhere_are_left_out_and_noted_once_each(tmp_path):
    classes(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "dog" / "up").symlink_to("..")
    (tmp_path / "dog" / "here").symlink_to(".")
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog")
    assert [Path(name).name for name in source.training().names] == ["0.png", "1.png"] * 2
    wanted = ["cat/gone.png", "cat/pipe.png", "dog/here", "dog/up", "gone", "pipe"]
    assert sorted(note.split(" was left out: ")[0] for note in source.notes) == [str(tmp_path / name) for name in wanted]


@pytest.mark.parametrize("place", ["cat/loop.png", "loop"])
def test_links_to_themselves_are_left_out_and_noted(tmp_path, place):
    classes(tmp_path)
    (tmp_path / place).symlink_to(Path(place).name)
    source = open_source(tmp_path)
    assert len(source.training().labels) == 4
    assert {note.split(" was left out: ")[0] for note in source.notes} == {str(tmp_path / place)}


def test_names_that_are_not_utf_8_are_read_like_any_others(tmp_path):
    for label in (b"caf\xe9", b"th\xe9"):
        folder = os.path.join(os.fsencode(tmp_path), label)
        os.mkdir(folder)
        for i in range(2):
            with open(os.path.join(folder, b"\xff\xfe%d.png" % i), "wb") as file:
                Image.new("L", (4, 4), 5).save(file, "PNG")
        with open(os.path.join(folder, b"\xff\xffbad.png"), "wb") as file:
            file.write(b"no picture")
    source = open_source(tmp_path)
    assert [os.fsencode(label) for label in source.classes] == [b"caf\xe9", b"th\xe9"]
    pictures = decoded(source.training(), Pixels(1, 4, 4))
    assert pictures.labels.tolist() == [0, 0, 1, 1]
    assert [os.path.basename(os.fsencode(refused.name)) for refused in pictures.refused] == [b"\xff\xffbad.png"] * 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused_in_one_sentence(tmp_path):
    classes(tmp_path)
    (tmp_path / "cat").chmod(0)
    try:
        assert "cannot be read: Permission denied" in refusal(open_source, tmp_path)
    finally:
        (tmp_path / "cat").chmod(0o755)


# --- IDX ----------------------------------------------------------------------------------------------------------------

FASHION_TRAIN, FASHION_TEST = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 1], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 0]  # as published
PLAIN = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3]


def idx(array, shape=None, kind=8):
    """The bytes of an IDX file, as LeCun's page describes them."""
    array = np.asarray(array, np.uint8)
    shape = array.shape if shape is None else shape
    return bytes((0, 0, kind, len(shape))) + b"".join(side.to_bytes(4, "big") for side in shape) + array.tobytes()


def drawn(count, height=6, width=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width), np.uint8)


def names(prefix, style="{}-{}-idx{}-ubyte"):
    return [style.format(prefix, "images", 3), style.format(prefix, "labels", 1)]


def idx_set(folder, labels=PLAIN, prefix="train", style="{}-{}-idx{}-ubyte", pack=bytes, seed=0):
    """A pair of files; their pictures."""
    folder.mkdir(exist_ok=True)
    pictures = drawn(len(labels), seed=seed)
    for name, array in zip(names(prefix, style), (pictures, labels)):
        (folder / name).write_bytes(pack(idx(array)))
    return pictures


@pytest.mark.parametrize(
    ("style", "pack"),
    [
        ("{}-{}-idx{}-ubyte", bytes),
        ("{}-{}-idx{}-ubyte.gz", gzip.compress),
        ("{}-{}.idx{}-ubyte", bytes),
        ("{}-{}.idx{}-ubyte.gz", gzip.compress),
    ],
)
def test_idx_files_are_read_to_the_byte_packed_or_not(tmp_path, style, pack):
    wanted = {
        "train": (idx_set(tmp_path, PLAIN, "train", style, pack), PLAIN),
        "test": (idx_set(tmp_path, [7, 2, 1], "t10k", style, pack, 1), [7, 2, 1]),
    }
    source = open_source(tmp_path)
    assert (source.name, source.classes, list(source.openers)) == (tmp_path.name, tuple("0123456789"), ["train", "test"])
    for name, (pictures, labels) in wanted.items():
        split = source.split(name)
        assert split.labels.dtype == np.int64
        assert split.labels.tolist() == labels
        assert split.names == [f"{tmp_path.name} {name} {i}" for i in range(len(labels))]
        assert all(np.array_equal(np.asarray(split.read(i)), pictures[i]) for i in range(len(labels)))
    assert (len(source.training().labels), len(source.testing().labels)) == (11, 3)


@pytest.mark.parametrize("prefix", ["train", "t10k"])
def test_one_split_of_idx_files_is_enough(tmp_path, prefix):
    idx_set(tmp_path, prefix=prefix)
    assert list(open_source(tmp_path).openers) == [{"train": "train", "t10k": "test"}[prefix]]


@pytest.mark.parametrize(
    ("prefix", "labels", "named"),
    [
        ("train", FASHION_TRAIN, FASHION),
        ("t10k", FASHION_TEST, FASHION),
        ("train", FASHION_TEST, tuple("0123456789")),
        ("train", FASHION_TRAIN[:9], tuple("0123456789")),
        ("train", PLAIN, tuple("0123456789")),
    ],
    ids=["its train labels", "its test labels", "test labels in the train file", "too few labels", "digits"],
)
def test_garments_are_known_by_their_first_labels(tmp_path, prefix, labels, named):
    idx_set(tmp_path, labels, prefix)
    assert open_source(tmp_path).classes == named
    assert (FASHION[0], FASHION[9]) == ("T-shirt/top", "Ankle boot")


def whole_set(folder):
    """Every split of a folder opened, and its pictures decoded."""
    source = open_source(folder)
    for split in source.openers:
        decoded(source.split(split), Pixels(1, 6, 5))


IMAGES, LABELS = names("train")
HUGE = 2**32 - 1

# what is written instead: name to bytes (None: nothing), and what the sentence says
BAD_IDX = {
    "one picture fewer than the header says": ({IMAGES: idx(drawn(10), (11, 6, 5))}, [IMAGES, "says 11 x 6 x 5 values, but holds 300"]),
    "one byte more than the header says": ({IMAGES: idx(drawn(11)) + b"\0"}, [IMAGES, "holds 331"]),
    "a header that says more than a memory holds": ({IMAGES: idx(drawn(11), (HUGE, HUGE, HUGE))}, [IMAGES, f"{HUGE} x {HUGE} x {HUGE}"]),
    "labels cut off": ({LABELS: idx(PLAIN)[:-1]}, [LABELS, "says 11 values, but holds 10"]),
    "a header cut off": ({IMAGES: idx(drawn(11))[:9]}, [IMAGES, "not an IDX file"]),
    "an empty file of pictures": ({IMAGES: b""}, [IMAGES, "not an IDX file", "nothing"]),
    "an empty file of labels": ({LABELS: b""}, [LABELS, "not an IDX file", "nothing"]),
    "text": ({LABELS: b"5,0,4,1"}, [LABELS, "not an IDX file of bytes in 1 dimensions"]),
    "32-bit numbers": ({IMAGES: idx(drawn(11), kind=0x0C)}, [IMAGES, "not an IDX file of bytes"]),
    "labels where pictures should be": ({IMAGES: idx(PLAIN)}, [IMAGES, "not an IDX file of bytes in 3 dimensions"]),
    "pictures where labels should be": ({LABELS: idx(drawn(11))}, [LABELS, "not an IDX file of bytes in 1 dimensions"]),
    "one label fewer than pictures": ({LABELS: idx(PLAIN[:10])}, ["has 11 pictures", "has 10 labels", "do not belong together"]),
    "a label above 9": ({LABELS: idx([*PLAIN[:10], 10])}, [LABELS, "label 10", "0 to 9"]),
    "no labels": ({LABELS: None}, [IMAGES, "without its other half", LABELS]),
    "no pictures": ({IMAGES: None}, [LABELS, "without its other half", IMAGES]),
    "a packed file cut off": ({IMAGES: gzip.compress(idx(drawn(11)))[:-20]}, [IMAGES, "cannot be read"]),
    "a packed file with a wrong sum": ({LABELS: gzip.compress(idx(PLAIN))[:-8] + bytes(8)}, [LABELS, "cannot be read"]),
    "a packed file that is damaged": ({LABELS: b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\xff" * 40}, [LABELS, "cannot be read"]),
    "a packed file of another method": ({LABELS: b"\x1f\x8b\x07" + bytes(40)}, [LABELS, "cannot be read"]),
    "no pictures at all": ({IMAGES: idx(drawn(0)), LABELS: idx([])}, []),
    "pictures of no size": ({IMAGES: idx(drawn(11, 0, 5))}, [IMAGES]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_IDX)
def test_idx_files_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, name):
    changes, said = BAD_IDX[name]
    idx_set(tmp_path)
    for file, data in changes.items():
        (tmp_path / file).unlink() if data is None else (tmp_path / file).write_bytes(data)
    text = refusal(whole_set, tmp_path)
    for words in said:
        assert words in text


# --- digits -------------------------------------------------------------------------------------------------------------


def arrays(split):
    return np.stack([np.asarray(split.read(i)) for i in range(len(split.labels))]), split.labels


def test_the_digits_are_scikit_learns_in_full_with_their_17_levels_spread_to_255():
    from sklearn.datasets import load_digits

    source = open_source("digits")
    assert (source.classes, list(source.openers)) == (tuple("0123456789"), ["train", "test"])
    parts = [arrays(source.split(name)) for name in ("train", "test")]
    pictures, labels = (np.concatenate(both) for both in zip(*parts))
    truth = load_digits()
    assert (len(labels), pictures.dtype, labels.dtype) == (1797, np.uint8, np.int64)
    ours = sorted((label, drawn.tobytes()) for label, drawn in zip(labels, pictures))
    assert ours == sorted(
        (label, np.round(drawn * 255 / 16).astype(np.uint8).tobytes()) for label, drawn in zip(truth.target, truth.images)
    )
    assert len(set(ours)) == 1797  # all differ, so the two parts have none in common


def test_a_fifth_of_every_digit_is_the_test_split():
    source = open_source("digits")
    train, test = (np.bincount(source.split(name).labels, minlength=10) for name in ("train", "test"))
    assert test.tolist() == np.round(0.2 * (train + test)).tolist()
    assert source.training().names[0] == "digits train 0"
    assert source.testing().names[-1] == f"digits test {test.sum() - 1}"


def test_the_test_split_of_the_digits_is_always_the_same():
    first, again = (arrays(open_source("digits").testing()) for _ in range(2))
    assert all(map(np.array_equal, first, again))
    total = hashlib.sha256(first[0].tobytes() + first[1].tobytes()).hexdigest()
    assert total == "5ae08e5dee2fcf0cf4c505ba61bd555cb27522870af627b38d6bce90752ac2e3"  # the recorded results hold for this split


# --- real sets ----------------------------------------------------------------------------------------------------------


@needs_data
def test_mnist_is_read_as_published():
    source = open_source(Path(DATA) / "mnist")
    assert (source.name, source.classes, list(source.openers)) == ("mnist", tuple("0123456789"), ["train", "test"])
    split = source.testing()
    assert split.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(split.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.asarray(split.read(0)).shape == (28, 28)
    train = source.training()
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@needs_data
def test_photographs_of_cats_and_dogs_are_two_classes_and_all_can_be_read(tmp_path):
    for part in ("train", "test"):
        with tarfile.open(Path(DATA) / "dogs-vs-cats" / f"{part}.tar") as archive:
            some = [member for member in archive if member.isfile()]
            archive.extractall(tmp_path, some[:20] + some[-20:], filter="data")
    source = open_source(tmp_path)
    assert (source.classes, list(source.openers)) == (("cat", "dog"), ["train", "test"])
    pictures = decoded(source.testing(), Pixels(3, 64, 64, "crop"), strict=True)
    assert pictures.pixels.shape == (40, 64, 64, 3)
    assert pictures.labels.tolist() == [0] * 20 + [1] * 20
    assert all(f"/{source.classes[label]}/" in name for name, label in zip(pictures.names, pictures.labels.tolist()))


# --- lists --------------------------------------------------------------------------------------------------------------


def listed(folder, text, name="birds.csv"):
    for i in range(6):
        picture(folder / "pictures" / f"{i}.png", 10 * i)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


CSV = "path,label,split\npictures/0.png,owl,train\npictures/1.png,crow,train\npictures/2.png,owl,val\npictures/3.png,crow,test\n"
JSONL = "\n".join(
    f'{{"path": "pictures/{i}.png", "label": "{label}", "split": "{split}"}}'
    for i, (label, split) in enumerate([("owl", "train"), ("crow", "train"), ("owl", "val"), ("crow", "test")])
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("birds.csv", CSV),
        ("birds.CSV", "\ufeff" + CSV.replace("\n", "\r\n")),
        (
            "birds.csv",
            "author,split,label,path\n" + "".join(f"me,{s},{c},{p}\n" for p, c, s in (row.split(",") for row in CSV.split()[1:])),
        ),
        ("birds.jsonl", JSONL),
        ("birds.jsonl", "\n" + JSONL + "\n\n"),
    ],
)
def test_a_list_of_paths_labels_and_splits_is_a_set(tmp_path, monkeypatch, name, text):
    path = listed(tmp_path, text, name)
    monkeypatch.chdir(tmp_path.parent)  # paths are relative to the list
    source = open_source(path)
    assert (source.name, source.classes, list(source.openers)) == ("birds", ("crow", "owl"), ["train", "validation", "test"])
    assert source.training().labels.tolist() == [1, 0]
    assert source.training().names == [str(tmp_path / "pictures" / f"{i}.png") for i in (0, 1)]
    assert source.split("validation").read(0).getpixel((0, 0)) == 20
    assert source.testing().read(0).getpixel((0, 0)) == 30


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,label\npictures/0.png,10\npictures/1.png,9\npictures/2.png,10\n"),
        (
            "a.jsonl",
            '{"path": "pictures/0.png", "label": 10}\n{"path": "pictures/1.png", "label": 9}\n{"path": "pictures/2.png", "label": "10"}',
        ),
    ],
)
def test_a_list_without_splits_is_not_divided_and_numbers_are_classes_in_the_order_of_their_values(tmp_path, name, text):
    source = open_source(listed(tmp_path, text, name))
    assert (source.classes, list(source.openers), source.split("all").labels.tolist()) == (("9", "10"), ["all"], [1, 0, 1])


def test_a_set_by_list_and_by_folders_has_one_fingerprint(tmp_path):
    classes(tmp_path / "set")
    rows = [f"set/{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(2)]
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(rows))
    assert open_source(tmp_path / "list.csv").fingerprint() == open_source(tmp_path / "set").fingerprint()
    picture(tmp_path / "set" / "dog" / "1.png", 8)
    assert open_source(tmp_path / "list.csv").fingerprint() != open_source(listed(tmp_path, CSV)).fingerprint()


def test_a_picture_that_a_list_names_but_nobody_put_there_is_kept_out_with_its_reason(tmp_path):
    path = listed(tmp_path, "path,label\npictures/0.png,a\npictures/none.png,a\npictures/1.png,b\n")
    pictures = decoded(open_source(path).training(), Pixels(1, 4, 4))
    assert (len(pictures), [refused.reason for refused in pictures.refused]) == (2, ["it cannot be read: No such file or directory"])


BAD_LISTS = {
    "a.csv": {
        "": "no columns called path and label",
        "file,class\na,b\n": "no columns called path and label",
        "path,label\n": "lists no pictures",
        "path,label\na.png,x\n": "the single class 'x'",
        "path,label\na.png,x\nb.png\n": "lacks a path or a label in line 3",
        "path,label\na.png,x\n,y\n": "lacks a path or a label in line 3",
        "path,label\na.png,x\nb.png,y\na.png,y\n": "lists 'a.png' twice, in line 2 and in line 4",
        "path,label,split\na.png,x,train\nb.png,y,dev\n": "the split 'dev' in line 3",
        "path,label,split\na.png,x,train\nb.png,y,\n": "a split for some pictures only; line 3 has none",
        'path,label\n"a.png,x\n': "is no CSV after line 1",
    },
    "a.jsonl": {
        "": "lists no pictures",
        "path,label": "is no JSON in line 1",
        '{"path": "a.png", "label": "x"}\n["b.png", "y"]': "has no object in line 2",
        '{"path": "a.png", "label": 1.5}': "lacks a path or a label in line 1",
        '{"path": "a.png", "label": true}': "lacks a path or a label in line 1",
        '{"path": "a.png", "label": "x", "split": 3}': "the split 3 in line 1",
        "[" * 100_000: "is no JSON in line 1",
    },
}


@pytest.mark.parametrize(
    ("name", "text", "said"), [(name, *row) for name, rows in BAD_LISTS.items() for row in rows.items()], ids=lambda value: value[:40]
)
def test_lists_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    assert said in refusal(open_source, tmp_path / name)


def test_a_list_that_is_no_text_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in refusal(open_source, tmp_path / "a.csv")
