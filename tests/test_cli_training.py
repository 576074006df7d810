"""hubel train, test and predict, as a user types them."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from hubel import load
from hubel.cli import main
from runs import folder

NET = "Conv(4, 3, pad=1) >> ReLU() >> MaxPool(2) >> FC(3)"
QUICK = ("--input", "1x8x8", "--epochs", "4", "--batch", "16", "--threads", "1", "--precision", "fp32", "--validation", "0.2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained run on a folder of drawings that has a broken file in it."""
    place = tmp_path_factory.mktemp("trained")
    pictures = folder(place / "pictures", 120)
    (pictures / "a" / "broken.png").write_bytes((pictures / "a" / "000.png").read_bytes()[:90])
    (pictures / "b" / "note.jpg").write_text("no picture")
    (pictures / ".hidden").mkdir()
    assert main(["train", NET, str(pictures), "--out", str(place / "run"), *QUICK]) == 0
    return pictures, place / "run" / "model.safetensors"


def said(capsys, *words, status=0):
    capsys.readouterr()
    assert main([str(word) for word in words]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out, err


def test_train_names_what_was_left_out_and_where_the_model_lies(tmp_path, trained, capsys):
    out, _ = said(capsys, "train", NET, trained[0], "--out", tmp_path / "run", *QUICK)
    assert re.search(r"left out: \S+broken.png: it is damaged", out)
    assert re.search(r"left out: \S+note.jpg: it is not a picture", out)
    assert "2 pictures were left out; --strict stops at them instead." in out
    assert ".hidden was left out: it is a hidden folder." in out
    assert re.search(r"epoch 4/4  train loss [\d.]+, accuracy [\d.]+%; validation loss [\d.]+, accuracy [\d.]+%", out)
    assert f"model: {tmp_path / 'run' / 'model.safetensors'}" in out


def test_strict_stops_at_a_broken_picture_before_training(tmp_path, trained, capsys):
    out, err = said(capsys, "train", NET, trained[0], "--out", tmp_path / "run", "--strict", *QUICK, status=2)
    assert "broken.png" in err and "--strict" in err and "epoch" not in out
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_train_prints_records_as_json_lines(tmp_path, trained, capsys):
    out, _ = said(capsys, "train", NET, trained[0], "--out", tmp_path / "run", "--json", *QUICK)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["record"] for record in records] == ["started", *["epoch"] * 4, "finished"]
    assert records[0]["recipe"]["epochs"] == 4 and len(records[0]["refused"]) == 2


def test_train_says_that_it_ended_early_and_again_when_asked_again(tmp_path, trained, capsys):
    words = ("train", NET, trained[0], "--out", tmp_path / "run", *QUICK, "--epochs", "99", "--lr", "1e-9", "--patience", "2")
    out, _ = said(capsys, *words)
    assert "Training ended early: no epoch of the last few was better (--patience)." in out and "epoch 99/99" not in out
    assert "Best: epoch" in out
    out, _ = said(capsys, *words)
    assert "This run is finished." in out and "Training ended early" in out and not re.search("^epoch ", out, re.M)
    out, _ = said(capsys, *words, "--json")
    assert [json.loads(line).get("early") for line in out.splitlines()] == [None, True]


def test_every_field_of_the_recipe_is_a_flag(tmp_path, trained, capsys):
    words = [
        "--optimiser",
        "adamw",
        "--lr",
        "0.002",
        "--no-nesterov",
        "--flip",
        "--shift",
        "0.1",
        "--label-smoothing",
        "0.1",
        "--seed",
        "7",
        "--schedule",
        "step",
    ]
    said(capsys, "train", NET, trained[0], "--out", tmp_path / "run", *QUICK, *words)
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())["recipe"]
    expected = {
        "optimiser": "adamw",
        "lr": 0.002,
        "nesterov": False,
        "flip": True,
        "shift": 0.1,
        "label_smoothing": 0.1,
        "seed": 7,
        "schedule": "step",
    }
    assert {name: recipe[name] for name in expected} == expected


def test_test_prints_a_table_by_class_a_confusion_and_the_error(trained, capsys):
    out, err = said(capsys, "test", trained[1], trained[0])
    assert re.search(r"pictures: 120 pictures, accuracy [\d.]+% \([\d.]+-[\d.]+ with 95%\), error [\d.]+%", out)
    assert re.search(r"^probabilities: calibration error [\d.]+%, negative log-likelihood [\d.]+$", out, re.M)
    assert "as c" in out and "recall" in out
    assert "broken.png" in err and "the very pictures" in err


