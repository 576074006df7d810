"""How the learning rate moves, held against torch's own schedulers, and what validation decides: plateaus and early stopping."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from hubel import weights
from hubel.errors import RunError
from hubel.training import run
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, Started, Step
from hubel.training.schedules import SCHEDULES, rate
from hubel.training.standing import Standing
from runs import RECIPE, ended, train


def of_torch(scheduler, steps, **said):
    """The rates of a scheduler of torch's over so many steps, from a rate of 1."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    moving = scheduler(optimiser, **said)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        moving.step()
    return rates


@pytest.mark.parametrize(
    ("said", "scheduler", "others"),
    [({"schedule": "cosine"}, lr_scheduler.CosineAnnealingLR, {"T_max": 120}),
     ({"schedule": "onecycle", "warmup": 0.0}, lr_scheduler.CosineAnnealingLR, {"T_max": 120}),
     ({"schedule": "step", "step_every": 0.25, "step_factor": 0.5}, lr_scheduler.StepLR, {"step_size": 30, "gamma": 0.5}),
     ({"schedule": "step", "step_every": 2.0, "step_factor": 0.96}, lr_scheduler.StepLR, {"step_size": 24, "gamma": 0.96}),
     ({"schedule": "exponential", "step_every": 3.0, "step_factor": 0.5}, lr_scheduler.ExponentialLR, {"gamma": 0.5 ** (1 / 36)}),
     ({"schedule": "milestones", "milestones": "0.5 0.75"}, lr_scheduler.MultiStepLR, {"milestones": [60, 90]}),
     ({"schedule": "milestones", "milestones": "2 5 9.5", "step_factor": 0.2}, lr_scheduler.MultiStepLR, {"milestones": [24, 60, 114], "gamma": 0.2}),
     ({"schedule": "constant"}, lr_scheduler.ConstantLR, {"factor": 1.0}),
     ({"schedule": "constant", "warmup_steps": 9}, lr_scheduler.LinearLR, {"start_factor": 0.1, "total_iters": 9})],
)  # fmt: skip
def test_a_schedule_is_torchs_of_that_name(said, scheduler, others):
    recipe = Recipe(lr=1.0, epochs=10, **said)
    assert [rate(recipe, step, 120) for step in range(120)] == pytest.approx(of_torch(scheduler, 120, **others), rel=1e-9, abs=1e-12)


@given(st.sampled_from([name for name in SCHEDULES if name != "onecycle"]), st.integers(1, 400), st.integers(0, 30))
def test_a_warm_up_ends_in_the_schedule_as_it_is_without_one(schedule, steps, rising):
    bare = Recipe(lr=0.3, schedule=schedule)
    linear, flat = replace(bare, warmup_steps=rising), replace(bare, warmup_steps=rising, warmup_lr=0.01 if rising else 0.0)
    for step in range(steps):
        plain = rate(bare, step, steps)
        assert rate(linear, step, steps) == (plain * (step + 1) / (rising + 1) if step < rising else plain)
        assert rate(flat, step, steps) == (0.01 if step < rising else plain)


def test_the_residual_networks_marks_for_cifar_are_32000_and_48000_of_64000_steps():
    recipe = Recipe(lr=0.1, schedule="milestones", milestones="0.5 0.75", warmup_steps=400, warmup_lr=0.01)
    at = (0, 399, 400, 31_999, 32_000, 47_999, 48_000)
    assert [rate(recipe, step, 64_000) for step in at] == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001])


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"milestones": ""}, "growing numbers"), ({"milestones": "0.5 0.5"}, "growing numbers"), ({"milestones": "half"}, "growing numbers"),
     ({"milestones": "0.5 inf"}, "growing numbers"), ({"milestones": "-1 2"}, "growing numbers"), ({"step_every": 0.0}, "above 0"),
     ({"warmup_steps": 5}, "onecycle"), ({"warmup_steps": -1, "schedule": "step"}, "0 or more"), ({"warmup_lr": 0.1}, "no warmup_steps"),
     ({"plateau": 0}, "1 or more"), ({"patience": -1}, "0 or more"), ({"schedule": "linear"}, "one of: onecycle"),
     ({"accumulate": 0}, "1 or more"), ({"clip": -1.0}, "0 or more"), ({"clip": math.inf}, "0 or more"), ({"ema": 1.0}, "below 1"),
     ({"loss": "hinge", "label_smoothing": 0.1}, "0 with hinge"), ({"class_weights": "some"}, "one of: none, balanced")],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused_with_what_can(fields, words):
    with pytest.raises(RunError, match=words):
        Recipe(**fields)


