"""Recipes as published: held against what the papers print, and started from by a word on the command line."""

import json
import re
import shlex
from dataclasses import asdict, fields, replace

import pytest

import hubel
from hubel.anatomy import anatomy
from hubel.cli import main, parser, published, recipes
from hubel.errors import RunError
from hubel.layers import BatchNorm
from hubel.nets import NETS
from hubel.training import setup
from hubel.training.recipe import Recipe
from hubel.training.recipes import FAST, GENERAL, PAPER, preset
from hubel.training.schedules import rate
from runs import folder

# What the papers print, written out apart from the recipes: rate, batch, epochs, momentum, Nesterov's, decay, and (epoch, rate) pairs.
PRINTED = {
    "alexnet": (0.01, 128, 90, 0.9, False, 0.0005, ()),
    "vgg16": (0.01, 256, 74, 0.9, False, 0.0005, ()),
    "resnet50": (0.1, 256, 120, 0.9, False, 0.0001, ()),
    "resnet20": (0.1, 128, 182, 0.9, False, 0.0001, ((90, 0.1), (91.5, 0.01), (136, 0.01), (137, 0.001))),
    "resnet110": (0.1, 128, 182, 0.9, False, 0.0001, ((1, 0.01), (2, 0.1), (90, 0.1), (91.5, 0.01), (137, 0.001))),
    "densenet40_k12": (0.1, 64, 300, 0.9, True, 0.0001, ((149.5, 0.1), (150, 0.01), (224.5, 0.01), (225, 0.001))),
    "densenet121": (0.1, 256, 90, 0.9, True, 0.0001, ((29.5, 0.1), (30, 0.01), (60, 0.001))),
    "all_cnn_c": (0.05, 128, 350, 0.9, False, 0.001, ((199.5, 0.05), (200, 0.005), (250, 0.0005), (300, 0.00005))),
    "googlenet": (0.01, 32, 250, 0.9, False, 0.0002, ((7.9, 0.01), (8, 0.0096), (16, 0.009216))),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_recipe_is_its_papers(name):
    lr, batch, epochs, momentum, nesterov, decay, rates = PRINTED[name]
    recipe = PAPER[name].recipe
    assert (recipe.lr, recipe.batch, recipe.epochs, recipe.momentum) == (lr, batch, epochs, momentum)
    assert (recipe.nesterov, recipe.weight_decay, recipe.optimiser, recipe.loss) == (nesterov, decay, "sgd", "cross_entropy")
    steps = 352  # of an epoch: 45,000 pictures in batches of 128
    for epoch, expected in rates:
        assert rate(recipe, round(epoch * steps), epochs * steps) == pytest.approx(expected)
    if not rates:
        assert recipe.schedule == "plateau" and rate(recipe, 0, 1, drops=2) == pytest.approx(lr / 100)


def test_every_recipe_of_a_paper_names_its_section_and_what_to_expect_of_it():
    for name, chosen in PAPER.items():
        assert re.search(r"\d{4}.*sec\. ", chosen.source) and chosen.expect
        assert len(set(chosen.departs)) == len(chosen.departs) and all(chosen.departs)
        assert chosen.recipe.schedule != "plateau" or any("not printed" in departure for departure in chosen.departs), name
        for figure in re.findall(r"[\d.]+%", chosen.expect):
            assert figure in [reported.printed for reported in NETS[name].reports]


def test_every_recipe_fits_its_networks_pictures():
    for name, chosen in (*PAPER.items(), *FAST.items()):
        setup.refuse_impossible(chosen.recipe, NETS[name].input)
        assert chosen.deviation is None or len(chosen.deviation) in (1, NETS[name].input[0])


def test_the_flags_shown_make_the_recipe():
    for name, chosen in (*PAPER.items(), *FAST.items()):
        given = parser().parse_args(["train", name, "digits", *shlex.split(published.flags(chosen.recipe))])
        assert replace(GENERAL.recipe, **recipes.said(given, fields(Recipe))) == chosen.recipe


def test_a_network_without_a_recipe_of_its_own_starts_from_the_general_one_and_its_paper_is_refused():
    assert preset("lenet_relu") is GENERAL is preset("Conv(4, 3) >> FC(3)")
    with pytest.raises(RunError, match="no recipe of a paper for 'squeezenet_1_0'"):
        preset("squeezenet_1_0", "paper")


def test_the_fast_recipe_goes_by_what_a_network_reads_and_whether_it_has_batch_norm():
    for name, row in NETS.items():
        normalised = any(isinstance(layer.part, BatchNorm) for layer in anatomy(row.net(), row.input).rows)
        photographs, chosen = min(row.input[1:]) > 200, preset(name).recipe
        if name in FAST and name not in ("lenet5", "dogs_cats"):
            assert (chosen.clip > 0) == (not normalised) and (chosen.optimiser == "sgd") == (normalised and not photographs), name
            assert bool(chosen.random_resized_crop) == photographs != bool(chosen.crop), name
        else:
            assert max(row.input[1:]) <= 32 or name == "dogs_cats", name


# --- from a preset to a run ---


def test_a_preset_brings_its_recipe_and_its_pixels(tmp_path):
    chosen = replace(PAPER["resnet20"], recipe=replace(PAPER["resnet20"].recipe, epochs=1, threads=1, precision="fp32", batch=64))
    *_, finished = hubel.train("resnet20", folder(tmp_path / "drawings"), chosen)
    assert finished.model.recipe == asdict(replace(chosen.recipe, initialisation="he", lanes=1))
    pixels = finished.model.pixels
    assert pixels.deviation == (1 / 255,) * 3 and all(0.2 < mean < 0.4 for mean in pixels.mean)  # mostly dark drawings


def test_the_papers_recipe_is_trained_with_by_a_word_and_a_flag_beside_it_counts(tmp_path, capsys):
    pictures = folder(tmp_path / "drawings", 60)
    words = ["train", "resnet20", str(pictures), "--out", str(tmp_path / "run"), "--epochs", "1", "--threads", "1", "--precision", "fp32"]
    assert main([*words, "--recipe", "paper"]) == 0
    began = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert began["recipe"]["milestones"] == "0.5 0.75" and began["recipe"]["weight_decay"] == 1e-4 and began["recipe"]["epochs"] == 1
    assert main(words) == 2 and "began otherwise" in capsys.readouterr().err
    assert main(["train", "mobilenet_v2", str(pictures), "--recipe", "paper"]) == 2
    assert "There is no recipe of a paper for 'mobilenet_v2'" in capsys.readouterr().err


def test_a_papers_pixels_suit_grey_pictures_too(tmp_path):
    chosen = replace(PAPER["resnet20"], recipe=replace(PAPER["resnet20"].recipe, epochs=1, threads=1, precision="fp32"))
    *_, finished = hubel.train("resnet20", folder(tmp_path / "drawings", 30), chosen, input=(1, 32, 32))
    assert finished.model.pixels.deviation == (1 / 255,)


# --- hubel recipes ---


def test_recipes_are_told_one_by_one(capsys):
    assert main(["recipes", "alexnet"]) == 0
    told = capsys.readouterr().out
    assert "hubel train alexnet DATA --recipe paper" in told and "--schedule plateau" in told and "--no-nesterov" in told
    assert "sec. 5" in told and "40.7%" in told and "not printed" in told and "--recipe fast" in told
    assert main(["recipes", "alexnot"]) == 2 and "alexnet" in capsys.readouterr().err


def test_all_recipes_are_listed_those_that_are_alike_once(capsys):
    assert main(["recipes", "--json"]) == 0
    told = [(entry["network"], entry["kind"]) for entry in json.loads(capsys.readouterr().out)]
    assert told == [*((name, "fast") for name in FAST), *((name, "paper") for name in PAPER)]
    assert main(["recipes"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " fast " in line or " paper " in line]
    assert len(set(lines)) == len(lines) < 25 and any(re.match("resnet20 resnet32 resnet44 and 8 more +fast +30", line) for line in lines)


def test_recipes_as_json_have_every_field(capsys):
    assert main(["recipes", "vgg16", "--json"]) == 0
    fast, paper = json.loads(capsys.readouterr().out)
    assert Recipe(**paper["recipe"]) == PAPER["vgg16"].recipe and Recipe(**fast["recipe"]) == FAST["vgg16"].recipe
