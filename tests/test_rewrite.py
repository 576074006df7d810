"""Rewritten networks compute what they should, are networks like any other, and every weight arrives where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from casebook import every_network
from expressions import expressions, fitting_networks
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum, chained
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
    Scale,
    Sigmoid,
    Softmax,
    Subsample,
)
from hubel.nets import NETS
from hubel.nets.paper import Variant
from hubel.reading import read
from hubel.rewrite import Rewritten, convolutional, fitted, folded, grouped, headless, plain, stack_3x3, with_head
from hubel.rewrite.sites import LEARNING, put_together, taken_apart
from peers import randomised

CODES = ("#..#", ".##.", "####")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and beside another busy process they lose much by waiting for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noise(shape: Shape, batch: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def ready(net: Expression, shape: Shape, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Built, every weight and statistic at random, in evaluation."""
    return randomised(build(net, shape, initialisation=None)).to(dtype).eval()


def remade(rewritten: Rewritten, old: nn.Module, shape: Shape) -> nn.Module:
    """The new network for pictures of `shape`, with the weights of the old one, all of them and no others."""
    weights = old.state_dict()
    new = build(rewritten.net, shape, initialisation=None).to(next(iter(weights.values())).dtype).eval()
    new.load_state_dict(rewritten.carried(weights), strict=True)
    return new


@torch.no_grad()
def agree(new: nn.Module, old: nn.Module, x: Tensor) -> None:
    """Both give the same for x, relative to the largest."""
    equal(new(x), old(x))


def equal(got: Tensor, expected: Tensor) -> None:
    assert got.shape == expected.shape
    assert expected.abs().max() > 0, "zeros would prove nothing"
    tolerance = 1e-9 if expected.dtype == torch.float64 else 1e-5
    assert (got - expected).abs().max() <= tolerance * expected.abs().max()


def layers(part: Expression) -> Iterator[Layer]:
    """Every layer, repeats included."""
    if isinstance(part, Layer):
        yield part
    for _, inside in part.children():
        yield from layers(inside)


def shapes(weights: dict[str, Any]) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in weights.items()}


# --- apart, and together again ----------------------------------------------------------------------------------------


def assert_the_same_again(net: Expression) -> None:
    again = put_together(taken_apart(net))
    assert again.net == chained(net)
    assert repr(again.net) == repr(chained(net))
    assert all(site.sources == (path,) for path, site in again.moves)
    assert [site.layer for _, site in again.moves] == list(layers(net))
    weights = {f"{path}.weight": object() for path, _ in again.moves}
    assert again.carried(weights) == weights


@pytest.mark.parametrize("row", NETS.values(), ids=NETS)
def test_a_network_of_the_casebook_taken_apart_and_put_together_is_itself(row: Variant) -> None:
    assert_the_same_again(row.net())


@settings(deadline=None)
@given(expressions())
def test_any_network_taken_apart_and_put_together_is_itself(net: Expression) -> None:
    assert_the_same_again(net)


def test_a_joint_that_comes_to_stand_in_one_of_its_kind_is_not_spliced() -> None:
    inner = Conv(2, 1) | Conv(3, 1)
    new = plain((inner + Conv(5, 1)) | Conv(4, 1))
    assert new.net == Chain(Concat(Chain(inner), Conv(4, 1)))
    assert [path for path, _ in new.moves] == ["0.0.0.0", "0.0.0.1", "0.1"]


EVERY_LAYER: tuple[tuple[Layer, Shape], ...] = (
    *((layer, (2, 4, 4)) for layer in (Conv(2, 1), Depthwise(1), ConnectedConv(((0,), (1,)), 1), Local(2, 1), Subsample(2), FC(2))),
    *((layer, (2, 4, 4)) for layer in (MaxPool(2), AvgPool(2), L2Pool(2), AdaptiveAvgPool(2), GlobalAvgPool(), PadMaps(3), Flatten())),
    *((layer, (2, 4, 4)) for layer in (BatchNorm(), LRN(), Dropout(), Scale(2.0), Softmax(), Identity())),
    (RBF(CODES), (4,)),
)


def test_the_layers_that_learn_are_those_with_weights() -> None:
    plain_ones = set(LAYERS) - {type(layer) for layer, _ in EVERY_LAYER}
    assert {kind.__name__ for kind in plain_ones} == {"ReLU", "ReLU6", "Tanh", "Sigmoid", "ScaledTanh"}
    for layer, shape in EVERY_LAYER:
        assert bool(build(layer, shape).state_dict()) == isinstance(layer, LEARNING), layer


# --- any network ------------------------------------------------------------------------------------------------------

few = st.integers(1, 4)
ENDS = (
    (Flatten(), FC(6), BatchNorm(), ReLU(), Dropout(), FC(3)),
    (Conv(3, 1), ReLU(), GlobalAvgPool()),
    (Conv(4, 1, bias=False), BatchNorm(), Dropout(), GlobalAvgPool(), Softmax()),
    (Dropout(), Conv(4, 1), AdaptiveAvgPool(1), Flatten()),
    (BatchNorm(), ReLU(), GlobalAvgPool(), FC(3)),
    (AdaptiveAvgPool((1, 2)), Dropout(), Flatten(), FC(4, bias=False), Softmax()),
    (Conv(4, 5, pad=2) >> ReLU() | Depthwise(3, pad=1), GlobalAvgPool(), Chain(FC(4)), Chain(BatchNorm(), ReLU()), FC(2)),
    (Flatten() >> FC(3) | GlobalAvgPool(), FC(4)),
    (Flatten() | Identity() >> Flatten(), BatchNorm(), FC(4)),
    (Flatten(), BatchNorm(), FC(4)),
    (FC(5) >> ReLU() >> FC(4), Sum(FC(4) >> ReLU() >> FC(4), Identity()), FC(2)),
    (GlobalAvgPool(), FC(4), RBF(CODES)),
    (FC(2) | FC(3),),
    (Flatten(),),
    (GlobalAvgPool(),),
    (),
)
"""What may stand behind maps: classifiers of every make, and none."""


@st.composite
def networks(draw: Any) -> tuple[Chain, Shape]:
    """A network that fits, with branches, any of the ends, and perhaps heads of training, beside its input's shape."""
    body, shape = draw(fitting_networks(tail=False))
    assume(body.layers < 30)
    parts = [*body.parts, *draw(st.sampled_from(ENDS))]
    for _ in range(draw(st.integers(0, 2))):
        scores = draw(st.sampled_from([FC(3), GlobalAvgPool() >> Dropout() >> FC(3), Conv(2, 1) >> BatchNorm() >> ReLU() >> FC(3)]))
        parts.insert(draw(st.integers(0, len(body.parts))), Head(scores, 0.3))
    named = {f"stage{number}": part for number, part in enumerate(parts)}
    return draw(st.sampled_from([Chain(*parts), Chain(**named)])), shape


