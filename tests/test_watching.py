"""What is said of a run: each finding where training shows it, none where all is well, once, and the same after an interruption."""

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import hubel
from hubel import weights
from hubel.build import build
from hubel.pictures.sources import Source, Split
from hubel.training import book, looking, setup
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Look, Step
from hubel.training.watching import facts, watched
from runs import NET, RECIPE, Tied, Twice, drawings, ended, source, train

PLAIN = replace(RECIPE, epochs=4, batch=4, shift=0.0, flip=False)


def epochs_of(net, recipe=PLAIN, data=None, **others):
    return [record for record in train(net=net, data=data or source(300), recipe=recipe, **others) if isinstance(record, Epoch)]


def found(epochs):
    """Kind and sentence of all that is said, by epoch."""
    return {(epoch.epoch, finding.kind): finding for epoch in epochs for finding in epoch.findings}


def kinds(epochs):
    return [finding.kind for epoch in epochs for finding in epoch.findings]


def deep(squash, depth=8):
    return f"Chain({', '.join(f'fc{i}=FC(24) >> {squash}()' for i in range(1, depth + 1))}, last=FC(3))"


def shuffled_labels(count=60):
    """Drawings whose labels say nothing of them."""
    pictures, labels = drawings(count)
    labels = np.random.default_rng(7).permutation(labels)
    split = Split([f"drawing {i}" for i in range(count)], labels, lambda i: Image.fromarray(pictures[i]))
    return Source("drawings", ("a", "b", "c"), {"train": lambda: split})


# --- each finding where training shows it ---


def test_a_rate_far_too_high_is_said_with_what_the_loss_was_and_is():
    epochs = epochs_of("Conv(4, 3) >> ReLU() >> FC(3)", replace(PLAIN, batch=16, lr=2.0, schedule="constant"), shuffled_labels())
    (at, _), finding = next((place, one) for place, one in found(epochs).items() if one.kind == "rate")
    first, now = epochs[0], epochs[at - 1]
    assert f"was {first.train_loss:.4g} in epoch 1 and is {now.train_loss:.4g} in epoch {at}. Try a --lr" in finding.says
    assert now.train_loss > 1.25 * first.train_loss and kinds(epochs).count("rate") == 1


def test_relus_that_a_step_too_large_has_killed_are_said_by_stage():
    net = "Chain(a=FC(32) >> ReLU(), b=FC(32) >> ReLU(), c=FC(3))"
    epochs = epochs_of(net, replace(PLAIN, epochs=2, lr=1.0), shuffled_labels(300))
    finding = next(one for one in found(epochs).values() if one.kind == "dead")
    look = next(epoch.look for epoch in epochs if finding in epoch.findings)
    assert set(finding.stages) == {name for name, share in look.silent.items() if share >= 0.5} and "b" in finding.stages
    assert all(f"{100 * look.silent[stage]:.0f}% in {stage}" in finding.says for stage in finding.stages)


def test_gradients_that_vanish_by_depth_are_said_with_the_figure_of_every_stage():
    epochs = epochs_of(deep("Sigmoid"), replace(PLAIN, epochs=1, lr=0.01))
    finding = found(epochs)[1, "vanishing"]
    figures = epochs[0].look.gradients
    assert list(figures) == [*(f"fc{i}" for i in range(1, 9)), "last"] and figures["fc1"] < 1e-3 * figures["last"]
    assert all(f"{figure:.2g} in {stage}" in finding.says for stage, figure in figures.items())


@pytest.mark.parametrize("squash", ["Tanh", "ReLU"])
def test_as_deep_a_network_whose_gradients_reach_its_first_stage_is_not_blamed(squash):
    assert kinds(epochs_of(deep(squash), replace(PLAIN, epochs=2, lr=0.01))) == []


def test_statistics_of_batch_norm_that_lag_behind_are_said_and_those_that_keep_up_are_not():
    net = "Chain(a=Conv(8, 3, bias=False) >> BatchNorm({}) >> ReLU(), b=Conv(8, 3, bias=False) >> BatchNorm({}) >> ReLU(), c=FC(10))"
    recipe = replace(PLAIN, epochs=3, batch=16, lr=0.1)
    epochs = epochs_of(net.replace("{}", "momentum=0.0001"), recipe, "digits")
    finding = next(one for one in found(epochs).values() if one.kind == "adrift")
    look = next(epoch.look for epoch in epochs if finding in epoch.findings)
    furthest = max(look.drift, key=look.drift.get)
    assert f"{100 * look.accuracy:.0f}%" in finding.says and f"{100 * look.evaluated:.0f}%" in finding.says and furthest in finding.says
    assert kinds(epochs_of(net.replace("{}", ""), recipe, "digits")) == []


