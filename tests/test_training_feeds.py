"""Training on files: random parts of them, kept or decoded anew, interrupted, and while files vanish."""

import json
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
import runs
from hubel.errors import HubelError, RunError
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, LeftOut, Started, Step

RECIPE = Recipe(epochs=3, batch=16, lr=0.05, flip=True, threads=1, lanes=1, precision="fp32", validation=0.2)
CUTS = {"random_resized_crop": 0.3, "scale_jitter": "9-12"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path):
    return runs.folder(tmp_path / "drawings")


def trained(data, out=None, **changes):
    return list(runs.train(out, data=data, recipe=Recipe(**{**vars(RECIPE), **changes})))


@pytest.mark.parametrize("keep", ["memory", "disk", "nothing"])
def test_a_run_comes_to_the_same_weights_wherever_its_pictures_are_kept(tmp_path, data, keep):
    trained(data, tmp_path / "plain")
    trained(data, tmp_path / "other", keep=keep)
    assert runs.ended(tmp_path / "other") == runs.ended(tmp_path / "plain")


@pytest.mark.parametrize("keep", ["disk", "nothing"])
@pytest.mark.parametrize("cut", CUTS)
def test_random_parts_are_learnt_from_and_whole_pictures_validated_on(data, cut, keep):
    records = trained(data, keep=keep, epochs=12, **{cut: CUTS[cut]})
    last = [record for record in records if isinstance(record, Epoch)][-1]
    assert last.validation_accuracy > 0.6
    model = records[-1].model
    assert (model.pixels.fit, model.pixels.resized, model.pixels.reduced) == ("crop", 9, True)


@pytest.mark.parametrize(("cut", "keep"), [("random_resized_crop", "disk"), ("scale_jitter", "nothing")])
def test_killed_and_continued_a_run_ends_as_one_that_was_left_alone(tmp_path, data, cut, keep):
    """Also with pictures decoded ahead by other processes, killed at any moment."""
    flags = [
        f"--{name.replace('_', '-')}={value}" for name, value in {"epochs": 3, "batch": 8, "lr": 0.05, "threads": 1, "lanes": 1}.items()
    ]
    flags += [f"--{cut.replace('_', '-')}={CUTS[cut]}", f"--keep={keep}", "--precision=fp32", "--input=1x8x8"]
    command = ["train", runs.NET, data, *flags, "--out"]
    with runs.hubel_process(*command, tmp_path / "alone") as alone:
        said = alone.communicate()[0]
    assert alone.returncode == 0, said
    for moment in (0.02, 0.3):
        with runs.hubel_process(*command, tmp_path / "killed", "--json") as process:
            next((line for line in process.stdout if json.loads(line)["record"] == "epoch"), None)
            time.sleep(moment)
            process.kill()
    with runs.hubel_process(*command, tmp_path / "killed") as last:
        said = last.communicate()[0]
    assert last.returncode == 0, said
    assert runs.ended(tmp_path / "killed") == runs.ended(tmp_path / "alone")


def test_files_that_vanish_or_change_during_training_are_named_and_counted_and_the_run_goes_on(data):
    records = []
    for record in runs.train(data=data, recipe=Recipe(**{**vars(RECIPE), "keep": "nothing"})):
        if isinstance(record, Epoch) and record.epoch == 1:
            (data / "a" / "000.png").unlink()
            (data / "b" / "001.png").unlink()
            (data / "c" / "002.png").write_bytes(b"no picture any more")
        records.append(record)
    assert isinstance(records[-1], Finished)
    counts = [record.left_out for record in records if isinstance(record, Epoch)]
    assert counts[0] == 0 and counts[1] == counts[2] and 1 <= counts[1] <= 3  # some may be held out to validate on
    named = {refused.name: refused.reason for record in records if isinstance(record, LeftOut) for refused in record.pictures}
    assert set(named.values()) <= {"it is no longer there", "it has changed since training began"} and len(named) == counts[1]
    images = sum(record.images for record in records if isinstance(record, Step) and record.epoch == 2)
    started = next(record for record in records if isinstance(record, Started))
    assert images == started.train - counts[1]


