"""Studies: every arm is run once with every seed, stopping costs nothing, and the record holds what was run."""

import json
import os
import shutil
import signal
import sys
import types
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

import runs
from hubel.build import build
from hubel.cli import main, studying
from hubel.errors import PictureError, RunError
from hubel.evaluation.intervals import of_mean, of_share
from hubel.joints import Chain
from hubel.layers import Dropout
from hubel.model import Model, load
from hubel.nets import NETS
from hubel.pictures.pixels import Pixels
from hubel.pictures.sets import Source, Split, from_array
from hubel.reading import read
from hubel.rewrite import without
from hubel.studies import STUDIES, Arm, FromBase, FromScratch, Study, study
from hubel.studies.curves import apart, curves
from hubel.studies.cutting import cut
from hubel.studies.record import record, table
from hubel.studies.running import Begun, Ran, run
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Stopped
from hubel.transfer.recipes import RECIPES

NET = Chain(
    first=read("Conv(4, 3, pad=1) >> ReLU() >> MaxPool(2)"),
    second=read("Conv(4, 3, pad=1) >> ReLU()"),
    third=read("GlobalAvgPool() >> FC(5)"),
)
SAME = {"epochs": 2, "batch": 16, "threads": 1, "lanes": 1, "precision": "fp32"}
TINY = Study(
    "tiny",
    "Rows are told apart.",
    'Nobody 1900, "Rows"',
    "digits",
    (30, 15, 15),
    (
        Arm("from scratch", "It learns.", "70-72% of the rows", "sec. 1", FromScratch(runs.NET, Recipe(**SAME), (1, 8, 8))),
        Arm("features", "It reads.", "about 90%", "sec. 2", FromBase("features", replace(RECIPES["features"], **SAME))),
        Arm("fine-tuned", "It moves.", "", "", FromBase("finetune", replace(RECIPES["finetune"], **SAME))),
    ),
)
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def base():
    """A network of five classes."""
    network = build(NET, (1, 8, 8), "he", 1).eval()
    return Model(NET, (1, 8, 8), tuple("vwxyz"), Pixels(1, 8, 8, mean=(0.4,), deviation=(0.3,)), network, {}, {}, {})


@pytest.fixture(scope="module")
def pictures():
    """A set that is divided."""
    opened = {
        name: partial(from_array, name, *runs.drawings(count, seed=seed)) for seed, (name, count) in enumerate(zip(SPLITS, (60, 30, 30)))
    }
    return Source("drawings", tuple("abc"), opened)


@pytest.fixture(scope="module")
def bought(base, pictures, tmp_path_factory):
    """The whole tiny study with two seeds, and where it lies."""
    out = tmp_path_factory.mktemp("out")
    before, os.environ["HUBEL_DATA"] = os.environ.get("HUBEL_DATA"), str(tmp_path_factory.mktemp("cache"))
    try:
        return list(run(TINY, pictures, {"small": base}, out, (0, 1))), out
    finally:
        os.environ.pop("HUBEL_DATA") if before is None else os.environ.update(HUBEL_DATA=before)


def ends(records):
    return [record for record in records if isinstance(record, Ran)]


def unclocked(records):
    return [replace(one, seconds=0.0) for one in ends(records)]


# --- the studies on paper ---


def test_every_study_says_whose_each_claim_is_and_its_arms_have_names_and_folders_of_their_own():
    for name, one in STUDIES.items():
        assert study(name) is one and one.name == name and one.citation and one.claim.endswith(".")
        assert len({arm.name for arm in one.arms}) == len(one.arms) > 1
        assert all(arm.says.endswith(".") and bool(arm.claim) == bool(arm.place) for arm in one.arms)
    with pytest.raises(RunError, match="no study 'dogs-cat'. Did you mean 'dogs-cats'"):
        study("dogs-cat")


def test_the_convnets_of_dogs_cats_differ_by_dropout_and_changed_pictures_alone():
    plain, changed = (arm.how for arm in study("dogs-cats").arms[:2])
    assert without(changed.net, Dropout).net == NETS[plain.net].net(2) != changed.net
    assert changed.net.parts[4].parts[0] == Dropout(0.5) and changed.input == NETS[plain.net].input
    alike = {name: getattr(plain.recipe, name) for name in ("epochs", "flip", "rotation", "width_shift", "height_shift", "zoom")}
    assert replace(changed.recipe, **alike) == plain.recipe
    assert not any((plain.recipe.flip, plain.recipe.rotation, plain.recipe.zoom, plain.recipe.shift))


# --- the pictures ---


def many(count, lot="all"):
    labels = np.arange(count) % 2
    return Source("many", ("cat", "dog"), {lot: lambda: Split([str(i) for i in range(count)], labels, lambda i: Image.new("L", (8, 8), i))})


