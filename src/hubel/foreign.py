"""A network that is no expression: any torch module from pictures (N, C, H, W) to scores (N, classes), known by its class."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hubel import weights
from hubel.errors import ModelError
from hubel.joints import Shape, shown

MAIN = "__main__"
"""What Python calls the script or notebook that it runs, whichever it is."""


def name_of(module: nn.Module) -> str:
    """The class, as Python would find it: package.module:Class."""
    return f"{type(module).__module__}:{type(module).__qualname__}"


def is_named(module: nn.Module, name: str) -> bool:
    """Whether that is the module's class. One of a script or notebook has the same name without its place wherever it lies now."""
    (place, kind), (place_said, kind_said) = name_of(module).split(":"), name.split(":")
    return kind == kind_said and (place == place_said or MAIN in (place, place_said))


def identity(module: nn.Module) -> dict[str, str]:
    """What tells the network apart from another: its class, the names and shapes of its tensors, and its weights."""
    state = module.state_dict()
    shapes = "\n".join(f"{name} {tensor.dtype} {tuple(tensor.shape)}" for name, tensor in state.items())
    return {"net": name_of(module), "tensors": hashlib.sha256(shapes.encode()).hexdigest(), "weights": weights.digest(state)}


def copied(module: nn.Module) -> nn.Module:
    """A copy to train, or to load weights into; the user's own stays as it is.

    Raises ModelError where it cannot be copied, or has more in its state than tensors.
    """
    name = name_of(module)
    state = module.state_dict()
    if any(is_lazy(tensor) for tensor in state.values()):
        raise ModelError(f"{name} has lazy layers that have seen no picture yet: run it on one first.")
    for entry, value in state.items():
        if not isinstance(value, Tensor):
            raise ModelError(f"{name} keeps {entry!r} in its state, a {type(value).__name__}; only tensors can be kept in a file.")
    try:
        network = copy.deepcopy(module)
    except Exception as error:  # whatever the user's own code raises
        raise ModelError(f"{name} cannot be copied, and all work is done on a copy: {type(error).__name__}: {error}") from error
    network.register_forward_pre_hook(_in_torchs_order)
    return network


def _in_torchs_order(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Pictures come channels last in memory; code that was written without a thought of that may view() what it makes of them.

    With one channel both orders are the same, and only strides that are worked out anew say which is meant.
    """
    return tuple(value.flatten().view(value.shape) if isinstance(value, Tensor) else value for value in given)


def made(given: nn.Module | Callable[[], nn.Module], name: str) -> nn.Module:
    """A copy of the network that a user gives, or what the class or function makes that they give; it must be of the class of that name.

    Raises ModelError where it is not.
    """
    try:
        found = given if isinstance(given, nn.Module) else given()
    except Exception as error:  # whatever the user's own code raises
        raise ModelError(
            f"{getattr(given, '__qualname__', given)}() makes no network: {type(error).__name__}: {error}. "
            "Give an instance, or a function without arguments that makes one."
        ) from error
    if not isinstance(found, nn.Module):
        raise ModelError(f"A torch module was expected, or what makes one; a {type(found).__name__} came.")
    if not is_named(found, name):
        raise ModelError(f"The network in it is a {name}; a {name_of(found)} came.")
    return copied(found)


def refuse_untrainable(module: nn.Module) -> None:
    """Raise ModelError where there is nothing to train."""
    if not any(weight.requires_grad for weight in module.parameters()):
        raise ModelError(f"{name_of(module)} has no weights to train (parameters with requires_grad).")


def refuse_without_scores(module: nn.Module, input: Shape, classes: int, modes: Sequence[bool]) -> None:
    """Raise ModelError where it does not give scores of so many classes; tried on two black pictures, in training (True) or not.

    One score is enough for two classes. What is tried is a copy: batch norm's statistics stay as they are.
    """
    trial, name = copy.deepcopy(module), name_of(module)
    device = next(trial.parameters()).device
    for training in modes:
        when = "in training" if training else "in evaluation"
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                found = trial.train(training)(torch.zeros(2, *input, device=device))
        except Exception as error:  # whatever the user's own code raises
            raise ModelError(f"{name} does not take pictures of {shown(input)} {when}: {type(error).__name__}: {error}") from error
        if not isinstance(found, Tensor):
            raise ModelError(
                f"{name} gives a {type(found).__name__} {when}, where a tensor of scores (pictures, classes) was expected. Make it without "
                "auxiliary outputs, or put it in a module that gives the scores alone."
            )
        if tuple(found.shape) != (2, classes) and not (tuple(found.shape) == (2, 1) and classes == 2):
            raise ModelError(
                f"{name} gives {tuple(found.shape)} for 2 pictures {when}, where scores of {classes} classes were expected, {(2, classes)}."
            )
        if training and not found.requires_grad:
            raise ModelError(f"{name} cannot be trained: no gradient flows from its scores back to any of its weights.")
