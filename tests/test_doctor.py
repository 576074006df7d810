"""The doctor: planted troubles of every kind are found, a sound set is not accused, and a proposed division leaks nothing."""

import csv
import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from hubel.errors import PictureError
from hubel.pictures.doctor.copies import Copies, Near
from hubel.pictures.doctor.inventory import Examined, Inventory, examine, of_place
from hubel.pictures.doctor.page import page
from hubel.pictures.doctor.report import as_values, found, reported
from hubel.pictures.doctor.shortcuts import order, shares
from hubel.pictures.doctor.splitting import as_list, proposed
from hubel.pictures.places import Place
from hubel.pictures.sets import Source, Split, from_array
from hubel.pictures.sources import open_source

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")
NONE = Copies((), (), ())


def scene(number, width=96, height=72):
    """A picture that is like no other: blots of colour, the same of the same number."""
    blots = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(blots).resize((width, height), Image.Resampling.BICUBIC)


def in_memory(by_class, split="all", **splits):
    """A set of pictures {class: [picture, ...]}, of one split or of several."""
    parts = splits or {split: by_class}
    classes = tuple(sorted({label for part in parts.values() for label in part}))

    def opener(name, part):
        pictures = [(label, picture) for label in classes for picture in part.get(label, [])]
        labels = np.array([classes.index(label) for label, _ in pictures], np.int64)
        return lambda: Split([f"{name} {label} {i}" for i, (label, _) in enumerate(pictures)], labels, lambda i: pictures[i][1])

    return Source("made", classes, {name: opener(name, part) for name, part in parts.items()})


def kinds(report):
    return [finding.kind for finding in report.findings]