@pytest.mark.parametrize("lot", ["all", "train"])  # of class folders, and of Kaggle's layout
def test_as_many_pictures_are_cut_as_the_study_takes_alike_of_each_class_and_none_twice(lot):
    source = cut(many(200, lot), (40, 20, 10))
    found = {name: source.split(name) for name in SPLITS}
    assert {name: Counter(split.labels.tolist()) for name, split in found.items()} == {
        name: {0: count, 1: count} for name, count in zip(SPLITS, (20, 10, 5))
    }
    names = [name for split in found.values() for name in split.names]
    assert len(set(names)) == 70
    for split in found.values():
        assert [split.read(i).getpixel((0, 0)) for i in range(3)] == [int(name) for name in split.names[:3]]
    again, other = cut(many(200), (40, 20, 10)), cut(many(200), (40, 20, 10), seed=1)
    assert again.split("test").names == found["test"].names != other.split("test").names
    assert "40 are the train split" in source.notes[-1]


def test_a_divided_set_is_taken_as_it_is_and_half_divided_or_small_ones_are_refused(pictures):
    assert cut(pictures, (2, 2, 2)) is pictures
    with pytest.raises(PictureError, match="60 pictures of cat; the study takes 70 of each"):
        cut(many(120), (100, 20, 20))
    half = replace(pictures, openers={name: pictures.openers[name] for name in ("train", "test")})
    with pytest.raises(PictureError, match="has train and test"):
        cut(half, (2, 2, 2))


# --- running ---


def test_arms_are_run_in_order_with_every_seed(bought):
    order = [(arm.name, "" if arm.name == "from scratch" else "small", seed) for arm in TINY.arms for seed in (0, 1)]
    assert [(one.arm.name, one.base, one.seed) for one in bought[0] if isinstance(one, Begun)] == order
    assert [(one.arm, one.base, one.seed) for one in ends(bought[0])] == order
    scratch, features, tuned = ends(bought[0])[::2]
    assert [curve.phase for one in (scratch, features, tuned) for curve in one.curves] == ["training", "head", "head", "stages"]
    assert len(scratch.curves[0].train) == len(scratch.curves[0].validation) == 2
    for one in ends(bought[0]):
        curve = next(curve for curve in one.curves if curve.phase == one.phase)
        assert curve.validation[one.epoch - 1] == one.validation and one.seconds > 0
        assert one.interval == pytest.approx(of_share(round(30 * one.test), 30))
        assert one.recipe["seed"] == one.seed and one.recipe["epochs"] == 2


def test_the_test_accuracy_is_that_of_the_model_that_was_kept(bought, pictures):
    one = ends(bought[0])[0]
    model, split = load(bought[1] / "from-scratch" / "0"), pictures.split("test")
    right = [model.predict(split.read(i)).label == model.classes[split.labels[i]] for i in range(len(split.labels))]
    assert np.mean(right) == one.test


def test_what_is_done_is_not_done_again_and_another_run_in_its_place_is_refused(bought, base, pictures, tmp_path):
    again = list(run(TINY, pictures, {"small": base}, bought[1], (0, 1)))
    assert ends(again) == ends(bought[0]) and not any(isinstance(one, Epoch) for one in again)
    with pytest.raises(RunError, match="began otherwise: another recipe"):
        list(run(TINY, pictures, {"small": base}, bought[1], (0,), epochs=3))
    (tmp_path / "from-scratch" / "0").mkdir(parents=True)
    (tmp_path / "from-scratch" / "0" / "ended.json").write_text("{}")
    with pytest.raises(RunError, match="ended.json is damaged"):
        list(run(TINY, pictures, {}, tmp_path))


def test_a_study_that_was_stopped_in_its_last_arm_comes_to_the_same_end(bought, base, pictures, tmp_path):
    out = shutil.copytree(bought[1], tmp_path / "out")
    shutil.rmtree(out / "fine-tuned-small")
    records, epochs = [], 0
    for one in run(TINY, pictures, {"small": base}, out, (0,)):
        records.append(one)
        epochs += isinstance(one, Epoch)
        if isinstance(one, Epoch) and epochs == RECIPES["features"].epochs + 1:  # the first of those in which the base moves
            os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(records[-1], Stopped) and len(ends(records)) == 2
    resumed = list(run(TINY, pictures, {"small": base}, out, (0,)))
    assert sum(isinstance(one, Epoch) for one in resumed) == RECIPES["features"].epochs + 1  # the head's again, and the one that was left
    assert unclocked(resumed) == unclocked(bought[0])[::2]


def test_without_a_base_the_arms_that_need_one_are_left_out(pictures, tmp_path):
    found = list(run(TINY, pictures, {}, tmp_path, epochs=1))
    assert [one.arm for one in ends(found)] == ["from scratch"]
    assert ends(found)[0].recipe["epochs"] == len(ends(found)[0].curves[0].validation) == 1


# --- what was found ---


