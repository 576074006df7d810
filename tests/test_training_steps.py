"""What a step is made of: several batches, gradients that are clipped, averages of weights, losses and what a class counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import runs
from hubel import weights
from hubel.build import build
from hubel.modules import Network
from hubel.pictures.batches import in_batches, steps
from hubel.reading import read
from hubel.training import losses, run, setup
from hubel.training.averaging import Average
from hubel.training.loop import records
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, LeftOut, Step
from hubel.training.state import State
from runs import NET, RECIPE, ended, source, train

PLAIN = "Conv(4, 3) >> Tanh() >> FC(3)"
STILL = replace(RECIPE, shift=0.0, flip=False, schedule="constant", lr=0.05)


def job_of(recipe, net=PLAIN, data=None):
    design, material, settled = setup.prepared(net, data or source(), recipe, (1, 8, 8))
    return setup.job(material, settled, torch.device("cpu")), build(design.net, design.input, settled.initialisation, settled.seed)


def trained(recipe, net=PLAIN, data=None):
    """The network after a recipe, and its epochs."""
    job, network = job_of(recipe, net, data)
    heard = [record for record in records(State(network, recipe), job) if isinstance(record, Epoch)]
    return network, heard


def assert_same_weights(one, other, **tolerance):
    for ours, theirs in zip(one.state_dict().values(), other.state_dict().values()):
        torch.testing.assert_close(ours, theirs, **tolerance)


# --- several batches in one step ---


@given(st.integers(1, 200), st.integers(1, 40))
def test_numbers_are_divided_into_batches_of_which_none_has_a_single_picture_beside_others(count, batch):
    parts = in_batches(torch.arange(count), batch)
    assert torch.cat(parts).tolist() == list(range(count)) and len(parts) == steps(count, batch)
    assert all(len(part) == batch for part in parts[:-1]) and len(parts[-1]) <= batch + (batch > 1)
    assert batch == 1 or len(parts) == 1 or len(parts[-1]) > 1


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(("batch", "accumulate"), [(8, 4), (5, 3), (1, 7), (36, 2), (10, 50)])
def test_accumulated_steps_are_those_of_the_larger_batch(batch, accumulate, lanes):
    """72 pictures: also where the last step, or its last batch, has fewer."""
    small, several = trained(replace(STILL, batch=batch, accumulate=accumulate, shift=0.2, lanes=lanes))
    large, at_once = trained(replace(STILL, batch=batch * accumulate, shift=0.2))
    assert_same_weights(small, large, rtol=2e-4, atol=2e-6)
    assert [record.train_loss for record in several] == pytest.approx([record.train_loss for record in at_once], rel=1e-4)
    assert [record.train_accuracy for record in several] == [record.train_accuracy for record in at_once]


def test_a_step_says_how_many_pictures_all_its_batches_had():
    job, network = job_of(replace(STILL, epochs=1, batch=8, accumulate=4))
    assert [record.images for record in records(State(network, job.recipe), job) if isinstance(record, Step)] == [32, 32, 8]


def test_a_step_of_which_pictures_are_missing_is_the_mean_of_those_there_are(tmp_path, monkeypatch):
    """One that vanishes counts for nothing, wherever it stood; the large batch, whose mean is over what it has, is the oracle."""
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    ends = []
    for name, recipe in (("several", replace(STILL, batch=8, accumulate=4)), ("at_once", replace(STILL, batch=32))):
        place = runs.folder(tmp_path / name)
        job, network = job_of(replace(recipe, epochs=2, keep="nothing"), data=place)
        for path in sorted(place.rglob("*.png"))[::9]:
            path.unlink()
        heard = list(records(State(network, job.recipe), job))
        assert any(isinstance(record, LeftOut) for record in heard)
        ends.append((network, [record.left_out for record in heard if isinstance(record, Epoch)]))
    assert ends[0][1] == ends[1][1] and ends[0][1][0] > 0
    assert_same_weights(ends[0][0], ends[1][0], rtol=2e-4, atol=2e-6)


# --- clipping ---


def test_gradients_are_clipped_to_the_norm_of_all_of_them_together():
    recipe = replace(STILL, epochs=1, batch=72, momentum=0.0, nesterov=False, weight_decay=0.0, lr=0.5)
    moved = {}
    for clip in (0.0, 0.1, 1e9):
        job, network = job_of(replace(recipe, clip=clip))
        before = torch.cat([weight.detach().clone().flatten() for weight in network.parameters()])
        next(records(State(network, job.recipe), job))
        moved[clip] = torch.cat([weight.detach().flatten() for weight in network.parameters()]) - before
    assert moved[0.1].norm().item() == pytest.approx(0.5 * 0.1, rel=1e-4)
    assert torch.equal(moved[0.0], moved[1e9]) and moved[0.0].norm() > 2 * moved[0.1].norm()
    torch.testing.assert_close(moved[0.1] / moved[0.1].norm(), moved[0.0] / moved[0.0].norm(), rtol=1e-4, atol=1e-6)


# --- averages of the weights ---


def test_the_average_is_torchs_buffers_too():
    torch.manual_seed(0)
    network = build(read(NET), (1, 8, 8))
    assert isinstance(network, Network)
    ours = Average(network, 0.8)

    def averaged(mean, now, count):
        decay = min(0.8, (1 + int(count)) / (10 + int(count)))
        return decay * mean + (1 - decay) * now

    theirs = torch.optim.swa_utils.AveragedModel(network, avg_fn=averaged, use_buffers=True)
    theirs.n_averaged += 1  # torch begins by copying the first weights; ours begins with them
    network.train()
    for taken in range(1, 60):
        network(torch.randn(6, 1, 8, 8))
        with torch.no_grad():
            for weight in network.parameters():
                weight += 0.1 * torch.randn_like(weight)
        ours.follow(taken)
        theirs.update_parameters(network)
    for (name, mine), other in zip(ours.network.state_dict().items(), theirs.module.state_dict().values()):
        if mine.is_floating_point():
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6, msg=name)
        else:
            assert mine == 59  # batches seen are counted, not averaged


def test_the_average_is_what_is_validated_and_saved(tmp_path):
    recipe = replace(RECIPE, epochs=2, ema=0.9)
    *heard, finished = train(tmp_path, recipe=recipe)
    last = sorted(tmp_path.glob("checkpoint-*"))[-1]
    tensors = weights.read(last)[0]
    best = finished.model.results["epoch"]
    saved = finished.model.network.state_dict()
    if best == 2:
        assert all(torch.equal(tensors[f"average.{name}"], value) for name, value in saved.items())
    assert not all(torch.equal(tensors[f"network.{name}"], value) for name, value in saved.items())
    plain = [record.validation_loss for record in train(recipe=replace(recipe, ema=0.0)) if isinstance(record, Epoch)]
    assert plain != [record.validation_loss for record in heard if isinstance(record, Epoch)]


def test_an_average_changes_nothing_of_how_the_weights_move():
    def losses_of(recipe):
        return [record.train_loss for record in train(recipe=recipe) if isinstance(record, Epoch)]

    assert losses_of(replace(RECIPE, ema=0.9)) == losses_of(RECIPE)


# --- losses ---


def test_hinge_is_the_sum_over_the_other_classes_as_the_lecture_notes_write_it():
    scores = np.random.default_rng(0).normal(0, 2, (6, 5))
    labels = np.array([0, 4, 2, 2, 1, 3])
    by_hand = [sum(max(0.0, row[j] - row[y] + 1.0) for j in range(5) if j != y) for row, y in zip(scores, labels)]
    given_each = losses.hinge(torch.tensor(scores), torch.tensor(labels), reduction="none")
    assert given_each.tolist() == pytest.approx(by_hand)
    assert losses.loss_of(Recipe(loss="hinge"), 5)(torch.tensor(scores), torch.tensor(labels)).item() == pytest.approx(np.mean(by_hand))


def test_hinge_of_one_output_costs_what_two_with_the_same_difference_cost():
    scores = 2 * torch.randn(20, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    recipe = Recipe(loss="hinge")
    one = losses.loss_of(recipe, 1)(scores[:, None], labels)
    two = losses.loss_of(recipe, 2)(torch.stack([torch.zeros(20), scores], 1), labels)
    assert one.item() == pytest.approx(two.item(), rel=1e-6) and one > 0


@pytest.mark.parametrize("outputs", [1, 2])
def test_hinge_learns(outputs):
    recipe = replace(RECIPE, epochs=12, shift=0.0, loss="hinge")
    heard = list(train(net=f"Conv(4, 3) >> ReLU() >> FC({outputs})", data=source(classes=2), recipe=recipe))
    assert heard[-1].model.results["validation_accuracy"] > 0.9


# --- what a class counts ---


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_balanced_weights_give_every_class_the_same_and_pictures_one_on_average(drawn):
    labels = torch.tensor(drawn)
    found = losses.balanced(labels)
    each = found[labels].double()
    assert each.mean().item() == pytest.approx(1.0, rel=1e-5)
    present = labels.unique()
    assert [each[labels == label].sum().item() for label in present] == pytest.approx([len(labels) / len(present)] * len(present), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs"), [("cross_entropy", 4), ("cross_entropy", 1), ("hinge", 4), ("hinge", 1), ("map", 4), ("mse", 4)]
)
def test_a_weight_counts_as_so_many_copies_of_a_picture(loss, outputs):
    drawn = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(9, outputs, generator=drawn), torch.arange(9) % max(2, outputs)
    copies = torch.tensor([1, 3, 2, 5])[labels]
    recipe = Recipe(loss=loss)
    weighted = losses.loss_of(recipe, outputs, torch.tensor([1.0, 3.0, 2.0, 5.0]))(scores, labels)
    copied = losses.loss_of(recipe, outputs)(scores.repeat_interleave(copies, 0), labels.repeat_interleave(copies))
    assert weighted.item() * 9 == pytest.approx(copied.item() * int(copies.sum()), rel=1e-5)


def test_weighing_the_classes_of_a_balanced_set_changes_next_to_nothing_and_of_another_much():
    level = [trained(replace(STILL, class_weights=how))[0] for how in ("none", "balanced")]
    assert_same_weights(*level, rtol=1e-3, atol=1e-5)
    uneven = source(90)
    some = [i for i in range(90) if i // 3 % (1, 2, 5)[i % 3] == 0]
    uneven.openers["train"] = lambda opened=uneven.openers["train"]: opened().subset(some)
    job, _ = job_of(replace(STILL, class_weights="balanced"), data=uneven)
    counted = np.bincount(job.train.labels)
    assert counted.max() > 2 * counted.min()
    assert job.class_weights.tolist() == pytest.approx((len(job.train) / (3 * counted)).tolist())
    one, other = (trained(replace(STILL, class_weights=how), data=uneven)[1] for how in ("none", "balanced"))
    assert one[0].train_loss != pytest.approx(other[0].train_loss, rel=1e-3)


# --- stopped and gone on with ---


@pytest.mark.parametrize(
    ("net", "changes"),
    [(NET, {"accumulate": 2, "batch": 8}), (NET, {"clip": 0.05}), (NET, {"ema": 0.95}), (NET, {"class_weights": "balanced"}), (NET, {"loss": "hinge"}),
     (NET, {"accumulate": 3, "batch": 6, "clip": 0.5, "ema": 0.9, "optimiser": "adamw", "class_weights": "balanced", "label_smoothing": 0.1}),
     ("Conv(4, 3) >> ReLU() >> FC(3)", {"accumulate": 2, "batch": 8, "lanes": 2, "threads": 2, "ema": 0.9})],
)  # fmt: skip
def test_left_after_any_step_a_run_ends_in_the_same_bits(tmp_path, monkeypatch, net, changes):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    recipe = replace(RECIPE, **changes)
    taken = [record for record in train(tmp_path / "whole", net=net, recipe=recipe) if isinstance(record, Step)]
    for left_after in range(1, len(taken), 4):
        out = tmp_path / f"left-{left_after}"
        going = train(out, net=net, recipe=recipe)
        for number, _ in enumerate(record for record in going if isinstance(record, Step)):
            if number + 1 == left_after:
                going.close()
        *_, finished = train(out, net=net, recipe=recipe)
        assert isinstance(finished, Finished) and ended(out) == ended(tmp_path / "whole")
