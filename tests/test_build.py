"""Built networks compute what the papers say, hold the parameters that anatomy counts, under its paths, with the weights of their seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from casebook import every_network
from hubel import modules
from hubel.anatomy import anatomy
from hubel.build import INITIALISATIONS, build
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
from hubel.nets import NETS
from hubel.nets.lenet import BITMAPS, TABLE_I
from hubel.nets.paper import Variant
from oracles import ORACLES, lenet5, normalised

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and beside another busy process they lose much by waiting for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noise(shape: Shape, batch: int = 2, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """A batch of inputs that depends on its shape and `seed` alone."""
    return torch.randn(batch, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@torch.no_grad()
def disturbed(network: modules.Network) -> modules.Network:
    """The network with every parameter and statistic at random, so that none can be left out unseen (biases start at 0)."""
    drawn = torch.Generator().manual_seed(1)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -1.0
            value.copy_(torch.rand(value.shape, generator=drawn) * (1.5 - low) + low)
    return network


def ready(net: Expression, shape: Shape, dtype: torch.dtype = torch.float64) -> modules.Network:
    """Built, disturbed, in evaluation."""
    return disturbed(build(net, shape)).to(dtype).eval()


def arrays(network: nn.Module, path: str = "") -> dict[str, np.ndarray]:
    """The state dict below `path`, in float64."""
    return {name.removeprefix(path): value.double().numpy() for name, value in network.state_dict().items() if name.startswith(path)}


def expected_paths(net: Expression, input: Shape, heads: bool = True) -> set[str]:
    """The state dict's names, from the anatomy alone."""
    paths = set()
    for row in anatomy(net, input, heads=heads).rows:
        names = ("weight",) * (row.weights > 0) + ("bias",) * (row.biases > 0)
        paths |= {f"{row.path}.{name}" for name in (*names, *(STATISTICS if isinstance(row.part, BatchNorm) else ()))}
    return paths


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- every network of the casebook ------------------------------------------------------------------------------------


every_variant = every_network("variant", lambda sized: sized.parameters > 8_000_000 or sized.macs > 500_000_000)


@pytest.mark.parametrize("variant", NETS.values(), ids=NETS)
def test_a_built_network_holds_the_parameters_that_anatomy_counts_under_its_paths(variant: Variant) -> None:
    with torch.device("meta"):
        network = build(variant.net(), variant.input, initialisation=None)
    assert count(network) == anatomy(variant.net(), variant.input, heads=True).parameters
    assert set(network.state_dict()) == expected_paths(variant.net(), variant.input)


# Where dropout stands and its rate; a network that is not listed has none.
HALF = {"fc6.2": 0.5, "fc7.2": 0.5}
DROPOUT: dict[str, dict[str, float]] = {
    "alexnet alexnet_one_tower": HALF,  # sec. 4.2
    "alexnet_caffe caffenet": HALF,  # the definitions
    "alexnet_owt": {"fc6.1": 0.5, "fc7.0": 0.5},  # torchvision
    "vgg11 vgg11_lrn vgg13 vgg16_c vgg16 vgg16_conv vgg19": HALF,  # sec. 3.1
    "nin_cifar10 nin_cifar10_caffe": {"mlpconv1.7": 0.5, "mlpconv2.7": 0.5},  # the released definition: behind the pools
    "nin_imagenet": {"mlpconv3.7": 0.5},
    # All-CNN, sec. 3.1: of the picture, and behind each pool or the layer that replaces it
    "base_cnn_a": {"conv1.0": 0.2, "conv1.4": 0.5, "conv2.3": 0.5},
    "base_cnn_b base_cnn_c": {"conv1.0": 0.2, "conv1.6": 0.5, "conv2.5": 0.5},
    "strided_cnn_a": {"conv1.0": 0.2, "conv1.3": 0.5, "conv2.2": 0.5},
    "strided_cnn_b strided_cnn_c": {"conv1.0": 0.2, "conv1.5": 0.5, "conv2.4": 0.5},
    "convpool_cnn_a": {"conv1.0": 0.2, "conv1.6": 0.5, "conv2.5": 0.5},
    "convpool_cnn_b convpool_cnn_c": {"conv1.0": 0.2, "conv1.8": 0.5, "conv2.7": 0.5},
    "all_cnn_a": {"conv1.0": 0.2, "conv1.5": 0.5, "conv2.4": 0.5},
    "all_cnn_b all_cnn_c": {"conv1.0": 0.2, "conv1.7": 0.5, "conv2.6": 0.5},
    "googlenet googlenet_caffe": {"auxiliary_4a.0.5": 0.7, "auxiliary_4d.0.5": 0.7, "dropout": 0.4},  # table 1 and sec. 5
    "googlenet_bn": {"auxiliary_4a.0.6": 0.7, "auxiliary_4d.0.6": 0.7, "dropout": 0.2},  # torchvision
    "inception_v3": {"Logits.1": 0.2},  # the release
    "inception_v3_torch": {"Logits.1": 0.5},  # torchvision
    "inception_resnet_v2": {"Logits.1": 0.2},  # fig. 15: keep 0.8
    "squeezenet_1_0 squeezenet_1_0_caffe squeezenet_1_1": {"conv10.0": 0.5},  # sec. 3.3: behind fire9
    "xception xception_torch": {"logistic.0": 0.5},  # sec. 4.3
    "mobilenet_v2 mobilenet_v2_torch": {"conv10.0": 0.2},  # the release
}