REWRITINGS: dict[str, Callable[[Expression, Shape], Rewritten]] = {
    "plain": lambda net, shape: plain(net),
    "folded": lambda net, shape: folded(net),
    "convolutional": convolutional,
    "headless": lambda net, shape: headless(net),
    "with_head": lambda net, shape: with_head(net, 7),
    "stack_3x3": lambda net, shape: stack_3x3(net, 3),
    "grouped in 2": lambda net, shape: grouped(net, shape, 2),
    "grouped in 1": lambda net, shape: grouped(net, shape, 1),
}
EQUAL = ("folded", "convolutional", "grouped in 1")
FRESH = ("with_head", "stack_3x3")


def assert_a_sentence(error: HubelError) -> None:
    said = str(error)
    assert len(said.split()) > 6
    assert said.endswith(".")
    assert len(said) < 400


@pytest.mark.parametrize("how", REWRITINGS)
@settings(deadline=None, max_examples=40)
@given(drawn=networks())
def test_every_rewriting_gives_a_network_like_any_other_with_its_weights_or_says_why_not(how: str, drawn: tuple[Chain, Shape]) -> None:
    net, shape = drawn
    try:
        rewritten = REWRITINGS[how](net, shape)
    except HubelError as error:
        assert_a_sentence(error)
        return
    assert read(repr(rewritten.net)) == rewritten.net
    sized = anatomy(rewritten.net, shape)
    old = ready(net, shape)
    weights = old.state_dict()
    arrays = {name: value.numpy().copy() for name, value in weights.items()}
    carried, as_arrays = rewritten.carried(weights), rewritten.carried(arrays)
    assert list(carried) == list(as_arrays)
    for name, value in carried.items():
        assert isinstance(as_arrays[name], (np.ndarray, np.generic))
        np.testing.assert_allclose(value.numpy(), as_arrays[name], rtol=1e-12, atol=1e-15)
    assert all(torch.equal(value, torch.from_numpy(arrays[name])) for name, value in weights.items()), "the old weights were written to"

    new = build(rewritten.net, shape).double().eval()
    missing, unexpected = new.load_state_dict(carried, strict=False)
    assert unexpected == []
    assert missing == [] or how in FRESH
    assert {path for path, _ in rewritten.moves}.isdisjoint(name.rpartition(".")[0] for name in missing)
    if how == "with_head":
        assert all(value is weights[name] for name, value in carried.items())
        assert sized.output == (7,) or Flatten() in net.parts
    if how in EQUAL:
        assert sized.output == anatomy(net, shape).output
        with torch.no_grad():
            expected, got = old(noise(shape)), new(noise(shape))
        assert (got - expected).abs().max() <= 1e-9 * max(1.0, expected.abs().max().item())


# --- batch norm folded away -------------------------------------------------------------------------------------------

NORM = BatchNorm(1e-3)

FOLDED: tuple[tuple[Expression, Shape, int], ...] = (  # network, input, norms that stay
    (Conv(4, 3) >> NORM >> ReLU(), (3, 6, 6), 0),
    (Conv(4, 3, bias=False) >> NORM, (3, 6, 6), 0),
    (Conv(6, 3, stride=2, pad=((1, 0), (0, 1)), groups=3, dilation=2, fit="floor") >> NORM, (3, 9, 8), 0),
    (Depthwise(3, multiplier=2) >> NORM >> Depthwise((1, 3), bias=False) >> NORM, (3, 6, 6), 0),
    (FC(5) >> NORM >> ReLU() >> FC(3, bias=False) >> NORM, (4,), 0),
    (FC(5) >> NORM, (2, 3, 3), 0),
    (Chain(Conv(4, 3), Chain(NORM, ReLU()), FC(2)), (3, 6, 6), 0),
    (Chain(Chain(Chain(Conv(4, 3))), Chain(Chain(NORM), ReLU())), (3, 6, 6), 0),
    (Chain(one=Conv(4, 3), norm=NORM, two=Conv(4, 3) >> ReLU()), (3, 6, 6), 0),
    (Conv(4, 3) >> Identity() >> NORM, (3, 6, 6), 0),
    (Conv(4, 3) >> Dropout() >> NORM, (3, 6, 6), 0),
    ((Conv(4, 3, pad=1) >> NORM >> ReLU()) * 3, (3, 6, 6), 0),
    (Sum(Conv(4, 3, pad=1) >> NORM >> ReLU() >> Conv(4, 3, pad=1) >> NORM, Conv(4, 1) >> NORM) >> ReLU(), (3, 6, 6), 0),
    (Chain(Conv(4, 3), Sum(Conv(4, 1) >> NORM, Identity()), NORM), (3, 6, 6), 1),
    (Conv(4, 3) >> NORM >> NORM, (3, 6, 6), 1),
    (Conv(4, 3) + Conv(4, 3) >> NORM, (3, 6, 6), 1),
    (Chain(Conv(4, 3) | Conv(2, 3), NORM), (3, 6, 6), 1),
    (Conv(4, 3) >> MaxPool(2) >> NORM, (3, 6, 6), 1),
    (Conv(4, 3) >> AvgPool(3, 1, pad=1) >> NORM, (3, 6, 6), 1),
    (Conv(4, 3) >> ReLU() >> NORM, (3, 6, 6), 1),
    (Conv(4, 3) >> Flatten() >> NORM, (3, 6, 6), 1),
    (Chain(Conv(4, 3), Head(Conv(2, 1) >> NORM >> GlobalAvgPool(), 0.3), NORM), (3, 6, 6), 1),
    (Chain(Conv(4, 3), Sum(NORM >> ReLU() >> Conv(4, 1), Identity())), (3, 6, 6), 1),
    (Chain(Conv(4, 3), Concat(Identity(), NORM >> ReLU() >> Conv(4, 1) >> NORM)), (3, 6, 6), 1),
    (NORM >> Conv(4, 3), (3, 6, 6), 1),
    (ConnectedConv(((0,), (1, 2)), 3) >> NORM >> Subsample(2) >> NORM >> Local(2, 1) >> NORM, (3, 6, 6), 3),
)


