"""The published formats: read to the byte as their authors describe them, never executed, and refused in one sentence otherwise."""

import hashlib
import io
import os
import pickle
import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.published.pickled import unpickled
from hubel.pictures.published.table import SETS
from hubel.pictures.sources import is_packed, open_source
from python2 import Python2, written

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")

AIRPLANE = "airplane automobile bird cat deer dog frog horse ship truck".split()
FINE = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle "
    "chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house "
    "kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid "
    "otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew "
    "skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout "
    "tulip turtle wardrobe whale willow_tree wolf woman worm"
).split()
COARSE = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture insects "
    "large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals "
    "non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2"
).split()


def refusal(use, *arguments):
    """What a mistake is answered with: a PictureError of exactly one sentence."""
    with pytest.raises(PictureError) as caught:
        use(*arguments)
    text = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    assert not re.search(r"[.!?] [A-Z]", text), text
    return text


def everything(folder):
    source = open_source(folder)
    return {split: (*_arrays(source.split(split)),) for split in source.openers}


def _arrays(split):
    return np.stack([np.asarray(split.read(i)) for i in range(len(split.labels))]), split.labels.tolist()


def drawn(count, side=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


# --- CIFAR --------------------------------------------------------------------------------------------------------------


def planes(picture):
    """The bytes of a picture, red, green, blue, each row by row."""
    return b"".join(bytes(int(picture[y, x, c]) for y in range(32) for x in range(32)) for c in range(3))


def cifar10(folder, python=False, names=True):
    """Five train files of 3 and a test file of 2; {split: (pictures, labels)}."""
    folder.mkdir(exist_ok=True)
    wanted = {"train": (drawn(15), [(7 * i) % 10 for i in range(15)]), "test": (drawn(2, seed=1), [9, 0])}
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        pictures, labels = wanted["test"] if i == 5 else (part[3 * i : 3 * i + 3] for part in wanted["train"])
        rows = [planes(picture) for picture in pictures]
        if python:
            data = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 3072)
            said = {"batch_label": name, "labels": list(labels), "data": data, "filenames": [f"{j}.png" for j in range(len(rows))]}
            (folder / name).write_bytes(written(said))
        else:
            (folder / f"{name}.bin").write_bytes(b"".join(bytes([label]) + row for label, row in zip(labels, rows)))
    if names and python:
        (folder / "batches.meta").write_bytes(written({"num_cases_per_batch": 10000, "label_names": AIRPLANE, "num_vis": 3072}))
    elif names:
        (folder / "batches.meta.txt").write_text("\n".join(AIRPLANE) + "\n\n")
    return wanted


def cifar100(folder, python=False):
    folder.mkdir(exist_ok=True)
    wanted = {"train": (drawn(3), [99, 0, 42]), "test": (drawn(2, seed=1), [1, 98])}
    for split, (pictures, labels) in wanted.items():
        rows = [planes(picture) for picture in pictures]
        if python:
            data = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 3072)
            said = {
                "filenames": ["a"] * len(rows),
                "batch_label": split,
                "fine_labels": labels,
                "coarse_labels": [5] * len(rows),
                "data": data,
            }
            (folder / split).write_bytes(written(said))
        else:
            (folder / f"{split}.bin").write_bytes(b"".join(bytes([5, label]) + row for label, row in zip(labels, rows)))
    if python:
        (folder / "meta").write_bytes(written({"fine_label_names": FINE, "coarse_label_names": COARSE}))
    else:
        (folder / "fine_label_names.txt").write_text("\n".join(FINE) + "\n")
    return wanted


@pytest.mark.parametrize("python", [False, True], ids=["binary version", "python version"])
@pytest.mark.parametrize(("make", "classes"), [(cifar10, AIRPLANE), (cifar100, FINE)])
def test_cifar_is_read_to_the_byte_in_both_versions(tmp_path, make, classes, python):
    wanted = make(tmp_path, python)
    source = open_source(tmp_path)
    assert source.classes == tuple(classes)
    assert any("superclasses" in note for note in source.notes) == (make is cifar100)
    found = everything(tmp_path)
    assert list(found) == ["train", "test"]
    for split, (pictures, labels) in wanted.items():
        assert np.array_equal(found[split][0], pictures)
        assert found[split][1] == labels
        assert source.split(split).labels.dtype == np.int64