def test_a_loss_that_does_not_move_is_said_beside_what_guessing_costs():
    epochs = epochs_of("Conv(4, 3) >> Tanh() >> FC(3)", replace(PLAIN, epochs=3, lr=1e-7), shuffled_labels(300))
    assert kinds(epochs) == ["still"] and (2, "still") in found(epochs)
    assert "1.099" in found(epochs)[2, "still"].says  # ln 3


def test_a_loss_of_another_kind_is_held_against_its_own_beginning():
    epochs = epochs_of("Conv(4, 3) >> Tanh() >> FC(3)", replace(PLAIN, epochs=3, lr=1e-7, loss="hinge"), shuffled_labels(300))
    assert f"was {epochs[0].train_loss:.4g} in epoch 1" in found(epochs)[2, "still"].says


def test_overfitting_is_said_since_the_epoch_of_the_least_validation_loss():
    recipe = replace(PLAIN, epochs=16, batch=8, lr=0.02, weight_decay=0.0, schedule="constant")
    epochs = epochs_of("FC(64) >> ReLU() >> FC(3)", recipe, shuffled_labels())
    (at, _), finding = next((place, one) for place, one in found(epochs).items() if one.kind == "overfitting")
    best = min(epochs[:at], key=lambda epoch: epoch.validation_loss)
    assert finding.says.startswith(f"overfitting since epoch {best.epoch}: ") and at >= best.epoch + 3
    assert f"{best.validation_loss:.4g} to {epochs[at - 1].validation_loss:.4g}" in finding.says
    assert epochs[-1].train_loss < 0.5 * epochs[best.epoch - 1].train_loss and epochs[-1].validation_loss > best.validation_loss
    assert kinds(epochs).count("overfitting") == 1


# --- none where all is well ---


@pytest.mark.parametrize(
    ("net", "changes"),
    [(NET, {"epochs": 20}), ("Conv(4, 3) >> ReLU() >> MaxPool(2) >> FC(3)", {"epochs": 20, "optimiser": "adamw", "lr": 0.005}),
     (NET, {"epochs": 8, "ema": 0.95, "precision": "bf16"}), ("Conv(4, 3) >> Tanh() >> FC(3)", {"loss": "hinge", "lr": 0.01, "epochs": 8})],
    ids=["batch norm", "relu", "averaged", "hinge"],
)  # fmt: skip
def test_a_run_in_which_all_is_well_says_nothing(net, changes):
    epochs = epochs_of(net, replace(RECIPE, **changes), source())
    assert kinds(epochs) == []


@pytest.mark.slow
@pytest.mark.skipif("HUBEL_TEST_DATA" not in os.environ, reason="HUBEL_TEST_DATA names no folder of real pictures")
def test_lenet_5_on_mnist_says_nothing():
    place = Path(os.environ["HUBEL_TEST_DATA"]) / "mnist"
    recipe = replace(hubel.training.recipes.FAST["lenet5"].recipe, epochs=2)
    epochs = [record for record in hubel.train("lenet5", place, recipe) if isinstance(record, Epoch)]
    assert len(epochs) == 2 and kinds(epochs) == [] and epochs[-1].validation_accuracy > 0.97


# --- said once ---


def test_what_a_run_says_is_the_same_wherever_it_was_interrupted(tmp_path):
    recipe = replace(PLAIN, epochs=4, batch=16, lr=1.0, schedule="constant")
    net = "Chain(a=FC(32) >> ReLU(), b=FC(32) >> ReLU(), c=FC(3))"
    whole = epochs_of(net, recipe, source(), out=tmp_path / "whole")
    assert kinds(whole)
    for left in (1, 3):
        out = tmp_path / f"left-{left}"
        going = train(out, net=net, recipe=recipe)
        before = []
        for record in going:
            if isinstance(record, Epoch):
                before.append(record)
                if record.epoch == left:
                    going.close()
        started, *after = train(out, net=net, recipe=recipe)
        assert list(started.earlier) == before
        assert kinds([*before, *(record for record in after if isinstance(record, Epoch))]) == kinds(whole)
        assert ended(out) == ended(tmp_path / "whole")


def test_the_log_holds_what_was_seen_and_said(tmp_path):
    epochs = epochs_of(deep("Sigmoid"), replace(PLAIN, epochs=2, lr=0.01), out=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["look"]["gradients"] for line in lines] == [epoch.look.gradients for epoch in epochs]
    assert [[one["says"] for one in line["findings"]] for line in lines] == [[one.says for one in epoch.findings] for epoch in epochs]
    assert list(book.epochs_of(lines)) == epochs


