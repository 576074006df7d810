"""--batch auto: the most that the forecast of memory allows, chosen once, said aloud."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from torch import nn

from hubel import forecast, read
from hubel.cli import main
from hubel.cluster import ALONE
from hubel.errors import RunError
from hubel.nets import NETS
from hubel.training import largest
from hubel.training.probe import Way
from hubel.training.recipe import Recipe
from hubel.training.records import Started
from ranks import Pictures
from runs import NET, RECIPE, folder, train

ONE = [Way(1, 1, "fp32")]


def chosen(monkeypatch, free, count=10**6, net="vgg16", ways=ONE, **says):
    monkeypatch.setattr(largest, "free_memory", lambda: free)
    row, job = NETS[net], SimpleNamespace(recipe=Recipe(batch=0, **says), train=Pictures(count), ranks=ALONE)
    return largest.settled(row.net(), row.input, job, ways).batch


@pytest.mark.parametrize("net", ["vgg16", "resnet50", "densenet40_k12"])
@pytest.mark.parametrize("free", [6e9, 40e9])
def test_the_forecast_of_the_batch_fits_and_of_twice_the_batch_does_not(monkeypatch, net, free):
    row, batch = NETS[net], chosen(monkeypatch, free, net=net)

    def peak(batch):
        return forecast(row.net(), row.input, batch, training=True).peak

    assert batch.bit_count() == 1
    assert peak(batch) < 0.8 * free
    assert peak(2 * batch) + 3 * forecast(row.net(), row.input, 1).parameters > 0.8 * free


def test_whatever_else_training_holds_leaves_room_for_fewer(monkeypatch):
    plain = chosen(monkeypatch, 10e9)
    assert chosen(monkeypatch, 10e9, optimiser="adamw", ema=0.9) < plain
    assert chosen(monkeypatch, 10e9, ways=ONE * 4) < plain
    assert chosen(monkeypatch, 10e9, ways=[Way(8, 8, "fp32")]) < plain


@pytest.mark.parametrize(
    ("count", "accumulate", "batch"), [(10**7, 1, 8192), (45_000, 1, 512), (45_000, 4, 128), (1_300, 1, 32), (20, 1, 16), (1, 1, 1)]
)
def test_an_epoch_keeps_its_steps_however_much_memory_there_is(monkeypatch, count, accumulate, batch):
    assert chosen(monkeypatch, 1e15, count, "lenet_relu", accumulate=accumulate) == batch


def test_what_fits_not_even_once_is_refused_with_both_numbers(monkeypatch):
    with pytest.raises(RunError, match=r"single picture needs [\d,]{9,} bytes.*800,000 to be had"):
        chosen(monkeypatch, 1e6)


def test_of_a_module_that_is_no_expression_no_batch_is_chosen():
    with pytest.raises(RunError, match="Sequential.*say --batch N"):
        next(train(net=nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), recipe=replace(RECIPE, batch=0)))


def test_it_is_chosen_once_written_down_and_said_and_the_rate_stays(tmp_path, monkeypatch):
    asked = replace(RECIPE, batch=0)
    going = train(tmp_path, recipe=asked)
    started = next(going)
    assert isinstance(started, Started) and (started.recipe.batch, started.recipe.lr) == (32, 0.05)
    assert "batches of 32 pictures were chosen" in started.notes[0] and "rate stays 0.05" in started.notes[0]
    going.close()
    assert json.loads((tmp_path / "recipe.json").read_text())["recipe"]["batch"] == 32
    monkeypatch.setattr(largest, "settled", lambda *_: pytest.fail("it was chosen again"))
    assert next(train(tmp_path, recipe=asked)).recipe == started.recipe


def test_what_is_said_is_left_alone():
    assert next(train()).recipe.batch == RECIPE.batch and not next(train()).notes


def test_auto_is_a_word_on_the_command_line(tmp_path, capsys):
    pictures = folder(tmp_path / "pictures")
    words = ["train", NET, str(pictures), "--input", "1x8x8", "--out", str(tmp_path / "run"), "--epochs", "1", "--precision", "fp32"]
    assert main([*words, "--batch", "auto", "--threads", "1", "--lanes", "auto"]) == 0
    assert "note: batches of 32 pictures were chosen" in capsys.readouterr().out
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["asked"]["batch"] == recipe["asked"]["lanes"] == 0 and recipe["recipe"]["batch"] == 32
    with pytest.raises(SystemExit):
        main([*words, "--batch", "most"])
    assert "invalid number value: 'most'" in capsys.readouterr().err


def test_the_forecast_is_of_this_recipes_optimiser():
    net, shape = read("Conv(4, 3) >> FC(3)"), (1, 8, 8)
    sizes = [largest.step_of(net, shape, 1, recipe).optimiser for recipe in (Recipe(momentum=0.0), Recipe(), Recipe(optimiser="adamw"))]
    assert sizes[0] == 0 < sizes[1] < sizes[2]