def test_both_versions_of_a_set_have_one_fingerprint_and_another_picture_or_label_has_another(tmp_path):
    prints = set()
    for python in (False, True):
        cifar10(tmp_path / str(python), python)
        prints.add(open_source(tmp_path / str(python)).fingerprint())
    assert len(prints) == 1
    for place in (0, 3072):  # a label, a pixel
        path = tmp_path / "False" / "data_batch_3.bin"
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
        prints.add(open_source(tmp_path / "False").fingerprint())
    assert len(prints) == 3


def test_the_names_files_of_the_python_versions_are_the_published_ones_to_the_byte():
    """Their MD5 as torchvision checks them: so these tests write what Krizhevsky's own files hold, opcode by opcode."""
    cifar10_meta = written({"num_cases_per_batch": 10000, "label_names": AIRPLANE, "num_vis": 3072})
    assert hashlib.md5(cifar10_meta).hexdigest() == "5ff9c542aee3614f3951f8cda6e48888"
    cifar100_meta = written({"fine_label_names": FINE, "coarse_label_names": COARSE})
    assert hashlib.md5(cifar100_meta).hexdigest() == "7973b15100ade9c7d40fb424638fde48"
    assert unpickled(cifar100_meta, Path("meta")) == {"fine_label_names": FINE, "coarse_label_names": COARSE}


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_batch_is_read_as_pythons_own_unpickler_reads_it(by_columns):
    rows = np.arange(7 * 300, dtype=np.uint8).reshape(7, 300)
    data = b"\x80\x02" + Python2().array(rows, by_columns) + b"."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy has moved the function that the file names
        wanted = pickle.loads(data, encoding="latin-1")
    assert np.array_equal(wanted, rows)
    assert np.array_equal(unpickled(data, Path("x")), rows)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch executed",)


class Plain:
    pass


HOSTILE = {
    "os.system, protocol 2": (pickle.dumps(Hostile(), 2), "'posix.system'"),
    "os.system, protocol 0": (pickle.dumps(Hostile(), 0), "'posix.system'"),
    "os.system, protocol 4": (pickle.dumps(Hostile(), 4), "the opcode FRAME"),
    "INST": (b"(S'touch executed'\nios\nsystem\n.", "the opcode STRING"),
    "OBJ": (b"(cos\nsystem\nU\x0etouch executedo.", "'os.system'"),
    "an object": (pickle.dumps(Plain(), 2), "the name"),
    "NEWOBJ": (b"\x80\x02]]\x81.", "the opcode NEWOBJ"),
    "an extension": (b"\x80\x02\x82\x01.", "the opcode EXT1"),
    "a persistent id": (b"U\x01aQ.", "the opcode BINPERSID"),
    "a text of Python 3": (pickle.dumps({"data": 1}, 2), "the opcode BINUNICODE"),
    "no opcode at all": (b"\x80\x02\xff", "the byte ff, which is no opcode"),
    "a number of any length": (b"\x80\x02\x8a\x01\x05.", "the opcode LONG1"),
    "a call of the type of arrays": (b"\x80\x02cnumpy\nndarray\n)R.", "the opcode EMPTY_TUPLE"),
    "a call of what is no array": (b"\x80\x02cnumpy\nndarray\nK\x01\x85R.", "REDUCE for something that is no array"),
    "numpy.fromfile": (b"\x80\x02cnumpy\nfromfile\nU\x01a\x85R.", "'numpy.fromfile'"),
    "an array of objects": (written(np.zeros((1, 1), np.uint8)).replace(b"U\x02u1", b"U\x02O8"), "an array of something other than bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_pickles_that_hold_anything_else_are_refused_by_name_and_not_executed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    cifar10(tmp_path / "set", python=True)
    data, said = HOSTILE[name]
    (tmp_path / "set" / "data_batch_1").write_bytes(data)
    text = refusal(everything, tmp_path / "set")
    assert "data_batch_1 is not read: at byte" in text
    assert said in text
    assert not (tmp_path / "executed").exists()


WHOLE = written({"labels": [1, 2, 300, 70000], "data": np.zeros((2, 3), np.uint8), "a": {}, "b": []})


@settings(max_examples=300, deadline=None)
@given(some.one_of(some.binary(max_size=60), some.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end]),
                   some.tuples(some.integers(2, len(WHOLE) - 1), some.integers(0, 255)).map(lambda at: WHOLE[: at[0]] + bytes([at[1]]) + WHOLE[at[0] + 1 :])))  # fmt: skip
