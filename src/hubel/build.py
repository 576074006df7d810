"""Expression to torch: an nn.Sequential of the paper's named stages, whose state dict has the anatomy's paths."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hubel import modules
from hubel.anatomy import anatomy
from hubel.arguments import pair, sides
from hubel.errors import HubelError, choices
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum, chained
from hubel.layers import (
    FC,
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


def build(net: Expression, input: Shape, initialisation: str | None = "he", seed: int = 0) -> modules.Network:
    """A torch module for pictures (N, C, H, W) of shape `input`, with fresh weights that depend on `seed` alone.

    With no initialisation the weights are whatever torch leaves there, to be loaded over.

    In training, a network with heads gives (scores, *heads); otherwise scores alone. Raises ShapeError as `anatomy` does.
    """
    anatomy(net, input)  # refuses what does not fit before a single weight is made
    links = _links(chained(net), input)
    network = modules.Network(OrderedDict((name, _module(part, entering)) for name, part, entering in links))
    if initialisation is not None:
        initialise(network, initialisation, seed)
    for weight in network.parameters():
        if weight.dim() == 4:  # maps and kernels with their channels last in memory: every convolution here runs faster so
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def _links(chain: Chain, shape: Shape) -> list[tuple[str, Expression, Shape]]:
    """The parts of a chain, each with the shape that enters it."""
    links = []
    for name, part in chain.children():
        links.append((name, part, shape))
        shape = part.output(shape)
    return links


# --- every kind of part -----------------------------------------------------------------------------------------------


@singledispatch
def _module(part: Expression, shape: Shape) -> nn.Module:
    raise HubelError(f"There is no torch module for {type(part).__name__}.")


@_module.register
def _(part: Chain, shape: Shape) -> nn.Module:
    stages = nn.Sequential()
    for name, link, entering in _links(part, shape):
        stages.add_module(name, _module(link, entering))
    return stages


@_module.register
def _(part: Sum, shape: Shape) -> nn.Module:
    return modules.Sum(_module(branch, shape) for branch in part.parts)


@_module.register
def _(part: Concat, shape: Shape) -> nn.Module:
    return modules.Concat(_module(branch, shape) for branch in part.parts)


@_module.register
def _(part: Head, shape: Shape) -> nn.Module:
    return modules.Head(_module(part.net, shape), part.weight)


@_module.register
def _(layer: Conv, shape: Shape) -> nn.Module:
    return modules.Conv(
        shape[0], layer.maps, pair(layer.size), pair(layer.stride), sides(layer.pad), pair(layer.dilation), layer.groups, layer.bias
    )


@_module.register
def _(layer: Depthwise, shape: Shape) -> nn.Module:
    maps = shape[0] * layer.multiplier
    return modules.Conv(shape[0], maps, pair(layer.size), pair(layer.stride), sides(layer.pad), (1, 1), shape[0], layer.bias)


@_module.register
def _(layer: ConnectedConv, shape: Shape) -> nn.Module:
    return modules.ConnectedConv(layer.inputs, shape[0], pair(layer.size), pair(layer.stride), sides(layer.pad), layer.bias)


@_module.register
def _(layer: Local, shape: Shape) -> nn.Module:
    return modules.Local(shape[0], layer.output(shape), pair(layer.size), pair(layer.stride), sides(layer.pad), layer.bias)


@_module.register
def _(layer: MaxPool, shape: Shape) -> nn.Module:
    return modules.MaxPool(pair(layer.size), pair(layer.stride), sides(layer.pad), layer.fit == "ceil")


@_module.register
def _(layer: AvgPool, shape: Shape) -> nn.Module:
    return modules.AvgPool(pair(layer.size), pair(layer.stride), sides(layer.pad), layer.fit == "ceil", layer.count_pad)


@_module.register
def _(layer: L2Pool, shape: Shape) -> nn.Module:
    return modules.L2Pool(pair(layer.size), pair(layer.stride), sides(layer.pad), layer.fit == "ceil")


@_module.register
def _(layer: AdaptiveAvgPool, shape: Shape) -> nn.Module:
    return nn.AdaptiveAvgPool2d(pair(layer.size))


@_module.register
def _(layer: Subsample, shape: Shape) -> nn.Module:
    return modules.Subsample(shape[0], pair(layer.size))


@_module.register
def _(layer: PadMaps, shape: Shape) -> nn.Module:
    return modules.PadMaps(layer.maps - shape[0], pair(layer.stride))


@_module.register
def _(layer: FC, shape: Shape) -> nn.Module:
    return modules.FC(math.prod(shape), layer.outputs, layer.bias)


@_module.register
def _(layer: RBF, shape: Shape) -> nn.Module:
    return modules.RBF([[1.0 if mark == "#" else -1.0 for mark in code] for code in layer.codes])


@_module.register
def _(layer: LRN, shape: Shape) -> nn.Module:
    return modules.LRN(layer.n, layer.k, layer.alpha, layer.beta, layer.groups)


@_module.register
def _(layer: BatchNorm, shape: Shape) -> nn.Module:
    return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], layer.eps, layer.momentum)


@_module.register
def _(layer: Scale, shape: Shape) -> nn.Module:
    return modules.Scale(layer.factor)


@_module.register
def _(layer: Dropout, shape: Shape) -> nn.Module:
    return nn.Dropout(layer.rate)


@_module.register
def _(layer: Softmax, shape: Shape) -> nn.Module:
    return nn.Softmax(1)


PLAIN: dict[type[Layer], Callable[[], nn.Module]] = {
    Identity: nn.Identity,
    Flatten: nn.Flatten,
    GlobalAvgPool: modules.GlobalAvgPool,
    ReLU: nn.ReLU,
    ReLU6: nn.ReLU6,
    Tanh: nn.Tanh,
    Sigmoid: nn.Sigmoid,
    ScaledTanh: modules.ScaledTanh,
}
"""Layers that say nothing."""


@_module.register
def _(layer: Layer, shape: Shape) -> nn.Module:
    return PLAIN[type(layer)]()


# --- fresh weights ----------------------------------------------------------------------------------------------------


Draw = Callable[[Tensor, Tensor, Tensor, torch.Generator], Tensor]
"""Values for a weight, from its fan-in, its fan-out and a source of noise."""


def _he(weight: Tensor, fan_in: Tensor, fan_out: Tensor, noise: torch.Generator) -> Tensor:
    """He, Zhang, Ren, Sun 2015: normal, variance 2 / fan-in."""
    return torch.randn(weight.shape, generator=noise) * (2 / fan_in).sqrt()


def _glorot(weight: Tensor, fan_in: Tensor, fan_out: Tensor, noise: torch.Generator) -> Tensor:
    """Glorot, Bengio 2010: uniform, variance 2 / (fan-in + fan-out)."""
    return (torch.rand(weight.shape, generator=noise) * 2 - 1) * (6 / (fan_in + fan_out)).sqrt()


def _lecun_1998(weight: Tensor, fan_in: Tensor, fan_out: Tensor, noise: torch.Generator) -> Tensor:
    """LeCun et al. 1998, appendix A: uniform from -2.4 / fan-in to 2.4 / fan-in."""
    return (torch.rand(weight.shape, generator=noise) * 2 - 1) * 2.4 / fan_in


def _normal(deviation: float) -> Draw:
    """Normal, of one deviation everywhere."""
    return lambda weight, fan_in, fan_out, noise: torch.randn(weight.shape, generator=noise) * deviation


class Initialisation(NamedTuple):
    """How fresh weights are drawn, and the stages whose biases start at one instead of zero."""

    weights: Draw
    ones: tuple[str, ...] = ()


INITIALISATIONS: dict[str, Initialisation] = {
    "he": Initialisation(_he),
    "glorot": Initialisation(_glorot),
    "lecun_1998": Initialisation(_lecun_1998),
    "krizhevsky_2012": Initialisation(_normal(0.01), ones=("conv2", "conv4", "conv5", "fc6", "fc7")),  # sec. 5
    "simonyan_2014": Initialisation(_normal(0.1)),  # sec. 3.1: a variance of 0.01
}


@torch.no_grad()
def initialise(network: nn.Module, how: str, seed: int) -> None:
    """Fresh weights for every layer that multiplies; biases as the paper has them, zero where it does not say; norms at 1 and 0."""
    if how not in INITIALISATIONS:
        raise HubelError(choices(how, INITIALISATIONS, "initialisation"))
    draw, ones = INITIALISATIONS[how]
    noise = torch.Generator().manual_seed(seed)
    for path, module in network.named_modules():
        fans = modules.fans(module)
        if fans is not None:
            weight = module.get_parameter("weight")
            weight.copy_(draw(weight, *fans, noise))
            for name, bias in module.named_parameters(recurse=False):
                if name == "bias":
                    bias.fill_(float(path.split(".")[0] in ones))
