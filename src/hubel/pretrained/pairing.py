"""The layers of a file and those of a network, paired by their order.

Layers with weights are paired with layers with weights, batch norms with batch norms: files differ in how the two alternate.
Equal shapes do not prove that a file is of the network; that is for whoever publishes it to say, and for tests on outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    try:
        return _paired(layers, units, file)
    except ModelError as error:
        theirs = [sum(unit.norm is norm for unit in units) for norm in (False, True)]
        ours = [sum(isinstance(module, Norm) is norm for module in layers.values()) for norm in (False, True)]
        if theirs == ours:
            raise
        counts = f"The file has {theirs[0]} layers with weights and {theirs[1]} batch norms, the network {ours[0]} and {ours[1]}."
        raise ModelError(f"{error} {counts}") from None


def _paired(layers: dict[str, nn.Module], units: Sequence[Unit], file: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    beyond: dict[str, Tensor] = {}
    for path, module, unit in _pairs(layers, units, file):
        if isinstance(module, Norm):
            own = _norm(path, module, unit, file)
            if path in beyond:
                own["running_mean"] = own["running_mean"] - beyond[path]
        else:
            own = _weights(path, module, unit, file)
            if "bias" in own and not has_bias(module):
                beyond[_norm_behind(path, layers, unit, file)] = own.pop("bias")
        found |= {f"{path}.{role}": array for role, array in own.items()}
    return found


def _norm_behind(path: str, layers: dict[str, nn.Module], unit: Unit, file: str) -> str:
    """The batch norm that can take a bias which the network's layer has not."""
    paths = list(layers)
    behind = paths[min(paths.index(path) + 1, len(paths) - 1)]
    norm = layers[behind]
    if not isinstance(norm, Norm) or norm.num_features != len(layers[path].get_parameter("weight")):
        raise ModelError(f"{file} has {unit.called('bias')}; the network's {path} has none, nor a batch norm behind it that could take it.")
    return behind


def learning(net: Expression, input: Shape) -> dict[str, nn.Module]:
    """The network's layers that have weights, by path, in their order, as shapes alone."""
    with torch.device("meta"):
        network = build(net, input, None)
    return {path: module for path, module in network.named_modules() if next(module.parameters(recurse=False), None) is not None}


def has_bias(module: nn.Module) -> bool:
    return "bias" in dict(module.named_parameters(recurse=False))


def _pairs(layers: dict[str, nn.Module], units: Sequence[Unit], file: str) -> Iterator[tuple[str, nn.Module, Unit]]:
    """Every layer with its unit, in the network's order; what is missing or left is said when its turn comes."""
    streams = {norm: iter([unit for unit in units if unit.norm is norm]) for norm in (False, True)}
    folds = sum(isinstance(module, Norm) for module in layers.values()) - sum(unit.norm for unit in units)
    before: tuple[nn.Module, Unit] | None = None
    for path, module in layers.items():
        norm = isinstance(module, Norm)
        if isinstance(module, Norm) and folds > 0 and before and _folded(*before, module, some=any(unit.norm for unit in units)):
            unit: Unit | None = _nothing(before[1], module)
            folds -= 1
        else:
            unit = next(streams[norm], None)
        if unit is None:
            raise ModelError(f"{file} ends too early: it has nothing for the network's {path}.{'running_mean' if norm else 'weight'}.")
        yield path, module, unit
        before = module, unit
    for left in (*streams[False], *streams[True]):
        raise ModelError(f"{file} has more than the network: the first tensor too many is {left.called(next(iter(left.arrays), ''))}.")


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
    if not alike(unit.arrays["weight"], wanted):
        raise _other_shape(path, "weight", wanted, unit, file)
    weight = _read(unit, "weight", file)
    own = {"weight": weight.reshape(wanted.shape)}
    if "bias" in unit.arrays:
        own["bias"] = _shaped(path, "bias", weight.new_empty(len(wanted)), unit, file)
    elif has_bias(module):
        raise ModelError(f"{file} has no {unit.called('bias')}; the network has {path}.bias.")
    return own


def alike(weight: Tensor, wanted: Tensor) -> bool:
    """Whether a weight is of that shape, or the same as a fully-connected layer where the other is a convolution."""
    if weight.shape == wanted.shape:
        return True
    dimensions = {weight.dim(), wanted.dim()}
    return dimensions == {2, 4} and weight.flatten(1).shape == wanted.flatten(1).shape


def _norm(path: str, module: nn.Module, unit: Unit, file: str) -> dict[str, Tensor]:
    assert isinstance(module, Norm)
    _refuse_other_roles(path, unit, ("weight", "bias", "running_mean", "running_var"), file)
    count = torch.empty(module.num_features)
    own = {"weight": torch.ones_like(count), "bias": torch.zeros_like(count)}
    own |= {role: _shaped(path, role, count, unit, file) for role in unit.arrays}
    if "running_var" not in own:
        raise ModelError(f"{file} has no {unit.called('running_var')}; the network has {path}.running_var.")
    if (own["running_var"] < 0).any():
        raise ModelError(f"{file}: {unit.called('running_var')} is negative somewhere, which no variance is: the file is damaged.")
    if unit.epsilon is not None and unit.epsilon != module.eps:
        own["running_var"] = (own["running_var"].double() + (unit.epsilon - module.eps)).float()
    return {**own, "num_batches_tracked": torch.tensor(0)}


def _refuse_other_roles(path: str, unit: Unit, roles: tuple[str, ...], file: str) -> None:
    for role in unit.arrays:
        if role not in roles:
            raise ModelError(f"{file} has {unit.called(role)}; the network's {path} has no {role}.")
    if roles[0] not in unit.arrays and "running_mean" not in unit.arrays:
        raise ModelError(f"{file} has no {unit.called('weight')}; the network has {path}.weight.")


def _shaped(path: str, role: str, wanted: Tensor, unit: Unit, file: str) -> Tensor:
    if unit.arrays[role].shape != wanted.shape:
        raise _other_shape(path, role, wanted, unit, file)
    return _read(unit, role, file)


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