# How fresh weights are drawn where the paper says it, or where its units call for it; everything else starts as He's.
INITIALISED = {
    "lecun_1998": "lenet5 lecun1989_net1 lecun1989_net2 lecun1989_net3",  # appendix A of 1998
    "krizhevsky_2012": "alexnet alexnet_one_tower alexnet_caffe caffenet",  # sec. 5
    "simonyan_2014": "vgg11 vgg11_lrn",  # sec. 3.1
    "glorot": "vgg13 vgg16_c vgg16 vgg16_conv vgg19"  # sec. 3.1
    " xception xception_torch fc_784_512_10 mnist_convnet dogs_cats"  # Keras's default, where the authors' code leaves it
    " lenet_sigmoid"  # sigmoids
    " lenet_caffe",  # "xavier" in the definition
}


@pytest.mark.parametrize("variant", NETS.values(), ids=NETS)
def test_a_network_drops_out_where_its_paper_says_and_nowhere_else(variant: Variant) -> None:
    said = {name: places for names, places in DROPOUT.items() for name in names.split()}
    rows = anatomy(variant.net(), variant.input, heads=True).rows
    assert {row.path: row.part.rate for row in rows if isinstance(row.part, Dropout)} == said.get(variant.name, {})


@pytest.mark.parametrize("variant", NETS.values(), ids=NETS)
def test_a_network_starts_as_its_paper_says(variant: Variant) -> None:
    said = {name: how for how, names in INITIALISED.items() for name in names.split()}
    assert variant.initialisation == said.get(variant.name, "he")


@every_variant
def test_a_batch_of_two_gives_the_scores_that_anatomy_says(variant: Variant) -> None:
    network = build(variant.net(), variant.input, variant.initialisation).eval()
    with torch.no_grad():
        scores = network(noise(variant.input, dtype=torch.float32))
    assert scores.shape == (2, *variant.anatomy().output)
    assert scores.isfinite().all()
    assert not torch.equal(scores[0], scores[1])


@every_variant
def test_weights_depend_on_the_seed_and_on_nothing_else(variant: Variant) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        return dict(build(variant.net(), variant.input, variant.initialisation, seed).named_parameters())

    torch.manual_seed(5)
    first = weights(3)
    torch.manual_seed(6)
    again, other = weights(3), weights(4)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    drawn = [name for name, value in first.items() if (value != value.flatten()[0]).any()]
    assert drawn
    assert not any(torch.equal(first[name], other[name]) for name in drawn)


@every_variant
def test_a_slice_of_a_network_is_its_first_stages(variant: Variant) -> None:
    net, x = variant.net(), noise(variant.input, dtype=torch.float32)
    network = build(net, variant.input, variant.initialisation, seed=1).eval()
    prefix = build(Chain(**dict(list(net.children())[:2])), variant.input).eval()
    prefix.load_state_dict(
        {name: value for name, value in network.state_dict().items() if name.split(".")[0] in dict(prefix.named_children())}
    )
    with torch.no_grad():
        cut = network[:2](x)
        assert type(network[:2]) is type(network)
        assert torch.equal(cut, prefix(x))
        assert torch.equal(network[2:](cut), network(x))


# --- every layer against its oracle -----------------------------------------------------------------------------------

CODES = ("#..#", ".##.", "####")
UNEVEN = ((1, 0), (0, 2))

