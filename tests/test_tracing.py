"""Any module sized by one run without values; torch's count reconciled with ours; the peak of memory: against hand-made sums."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

import peers
from casebook import every_network
from expressions import fitting_networks
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Expression, Head, Shape
from hubel.layers import FC, RBF, ConnectedConv, Conv, Dropout, GlobalAvgPool, ReLU
from hubel.nets import NETS
from hubel.nets.paper import Variant
from hubel.tracing import Unknown, peak_bytes, reconciled, reconciling, sizing, traced
from hubel.tracing.operations import KNOWN, MULTIPLYING, formula, name


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Does(nn.Module):
    """A module that does what it is told, with parts and tensors of its own."""

    def __init__(self, does: Callable[..., Any], **own: Any) -> None:
        super().__init__()
        self.does = does
        for its_name, value in own.items():
            setattr(self, its_name, value)

    def forward(self, *x: Tensor) -> Any:
        return self.does(self, *x)


def of_words(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.long)


# --- the casebook -----------------------------------------------------------------------------------------------------


every_variant = every_network("variant", lambda sized: len(sized.rows) > 150)


def unbuilt(net: Expression, input: Shape) -> nn.Module:
    """The module without values: even the largest network takes no memory."""
    with torch.device("meta"):
        return build(net, input, initialisation=None)


@every_variant
def test_a_built_network_is_traced_to_what_its_anatomy_says(variant: Variant) -> None:
    sized, found = variant.anatomy(), traced(unbuilt(variant.net(), variant.input), variant.input)
    as_torch_has_it = {"lenet5": 326_520 - 840 + 36 * 25 * 100}  # RBF units subtract; 36 of table I's 96 pairs are zeros
    assert found.macs == as_torch_has_it.get(variant.name, sized.macs)
    assert found.parameters == anatomy(variant.net(), variant.input, heads=True).parameters
    assert (found.input, found.output, found.batch) == (sized.input, sized.output, sized.batch)
    idle = sum(row.activation_bytes for row in sized.rows if isinstance(row.part, Dropout))  # in evaluation it makes nothing
    assert found.activation_bytes == sized.activation_bytes - idle
    assert not found.unknown and not found.lower_bound and not found.for_zeros and not found.caveats


@every_variant
def test_every_multiplication_of_torchs_own_count_is_explained(variant: Variant) -> None:
    found = reconciled(variant.net(), variant.input)
    assert found.macs == variant.anatomy().macs
    assert found.residual == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fitting_networks(), st.integers(1, 3))
def test_any_network_is_traced_and_reconciled_to_its_anatomy(case: tuple[Expression, Shape], batch: int) -> None:
    net, shape = case
    found = traced(unbuilt(net, shape), shape, batch)
    counted = reconciled(net, shape, batch)
    assert counted.macs == anatomy(net, shape, batch).macs
    assert counted.residual == 0
    assert (found.flops, found.parameters, found.unknown) == (counted.flops, anatomy(net, shape).parameters, ())


def test_heads_are_counted_as_in_training_and_their_parameters_always() -> None:
    net = Chain(stem=Conv(4, 3) >> ReLU(), aux=Head(GlobalAvgPool() >> FC(3), 0.3), end=FC(3))
    for training in (False, True):
        found = traced(build(net, (2, 8, 8)), (2, 8, 8), training=training)
        assert found.macs == anatomy(net, (2, 8, 8), heads=training).macs
        assert found.parameters == anatomy(net, (2, 8, 8), heads=True).parameters


# --- published implementations ----------------------------------------------------------------------------------------

VIT_B_16 = 196 * 768 * 768 + 12 * (197 * 768 * (3 + 1 + 4 + 4) * 768 + 2 * 197 * 197 * 768) + 768 * 1000
PUBLISHED = {
    "resnet50": (4_089_184_256, 25_557_032),
    "vgg16": (15_470_264_320, 138_357_544),
    "mobilenet_v2": (300_774_272, 3_504_872),
    "vit_b_16": (VIT_B_16, 86_567_656),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_implementations_have_the_published_counts(model: str) -> None:
    with torch.device("meta"):
        module = getattr(peers.torchvision_models(), model)()
    found = traced(module, (3, 224, 224))
    assert (found.macs, found.parameters) == PUBLISHED[model]
    assert (found.output, found.unknown, found.kind) == ((1000,), (), type(module).__name__)
    assert found.trainable == found.parameters and found.frozen == 0
    assert found.buffers == sum(value.numel() for value in module.buffers())


@pytest.mark.parametrize(
    "model",
    ["convnext_tiny", "shufflenet_v2_x0_5", *(pytest.param(model, marks=pytest.mark.slow) for model in ("swin_t", "efficientnet_b0"))],
)
def test_torch_counts_the_same_operations(model: str) -> None:
    with torch.device("meta"):
        module = getattr(peers.torchvision_models(), model)().eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.empty(2, 3, 224, 224))
    found = traced(module, (3, 224, 224), batch=2)
    assert found.flops == counter.get_total_flops() == sum(row.flops for row in found.rows)
    assert found.unknown == ()


# --- operations by hand -----------------------------------------------------------------------------------------------


def convolutions() -> st.SearchStrategy[tuple[nn.Module, Shape, int]]:
    """(module, input, multiply-adds): each unit, or for a transposed one each input, meets its share of the kernels once."""

    @st.composite
    def drawn(draw: st.DrawFn) -> tuple[nn.Module, Shape, int]:
        axes, groups, size = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        maps_in, maps = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
        stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        sides = [draw(st.integers(5, 7)) for _ in range(axes)]
        if draw(st.booleans()):
            kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
            places = math.prod(sides)
        else:
            kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
            places = math.prod((side - (size - 1) * dilation - 1) // stride + 1 for side in sides)
        module = kind(maps_in, maps, size, stride=stride, dilation=dilation, groups=groups)
        return module, (maps_in, *sides), places * maps_in * maps // groups * size**axes

    return drawn()


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(1, 3))
def test_convolutions_of_every_kind_are_counted(case: tuple[nn.Module, Shape, int], batch: int) -> None:
    module, shape, macs = case
    assert traced(module, shape, batch).macs == batch * macs


LSTM = 7 * 3 * (2 * (4 * 20 + 5 * 20) + 2 * (10 * 20 + 5 * 20))  # steps, sequences; both ways, the second layer reading both
TRANSFORMER = 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16
SQUARE, OUTSIDE = nn.Linear(4, 4), torch.ones(4, 2)


def attends(module: Any, query: Tensor, key: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, key)


def multiplies(module: Any, x: Tensor) -> Tensor:
    return F.conv2d(x, module.w).flatten(1) @ module.v


def adds_products(module: Any, x: Tensor) -> Tensor:
    return torch.addmv(module.v, x[0], module.v) + torch.addbmm(x[0], x, x) + torch.zeros_like(x).baddbmm_(x, x)


def recomputes(module: Any, x: Tensor) -> Tensor:
    return torch.utils.checkpoint.checkpoint(module.part, x, use_reentrant=False)  # type: ignore[no-any-return]


def records(module: Any, x: Tensor) -> Tensor:
    with torch.profiler.record_function("part"):
        return module.part(x)  # type: ignore[no-any-return]


# fmt: off
BY_HAND: list[tuple[str, nn.Module, Any, int, int]] = [  # what, module, input, batch, multiply-adds
    ("a two-way LSTM of two layers", nn.LSTM(4, 5, 2, bidirectional=True), (7, 4), 3, LSTM),
    ("an LSTM with projection", nn.LSTM(4, 5, batch_first=True, proj_size=3), (3, 4), 2, 6 * (4 * 20 + 3 * 20 + 5 * 3)),
    ("an LSTM without biases", nn.LSTM(4, 5, bias=False, batch_first=True), (3, 4), 2, 6 * (4 * 20 + 5 * 20)),
    ("a GRU", nn.GRU(4, 5, batch_first=True), (3, 4), 2, 6 * (4 * 15 + 5 * 15)),
    ("a plain recurrent net", nn.RNN(4, 5, batch_first=True), (3, 4), 2, 6 * (4 * 5 + 5 * 5)),
    ("a recurrent cell", nn.LSTMCell(4, 5), (4,), 2, 2 * (4 * 20 + 5 * 20)),
    ("an embedding", nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3)), of_words(2, 5), 1, 2 * 5 * 4 * 3),
    ("self-attention", Does(lambda m, x: m.part(x, x, x), part=nn.MultiheadAttention(8, 2, batch_first=True)), (5, 8), 1, 4 * 5 * 64 + 2 * 25 * 8),
    ("a transformer's layer", nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8), 3, 3 * TRANSFORMER),
    ("frozen transformers", nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).requires_grad_(False), 2), (5, 8), 1, 2 * TRANSFORMER),
    ("attention to another sequence", Does(attends), ((2, 5, 8), (2, 7, 8)), 1, 2 * 2 * 5 * 7 * 8),
    ("F.conv2d and @", Does(multiplies, w=nn.Parameter(torch.ones(2, 3, 3, 3)), v=torch.ones(32, 5)), (3, 6, 6), 1, 2 * 27 * 16 + 32 * 5),
    ("einsum", Does(lambda m, x: torch.einsum("bij,jk->bik", x, m.w), w=nn.Parameter(torch.ones(4, 6))), (3, 4), 2, 2 * 3 * 4 * 6),
    ("vectors", Does(lambda m, x: (x[0] @ m.v) @ (x[0] @ m.v), v=torch.ones(4)), (3, 4), 1, 2 * 3 * 4 + 3),
    ("sums of products", Does(adds_products, v=torch.ones(4)), (4, 4), 2, 4 * 4 + 2 * 4**3 + 2 * 4**3),
    ("a tensor in a list", Does(lambda m, x: x @ m.some[0]["w"], some=[{"w": torch.ones(4, 2)}]), (4,), 1, 8),
    ("a tensor from outside", Does(lambda m, x: x @ OUTSIDE), (4,), 1, 8),
    ("inference mode", Does(lambda m, x: torch.inference_mode()(m.part)(x), part=nn.Conv2d(3, 4, 1)), (3, 2, 2), 1, 48),
    ("a checkpoint", Does(recomputes, part=SQUARE), (4,), 1, 16),
    ("a recorded part", Does(records, part=SQUARE), (4,), 1, 16),
    ("spectral norm", nn.utils.spectral_norm(nn.Linear(4, 4)), (4,), 1, 16 + 16 + 4),  # W v and u (W v) too
    ("a parametrised norm", nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), (4,), 1, 16),
    ("a symbolic trace", torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU())), (4,), 1, 16),
    ("the square of its input", Does(lambda m, x: x * x), (4,), 1, 0),
]
# fmt: on


@pytest.mark.parametrize(("module", "input", "batch", "macs"), [case[1:] for case in BY_HAND], ids=[case[0] for case in BY_HAND])
def test_operations_are_counted_wherever_they_stand(module: nn.Module, input: Any, batch: int, macs: int) -> None:
    found = traced(module, input, batch)
    assert found.macs == macs and found.flops == 2 * macs
    assert found.unknown == () and not found.for_zeros
    assert found.parameters == sum(value.numel() for value in module.parameters())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_older_weight_norm_which_no_deepcopy_takes_is_counted() -> None:
    module = nn.utils.weight_norm(nn.Linear(4, 4))
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(module)
    assert traced(module, (4,)).macs == 16


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return 2 * (x @ weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("nothing goes backward")


def test_a_function_with_its_own_gradient_is_looked_into() -> None:
    found = traced(Does(lambda m, x: Doubled.apply(x, m.w), w=nn.Parameter(torch.ones(4, 3))), (4,))
    assert (found.macs, found.elements, found.rows[0].operations) == (12, 3, (("mm", 1), ("mul", 1)))


# --- what is not understood -------------------------------------------------------------------------------------------


def test_what_is_not_understood_is_named_with_its_place_and_the_totals_are_a_lower_bound() -> None:
    module = nn.Sequential(
        nn.Linear(4, 4), Does(lambda m, x: torch.linalg.svd(x)[1] + torch.fft.rfft(x).abs().sum() + torch.linalg.svd(x)[1])
    )
    found = traced(nn.Sequential(module), (4, 4))
    assert found.unknown == (Unknown("_linalg_svd", "0.1", 2), Unknown("_fft_r2c", "0.1", 1))
    assert found.lower_bound and found.macs == 64
    (caveat,) = found.caveats
    assert "lower bound" in caveat and "_linalg_svd (2x in 0.1), _fft_r2c (1x in 0.1)" in caveat


@pytest.mark.parametrize(
    ("module", "shape", "operation"),
    [
        (nn.Bilinear(4, 4, 2), ((4,), (4,)), "_trilinear"),
        (Does(lambda m, x: torch.cdist(x, x)), (3, 4), "_cdist_forward"),
        (Does(lambda m, x: torch.sparse.mm(x.to_sparse(), x)), (2,), "_sparse_addmm"),
        (Does(lambda m, x: torch.cond(x.sum() > 0, lambda y: y @ y, lambda y: y, (x,))), (2,), "cond"),
    ],
    ids=str,
)
def test_a_product_without_a_formula_is_never_taken_for_nothing(module: nn.Module, shape: Any, operation: str) -> None:
    found = traced(module, shape, batch=2)
    assert operation in {entry.operation for entry in found.unknown}
    assert found.lower_bound


def test_an_operator_of_ones_own_is_unknown_until_it_has_a_formula() -> None:
    with torch.library._scoped_library("hubel_test", "DEF") as library:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: 2 * x, "CompositeExplicitAutograd")
        library.impl("twice", torch.empty_like, "Meta")
        module = Does(lambda m, x: torch.ops.hubel_test.twice(x))
        assert traced(module, (4,)).unknown == (Unknown("hubel_test::twice", "", 1),)
        register_flop_formula(torch.ops.hubel_test.twice)(lambda shape, out_shape=None: 2 * math.prod(shape))
        try:
            found = traced(module, (4,))
        finally:
            del flop_registry[torch.ops.hubel_test.twice]
    assert (found.macs, found.unknown) == (4, ())


def test_the_tables_name_real_operations_and_do_not_overlap() -> None:
    of_torch = {packet._qualified_op_name.removeprefix("aten::") for packet in flop_registry if packet in vars(torch.ops.aten).values()}
    assert "convolution" in of_torch and "mm" in of_torch
    assert not KNOWN & (of_torch | set(MULTIPLYING))
    assert not of_torch & set(MULTIPLYING)
    for operation in {*KNOWN, *MULTIPLYING}:
        packet = getattr(torch.ops.aten, operation, None) or getattr(torch.ops.aten, f"{operation}_")
        for overload in packet.overloads():
            assert formula(getattr(packet, overload)) is not None, overload
            assert name(getattr(packet, overload)) == operation


def test_nothing_that_torch_counts_is_marked_as_working_point_by_point() -> None:
    marked = [
        packet
        for packet in flop_registry
        if packet in vars(torch.ops.aten).values()
        for overload in packet.overloads()
        if torch.Tag.pointwise in getattr(packet, overload).tags
    ]
    assert marked == []


def test_cudnns_recurrent_kernel_uses_every_matrix_at_every_step() -> None:
    x, into, on, bias = torch.empty(7, 3, 4), torch.empty(20, 4), torch.empty(20, 5), torch.empty(20)
    macs = formula(torch.ops.aten._cudnn_rnn.default)
    assert macs is not None
    assert (
        macs(x, [into, on, bias, bias], 4, None, torch.empty(1, 3, 5), None, 2, 5, 0, 1, False, 0.0, False, True, [], None, out_val=None)
        == 21 * 180
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_row_holds_what_a_module_computes_itself_and_a_container_only_what_its_parts_do_not() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.conv(x) + x)  # type: ignore[no-any-return]

    module = nn.Sequential(Block(), nn.Flatten(), nn.Linear(48, 2))
    rows = traced(module, (3, 4, 4), batch=5).rows
    assert [(row.path, row.kind, row.operations) for row in rows] == [
        ("0.conv", "Conv2d", (("convolution", 1),)),
        ("0.relu", "ReLU", (("relu", 1),)),
        ("0", "Block", (("add", 1),)),
        ("1", "Flatten", ()),
        ("2", "Linear", (("addmm", 1),)),
    ]
    assert [row.output for row in rows] == [(3, 4, 4), (3, 4, 4), (3, 4, 4), (48,), (2,)]
    assert [row.parameters for row in rows] == [84, 0, 0, 0, 98]
    assert [row.macs for row in rows] == [5 * 16 * 81, 0, 0, 0, 5 * 96]
    assert [row.elements for row in rows] == [0, 5 * 48, 5 * 48, 0, 0]
    maps = 4 * 5 * 48
    assert [row.activation_bytes for row in rows] == [maps, 0, maps, 0, 4 * 5 * 2]  # in place and views make nothing


def test_a_module_used_twice_multiplies_twice_and_has_its_parameters_once() -> None:
    part = nn.Linear(4, 4)
    found = traced(nn.Sequential(part, nn.ReLU(), part), (4,))
    assert [(row.path, row.parameters, row.macs) for row in found.rows] == [("0", 20, 16), ("1", 0, 0), ("0", 0, 16)]
    assert found.tied == (("0.weight", "2.weight"), ("0.bias", "2.bias"))
    assert found.parameters == 20


def test_a_tied_parameter_is_counted_at_its_first_name_and_its_names_are_told() -> None:
    words, scores = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    scores.weight = words.weight
    found = traced(nn.Sequential(words, scores), of_words(2, 5))
    assert [(row.parameters, row.macs) for row in found.rows] == [(40, 0), (0, 400)]
    assert (found.parameters, found.batch, found.input, found.output) == (40, 2, (5,), (5, 10))
    assert found.tied == (("0.weight", "1.weight"),)


def test_parameters_of_modules_that_are_never_called_have_rows_too() -> None:
    module = Does(
        lambda m, x: x @ m.used.weight, used=nn.Linear(3, 4, bias=False), idle=nn.Conv2d(2, 2, 3), own=nn.Parameter(torch.ones(5))
    )
    found = traced(module, (4,))
    assert [(row.path, row.kind, row.output, row.parameters) for row in found.rows] == [
        ("", "Does", (3,), 5),
        ("used", "Linear", None, 12),
        ("idle", "Conv2d", None, 38),
    ]
    assert found.parameters == 55


def test_frozen_and_trainable_parameters_and_buffers_are_told_apart() -> None:
    module = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.BatchNorm1d(3))
    found = traced(module, (4,))
    assert (found.trainable, found.frozen, found.buffers) == (6, 15, 7)


def test_several_tensors_may_enter_and_leave_however_nested() -> None:
    def nested(module: Any, x: Tensor, y: Tensor) -> Any:
        return {"scores": module.part(x), "rest": [y, (y.sum(),)]}

    found = traced(Does(nested, part=nn.Linear(4, 3)), ((4,), (2, 6)), batch=3)
    assert found.input == ((4,), (2, 6))
    assert found.output == ((3,), (2, 6), ())
    assert found.macs == 36


def test_an_axis_that_is_not_the_batch_stays_in_the_output() -> None:
    module = nn.Sequential(nn.Unflatten(1, (2, 3)), Does(lambda m, x: x.transpose(0, 1).contiguous()))
    assert [row.output for row in traced(module, (6,), batch=5).rows] == [(2, 3), (2, 5, 3)]


def test_the_batch_multiplies_what_is_computed_and_no_parameters() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    once, thrice = traced(module, (3, 6, 6)), traced(module, (3, 6, 6), batch=3)
    for count in ("macs", "flops", "elements", "activation_bytes"):
        assert getattr(thrice, count) == 3 * getattr(once, count) > 0
    assert thrice.parameters == once.parameters


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_inputs_are_of_the_parameters_type(dtype: torch.dtype) -> None:
    found = traced(nn.Linear(4, 6).to(dtype), (4,))
    assert (found.macs, found.activation_bytes) == (24, 6 * dtype.itemsize)


# --- the module stays as it was ---------------------------------------------------------------------------------------


class Busy(nn.Module):
    """Changes whatever a module can change while it runs."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.norm, self.drop, self.fc = nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(3))
        self.runs, self.looks, self.latest = 0, looks, [torch.ones(2)]

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        self.seen += 1  # type: ignore[operator]
        x = self.drop(self.norm(x)) + torch.rand(4)
        with torch.no_grad():
            self.fc.weight.mul_(2)
        self.latest[0].add_(1)
        self.latest.append(x)
        return self.fc(x) if not self.looks or x.sum() < 1e9 else x  # type: ignore[no-any-return]