# --- what validation decides ---

ACCURACIES = (0.5, 0.6, 0.6, 0.55, 0.58, 0.61, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7)


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_a_plateau_lowers_the_rate_when_torchs_would(epochs):
    recipe = Recipe(lr=1.0, schedule="plateau", plateau=epochs, step_factor=0.1)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    moving = lr_scheduler.ReduceLROnPlateau(optimiser, "max", patience=epochs - 1, threshold=0.0, eps=0.0)  # torch waits for one more
    standing = Standing()
    for accuracy in ACCURACIES:
        standing = standing.after(accuracy, 1.0, recipe)
        moving.step(accuracy)
        assert rate(recipe, 0, 1, standing.drops) == pytest.approx(optimiser.param_groups[0]["lr"])
    assert standing.drops > 0


def test_equal_accuracy_with_less_loss_is_better():
    recipe = Recipe(schedule="plateau", plateau=1)
    first = Standing().after(0.5, 1.0, recipe)
    assert first.after(0.5, 0.9, recipe) == Standing((0.5, -0.9))
    assert first.after(0.5, 1.0, recipe) == Standing((0.5, -1.0), waited=1, drops=1)


LOSSES = (1.0, 0.8, 0.8, 0.9, 0.85, 0.7, 0.75, float("nan"), 0.71, 0.72, 0.69, 0.7)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_judged_by_loss_a_plateau_lowers_the_rate_when_torchs_would(epochs):
    recipe = Recipe(lr=1.0, schedule="plateau", plateau=epochs, step_factor=0.1, judged_by="loss")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    moving = lr_scheduler.ReduceLROnPlateau(optimiser, "min", patience=epochs - 1, threshold=0.0, eps=0.0)
    standing = Standing()
    for number, loss in enumerate(LOSSES):
        standing = standing.after(1 / (2 + number), loss, recipe)  # accuracy that falls, which does not matter
        moving.step(loss)
        assert rate(recipe, 0, 1, standing.drops) == pytest.approx(optimiser.param_groups[0]["lr"])
    assert standing.drops > 0 and standing.best == (-0.69, 1 / 12)


def test_equal_loss_with_more_accuracy_is_better_where_loss_judges_and_any_loss_is_better_than_none():
    recipe = Recipe(judged_by="loss", patience=1)
    first = Standing().after(0.9, float("nan"), recipe)
    assert not first.waited and first.after(0.1, 5.0, recipe) == Standing((-5.0, 0.1))
    assert first.after(0.1, 5.0, recipe).after(0.2, 5.0, recipe) == Standing((-5.0, 0.2))
    assert first.after(0.1, 5.0, recipe).after(0.99, 5.1, recipe).hopeless(recipe)


def test_only_the_plateau_schedule_lowers_the_rate():
    standing = Standing()
    for accuracy in ACCURACIES:
        standing = standing.after(accuracy, 1.0, Recipe(plateau=1))
    assert standing == Standing((0.7, -1.0), waited=3, since=3)


PATIENT = replace(RECIPE, epochs=30, lr=0.5, schedule="constant", patience=2)


