"""The books: tensors with their holders, operations with what they keep, and the way back through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hubel.anatomy import BYTES


class Tensor:
    """Bytes that are held by so many holders; `learns` if a gradient will flow through it, which takes `gradient` bytes."""

    __slots__ = ("bytes", "gradient", "holders", "kind", "learns")

    def __init__(self, bytes: int, learns: bool, kind: str) -> None:
        self.bytes, self.gradient, self.learns, self.kind, self.holders = bytes, bytes, learns, kind, 1


@dataclass(frozen=True)
class Step:
    """An operation that the backward pass goes back through."""

    path: str
    inputs: Sequence[Tensor]
    output: Tensor
    kept: tuple[Tensor, ...]
    weights: int
    """Bytes of the gradients of its own weights."""
    copied: int
    """Bytes of those gradients that are written once more, in the order of the weights."""
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
        copied: int = 0,
        spare: int = 0,
        passes: bool = False,
    ) -> Tensor:
        """The result of an operation on `inputs`, and what is kept of them; `also` are further bytes that it keeps."""
        learns = self.training and (weights > 0 or any(tensor.learns for tensor in inputs))
        result = self.new(inputs[0].bytes if bytes is None else bytes, learns)
        more = (self.new(also),) if also else ()
        if learns:
            kept = (*keeps, *((result,) if keeps_result else ()))
            self.steps.append(Step(self.path, inputs, result, (*map(self.keep, kept), *more), weights, copied, spare, passes))
        else:
            self.drop(*more)
        return result

    def backward(self, outputs: list[Tensor]) -> None:
        """Go back from the loss of every output: each step makes its gradients, frees what it kept, and only then adds them to others."""
        self.going_back = True
        self.new(2 * BYTES)  # the loss and its gradient
        gradients = {}
        logarithms = [self.new(scores.bytes) for scores in outputs]  # of the softmax, which the loss keeps
        for scores, kept in zip(reversed(outputs), reversed(logarithms)):
            if scores.learns:
                chosen = self.new(scores.bytes)
                gradients[id(scores)] = self.new(scores.bytes)
                self.drop(chosen, kept)
        while self.steps:
            self._back(self.steps.pop(), gradients)

    def _back(self, step: Step, gradients: dict[int, Tensor]) -> None:
        self.path = step.path
        given = gradients.pop(id(step.output))
        spare = self.new(step.spare)
        self.new(step.weights, kind="gradients")
        made = [(tensor, self.keep(given) if step.passes else self.new(tensor.gradient)) for tensor in step.inputs if tensor.learns]
        self.drop(spare, given, *step.kept)
        self.drop(self.new(step.copied))
        for tensor, here in made:
            there = gradients.get(id(tensor))
            if there is not None:
                parts, here = (here, there), self.new(tensor.bytes)
                self.drop(*parts)
            gradients[id(tensor)] = here