@pytest.mark.parametrize("looks", [False, True], ids=["without values", "on zeros"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("was_training", [False, True])
def test_the_module_is_bit_for_bit_as_it_was(looks: bool, training: bool, was_training: bool) -> None:
    module = Busy(looks).train(was_training)
    module.norm.eval()
    module.fc.bias.requires_grad_(False)
    module.fc.weight.grad = torch.full((4, 4), 3.0)
    heard = []
    hook = module.fc.register_forward_hook(lambda part, x, y: heard.append(type(part)))
    state = {key: value.clone() for key, value in module.state_dict().items()}
    modes, gradients = [part.training for part in module.modules()], [value.requires_grad for value in module.parameters()]
    values = [value.data_ptr() for value in (*module.parameters(), *module.buffers())]
    torch.manual_seed(7)
    noise, switch = torch.get_rng_state(), torch.backends.mha.get_fastpath_enabled()
    found = traced(module, (4,), batch=3, training=training)
    assert (found.macs, found.for_zeros, found.unknown) == (48, looks, ())
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    assert [value.requires_grad for value in module.parameters()] == gradients
    assert [value.data_ptr() for value in (*module.parameters(), *module.buffers())] == values
    assert torch.equal(torch.get_rng_state(), noise) and torch.backends.mha.get_fastpath_enabled() == switch
    assert torch.is_grad_enabled()
    assert (module.runs, len(module.latest), module.latest[0].tolist()) == (0, 1, [1, 1])
    assert torch.equal(module.fc.weight.grad, torch.full((4, 4), 3.0))
    assert set(heard) == {nn.Linear}  # hooks belong to a module, and run
    hook.remove()
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_switches_are_turned_back_where_the_module_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ShapeError):
        traced(nn.Linear(4, 4), (5,))
    assert torch.backends.mha.get_fastpath_enabled() and torch.is_grad_enabled()
    assert capfd.readouterr() == ("", "")


# --- values, and what cannot run ----------------------------------------------------------------------------------------


def looks(module: Any, x: Tensor) -> Tensor:
    """Attention, twice where the values are not all zeros."""
    y = F.scaled_dot_product_attention(x, x, x)
    return F.scaled_dot_product_attention(y, y, y) if y.abs().sum() > 0 else module.part(y)  # type: ignore[no-any-return]


def test_a_module_that_asks_for_values_is_run_on_zeros_and_says_so() -> None:
    found = traced(Does(looks, part=nn.Linear(8, 3)), (2, 5, 8))
    assert found.macs == 2 * 2 * 25 * 8 + 10 * 8 * 3  # torch has a kernel of its own for attention on the processor
    assert found.for_zeros and found.unknown == ()
    assert found.caveats == ("The module computes other things for other values: these are the counts for an input of zeros.",)


def test_a_module_too_large_to_be_run_on_zeros_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "FOR_VALUES", 4 * 27 - 1)
    with pytest.raises(ShapeError, match="If it is values that it needs: with real weights of up to .* MiB it is run on zeros") as refused:
        traced(Does(looks, part=nn.Linear(8, 3)), (2, 5, 8))
    assert "at _local_scalar_dense" in str(refused.value)