# --- a set with one of every trouble --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")

    def put(place, picture, **how):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / place, **how)

    for i in range(30):
        put(f"train/cat/{i}.jpg", scene(i), quality=90)
        put(f"train/dog/{i}.jpg", scene(100 + i), quality=90)
        if i < 10:
            put(f"test/cat/{i}.jpg", scene(200 + i), quality=90)
            put(f"test/dog/{i}.jpg", scene(300 + i), quality=90)
    train, test = folder / "train", folder / "test"
    (train / "dog" / "same.jpg").write_bytes((train / "cat" / "0.jpg").read_bytes())
    (test / "cat" / "same.jpg").write_bytes((train / "cat" / "1.jpg").read_bytes())
    put("test/cat/pixels.png", Image.open(train / "cat" / "2.jpg"))
    put("test/cat/resized.jpg", Image.open(train / "cat" / "3.jpg").resize((64, 48)))
    put("test/dog/mirrored.jpg", Image.open(train / "dog" / "4.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=60)
    (train / "dog" / "again.jpg").write_bytes((train / "dog" / "5.jpg").read_bytes())
    (train / "cat" / "text.jpg").write_text("no picture")
    (test / "dog" / "cut.jpg").write_bytes((train / "dog" / "6.jpg").read_bytes()[:900])
    put("train/cat/print.jpg", scene(400).convert("CMYK"))
    put("train/cat/moving.gif", scene(401), save_all=True, append_images=[scene(402)])
    put("train/cat/grey.jpg", scene(403).convert("L").convert("RGB"))
    put("train/dog/wide.jpg", scene(404, 500, 90))
    put("train/dog/tiny.png", scene(405, 12, 12))
    turned = Image.Exif()
    turned[0x0112] = 6
    put("train/cat/turned.jpg", scene(406), exif=turned)
    return folder


@pytest.fixture(scope="module")
def report(planted):
    return reported(open_source(planted), processes=2)


def of(report, kind):
    """What was found of a kind: its sentence, and the names of the pictures of each example."""
    (finding,) = [finding for finding in report.findings if finding.kind == kind]
    names = ["/".join(Path(name).parts[-3:]) for name in report.inventory.names]
    return finding, [{names[i] for i in example.pictures} for example in finding.examples]


def test_everything_planted_is_found_and_the_most_serious_comes_first(report):
    assert kinds(report) == ["label conflict", "leak", "unreadable", "conversion", "repeat", "odd size", "grey"]
    assert [finding.weight for finding in report.findings] == ["error"] * 3 + ["warning"] + ["note"] * 3
    assert report.verdict == "3 errors, 1 warning, 3 notes"


def test_a_file_under_two_classes_is_a_label_conflict(report):
    finding, names = of(report, "label conflict")
    assert names == [{"train/cat/0.jpg", "train/dog/same.jpg"}]
    assert "2 pictures have a copy under another class" in finding.says
    assert finding.examples[0].remark == "the same file"


def test_test_pictures_with_copies_in_train_are_a_leak_whatever_was_done_to_them(report):
    finding, names = of(report, "leak")
    wanted = [("cat/1.jpg", "cat/same.jpg"), ("cat/2.jpg", "cat/pixels.png"), ("cat/3.jpg", "cat/resized.jpg"), ("dog/4.jpg", "dog/mirrored.jpg")]  # fmt: skip
    assert sorted(map(sorted, names)) == sorted([f"test/{test}", f"train/{train}"] for train, test in wanted)
    assert "4 of the 25 test pictures (16.0%) have a copy in train" in finding.says
    assert "1 the same file, 1 the same pixels and 2 nearly the same" in finding.says
    assert [example.remark.split(" (")[0] for example in finding.examples[:2]] == ["the same file", "the same pixels"]
    assert {example.remark.split(" (")[0] for example in finding.examples[2:]} == {"nearly the same", "nearly the same, mirrored"}


def test_pictures_that_cannot_be_read_are_named_with_the_reason(report):
    finding, names = of(report, "unreadable")
    assert names == [{"train/cat/text.jpg"}, {"test/dog/cut.jpg"}]
    assert "2 of 94 pictures (2.1%) cannot be read" in finding.says
    assert [example.remark.split(" (")[0].split(":")[0] for example in finding.examples] == ["it is not a picture", "it is damaged"]


@pytest.mark.parametrize("make", [scene, lambda i: Image.new("RGB", (9, 7), (i, i, i))], ids=["scenes", "plain"])
@pytest.mark.parametrize("readable", [0, 1, 3])
def test_a_set_of_which_hardly_a_picture_can_be_read_is_reported_and_divided(tmp_path, readable, make):
    for i in range(14):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i < readable:
            make(i).save(path)
        else:
            path.write_bytes(b"no picture %d" % i)
    report = reported(open_source(tmp_path / "set"), processes=1)
    assert report.inventory.readable.sum() == readable
    assert f"{14 - readable} of 14 pictures" in of(report, "unreadable")[0].says
    proposal = proposed(report.inventory, report.copies)
    assert (len(proposal.splits), len(proposal.left_out)) == (readable, 14 - readable)
    assert "cannot be read" in page(report, proposal)
    assert len(as_values(report, proposal)["proposal"]["left_out"]) == 14 - readable


def test_a_file_over_which_anything_is_raised_is_refused_with_that(tmp_path, monkeypatch):
    scene(1).save(tmp_path / "a.png")

    def failing(*_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr("hubel.pictures.doctor.inventory.opened", failing)
    assert of_place(Place(str(tmp_path / "a.png"))).reason == "it cannot be decoded: RuntimeError: no such luck"


def test_what_decoding_loses_is_counted_by_kind(report):
    finding, names = of(report, "conversion")
    assert sorted(map(sorted, names)) == [["train/cat/moving.gif"], ["train/cat/print.jpg"]]
    assert "CMYK to RGB (1)" in finding.says
    assert "first of several frames (1)" in finding.says


def test_copies_within_a_class_odd_sizes_and_grey_are_notes(report):
    assert of(report, "repeat")[1] == [{"train/dog/5.jpg", "train/dog/again.jpg"}]
    finding, names = of(report, "odd size")
    assert sorted(map(sorted, names)) == [["train/dog/tiny.png"], ["train/dog/wide.jpg"]]
    assert {example.remark for example in finding.examples} == {
        "500 x 90, 5.6 times longer than high and much larger than the others",
        "12 x 12, tiny",
    }
    assert of(report, "grey")[1] == [{"train/cat/grey.jpg"}]


def test_every_picture_is_described_as_its_file_has_it(report, planted):
    by_name = dict(zip(report.inventory.names, report.inventory.pictures))
    turned, printed, moving = (by_name[str(planted / "train" / "cat" / name)] for name in ("turned.jpg", "print.jpg", "moving.gif"))
    assert (turned.form, turned.orientation, turned.width, turned.height) == ("JPEG", 6, 72, 96)
    assert (printed.mode, printed.stored) == ("CMYK", (planted / "train" / "cat" / "print.jpg").stat().st_size)
    assert (moving.form, moving.several) == ("GIF", True)
    assert report.inventory.counts().tolist() == [[35, 13], [34, 12]]


# --- a sound set ----------------------------------------------------------------------------------------------------------


def test_a_sound_set_is_said_to_be_sound_in_one_line():
    report = reported(in_memory({"cat": [scene(i) for i in range(20)], "dog": [scene(50 + i) for i in range(20)]}))
    assert report.findings == ()
    assert report.verdict == "No trouble found: all 40 pictures can be read, and none is a copy of another."


@pytest.mark.slow
@needs_data
def test_photographs_of_cats_and_dogs_are_not_accused(tmp_path):
    for part in ("train", "validation", "test"):
        with tarfile.open(Path(DATA) / "dogs-vs-cats" / f"{part}.tar") as archive:
            archive.extractall(tmp_path, filter="data")
    report = reported(open_source(tmp_path))
    assert [finding.says for finding in report.findings if finding.weight != "note"] == []


@needs_data
def test_mnist_is_not_accused_of_having_classes_that_its_files_tell():
    pictures = open_source(Path(DATA) / "mnist").testing()
    inventory = examine(
        Source("mnist", tuple("0123456789"), {"test": lambda: from_array("mnist", pictures.pixels[:2000], pictures.labels[:2000])})
    )
    assert [finding.kind for finding in found(inventory, NONE)] == []


# --- counts, sizes, colours -----------------------------------------------------------------------------------------------


def inventory_of(labels, pictures=None, classes=("cat", "dog"), splits=None):
    """An inventory of pictures that are like one another, unless given."""
    labels = np.array(labels, np.int64)
    split_of = np.zeros(len(labels), np.int64) if splits is None else np.array(splits, np.int64)
    names = ("all",) if splits is None else ("train", "validation", "test")[: split_of.max() + 1]
    parts = {name: Split([str(i) for i in np.flatnonzero(split_of == place)], labels[split_of == place], lambda i: scene(i)) for place, name in enumerate(names)}  # fmt: skip
    plain = Examined(height=72, width=96, channels=3, form="JPEG", mode="RGB")
    return Inventory(
        "made", classes, (), (), parts, tuple(pictures or [plain] * len(labels)), tuple(map(str, range(len(labels)))), labels, split_of
    )


@pytest.mark.parametrize(
    ("cats", "dogs", "weight"),
    [(10, 10, None), (14, 10, None), (15, 10, "note"), (10, 99, "note"), (100, 10, "warning"), (1, 1000, "warning")],
)
def test_imbalance_is_said_from_one_and_a_half_times_on_and_is_a_warning_from_ten(cats, dogs, weight):
    findings = found(inventory_of([0] * cats + [1] * dogs), NONE)
    assert [(finding.kind, finding.weight) for finding in findings] == ([("imbalance", weight)] if weight else [])
    if weight:
        assert f"({max(cats, dogs):,} against {min(cats, dogs):,})" in findings[0].says


def test_classes_without_pictures_in_a_split_are_named():
    (train,) = [finding for finding in found(inventory_of([0, 1, 1, 0, 2], classes=("a", "b", "c"), splits=[0, 0, 1, 1, 1]), NONE) if finding.kind == "absent"]  # fmt: skip
    assert train.weight == "error"
    assert train.says == "The class c has no pictures in train, so it cannot be learnt."
    (test,) = [finding for finding in found(inventory_of([0, 1, 1], splits=[0, 0, 1]), NONE) if finding.kind == "absent"]
    assert (test.weight, "cat has no pictures in validation" in test.says) == ("warning", True)


def test_small_pictures_are_odd_only_among_large_ones():
    small = in_memory({"cat": [scene(i, 28, 28) for i in range(8)], "dog": [scene(20 + i, 28, 28) for i in range(8)]})
    assert kinds(reported(small)) == []


def test_a_set_in_grey_is_no_set_with_grey_among_colour():
    grey = {"cat": [scene(i).convert("L") for i in range(8)], "dog": [scene(20 + i).convert("L") for i in range(8)]}
    assert kinds(reported(in_memory(grey))) == []
    stored = {label: [picture.convert("RGB") for picture in pictures] for label, pictures in grey.items()}
    (finding,) = reported(in_memory(stored)).findings
    assert finding.says == "All pictures are grey, but stored in colour."


# --- shortcuts ------------------------------------------------------------------------------------------------------------

PLAIN = {"height": 72, "width": 96, "channels": 3, "form": "JPEG", "mode": "RGB", "coarseness": 20.0}
TRAITS = {
    "grey": ({"grey": True}, {}),
    "format": ({"form": "PNG", "coarseness": 0.0}, {}),
    "size": ({"height": 144, "width": 192}, {}),
    "shape": ({"height": 96, "width": 72}, {}),
    "compression": ({"coarseness": 60.0}, {}),
}


def with_trait(trait, cats, dogs, count=60):
    """Pictures of which so many cats and so many dogs have a trait."""
    having, plain = ({**PLAIN, **change} for change in TRAITS[trait])
    pictures = [Examined(**(having if i < some else plain)) for some in (cats, dogs) for i in range(count)]
    return inventory_of([0] * count + [1] * count, pictures)


@pytest.mark.parametrize("trait", TRAITS)
def test_what_goes_with_a_class_is_found_with_its_numbers(trait):
    (finding,) = [finding for finding in found(with_trait(trait, 54, 2), NONE) if finding.weight == "warning"]
    assert finding.kind == f"shortcut by {trait}"
    if trait in ("grey", "format"):
        assert "90.0% of the pictures of cat are" in finding.says
        assert "3.3% of those of dog" in finding.says
    assert {example.pictures[0] < 60 for example in finding.examples} == {True}


@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize(("cats", "dogs"), [(30, 30), (33, 24), (6, 2), (60, 60), (1, 0)])
def test_what_does_not_go_with_a_class_is_not_accused(trait, cats, dogs):
    assert [finding.kind for finding in found(with_trait(trait, cats, dogs), NONE) if finding.weight == "warning"] == []


def test_few_pictures_prove_nothing():
    assert [finding.kind for finding in found(with_trait("format", 4, 0, count=4), NONE) if finding.weight == "warning"] == []


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.data())
def test_shares_are_told_apart_as_the_chi_squared_test_has_it(n, m, data):
    a, c = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    labels = np.repeat([0, 1], [n, m])
    has = np.concatenate([np.arange(n) < a, np.arange(m) < c])
    told = shares(has, labels)
    if 0 < a + c < n + m:
        probability = stats.chi2_contingency([[a, n - a], [c, m - c]], correction=True).pvalue
        assume(not 0.99e-3 < 2 * probability < 1.01e-3)
        assert (told is not None) == (abs(a / n - c / m) >= 0.25 and 2 * probability < 1e-3)
    else:
        assert told is None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(2, 60), st.floats(-3, 3))
def test_orders_are_told_apart_as_the_test_of_mann_and_whitney_has_it(seed, n, m, moved):
    draw = np.random.default_rng(seed)
    values = np.concatenate([draw.normal(moved, 1, n), draw.normal(0, 1, m)])  # without ties
    test = stats.mannwhitneyu(values[:n], values[n:], method="asymptotic", use_continuity=False)
    above = test.statistic / (n * m)
    assume(not 0.99e-3 < 2 * test.pvalue < 1.01e-3)
    told = order(values, np.repeat([0, 1], [n, m]))
    assert (told is not None) == (max(above, 1 - above) >= 0.85 and 2 * test.pvalue < 1e-3)


# --- copies ---------------------------------------------------------------------------------------------------------------


def test_a_near_copy_of_a_picture_that_is_there_twice_is_a_near_copy_of_both():
    copies = Copies(((0, 3),), (), (Near(0, 4, 0.99, ""),))  # of pictures of the same pixels the first stands for all
    findings = {finding.kind: finding for finding in found(inventory_of([0, 0, 1, 1, 1], splits=[0, 0, 0, 1, 1]), copies)}
    assert [example.pictures for example in findings["label conflict"].examples] == [(0, 3), (0, 4)]
    assert [example.pictures for example in findings["leak"].examples] == [(0, 3), (0, 4)]
    assert [example.pictures for example in findings["repeat"].examples] == [(3, 4)]


def test_every_picture_of_a_group_under_two_classes_is_in_the_conflict():
    (finding,) = [
        finding for finding in found(inventory_of([0, 0, 0, 1, 1]), Copies(((0, 1, 3),), (), ())) if finding.kind == "label conflict"
    ]
    assert "3 pictures have a copy under another class (2 pairs" in finding.says
    assert [example.pictures for example in finding.examples] == [(0, 3), (1, 3)]


@pytest.mark.parametrize(
    ("threshold", "exact", "weight"), [(0.9, (), "error"), (0.91, (), "error"), (0.97, (), "warning"), (0.97, ((1, 5),), "error")]
)
def test_near_copies_in_a_set_whose_pictures_are_alike_by_nature_are_no_errors(threshold, exact, weight):
    copies = Copies(exact, (), (Near(0, 4, 0.98, ""),), threshold)
    (finding,) = found(inventory_of([0, 1, 0, 1, 0, 1, 0, 1], splits=[0, 0, 0, 0, 1, 1, 1, 1]), copies)
    assert (finding.kind, finding.weight) == ("leak", weight)
    assert ("may have a copy" in finding.says) == (weight == "warning")


def test_each_pair_of_splits_that_leaks_is_named():
    copies = Copies(((0, 2, 4),), (), ())
    findings = [finding.says for finding in found(inventory_of([0, 1, 0, 1, 0, 1], splits=[0, 0, 1, 1, 2, 2]), copies)]
    assert [says.partition(" have")[0].partition(" has")[0] for says in findings] == [
        "1 of the 2 test pictures (50.0%)",
        "1 of the 2 test pictures (50.0%)",
        "1 of the 2 validation pictures (50.0%)",
    ]
    assert [says.partition(" in ")[2].partition(":")[0] for says in findings] == ["train", "validation", "train"]


# --- the proposed division ------------------------------------------------------------------------------------------------


@st.composite
def sets_with_copies(draw):
    count = draw(st.integers(4, 120))
    classes = draw(st.integers(2, 4))
    labels = [draw(st.integers(0, classes - 1)) for _ in range(count)]
    pairs = draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1]), max_size=20)
    )
    exact, near = [], []
    taken = set()
    for i, j in pairs:
        if draw(st.booleans()) and not {i, j} & taken:
            exact.append((min(i, j), max(i, j)))
            taken |= {i, j}
        else:
            near.append(Near(min(i, j), max(i, j), 0.95, ""))
    return inventory_of(labels, classes=tuple("abcd"[:classes])), Copies(tuple(exact), (), tuple(near))


SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.7, 0.0, 0.3), (1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, 0.0)])


@settings(max_examples=150, deadline=None)
@given(sets_with_copies(), SHARES, st.integers(0, 5), st.booleans())
def test_a_division_tears_no_copies_apart_and_keeps_its_shares(made, shares, seed, one_of_each):
    inventory, copies = made
    proposal = proposed(inventory, copies, shares, seed, one_of_each)
    assert proposal == proposed(inventory, copies, shares, seed, one_of_each)
    assert sorted([*proposal.splits, *proposal.left_out]) == list(range(len(inventory.labels)))
    joined = [*copies.exact, *((near.one, near.other) for near in copies.near)]
    assert all(proposal.splits[i] == proposal.splits[j] for i, j in joined if i in proposal.splits and j in proposal.splits)
    for i, j in copies.exact:
        conflict = inventory.labels[i] != inventory.labels[j]
        assert (i in proposal.left_out) == conflict
        assert (j in proposal.left_out) == (conflict or one_of_each)
    sizes = groups_by_class(inventory, proposal, joined)
    for label, groups in sizes.items():
        counts = Counter(proposal.splits[i] for group in groups for i in group)
        whole = sum(counts.values())
        wanted = [split for split, part in zip(("train", "validation", "test"), shares) if part]
        if len(groups) >= len(wanted):
            assert set(counts) == set(wanted)
        if len(groups) > 2 * len(wanted):
            largest = max(map(len, groups))
            for split, part in zip(("train", "validation", "test"), shares):
                assert abs(counts[split] - part * whole) <= len(wanted) * largest, (label, counts)