@pytest.mark.parametrize(("net", "shape", "staying"), FOLDED, ids=[repr(net) for net, *_ in FOLDED])
def test_a_norm_is_folded_into_what_multiplies_right_before_it_and_into_nothing_else(net: Expression, shape: Shape, staying: int) -> None:
    rewritten = folded(net)
    assert sum(isinstance(layer, BatchNorm) for layer in layers(rewritten.net)) == staying
    old = ready(net, shape)
    agree(remade(rewritten, old, shape), old, noise(shape))


def test_folding_is_exact_enough_in_single_precision() -> None:
    net = Chain(*[Sum(Conv(8, 3, pad=1, bias=False) >> BatchNorm(), Identity()) >> ReLU()] * 6, FC(3))
    old = ready(net, (8, 9, 9), torch.float32)
    agree(remade(folded(net), old, (8, 9, 9)), old, noise((8, 9, 9), dtype=torch.float32))


def test_a_bias_that_should_be_there_and_is_not_is_no_zero() -> None:
    net = Conv(2, 1) >> BatchNorm()
    weights = build(net, (1, 3, 3)).state_dict()
    del weights["0.bias"]
    with pytest.raises(HubelError, match=r"The weights of 0 and 1 are not those of the old network \('bias'\)"):
        folded(net).carried(weights)


# --- fully convolutional ----------------------------------------------------------------------------------------------

VALID = Conv(4, 3) >> ReLU() >> MaxPool(2) >> Conv(5, 3) >> ReLU()

SLID: dict[str, tuple[Expression, Shape, int]] = {  # without padding: network, crop, places of the picture from one to the next
    "fc, fc": (VALID >> Flatten() >> FC(6) >> ReLU() >> Dropout() >> FC(3), (2, 12, 12), 2),
    "higher than wide": (VALID >> FC(3), (2, 12, 8), 2),
    "named": (Chain(conv=VALID, fc=FC(6) >> ReLU(), scores=FC(3)), (2, 12, 12), 2),
    "norm on vectors": (VALID >> FC(6, bias=False) >> BatchNorm() >> ReLU() >> FC(3), (2, 12, 12), 2),
    "probabilities": (VALID >> FC(3) >> Softmax(), (2, 12, 12), 2),
    "a norm over a vector of single places": (VALID >> Conv(4, 3) >> Flatten() >> BatchNorm() >> Softmax() >> FC(3), (2, 12, 12), 2),
    "global pool, fc": (VALID >> GlobalAvgPool() >> FC(3), (2, 12, 12), 2),
    "global pool, then dropout": (VALID >> GlobalAvgPool() >> Dropout(), (2, 12, 12), 2),
    "adaptive pool to one place": (VALID >> AdaptiveAvgPool(1) >> Flatten() >> FC(3), (2, 12, 12), 2),
    "adaptive pool to as many places": (VALID >> AdaptiveAvgPool(3) >> Dropout() >> FC(3), (2, 12, 12), 2),
    "adaptive pool to fewer places": (Conv(3, 3) >> AdaptiveAvgPool(2) >> FC(3), (2, 8, 8), 3),
    "adaptive pool to a row": (Conv(3, 3) >> AdaptiveAvgPool((1, 6)) >> FC(3), (2, 8, 8), 1),
    "flattened in branches": (VALID >> (Flatten() | Conv(2, 1) >> Flatten()) >> FC(3), (2, 12, 12), 2),
    "flattened alone in branches": (VALID >> Sum(Flatten(), Identity() >> Flatten()) >> FC(3), (2, 12, 12), 2),
    "pooled in branches": (VALID >> Concat(GlobalAvgPool(), FC(4) >> ReLU()) >> FC(3), (2, 12, 12), 2),
    "two outputs": (VALID >> (FC(2) | FC(3) >> Sigmoid()), (2, 12, 12), 2),
    "residual on vectors": (VALID >> FC(4) >> Sum(FC(4) >> ReLU() >> FC(4), Identity()) >> FC(2), (2, 12, 12), 2),
    "an fc alone": (FC(3), (2, 5, 4), 1),
    "odd layers": (
        ConnectedConv(((0,), (1,), (0, 1)), 3) >> Subsample(2) >> LRN(3) >> Depthwise(2) >> L2Pool(2, 1) >> PadMaps(5) >> FC(3),
        (2, 10, 10),
        2,
    ),
}
slid = pytest.mark.parametrize("name", SLID)


@slid
def test_the_convolutional_form_gives_the_same_at_its_size(name: str) -> None:
    net, shape, _ = SLID[name]
    old = ready(net, shape)
    rewritten = convolutional(net, shape)
    assert anatomy(rewritten.net, shape).output == anatomy(net, shape).output
    assert anatomy(rewritten.net, shape).parameters == anatomy(net, shape).parameters
    agree(remade(rewritten, old, shape), old, noise(shape))


@slid
@torch.no_grad()
def test_every_place_of_the_map_of_scores_is_the_network_on_that_crop(name: str) -> None:
    net, (maps, height, width), jump = SLID[name]
    larger = (maps, height + 2 * jump, width + 3 * jump)
    x, old = noise(larger), ready(net, (maps, height, width))
    new = remade(convolutional(net, (maps, height, width)), old, larger)
    crops = [[old(x[:, :, i * jump : i * jump + height, j * jump : j * jump + width]) for j in range(4)] for i in range(3)]
    expected = torch.stack([torch.stack(row, -1) for row in crops], -2)
    equal(new[:-1](x), expected)
    equal(new(x), expected.mean((2, 3)))


def test_networks_are_evaluated_densely_as_in_the_lectures_384_for_224_gives_6_by_6() -> None:
    stages = [Conv(maps, 3, pad=1) >> ReLU() >> MaxPool(2) for maps in (2, 2, 2, 2, 2)]
    dense = convolutional(Chain(*stages, FC(8), FC(3)), (3, 224, 224)).net
    rows = anatomy(dense, (3, 384, 384)).rows
    assert [row.output for row in rows][-4:] == [(2, 12, 12), (8, 6, 6), (3, 6, 6), (3,)]
    assert rows[-2].field.down.jump == 32


def test_the_end_of_a_convolutional_form_is_a_stage_named_average() -> None:
    named = Chain(conv=Conv(4, 3), fc=FC(3))
    assert convolutional(named, (1, 5, 5)).net == Chain(conv=Conv(4, 3), fc=Conv(3, 3), average=GlobalAvgPool())
    taken = Chain(average=AvgPool(2), fc=FC(3))
    assert convolutional(taken, (1, 4, 4)).net == Chain(average=AvgPool(2), fc=Conv(3, 2), average_=GlobalAvgPool())
    assert convolutional(Flatten() >> FC(3), (1, 5, 5)).net == Conv(3, 5) >> GlobalAvgPool()
    assert convolutional(AdaptiveAvgPool(5) >> FC(3), (1, 5, 5)).net == Conv(3, 5) >> GlobalAvgPool()