def test_a_module_without_values_cannot_be_asked_for_them() -> None:
    with pytest.raises(ShapeError, match="cannot run on 1x2x5x8"):
        traced(Does(looks, part=nn.Linear(8, 3, device="meta")), (2, 5, 8))


class Locked(nn.Module):
    def __deepcopy__(self, memo: Any) -> nn.Module:
        raise TypeError("cannot pickle a lock")


REFUSED: list[tuple[Any, Any, str]] = [
    (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Linear(5, 5))),
        (3, 6, 6),
        r"^1\.1: this Sequential cannot run on 1x3x6x6, batch included\. RuntimeError at addmm: mat1 and mat2 shapes cannot be multiplied",
    ),
    (nn.Sequential(nn.Embedding(5, 2)), (4,), r"^0: .*RuntimeError at embedding: Expected tensor for argument #1 'indices'"),
    (
        Does(lambda m, x: 1 / 0),
        (4,),
        r"^this Does cannot run on 1x4, batch included\. ZeroDivisionError before any operation: division by zero",
    ),
    (
        nn.ModuleList([nn.Linear(4, 4)]),
        (4,),
        'NotImplementedError before any operation: Module .ModuleList. is missing the required "forward"',
    ),
    (nn.LazyLinear(4), (4,), "makes its weights when it first sees an input: run it once on one"),
    (Locked(), (4,), "this Locked cannot be copied, and only a copy is run: cannot pickle a lock"),
    (nn.Linear(4, 4), (4, 0), r"the input is \(4, 0\); it must be a shape without the batch"),
    (nn.Linear(4, 4), (4.0,), r"the input is \(4.0,\); it must be"),
    (nn.Linear(4, 4), [4], r"the input is \[4\]; it must be"),
    (nn.Linear(4, 4), (), r"the input is \(\); it must be"),
    (nn.Linear(4, 4), ((4,), 4), r"the input is 4; it must be"),
    (nn.Linear(4, 4), torch.tensor(1.0), r"the input is tensor\(1.\); it must be"),
    ("resnet50", (3, 4, 4), "A torch.nn.Module is traced; this is 'resnet50'"),
]


