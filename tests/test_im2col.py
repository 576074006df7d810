"""Convolution and pooling as matrix products: held against torch's autograd, and an oracle for the layers that are built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from hubel import im2col
from hubel.build import build
from hubel.errors import HubelError, LayerError, ShapeError
from hubel.layers import Conv
from hubel.windows import Window

CLOSE = {"rtol": 0, "atol": 1e-10}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@dataclass(frozen=True)
class Case:
    """A convolution that fits: shapes, and what stands in its parentheses, each axis for itself."""

    shape: tuple[int, int, int, int]
    maps: int
    size: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def geometry(self) -> tuple[Any, ...]:
        return self.stride, self.pad, self.dilation, self.groups

    def padded(self, x: Tensor, value: float = 0.0) -> Tensor:
        (top, bottom), (left, right) = self.pad
        return F.pad(x, (left, right, top, bottom), value=value)

    def weight(self) -> np.ndarray:
        return noise(self.maps, self.shape[1] // self.groups, *self.size, seed=1)


@st.composite
def axes(draw: st.DrawFn, dilated: bool, pooled: bool = False) -> tuple[int, int, int, tuple[int, int], int]:
    """(width, size, stride, pads, dilation) of a window that fits; at times rounding leaves padding unread, or a gap."""
    size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dilation = draw(st.integers(1, 3)) if dilated else 1
    most = size // 2 if pooled else 4
    pads = draw(st.integers(0, most)), draw(st.integers(0, most))
    span = (size - 1) * dilation + 1
    unread = draw(st.integers(0, min(stride - 1, pads[1] + max(0, stride - span))))
    width = span + (draw(st.integers(1, 4)) - 1) * stride + unread - sum(pads)
    assume(width > 0)
    return width, size, stride, pads, dilation


@st.composite
def cases(draw: st.DrawFn, dilated: bool = True, pooled: bool = False) -> Case:
    groups = 1 if pooled else draw(st.integers(1, 3))
    down, across = draw(axes(dilated, pooled)), draw(axes(dilated, pooled))
    width, size, stride, pad, dilation = zip(down, across)
    shape = draw(st.integers(1, 3)), groups * draw(st.integers(1, 3)), *width
    return Case(shape, groups * draw(st.integers(1, 3)), size, stride, pad, dilation, groups)


quietly = settings(deadline=None, max_examples=150)


# --- columns ----------------------------------------------------------------------------------------------------------


def test_the_columns_of_a_2x2_window_on_a_3x3_map_are_those_of_the_docstring() -> None:
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    assert im2col.columns(x, 2)[0].tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]


def test_every_pixel_comes_back_from_every_window_that_read_it() -> None:
    ones = im2col.columns(np.ones((1, 1, 3, 3)), 2)
    assert im2col.summed(ones, (1, 1, 3, 3), 2)[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


@quietly
@given(cases())
def test_columns_and_sums_are_those_of_torch(case: Case) -> None:
    x = torch.tensor(noise(*case.shape), requires_grad=True)
    expected = F.unfold(case.padded(x), case.size, case.dilation, stride=case.stride)
    columns = im2col.columns(x.detach().numpy(), case.size, case.stride, case.pad, case.dilation)
    assert np.array_equal(columns, expected.detach().numpy())
    back = noise(*columns.shape, seed=2)
    expected.backward(torch.tensor(back))
    np.testing.assert_allclose(im2col.summed(back, case.shape, case.size, *case.geometry[:3]), x.grad, **CLOSE)


def test_alexnets_first_convolution_is_96x363_times_363x3025() -> None:
    x, weight = noise(1, 3, 227, 227), noise(96, 3, 11, 11, seed=1)
    columns = im2col.columns(x, 11, 4)
    rows = weight.reshape(96, -1)
    assert (columns.shape, rows.shape) == ((1, 363, 3025), (96, 363))
    y = im2col.conv(x, weight, stride=4)
    assert y.shape == (1, 96, 55, 55)
    np.testing.assert_allclose((rows @ columns[0]).reshape(96, 55, 55), y[0], **CLOSE)
    np.testing.assert_allclose(y, F.conv2d(torch.tensor(x), torch.tensor(weight), stride=4), **CLOSE)


# --- convolution ------------------------------------------------------------------------------------------------------


@quietly
@given(cases())
def test_a_convolution_and_its_gradients_are_those_of_torch(case: Case) -> None:
    x, weight, bias = (torch.tensor(array, requires_grad=True) for array in (noise(*case.shape), case.weight(), noise(case.maps)))
    expected = F.conv2d(case.padded(x), weight, bias, case.stride, 0, case.dilation, case.groups)
    arrays = [tensor.detach().numpy() for tensor in (x, weight, bias)]
    np.testing.assert_allclose(im2col.conv(*arrays, *case.geometry), expected.detach(), **CLOSE)
    gradient = noise(*expected.shape, seed=3)
    expected.backward(torch.tensor(gradient))
    found = im2col.conv_backward(gradient, *arrays[:2], *case.geometry)
    for ours, theirs in zip(found, (x, weight, bias), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs.grad, **CLOSE)


@quietly
@given(cases())
def test_the_gradient_to_the_input_is_the_convolution_with_the_filter_turned_over(case: Case) -> None:
    x, weight = noise(*case.shape), case.weight()
    gradient = noise(*im2col.conv(x, weight, None, *case.geometry).shape, seed=3)
    once = im2col.conv_backward(gradient, x, weight, *case.geometry).x
    again = im2col.conv_backward_by_flipping(gradient, case.shape, weight, *case.geometry)
    assert again.shape == case.shape
    np.testing.assert_allclose(once, again, **CLOSE)


def test_sharpening_gives_114_first_and_elsewhere_what_the_kernel_says() -> None:
    picture = np.array(
        [[60, 113, 56, 139, 85], [73, 121, 54, 84, 128], [131, 99, 70, 129, 127], [80, 57, 115, 69, 134], [104, 126, 123, 95, 130]], float
    )
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float)
    sharp = im2col.conv(picture[None, None], kernel[None, None], pad=1)[0, 0]
    assert sharp.shape == (5, 5)
    assert sharp[0, 0] == 114 == 5 * 60 - 113 - 73
    assert sharp[0, 1] == 328 == 5 * 113 - 60 - 56 - 121
    assert sharp[2, 2] == -47 == 5 * 70 - 54 - 99 - 129 - 115
    assert sharp[4, 4] == 421 == 5 * 130 - 134 - 95


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_that_enters_leaves(dtype: type) -> None:
    x, weight, bias = (noise(*shape).astype(dtype) for shape in ((2, 3, 5, 5), (4, 3, 3, 3), (4,)))
    y = im2col.conv(x, weight, bias, pad=1)
    pooled, switches = im2col.max_pool(x, 2, 1)
    results = [
        y,
        *im2col.conv_backward(y, x, weight, pad=1),
        im2col.conv_backward_by_flipping(y, x.shape, weight, pad=1),
        pooled,
        im2col.max_pool_backward(pooled, switches, x.shape),
        im2col.avg_pool(x, 2, 1),
        im2col.avg_pool_backward(pooled, x.shape, 2, 1),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


# --- pooling ----------------------------------------------------------------------------------------------------------


@quietly
@given(cases(dilated=False, pooled=True), st.booleans())
def test_max_pooling_its_switches_and_its_gradient_are_those_of_torch_in_ties_too(case: Case, ties: bool) -> None:
    values = np.round(noise(*case.shape)) if ties else noise(*case.shape)
    x = torch.tensor(values, requires_grad=True)
    expected, places = F.max_pool2d(case.padded(x, -np.inf), case.size, case.stride, return_indices=True)
    y, switches = im2col.max_pool(values, case.size, case.stride, case.pad)
    assert np.array_equal(y, expected.detach())
    (top, _), (left, right) = case.pad  # torch's places are in the padded map
    row, column = np.divmod(places.numpy(), left + case.shape[3] + right)
    assert np.array_equal(switches, (row - top) * case.shape[3] + column - left)
    gradient = noise(*y.shape, seed=3)
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(im2col.max_pool_backward(gradient, switches, case.shape), x.grad, **CLOSE)


def test_of_equal_values_the_first_wins_and_padding_never_does() -> None:
    y, switches = im2col.max_pool(np.zeros((1, 1, 4, 4)), 2)
    assert switches[0, 0].tolist() == [[0, 2], [8, 10]]
    y, switches = im2col.max_pool(np.full((1, 1, 2, 2), -np.inf), 3, 1, pad=1)
    assert (y == -np.inf).all()
    assert switches[0, 0].tolist() == [[0, 0], [0, 0]]
    for value in (-5.0, np.nan):
        y, switches = im2col.max_pool(np.full((1, 1, 3, 3), value), 2, 2, pad=((1, 0), (1, 0)))
        assert np.array_equal(y, np.full((1, 1, 2, 2), value), equal_nan=True)
        assert switches[0, 0].tolist() == [[0, 1], [3, 4]]


def test_a_pixel_that_wins_two_windows_gets_both_gradients() -> None:
    x = np.array([[0.0, 7.0, 1.0]]).reshape(1, 1, 1, 3)
    y, switches = im2col.max_pool(x, (1, 2), 1)
    back = im2col.max_pool_backward(np.array([[[[10.0, 100.0]]]]), switches, x.shape)
    assert back.tolist() == [[[[0, 110, 0]]]]


@quietly
@given(cases(dilated=False, pooled=True))
def test_average_pooling_and_its_gradient_are_those_of_torch(case: Case) -> None:
    x = torch.tensor(noise(*case.shape), requires_grad=True)
    expected = F.avg_pool2d(case.padded(x), case.size, case.stride)
    np.testing.assert_allclose(im2col.avg_pool(x.detach().numpy(), case.size, case.stride, case.pad), expected.detach(), **CLOSE)
    gradient = noise(*expected.shape, seed=3)
    expected.backward(torch.tensor(gradient))
    found = im2col.avg_pool_backward(gradient, case.shape, case.size, case.stride, case.pad)
    np.testing.assert_allclose(found, x.grad, **CLOSE)


def test_a_pools_stride_is_its_size_unless_said_otherwise() -> None:
    x = noise(1, 2, 6, 6)
    assert np.array_equal(im2col.max_pool(x, (2, 3))[0], im2col.max_pool(x, (2, 3), (2, 3))[0])
    assert np.array_equal(im2col.avg_pool(x, (2, 3)), im2col.avg_pool(x, (2, 3), (2, 3)))
    gradient = noise(1, 2, 3, 2)
    assert np.array_equal(im2col.avg_pool_backward(gradient, x.shape, (2, 3)), im2col.avg_pool_backward(gradient, x.shape, (2, 3), (2, 3)))


# --- an oracle for the layers that are built ----------------------------------------------------------------------------


def agree_forward_and_backward(layer: Conv, shape: tuple[int, int, int, int]) -> None:
    """The built layer gives what the matrix product gives, and the same gradients."""
    module = build(layer, shape[1:]).double()
    x = torch.tensor(noise(*shape), requires_grad=True)
    if layer.bias:
        torch.nn.init.normal_(module[0].bias, generator=torch.Generator().manual_seed(4))
    y = module(x)
    weight = module[0].weight.detach().numpy()
    bias = module[0].bias.detach().numpy() if layer.bias else None
    geometry = layer.stride, layer.pad, layer.dilation, layer.groups
    np.testing.assert_allclose(im2col.conv(x.detach().numpy(), weight, bias, *geometry), y.detach(), **CLOSE)
    gradient = noise(*y.shape, seed=5)
    y.backward(torch.tensor(gradient))
    to_x, to_weight, to_bias = im2col.conv_backward(gradient, x.detach().numpy(), weight, *geometry)
    np.testing.assert_allclose(to_x, x.grad, **CLOSE)
    np.testing.assert_allclose(to_weight, module[0].weight.grad, **CLOSE)
    if layer.bias:
        np.testing.assert_allclose(to_bias, module[0].bias.grad, **CLOSE)


def test_alexnets_conv1_with_fewer_maps_is_built_as_the_matrix_product_has_it() -> None:
    agree_forward_and_backward(Conv(8, 11, stride=4), (1, 3, 227, 227))


def test_alexnets_conv2_with_fewer_maps_reads_in_two_towers() -> None:
    agree_forward_and_backward(Conv(16, 5, pad=2, groups=2), (1, 8, 27, 27))


@quietly
@given(cases(), st.booleans())
def test_any_convolution_that_is_built_is_the_matrix_product(case: Case, bias: bool) -> None:
    layer = Conv(case.maps, case.size, stride=case.stride, pad=case.pad, groups=case.groups, bias=bias, dilation=case.dilation)
    agree_forward_and_backward(layer, case.shape)


# --- what is refused --------------------------------------------------------------------------------------------------

X, WEIGHT = noise(2, 3, 6, 8), noise(4, 3, 3, 3)


@pytest.mark.parametrize("axis", ["height", "width"])
def test_a_window_that_does_not_fit_is_refused_with_the_layers_sentence(axis: str) -> None:
    x = noise(1, 3, *((10, 9) if axis == "height" else (9, 10)))
    with pytest.raises(ShapeError) as expected:
        Window(3, 2, free=("pad", "stride")).outputs(10, axis)
    calls: list[Callable[[], object]] = [
        lambda: im2col.columns(x, 3, 2),
        lambda: im2col.summed(noise(1, 27, 16), x.shape, 3, 2),
        lambda: im2col.conv(x, WEIGHT, stride=2),
        lambda: im2col.conv_backward(noise(1, 4, 4, 4), x, WEIGHT, stride=2),
        lambda: im2col.conv_backward_by_flipping(noise(1, 4, 4, 4), x.shape, WEIGHT, stride=2),
        lambda: im2col.max_pool(x, 3, 2),
        lambda: im2col.avg_pool(x, 3, 2),
        lambda: im2col.avg_pool_backward(noise(1, 3, 4, 4), x.shape, 3, 2),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="4.5, so the last pixel would be lost") as refused:
            call()
        assert str(refused.value) == str(expected.value)


def test_a_square_map_is_called_the_input_as_the_layers_call_it() -> None:
    with pytest.raises(ShapeError, match=r"does not fit the input of 10: \(10 - 3 \+ 2\*0\)/2 \+ 1 = 4.5"):
        im2col.conv(noise(1, 3, 10, 10), WEIGHT, stride=2)


SWITCHES = im2col.max_pool(X, 2)[1]
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: im2col.columns(X[0], 3), r"the shape of x is \(3, 6, 8\); it must be \(N, C, H, W\)"),
    (lambda: im2col.columns(X.tolist(), 3), "x is a list; it must be a NumPy array"),
    (lambda: im2col.columns(torch.zeros(1, 1, 3, 3), 3), "x is a Tensor; it must be a NumPy array"),
    (lambda: im2col.columns(X.astype(np.uint8), 3), "x holds uint8, .* give it floats"),
    (lambda: im2col.columns(X[:0], 3), r"\(0, 3, 6, 8\); .* 1 or more"),
    (lambda: im2col.columns(X, 9), "a window of 9 is larger than the height of 6"),
    (lambda: im2col.columns(X, 0), "size is 0; it must be a positive whole number"),
    (lambda: im2col.columns(X, 3, stride=-1), "stride is -1"),
    (lambda: im2col.columns(X, 3, pad=-1), "pad is -1"),
    (lambda: im2col.columns(X, 3, dilation=0), "dilation is 0"),
    (
        lambda: im2col.summed(noise(2, 27, 25), X.shape, 3),
        r"the columns must be a NumPy array of \(2, 27, 24\) here; one of \(2, 27, 25\) came",
    ),
    (lambda: im2col.summed(noise(2, 27, 24), X.shape[1:], 3), r"the shape is \(3, 6, 8\)"),
    (lambda: im2col.conv(X[0], WEIGHT), r"the shape of x is \(3, 6, 8\)"),
    (lambda: im2col.conv(X.tolist(), WEIGHT), "x is a list"),
    (lambda: im2col.conv(X, WEIGHT[0]), r"the shape of weight is \(3, 3, 3\)"),
    (lambda: im2col.conv(X, WEIGHT[:, :2]), r"a weight of \(4, 2, 3, 3\).* reads 2 maps with groups=1, but 3 come in"),
    (lambda: im2col.conv(X, WEIGHT[:, :1], groups=3), "4 filters cannot be split into 3 groups"),
    (lambda: im2col.conv(X, WEIGHT, groups=0), "groups is 0"),
    (lambda: im2col.conv(X, WEIGHT, noise(3)), r"the bias must be a NumPy array of \(4,\) here; one of \(3,\) came"),
    (
        lambda: im2col.conv_backward(noise(2, 4, 6, 8), X, WEIGHT),
        r"the gradient must be a NumPy array of \(2, 4, 4, 6\) here; one of \(2, 4, 6, 8\) came",
    ),
    (lambda: im2col.conv_backward(noise(2, 4, 4, 6).tolist(), X, WEIGHT), r"must be a NumPy array of \(2, 4, 4, 6\) here; a list came"),
    (lambda: im2col.conv_backward_by_flipping(noise(2, 4, 6, 8), X.shape, WEIGHT), r"the gradient .*\(2, 4, 4, 6\)"),
    (lambda: im2col.conv_backward_by_flipping(noise(2, 4, 4, 6), X.shape[1:], WEIGHT), r"the shape is \(3, 6, 8\)"),
    (lambda: im2col.max_pool(X[0], 2), r"the shape of x is \(3, 6, 8\)"),
    (lambda: im2col.max_pool(X, 2, pad=2), "a pool's padding is at most half its window"),
    (lambda: im2col.max_pool_backward(noise(2, 3, 3, 4), SWITCHES, (2, 4, 6, 8)), "the gradient"),
    (lambda: im2col.max_pool_backward(noise(2, 3, 3, 4), SWITCHES[:1], X.shape), "the switches"),
    (lambda: im2col.max_pool_backward(noise(2, 3, 3, 4), SWITCHES, (2, 3, 2, 2)), "places in a map of 2x2, from 0 to 3"),
    (lambda: im2col.max_pool_backward(noise(2, 3, 3, 4), SWITCHES * 1.0, X.shape), "the switches must be what max_pool gave"),
    (lambda: im2col.max_pool_backward(noise(2, 3, 3, 4), SWITCHES, (6, 8)), r"the shape is \(6, 8\)"),
    (lambda: im2col.avg_pool(X, 2, pad=2), "a pool's padding is at most half its window"),
    (lambda: im2col.avg_pool_backward(noise(2, 3, 6, 8), X.shape, 2), r"the gradient .*\(2, 3, 3, 4\)"),
]


@pytest.mark.parametrize(("call", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_cannot_be_is_refused_with_a_sentence(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises((ShapeError, LayerError), match=sentence) as refused:
        call()
    assert isinstance(refused.value, HubelError)
