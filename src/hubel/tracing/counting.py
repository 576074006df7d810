"""The one who watches a module run: every operation that torch carries out, in the call of the module that asked for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, UntypedStorage, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hubel.joints import Shape
from hubel.tracing.operations import asks, formula, name
from hubel.tracing.peak import storages


@dataclass
class Call:
    """One call of a module, with what it computes itself: what its parts compute stands in their own calls."""

    path: str
    module: nn.Module
    operations: Counter[str] = field(default_factory=Counter)
    macs: int = 0
    elements: int = 0
    activation_bytes: int = 0
    outputs: tuple[Shape, ...] = ()


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs a module once. `calls` are in the order in which they ended; `unknown` has (operation, path) and how often."""

    supports_higher_order_operators = True

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.unknown: Counter[tuple[str, str]] = Counter()
        self.latest = ""
        self._module = module
        self._open = [Call("", module)]
        self._makers: WeakKeyDictionary[UntypedStorage, Call] = WeakKeyDictionary()
        for path, part in module.named_modules():
            if path and not isinstance(part, torch.jit.ScriptModule):  # which has no hooks: what it computes stands in its caller's row
                part.register_forward_pre_hook(partial(self._begin, path), prepend=True, with_kwargs=True)
                part.register_forward_hook(partial(self._end, path))

    @property
    def place(self) -> str:
        """The path of the module that runs, or that ran when something failed."""
        return self._open[-1].path

    def run(self, *inputs: Tensor) -> None:
        with self:
            output = self._module(*inputs)
        self._end("", self._module, inputs, output)

    def _begin(self, path: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._hand_over((args, kwargs))
        self._open.append(Call(path, module))

    def _end(self, path: str, module: nn.Module, args: Any, output: Any) -> None:
        self._hand_over(output)
        while True:  # a module that catches what its part raises leaves the part's call open
            call = self._open.pop()
            self.calls.append(call)
            if call.path == path:
                break
        call.outputs = tuple(tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor))

    def _hand_over(self, values: Any) -> None:
        """Tensors that pass from module to module are activations of the call that computed them, once."""
        for storage in storages(values):
            maker = self._makers.pop(storage, None)
            if maker is not None:
                maker.activation_bytes += storage.nbytes()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        multiply_adds = formula(func)
        if multiply_adds is None and isinstance(func, OpOverload):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        self.latest = name(func)
        result = func(*args, **kwargs)
        call = self._open[-1]
        if multiply_adds is None:
            self.unknown[self.latest, call.path] += 1
        elif not asks(func):
            macs = multiply_adds(*args, **kwargs, out_val=result)
            call.macs += macs
            call.elements += 0 if macs else sum(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        if not asks(func):
            call.operations[self.latest] += 1
            given = set(storages((args, kwargs)))
            self._makers.update((storage, call) for storage in storages(result) if storage not in given)
        return result