@pytest.mark.parametrize(("module", "input", "sentence"), REFUSED, ids=[case[2][:40] for case in REFUSED])
def test_what_cannot_be_sized_is_refused_with_a_sentence_that_says_where(module: Any, input: Any, sentence: str) -> None:
    with pytest.raises(HubelError, match=sentence):
        traced(module, input)


@pytest.mark.parametrize("batch", [0, -1, 1.0, True])
def test_a_batch_is_a_positive_whole_number(batch: Any) -> None:
    with pytest.raises(ShapeError, match="the batch is .*; it must be a positive whole number"):
        traced(nn.Linear(2, 2), (2,), batch=batch)


# --- torch's count beside ours ------------------------------------------------------------------------------------------


def test_lenet5_is_reconciled_by_its_table_of_connections_and_its_rbf_units() -> None:
    found = reconciled(NETS["lenet5"].net(), (1, 32, 32), batch=3)
    assert (found.macs, found.flops, found.residual) == (3 * 326_520, 3 * 2 * 415_680, 0)
    assert [(term.macs, term.paths) for term in found.terms] == [(3 * 90_000, ("C3.0",)), (-3 * 840, ("OUTPUT",))]
    text = "\n".join(found.sentences)
    assert all(
        part in text for part in ("979,560 multiply-adds", "+270,000 by zeros", "-2,520 in RBF units", "2,494,080", "nothing is left over")
    )