def test_whatever_the_bytes_they_are_read_as_data_or_refused_in_one_sentence(data):
    text = "batch is read."
    try:
        unpickled(data, Path("batch"))
    except PictureError as error:
        text = str(error)
    assert re.fullmatch(r"batch is [^\n]+\.", text)


BAD_CIFAR = {
    "a batch missing": (False, {"data_batch_2.bin": None}, ["lacks data_batch_2.bin", "5 files"]),
    "no names": (False, {"batches.meta.txt": None}, ["batches.meta.txt", "names its classes"]),
    "nine names": (False, {"batches.meta.txt": b"\n".join(b"abcdefghi"[i : i + 1] for i in range(9))}, ["10 different classes", "names 9"]),
    "a name twice": (False, {"batches.meta.txt": b"a\n" * 10}, ["10 different classes", "names 1"]),
    "cut off": (False, {"data_batch_4.bin": bytes(3000)}, ["data_batch_4.bin has 3000 bytes", "3073"]),
    "empty": (False, {"test_batch.bin": b""}, ["test_batch.bin holds no pictures"]),
    "a label of 10": (False, {"test_batch.bin": bytes([10]) + bytes(3072)}, ["the label 10", "10 classes"]),
    "python: cut off": (True, {"test_batch": written({"labels": [1]})[:-3]}, ["test_batch is damaged"]),
    "python: no labels": (True, {"test_batch": written({"data": np.zeros((1, 3072), np.uint8)})}, ["test_batch has no 'labels'"]),
    "python: no dict": (True, {"test_batch": written([1])}, ["test_batch has no 'data'"]),
    "python: one label too many": (True, {"test_batch": written({"data": np.zeros((1, 3072), np.uint8), "labels": [1, 2]})}, ["1 pictures, but 2 labels"]),
    "python: other pictures": (True, {"test_batch": written({"data": np.zeros((1, 3000), np.uint8), "labels": [1]})}, ["3072 bytes each"]),
    "python: labels that are texts": (True, {"test_batch": written({"data": np.zeros((1, 3072), np.uint8), "labels": ["1"]})}, ["whole numbers"]),
    "python: a label below 0": (True, {"test_batch": written({"data": np.zeros((1, 3072), np.uint8), "labels": [-1]})}, ["the label -1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CIFAR)
def test_cifar_files_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, name):
    python, changes, said = BAD_CIFAR[name]
    cifar10(tmp_path, python)
    for file, data in changes.items():
        (tmp_path / file).unlink() if data is None else (tmp_path / file).write_bytes(data)
    text = refusal(everything, tmp_path)
    for words in said:
        assert words in text


@pytest.mark.parametrize("python", [False, True])
def test_the_test_split_alone_is_enough(tmp_path, python):
    cifar10(tmp_path, python)
    for path in tmp_path.glob("data_batch_*"):
        path.unlink()
    assert list(open_source(tmp_path).openers) == ["test"]


# --- STL-10 -------------------------------------------------------------------------------------------------------------


def stl10(folder):
    wanted = {"train": (drawn(3, 96), [0, 9, 4]), "test": (drawn(2, 96, 1), [1, 1])}
    for split, (pictures, labels) in wanted.items():
        # "column-major order, one channel at a time": the first 96 bytes are the leftmost column of the red values
        columns = [picture[:, x, c].tobytes() for picture in pictures for c in range(3) for x in range(96)]
        (folder / f"{split}_X.bin").write_bytes(b"".join(columns))
        (folder / f"{split}_y.bin").write_bytes(bytes(label + 1 for label in labels))
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
    (folder / "fold_indices.txt").write_text("0 1\n")
    return wanted


def test_stl_10_is_read_to_the_byte_and_its_unlabelled_pictures_are_left_out_and_said(tmp_path):
    wanted = stl10(tmp_path)
    assert open_source(tmp_path).notes == ()
    (tmp_path / "unlabeled_X.bin").write_bytes(b"")
    source = open_source(tmp_path)
    assert (source.classes[0], source.classes[7]) == ("airplane", "monkey")
    assert source.notes == (f"{tmp_path / 'unlabeled_X.bin'} was left out: its pictures have no labels.",)
    found = everything(tmp_path)
    for split, (pictures, labels) in wanted.items():
        assert np.array_equal(found[split][0], pictures)
        assert found[split][1] == labels


@pytest.mark.parametrize(
    ("file", "data", "said"),
    [
        ("train_X.bin", bytes(96), "train_X.bin has 96 bytes"),
        ("train_y.bin", bytes([1, 2]), "3 pictures, but 2 labels"),
        ("train_y.bin", bytes([1, 11, 2]), "the label 10, counted from 0"),
        ("train_y.bin", bytes([1, 0, 2]), "the label -1, counted from 0"),
        ("test_y.bin", None, "test_X.bin without test_y.bin"),
        ("class_names.txt", None, "lacks class_names.txt"),
    ],
)
def test_stl_10_files_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, file, data, said):
    stl10(tmp_path)
    (tmp_path / file).unlink() if data is None else (tmp_path / file).write_bytes(data)
    assert said in refusal(everything, tmp_path)


# --- SVHN ---------------------------------------------------------------------------------------------------------------


def svhn(path, pictures, labels):
    """X is (row, column, channel, picture); y has 10 for the digit 0."""
    X = np.stack(list(pictures), axis=3)
    scipy.io.savemat(path, {"X": X, "y": np.array([[label or 10] for label in labels], np.uint8)}, do_compression=True)


def test_svhn_is_read_to_the_byte_with_ten_as_the_digit_zero(tmp_path):
    wanted = {"train": (drawn(4), [0, 1, 9, 0]), "test": (drawn(1, seed=1), [3]), "extra": (drawn(2, seed=2), [0, 5])}
    for split, (pictures, labels) in wanted.items():
        svhn(tmp_path / f"{split}_32x32.mat", pictures, labels)
    assert open_source(tmp_path).classes == tuple("0123456789")
    found = everything(tmp_path)
    assert list(found) == ["train", "test", "extra"]
    for split, (pictures, labels) in wanted.items():
        assert np.array_equal(found[split][0], pictures)
        assert found[split][1] == labels


def matlab(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


GOOD_X, GOOD_Y = np.zeros((32, 32, 3, 2), np.uint8), np.array([[1], [10]], np.uint8)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read as a MATLAB file"),
        (b"MATLAB 7.3 MAT-file" + bytes(500), "cannot be read as a MATLAB file"),
        (matlab(X=GOOD_X, y=GOOD_Y)[:3000], "no file of SVHN's format 2"),
        (matlab(X=GOOD_X), "no file of SVHN's format 2"),
        (matlab(X=GOOD_X, y=GOOD_Y[:1]), "no file of SVHN's format 2"),
        (matlab(X=GOOD_X.astype(float), y=GOOD_Y), "no file of SVHN's format 2"),
        (matlab(X=GOOD_X[:16], y=GOOD_Y), "no file of SVHN's format 2"),
        (matlab(X=GOOD_X, y=GOOD_Y * 0), "labels from 0 to 0"),
        (matlab(X=GOOD_X, y=GOOD_Y + 1), "labels from 2 to 11"),
    ],
)
def test_svhn_files_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, data, said):
    (tmp_path / "train_32x32.mat").write_bytes(data)
    assert said in refusal(everything, tmp_path)