def one(number, train_loss, validation_loss, look=None, accuracy=0.9):
    return Epoch(number, 0.1, train_loss, accuracy, validation_loss, accuracy, False, 1.0, 1.0, 0, look)


def told(epochs, steps=200):
    """What is said epoch by epoch, for a run of those figures on three even classes."""
    known = facts(Recipe(), steps, [10, 10, 10])
    heard = []
    for epoch in epochs:
        heard.append(watched(heard, epoch, known))
    return [(epoch.epoch, finding.kind, finding.stages) for epoch in heard for finding in epoch.findings]


def test_overfitting_that_ended_with_a_better_epoch_is_said_again_when_it_begins_again():
    validation = [1.0, 0.5, 0.7, 0.8, 0.9, 1.0, 0.3, 0.4, 0.5, 0.6, 0.7]
    epochs = [one(i, 1.0 * 0.7**i, loss) for i, loss in enumerate(validation, 1)]
    assert told(epochs) == [(5, "overfitting", ()), (10, "overfitting", ())]


def test_stages_that_die_later_are_said_later():
    dead = [{"a": 0.0, "b": 0.0}, {"a": 0.6, "b": 0.0}, {"a": 0.7, "b": 0.0}, {"a": 0.8, "b": 1.0}, {"a": 0.8, "b": 1.0}]
    epochs = [one(i, 0.1, 0.1, Look(128, 0.1, 0.9, None, silent, {}, {})) for i, silent in enumerate(dead, 1)]
    assert told(epochs) == [(2, "dead", ("a",)), (4, "dead", ("a", "b"))]


def test_a_loss_that_swings_is_said_at_the_second_rise():
    losses = [1.0, 0.5, 0.8, 0.5, 0.8, 0.5]
    assert told([one(i, loss, 1.0) for i, loss in enumerate(losses, 1)]) == [(5, "rate", ())]


def test_a_loss_worse_than_guessing_after_many_steps_is_a_rate_too_high_and_after_few_is_not():
    worse = [one(1, 1.2, 2.0, Look(128, 1.5, 0.4, None, {}, {}, {}))]
    assert told(worse) == [(1, "rate", ())] and told(worse, steps=20) == []


def test_a_loss_that_fresh_weights_left_above_guessing_is_no_rate_too_high():
    assert told([one(1, 1.5, 1.5, Look(128, 1.5, 0.4, None, {}, {}, {}))]) == []


def test_guessing_costs_the_entropy_of_the_classes_where_the_loss_is_plain_cross_entropy():
    even, uneven = facts(Recipe(), 5, [7] * 10), facts(Recipe(), 5, [30, 10, 0])
    assert even.guessing == pytest.approx(math.log(10)) and even.commonest == 0.1
    assert uneven.guessing == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))) and uneven.commonest == 0.75
    for changes in ({"loss": "map"}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}):
        assert facts(Recipe(**changes), 5, [7] * 10).guessing is None


def test_figures_that_are_not_finite_make_no_sentence_and_no_error():
    draw = random.Random(0)
    for _ in range(200):
        values = [draw.choice([0.0, 1.0, math.nan, math.inf, 1e30]) for _ in range(12)]
        assert told([one(i, *values[i : i + 2]) for i in range(1, 10)]) is not None


# --- what is looked at ---


def looked_at(net, recipe=PLAIN, data=None):
    """A network of that expression, what it is looked at with, and the pictures as tensors."""
    design, material, settled = setup.prepared(net, data or source(), recipe, (1, 8, 8))
    job = setup.job(material, settled, torch.device("cpu"))
    network, some = build(design.net, design.input, settled.initialisation, settled.seed), looking.sample(job)
    return network, job, some, job.pixels.tensor(some.pixels)


def test_a_map_that_no_picture_wakes_at_any_place_is_silent():
    network, job, some, _ = looked_at("Chain(a=Conv(4, 3) >> ReLU(), b=Sum(FC(6) >> ReLU(), FC(6)), c=FC(3))")
    with torch.no_grad():
        network.a[0].bias[:3] = -1e6
        network.b[0][0].bias[0] = -1e6
    look = looking.looked(network, some, job)
    assert look.silent["a"] == 0.75 and look.silent["b"] >= 1 / 6 - 1e-3