def test_strict_stops_at_a_file_that_vanishes(data):
    with pytest.raises(HubelError, match=r"no longer there.*--strict"):
        for record in runs.train(data=data, recipe=Recipe(**{**vars(RECIPE), "keep": "nothing"}), strict=True):
            if isinstance(record, Epoch):
                for path in data.glob("*/*.png"):
                    path.unlink()


def test_what_is_lost_in_reading_is_told_at_the_start(data):
    for path in list((data / "a").iterdir())[:4]:
        Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(path)
    started = trained(data, keep="memory", epochs=1)[0]
    assert sorted(started.lost.values()) == [4, 4]  # transparency, colour


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"random_resized_crop": 1.5}, "random_resized_crop=1.5"),
        ({"scale_jitter": "512-256"}, "scale_jitter=512-256"),
        ({"scale_jitter": "large"}, "two whole numbers such as 256-512"),
        ({"scale_jitter": "256-512", "random_resized_crop": 0.08}, "left out where random_resized_crop"),
        ({"keep": "cloud"}, "auto, memory, disk, nothing"),
    ],
)
def test_recipes_that_cannot_be_are_refused(changes, words):
    with pytest.raises(RunError, match=words):
        Recipe(**changes)


def test_a_scale_below_the_input_is_refused_before_anything_is_decoded(data):
    with pytest.raises(RunError, match="must start at 8 or more"):
        trained(data, scale_jitter="7-9")


def test_colours_of_a_streamed_set_are_those_of_all_its_pictures(tmp_path):
    draw = np.random.default_rng(0)
    for i in range(24):
        path = tmp_path / "colours" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    said = {"epochs": 1, "batch": 8, "threads": 1, "lanes": 1, "precision": "fp32", "colour_noise": 0.1, "validation": 0.2}
    axes = []
    for keep in ("memory", "disk", "nothing"):
        records = list(hubel.train("FC(2)", tmp_path / "colours", Recipe(**said, keep=keep), input=(3, 8, 8)))
        axes.append(records[-1].model.recipe["colour_axes"])
    assert axes[0] == axes[1] == axes[2] != "auto"
    assert len(torch.tensor([float(number) for number in axes[0].split()])) == 12 and os.path.isdir(tmp_path)


@pytest.mark.parametrize("keep", ["disk", "nothing"])
def test_lanes_share_out_what_is_read_from_files_as_what_lies_in_memory(tmp_path, data, keep):
    for way in ("memory", keep):
        recipe = Recipe(**{**vars(RECIPE), "lanes": 2, "threads": 2, "keep": way, "shift": 0.2})
        list(hubel.train("Conv(4, 3, pad=1) >> ReLU() >> FC(3)", data, recipe, tmp_path / way, input=(1, 8, 8)))
    assert runs.ended(tmp_path / keep) == runs.ended(tmp_path / "memory")


def test_validation_files_that_cannot_be_read_are_named_once_though_every_epoch_looks_at_them(tmp_path):
    data = tmp_path / "divided"
    for split, count in (("train", 45), ("validation", 12)):
        runs.folder(data / split, count)
    (data / "validation" / "a" / "000.png").write_bytes(b"no picture")
    (data / "train" / "b" / "001.png").write_bytes(b"no picture")
    records = trained(data, keep="nothing")
    named = [refused.name for record in records if isinstance(record, LeftOut) for refused in record.pictures]
    assert sorted(named) == [str(data / "train" / "b" / "001.png"), str(data / "validation" / "a" / "000.png")]
    assert [record.left_out for record in records if isinstance(record, Epoch)] == [1, 1, 1]


def test_parts_are_drawn_for_inputs_that_are_no_squares(tmp_path, data):
    records = list(hubel.train("FC(3)", data, Recipe(**{**vars(RECIPE), "random_resized_crop": 0.3}), input=(1, 6, 12)))
    assert isinstance(records[-1], Finished)
