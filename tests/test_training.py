"""The loop: what it makes small, that it is exact, and that it never takes a step that is not finite."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hubel
from casebook import every_network
from hubel import weights
from hubel.build import build
from hubel.errors import HubelError, LayerError, RunError
from hubel.evaluation import scored
from hubel.nets import NETS
from hubel.training import losses, probe, setup
from hubel.training.guard import Guard
from hubel.training.loop import Job, records
from hubel.training.recipe import Recipe
from hubel.training.recipes import FAST, GENERAL, PAPER
from hubel.training.records import Epoch, Finished, Started, Step
from hubel.training.schedules import rate
from hubel.training.state import State
from runs import NET, RECIPE, source, train

# --- recipes and losses ---


def test_equation_9_is_the_penalty_of_the_right_class_in_competition_with_all_and_the_rubbish_class():
    scores = -np.random.default_rng(0).random((5, 10)) * 8
    labels = np.array([0, 3, 9, 3, 1])
    by_hand = np.mean(
        [-scores[p, d] + math.log(math.exp(-losses.RUBBISH) + sum(math.exp(s) for s in scores[p])) for p, d in enumerate(labels)]
    )
    assert losses.lecun_map(torch.tensor(scores), torch.tensor(labels)).item() == pytest.approx(by_hand, abs=1e-9)


def test_equation_8_is_the_mean_penalty_of_the_right_class():
    scores = torch.tensor([[-1.0, -2.0], [-5.0, -0.5]])
    assert losses.lecun_mse(scores, torch.tensor([1, 0])).item() == pytest.approx((2.0 + 5.0) / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_output_costs_what_two_outputs_with_the_same_odds_cost(smoothing):
    scores = torch.randn(20, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    recipe = Recipe(label_smoothing=smoothing)
    one = losses.loss_of(recipe, 1)(scores[:, None], labels)
    two = losses.loss_of(recipe, 2)(torch.stack([torch.zeros(20), scores], 1), labels)
    assert one.item() == pytest.approx(two.item(), rel=1e-6)


@given(st.integers(1, 3000), st.floats(0, 0.9), st.floats(1e-5, 10))
def test_onecycle_rises_to_the_rate_and_falls_to_nearly_nothing(steps, warmup, lr):
    rates = [rate(Recipe(lr=lr, warmup=warmup), step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert min(rates) > 0 and max(rates) <= lr * (1 + 1e-12)
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    if steps * (1 - warmup) > 100:
        assert rates[-1] < 0.01 * lr and max(rates) > 0.9 * lr


def test_step_multiplies_the_rate_after_every_share_of_the_steps():
    recipe = Recipe(lr=1.0, schedule="step", step_every=0.25, step_factor=0.1)
    assert [rate(recipe, step, 8) for step in range(8)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert {rate(Recipe(lr=0.3, schedule="constant"), step, 9) for step in range(9)} == {0.3}


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch", -1), ("lr", 0.0), ("lr", math.nan), ("momentum", 1.0), ("validation", 0.0), ("validation", 1.0), ("optimiser", "adam"),
     ("loss", "mea"), ("shift", -0.1), ("seed", -1), ("weight_decay", math.inf), ("label_smoothing", 1.0), ("threads", -1)],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused_by_field_and_value(field, value):
    with pytest.raises(RunError, match=f"{field}={value!r}"):
        Recipe(**{field: value})


def test_presets_are_for_networks_that_there_are_and_say_what_to_expect():
    assert set(FAST) | set(PAPER) <= set(NETS)
    assert all(chosen.expect and chosen.source for chosen in (GENERAL, *FAST.values(), *PAPER.values()))


def test_lenet5s_pixels_are_the_papers():
    chosen = FAST["lenet5"]
    assert [(value / 255 - chosen.mean[0]) / chosen.deviation[0] for value in (0, 255)] == pytest.approx([-0.1, 1.175])


# --- the loop ---


def job_of(recipe=RECIPE, net=NET, data=None):
    design, material, settled = setup.prepared(net, data or source(), recipe, (1, 8, 8))
    return setup.job(material, settled, torch.device("cpu")), build(design.net, design.input, settled.initialisation, settled.seed)


def test_the_drawings_are_learned_and_the_records_say_so():
    heard = list(train(recipe=replace(RECIPE, epochs=24, shift=0.0)))
    started, finished = heard[0], heard[-1]
    epochs = [record for record in heard if isinstance(record, Epoch)]
    steps = [record for record in heard if isinstance(record, Step)]
    assert isinstance(started, Started) and (started.train, started.validation, started.classes) == (72, 18, ("a", "b", "c"))
    assert isinstance(finished, Finished) and finished.path is None
    assert len(epochs) == 24 and [record.epoch for record in epochs] == list(range(1, 25))
    assert len(steps) == 24 * 5 and sum(record.images for record in steps) == 24 * 72
    assert epochs[-1].train_loss < 0.5 * epochs[0].train_loss and max(record.validation_accuracy for record in epochs) > 0.9


def test_the_model_is_the_best_epochs_not_the_lasts():
    heard = list(train(recipe=replace(RECIPE, epochs=6, lr=0.3)))
    best = [record for record in heard if isinstance(record, Epoch) and record.best][-1]
    model = heard[-1].model
    design, material, _ = setup.prepared(NET, source(), RECIPE, (1, 8, 8))
    again = (scored(model.network, material.validation, model.pixels)[0].argmax(1) == material.validation.labels).double().mean()
    assert model.results["epoch"] == best.epoch and again.item() == best.validation_accuracy


def test_a_validation_split_that_the_set_brings_is_used_whole():
    started = next(iter(train(data=source(validation=True))))
    assert (started.train, started.validation) == (90, 90)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_step_moves_the_weights_as_torchs_unfused_optimiser_does(optimiser):
    recipe = replace(
        RECIPE, optimiser=optimiser, epochs=1, batch=72, shift=0.0, flip=False, schedule="constant", lr=0.01, label_smoothing=0.1
    )
    net = "Conv(4, 3) >> Tanh() >> FC(3)"
    job, network = job_of(recipe, net)
    _, twin = job_of(recipe, net)
    weights_of = list(twin.parameters())
    if optimiser == "sgd":
        plain = torch.optim.SGD(weights_of, 0.01, 0.9, weight_decay=5e-4, nesterov=True, foreach=False)
    else:
        plain = torch.optim.AdamW(weights_of, 0.01, weight_decay=5e-4, foreach=False)
    scores = twin(job.pixels.tensor(job.train.pixels))
    torch.nn.functional.cross_entropy(scores, job.train.labels, label_smoothing=0.1).backward()
    plain.step()
    next(records(State(network, recipe), job))
    for ours, theirs in zip(network.parameters(), twin.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_heads_add_their_weighted_loss():
    net = "Chain(a=Conv(4, 3) >> ReLU(), b=Head(FC(3), 0.3), c=FC(3))"
    recipe = replace(RECIPE, epochs=1, batch=72, shift=0.0, flip=False)
    job, network = job_of(recipe, net)
    _, twin = job_of(recipe, net)
    scores, head = twin.train()(job.pixels.tensor(job.train.pixels))
    cross = torch.nn.functional.cross_entropy
    expected = cross(scores, job.train.labels) + 0.3 * cross(head, job.train.labels)
    epoch = [record for record in records(State(network, recipe), job) if isinstance(record, Epoch)][0]
    assert epoch.train_loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_best_epoch_is_chosen_by_accuracy_then_by_loss():
    heard = [record for record in train(recipe=replace(RECIPE, epochs=8)) if isinstance(record, Epoch)]
    standing = None
    for record in heard:
        now = (record.validation_accuracy, -record.validation_loss)
        assert record.best == (standing is None or now > standing)
        standing = now if record.best else standing


def test_a_run_equals_itself_and_another_seed_does_not():
    def digest(seed):
        return weights.digest(list(train(recipe=replace(RECIPE, seed=seed)))[-1].model.network.state_dict())

    assert digest(1) == digest(1) != digest(2)


def test_bf16_learns_too():
    epochs = [record for record in train(recipe=replace(RECIPE, epochs=12, precision="bf16")) if isinstance(record, Epoch)]
    assert max(record.validation_accuracy for record in epochs) > 0.9


# --- what is not finite ---


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_step_that_is_not_finite_is_not_taken_and_its_pictures_are_named(optimiser):
    recipe = replace(RECIPE, optimiser=optimiser, shift=0.0, flip=False)
    job, network = job_of(recipe, "Conv(4, 3) >> ReLU() >> FC(3)")
    bad = 40
    poison = torch.zeros(72, dtype=torch.bool)
    poison[bad] = True

    class Poisoned(type(job.pixels)):
        def tensor(self, batch, dtype=None):
            made = super().tensor(batch, dtype)
            hit = (batch == job.train.pixels[bad]).flatten(1).all(1)
            return torch.where(hit[:, None, None, None], math.nan, made)

    job = Job(recipe, Poisoned(**vars(job.pixels)), job.train, job.validation)
    state = State(network, recipe)
    before = None
    with pytest.raises(RunError, match=rf"not finite in epoch 1, step \d.*{job.train.names[bad]}\b.*--lr"):
        for _ in records(state, job):
            before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
    assert before is None or all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_an_infinite_gradient_under_a_finite_loss_is_caught_too():
    network = torch.nn.Linear(2, 1)
    state = State(network, Recipe())
    guard = Guard(state)
    network(torch.ones(1, 2)).sum().backward()
    network.weight.grad[0, 0] = math.inf
    guard.watch(torch.tensor(1.0), 7)
    assert guard.look() == 7
    before = network.weight.clone()
    state.optimiser.step()
    assert torch.equal(network.weight, before)


def test_after_a_rate_far_too_large_the_last_good_model_is_still_there(tmp_path):
    recipe = replace(RECIPE, lr=1e30, momentum=0.0, weight_decay=0.0, epochs=2, schedule="constant")
    with pytest.raises(RunError, match="not finite"):
        list(train(tmp_path, net="Conv(4, 3) >> ReLU() >> FC(3)", recipe=recipe))
    for path in tmp_path.glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in weights.read(path)[0].values())


# --- what a user may get wrong ---


def test_a_network_for_another_number_of_classes_is_refused_with_the_mend():
    with pytest.raises(LayerError, match=r"gives 7.*3 classes; end it with FC\(3\)"):
        next(train(net="FC(7)"))


def test_an_expression_without_an_input_is_refused():
    with pytest.raises(RunError, match="--input"):
        next(hubel.train(NET, source(), RECIPE))


def test_a_named_network_takes_the_sets_classes():
    started = next(hubel.train("lenet_relu", source(), RECIPE))
    assert started.parameters == sum(weight.numel() for weight in build(NETS["lenet_relu"].net(3), (1, 28, 28)).parameters())
    with pytest.raises(HubelError, match="ten digits"):
        next(hubel.train("lenet5", source(), RECIPE))


def test_two_classes_train_a_network_of_one_output():
    heard = list(train(net="Conv(4, 3) >> ReLU() >> FC(1)", data=source(classes=2), recipe=replace(RECIPE, epochs=12, shift=0.0)))
    model = heard[-1].model
    picture = np.full((8, 8), 60, np.uint8)
    picture[3] = 255
    assert model.results["validation_accuracy"] > 0.9 and model.predict(picture).label == "b"


# --- the probe ---


def test_the_probe_settles_what_is_open_and_leaves_what_is_said():
    job, network = job_of(replace(RECIPE, threads=0, precision="auto"))
    before = weights.digest(network.state_dict())
    chosen = probe.settled(network, job)
    assert chosen.threads >= 1 and chosen.precision in ("fp32", "bf16")
    assert weights.digest(network.state_dict()) == before
    said = job_of(RECIPE)[0]
    assert probe.settled(network, said) == said.recipe
    assert probe.settled(network, job_of(replace(RECIPE, threads=0))[0]).precision == "fp32"


@pytest.mark.parametrize(("works", "waits"), [("fp32", "bf16"), ("bf16", "fp32")])
def test_the_probe_takes_the_precision_that_works_less_though_others_keep_it_waiting(works, waits, monkeypatch):
    def stepper(network, job, batch, way, stack):
        def step():
            if way.precision == waits:
                time.sleep(0.02)
                return
            began = time.process_time()
            while time.process_time() - began < 0.005:
                pass

        return step

    monkeypatch.setattr(probe, "_stepper", stepper)
    job, network = job_of(replace(RECIPE, threads=1, precision="auto"))
    assert probe.settled(network, job).precision == waits


@every_network("row", lambda sized: sized.parameters > 8_000_000 or sized.macs > 300_000_000)
def test_every_network_of_the_casebook_takes_a_step(row):
    network = build(row.net(), row.input, row.initialisation)
    labels = torch.tensor([0, 1])
    given = network.train()(torch.randn(2, *row.input, generator=torch.Generator().manual_seed(0)))
    chosen = FAST.get(row.name, GENERAL).recipe
    scored = given if isinstance(given, tuple) else (given,)
    sum(losses.loss_of(chosen, scores.shape[1])(scores, labels) for scores in scored).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