@pytest.mark.parametrize(
    "net",
    [
        Conv(4, 3, pad=1) >> ReLU() >> GlobalAvgPool(),
        Chain(fire=Conv(4, 1) | Conv(4, 3, pad=1), conv10=Dropout() >> Conv(3, 1) >> ReLU(), pool=Chain(GlobalAvgPool())),
        Conv(4, 3, pad=1) >> ReLU(),
        Conv(3, 6) >> GlobalAvgPool(),
    ],
    ids=repr,
)
def test_a_network_that_is_fully_convolutional_stays_as_it_is(net: Expression) -> None:
    assert convolutional(net, (2, 6, 6)).net == net
    once = convolutional(Conv(4, 3) >> FC(3), (2, 6, 6)).net
    assert convolutional(once, (2, 6, 6)).net == once


def test_heads_of_training_are_no_part_of_the_convolutional_form() -> None:
    net = Chain(conv=Conv(4, 3), aux=Head(FC(3), 0.3), fc=FC(3))
    rewritten = convolutional(net, (1, 6, 6))
    assert rewritten.net.names == ("conv", "fc", "average")
    old = ready(net, (1, 6, 6))
    agree(remade(rewritten, old, (1, 9, 9))[:1], old[:1], noise((1, 9, 9)))


TIED: tuple[tuple[Expression, Shape, str], ...] = (
    (FC(3), (8,), "reads vectors of 8 has no places to convolve over; give it maps"),
    (Conv(2, 3) >> Local(2, 3) >> FC(3), (1, 8, 8), r"1: Local\(2, 3\) is tied to one size of picture"),
    (FC(4) >> RBF(CODES), (1, 8, 8), r"1: RBF\(.* is tied to one size of picture"),
    (Conv(2, 3) >> AdaptiveAvgPool(4) >> FC(3), (1, 8, 8), r"1: AdaptiveAvgPool\(4\) is tied"),
    (Conv(2, 3) >> AdaptiveAvgPool(7) >> FC(3), (1, 8, 8), r"1: AdaptiveAvgPool\(7\) is tied"),
    (Conv(2, 3) >> Flatten() >> BatchNorm() >> FC(3), (1, 8, 8), r"2: BatchNorm\(\) is tied"),
    (Conv(2, 3) >> Flatten() >> Softmax(), (1, 8, 8), r"2: Softmax\(\) is tied"),
    (Chain(deep=Conv(2, 3) >> Flatten() >> ReLU()), (1, 8, 8), "ends in the 72 values of 2x6x6 maps"),
    (Conv(2, 3) >> (Flatten() | GlobalAvgPool()) >> FC(3), (1, 8, 8), "A Concat joins vectors that were maps of 2x6x6 and 2x1x1"),
    (Sum(Flatten(), Conv(4, 2, stride=2) >> Flatten()) >> FC(3), (1, 8, 8), "A Sum joins vectors that were maps of 1x8x8 and 4x4x4"),
)


@pytest.mark.parametrize(("net", "shape", "sentence"), TIED, ids=[repr(net) for net, *_ in TIED])
def test_what_is_tied_to_one_size_of_picture_is_refused(net: Expression, shape: Shape, sentence: str) -> None:
    with pytest.raises(HubelError, match=sentence) as caught:
        convolutional(net, shape)
    assert_a_sentence(caught.value)


# --- the base, and another head ---------------------------------------------------------------------------------------

RESIDUAL = Sum(Conv(4, 3, pad=1) >> NORM >> ReLU() >> Conv(4, 3, pad=1) >> NORM, Identity()) >> ReLU()

BASES: tuple[tuple[Expression, Shape, str], ...] = (  # network, input, the first part that goes
    (Chain(conv1=Conv(4, 3) >> ReLU() >> MaxPool(2), fc2=Flatten() >> FC(8) >> ReLU() >> Dropout(), fc3=FC(3)), (2, 6, 6), "fc2"),
    (Conv(4, 3) >> ReLU() >> FC(8) >> ReLU() >> FC(3) >> Softmax(), (2, 6, 6), "2"),
    (Chain(conv=Conv(4, 3), body=Chain(RESIDUAL, RESIDUAL), pool=GlobalAvgPool(), fc=FC(3)), (2, 6, 6), "pool"),
    (Chain(Conv(4, 3), Conv(4, 3) | Identity() >> Conv(2, 3), NORM, ReLU(), GlobalAvgPool(), FC(3)), (2, 7, 7), "4"),
    (Conv(4, 3) >> ReLU() >> Dropout() >> Dropout() >> FC(3), (2, 6, 6), "2"),
    (Conv(4, 3) >> ReLU() >> AdaptiveAvgPool(2) >> Dropout() >> Flatten() >> FC(3), (2, 6, 6), "2"),
    (Conv(4, 3) >> AvgPool(2) >> FC(3), (2, 6, 6), "2"),
    (Chain(conv1=Conv(4, 3), conv2=Dropout() >> Conv(3, 1) >> ReLU(), pool=GlobalAvgPool() >> Softmax()), (2, 6, 6), "conv2"),
    (Conv(4, 3) >> Conv(3, 1) >> ReLU() >> AdaptiveAvgPool(1) >> Flatten(), (2, 6, 6), "1"),
    (Conv(4, 3) >> ReLU() >> Conv(3, 1) >> Softmax(), (2, 6, 6), "2"),
    (Conv(4, 3) >> RESIDUAL >> GlobalAvgPool(), (2, 6, 6), "3"),
    (Conv(4, 3) >> ReLU() >> FC(4) >> RBF(CODES), (2, 6, 6), "2"),
    (Conv(4, 3) >> ReLU() >> (FC(2) | FC(3)), (2, 6, 6), "2"),
    (Conv(4, 3) >> ReLU() >> (Flatten() | Conv(2, 1) >> GlobalAvgPool()) >> FC(3), (2, 6, 6), "2"),
    (Chain(a=Chain(Conv(4, 3), Chain(ReLU(), GlobalAvgPool()), FC(3))), (2, 6, 6), "a.1.1"),
    (Flatten() >> FC(8) >> ReLU() >> FC(3), (2, 6, 6), "3"),
    (FC(8) >> ReLU() >> Dropout() >> FC(3), (9,), "2"),
    (FC(4) >> RBF(CODES), (9,), "1"),
    (MaxPool(2) >> FC(3), (2, 6, 6), "1"),
    (Chain(Conv(2, 3) >> GlobalAvgPool() | Conv(3, 5) >> GlobalAvgPool(), ReLU(), FC(3)), (2, 6, 6), "2"),
)


