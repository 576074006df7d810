"""The torch modules that torch has not, or not as the papers mean them. Shapes are (N, C, H, W); nothing works in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]


class Network(nn.Sequential):
    """A whole network: its stages by name. In training, heads' scores come behind the network's own."""

    resting: tuple[str, ...] = ()
    """Paths of what works as in use while the rest is trained."""

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        for path in self.resting:
            self.get_submodule(path).eval()
        return self

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        heads = []
        for stage in self:
            if isinstance(stage, Head):
                if self.training:
                    heads.append(stage.scores(x))
            else:
                x = stage(x)
        return (x, *heads) if heads else x


class Head(nn.Sequential):
    """A classifier beside the network: passes its input on; `scores` are what it says of it."""

    def __init__(self, net: nn.Module, weight: float) -> None:
        super().__init__(net)
        self.weight = weight

    def scores(self, x: Tensor) -> Tensor:
        return self[0](x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return x


def head_weights(network: nn.Module) -> list[float]:
    """The weights of the heads of training, in order."""
    return [stage.weight for stage in network.children() if isinstance(stage, Head)]


class Sum(nn.ModuleList):
    """Branches' outputs added, out of place: with an identity first, `+=` would overwrite the input."""

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self[0](x)
        for branch in list(self)[1:]:
            total = total + branch(x)
        return total


class Concat(nn.ModuleList):
    """Branches' maps stacked."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


def _uneven(pad: Sides) -> tuple[int, int, int, int] | None:
    """The padding for F.pad, where torch's own symmetric one cannot say it."""
    (top, bottom), (left, right) = pad
    return None if top == bottom and left == right else (left, right, top, bottom)


class Conv(nn.Conv2d):
    """nn.Conv2d that can also pad each side by its own amount."""

    def __init__(self, inputs: int, maps: int, size: Pair, stride: Pair, pad: Sides, dilation: Pair, groups: int, bias: bool) -> None:
        self.uneven = _uneven(pad)
        padding = (0, 0) if self.uneven else (pad[0][0], pad[1][0])
        super().__init__(inputs, maps, size, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.uneven) if self.uneven else x)


class ConnectedConv(nn.Module):
    """A convolution that holds a kernel only for the listed (map, input) pairs: weight is (pairs, height, width)."""

    def __init__(self, inputs: Sequence[Sequence[int]], maps_in: int, size: Pair, stride: Pair, pad: Sides, bias: bool) -> None:
        super().__init__()
        self.fan_ins = [len(row) * math.prod(size) for row in inputs for _ in row]
        self.shape, self.stride = (len(inputs), maps_in, *size), stride
        self.uneven, self.padding = _uneven(pad), (pad[0][0], pad[1][0])
        places = [i * maps_in + j for i, row in enumerate(inputs) for j in row]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(places), *size))
        self.bias = nn.Parameter(torch.zeros(len(inputs))) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        maps, maps_in, *size = self.shape
        dense = self.weight.new_zeros(maps * maps_in, *size).index_copy(0, self.get_buffer("places"), self.weight)
        if self.uneven:
            return F.conv2d(F.pad(x, self.uneven), dense.view(self.shape), self.bias, self.stride)
        return F.conv2d(x, dense.view(self.shape), self.bias, self.stride, self.padding)


class Local(nn.Module):
    """A convolution without weight sharing: weight is (H' * W', maps, C * height * width)."""

    def __init__(self, maps_in: int, output: tuple[int, ...], size: Pair, stride: Pair, pad: Sides, bias: bool) -> None:
        super().__init__()
        self.output, self.size, self.stride = output, size, stride
        self.uneven, self.padding = _uneven(pad), (pad[0][0], pad[1][0])
        maps, places = output[0], output[1] * output[2]
        self.weight = nn.Parameter(torch.zeros(places, maps, maps_in * math.prod(size)))
        self.bias = nn.Parameter(torch.zeros(maps, places)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.uneven:
            columns = F.unfold(F.pad(x, self.uneven), self.size, stride=self.stride)
        else:
            columns = F.unfold(x, self.size, padding=self.padding, stride=self.stride)
        y = torch.einsum("pmk,nkp->nmp", self.weight, columns)
        return (y if self.bias is None else y + self.bias).view(-1, *self.output)


class _Pool(nn.Module):
    """A window over the maps, uneven padding included."""

    def __init__(self, size: Pair, stride: Pair, pad: Sides, ceil: bool) -> None:
        super().__init__()
        self.size, self.stride, self.ceil = size, stride, ceil
        self.uneven = _uneven(pad)
        self.padding = (0, 0) if self.uneven else (pad[0][0], pad[1][0])

    def padded(self, x: Tensor, value: float) -> Tensor:
        return F.pad(x, self.uneven, value=value) if self.uneven else x


class MaxPool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.padded(x, -math.inf), self.size, self.stride, self.padding, ceil_mode=self.ceil)


