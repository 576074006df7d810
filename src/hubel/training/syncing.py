"""Batch norm over the pictures of several processes (Ioffe, Szegedy 2015, sec. 3, with the batch of all of them)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.cluster import Ranks


def synchronised(norm: _BatchNorm, ranks: Ranks) -> nn.Module:
    """The same batch norm over all processes' pictures: its weights and statistics are those of `norm`."""
    if ranks.device.type == "cuda":
        torchs: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return torchs
    other = Synchronised(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    other.ranks, other.training = ranks, norm.training
    other._parameters, other._buffers = norm._parameters, norm._buffers
    return other


class Synchronised(_BatchNorm):
    """For processors: torch has one for GPUs alone. x: (N, C, ...); some of the processes may have none, N = 0."""

    ranks: Ranks

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        normal, mean, variance, count = _Normal.apply(x.float(), self.eps, self.ranks)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), share)
        if self.affine:
            shape = [1, -1] + [1] * (x.dim() - 2)
            normal = torch.addcmul(self.bias.view(shape), normal, self.weight.view(shape))
        return normal.to(x.dtype)  # type: ignore[no-any-return]


class _Normal(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps), mean and variance over all processes' x; and these, and how many values they are of."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        over = [dim for dim in range(x.dim()) if dim != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        sums = ranks.total(torch.cat([x.sum(over), x.new_full((1,), x.numel() // x.shape[1])]))
        count, mean = sums[-1], sums[:-1] / sums[-1]
        centred = x - mean.view(shape)
        variance = ranks.total(centred.square().sum(over)) / count  # of the differences: sums of squares would cancel
        scale = (variance + eps).rsqrt()
        normal = centred * scale.view(shape)
        ctx.save_for_backward(normal, scale, count)
        ctx.ranks, ctx.over, ctx.shape = ranks, over, shape
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        normal, scale, count = ctx.saved_tensors
        dy, shape = gradients[0], ctx.shape
        sums = ctx.ranks.total(torch.stack([dy.sum(ctx.over), (dy * normal).sum(ctx.over)])) / count
        inner = dy - sums[0].view(shape) - normal * sums[1].view(shape)
        return inner * scale.view(shape), None, None