def test_what_no_term_explains_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "DIFFERENCES", {})
    found = reconciled(NETS["lenet5"].net(), (1, 32, 32))
    assert found.residual == 2 * (90_000 - 840)
    assert "+178,320 are not explained" in "\n".join(found.sentences)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_table_of_connections_is_reconciled(data: st.DataObject) -> None:
    shape = data.draw(st.integers(1, 4)), 6, 7
    rows = st.lists(st.integers(0, shape[0] - 1), min_size=1, unique=True).map(tuple)
    table = tuple(data.draw(st.lists(rows, min_size=1, max_size=5)))
    codes = tuple(data.draw(st.lists(st.text("#.", min_size=3, max_size=3), min_size=1, max_size=4)))
    net = ConnectedConv(table, (2, 3), stride=data.draw(st.integers(1, 2)), fit="floor") >> FC(3) >> RBF(codes)
    assert reconciled(net, shape, data.draw(st.integers(1, 2))).residual == 0


# --- the peak of memory -------------------------------------------------------------------------------------------------

KILO = 4 * 1000  # bytes of a thousand float32 numbers


def test_what_is_let_go_no_longer_counts_and_views_never_do() -> None:
    def step() -> Tensor:
        first = torch.ones(1000)
        second = first + 1  # two at once
        del first
        view = second.view(10, 100).t()[2:]
        return (view * 2).sum() + view.sum()  # 0.8 more, which goes before the second sum is made

    assert peak_bytes(step) == 2 * KILO


