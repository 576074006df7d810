"""A model is trained on: what is frozen stays to the bit, rates fall with depth, and stopping changes nothing."""

from dataclasses import replace

import pytest
import torch

import runs
from hubel import weights
from hubel.errors import HubelError, ModelError, RunError
from hubel.joints import Chain
from hubel.model import load
from hubel.reading import read
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, Started
from hubel.training.run import train

NET = Chain(
    first=read("Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> Dropout(0.4)"),
    second=read("Conv(6, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2)"),
    scores=read("FC(3)"),
)
ON = Recipe(epochs=2, batch=16, lr=0.05, threads=1, lanes=1, precision="fp32", validation=0.2)


@pytest.fixture(scope="module")
def model():
    """A network that was trained for an epoch."""
    return list(runs.train(net=NET, recipe=replace(runs.RECIPE, epochs=1)))[-1].model


def trained_on(model, **changes):
    return list(train(model, runs.source(), replace(ON, **changes)))


def below(model, *stages):
    return {name: tensor for name, tensor in model.network.state_dict().items() if name.split(".")[0] in stages}


def test_what_is_frozen_stays_to_the_bit_and_the_rest_learns(model):
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    found = trained_on(model, frozen="first second", flip=True)[-1].model
    assert weights.digest(below(found, "first", "second")) == weights.digest(below(model, "first", "second"))
    assert not torch.equal(found.network.state_dict()["scores.weight"], before["scores.weight"])
    assert weights.digest(model.network.state_dict()) == weights.digest(before)  # the user's own is not touched
    assert found.pixels == model.pixels


def test_a_frozen_base_works_as_in_use(model):
    """No dropout, no batch statistics: its training loss is that of the same scores as they are in evaluation."""
    (epoch,) = (record for record in trained_on(model, frozen="first second", epochs=1, lr=1e-12, batch=72) if isinstance(record, Epoch))
    assert epoch.train_loss == pytest.approx(epoch.look.loss, rel=0.05)
    moving = [record for record in trained_on(model, epochs=1, lr=1e-12, batch=72) if isinstance(record, Epoch)]
    assert moving[0].train_loss != pytest.approx(epoch.train_loss, rel=1e-3)


def test_batch_norm_follows_the_pictures_of_whom_the_recipe_says(model):
    def moved(stage, **changes):
        found = trained_on(model, frozen="first", epochs=1, **changes)[-1].model
        return not torch.equal(found.network.state_dict()[f"{stage}.1.running_mean"], model.network.state_dict()[f"{stage}.1.running_mean"])

    assert (moved("first"), moved("second")) == (False, True)
    assert (moved("first", statistics="all"), moved("second", statistics="all")) == (True, True)
    assert (moved("first", statistics="none"), moved("second", statistics="none")) == (False, False)


def test_part_of_a_stage_can_be_frozen(model):
    found = trained_on(model, frozen="first second.0")[-1].model.network.state_dict()
    assert torch.equal(found["second.0.weight"], model.network.state_dict()["second.0.weight"])
    assert not torch.equal(found["second.1.weight"], model.network.state_dict()["second.1.weight"])


def test_rates_fall_from_the_last_stage_to_the_first():
    """A step without momentum moves each stage by its gradient times its rate: against a run where all learn alike, by those shares."""
    plain = replace(ON, epochs=1, batch=72, momentum=0.0, nesterov=False, weight_decay=0.0, schedule="constant", lr=0.01)
    given = list(runs.train(net="Conv(4, 3) >> FC(3)", recipe=replace(plain, lr=1e-6)))[-1].model
    moves = {}
    for decay in (1.0, 0.25):
        found = list(train(given, runs.source(), replace(plain, layer_decay=decay)))[-1].model.network.state_dict()
        moves[decay] = {name: tensor - given.network.state_dict()[name] for name, tensor in found.items()}
    torch.testing.assert_close(moves[0.25]["0.weight"], 0.25 * moves[1.0]["0.weight"], rtol=1e-2, atol=1e-7)
    torch.testing.assert_close(moves[0.25]["1.weight"], moves[1.0]["1.weight"])


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_training_on_stopped_and_gone_on_with_ends_in_the_same_bits(model, tmp_path, optimiser):
    recipe = replace(ON, frozen="first", layer_decay=0.5, statistics="none", ema=0.9, optimiser=optimiser, lr=0.01)
    list(train(model, runs.source(), recipe, tmp_path / "whole"))
    for stop in (3, 7, None):
        for taken, _ in enumerate(train(model, runs.source(), recipe, tmp_path / "stopped")):
            if taken == stop:
                break
    assert runs.ended(tmp_path / "stopped") == runs.ended(tmp_path / "whole")
    assert load(tmp_path / "stopped").net == NET


def test_a_run_that_began_with_other_weights_is_not_gone_on_with(model, tmp_path):
    list(train(model, runs.source(), ON, tmp_path))
    other = trained_on(model)[-1].model
    with pytest.raises(RunError, match="begins with other weights"):
        next(train(other, runs.source(), ON, tmp_path))


def test_a_model_that_was_held_is_free_again(model):
    held = trained_on(model, frozen="first second")[-1].model
    found = trained_on(held)[-1].model
    assert all(weight.requires_grad for weight in found.network.parameters())
    assert not torch.equal(found.network.state_dict()["first.0.weight"], model.network.state_dict()["first.0.weight"])


def test_nothing_is_said_to_vanish_where_it_was_frozen(model):
    records = trained_on(model, frozen="first", epochs=4)
    assert isinstance(records[0], Started) and isinstance(records[-1], Finished)
    assert not [finding for record in records if isinstance(record, Epoch) for finding in record.findings if "first" in finding.stages]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frozen": "frist"}, "no stage 'frist'.*first"),
        ({"frozen": "first second scores"}, "nothing is left to learn"),
        ({"initialisation": "he"}, "initialisation='he'.*weights that it has"),
    ],
)
def test_what_cannot_be_held_is_refused(model, changes, says):
    with pytest.raises(HubelError, match=says):
        trained_on(model, **changes)


def test_a_model_of_other_classes_or_another_input_is_refused(model):
    with pytest.raises(ModelError, match="tells apart a, b, c"):
        next(train(model, runs.source(classes=4), ON))
    with pytest.raises(RunError, match="reads 1x8x8"):
        next(train(model, runs.source(), ON, input=(1, 9, 9)))
