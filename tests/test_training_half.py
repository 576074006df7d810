"""Half precision: the scale of the loss moves as torch's, overflows skip a step, and all of it is in the checkpoint."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from hubel.build import build
from hubel.errors import RunError
from hubel.training import checkpoint, setup
from hubel.training.guard import Guard
from hubel.training.loop import Job, records
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch
from hubel.training.scaling import FIRST, GROWS_AFTER, Scaling
from hubel.training.state import State, optimiser_of
from runs import RECIPE, source, train

HALF = replace(RECIPE, precision="fp16", shift=0.0, schedule="constant")
NET = "Conv(4, 3) >> BatchNorm() >> ReLU() >> FC(3)"


def job_of(recipe, net=NET):
    """A job in half precision on the processor, which only tests may have."""
    design, material, settled = setup.prepared(net, source(), replace(recipe, precision="fp32"), (1, 8, 8))
    job = setup.job(material, settled, torch.device("cpu"))
    network = build(design.net, design.input, settled.initialisation, settled.seed)
    return Job(replace(settled, precision=recipe.precision), job.pixels, job.train, job.validation), network


def test_a_processor_refuses_in_a_sentence():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(RunError, match="fp16.*GPUs.*--precision bf16"):
        next(train(recipe=HALF))


def test_the_scale_moves_as_torchs():
    ours, theirs = Scaling(torch.device("cpu")), torch.amp.GradScaler("cpu", growth_interval=GROWS_AFTER)
    weight = torch.nn.Parameter(torch.zeros(3))
    optimiser = torch.optim.SGD([weight], 0.0)
    for step in range(2 * GROWS_AFTER + 50):
        overflows = step in (3, 4, 100, GROWS_AFTER + 7)
        theirs.scale(weight.sum()).backward()
        if overflows:
            weight.grad[1] = math.inf
        theirs.step(optimiser)
        theirs.update()
        optimiser.zero_grad()
        ours.move(torch.tensor(overflows))
        assert ours.scale.item() == theirs.get_scale()
    assert ours.scale.item() not in (FIRST, FIRST / 2**4)


SPOILT = {"first": (True, True, False, True, False), "later": (False, True, False)}


@pytest.mark.parametrize("first", SPOILT)
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_steps_whose_gradients_overflow_are_skipped_and_the_others_are_as_if_there_were_no_more(optimiser, first):
    network = torch.nn.Linear(2, 1)
    begun = copy.deepcopy(network.state_dict())
    state = State(network, Recipe(precision="fp16", optimiser=optimiser))
    guard = Guard(state)

    def step(number, spoilt):
        state.optimiser.zero_grad()
        (network(torch.ones(1, 2)).sum() * state.scaling.scale).backward()
        if spoilt:
            network.weight.grad[0, 0] = math.inf
        before = network.weight.detach().clone()
        guard.watch(torch.tensor(1.0), number)
        state.optimiser.step()
        return not torch.equal(network.weight, before)

    assert [step(number, spoilt) for number, spoilt in enumerate(SPOILT[first])] == [not spoilt for spoilt in SPOILT[first]]
    assert guard.look() is None and state.scaling.scale.item() == FIRST / 2 ** sum(SPOILT[first])
    assert network.weight.grad.tolist() == [[1.0, 1.0]]  # what clipping then sees has no scale
    plain = torch.nn.Linear(2, 1)
    plain.load_state_dict(begun)
    taken = optimiser_of(plain, Recipe(optimiser=optimiser))
    for spoilt in SPOILT[first]:
        if not spoilt:
            taken.zero_grad()
            plain(torch.ones(1, 2)).sum().backward()
            taken.step()
    torch.testing.assert_close(network.weight, plain.weight)


def test_training_stops_where_no_smaller_scale_helps_and_where_the_loss_is_not_finite():
    network = torch.nn.Linear(2, 1)
    state = State(network, Recipe(precision="fp16"))
    guard = Guard(state)
    for number in range(30):
        network.weight.grad = torch.full_like(network.weight, math.nan)
        guard.watch(torch.tensor(1.0), number)
    assert guard.look() == math.log2(FIRST)  # halved as often as that, it was 1
    guard = Guard(State(network, Recipe(precision="fp16")))
    network.weight.grad = torch.ones_like(network.weight)
    guard.watch(torch.tensor(math.nan), 5)
    assert guard.look() == 5


def test_half_precision_learns_and_steps_as_single_does():
    half, single = (
        [record.train_loss for record in records(State(network, job.recipe), job) if isinstance(record, Epoch)]
        for job, network in (job_of(replace(HALF, epochs=6, precision=precision)) for precision in ("fp16", "fp32"))
    )
    assert half == pytest.approx(single, rel=0.05) and half != single and half[-1] < 0.5 * half[0]


def test_the_scale_is_in_the_checkpoint_and_training_goes_on_to_the_same_bits(tmp_path):
    job, network = job_of(HALF)
    whole = State(network, job.recipe)
    whole.scaling.scale.fill_(2.0**30)  # far too high: it comes down on the way
    list(records(whole, job))
    assert whole.scaling.scale < 2.0**30
    _, network = job_of(HALF)
    left = State(network, job.recipe)
    left.scaling.scale.fill_(2.0**30)
    for taken, _ in enumerate(records(left, job)):
        if taken == 6:
            break
    checkpoint.save(tmp_path, left)
    again = State(job_of(replace(HALF, seed=1))[1], job.recipe)
    assert not checkpoint.resume(tmp_path, again) and again.scaling.scale == left.scaling.scale
    list(records(again, job))
    assert again.scaling.scale == whole.scaling.scale and again.scaling.steps == whole.scaling.steps
    for ours, theirs in zip(again.network.state_dict().values(), whole.network.state_dict().values()):
        assert torch.equal(ours, theirs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="half precision is for GPUs")
def test_on_a_gpu_half_precision_learns():
    epochs = [record for record in train(recipe=replace(HALF, epochs=12, threads=0)) if isinstance(record, Epoch)]
    assert max(record.validation_accuracy for record in epochs) > 0.9
