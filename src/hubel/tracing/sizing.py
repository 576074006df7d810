"""Any torch module sized: run once on tensors that have shapes and no values, every operation counted where it happens."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from hubel.errors import HubelError, ShapeError, shortened
from hubel.joints import Shape, shown
from hubel.tracing.counting import Call, Counting
from hubel.tracing.report import Row, Shapes, Traced, Unknown

FOR_VALUES = 256 * 2**20
"""Bytes of parameters and buffers up to which a module that cannot be run without values is run on zeros."""


def traced(module: nn.Module, input: Shape | Tensor | tuple[Shape | Tensor, ...], batch: int = 1, training: bool = False) -> Traced:
    """Size a module for `batch` inputs of the shape (C, H, W), or for several inputs, each with its shape.

    Inputs are of the parameters' type and on their device; where others are needed, such as the numbers of words, an example tensor
    stands in the place of a shape, batch included. The module is run as in evaluation unless `training`.

    What runs is a copy without values: nothing is computed, and the module stays as it was. Hooks that were registered on it run too.
    A module that asks for values is run on zeros. Raises ShapeError, with the part's path and the operation, where it cannot run.
    """
    if not isinstance(module, nn.Module):
        raise HubelError(f"A torch.nn.Module is traced; this is {shortened(module)}.")
    values = [*module.parameters(), *module.buffers()]
    if any(map(is_lazy, values)):
        raise HubelError("This module makes its weights when it first sees an input: run it once on one, then size it.")
    inputs = _inputs(input, batch, values)
    with _undisturbed(values):
        try:
            counting, for_zeros = _run(module, inputs, training, FakeTensorMode(allow_non_fake_inputs=True)), False
        except ShapeError as refused:
            size = sum(value.numel() * value.element_size() for value in values)
            if size > FOR_VALUES or any(value.is_meta for value in values):
                refused.message += f" If it is values that it needs: with real weights of up to {FOR_VALUES >> 20} MiB it is run on zeros."
                raise
            counting, for_zeros = _run(module, inputs, training, None), True
    return _told(module, inputs, counting, for_zeros)


# --- the run ----------------------------------------------------------------------------------------------------------


class _Input(NamedTuple):
    shape: Shape
    dtype: torch.dtype
    device: torch.device


def _inputs(input: Any, batch: int, values: list[Tensor]) -> tuple[_Input, ...]:
    """What enters, batch included."""
    if type(batch) is not int or batch < 1:
        raise ShapeError(f"the batch is {shortened(batch)}; it must be a positive whole number.")
    like = next((value for value in values if value.is_floating_point()), torch.empty(0))
    several = isinstance(input, tuple) and any(isinstance(part, (tuple, Tensor)) for part in input)
    found = []
    for part in input if several else (input,):
        if isinstance(part, Tensor) and part.dim():
            found.append(_Input(tuple(part.shape), part.dtype, part.device))
        elif isinstance(part, tuple) and part and all(type(side) is int and side > 0 for side in part):
            found.append(_Input((batch, *part), like.dtype, like.device))
        else:
            raise ShapeError(
                f"the input is {shortened(part)}; it must be a shape without the batch, such as (3, 224, 224), "
                "an example tensor with it, or a tuple of these."
            )
    return tuple(found)


@contextmanager
def _undisturbed(values: list[Tensor]) -> Iterator[None]:
    """Torch's random numbers stay where they are. Attention is computed by its parts: its fast path would be a single operation."""
    fast, log = torch.backends.mha.get_fastpath_enabled(), logging.getLogger("torch._subclasses.fake_tensor")
    heard = log.disabled
    torch.backends.mha.set_fastpath_enabled(False)
    log.disabled = True  # it would print a traceback of its own before our sentence
    try:
        devices = sorted({value.device.index for value in values if value.is_cuda})
        with torch.random.fork_rng(devices), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        log.disabled = heard


