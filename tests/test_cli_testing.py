"""hubel test and calibrate, as a user types them: what probabilities are worth, and what they become."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import load, open_source, weights
from hubel.cli import main
from hubel.cli.testing import SHOWN, print_confusion
from hubel.evaluation import Report, scored
from hubel.evaluation.calibration import calibration, fitted
from hubel.evaluation.intervals import of_share
from hubel.pictures.loader import decoded
from hubel.training import folder as run_folder
from hubel.training import setup
from hubel.training.recipe import Recipe
from hubel.training.reserved import reserved
from runs import drawings

QUICK = (
    "--input",
    "1x8x8",
    "--epochs",
    "8",
    "--batch",
    "16",
    "--threads",
    "1",
    "--lanes",
    "1",
    "--precision",
    "fp32",
    "--validation",
    "0.3",
)


def noisy(place, count, seed=0, names="abc"):
    """Drawings as files in class folders, a fifth of them in the folder of another class."""
    pictures, labels = drawings(count, 3, seed)
    draw = np.random.default_rng(seed)
    wrong = draw.random(count) < 0.2
    for i, label in enumerate(np.where(wrong, (labels + draw.integers(1, 3, count)) % 3, labels)):
        if label < len(names):
            path = place / names[label] / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures[i]).save(path)
    return place


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A set without a validation split, and the folder of a run on it."""
    place = tmp_path_factory.mktemp("judged")
    pictures = noisy(place / "pictures", 300)
    assert main(["train", "FC(16) >> ReLU() >> FC(3)", str(pictures), "--out", str(place / "run"), *QUICK]) == 0
    return pictures, place / "run"


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "run")