def test_the_gradient_of_a_stage_is_of_all_pictures_over_the_norm_of_its_weights():
    network, job, some, pictures = looked_at("Chain(a=Conv(4, 3) >> Tanh(), h=Head(FC(3), 0.3), b=FC(5) >> Tanh(), c=FC(3))")
    look = looking.looked(network, some, job)
    scores, head = network.train()(pictures)
    loss = F.cross_entropy(scores, some.labels) + 0.3 * F.cross_entropy(head, some.labels)
    loss.backward()
    assert look.loss == pytest.approx(loss.item(), rel=1e-3) and look.pictures == 72
    assert look.accuracy == pytest.approx((scores.argmax(1) == some.labels).double().mean().item())
    expected = {name: network.get_submodule(path).weight for name, path in (("a", "a.0"), ("h", "h.0"), ("b", "b.0"), ("c", "c"))}
    assert look.gradients == pytest.approx({name: (w.grad.norm() / w.norm()).item() for name, w in expected.items()}, rel=2e-3)
    assert look.evaluated is None and look.drift == {} and look.silent == {}


def test_batch_norms_drift_is_how_far_its_means_are_from_the_pictures_own():
    network, job, some, pictures = looked_at("Chain(a=Conv(4, 3, bias=False), b=BatchNorm(), c=FC(3))", replace(PLAIN, batch=72))
    with torch.no_grad():
        network.b.running_mean += 3.0
        network.b.running_var *= 4.0
    look = looking.looked(network, some, job)
    parts = [network.a(pictures[:64]).mean((0, 2, 3)), network.a(pictures[64:]).mean((0, 2, 3))]
    mean = (parts[0] * 0.09 + parts[1] * 0.1) / 0.19  # as momentum 0.1 weighs two batches
    assert look.drift == {"b": pytest.approx(((mean - 3.0).abs() / 2.0).mean().item(), rel=2e-3)}
    assert look.evaluated == (network.eval()(pictures).argmax(1) == some.labels).double().mean().item()


@pytest.mark.parametrize("net", [NET, "Conv(4, 3) >> ReLU() >> FC(1)"])
def test_looking_moves_nothing(net):
    network, job, some, _ = looked_at(net, data=source(classes=2) if "FC(1)" in net else None)
    F.relu(network.train()(torch.rand(4, 1, 8, 8))).sum().backward()
    network[0].eval()

    def standing():
        gradients = {name: weight.grad for name, weight in network.named_parameters()}
        modes = [module.training for module in network.modules()]
        return weights.digest(network.state_dict()), weights.digest(gradients), modes, torch.get_rng_state().tolist()

    before = standing()
    first = looking.looked(network, some, job)
    assert standing() == before and looking.looked(network, some, job) == first and first.pictures == 72


@pytest.mark.parametrize("net", [NET, Twice(), Tied()], ids=["an expression", "a module under two names", "a matrix in two modules"])
def test_a_run_that_is_looked_at_has_the_bits_of_one_that_is_not(monkeypatch, net):
    def digest():
        return weights.digest(list(train(net=net))[-1].model.network.state_dict())

    looked = digest()
    monkeypatch.setattr(book, "looked", lambda *_: None)
    assert digest() == looked


def test_the_pictures_looked_at_are_of_all_classes_and_the_same_every_time():
    _, job, some, _ = looked_at(NET, data=source(600))
    assert len(some) == looking.PICTURES and set(some.labels.tolist()) == {0, 1, 2}
    again = looking.sample(job)
    assert torch.equal(some.pixels, again.pixels) and torch.equal(some.labels, again.labels)
    assert torch.equal(some.pixels, job.train.pixels[some.indices])


def test_a_network_of_few_parts_is_looked_at_a_level_deeper():
    inner = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    assert looking.stages(torch.nn.Sequential(inner, torch.nn.Linear(4, 2))) == ["0.0", "0.1", "0.2", "1"]
    assert looking.stages(torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(3)))) == ["0", "1", "2"]
    assert looking.stages(build(hubel.read("FC(3)"), (1, 8, 8))) == ["0"]


# --- steps ---


def test_what_steps_say_adds_up_to_what_the_epoch_says():
    heard = list(train(recipe=replace(RECIPE, epochs=2)))
    for epoch in (record for record in heard if isinstance(record, Epoch)):
        taken = [record for record in heard if isinstance(record, Step) and record.epoch == epoch.epoch]
        images = sum(step.images for step in taken)
        assert sum(step.loss * step.images for step in taken) / images == pytest.approx(epoch.train_loss)
        assert sum(step.accuracy * step.images for step in taken) / images == pytest.approx(epoch.train_accuracy)


def test_the_recorded_run_of_resnet20_whose_validation_jumps_while_the_rate_is_high_is_healthy():
    results = Path(__file__).parents[1] / "results"
    record = json.loads((results / "run-resnet20-cifar-10-batches-bin.json").read_text())
    known, epochs = facts(Recipe(**record["recipe"]), 352, [4500] * 10), []
    for told in book.epochs_of(record["log"]):
        epochs.append(watched(epochs, replace(told, findings=()), known))
    assert len(epochs) == 30 and kinds(epochs) == []