@pytest.mark.parametrize(("net", "shape", "first"), BASES, ids=[repr(net) for net, *_ in BASES])
@torch.no_grad()
def test_the_base_is_what_the_network_computes_before_its_classifier(net: Expression, shape: Shape, first: str) -> None:
    rewritten, old, entered = headless(net), ready(net, shape), []
    assert [site.sources for _, site in rewritten.moves] == [(path,) for path, _ in rewritten.moves]
    old.get_submodule(first).register_forward_pre_hook(lambda module, x: entered.append(x[0]))
    old(noise(shape))
    new = build(rewritten.net, shape, initialisation=None).double().eval()
    new.load_state_dict(rewritten.carried(old.state_dict()))
    equal(new(noise(shape)), entered[0])


def test_the_base_has_no_heads_of_training() -> None:
    head = Head(Conv(2, 1) >> FC(3), 0.3)
    net = Chain(conv1=Conv(4, 3), aux1=head, conv2=Conv(4, 3), fc=FC(3), aux2=Head(FC(3), 0.3))
    assert headless(net).net == Chain(conv1=Conv(4, 3), conv2=Conv(4, 3))


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (MaxPool(2) >> GlobalAvgPool(), "no layer with weights"),
        (Chain(ReLU(), Head(FC(3), 0.3)), "no layer with weights"),
        (FC(3), "Nothing is left of the network"),
        (Dropout() >> Conv(3, 1) >> GlobalAvgPool(), "Nothing is left of the network"),
        (Conv(2, 3) >> GlobalAvgPool() | Flatten() >> FC(3), "Nothing is left of the network"),
        (Conv(4, 3) >> RESIDUAL, "the network ends in the maps of a Sum"),
        (Chain(Conv(4, 3), Identity() | Conv(4, 1), ReLU()), "the network ends in the maps of a Concat"),
    ],
    ids=repr,
)
def test_a_network_without_base_or_classifier_has_no_headless_form(net: Expression, sentence: str) -> None:
    with pytest.raises(HubelError, match=sentence) as caught:
        headless(net)
    assert_a_sentence(caught.value)


AUXILIARY = Head(GlobalAvgPool() >> FC(6) >> ReLU() >> FC(3), 0.3)

HEADED: tuple[tuple[Expression, Shape, set[str]], ...] = (  # network, input, the layers that start afresh
    (Chain(conv=Conv(4, 3) >> ReLU(), fc6=FC(8) >> ReLU() >> Dropout(), fc7=FC(3)), (2, 6, 6), {"fc7"}),
    (Conv(4, 3) >> ReLU() >> FC(3) >> Softmax(), (2, 6, 6), {"2"}),
    (Conv(4, 3) >> FC(1, bias=False), (2, 6, 6), {"1"}),
    (Conv(4, 3) >> FC(7), (2, 6, 6), {"1"}),
    (Chain(Conv(4, 3) >> NORM, Chain(GlobalAvgPool(), Chain(FC(3)))), (2, 6, 6), {"1.1.0"}),
    (Chain(conv9=Conv(4, 3), conv10=Dropout() >> Conv(3, 1) >> ReLU(), pool=GlobalAvgPool()), (2, 6, 6), {"conv10.1"}),
    (Conv(4, 3) >> Conv(3, 1, bias=False) >> NORM >> ReLU() >> AdaptiveAvgPool(1) >> Flatten(), (2, 6, 6), {"1", "2"}),
    (Conv(4, 3) >> Conv(3, 1) >> Subsample(4) >> Flatten(), (2, 6, 6), {"1", "2"}),
    (Conv(4, 3) >> NORM >> FC(3) >> NORM, (2, 6, 6), {"2", "3"}),
    (Chain(conv=Conv(4, 3), aux=AUXILIARY, more=Conv(4, 3), aux2=AUXILIARY, fc=FC(3)), (2, 6, 6), {"aux.0.3", "aux2.0.3", "fc"}),
    (FC(3), (5,), {"0"}),
)


@pytest.mark.parametrize(("net", "shape", "fresh"), HEADED, ids=[repr(net) for net, *_ in HEADED])
def test_a_new_head_gives_the_classes_asked_and_all_else_keeps_its_weights(net: Expression, shape: Shape, fresh: set[str]) -> None:
    rewritten, weights = with_head(net, 7), ready(net, shape).state_dict()
    carried = rewritten.carried(weights)
    assert set(carried) == {name for name in weights if name.rpartition(".")[0] not in fresh}
    assert all(value is weights[name] for name, value in carried.items())
    new = build(rewritten.net, shape)
    missing, unexpected = new.load_state_dict(carried, strict=False)
    assert {name.rpartition(".")[0] for name in missing} == fresh
    assert unexpected == []
    scores = new.train()(noise(shape, dtype=torch.float32))
    heads = sum(isinstance(part, Head) for _, part in net.children())
    assert [tuple(some.shape) for some in (scores if heads else (scores,))] == [(2, 7)] * (1 + heads)