def groups_by_class(inventory, proposal, joined):
    """The groups of copies that were divided, by the class of most of their pictures, found by spreading a mark until it rests."""
    mark = list(range(len(inventory.labels)))
    moved = True
    while moved:
        moved = False
        for i, j in joined:
            if mark[i] != mark[j]:
                mark[i] = mark[j] = min(mark[i], mark[j])
                moved = True
    groups = {}
    for i in proposal.splits:
        groups.setdefault(mark[i], []).append(i)
    by_class = {}
    for group in groups.values():
        label = Counter(int(inventory.labels[i]) for i in group).most_common(1)[0][0]
        by_class.setdefault(label, []).append(group)
    return by_class


def test_without_copies_every_class_is_divided_in_its_shares_to_the_picture():
    proposal = proposed(inventory_of([0] * 1000 + [1] * 50), NONE)
    assert proposal.counts(inventory_of([0] * 1000 + [1] * 50)) == {"train": [800, 40], "validation": [100, 5], "test": [100, 5]}


def test_another_seed_draws_another_division():
    inventory = inventory_of([0, 1] * 50)
    assert proposed(inventory, NONE, seed=1).splits != proposed(inventory, NONE, seed=2).splits


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.8, 0.1, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_that_are_none_are_refused_in_a_sentence(shares):
    with pytest.raises(PictureError, match="three from 0 to 1 that make 1"):
        proposed(inventory_of([0, 1]), NONE, shares)


