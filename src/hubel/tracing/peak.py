"""How much memory a step of work takes: the bytes of all tensors that are alive at once, at the moment when they are most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def storages(values: Any) -> Iterator[UntypedStorage]:
    """The memory behind every tensor in `values`, however nested. Views share theirs; sparse tensors have none of this kind."""
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
            yield leaf.untyped_storage()


def peak_bytes(step: Callable[[], object], alive: Iterable[Tensor] = ()) -> int:
    """The most bytes that `alive` and the tensors made by `step` take together at any one time while it runs.

    `alive` are tensors from before that count: parameters, an optimiser's state, the batch. What else lived before does not. A tensor
    counts from the end of the operation that made it until its last holder lets it go, autograd included; a view takes nothing.
    Forward, backward and the step of an optimiser are seen alike. What a kernel takes for itself while it works is not seen.
    Tensors on the device "meta" count as if they were real: a step that is too large for the machine can be measured too.
    """
    meter = _Meter(alive)
    with meter:
        step()
    return meter.peak


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    supports_higher_order_operators = True

    def __init__(self, alive: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: WeakKeyDictionary[UntypedStorage, int] = WeakKeyDictionary()
        self.outside: WeakSet[UntypedStorage] = WeakSet()
        self.sizes.update((storage, storage.nbytes()) for storage in storages(list(alive)))
        self.peak = sum(self.sizes.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        given = (args, kwargs or {})
        self.outside.update(storage for storage in storages(given) if storage not in self.sizes)
        result = func(*args, **(kwargs or {}))
        for storage in storages((given, result)):  # what was given too, for it may have been resized
            if storage not in self.outside:
                self.sizes[storage] = storage.nbytes()
        self.peak = max(self.peak, sum(self.sizes.values()))
        return result