class AvgPool(_Pool):
    def __init__(self, size: Pair, stride: Pair, pad: Sides, ceil: bool, count_pad: bool) -> None:
        super().__init__(size, stride, pad, ceil)
        self.count_pad = count_pad

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(self.padded(x, 0.0), self.size, self.stride, self.padding, self.ceil, self.count_pad)
        if self.uneven and not self.count_pad:
            inside = self.padded(torch.ones_like(x[:1, :1]), 0.0)
            y = y / F.avg_pool2d(inside, self.size, self.stride, self.padding, self.ceil)
        return y


class L2Pool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        squares = self.padded(x * x, 0.0)
        total = F.avg_pool2d(squares, self.size, self.stride, self.padding, self.ceil, divisor_override=1)
        return total.clamp_min(torch.finfo(x.dtype).tiny).sqrt()  # the root has no slope at 0: a window of zeros would give NaN


class Subsample(nn.Module):
    """LeNet's trainable pooling: a coefficient times the window's sum, plus a bias."""

    def __init__(self, maps: int, size: Pair) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.zeros(maps))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: Tensor) -> Tensor:
        total = F.avg_pool2d(x, self.size, divisor_override=1)
        return total * self.weight[:, None, None] + self.bias[:, None, None]


class PadMaps(nn.Module):
    """Every stride-th place of each map, with maps of zeros behind them."""

    def __init__(self, added: int, stride: Pair) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride[0], :: self.stride[1]], (0, 0, 0, 0, 0, self.added))


class LRN(nn.LocalResponseNorm):
    """nn.LocalResponseNorm of each group of maps by itself, with alpha times the sum of squares, which torch divides by their number."""

    def __init__(self, n: int, k: float, alpha: float, beta: float, groups: int) -> None:
        super().__init__(n, alpha * n, beta, k)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        if self.groups == 1:
            return super().forward(x)
        y = x * x  # one name for all that follows: what is used up is let go
        y = y.unflatten(1, (self.groups, -1))  # type: ignore[no-untyped-call]
        y = F.pad(y, (0, 0, 0, 0, self.size // 2, self.size // 2))
        y = F.avg_pool3d(y, (self.size, 1, 1), 1).flatten(1, 2)
        y = y.mul(self.alpha).add(self.k).pow(self.beta)
        return x / y


class GlobalAvgPool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class FC(nn.Linear):
    """nn.Linear that reads maps too, in (C, H, W) order."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class RBF(nn.Module):
    """Minus the squared distance from each fixed code."""

    def __init__(self, codes: list[list[float]]) -> None:
        super().__init__()
        self.register_buffer("codes", torch.tensor(codes), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return -(x[:, None, :] - self.get_buffer("codes")).square().sum(2)


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class ScaledTanh(nn.Module):
    """1.7159 tanh(2/3 x)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


def fans(module: nn.Module) -> tuple[Tensor, Tensor] | None:
    """How many inputs a unit of the module reads, and how many units read an input, shaped to go with its weight."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        area = module.weight[0, 0].numel()
        groups = module.groups if isinstance(module, nn.Conv2d) else 1
        return torch.tensor(module.weight[0].numel()), torch.tensor(module.weight.shape[0] // groups * area)
    if isinstance(module, ConnectedConv):
        reads = torch.tensor(module.fan_ins)[:, None, None]
        return reads, torch.tensor(len(module.weight) / module.shape[1] * module.weight[0].numel())
    if isinstance(module, Local):
        return torch.tensor(module.weight.shape[2]), torch.tensor(module.weight.shape[1] * math.prod(module.size))
    if isinstance(module, Subsample):
        return torch.tensor(math.prod(module.size)), torch.tensor(1)
    return None