def test_a_new_head_is_where_the_old_one_was_and_the_text_says_no_more() -> None:
    net = Chain(conv=Conv(4, 3) >> ReLU(), aux=AUXILIARY, fc=Dropout() >> FC(3))
    aux = Head(GlobalAvgPool() >> FC(6) >> ReLU() >> FC(7), 0.3)
    assert with_head(net, 7).net == Chain(conv=Conv(4, 3) >> ReLU(), aux=aux, fc=Dropout() >> FC(7))


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (Conv(4, 3) >> FC(4) >> RBF(CODES), r"come from RBF\(\('#\.\.#'"),
        (Conv(4, 3) >> (FC(2) | FC(3)), "come from a Concat"),
        (Conv(4, 3) >> FC(3) + FC(3), "come from a Sum"),
        (Conv(4, 3) >> Local(3, 4) >> Flatten(), r"come from Local\(3, 4\)"),
        (Conv(4, 3) >> Depthwise(4) >> GlobalAvgPool(), r"come from Depthwise\(4\)"),
        (Conv(4, 3) >> PadMaps(6) >> GlobalAvgPool(), r"come from PadMaps\(6\)"),
        (Conv(4, 3) >> (Identity() | Scale(-1.0)) >> GlobalAvgPool(), "come from a Concat"),
        (Conv(4, 3) >> ReLU() >> MaxPool(2), "gives maps, not scores"),
        (Chain(Conv(4, 3), AUXILIARY), "gives maps, not scores"),
        (MaxPool(2) >> GlobalAvgPool(), r"come from GlobalAvgPool\(\)"),
        (Chain(Conv(4, 3), FC(3), Head(FC(3), 0.3)), "come from a Head"),
        (Chain(Conv(4, 3), Head(Conv(3, 1), 0.3), FC(3)), "gives maps, not scores"),
    ],
    ids=repr,
)
def test_a_head_is_put_only_in_the_place_of_one_layer(net: Expression, sentence: str) -> None:
    with pytest.raises(HubelError, match=sentence) as caught:
        with_head(net, 7)
    assert "headless(net).net" in str(caught.value)
    assert_a_sentence(caught.value)


@pytest.mark.parametrize("classes", [0, -1, 2.0, "7", True])
def test_classes_are_counted(classes: Any) -> None:
    with pytest.raises(HubelError, match="outputs is .*; it must be a positive whole number"):
        with_head(Conv(4, 3) >> FC(3), classes)
    with pytest.raises(HubelError, match="maps is .*; it must be a positive whole number"):
        with_head(Conv(3, 3) >> GlobalAvgPool(), classes)


# --- without shortcuts ------------------------------------------------------------------------------------------------

A, B, C = Conv(4, 3, pad=1), Conv(4, 5, pad=2), Conv(4, 1)
BODY = A >> NORM >> ReLU() >> B

PLAIN: tuple[tuple[Expression, Expression, dict[str, str]], ...] = (  # network, plain one, its layers' paths to the old ones
    (
        Chain(stage=Sum(BODY, Identity()) >> ReLU()),
        Chain(stage=Chain(BODY, ReLU())),
        {"stage.0.0": "stage.0.0.0", "stage.0.3": "stage.0.0.3"},
    ),
    (Chain(Sum(BODY, C)), Chain(BODY), {"0.0": "0.0.0", "0.1": "0.0.1", "0.3": "0.0.3"}),
    (Sum(Identity(), BODY) >> ReLU(), Chain(BODY, ReLU()), {"0.0": "0.1.0", "0.1": "0.1.1", "0.3": "0.1.3"}),
    (Sum(PadMaps(4), A) >> FC(3), A >> FC(3), {"0": "0.1", "1": "1"}),
    (A + B, Chain(A), {"0": "0.0"}),
    (Sum(C >> ReLU(), BODY, BODY), Chain(BODY), {"0.0": "0.1.0", "0.1": "0.1.1", "0.3": "0.1.3"}),
    (Sum(ConnectedConv(((0, 1),) * 4, 1) >> Local(4, 1), C), Chain(ConnectedConv(((0, 1),) * 4, 1) >> Local(4, 1)), {}),
    (Sum(C, Sum(A, B) >> ReLU()), Chain(C), {"0": "0.0"}),
    (Sum(C, (A + B) >> (C + A)), Chain(A >> C), {"0.0": "0.1.0.0", "0.1": "0.1.1.0"}),
    (Chain(A, Head(Sum(BODY, Identity()) >> FC(2), 0.3), FC(3)), Chain(A, Head(Chain(BODY, FC(2)), 0.3), FC(3)), {}),
    (A >> (B | C), A >> (B | C), {"0": "0", "1.0": "1.0", "1.1": "1.1"}),
)


@pytest.mark.parametrize(("net", "expected", "paths"), PLAIN, ids=[repr(net) for net, *_ in PLAIN])
def test_the_plain_network_is_the_bodies_with_their_weights(net: Expression, expected: Expression, paths: dict[str, str]) -> None:
    rewritten = plain(net)
    assert rewritten.net == chained(expected)
    weights = ready(net, (4, 6, 6)).state_dict()
    carried = rewritten.carried(weights)
    build(rewritten.net, (4, 6, 6)).load_state_dict(carried, strict=True)
    assert {name.rpartition(".")[0] for name in carried} >= set(paths)
    for path, old in paths.items():
        assert carried[f"{path}.weight"] is weights[f"{old}.weight"]


# --- small filters ----------------------------------------------------------------------------------------------------


def test_three_filters_of_3x3_see_as_much_as_one_of_7x7_with_27_instead_of_49_c_squared_weights() -> None:
    c = 10
    large = Chain(Conv(c, 7, pad=3))
    small = stack_3x3(large).net
    sized = anatomy(small, (c, 32, 32))
    assert small == Chain(Conv(c, 3, pad=1) >> ReLU() >> Conv(c, 3, pad=1) >> ReLU() >> Conv(c, 3, pad=1))
    assert (anatomy(large, (c, 32, 32)).weights, sized.weights) == (49 * c**2, 27 * c**2)
    assert sized.field.down.size == 7


def test_batch_norms_stand_in_a_stack_where_the_large_filter_had_no_bias() -> None:
    bare = Conv(8, 3, bias=False)
    stack = bare >> BatchNorm() >> ReLU() >> bare
    assert stack_3x3(Conv(8, 5, bias=False) >> BatchNorm() >> ReLU()).net == Chain(stack, BatchNorm(), ReLU())


odd = st.integers(2, 6).map(lambda half: 2 * half + 1)
edge = st.integers(0, 6)
stride = st.integers(1, 7) | st.tuples(st.integers(1, 7), st.integers(1, 7))
padding = st.tuples(st.tuples(edge, edge), st.tuples(edge, edge)) | edge