def said(capsys, *words, status=0):
    capsys.readouterr()
    assert main([str(word) for word in words]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out, err


def test_the_pictures_that_training_held_out_are_found_again(trained):
    pictures, run = trained
    model = load(run)
    found = reserved(model, open_source(pictures))
    wanted = setup.prepared(model.net, pictures, Recipe(**model.recipe), model.input)[1].validation
    assert found.names == wanted.names and len(found) == model.data["validation"] > 50
    assert torch.equal(found.pixels, wanted.pixels)


def test_calibrate_fits_to_what_training_held_out_and_changes_probabilities_alone(trained, run, capsys):
    pictures, _ = trained
    before = load(run)
    scores, labels = scored(before.network, reserved(before, open_source(pictures)), before.pixels)
    told = json.loads(said(capsys, "calibrate", run, pictures, "--json")[0])
    after = load(run)
    assert after.temperature == told["after"]["temperature"] == fitted(scores, labels).temperature != 1
    for when, temperature in (("before", 1.0), ("after", after.temperature)):
        wanted = calibration(scores, labels, temperature)
        assert (told[when]["nll"], told[when]["ece"]) == pytest.approx((wanted.nll, wanted.ece))
    assert told["after"]["nll"] < told["before"]["nll"] and told["after"]["accuracy"] == told["before"]["accuracy"]
    assert (told["pictures"], told["split"]) == (before.data["validation"], "held out in training")
    (old, old_says), (new, new_says) = (weights.read(place / "model.safetensors") for place in (trained[1], run))
    assert weights.digest(old) == weights.digest(new)
    assert new_says == {**old_says, "temperature": after.temperature}
    one = pictures / "a" / sorted(path.name for path in (pictures / "a").iterdir())[0]
    first, second = before.predict(one), after.predict(one)
    assert first.label == second.label and first.probability != second.probability
    assert json.loads(said(capsys, "predict", run, one, "--json")[0])[0]["probability"] == second.probability


def test_calibrate_says_before_and_after_and_warns_of_few_pictures(trained, run, tmp_path, capsys):
    out, err = said(capsys, "calibrate", run, trained[0], "--figure", tmp_path / "diagram.png")
    rows = [re.search(rf"^{when} +[\d.]+ +[\d.]+ +[\d.]+% +[\d.]+%$", out, re.M) for when in ("before", "after")]
    assert all(rows) and re.search(r"^temperature [\d.]+ \([\d.]+-[\d.]+ with 95%\)$", out, re.M)
    assert "fewer than 200" in err
    with Image.open(tmp_path / "diagram.png") as picture:
        assert picture.format == "PNG" and picture.width > 600


def test_test_uses_the_temperature_and_says_what_probabilities_are_worth(trained, run, tmp_path, capsys):
    others = noisy(tmp_path / "others", 150, 5)
    plain = json.loads(said(capsys, "test", run, others, "--json")[0])
    said(capsys, "calibrate", run, trained[0])
    found, text = json.loads(said(capsys, "test", run, others, "--json")[0]), said(capsys, "test", run, others)[0]
    model = load(run)
    scores, labels = scored(model.network, decoded(open_source(others).testing(), model.pixels), model.pixels)
    wanted = calibration(scores, labels, model.temperature)
    assert (found["nll"], found["ece"], found["temperature"]) == pytest.approx((wanted.nll, wanted.ece, model.temperature))
    assert found["nll"] != plain["nll"] and found["confusion"] == plain["confusion"] and plain["temperature"] == 1
    right = sum(found["confusion"][i][i] for i in range(3))
    assert found["interval"] == pytest.approx(of_share(right, 150)) and found["accuracy"] == right / 150
    assert f"at temperature {model.temperature:.4g}: calibration error {100 * wanted.ece:.2f}%" in text


def test_pictures_that_the_run_did_not_hold_out_must_be_named(trained, run, tmp_path, capsys):
    before = (run / "model.safetensors").read_bytes()
    others = noisy(tmp_path / "others", 240, 9)
    _, err = said(capsys, "calibrate", run, others, status=2)
    assert "not those that the model was trained on" in err and "--split" in err and "it has: all" in err
    assert (run / "model.safetensors").read_bytes() == before
    out, _ = said(capsys, "calibrate", run, others, "--split", "all")
    assert "240 pictures, all" in out
    _, err = said(capsys, "calibrate", run, trained[0], "--split", "all")
    assert "the network learned from these pictures" in err
    shutil.copytree(others, tmp_path / "set" / "validation")
    shutil.copytree(others, tmp_path / "set" / "test")
    assert "240 pictures, validation" in said(capsys, "calibrate", run, tmp_path / "set")[0]
    assert "the test split is fitted to now" in said(capsys, "calibrate", run, tmp_path / "set", "--split", "test")[1]


def test_pictures_that_tell_of_no_temperature_leave_the_model_file_as_it_is(trained, run, tmp_path, capsys):
    model = load(run)
    before = (run / "model.safetensors").read_bytes()
    for path in sorted(trained[0].rglob("*.png"))[::9]:  # each to the class that the network takes it for
        place = tmp_path / "right" / model.predict(path).label / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    _, err = said(capsys, "calibrate", run, tmp_path / "right", "--split", "all", "--figure", tmp_path / "none.png", status=2)
    assert "tell of no temperature: every one is recognised" in err
    assert (run / "model.safetensors").read_bytes() == before and not (tmp_path / "none.png").exists()


def test_a_folder_in_which_a_run_is_training_is_left_alone(trained, run, capsys):
    with run_folder.held(run):
        _, err = said(capsys, "calibrate", run, trained[0], status=2)
    assert "Another process is training" in err and load(run).temperature == 1


def test_a_set_of_some_of_the_models_classes_is_tested_on_by_their_names(trained, tmp_path, capsys):
    pictures, run = trained
    some = tmp_path / "some"
    for name in "ca":
        shutil.copytree(pictures / name, some / name)
    out, err = said(capsys, "test", run, some)
    assert "the model tells apart 3 classes; the 2 of some were found among them by name" in err
    found = json.loads(said(capsys, "test", run, some, "--json")[0])
    every = json.loads(said(capsys, "test", run, pictures, "--json")[0])
    assert found["confusion"] == [every["confusion"][0], [0, 0, 0], every["confusion"][2]]
    assert not re.search(r"^b ", out, re.M) and "as b" in out  # no pictures of it, but it may be guessed


def test_the_mistakes_are_drawn_as_png_alone(trained, tmp_path, capsys):
    out, _ = said(capsys, "test", trained[1], trained[0], "--mistakes", tmp_path / "wrong.png")
    assert f"mistakes: {tmp_path / 'wrong.png'}" in out
    with Image.open(tmp_path / "wrong.png") as picture:
        assert picture.format == "PNG" and len(picture.getcolors(100_000)) > 20
    for verb, flag in (("test", "--mistakes"), ("calibrate", "--figure")):
        assert "PNG" in said(capsys, verb, trained[1], trained[0], flag, tmp_path / "wrong.jpg", status=2)[1]


def test_of_many_classes_the_pairs_that_are_mistaken_most_are_printed_instead_of_the_whole_confusion(capsys):
    confusion = np.eye(SHOWN + 1, dtype=int) * 9
    confusion[4, 7], confusion[2, 1] = 3, 5
    names = tuple(f"class {i}" for i in range(SHOWN + 1))
    print_confusion(Report(0, 0.0, None, confusion.tolist()), tuple(range(SHOWN + 1)), names)
    assert re.findall(r"^class (\d+) +class (\d+) +(\d+)$", capsys.readouterr().out, re.M) == [("2", "1", "5"), ("4", "7", "3")]
    few = confusion[:SHOWN, :SHOWN].tolist()
    print_confusion(Report(0, 0.0, None, few), tuple(range(SHOWN)), names[:SHOWN])
    assert re.search(r"^class 2 +0 +5 +9 ", capsys.readouterr().out, re.M)
