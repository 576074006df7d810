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
def agree(ours: nn.Module, theirs: nn.Module, x: Tensor, tolerance: float = 1e-5) -> None:
    """Both give the same scores for x in evaluation, relative to the largest."""
    got, expected = ours.eval()(x), theirs.eval()(x)
    assert got.shape == expected.shape
    assert expected.std() > 1e-3 * expected.abs().max(), "scores that hardly differ would prove nothing"
    difference = (got - expected).abs().max() / expected.abs().max()
    assert difference < tolerance, f"scores differ by {difference:.2e} of the largest"
