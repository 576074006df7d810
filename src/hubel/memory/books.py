"""The books: tensors with their holders, operations with what they keep, and the way back through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


class Tensor:
    """Bytes that are held by so many holders; `learns` if a gradient will flow through it."""

    __slots__ = ("bytes", "holders", "kind", "learns")

    def __init__(self, bytes: int, learns: bool, kind: str) -> None:
        self.bytes, self.learns, self.kind, self.holders = bytes, learns, kind, 1


@dataclass(frozen=True)
class Step:
    """An operation that the backward pass goes back through."""

    path: str
    inputs: Sequence[Tensor]
    output: Tensor
    kept: tuple[Tensor, ...]
    weights: int
    """Bytes of the gradients of its own weights."""
    spare: int
    """Bytes that it needs besides while it is gone back through."""
    passes: bool
    """Whether its inputs' gradients are views of its output's."""


class Books:
    """Who holds what, now and at the peak, and in training the steps to go back through."""

    def __init__(self, training: bool) -> None:
        self.training = training
        self.held: Counter[str] = Counter()
        self.highest: Counter[str] = Counter()
        self.peak = 0
        self.at = ("", False)
        self.path, self.going_back = "", False
        self.steps: list[Step] = []

    def new(self, bytes: int, learns: bool = False, kind: str = "activations") -> Tensor:
        self.held[kind] += bytes
        total = sum(self.held.values())
        if total > self.peak:
            self.peak, self.highest, self.at = total, self.held.copy(), (self.path, self.going_back)
        return Tensor(bytes, learns, kind)

    def keep(self, tensor: Tensor) -> Tensor:
        tensor.holders += 1
        return tensor

    def drop(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            tensor.holders -= 1
            if not tensor.holders:
                self.held[tensor.kind] -= tensor.bytes

    def operation(
        self,
        *inputs: Tensor,
        bytes: int | None = None,
        keeps: Sequence[Tensor] = (),
        keeps_result: bool = False,
        also: int = 0,
        weights: int = 0,
        spare: int = 0,
        passes: bool = False,
    ) -> Tensor:
        """The result of an operation on `inputs`, and what is kept of them; `also` are further bytes that it keeps."""
        learns = self.training and (weights > 0 or any(tensor.learns for tensor in inputs))
        result = self.new(inputs[0].bytes if bytes is None else bytes, learns)
        more = (self.new(also),) if also else ()
        if learns:
            kept = (*keeps, *((result,) if keeps_result else ()))
            self.steps.append(Step(self.path, inputs, result, (*map(self.keep, kept), *more), weights, spare, passes))
        else:
            self.drop(*more)
        return result

    def backward(self, outputs: list[Tensor]) -> None:
        """Go back from the loss of every output: each step frees what it kept, and adds its gradients."""
        self.going_back = True
        gradients = {}
        for scores in outputs:
            logarithms = self.new(scores.bytes)  # of the softmax, which the loss keeps
            gradients[id(scores)] = self.new(scores.bytes)
            self.drop(logarithms)
        while self.steps:
            self._back(self.steps.pop(), gradients)

    def _back(self, step: Step, gradients: dict[int, Tensor]) -> None:
        self.path = step.path
        given = gradients.pop(id(step.output), None)
        if given is not None:
            spare = self.new(step.spare)
            self.new(step.weights, kind="gradients")
            for tensor in step.inputs:
                if tensor.learns:
                    here = self.keep(given) if step.passes else self.new(tensor.bytes)
                    there = gradients.get(id(tensor))
                    if there is not None:
                        parts, here = (here, there), self.new(tensor.bytes)
                        self.drop(*parts)
                    gradients[id(tensor)] = here
            self.drop(spare, given)
        self.drop(*step.kept)
