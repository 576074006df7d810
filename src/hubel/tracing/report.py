"""What a module costs: a row a call, the totals, and what was not understood."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.joints import Shape

Shapes = Shape | tuple[Shape, ...]
"""Of a tensor, or of several."""


@dataclass(frozen=True)
class Row:
    """One call of one module. Counts are of what it computes itself, without its parts, and for the whole batch."""

    path: str
    kind: str
    """The module's class."""
    operations: tuple[tuple[str, int], ...]
    """What torch carried out, and how often; views are left out."""
    output: Shapes | None
    """Without the first axis where that is as long as the batch. None for a module whose parameters are used without calling it."""
    parameters: int
    """Its own, in the first row that has them."""
    macs: int
    elements: int
    """Numbers that operations without weights write: activations, norms, pools, copies."""
    activation_bytes: int
    """Of the tensors made here that pass from one module to another, or leave."""

    @property
    def flops(self) -> int:
        """A multiplication and an addition each."""
        return 2 * self.macs


@dataclass(frozen=True)
class Unknown:
    """An operation that may multiply weights, and for which there is no formula."""

    operation: str
    path: str
    times: int


@dataclass(frozen=True)
class Traced:
    """A module sized for one input and batch: a row a call, in the order in which calls end, and the totals."""

    kind: str
    input: Shapes
    batch: int
    output: Shapes
    rows: tuple[Row, ...]
    trainable: int
    """Parameters that a gradient reaches; the others are frozen."""
    buffers: int
    """Numbers kept beside the parameters, such as the statistics of batch norm."""
    tied: tuple[tuple[str, ...], ...]
    """Names of one and the same parameter, which is counted once, at the first."""
    unknown: tuple[Unknown, ...]
    for_zeros: bool
    """Whether the module must see values, so that the counts are those for an input of zeros."""

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def frozen(self) -> int:
        return self.parameters - self.trainable

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def elements(self) -> int:
        return sum(row.elements for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)

    @property
    def lower_bound(self) -> bool:
        """Whether something was not understood: then there may be more multiply-adds than were counted."""
        return bool(self.unknown)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the totals must know, a sentence each."""
        names = ", ".join(f"{entry.operation} ({entry.times}x in {entry.path or self.kind})" for entry in self.unknown)
        not_understood = f"Not understood, so that the multiply-adds are a lower bound: {names}."
        of_zeros = "The module computes other things for other values: these are the counts for an input of zeros."
        return (not_understood,) * self.lower_bound + (of_zeros,) * self.for_zeros