@settings(deadline=None, max_examples=400)
@given(odd, stride, padding, st.integers(1, 3), st.sampled_from(["exact", "floor"]), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_a_stack_takes_what_the_large_filter_takes_and_gives_and_sees_the_same(
    size: int, stride: Any, pad: Any, dilation: int, fit: str, height: int, width: int, bias: bool
) -> None:
    large = Chain(Conv(4, size, stride, pad, 2, bias, dilation, fit), Conv(2, 1))
    try:
        expected = anatomy(large, (2, height, width))
    except ShapeError:
        assume(False)
    got = anatomy(stack_3x3(large).net, (2, height, width))
    assert got.output == expected.output
    assert got.field == expected.field
    assert [row.part.size for row in got.rows if isinstance(row.part, Conv)] == [3] * (size // 2) + [1]


def test_the_padding_of_a_stack_is_shared_out_so_that_small_maps_do_not_run_out_within() -> None:
    large = Chain(Conv(4, 5, pad=((1, 3), (3, 1))))
    assert anatomy(stack_3x3(large).net, (2, 1, 1)).output == anatomy(large, (2, 1, 1)).output == (4, 1, 1)


def test_a_stack_rounds_only_where_it_must() -> None:
    def fits(large: Conv) -> list[str]:
        return [layer.fit for layer in layers(stack_3x3(large).net) if isinstance(layer, Conv)]

    assert fits(Conv(64, 7, stride=2, pad=3)) == ["exact"] * 3
    assert fits(Conv(96, 11, stride=4)) == ["exact"] * 5
    assert fits(Conv(96, 7, stride=4, pad=3)) == ["exact", "exact", "floor"]
    with pytest.raises(ShapeError, match="would be lost"):
        anatomy(stack_3x3(Conv(8, 5, stride=2)).net, (3, 8, 8))


@pytest.mark.parametrize(
    "net",
    [
        Conv(4, 3),
        Conv(4, 1),
        Conv(4, 4),
        Conv(4, (1, 7)),
        Conv(4, (5, 7)),
        Depthwise(5),
        Local(4, 5),
        MaxPool(5),
        ConnectedConv(((0,),), 5),
    ],
    ids=repr,
)
def test_other_filters_stay_with_their_weights(net: Layer) -> None:
    for least in (1, 3, 5):
        rewritten = stack_3x3(net, least)
        assert rewritten.net == Chain(net)
        assert [path for path, _ in rewritten.moves] == ["0"]


def test_only_filters_from_the_least_size_on_become_stacks_and_the_others_keep_their_weights() -> None:
    net = Chain(conv1=Conv(4, 7, stride=2), conv2=Conv(4, 5, pad=2) >> NORM, fc=FC(3))
    rewritten, weights = stack_3x3(net, 7), ready(net, (2, 15, 15)).state_dict()
    assert [layer.size for layer in layers(rewritten.net) if isinstance(layer, Conv)] == [3, 3, 3, 5]
    carried = rewritten.carried(weights)
    assert set(carried) == {name for name in weights if not name.startswith("conv1")}
    missing, unexpected = build(rewritten.net, (2, 15, 15)).load_state_dict(carried, strict=False)
    assert {name.rpartition(".")[0] for name in missing} == {"conv1.0", "conv1.2", "conv1.4"}
    assert unexpected == []


# --- towers -----------------------------------------------------------------------------------------------------------

ALEXNET = Chain(
    conv1=Conv(96, 11, stride=4) >> ReLU() >> LRN(5) >> MaxPool(3, 2),
    conv2=Conv(256, 5, pad=2) >> ReLU() >> LRN(5) >> MaxPool(3, 2),
    conv3=Conv(384, 3, pad=1) >> ReLU(),
    conv4=Conv(384, 3, pad=1) >> ReLU(),
    conv5=Conv(256, 3, pad=1) >> ReLU() >> MaxPool(3, 2),
)


def test_alexnet_over_two_gpus_has_the_published_parameters() -> None:
    two = grouped(ALEXNET, (3, 227, 227), 2, ("conv2", "conv4", "conv5")).net
    assert anatomy(two, (3, 227, 227)).parameters == 60_965_224 - 37_752_832 - 16_781_312 - 4_097_000
    assert [layer.groups for layer in layers(two) if isinstance(layer, Conv)] == [1, 2, 1, 2, 2]
    everywhere = grouped(ALEXNET, (3, 227, 227), 2).net
    assert [layer.groups for layer in layers(everywhere) if isinstance(layer, Conv)] == [1, 2, 2, 2, 2]
    assert grouped(two, (3, 227, 227), 1).net == ALEXNET
    assert grouped(ALEXNET, (3, 227, 227), 2, "conv4").net == grouped(ALEXNET, (3, 227, 227), 2, ["conv4"]).net
    assert grouped(ALEXNET, (3, 227, 227), 2, ()).net == ALEXNET


def test_a_convolution_that_has_its_groups_already_keeps_its_weights_as_they_are() -> None:
    net = Conv(4, 1, groups=2) >> Conv(4, 1)
    weights = build(net, (4, 3, 3)).state_dict()
    carried = grouped(net, (4, 3, 3), 2).carried(weights)
    assert carried["0.weight"] is weights["0.weight"]
    assert carried["1.weight"].shape == (4, 2, 1, 1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 2), st.integers(1, 2), st.booleans())
@torch.no_grad()
def test_grouping_drops_the_weights_between_towers_and_keeps_all_others(
    before: int, after: int, reads: int, gives: int, bias: bool
) -> None:
    step = int(np.lcm(before, after))
    maps_in, maps = step * reads, step * gives
    net, shape = Chain(Conv(maps, (3, 2), groups=before, bias=bias)), (maps_in, 4, 3)
    old = ready(net, shape)
    dense = torch.zeros(maps, maps_in, 3, 2, dtype=torch.float64)
    share = maps_in // before
    for unit in range(maps):
        group = unit * before // maps
        dense[unit, group * share : (group + 1) * share] = old.state_dict()["0.weight"][unit]
        for source in range(maps_in):
            if source * after // maps_in != unit * after // maps:
                dense[unit, source] = 0
    new = remade(grouped(net, shape, after), old, shape)
    expected = nn.functional.conv2d(noise(shape), dense, old.state_dict().get("0.bias"))
    assert (new(noise(shape)) - expected).abs().max() <= 1e-9 * max(1.0, expected.abs().max().item())


def test_only_the_stages_that_are_named_are_grouped_deep_inside_too() -> None:
    net = Chain(a=Conv(4, 1), b=Chain(Conv(4, 1) | Conv(2, 1) >> Conv(4, 1), ReLU()), c=Depthwise(1) >> FC(3))
    new = grouped(net, (4, 3, 3), 2, ["b"]).net
    half = Conv(4, 1, groups=2)
    assert new == Chain(a=Conv(4, 1), b=Chain(half | Conv(2, 1, groups=2) >> half, ReLU()), c=Depthwise(1) >> FC(3))


@pytest.mark.parametrize(
    ("towers", "stages", "sentence"),
    [
        (2, ["conv6"], "There is no stage 'conv6'. Did you mean 'conv[1-5]'\\? There is: conv1, conv2, conv3, conv4, conv5, fc6."),
        (2, "conv", "There is no stage 'conv'. Did you mean"),
        (2, ["conv2", "fc6"], "Stage fc6 has no Conv"),
        (2, ["conv1"], "conv1.0: 3 maps in and 96 out cannot be shared out over 2 towers; leave the stage out."),
        (5, ["conv2"], "conv2.0: 96 maps in and 256 out cannot be shared out over 5 towers"),
        (0, None, "There cannot be 0 towers"),
        (-2, None, "There cannot be -2 towers"),
        (2.0, None, "There cannot be 2.0 towers"),
        (True, None, "There cannot be True towers"),
        ("two", None, "There cannot be 'two' towers"),
    ],
)
def test_towers_that_cannot_be_are_refused(towers: Any, stages: Any, sentence: str) -> None:
    net = Chain(**dict(ALEXNET.children()), fc6=FC(8))
    with pytest.raises(HubelError, match=sentence) as caught:
        grouped(net, (3, 227, 227), towers, stages)
    assert_a_sentence(caught.value)


# --- rounding ---------------------------------------------------------------------------------------------------------


def test_every_window_that_must_fit_is_rounded_and_nothing_else_changes() -> None:
    net = Chain(
        one=Conv(4, 3, stride=2) >> MaxPool(2, fit="ceil") >> ReLU(),
        two=(Depthwise(3, stride=2) | Local(2, 3, stride=2)) >> Subsample(1) >> PadMaps(9, stride=2),
        aux=Head(AvgPool(3, 2) >> FC(3), 0.3),
        fc=FC(3),
    )
    floor, floored = {"fit": "floor"}, fitted(net, "floor")
    assert floored == Chain(
        one=Conv(4, 3, stride=2, **floor) >> MaxPool(2, fit="ceil") >> ReLU(),
        two=(Depthwise(3, stride=2, **floor) | Local(2, 3, stride=2, **floor)) >> Subsample(1) >> PadMaps(9, stride=2),
        aux=Head(AvgPool(3, 2, **floor) >> FC(3), 0.3),
        fc=FC(3),
    )
    assert fitted(net, "ceil") == Chain(one=net.parts[0], two=net.parts[1], aux=Head(AvgPool(3, 2, fit="ceil") >> FC(3), 0.3), fc=FC(3))
    assert fitted(floored, "floor") == floored


@pytest.mark.parametrize("fit", ["exact", "round", "", None, 2])
def test_a_rounding_that_there_is_not_is_refused(fit: Any) -> None:
    with pytest.raises(HubelError, match='cannot be fitted by .*; it must be "floor" or "ceil".'):
        fitted(Conv(4, 3), fit)


# --- weights that are not the old network's ---------------------------------------------------------------------------


def test_weights_are_asked_for_whole() -> None:
    net = Chain(conv=Conv(4, 3) >> BatchNorm(), fc=FC(3))
    weights = build(net, (1, 6, 6)).state_dict()
    with pytest.raises(HubelError, match="There are no weights of fc: give the whole state dict of the old network."):
        plain(net).carried({name: value for name, value in weights.items() if not name.startswith("fc")})
    with pytest.raises(HubelError, match="There are no weights of conv.0 and conv.1: give the whole"):
        folded(net).carried({f"module.{name}": value for name, value in weights.items()})
    with pytest.raises(HubelError, match="There are no weights of conv.0 and conv.1: give the whole"):
        folded(net).carried({name: value for name, value in weights.items() if not name.startswith("conv.1")})
    with pytest.raises(HubelError, match=r"The weights of conv.0 and conv.1 are not those of the old network \('running_"):
        folded(net).carried(dict(build(net, (1, 6, 6)).named_parameters()))
    with pytest.raises(HubelError, match="There are no weights of conv.0"):
        plain(net).carried({})


@pytest.mark.parametrize("form", [lambda value: value, lambda value: value.numpy()], ids=["torch", "numpy"])
def test_weights_of_another_network_are_refused(form: Callable[[Tensor], Any]) -> None:
    net = Conv(4, 3, groups=2) >> BatchNorm() >> FC(3)
    for other in (Conv(6, 3, groups=2) >> BatchNorm() >> FC(3), Conv(4, 3, groups=2) >> BatchNorm() >> FC(4)):
        weights = {name: form(value) for name, value in build(other, (2, 6, 6)).state_dict().items()}
        with pytest.raises(HubelError, match="The weights of 2 are not those of the old network") as caught:
            convolutional(net, (2, 6, 6)).carried(weights)
        assert_a_sentence(caught.value)


# --- the casebook -----------------------------------------------------------------------------------------------------

CASEBOOK = ("plain", "folded", "convolutional", "headless", "with_head")


@every_network("row", lambda sized: len(sized.rows) > 2000)
def test_every_network_of_the_casebook_can_be_rewritten_or_says_why_not(row: Variant) -> None:
    net = row.net()
    for how in CASEBOOK:
        try:
            rewritten = REWRITINGS[how](net, row.input)
        except HubelError as error:
            assert how in ("convolutional", "with_head"), "the others are there for every network"
            assert_a_sentence(error)
            continue
        new = anatomy(rewritten.net, row.input)
        assert read(repr(rewritten.net)) == rewritten.net
        if how in EQUAL:
            assert new.output == row.anatomy().output
        if how == "with_head":
            assert new.output == (7,)


@every_network("row", lambda sized: len(sized.rows) > 300 or sized.macs > 1e8)
@torch.no_grad()
def test_networks_of_the_casebook_compute_the_same_in_every_form(row: Variant) -> None:
    net = row.net()
    dtype = torch.float64 if row.anatomy().parameters < 7e7 else torch.float32
    old, x = ready(net, row.input, dtype), noise(row.input, batch=1, dtype=dtype)
    expected, seen = old(x), {}
    assert expected.std() > 1e-3 * expected.abs().max(), "scores that hardly differ would prove nothing"
    for how in EQUAL:
        try:
            rewritten = REWRITINGS[how](net, row.input)
        except HubelError:
            continue
        if rewritten.net != net:
            equal(remade(rewritten, old, row.input)(x), expected)
    base = headless(net)
    new = remade(base, old, row.input)
    for path, site in base.moves:
        new.get_submodule(path).register_forward_hook(lambda module, _, y, path=path: seen.update({path: y}))
        old.get_submodule(site.sources[0]).register_forward_hook(lambda module, _, y, path=path: seen.update({("old", path): y}))
    new(x)
    old(x)
    for path, _ in base.moves:
        assert torch.equal(seen[path], seen["old", path])