def test_training_ends_after_as_many_epochs_without_a_better_one_as_patience_says(tmp_path):
    *heard, finished = train(tmp_path, recipe=PATIENT)
    epochs = [record for record in heard if isinstance(record, Epoch)]
    assert 3 <= len(epochs) < 30 and finished.early
    assert [record.best for record in epochs][-3:] == [True, False, False]
    assert not any(before.best is after.best is False for before, after in pairwise(epochs[:-1]))
    assert finished.model.results["epoch"] == epochs[-3].epoch
    started, again = train(tmp_path, recipe=PATIENT)
    assert isinstance(started, Started) and started.over and isinstance(again, Finished) and again.early


def test_judged_by_loss_a_run_keeps_the_epoch_of_the_least_loss_and_goes_on_as_it_would_have(tmp_path):
    recipe = replace(PATIENT, epochs=8, patience=0, judged_by="loss")
    *heard, finished = train(tmp_path / "whole", recipe=recipe)
    epochs = [record for record in heard if isinstance(record, Epoch)]
    least = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert least.epoch != max(epochs, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss)).epoch
    assert finished.model.results["epoch"] == least.epoch and finished.model.recipe["judged_by"] == "loss"
    going = train(tmp_path / "left", recipe=recipe)
    next(record for record in going if isinstance(record, Epoch) and record.epoch == 5)
    going.close()
    list(train(tmp_path / "left", recipe=recipe))
    assert ended(tmp_path / "left") == ended(tmp_path / "whole")


def test_a_run_that_goes_through_all_its_epochs_did_not_end_early(tmp_path):
    assert not list(train(tmp_path, recipe=replace(RECIPE, patience=3)))[-1].early


@pytest.mark.parametrize(
    "recipe",
    [replace(PATIENT, schedule="plateau", plateau=2, step_factor=0.5, patience=5), replace(RECIPE, schedule="cosine", warmup_steps=7),
     replace(RECIPE, schedule="milestones", milestones="1.4 2", warmup_steps=3, warmup_lr=0.001)],
    ids=["plateau", "cosine", "milestones"],
)  # fmt: skip
def test_left_after_any_step_a_run_goes_on_at_the_same_rates_to_the_same_end(tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    whole = list(train(tmp_path / "whole", recipe=recipe))
    rates = [record.lr for record in whole if isinstance(record, Step)]
    assert len(set(rates)) > 2
    expected = ended(tmp_path / "whole")
    heard = []
    for _ in range(len(rates)):  # two more steps each time
        going = train(tmp_path / "left", recipe=recipe)
        for taken, record in enumerate(record for record in going if isinstance(record, Step)):
            heard.append(record.lr)
            if taken == 1:
                break
        going.close()
    assert isinstance(list(train(tmp_path / "left", recipe=recipe))[-1], Finished)
    assert heard == rates and ended(tmp_path / "left") == expected


LATER = {
    "recipe": ("accumulate", "clip", "ema", "warmup_steps", "warmup_lr", "milestones", "plateau", "patience", "class_weights"),
    "checkpoint": ("waited", "drops", "since", "history"),
}
"""What recipes and checkpoints did not have at first."""


def test_a_run_from_before_there_was_all_this_is_gone_on_with(tmp_path):
    list(train(tmp_path / "whole"))
    going = train(tmp_path / "left")
    for record in going:
        if isinstance(record, Epoch):
            going.close()
    path = next((tmp_path / "left").glob("checkpoint-*"))
    tensors, says = weights.read(path)
    weights.write(path, tensors, {name: value for name, value in says.items() if name not in LATER["checkpoint"]})
    path = tmp_path / "left" / "recipe.json"
    said = json.loads(path.read_text())
    del said["sha256"]
    for part in ("recipe", "asked"):
        said[part] = {name: value for name, value in said[part].items() if name not in LATER["recipe"]}
    path.write_text(json.dumps(said))
    started, *_ = train(tmp_path / "left")
    assert started.epoch == 1
    assert ended(tmp_path / "left") == ended(tmp_path / "whole")
