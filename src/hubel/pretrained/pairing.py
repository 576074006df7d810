"""The layers of a file and those of a network, paired by their order.

Layers with weights are paired with layers with weights, batch norms with batch norms: files differ in how the two alternate.
Equal shapes do not prove that a file is of the network; that is for whoever publishes it to say, and for tests on outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hubel.build import build
from hubel.errors import ModelError
from hubel.joints import Expression, Shape
from hubel.pretrained.units import Unit

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def paired(net: Expression, input: Shape, units: Sequence[Unit], file: str) -> dict[str, Tensor]:
    """The network's state dict from a file's layers. Raises ModelError, naming the first tensor that differs, where they are not its own.

    A bias that the file adds before a batch norm, and the network does not, is taken off that norm's mean.
    """
    layers = learning(net, input)
    found: dict[str, Tensor] = {}
    beyond: dict[str, Tensor] = {}
    for path, module, unit in _pairs(layers, units, file):
        if isinstance(module, Norm):
            own = _norm(path, module, unit, file)
        else:
            own = _weights(path, module, unit, file)
            if "bias" in own and not has_bias(module):
                beyond[path] = own.pop("bias")
        found |= {f"{path}.{role}": array for role, array in own.items()}
    paths = list(layers)
    for path, bias in beyond.items():
        behind = paths[min(paths.index(path) + 1, len(paths) - 1)]
        if not isinstance(layers[behind], Norm):
            raise ModelError(
                f"{file}: the file has a bias for {path}, and the network none, nor a batch norm behind it that could take it."
            )
        found[f"{behind}.running_mean"] = found[f"{behind}.running_mean"] - bias
    return found


def learning(net: Expression, input: Shape) -> dict[str, nn.Module]:
    """The network's layers that have weights, by path, in their order, as shapes alone."""
    with torch.device("meta"):
        network = build(net, input, None)
    return {path: module for path, module in network.named_modules() if next(module.parameters(recurse=False), None) is not None}


def has_bias(module: nn.Module) -> bool:
    return "bias" in dict(module.named_parameters(recurse=False))


def _pairs(layers: dict[str, nn.Module], units: Sequence[Unit], file: str) -> list[tuple[str, nn.Module, Unit]]:
    """Every layer with its unit, in the network's order."""
    streams = {norm: iter([unit for unit in units if unit.norm is norm]) for norm in (False, True)}
    folds = sum(isinstance(module, Norm) for module in layers.values()) - sum(unit.norm for unit in units)
    pairs: list[tuple[str, nn.Module, Unit]] = []
    for path, module in layers.items():
        norm = isinstance(module, Norm)
        if isinstance(module, Norm) and folds > 0 and pairs and _folded(*pairs[-1][1:], module, some=any(unit.norm for unit in units)):
            unit: Unit | None = _nothing(pairs[-1][2], module)
            folds -= 1
        else:
            unit = next(streams[norm], None)
        if unit is None:
            raise ModelError(f"{file} ends too early: it has nothing for the network's {path}.{'running_mean' if norm else 'weight'}.")
        pairs.append((path, module, unit))
    for stream in streams.values():
        for left in stream:
            raise ModelError(f"{file} has more than the network: the first tensor too many is {left.called(next(iter(left.arrays)))}.")
    return pairs


def _folded(before: nn.Module, unit: Unit, norm: Norm, some: bool) -> bool:
    """Whether a batch norm went into the layer right before it, as exporters do: what has no bias in the network has one in the file.

    some: whether the file has batch norms at all; where it has none, all went, and the biases that came to nothing may be left out.
    """
    fits = not isinstance(before, Norm) and not has_bias(before) and len(before.get_parameter("weight")) == norm.num_features
    return fits and ("bias" in unit.arrays or not some)


def _nothing(unit: Unit, norm: Norm) -> Unit:
    """A batch norm that changes nothing: its deviation is 1. The bias before it is taken off its mean as any other."""
    zeros = torch.zeros(norm.num_features)
    return Unit(unit.name, {"running_mean": zeros, "running_var": torch.ones_like(zeros)}, epsilon=0.0)


def _weights(path: str, module: nn.Module, unit: Unit, file: str) -> dict[str, Tensor]:
    """A convolution's or fully-connected layer's arrays; its bias too where the layer has none."""
    _refuse_other_roles(path, unit, ("weight", "bias"), file)
    wanted = module.get_parameter("weight")
    weight = _read(unit, "weight", file)
    if weight.shape != wanted.shape and weight.flatten(1).shape != wanted.flatten(1).shape:
        raise _other_shape(path, "weight", wanted, unit, file)
    if weight.dim() != wanted.dim() and min(weight.dim(), wanted.dim()) != 2:  # a window of another form
        raise _other_shape(path, "weight", wanted, unit, file)
    own = {"weight": weight.reshape(wanted.shape)}
    if "bias" in unit.arrays:
        own["bias"] = _shaped(path, "bias", weight.new_empty(len(wanted)), unit, file)
    elif has_bias(module):
        raise ModelError(f"{file}: {unit.name} has no bias; the network's {path} has one.")
    return own


def _norm(path: str, module: nn.Module, unit: Unit, file: str) -> dict[str, Tensor]:
    assert isinstance(module, Norm)
    _refuse_other_roles(path, unit, ("weight", "bias", "running_mean", "running_var"), file)
    count = torch.empty(module.num_features)
    own = {"weight": torch.ones_like(count), "bias": torch.zeros_like(count)}
    own |= {role: _shaped(path, role, count, unit, file) for role in unit.arrays}
    if "running_var" not in own:
        raise ModelError(f"{file}: {unit.name} has a mean, but no variance.")
    if unit.epsilon is not None and unit.epsilon != module.eps:
        own["running_var"] = (own["running_var"].double() + (unit.epsilon - module.eps)).float()
    return {**own, "num_batches_tracked": torch.tensor(0)}


def _refuse_other_roles(path: str, unit: Unit, roles: tuple[str, ...], file: str) -> None:
    for role in unit.arrays:
        if role not in roles:
            raise ModelError(f"{file}: the network's {path} has no {role}; the file has {unit.called(role)}.")
    if roles[0] not in unit.arrays and "running_mean" not in unit.arrays:
        raise ModelError(f"{file}: {unit.name} has no weight; the network's {path} has one.")


def _shaped(path: str, role: str, wanted: Tensor, unit: Unit, file: str) -> Tensor:
    array = _read(unit, role, file)
    if array.shape != wanted.shape:
        raise _other_shape(path, role, wanted, unit, file)
    return array


def _read(unit: Unit, role: str, file: str) -> Tensor:
    """An array as float32. Raises ModelError where it holds what is no number."""
    array = unit.arrays[role]
    if not array.is_floating_point():
        raise ModelError(f"{file}: {unit.called(role)} is {array.dtype}; weights are floating-point numbers.")
    array = array.float()
    if not array.isfinite().all():
        raise ModelError(f"{file}: {unit.called(role)} is not finite everywhere: the file is damaged, or its training went wrong.")
    return array


def _other_shape(path: str, role: str, wanted: Tensor, unit: Unit, file: str) -> ModelError:
    return ModelError(
        f"{file}: {unit.called(role)} is {tuple(unit.arrays[role].shape)}; the network's {path}.{role} is {tuple(wanted.shape)}."
    )