# --- ImageNet -----------------------------------------------------------------------------------------------------------

KIT = {1: "n02119789", 2: "n02100735", 3: "n02110185"}  # the kit's first numbers; their order is not that of the ids


def photograph(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (level, level, level)).save(path, "JPEG")


def kit(folder, truth):
    folder.mkdir(parents=True)
    rows = [(number, wnid, "words", "gloss", 0, [], 0, 1300) for number, wnid in KIT.items()]
    rows.append((1001, "n00001740", "entity", "gloss", 2, [1, 2], 19, 0))  # no leaf, so no class
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    table = np.array(rows, dtype=[(name, object) for name in fields]).reshape(-1, 1)
    (folder / "meta.mat").write_bytes(matlab(synsets=table))
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in truth))


def imagenet(folder, kit_at="ILSVRC2012_devkit_t12/data"):
    for level, wnid in enumerate(KIT.values()):
        for i in range(2):
            photograph(folder / "train" / wnid / f"{wnid}_{i}.JPEG", 10 * level + i)
    for i in range(1, 5):
        photograph(folder / "val" / f"ILSVRC2012_val_{i:08d}.JPEG", 100 + i)
    kit(folder / kit_at, [3, 1, 1, 2])


@pytest.mark.parametrize("kit_at", ["ILSVRC2012_devkit_t12/data", "data", "devkit/data"])
def test_imagenet_is_read_with_flat_validation_pictures_named_by_the_kit(tmp_path, kit_at):
    imagenet(tmp_path, kit_at)
    source = open_source(tmp_path)
    assert source.classes == ("n02100735", "n02110185", "n02119789")
    assert (list(source.openers), source.notes) == (["train", "validation"], ())
    assert source.training().labels.tolist() == [0, 0, 1, 1, 2, 2]
    validation = source.split("validation")
    by_picture = {Path(name).name[15:23]: source.classes[label] for name, label in zip(validation.names, validation.labels)}
    assert by_picture == {"00000001": KIT[3], "00000002": KIT[1], "00000003": KIT[1], "00000004": KIT[2]}
    levels = [validation.read(i).getpixel((0, 0))[0] for i in range(4)]
    assert [int(Path(name).stem[-2:]) + 100 for name in validation.names] == levels


