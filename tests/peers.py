"""Independent implementations of the networks, and how weights come from one to the other: in the order of the layers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

_declared = []


def torchvision_models() -> Any:
    """torchvision.models. Its wheels are CUDA builds, whose operators a CPU build of torch does not find: they are declared first."""
    if not _declared and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)  # operators vanish with their library
    return pytest.importorskip("torchvision.models")


def timm() -> Any:
    """timm, which imports torchvision."""
    torchvision_models()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("timm")


def weighted(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers that hold parameters of their own, in the order in which they are registered."""
    for path, module in network.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            yield path, module


@torch.no_grad()
def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with every parameter and statistic at random, of a size that keeps what flows through sane; in evaluation."""
    noise = torch.Generator().manual_seed(seed)

    def uniform(value: Tensor, low: float, high: float) -> None:
        value.copy_(torch.rand(value.shape, generator=noise) * (high - low) + low)

    for _, module in weighted(network):
        for name, value in module.named_parameters(recurse=False):
            if value.dim() > 1:  # He's normal: what comes out is about as large as what went in
                value.copy_(torch.randn(value.shape, generator=noise) * (2 / value[0].numel()) ** 0.5)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm) and name == "weight":
                uniform(value, 0.5, 1.0)
            else:
                uniform(value, -0.2, 0.2)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            uniform(module.get_buffer("running_mean"), -0.2, 0.2)
            uniform(module.get_buffer("running_var"), 0.7, 1.5)
    return network.eval()


@torch.no_grad()
def paired(ours: nn.Module, theirs: nn.Module, order: Iterable[str] | None = None) -> nn.Module:
    """Our network with their weights, layer by layer; `order` names their layers where they register them in another order than ours."""
    of_ours = list(weighted(ours))
    found = dict(weighted(theirs))
    of_theirs = [(path, found[path]) for path in order] if order is not None else list(found.items())
    assert len(of_ours) == len(of_theirs) == len(found), f"{len(of_ours)} layers with weights, theirs {len(of_theirs)}"
    for (path, module), (other_path, other) in zip(of_ours, of_theirs):
        state, other_state = module.state_dict(), other.state_dict()
        shapes, other_shapes = ({name: tuple(value.shape) for name, value in some.items()} for some in (state, other_state))
        assert shapes == other_shapes, f"{path} is {shapes}, theirs {other_path} is {other_shapes}"
        for name, value in state.items():
            value.copy_(other_state[name])
    return ours


@torch.no_grad()
def settled(network: nn.Module, input: tuple[int, ...], amplified: float = 1.0) -> nn.Module:
    """The network with the statistics of what flows through it for noise of that shape: with others, many layers forget their input.

    Norms may amplify what they settle, to drive units past the upper end of their activations.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
            module.weight.mul_(amplified)
    network.train()(torch.randn(4, *input, generator=torch.Generator().manual_seed(2)))
    return network.eval()


TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-8}
"""How far scores may differ, relative to the largest. Deep networks with norms need double precision: they amplify its rounding."""


def assert_same(got: Tensor, expected: Tensor) -> None:
    """Both are the same scores of two pictures, which are told apart by a thousand times what is tolerated.

    Else a network deaf to its input would pass.
    """
    assert got.shape == expected.shape
    first, second = expected
    tolerated = TOLERANCE[expected.dtype] * expected.abs().max()
    assert (first - second).abs().max() > 1000 * tolerated, "the same scores for every picture would prove nothing"
    difference = (got - expected).abs().max()
    assert difference < tolerated, f"scores differ by {difference / expected.abs().max():.2e} of the largest"


@torch.no_grad()
def agree(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """Both give the same scores for x, two pictures, in evaluation and in its precision."""
    assert_same(ours.to(x.dtype).eval()(x), theirs.to(x.dtype).eval()(x))


def pictures(input: tuple[int, ...], scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Two pictures of noise."""
    return scale * torch.randn(2, *input, generator=torch.Generator().manual_seed(1), dtype=dtype)