def test_three_at_once_are_three_however_many_were_made() -> None:
    def step() -> None:
        x = torch.zeros(1000)
        for _ in range(10):
            x = (x + 1) * 2  # the old x, its sum and the product

    assert peak_bytes(step) == 3 * KILO


def test_in_place_work_takes_nothing() -> None:
    x = torch.zeros(1000)
    assert peak_bytes(lambda: x.add_(1).mul_(2).relu_()) == 0
    assert peak_bytes(lambda: x.add_(1).mul_(2).relu_(), alive=[x, x[5:], x]) == KILO


def test_what_lived_before_counts_only_where_it_is_named() -> None:
    x, y = torch.ones(1000), torch.ones(500)
    assert peak_bytes(lambda: x + x) == KILO
    assert peak_bytes(lambda: x.t() + 1) == KILO
    assert peak_bytes(lambda: x + x, alive=[x, y]) == 2 * KILO + KILO // 2


def test_what_was_alive_may_go_during_the_step() -> None:
    held = [torch.ones(1000)]

    def step() -> None:
        held.append(held[0] + 1)
        del held[0]
        held.append(held[0] + 1)

    assert peak_bytes(step, alive=held) == 2 * KILO


def test_a_tensor_that_grows_counts_as_it_is() -> None:
    def step() -> None:
        x = torch.empty(10)
        torch.add(torch.ones(1000), 1, out=x.resize_(0))

    assert peak_bytes(step) == 2 * KILO