def test_imagenet_with_sorted_validation_pictures_needs_no_kit_and_is_the_same_set(tmp_path):
    imagenet(tmp_path / "flat")
    imagenet(tmp_path / "sorted")
    for i, number in enumerate([3, 1, 1, 2], 1):
        path = tmp_path / "sorted" / "val" / f"ILSVRC2012_val_{i:08d}.JPEG"
        (path.parent / KIT[number]).mkdir(exist_ok=True)
        path.rename(path.parent / KIT[number] / path.name)
    (tmp_path / "sorted" / "test").mkdir()
    flat, sorted_ = open_source(tmp_path / "flat"), open_source(tmp_path / "sorted")
    assert flat.fingerprint() == sorted_.fingerprint()
    assert [note.split(" was")[0] for note in sorted_.notes] == [str(tmp_path / "sorted" / "test")]


def test_imagenet_validation_pictures_alone_have_the_kits_classes_and_say_that_there_is_nothing_to_learn_from(tmp_path):
    imagenet(tmp_path)
    for path in (tmp_path / "train").rglob("*.JPEG"):
        path.unlink()
    for path in [*(tmp_path / "train").iterdir(), tmp_path / "train"]:
        path.rmdir()
    source = open_source(tmp_path)
    assert (source.classes, list(source.openers)) == (tuple(sorted(KIT.values())), ["validation"])
    assert "cannot be tested" not in str(source.notes) and "not trained on" in source.notes[0]


def without_kit(folder):
    (folder / "ILSVRC2012_devkit_t12").rename(folder / "elsewhere")