CASES: tuple[tuple[Layer, Shape], ...] = (
    (Conv(4, 3), (3, 6, 7)),
    (Conv(4, 3, stride=2, pad=1), (3, 7, 9)),
    (Conv(4, (2, 3), stride=(2, 1), pad=(0, 1), bias=False), (3, 8, 5)),
    (Conv(6, 3, pad=1, groups=2), (4, 5, 6)),
    (Conv(4, 3, pad=2, groups=4, dilation=2), (4, 7, 6)),
    (Conv(4, (3, 2), dilation=(2, 3)), (2, 7, 8)),
    (Conv(4, 3, pad=((2, 0), (1, 3))), (3, 5, 6)),
    (Conv(4, 3, stride=2, pad=((0, 1), (1, 0)), groups=2, dilation=(1, 2), fit="floor"), (2, 9, 10)),
    (Depthwise(3, pad=1), (3, 5, 6)),
    (Depthwise((2, 3), stride=2, multiplier=2, fit="floor"), (3, 7, 8)),
    (Depthwise(3, pad=UNEVEN, multiplier=3, bias=False), (2, 5, 6)),
    (ConnectedConv(TABLE_I, 5), (6, 7, 8)),
    (ConnectedConv(((2, 0), (1,), (0, 1, 2)), (3, 2), stride=(1, 2), pad=UNEVEN, bias=False), (3, 5, 6)),
    (Local(4, 3), (3, 5, 7)),
    (Local(2, (3, 2), stride=2, pad=((1, 1), (0, 1)), bias=False), (3, 5, 5)),
    (FC(5), (12,)),
    (FC(5, bias=False), (3, 2, 4)),
    (RBF(CODES), (4,)),
    *((pool(2), (3, 6, 8)) for pool in (MaxPool, AvgPool, L2Pool)),
    *((pool((3, 2), (2, 1), pad=1, fit="floor"), (3, 6, 5)) for pool in (MaxPool, AvgPool, L2Pool)),
    *((pool(3, 2, pad=((1, 0), (0, 1))), (3, 6, 8)) for pool in (MaxPool, AvgPool, L2Pool)),
    *((pool(3, 2, fit="ceil"), (3, 6, 8)) for pool in (MaxPool, AvgPool, L2Pool)),
    *((pool(2, 2, pad=1, fit="ceil"), (3, 5, 6)) for pool in (MaxPool, AvgPool, L2Pool)),
    *((pool((4, 3), 3, pad=(2, 0), fit="ceil"), (3, 7, 8)) for pool in (MaxPool, AvgPool, L2Pool)),
    (AvgPool(3, 1, pad=1, count_pad=False), (3, 5, 6)),
    (AvgPool(3, 2, pad=((1, 0), (0, 1)), count_pad=False), (3, 6, 8)),
    (AvgPool(3, 2, pad=1, count_pad=False, fit="ceil"), (3, 6, 8)),
    (Subsample(2), (3, 6, 8)),
    (Subsample((2, 3)), (3, 6, 9)),
    *((AdaptiveAvgPool(size), (3, 6, 14)) for size in (2, 4, (3, 7), (6, 14), (9, 5))),
    (GlobalAvgPool(), (3, 4, 5)),
    (Identity(), (3, 4, 5)),
    (Scale(-0.3), (3, 4, 5)),
    (PadMaps(5), (3, 4, 5)),
    (PadMaps(3, stride=(2, 3)), (3, 7, 8)),
    (PadMaps(4, stride=2), (3, 6, 8)),
    (Flatten(), (3, 4, 5)),
    *((squash(), (3, 4, 5)) for squash in (ReLU, ReLU6, Tanh, Sigmoid, ScaledTanh, Softmax)),
    *((squash(), (7,)) for squash in (ReLU, ReLU6, Tanh, Sigmoid, ScaledTanh, Softmax)),
    (LRN(), (7, 3, 4)),
    (LRN(), (2, 3, 4)),
    (LRN(3, k=1, alpha=0.5, beta=1), (6, 3, 4)),
    (LRN(3, k=1, alpha=0.5, beta=1, groups=2), (6, 3, 4)),
    (LRN(5, k=1, alpha=0.5, groups=3), (6, 3, 4)),
    (BatchNorm(), (3, 4, 5)),
    (BatchNorm(eps=0.1), (6,)),
    (Dropout(0.4), (3, 4, 5)),
)


def test_every_layer_has_an_oracle_and_a_case() -> None:
    assert set(ORACLES) == {type(layer) for layer, _ in CASES} == set(LAYERS)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("layer", "shape"), CASES, ids=str)
def test_a_layer_computes_what_its_docstring_says(layer: Layer, shape: Shape, dtype: torch.dtype) -> None:
    network = ready(layer, shape, dtype)
    x = noise(shape, dtype=dtype) * 4  # reaches ReLU6's upper end
    expected = ORACLES[type(layer)](layer, x.double().numpy(), arrays(network, "0."))
    assert expected.shape == (2, *layer.output(shape))
    with torch.no_grad():
        got = network(x)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got.double().numpy(), expected, rtol=tolerance, atol=tolerance * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=str)