def test_the_division_is_a_list_that_opens_as_a_set_without_leaks(planted, report, tmp_path):
    (tmp_path / "lists").mkdir()
    proposal = proposed(report.inventory, report.copies)
    (tmp_path / "lists" / "new.csv").write_text(as_list(report.inventory, proposal, tmp_path / "lists"))
    source = open_source(tmp_path / "lists" / "new.csv")
    assert (source.classes, list(source.openers)) == (("cat", "dog"), ["train", "validation", "test"])
    again = reported(source, processes=2)
    assert not {"label conflict", "leak", "unreadable", "absent"} & set(kinds(again))
    assert len(again.inventory.pictures) == 94 - 4  # two that cannot be read, and two of one file under two classes
    with open(tmp_path / "lists" / "new.csv", newline="") as file:
        assert all(not os.path.isabs(row["path"]) for row in csv.DictReader(file))


def test_one_of_each_leaves_the_other_copies_out_by_name(report, planted):
    proposal = proposed(report.inventory, report.copies, one_of_each=True)
    reasons = {str(Path(report.inventory.names[i]).relative_to(planted)): reason for i, reason in proposal.left_out.items()}
    copies = {name: reason.removeprefix(f"it is a copy of {planted}/") for name, reason in reasons.items() if "a copy of" in reason}
    assert copies == {
        "train/dog/again.jpg": "train/dog/5.jpg",
        "test/cat/same.jpg": "train/cat/1.jpg",
        "test/cat/pixels.png": "train/cat/2.jpg",
    }


def test_pictures_that_are_no_files_and_names_that_are_no_text_cannot_be_listed(tmp_path):
    inventory = examine(open_source("digits"))
    with pytest.raises(PictureError, match="lie in arrays or archives"):
        as_list(inventory, proposed(inventory, NONE), tmp_path)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(4):
            scene(i).save(os.path.join(os.fsencode(tmp_path / label), b"\xff%d.png" % i).decode(errors="surrogateescape"))
    inventory = examine(open_source(tmp_path), processes=1)
    with pytest.raises(PictureError, match="is no UTF-8"):
        as_list(inventory, proposed(inventory, NONE), tmp_path)