def short_truth(folder):
    (folder / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt").write_text("3\n1\n")


def truth_of_no_leaf(folder):
    (folder / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt").write_text("3\n1001\n1\n2\n")


def other_meta(folder):
    (folder / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(matlab(X=GOOD_X))


def odd_synsets(folder):
    (folder / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(matlab(synsets=GOOD_Y))


def half_sorted(folder):
    photograph(folder / "val" / KIT[1] / "ILSVRC2012_val_00000009.JPEG", 1)


def class_without_train(folder):
    for path in (folder / "train" / KIT[2]).iterdir():
        path.unlink()
    (folder / "train" / KIT[2]).rmdir()


def empty_train_class(folder):
    (folder / "train" / "n99999999").mkdir()


BAD_IMAGENET = {
    without_kit: ["are not sorted", "unpack ILSVRC2012_devkit_t12.tar.gz in {}"],
    short_truth: ["does not say what ILSVRC2012_val_00000003.JPEG is"],
    truth_of_no_leaf: ["does not say what ILSVRC2012_val_00000002.JPEG is"],
    other_meta: ["meta.mat has no synsets"],
    odd_synsets: ["meta.mat is not the file of ImageNet's development kit"],
    half_sorted: ["both in class folders and beside them"],
    class_without_train: ["pictures of 1 classes, such as n02100735, that train has not"],
    empty_train_class: ["The class 'n99999999' has no pictures in {}/train"],
}


@pytest.mark.parametrize("spoil", BAD_IMAGENET, ids=lambda spoil: spoil.__name__)
def test_imagenet_folders_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, spoil):
    imagenet(tmp_path)
    spoil(tmp_path)
    text = refusal(open_source, tmp_path)
    for words in BAD_IMAGENET[spoil]:
        assert words.format(tmp_path) in text


# --- dogs vs. cats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("above", [True, False], ids=["the folder above train", "the train folder"])
def test_kaggles_cats_and_dogs_are_read_by_their_file_names_in_the_order_of_their_numbers(tmp_path, above):
    for label in ("cat", "dog"):
        for i in (0, 10, 2):
            photograph(tmp_path / "train" / f"{label}.{i}.jpg", i + 50 * (label == "dog"))
    photograph(tmp_path / "test1" / "1.jpg", 0)
    (tmp_path / "train" / "Thumbs.db").write_text("")
    source = open_source(tmp_path if above else tmp_path / "train")
    assert (source.classes, list(source.openers)) == (("cat", "dog"), ["train"])
    split = source.training()
    assert [Path(name).name for name in split.names] == [f"{label}.{i}.jpg" for label in ("cat", "dog") for i in (0, 2, 10)]
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [split.read(i).getpixel((0, 0))[0] for i in range(6)] == [0, 2, 10, 50, 52, 60]
    assert [note.split(" was")[0] for note in source.notes if " was" in note] == ([str(tmp_path / "test1")] if above else [])
    assert any(note.startswith("1 other entries") for note in source.notes)


def test_cats_without_dogs_are_refused(tmp_path):
    photograph(tmp_path / "train" / "cat.0.jpg", 0)
    assert "has no picture of a dog" in refusal(open_source, tmp_path)


# --- all of them --------------------------------------------------------------------------------------------------------


def test_sets_of_arrays_are_told_from_folders_of_picture_files(tmp_path):
    cifar10(tmp_path / "cifar")
    photograph(tmp_path / "classes" / "train" / "cat.0.jpg", 0)
    assert is_packed(tmp_path / "cifar") and is_packed("mnist") and is_packed("digits")
    assert not is_packed(tmp_path / "classes") and not is_packed(tmp_path / "nowhere") and not is_packed("x" * 5000)


def test_the_published_counts_are_those_of_the_publications():
    counts = {name: {split: count.pictures for split, count in row.counts.items()} for name, row in SETS.items()}
    assert counts == {
        "digits": {"all": 1797},
        "mnist": {"train": 60000, "test": 10000},
        "fashion-mnist": {"train": 60000, "test": 10000},
        "cifar10": {"train": 50000, "test": 10000},
        "cifar100": {"train": 50000, "test": 10000},
        "stl10": {"train": 5000, "test": 8000},
        "svhn": {"train": 73257, "test": 26032, "extra": 531131},
        "imagenet": {"train": 1281167, "validation": 50000},
        "dogs-vs-cats": {"train": 25000},
    }
    for name, classes in {"fashion-mnist": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "dogs-vs-cats": 2}.items():
        for count in SETS[name].counts.values():
            assert (count.pictures // classes,) * 2 == count.by_class


def test_what_can_be_fetched_has_a_size_a_sha_256_and_an_address_under_its_own_name():
    for row in SETS.values():
        assert bool(row.files) + bool(row.by_hand) == (1 if row.places else 0)
        for remote in row.files:
            assert remote.digest.is_all and re.fullmatch("[0-9a-f]{64}", remote.digest.hex) and remote.size > 0
            assert remote.urls and all(re.fullmatch(rf"https?://[^ ]+/{re.escape(remote.name)}", url) for url in remote.urls)


@needs_data
def test_cifar_10s_real_pictures_have_their_published_mean(tmp_path):
    pixels, labels = runpy.run_path(str(Path(DATA) / "prepare.py"))["cifar10"]("test")
    rows = np.concatenate([labels[:, None], pixels.transpose(0, 3, 1, 2).reshape(len(labels), -1)], 1)
    (tmp_path / "test_batch.bin").write_bytes(rows.tobytes())
    (tmp_path / "batches.meta.txt").write_text("\n".join(AIRPLANE))
    split = open_source(tmp_path).testing()
    assert np.bincount(split.labels).tolist() == [1000] * 10
    assert split.pixels.mean((0, 1, 2)).round(3).tolist() == [126.025, 123.709, 114.854]