def test_a_layer_holds_the_weights_and_biases_that_anatomy_counts(layer: Layer, shape: Shape) -> None:
    network, (row,) = build(layer, shape), anatomy(layer, shape).rows
    kept = {name: parameter.numel() for name, parameter in network.named_parameters()}
    assert kept == {name: numel for name, numel in (("0.weight", row.weights), ("0.bias", row.biases)) if numel}
    assert set(network.state_dict()) == expected_paths(layer, shape)


@st.composite
def windowed(draw: st.DrawFn) -> tuple[Layer, Shape]:
    """A layer with a window of any size, stride, padding and rounding, and maps that it fits."""
    kind = draw(st.sampled_from((Conv, Depthwise, ConnectedConv, Local, MaxPool, AvgPool, L2Pool)))
    is_pool = kind in (MaxPool, AvgPool, L2Pool)
    size = draw(st.tuples(*[st.integers(1, 4)] * 2))
    stride = draw(st.tuples(*[st.integers(1, 4)] * 2))
    pad = tuple(draw(st.tuples(*[st.integers(0, side // 2 if is_pool else 3)] * 2)) for side in size)
    fit = draw(st.sampled_from(("floor", "ceil") if is_pool else ("floor",)))
    if fit == "ceil":  # pads both ends alike
        pad = tuple((before, before) for before, _ in pad)
    said: dict[str, Any] = {"size": size, "stride": stride, "pad": pad, "fit": fit}
    if kind is Conv:
        said |= {"maps": 2, "dilation": draw(st.tuples(*[st.integers(1, 2)] * 2)), "groups": draw(st.integers(1, 2))}
    elif kind is Local:
        said |= {"maps": 2}
    elif kind is ConnectedConv:
        said |= {"inputs": ((1,), (0, 1))}
    elif kind is AvgPool:
        said |= {"count_pad": draw(st.booleans())}
    return kind(**said), (2, *draw(st.tuples(*[st.integers(7, 10)] * 2)))


@settings(max_examples=300, deadline=None)
@given(windowed())
def test_a_window_of_any_kind_reads_what_its_numbers_say(case: tuple[Layer, Shape]) -> None:
    layer, shape = case
    network, x = ready(layer, shape), noise(shape)
    expected = ORACLES[type(layer)](layer, x.numpy(), arrays(network, "0."))
    assert expected.shape == (2, *layer.output(shape))
    np.testing.assert_allclose(network(x).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layer", [L2Pool(2), L2Pool(3, 2, pad=1, fit="ceil"), L2Pool(3, 2, pad=((1, 0), (0, 1)))], ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_l2_pooling_a_window_of_zeros_gives_nothing_and_a_finite_gradient(layer: L2Pool, dtype: torch.dtype) -> None:
    x = torch.zeros(1, 2, 6, 6, dtype=dtype)
    x[:, 1] = 1.0
    x.requires_grad_()
    y = build(layer, (2, 6, 6)).to(dtype)(x)
    y.sum().backward()
    assert y[:, 0].abs().max() < 1e-15
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad[:, 0] == 0).all()
    assert (x.grad[:, 1] > 0).any()


def test_a_convolution_with_table_1_is_a_dense_one_with_the_other_kernels_at_zero() -> None:
    layer = ConnectedConv(TABLE_I, 5)
    network = ready(layer, (6, 9, 9))
    dense = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    dense[[m for m, row in enumerate(TABLE_I) for _ in row], [c for row in TABLE_I for c in row]] = network[0].weight.detach()
    x = noise((6, 9, 9))
    torch.testing.assert_close(network(x), nn.functional.conv2d(x, dense, network[0].bias))
    assert network[0].weight.shape == (60, 5, 5)


def test_the_scaled_tanh_passes_through_plus_and_minus_one() -> None:
    y = build(ScaledTanh(), (2,))(torch.tensor([[1.0, -1.0]]))
    torch.testing.assert_close(y, torch.tensor([[1.0, -1.0]]), rtol=0, atol=1e-4)


def test_response_norm_multiplies_alpha_by_the_sum_of_squares_and_not_by_their_mean() -> None:
    network = build(LRN(n=5, k=2.0, alpha=1e-4, beta=0.75), (5, 1, 1))
    y = network(torch.full((1, 5, 1, 1), 100.0))[0, :, 0, 0]
    neighbours = torch.tensor([3.0, 4.0, 5.0, 4.0, 3.0])  # at the borders there are fewer
    torch.testing.assert_close(y, 100 / (2 + 1e-4 * neighbours * 100**2) ** 0.75)


@pytest.mark.parametrize("shape", [(3, 4, 5), (6,)], ids=str)
def test_batch_norm_in_training_normalises_by_the_batch_and_remembers_it(shape: Shape) -> None:
    layer = BatchNorm(eps=0.01, momentum=0.3)
    network, x = ready(layer, shape).train(), noise(shape, batch=4) * 3 + 1
    before = arrays(network, "0.")
    before = {name: value.copy() for name, value in before.items()}
    got = network(x).detach().numpy()
    axes = (0, 2, 3)[: len(shape)] if len(shape) == 3 else (0,)
    mean, variance, seen = x.numpy().mean(axes), x.numpy().var(axes), x.numel() // shape[0]
    np.testing.assert_allclose(got, normalised(layer, x.numpy(), before, mean, variance), rtol=1e-9, atol=1e-9)
    after = arrays(network, "0.")
    unbiased = variance * seen / (seen - 1)  # Ioffe, Szegedy 2015, algorithm 2
    np.testing.assert_allclose(after["running_mean"], 0.7 * before["running_mean"] + 0.3 * mean)
    np.testing.assert_allclose(after["running_var"], 0.7 * before["running_var"] + 0.3 * unbiased)


def test_a_fully_connected_layer_reads_maps_in_chw_order_whatever_their_layout_in_memory() -> None:
    network, x = ready(FC(5), (3, 4, 6)), noise((3, 4, 6))
    laid = x.to(memory_format=torch.channels_last)
    assert not laid.is_contiguous()
    expected = ORACLES[FC](FC(5), x.numpy(), arrays(network, "0."))
    for given_, through in ((x, network), (laid, network), (laid, ready(Flatten() >> FC(5), (3, 4, 6)))):
        if through is not network:
            through.load_state_dict({name.replace("0.", "1."): value for name, value in network.state_dict().items()})
        np.testing.assert_allclose(through(given_).detach().numpy(), expected)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9])
def test_dropout_drops_its_rate_scales_the_rest_and_rests_in_evaluation(rate: float) -> None:
    network, x = build(Dropout(rate), (50_000,)), noise((50_000,)) + 10
    with torch.random.fork_rng():
        torch.manual_seed(0)
        y = network.train()(x)
    dropped = y == 0
    assert abs(dropped.double().mean().item() - rate) <= 4 * math.sqrt(rate * (1 - rate) / x.numel())
    torch.testing.assert_close(y[~dropped], x[~dropped] / (1 - rate))
    assert torch.equal(network.eval()(x), x)


# --- joints -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [ReLU(), ReLU() >> Scale(2.0), Conv(3, 3, pad=1), Identity()], ids=str)
def test_a_sum_with_the_identity_first_leaves_its_input_as_it_was(body: Expression) -> None:
    x = noise((3, 5, 5))
    kept = x.clone()
    network = ready(Sum(Identity(), body), (3, 5, 5))
    y = network(x)
    assert torch.equal(x, kept)
    assert y is not x
    torch.testing.assert_close(y, kept + network[0][1](kept))


def test_a_sum_adds_what_all_its_branches_give() -> None:
    network, x = ready(Scale(1.0) + Scale(10.0) + ReLU(), (3, 2, 2)), noise((3, 2, 2))
    torch.testing.assert_close(network(x), 11 * x + x.clamp_min(0))


def test_a_concat_stacks_its_branches_in_the_order_in_which_they_are_written() -> None:
    net = Conv(2, 1) >> Scale(3.0) | Identity() | MaxPool(3, 1, pad=1) | Scale(-1.0)
    network, x = ready(net, (3, 4, 5)), noise((3, 4, 5))
    y = network(x)
    assert y.shape == (2, 2 + 3 + 3 + 3, 4, 5) == (2, *net.output((3, 4, 5)))
    first, pooled = network[0][0](x), network[0][2](x)
    for maps, expected in zip(y.split([2, 3, 3, 3], 1), (first, x, pooled, -x), strict=True):
        torch.testing.assert_close(maps, expected)


def test_a_concat_of_vectors_is_one_vector() -> None:
    network, x = ready(GlobalAvgPool() | Flatten() | FC(2), (3, 2, 2)), noise((3, 2, 2))
    assert network(x).shape == (2, 3 + 12 + 2)


def test_equal_parts_of_a_network_have_weights_of_their_own() -> None:
    network = build(Conv(3, 3, pad=1) * 3, (3, 5, 5))
    first, second, third = (network.get_parameter(f"{position}.weight") for position in range(3))
    assert len({first.data_ptr(), second.data_ptr(), third.data_ptr()}) == 3
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


HEADED = Chain(
    stem=Conv(4, 3) >> ReLU(),
    early=Head(GlobalAvgPool() >> FC(3), 0.3),
    body=Conv(5, 3) >> ReLU(),
    late=Head(Conv(2, 1) >> Flatten() >> FC(3), 0.5),
    end=GlobalAvgPool() >> FC(3),
)


def test_heads_give_their_scores_behind_the_networks_own_in_training_alone() -> None:
    network, x = ready(HEADED, (2, 8, 8)), noise((2, 8, 8))
    scores = network(x)
    assert isinstance(scores, Tensor)
    assert scores.shape == (2, 3)
    trained = network.train()(x)
    assert isinstance(trained, tuple)
    own, early, late = trained
    stem = network.stem(x)
    torch.testing.assert_close(own, scores)
    torch.testing.assert_close(early, stem.mean((2, 3)) @ network.early[0][1].weight.T + network.early[0][1].bias)
    torch.testing.assert_close(late, network.late[0](network.body(stem)))
    assert [network.early.weight, network.late.weight] == [0.3, 0.5]
    torch.testing.assert_close(network(x)[0], network.eval()(x))


def test_a_network_without_heads_gives_scores_alone_in_training_too() -> None:
    network = build(Conv(2, 3) >> FC(2), (1, 5, 5)).train()
    assert isinstance(network(noise((1, 5, 5), dtype=torch.float32)), Tensor)


def test_the_state_dict_of_a_network_with_heads_has_the_heads_paths_too() -> None:
    names = set(build(HEADED, (2, 8, 8)).state_dict())
    assert names == expected_paths(HEADED, (2, 8, 8))
    assert names - expected_paths(HEADED, (2, 8, 8), heads=False) == {
        f"{path}.{name}" for path in ("early.0.1", "late.0.0", "late.0.2") for name in ("weight", "bias")
    }


def test_a_heads_loss_trains_the_head_and_what_lies_before_it_and_nothing_behind() -> None:
    network = ready(HEADED, (2, 8, 8)).train()
    _, early, late = network(noise((2, 8, 8)))

    def reached(loss: Tensor) -> set[str]:
        gradients = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=True)
        return {
            name.split(".")[0]
            for (name, _), gradient in zip(network.named_parameters(), gradients)
            if gradient is not None and gradient.any()
        }

    assert reached(early.square().sum()) == {"stem", "early"}
    assert reached(late.square().sum()) == {"stem", "body", "late"}


def test_a_slice_keeps_the_heads_that_it_holds() -> None:
    network, x = ready(HEADED, (2, 8, 8)).train(), noise((2, 8, 8))
    cut, early = network[:3](x)
    torch.testing.assert_close(cut, network.body(network.stem(x)))
    torch.testing.assert_close(early, network(x)[1])
    assert isinstance(network[:1](x), Tensor)


@pytest.mark.parametrize(
    ("net", "shape", "path"),
    [
        (Chain(a=Conv(2, 3), b=Conv(2, 5)), (1, 6, 6), ("b",)),
        (Chain(a=ReLU() >> Conv(2, 3, stride=2)), (1, 6, 6), ("a", "1")),
        (Conv(4, 3, groups=2), (3, 6, 6), ("0",)),
        (Conv(2, 3) + Identity(), (2, 6, 6), ("0",)),
        (MaxPool(2) | Identity(), (2, 6, 6), ("0",)),
        (Chain(a=Identity() + (FC(2) >> Conv(2, 1))), (2, 6, 6), ("a", "1", "1")),
        (RBF(CODES), (5,), ("0",)),
        (ConnectedConv(TABLE_I, 3), (5, 6, 6), ("0",)),
        (PadMaps(2), (3, 6, 6), ("0",)),
        (Chain(a=Chain(Head(FC(2), 0.3), ReLU())), (2, 6, 6), ()),
        (Chain(a=Head(Conv(2, 9), 0.3), b=FC(2)), (2, 6, 6), ("a", "0", "")),
        (Identity(), (2, 6), ()),
        (Identity(), (0, 6, 6), ()),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_its_place(net: Expression, shape: Shape, path: tuple[str, ...]) -> None:
    with pytest.raises(ShapeError) as refused:
        build(net, shape)
    assert refused.value.path[: len(path)] == tuple(name for name in path if name)


# --- fresh weights ----------------------------------------------------------------------------------------------------

LARGE: tuple[tuple[Layer, Shape, int, int], ...] = (  # layer, what enters, fan-in, fan-out
    (Conv(64, 3), (32, 5, 5), 32 * 9, 64 * 9),
    (Conv(96, (1, 5)), (32, 5, 5), 32 * 5, 96 * 5),
    (Conv(128, 3, groups=4), (64, 5, 5), 16 * 9, 32 * 9),
    (Depthwise(5, multiplier=4), (256, 5, 5), 25, 4 * 25),
    (FC(200), (4, 10, 10), 400, 200),
    (Local(16, 3), (8, 7, 7), 8 * 9, 16 * 9),
    (ConnectedConv(tuple(tuple(range(40)) for _ in range(60)), 3), (40, 5, 5), 40 * 9, 60 * 9),
    (Subsample(2), (20_000, 2, 2), 4, 1),
)


def flat(layer: Layer, shape: Shape, how: str) -> Tensor:
    return build(layer, shape, how, seed=2).get_parameter("0.weight").detach().double().flatten()


@pytest.mark.parametrize(("layer", "shape", "fan_in", "fan_out"), LARGE, ids=str)
def test_he_draws_normal_weights_of_variance_2_over_fan_in(layer: Layer, shape: Shape, fan_in: int, fan_out: int) -> None:
    weights = flat(layer, shape, "he") / math.sqrt(2 / fan_in)
    assert abs(weights.mean()) < 5 / math.sqrt(len(weights))
    assert weights.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / len(weights)))
    assert (weights.abs() > 2).double().mean().item() == pytest.approx(0.0455, abs=0.01)  # a normal's tails


@pytest.mark.parametrize("how", ["glorot", "lecun_1998"])
@pytest.mark.parametrize(("layer", "shape", "fan_in", "fan_out"), LARGE, ids=str)
def test_glorot_and_lecun_draw_evenly_between_their_bounds(layer: Layer, shape: Shape, fan_in: int, fan_out: int, how: str) -> None:
    bound = math.sqrt(6 / (fan_in + fan_out)) if how == "glorot" else 2.4 / fan_in
    weights = flat(layer, shape, how) / bound
    assert 0.995 < weights.abs().max() <= 1 + 1e-6
    assert weights.mean().abs() < 5 * math.sqrt(1 / 3 / len(weights))
    quarters = torch.histc(weights, 4, -1, 1) / len(weights)
    assert quarters.sub(0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / len(weights))


def test_the_fan_in_of_a_connected_convolution_is_that_of_each_map() -> None:
    reads = (range(4), range(40), range(80, 400))
    layer = ConnectedConv(tuple(map(tuple, reads)), 5)
    for how, spread in (("lecun_1998", lambda fan_in: 2.4 / fan_in / math.sqrt(3)), ("he", lambda fan_in: math.sqrt(2 / fan_in))):
        weights = build(layer, (400, 5, 5), how).get_parameter("0.weight").detach()
        for map_weights, row in zip(weights.split([len(row) for row in reads]), reads):
            fan_in = 25 * len(row)
            assert map_weights.std().item() == pytest.approx(spread(fan_in), rel=5 * math.sqrt(1 / 2 / fan_in))


@pytest.mark.parametrize("how", INITIALISATIONS)
def test_biases_start_at_zero_and_norms_at_one_and_zero(how: str) -> None:
    net = Conv(3, 3) >> BatchNorm() >> Local(2, 1) >> Subsample(2) >> ConnectedConv(((0,), (1,)), 1) >> FC(2)
    network = build(net, (2, 6, 6), how, seed=9)
    biases = {name: value for name, value in network.named_parameters() if name.endswith("bias")}
    assert len(biases) == 6
    assert not any(value.any() for value in biases.values())
    assert (network.get_parameter("1.weight") == 1).all()
    assert all(network.get_parameter(f"{position}.weight").all() for position in (0, 2, 3, 4, 5))


def test_an_unknown_initialisation_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(HubelError, match=r"'glorott'.*Did you mean 'glorot'.*glorot, he, krizhevsky_2012, lecun_1998, simonyan_2014"):
        build(FC(2), (3,), "glorott")


# --- LeNet-5 ----------------------------------------------------------------------------------------------------------

FIGURE_3 = """
    3e 00 1c 36 63 63 63 63 36 1c 00 00
    0c 1c 3c 0c 0c 0c 0c 0c 0c 3f 00 00
    3e 00 3e 63 43 06 1c 30 60 7f 00 00
    7f 03 06 0c 1e 03 03 03 63 3e 00 00
    3e 00 00 33 33 73 63 63 67 3f 03 03
    3e 00 7f 60 60 3c 1e 03 63 3e 00 00
    1e 30 60 60 7e 73 63 63 73 3e 00 00
    7f 03 03 06 0c 0c 18 18 18 18 00 00
    3e 63 63 63 3e 63 63 63 63 3e 00 00
    3e 67 63 63 67 3f 03 03 06 3c 00 00
"""
"""The bitmaps of the digits 0 to 9, seven pixels a row as a number: 3e is .#####. there."""


def test_the_codes_of_lenet5_are_the_bitmaps_of_figure_3() -> None:
    drawn = [[f"{int(row, 16):07b}" for row in line.split()] for line in FIGURE_3.strip().split("\n")]
    assert list(BITMAPS) == ["".join(rows).replace("0", ".").replace("1", "#") for rows in drawn]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_lenet5_computes_what_section_2b_of_the_paper_says(dtype: torch.dtype) -> None:
    network = ready(NETS["lenet5"].net(), (1, 32, 32))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.div_(parameter[0].numel() ** 0.5)  # keeps the squashing away from its flat ends
    network = network.to(dtype)
    pictures = noise((1, 32, 32), batch=3, dtype=dtype)
    weights = [parameter.detach().double().numpy() for parameter in network.parameters()]
    bitmaps = np.array([[1.0 if mark == "#" else -1.0 for mark in bitmap] for bitmap in BITMAPS])
    distances = lenet5(pictures.double().numpy(), weights, bitmaps)
    assert distances.shape == (3, 10)
    np.testing.assert_allclose(-network(pictures).detach().double().numpy(), distances, rtol=TOLERANCE[dtype])


# --- random networks --------------------------------------------------------------------------------------------------

POINTWISE = (ReLU(), ReLU6(), Tanh(), Sigmoid(), ScaledTanh(), Softmax(), LRN(3), BatchNorm(), Dropout(), Identity(), Scale(0.5))


@st.composite
def same_size(draw: st.DrawFn, maps: int, stride: int, depth: int) -> Expression:
    """A part that gives `maps` maps, and a height and width that depend on what enters and on `stride` alone."""
    size = draw(st.sampled_from((1, 3, 5)))
    first: Expression = Conv(maps, size, stride, pad=size // 2, bias=draw(st.booleans()), fit="floor")
    kind = draw(st.integers(0, 4 if depth else 2))
    if kind == 1:
        return draw(st.sampled_from((MaxPool, AvgPool, L2Pool)))(3, stride, pad=1, fit="floor") >> Conv(maps, 1)
    if kind == 2:
        return first >> draw(st.sampled_from(POINTWISE)) >> Depthwise(3, pad=1)
    if kind == 3:
        branches = [draw(same_size(maps, stride, depth - 1)) for _ in range(draw(st.integers(1, 2)))]
        return Sum(first, *branches)
    if kind == 4 and maps > 1:
        share = draw(st.integers(1, maps - 1))
        return Concat(draw(same_size(share, stride, depth - 1)), draw(same_size(maps - share, stride, depth - 1)))
    return first


@st.composite
def networks(draw: st.DrawFn) -> tuple[Expression, Shape]:
    """A small network with branches, and what enters it."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(8, 13)), draw(st.integers(8, 13)))
    stages: list[Expression] = []
    for _ in range(draw(st.integers(1, 4))):
        stages.append(draw(same_size(draw(st.integers(1, 4)), draw(st.integers(1, 2)), 2)))
        stages += draw(st.lists(st.sampled_from(POINTWISE), max_size=2))
        if min(Chain(*stages).output(shape)[1:]) > 1 and draw(st.booleans()):
            stages.append(draw(st.sampled_from((MaxPool, AvgPool)))(2, fit="ceil"))
    if draw(st.booleans()):
        stages += [draw(st.sampled_from((Flatten(), GlobalAvgPool(), Identity()))), FC(draw(st.integers(1, 5)))]
    if draw(st.booleans()):
        return Chain(**{f"stage{i}": stage for i, stage in enumerate(stages)}), shape
    return Chain(*stages), shape


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_any_network_gives_the_shapes_paths_and_parameters_that_anatomy_says(case: tuple[Expression, Shape]) -> None:
    net, shape = case
    network, sized = build(net, shape).eval(), anatomy(net, shape)
    given_shapes = {}
    for row in sized.rows:
        module = network.get_submodule(row.path)
        module.register_forward_hook(
            lambda module, entered, left, path=row.path: given_shapes.update({path: (entered[0].shape, left.shape)})
        )
    with torch.no_grad():
        y = network(noise(shape, dtype=torch.float32))
    assert y.shape == (2, *sized.output)
    assert given_shapes == {row.path: ((2, *row.input), (2, *row.output)) for row in sized.rows}
    assert set(network.state_dict()) == expected_paths(net, shape)
    assert count(network) == sized.parameters
