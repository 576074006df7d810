"""What an operation of torch costs: which ones multiply, which are known not to, and that everything else is not understood.

The convention is that of the layers: a multiply-add (MAC) for every term of a convolution or a matrix product, and none for biases,
norms, pools, activations and whatever else works number by number. An operation is in no table by default: what torch adds
tomorrow is reported by its name, and not taken for free.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

Formula = Callable[..., int]

WITHOUT_WEIGHTS: dict[str, str] = {
    "move values or look them up": """
        _index_put_impl _pack_padded_sequence _pad_packed_sequence _reshape_copy _stack _to_copy _unsafe_index _unsafe_index_put
        _unsafe_view as_strided as_strided_scatter block_diag cat channel_shuffle col2im constant_pad_nd copy diag_embed
        diagonal_scatter embedding flip gather im2col index index_copy index_fill index_put index_select lift_fresh_copy
        masked_fill masked_scatter masked_select native_channel_shuffle pixel_shuffle pixel_unshuffle put reflection_pad1d
        reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d resize
        resize_as roll rot90 scatter select_scatter set slice_scatter squeeze stack t take transpose tril triu unsafe_split
        unsafe_split_with_sizes unsqueeze""",
    "make values": """
        arange bernoulli empty empty_like empty_permuted empty_strided exponential eye fill full full_like linspace logspace
        multinomial native_dropout new_empty new_empty_strided new_full new_ones new_zeros normal ones ones_like rand rand_like
        randint randint_like randn randn_like random randperm scalar_tensor tril_indices triu_indices uniform zero zeros zeros_like""",
    "sum, compare, sort or count": """
        _cummax_helper _cummin_helper _embedding_bag _embedding_bag_forward_only _logcumsumexp _unique2 all amax amin aminmax any
        argmax argmin bincount bucketize count_nonzero cummax cummin cumprod cumsum histc index_add index_reduce isin kthvalue
        linalg_vector_norm logcumsumexp logsumexp max mean median min mode nanmedian nansum nonzero nonzero_static norm prod
        scatter_add scatter_reduce searchsorted sort std std_mean sum topk trace unique_consecutive unique_dim var var_mean""",
    "normalise": """
        _batch_norm_no_update _batch_norm_with_update _fused_rms_norm _log_softmax _masked_softmax _native_batch_norm_legit
        _native_batch_norm_legit_no_training _safe_softmax _softmax _weight_norm_interface cudnn_batch_norm native_batch_norm
        embedding_renorm native_group_norm native_layer_norm renorm""",
    "pool, or resample with fixed weights": """
        _adaptive_avg_pool2d _adaptive_avg_pool3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d
        _upsample_nearest_exact2d _upsample_nearest_exact3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d fractional_max_pool2d fractional_max_pool3d
        grid_sampler_2d grid_sampler_3d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d
        upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
        upsample_trilinear3d""",
    "work number by number": """
        _add_relu _prelu_kernel _thnn_fused_gru_cell _thnn_fused_lstm_cell abs binary_cross_entropy
        binary_cross_entropy_with_logits complex copysign elu eq floor_divide gcd ge gelu glu gt hardswish heaviside huber_loss
        lcm le log_sigmoid_forward lt mish mse_loss ne nll_loss2d_forward nll_loss_forward polar rrelu_with_noise smooth_l1_loss
        threshold""",
}
"""Operations of aten that multiply no weights, beside the views and those that torch itself marks as working point by point.

An underscore at the end, for working in place, is left out.
"""

KNOWN = frozenset(" ".join(WITHOUT_WEIGHTS.values()).split())

QUESTIONS = frozenset("_assert_async _assert_scalar _assert_tensor_metadata _local_scalar_dense equal is_nonzero is_same_size".split())
"""Operations of aten that compute no tensor; nor do those of the namespaces prim and profiler."""


def name(operation: Any) -> str:
    """convolution, add, torchvision::nms: without overload, the namespace of torch itself, and the sign for working in place."""
    full: str = operation.name().partition(".")[0]
    return full.removeprefix("aten::").removesuffix("_") if full.startswith("aten::") else full


def asks(operation: Any) -> bool:
    """Whether it only asks something of a tensor, or sees it differently."""
    return isinstance(operation, OpOverload) and (
        operation.is_view
        or operation.namespace in ("prim", "profiler")
        or name(operation) in QUESTIONS
        or name(operation).startswith("sym_")
    )


def formula(operation: Any) -> Formula | None:
    """What gives the multiply-adds from the operation's arguments and `out_val`, its result; None where it is not understood."""
    if not isinstance(operation, OpOverload):
        return None
    if name(operation) in MULTIPLYING and operation.namespace == "aten":
        return MULTIPLYING[name(operation)]
    of_torch = flop_registry.get(_functional(operation))
    if of_torch is not None:
        return lambda *given, **named: int(of_torch(*given, **named)) // 2  # torch counts a multiplication and an addition
    known = operation.namespace == "aten" and (torch.Tag.pointwise in operation.tags or name(operation) in KNOWN)
    return _nothing if known or asks(operation) else None


def _functional(operation: OpOverload) -> Any:
    """The operation without its overload, and as if it did not work in place: that is where torch keeps its formulas."""
    packet = operation.overloadpacket
    return getattr(torch.ops.aten, name(operation), packet) if operation.namespace == "aten" else packet


# --- what torch has no formula for ------------------------------------------------------------------------------------


def _nothing(*given: Any, out_val: Any, **named: Any) -> int:
    return 0


def _matrix_vector(matrix: Tensor, vector: Tensor, *, out_val: Any, **named: Any) -> int:
    return matrix.numel()


def _added_matrix_vector(added: Tensor, matrix: Tensor, vector: Tensor, *, out_val: Any, **named: Any) -> int:
    return matrix.numel()


def _summed_products(added: Tensor, left: Tensor, right: Tensor, *, out_val: Any, **named: Any) -> int:
    return left.numel() * right.shape[-1]


def _linear(x: Tensor, weight: Tensor, *bias: Any, out_val: Any, **named: Any) -> int:
    return x.numel() * weight.shape[0]


def _attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, out_val: Any, **named: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape)) // 2  # type: ignore[no-untyped-call]


def _recurrent(x: Tensor, *rest: Any, out_val: Any, **named: Any) -> int:
    """Every weight matrix once for every step of every sequence: the matrices among cuDNN's list, or oneDNN's first two tensors."""
    weights = rest[0] if isinstance(rest[0], (list, tuple)) else rest[:2]
    uses: int = sum(weight.numel() for weight in weights if weight.dim() == 2)
    return uses * math.prod(x.shape[:-1])


MULTIPLYING: dict[str, Formula] = {
    "mv": _matrix_vector,
    "dot": _matrix_vector,
    "vdot": _matrix_vector,
    "addmv": _added_matrix_vector,
    "addbmm": _summed_products,
    "_addmm_activation": _summed_products,
    "linear": _linear,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_cudnn_rnn": _recurrent,
    "mkldnn_rnn_layer": _recurrent,
}
"""Beside torch.utils.flop_counter's: convolutions, matrix products, attention."""
