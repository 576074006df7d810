"""What a network holds in memory while it runs: a forecast of the peak, by keeping the books that torch will keep.

Values are float32. What a library works in is not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.anatomy import BYTES, Anatomy, Row, anatomy
from hubel.errors import HubelError, choices
from hubel.joints import Expression, Shape, chained
from hubel.layers import RBF, BatchNorm, ConnectedConv
from hubel.memory.running import LONG, Run

OPTIMISERS = {"sgd": 0, "momentum": 1, "adamw": 2}
"""How many copies of the parameters each optimiser keeps as its state."""


@dataclass(frozen=True)
class Forecast:
    """The bytes that are held at the peak, by what they are for, and where in the network the peak is."""

    parameters: int
    """Weights and biases; also the statistics of norms, and the fixed tables of ConnectedConv and RBF."""
    optimiser: int
    gradients: int
    """Of those parameters that have theirs already when the peak comes."""
    activations: int
    """Input, maps that wait for the backward pass, and what is being computed."""
    path: str
    """The layer at work when the peak comes."""
    backward: bool
    """Whether it comes in the backward pass."""

    @property
    def peak(self) -> int:
        return self.parameters + self.optimiser + self.gradients + self.activations


def forecast(net: Expression, input: Shape, batch: int = 1, training: bool = False, optimiser: str = "momentum") -> Forecast:
    """The peak of memory for `batch` pictures of shape `input`: in use, or in a step of training with an optimiser's state.

    A step is: gradients freed, forward, cross-entropy, backward, update in place. Raises ShapeError as `anatomy` does.
    """
    if optimiser not in OPTIMISERS:
        raise HubelError(choices(optimiser, OPTIMISERS, "optimiser"))
    sized = anatomy(net, input, batch, heads=True)
    books = Run({row.path: row for row in sized.rows}, training)
    books.held["parameters"] = sized.parameters * BYTES + sum(map(_fixed, sized.rows))
    books.held["optimiser"] = _state(optimiser, sized) if training else 0
    outputs = books.network(chained(net), books.new(math.prod(input) * batch * BYTES))
    if training:
        books.backward(outputs)
    path, backward = books.at
    highest = books.highest
    return Forecast(highest["parameters"], highest["optimiser"], highest["gradients"], highest["activations"], path, backward)


def _state(optimiser: str, sized: Anatomy) -> int:
    """Bytes of an optimiser's state; AdamW also counts the steps of every tensor."""
    tensors = sum((row.weights > 0) + (row.biases > 0) for row in sized.rows) if optimiser == "adamw" else 0
    return (OPTIMISERS[optimiser] * sized.parameters + tensors) * BYTES


def _fixed(row: Row) -> int:
    """Bytes of the values beside a layer's parameters."""
    if isinstance(row.part, BatchNorm):
        return 2 * row.weights * BYTES + LONG  # mean and variance of every map, and a counter
    if isinstance(row.part, ConnectedConv):
        return sum(map(len, row.part.inputs)) * LONG  # where each kernel stands
    return math.prod(row.input) * row.output[0] * BYTES if isinstance(row.part, RBF) else 0
