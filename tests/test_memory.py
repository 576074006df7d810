"""The forecast of peak memory, held against the bytes that are alive at once while torch does the work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from expressions import fitting_networks
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum
from hubel.layers import (
    FC,
    LAYERS,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    ConnectedConv,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    L2Pool,
    Layer,
    Local,
    MaxPool,
    PadMaps,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Subsample,
    Tanh,
)
from hubel.memory import OPTIMISERS, Forecast, forecast
from hubel.nets import NETS
from hubel.tracing import peak_bytes


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and beside another busy process they lose much by waiting for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- the measurement ---------------------------------------------------------------------------------------------------


def pictures(batch: int, shape: Shape) -> Tensor:
    """Maps lie channels last, as they come from pictures."""
    return torch.rand(batch, *shape[1:], shape[0]).movedim(-1, 1) if len(shape) == 3 else torch.rand(batch, *shape)


def started(network: nn.Module, optimiser: str) -> torch.optim.Optimizer:
    """An optimiser that has its state: it has taken a step along gradients of zero."""
    weights = list(network.parameters())
    made: torch.optim.Optimizer
    if optimiser == "adamw":
        made = torch.optim.AdamW(weights, 1e-3, fused=True)
    else:
        made = torch.optim.SGD(weights, 1e-3, 0.9 if optimiser == "momentum" else 0.0, fused=True)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    made.step()
    made.zero_grad()
    return made


def state_of(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for values in optimiser.state.values() for value in values.values() if isinstance(value, Tensor)]


def measured(net: Expression, input: Shape, batch: int, training: bool, optimiser: str = "momentum") -> int:
    """The peak of living bytes over a step of training, or over a forward pass in evaluation."""
    network = build(net, input).train(training)
    x = pictures(batch, input)
    alive: list[Tensor] = [*network.parameters(), *network.buffers(), x]
    if not training:
        with torch.no_grad():
            return peak_bytes(lambda: network(x), alive)
    stepper = started(network, optimiser)
    first = torch.zeros(batch, *anatomy(net, input).output[1:], dtype=torch.long)  # of every picture, or every place of its maps

    def step() -> None:
        stepper.zero_grad()
        outputs = network(x)
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        total = F.cross_entropy(parts[0], first)
        for head in parts[1:]:
            total = total + 0.3 * F.cross_entropy(head, first)
        total.backward()
        stepper.step()

    return peak_bytes(step, [*alive, *state_of(stepper)])


def size(tensors: Any) -> int:
    return sum(tensor.nbytes for tensor in tensors)


# --- small networks of every kind --------------------------------------------------------------------------------------

CODES = ("#.#." * 3, "##.." * 3, "...#" * 3)

CASES: dict[str, tuple[Expression, Shape]] = {
    "one fully-connected layer": (FC(10), (12,)),
    "without biases": (Conv(4, 3, bias=False) >> ReLU() >> FC(6, bias=False), (3, 9, 8)),
    "a linear classifier of pictures": (FC(10), (3, 12, 12)),
    "a convnet": (Conv(6, 5) >> ReLU() >> MaxPool(2) >> Conv(8, 3) >> ReLU() >> FC(10), (1, 28, 28)),
    "maps as scores": (Conv(8, 3, pad=1) >> Tanh() >> Conv(5, 1), (3, 12, 10)),
    "lenet's own layers": (
        Conv(6, 3) >> ScaledTanh() >> Subsample(2) >> ScaledTanh() >> ConnectedConv(((0, 1), (2, 3, 4), (5,)), 3) >> FC(12) >> RBF(CODES),
        (1, 16, 16),
    ),
    "alexnet's own layers": (
        Conv(8, 5, stride=2) >> ReLU() >> LRN(5) >> MaxPool(3, 2) >> Conv(8, 3, pad=1, groups=2) >> ReLU() >> FC(9) >> Dropout() >> FC(5),
        (3, 33, 33),
    ),
    "norms": (Conv(8, 3, bias=False) >> BatchNorm() >> ReLU() >> LRN(3) >> AdaptiveAvgPool(2) >> Dropout(0.2) >> FC(5), (3, 12, 12)),
    "mobile": (Depthwise(3, pad=1, multiplier=2) >> BatchNorm() >> ReLU6() >> Conv(8, 1) >> AvgPool(2) >> FC(10), (3, 16, 16)),
    "unshared weights": (Local(4, 3) >> Sigmoid() >> Local(3, 3, stride=2, pad=((0, 1), (1, 0)), bias=False) >> FC(10), (3, 12, 12)),
    "pools": (Conv(4, 3, pad=1) >> L2Pool(2) >> MaxPool(3, 2, fit="ceil") >> AvgPool(2, 1) >> AdaptiveAvgPool((2, 3)), (3, 18, 16)),
    "uneven padding": (
        Conv(6, 3, pad=((0, 1), (2, 1)))
        >> ReLU()
        >> MaxPool(3, 2, pad=((0, 1), (0, 1)))
        >> Conv(8, 3, pad=((1, 0), (0, 2)))
        >> Depthwise(2, pad=((1, 0), (1, 0)))
        >> L2Pool(3, 1, pad=((1, 0), (0, 1)))
        >> ConnectedConv(((0, 1), (2, 7)), 2, pad=((0, 1), (0, 1)))
        >> FC(10),
        (3, 17, 17),
    ),
    "uneven means": (
        Conv(4, 3, pad=1) >> AvgPool(3, 1, pad=((1, 0), (0, 1))) >> AvgPool(3, 2, pad=((1, 0), (0, 1)), count_pad=False) >> FC(3),
        (3, 13, 13),
    ),
    "dilated and rectangular": (Conv(6, 3, dilation=2) >> ReLU() >> Conv(6, (1, 5), stride=(1, 2), fit="floor") >> FC(4), (2, 13, 18)),
    "softmax, scale and means": (Conv(8, 3) >> Softmax() >> Scale(0.5) >> GlobalAvgPool() >> FC(5), (3, 12, 12)),
    "residual": (
        Conv(8, 3, pad=1)
        >> ReLU()
        >> Sum(Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1), Identity())
        >> ReLU()
        >> GlobalAvgPool()
        >> FC(5),
        (3, 13, 13),
    ),
    "residual, option A": (
        Conv(4, 3, pad=1) >> Sum(Conv(8, 3, stride=2, pad=1) >> BatchNorm(), PadMaps(8, stride=2)) >> ReLU() >> Flatten() >> FC(5),
        (3, 12, 12),
    ),
    "padded maps alone": (Conv(8, 3, pad=1) >> PadMaps(20, stride=2) >> FC(5), (3, 13, 13)),
    "inception": (
        Conv(8, 3, pad=1)
        >> Concat(Conv(4, 1) >> ReLU(), Conv(2, 1) >> ReLU() >> Conv(4, 5, pad=2) >> ReLU(), MaxPool(3, 1, pad=1) >> Conv(2, 1))
        >> GlobalAvgPool()
        >> FC(5),
        (3, 13, 13),
    ),
    "dense": (
        Conv(8, 3, pad=1) >> Chain(Identity() | BatchNorm() >> ReLU() >> Conv(4, 3, pad=1, bias=False)) * 3 >> GlobalAvgPool() >> FC(5),
        (3, 12, 12),
    ),
    "joints in joints": (Conv(6, 3) >> Sum(Identity() | Conv(3, 1), Conv(9, 1), Conv(2, 1) | Conv(7, 1)) >> GlobalAvgPool(), (2, 9, 9)),
    "sums and stacks of vectors": ((FC(3) >> ReLU()) + FC(3) + (FC(4) >> Tanh() >> FC(3)) >> (FC(2) | FC(3)), (7,)),
    "heads": (
        Chain(
            a=Conv(8, 3, pad=1) >> ReLU(),
            first=Head(AvgPool(3) >> FC(7) >> ReLU() >> FC(5), 0.3),
            b=MaxPool(2) >> Conv(8, 3) >> ReLU() >> Dropout(0.4),
            second=Head(GlobalAvgPool() >> FC(5), 0.3),
            c=FC(5),
        ),
        (3, 12, 12),
    ),
    "a head of more than the network": (Chain(a=Conv(4, 3) >> ReLU(), aux=Head(FC(400) >> ReLU() >> FC(5), 0.3), b=FC(5)), (3, 12, 12)),
    # Each of these decides the peak alone.
    "response norms": (Conv(6, 1) >> LRN(3) >> LRN(5) >> LRN(1), (3, 12, 12)),
    "response norms in groups": (Conv(6, 1) >> LRN(3, groups=3) >> LRN(5, groups=2), (3, 12, 12)),
    "RBF units": (FC(12) >> RBF(CODES), (4,)),
    "windows' roots": (Conv(6, 1) >> L2Pool(3, 1) >> L2Pool(3, 1), (3, 12, 12)),
    "subsampling": (Conv(6, 1) >> Subsample(1) >> Subsample(1), (3, 12, 12)),
    "a connection table": (Conv(9, 1) >> ConnectedConv(((0,), (1, 2), (8,)), 5), (1, 5, 5)),
    "noise": (Conv(6, 1) >> Dropout() >> Dropout(0), (3, 12, 12)),
    "statistics": (Conv(300, 1) >> BatchNorm() >> BatchNorm(), (1, 1, 2)),
    "flattening": (Conv(6, 1) >> Flatten() >> Dropout(), (3, 12, 12)),
    "shares of padding": (Conv(1, 1) >> AvgPool(3, 1, pad=((1, 0), (0, 1)), count_pad=False) >> Scale(2), (1, 18, 18)),
}


def layers_in(part: Expression) -> Iterator[type[Layer]]:
    if isinstance(part, Layer):
        yield type(part)
    for _, inside in part.children():
        yield from layers_in(inside)


def test_every_kind_of_layer_occurs_in_a_case():
    assert {kind for net, _ in CASES.values() for kind in layers_in(net)} == set(LAYERS)


@pytest.mark.parametrize("training", [False, True], ids=["in use", "training"])
@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("name", CASES)
def test_the_forecast_of_small_networks_is_the_measured_peak_to_one_percent(name, batch, training):
    net, input = CASES[name]
    assert forecast(net, input, batch, training).peak == pytest.approx(measured(net, input, batch, training), rel=0.01)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", ["one fully-connected layer", "a convnet", "norms", "unshared weights", "heads"])
def test_with_every_optimiser_the_forecast_is_the_measured_peak_to_one_percent(name, optimiser):
    net, input = CASES[name]
    found = forecast(net, input, 4, training=True, optimiser=optimiser)
    assert found.peak == pytest.approx(measured(net, input, 4, True, optimiser), rel=0.01)


@settings(deadline=None)
@given(fitting_networks(), st.integers(2, 6), st.booleans())
def test_the_forecast_of_any_network_is_near_the_measured_peak(fitting, batch, training):
    net, input = fitting
    training = training and anatomy(net, input).parameters > 0
    assert forecast(net, input, batch, training).peak == pytest.approx(measured(net, input, batch, training), rel=0.1, abs=64_000)


# --- the parts of it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_all_that_the_built_network_holds(name):
    net, input = CASES[name]
    network = build(net, input)
    held = size(network.parameters()) + size(network.buffers())
    for training in (False, True):
        assert forecast(net, input, 3, training).parameters == held


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", CASES)
def test_the_optimiser_part_is_the_state_that_torch_keeps(name, optimiser):
    net, input = CASES[name]
    assert forecast(net, input, 2, True, optimiser).optimiser == size(state_of(started(build(net, input), optimiser)))


def test_in_use_there_are_neither_gradients_nor_an_optimisers_state():
    for net, input in CASES.values():
        found = forecast(net, input, 2, optimiser="adamw")
        assert (found.gradients, found.optimiser, found.backward) == (0, 0, False)


def grown(found: Forecast, net: Expression, input: Shape) -> int:
    """Bytes of the gradients of a chain from the layer at work to the end."""
    paths = [row.path for row in anatomy(net, input).rows]
    return 4 * sum(row.parameters for row in anatomy(net, input).rows[paths.index(found.path) :])


@pytest.mark.parametrize(
    ("net", "at"),
    [
        (
            Conv(8, 3, pad=1) >> ReLU() >> Conv(4, 3) >> ReLU() >> FC(5),
            "1",
        ),  # two large maps, their gradients, and all but the first weights
        (Conv(2, 3) >> ReLU() >> FC(5000) >> ReLU() >> FC(5), "2"),  # weights far larger than any map
        (Conv(2, 1) >> MaxPool(4) >> ReLU() >> FC(2), "1"),
    ],
    ids=str,
)
def test_gradients_are_those_of_the_layers_gone_back_through(net, at):
    input = (3, 16, 16)
    found = forecast(net, input, 8, training=True)
    assert (found.path, found.backward) == (at, True)
    assert found.gradients == grown(found, net, input)


def test_a_peak_on_the_way_forward_finds_no_gradients():
    net, input = L2Pool(2) >> FC(3), (3, 16, 16)
    found = forecast(net, input, 8, training=True)
    assert (found.path, found.backward, found.gradients) == ("0", False, 0)
    assert found.peak == pytest.approx(measured(net, input, 8, True), rel=0.01)


def test_the_parts_add_up_to_the_peak():
    for net, input in CASES.values():
        for training in (False, True):
            found = forecast(net, input, 3, training)
            assert found.peak == found.parameters + found.optimiser + found.gradients + found.activations


# --- what follows of itself --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(fitting_networks(), st.integers(1, 50))
def test_in_use_activations_grow_with_the_batch_and_nothing_else_does(fitting, batch):
    net, input = fitting
    one, many = forecast(net, input), forecast(net, input, batch)
    assert many.activations == batch * one.activations
    assert many.parameters == one.parameters


@settings(deadline=None)
@given(fitting_networks(), st.integers(1, 50))
def test_training_never_takes_less_than_use_and_more_with_every_picture(fitting, batch):
    net, input = fitting
    found = forecast(net, input, batch, training=True)
    assert forecast(net, input, batch).peak <= found.peak < forecast(net, input, batch + 1, training=True).peak


@settings(deadline=None)
@given(fitting_networks(), st.integers(1, 9), st.booleans())
def test_the_peak_comes_at_a_layer_or_joint_of_the_network(fitting, batch, training):
    net, input = fitting
    assert forecast(net, input, batch, training).path in {row.path for row in anatomy(net, input).rows}


def test_the_peak_can_come_in_a_head_in_training_alone():
    net, input = CASES["a head of more than the network"]
    assert forecast(net, input, training=True).path.split(".")[0] == "aux"
    assert forecast(net, input).path.split(".")[0] != "aux"


def test_a_network_that_computes_nothing_holds_its_input():
    found = forecast(Identity(), (3, 4, 5), batch=2)
    assert (found.peak, found.activations, found.path) == (4 * 120, 4 * 120, "0")
    assert measured(Identity(), (3, 4, 5), 2, False) == 4 * 120


def test_the_forecast_of_a_single_layer_is_what_one_counts_by_hand():
    # 100 inputs and 10 scores for each of 8 pictures, and 1,010 parameters, each with its momentum and its gradient.
    assert forecast(FC(10), (100,), batch=8).peak == 4 * (1_010 + 8 * (100 + 10))
    found = forecast(FC(10), (100,), batch=8, training=True)
    assert (found.parameters, found.optimiser, found.gradients) == (4_040, 4_040, 4_040)
    assert found.activations == 4 * (800 + 80 + 80 + 2)  # inputs, scores, their gradient, the loss and its own


def test_an_unknown_optimiser_is_refused_with_the_nearest():
    with pytest.raises(HubelError, match="There is no optimiser 'momentun'. Did you mean 'momentum'?"):
        forecast(FC(2), (3,), optimiser="momentun")


@pytest.mark.parametrize(
    ("net", "input", "batch"), [(Conv(2, 3), (3, 2, 2), 1), (MaxPool(2), (1, 5, 5), 1), (FC(2), (0,), 1), (FC(2), (3,), 0)], ids=str
)
def test_what_cannot_be_sized_is_refused_as_the_anatomy_refuses_it(net, input, batch):
    with pytest.raises(ShapeError) as ours:
        forecast(net, input, batch)
    with pytest.raises(ShapeError) as theirs:
        anatomy(net, input, batch)
    assert str(ours.value) == str(theirs.value)


# --- the networks of the papers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True], ids=["in use", "training"])
@pytest.mark.parametrize("name", ["lecun1989_net3", "lenet5", "lenet_relu", "resnet20", "pattern_linear", "mnist_convnet"])
def test_the_forecast_of_small_papers_networks_is_the_measured_peak_to_one_percent(name, training):
    row = NETS[name]
    assert forecast(row.net(), row.input, 2, training).peak == pytest.approx(measured(row.net(), row.input, 2, training), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True], ids=["in use", "training"])
@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "resnet50", "densenet121"])
def test_the_forecast_of_large_papers_networks_is_within_ten_percent_of_the_measured_peak(name, batch, training):
    row = NETS[name]
    assert forecast(row.net(), row.input, batch, training).peak == pytest.approx(measured(row.net(), row.input, batch, training), rel=0.1)