def test_test_as_json_adds_up(trained, capsys):
    found = json.loads(said(capsys, "test", trained[1], trained[0], "--json")[0])
    confusion = np.array(found["confusion"])
    assert confusion.sum() == found["pictures"] == 120 and found["left_out"] == 2
    assert np.trace(confusion) / 120 == pytest.approx(found["accuracy"]) == pytest.approx(1 - found["error"])
    assert [row["class"] for row in found["classes"]] == ["a", "b", "c"] and found["top5"] is None


def test_a_set_with_a_class_that_the_model_has_not_is_refused_with_both_lists(tmp_path, trained, capsys):
    _, err = said(capsys, "test", trained[1], folder(tmp_path / "four", 20, 4), status=2)
    assert "a, b, c" in err and "a, b, c, d" in err and "d is not" in err


def test_predict_takes_files_and_folders_and_names_what_it_cannot_read(trained, capsys):
    pictures, model = trained
    out, err = said(capsys, "predict", model, pictures / "c" / "002.png", pictures / "a", status=1)
    assert len(re.findall(r"\.png +[abc] +[\d.]+%", out)) == 41 and "broken.png: " in err


def test_predict_as_json_agrees_with_python(trained, capsys):
    pictures, path = trained
    file = pictures / "c" / "002.png"
    found = json.loads(said(capsys, "predict", path, file, "--top", 2, "--json")[0])[0]
    model = load(path)
    prediction = model.predict(file)
    assert (found["label"], found["probability"]) == (prediction.label, prediction.probability)
    assert list(found["top"].items()) == [tuple(entry) for entry in prediction.ranked[:2]]
    assert model.predict(np.asarray(Image.open(file))).ranked == prediction.ranked


def test_predict_draws_a_sample_of_a_known_set(tmp_path, capsys):
    assert main(["train", "lenet_relu", "digits", "--epochs", "1", "--threads", "1", "--precision", "fp32", "--out", str(tmp_path)]) == 0
    out, _ = said(capsys, "predict", tmp_path / "model.safetensors", "digits", "--sample", 3, "--draw")
    assert len(re.findall(r"^digits test \d+: \d [\d.]+% \(it is \d\)$", out, re.M)) == 3 and "█" in out
    assert out == said(capsys, "predict", tmp_path / "model.safetensors", "digits", "--sample", 3, "--draw")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "lenet6", "digits"), "Did you mean"),
        (("train", "lenet5", "nowhere"), "There is no folder 'nowhere'"),
        (("train", "FC(10)", "digits"), "--input"),
        (("train", "FC(10)", "digits", "--input", "8"), "1xHxW"),
        (("train", "lenet5", "digits", "--epochs", "0"), "epochs=0"),
        (("train", "FC(9)", "digits", "--input", "1x8x8"), r"end it with FC(10)"),
        (("test", "nowhere.safetensors", "digits"), "no file nowhere.safetensors"),
        (("predict", "nowhere.safetensors", "x.png"), "no file nowhere.safetensors"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_status_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    out, err = said(capsys, *words, status=2)
    assert err.startswith("hubel: ") and message in err and not out
    assert not list(tmp_path.iterdir())


def test_any_split_can_be_tested_on(tmp_path, trained, capsys):
    drawings, place = folder(tmp_path / "all", 30), tmp_path / "set"
    for split, part in (("train", 30), ("validation", 12)):
        for label in "abc":
            (place / split / label).mkdir(parents=True)
            for path in sorted((drawings / label).iterdir())[: part // 3]:
                (place / split / label / path.name).write_bytes(path.read_bytes())
    _, err = said(capsys, "test", trained[1], place, status=2)
    assert "has no test pictures; it has: train, validation" in err
    counts = [
        json.loads(said(capsys, "test", trained[1], place, "--split", split, "--json")[0])["pictures"] for split in ("train", "validation")
    ]
    assert counts == [30, 12]


def test_a_network_without_weights_is_refused(tmp_path, trained, capsys):
    said(capsys, "train", "GlobalAvgPool()", trained[0], "--input", "3x16x16", "--out", tmp_path / "run", status=2)
    assert main(["train", "GlobalAvgPool()", str(trained[0]), "--input", "3x16x16", "--out", str(tmp_path / "run")]) == 2
    assert "has no weights, so there is nothing to train" in capsys.readouterr().err


def test_a_network_that_memory_does_not_hold_is_refused(tmp_path, trained, capsys):
    net = "FC(200000) >> FC(200000000) >> FC(3)"  # more bytes than a process has addresses
    _, err = said(capsys, "train", net, trained[0], "--out", tmp_path / "run", *QUICK, status=2)
    assert "not enough memory" in err