def test_autograd_holds_what_backward_needs_and_gives_it_back() -> None:
    weight = torch.ones(1000, requires_grad=True)

    def forward() -> Tensor:
        return (torch.ones(1000).tanh() * weight).exp().sum()

    # the ones go; when exp is there, so are tanh, which the weight's gradient needs, and the product
    assert peak_bytes(forward, alive=[weight]) == KILO + 3 * KILO
    with torch.no_grad():  # each with what it came from
        assert peak_bytes(forward, alive=[weight]) == KILO + 2 * KILO


def test_backward_and_an_optimisers_step_are_seen() -> None:
    x, weight = torch.ones(1000), torch.ones(1000, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=0.1, momentum=0.9, foreach=False)

    def backward() -> None:
        (x * weight).sum().backward()

    def step() -> None:
        backward()
        optimiser.step()

    # the product goes before backward begins; then stand the sum, its gradient and that of the weight
    assert peak_bytes(backward, alive=[x, weight]) == 2 * KILO + KILO + 2 * 4
    weight.grad = None
    assert peak_bytes(step, alive=[x, weight]) == 2 * KILO + KILO + KILO  # gradient and momentum
    assert peak_bytes(step, alive=[x, weight, weight.grad, optimiser.state[weight]["momentum_buffer"]]) == 5 * KILO + 8


def test_a_step_too_large_for_any_machine_is_measured_without_values() -> None:
    x = torch.empty(10**13, device="meta")
    assert peak_bytes(lambda: x + x, alive=[x]) == 8 * 10**13


def test_a_networks_forward_keeps_in_training_what_backward_needs() -> None:
    network, x = build((Conv(4, 3, pad=1) >> ReLU()) * 4, (2, 8, 8)), torch.randn(5, 2, 8, 8)
    maps = 4 * 5 * 4 * 64
    with torch.no_grad():
        assert peak_bytes(lambda: network(x)) == 3 * maps  # what enters a stage is held while its two layers make theirs
    assert peak_bytes(lambda: network(x)) == 5 * maps  # every ReLU's, and the last convolution's