def _run(module: nn.Module, inputs: tuple[_Input, ...], training: bool, fakes: FakeTensorMode | None) -> Counting:
    """Run a copy, on fakes or on zeros."""
    copied = _copied(module, fakes.from_tensor if fakes else _cloned)
    for part in copied.modules():
        part.training = training
    counting = Counting(copied)
    try:
        with fakes or nullcontext():
            counting.run(*(torch.zeros(shape, dtype=dtype, device=device) for shape, dtype, device in inputs))
    except Exception as error:  # whatever a module's own code raises
        shapes = " and ".join(shown(entering.shape) for entering in inputs)
        at = f"at {counting.latest}" if counting.latest else "before any operation"
        sentence = str(error).strip().split("\n")[0]
        refused = ShapeError(
            f"this {type(module).__name__} cannot run on {shapes}, batch included. {type(error).__name__} {at}: {sentence}"
        )
        refused.path = tuple(filter(None, counting.place.split(".")))
        raise refused from error
    return counting


def _copied(module: nn.Module, each: Callable[[Tensor], Tensor]) -> nn.Module:
    """The module with every tensor that it holds replaced; one that it holds twice is replaced by one."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for leaf in tree_leaves(vars(part)):
            if isinstance(leaf, Tensor) and id(leaf) not in memo:
                memo[id(leaf)] = each(leaf)
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever a module may hold
        raise ShapeError(f"this {type(module).__name__} cannot be copied, and only a copy is run: {error}") from error


def _cloned(value: Tensor) -> Tensor:
    copied = value.detach().clone()
    return nn.Parameter(copied, value.requires_grad) if isinstance(value, nn.Parameter) else copied


# --- the report -------------------------------------------------------------------------------------------------------


def _told(module: nn.Module, inputs: tuple[_Input, ...], counting: Counting, for_zeros: bool) -> Traced:
    batch, own = inputs[0].shape[0], _own(module)
    rows = []
    for call in counting.calls:
        parameters = own.pop(call.path, 0)
        if call.operations or parameters or not list(call.module.children()):  # a module that only calls its parts has no row
            rows.append(_row(call, parameters, batch))
    kinds = {path: type(part).__name__ for path, part in module.named_modules()}
    rows += [Row(path, kinds[path], (), None, parameters, 0, 0, 0) for path, parameters in own.items() if parameters]
    return Traced(
        kind=type(module).__name__,
        input=_single([entering.shape[1:] for entering in inputs]),
        batch=batch,
        output=_without_batch(counting.calls[-1].outputs, batch),
        rows=tuple(rows),
        trainable=sum(value.numel() for value in module.parameters() if value.requires_grad),
        buffers=sum(value.numel() for value in module.buffers()),
        tied=_tied(module),
        unknown=tuple(Unknown(operation, path, times) for (operation, path), times in counting.unknown.items()),
        for_zeros=for_zeros,
    )


def _row(call: Call, parameters: int, batch: int) -> Row:
    output = _without_batch(call.outputs, batch)
    counts = (parameters, call.macs, call.elements, call.activation_bytes)
    return Row(call.path, type(call.module).__name__, tuple(call.operations.items()), output, *counts)


def _own(module: nn.Module) -> dict[str, int]:
    """How many parameters each path has itself; what is there twice counts at its first path."""
    own: dict[str, int] = {}
    seen: set[int] = set()
    for path, part in module.named_modules():
        fresh = [value for value in part.parameters(recurse=False) if id(value) not in seen]
        seen.update(map(id, fresh))
        own[path] = sum(value.numel() for value in fresh)
    return own


def _tied(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    names: dict[int, list[str]] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(value), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def _without_batch(shapes: Sequence[Shape], batch: int) -> Shapes:
    return _single([shape[1:] if shape[:1] == (batch,) else shape for shape in shapes])


def _single(shapes: list[Shape]) -> Shapes:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)