def test_the_record_holds_what_was_run_and_the_mean_of_seeds_with_its_interval(bought, base, pictures):
    found = json.loads(json.dumps(record(TINY, ends(bought[0]), pictures, {"small": base})))
    assert (found["study"], found["what"], found["citation"]) == ("tiny", TINY.claim, TINY.citation)
    assert found["machine"]["torch"] == torch.__version__ and found["bases"]["small"]["input"] == [1, 8, 8]
    assert [found["pictures"][name] for name in SPLITS] == [60, 30, 30]
    assert [(arm["arm"], arm["base"]) for arm in found["arms"]] == [("from scratch", ""), ("features", "small"), ("fine-tuned", "small")]
    arm, both = found["arms"][0], ends(bought[0])[:2]
    assert arm["test"] == pytest.approx(np.mean([one.test for one in both])) and arm["seconds"] == both[0].seconds
    low, high = of_mean([one.test for one in both])
    assert arm["interval"] == pytest.approx((max(0, low), min(1, high))) and "Student" in arm["interval_of"]
    near = [replace(one, test=test) for one, test in zip(both, (0.90, 0.91))]
    assert record(TINY, near, pictures, {})["arms"][0]["interval"] == pytest.approx(of_mean([0.90, 0.91]))
    assert [one["seed"] for one in arm["runs"]] == [0, 1] and arm["runs"][1]["curves"][0]["validation"] == list(
        both[1].curves[0].validation
    )
    single = record(TINY, both[:1], pictures, {})["arms"][0]
    assert single["interval"] == both[0].interval and "Wilson" in single["interval_of"]
    assert [row["the source"] for row in table(found)] == ["70-72% of the rows (sec. 1)", "about 90% (sec. 2)", "-"]


def test_the_figure_draws_every_arm_and_its_last_phase_where_the_others_have_ended(bought, base, pictures):
    found = json.loads(json.dumps(record(TINY, ends(bought[0]), pictures, {"small": base})))
    whole = np.asarray(curves(found))
    for place in range(3):
        less = {**found, "arms": [arm for number, arm in enumerate(found["arms"]) if number != place]}
        assert not np.array_equal(np.asarray(curves(less)), whole)
    longer = json.loads(json.dumps(found))
    for one in longer["arms"][2]["runs"]:
        one["curves"][0]["validation"] = one["curves"][0]["validation"] * 4
    assert not np.array_equal(np.asarray(curves(longer)), whole)
    assert np.asarray(curves({**found, "arms": found["arms"][:1]})).shape == whole.shape


def test_names_at_the_ends_of_lines_are_apart_and_in_order():
    assert apart([10, 50, 90], 20) == [10, 50, 90]
    assert apart([40, 50, 52], 20) == pytest.approx([47.333 - 20, 47.333, 47.333 + 20], abs=1e-3)
    draw = np.random.default_rng(0)
    for _ in range(50):
        places = sorted(draw.uniform(0, 200, 8))
        assert np.diff(apart(places, 19)).min() > 19 - 1e-9
        assert np.mean(apart(places, 19)) == pytest.approx(np.mean(places))


# --- the command line ---


def test_the_command_runs_a_study_prints_its_table_and_leaves_a_record_and_a_figure(bought, base, pictures, tmp_path, monkeypatch, capsys):
    naming = types.ModuleType("hubel.pretrained.naming")
    naming.opened = lambda text, row=None, origin=None, told=None: load(text)
    monkeypatch.setitem(sys.modules, "hubel.pretrained.naming", naming)
    monkeypatch.setattr("hubel.pictures.sources.open_source", lambda place, told=None: pictures)
    monkeypatch.setitem(studying.STUDIES, "tiny", TINY)
    base.save(tmp_path / "small.safetensors")
    words = ["study", "tiny", "drawings", "--from", str(tmp_path / "small.safetensors"), "--repeats", "2"]
    assert main([*words, "--out", str(bought[1])]) == 0
    said = capsys.readouterr().out
    assert "== features, small, seed 1: It reads." in said and "70-72% of the rows (sec. 1)" in said
    found = json.loads((bought[1] / "study.json").read_text())
    assert [len(arm["runs"]) for arm in found["arms"]] == [2, 2, 2]
    with Image.open(bought[1] / "study.png") as figure:
        assert figure.width > 500
    assert main([*words, "--out", str(bought[1]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arms"] == found["arms"]
    assert main([*words, "--from", str(tmp_path / "small.safetensors")]) == 2
    assert "--from has small twice" in capsys.readouterr().err


def test_the_command_alone_lists_what_the_studies_claim(capsys):
    assert main(["study"]) == 0
    said = capsys.readouterr().out
    assert "dogs-cats: With 2,000 photographs" in said and "70-72% of the validation pictures (sec. 5.2.4)" in said
    assert main(["study", "--json"]) == 0
    assert [one["study"] for one in json.loads(capsys.readouterr().out)] == list(STUDIES)
    for words, message in (
        (["nothing"], "no study 'nothing'"),
        (["dogs-cats", "--repeats", "0"], "--repeats is 0"),
        (["dogs-cats", "/nowhere"], "There is no folder"),
    ):
        assert main(["study", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_base_s_row_is_read_before_a_sign_of_equality_but_not_out_of_a_path():
    assert studying.row_of("squeezenet_1_1=a/b=c.pth") == ("squeezenet_1_1", "a/b=c.pth")
    assert studying.row_of("a/b=c.pth") == (None, "a/b=c.pth")
