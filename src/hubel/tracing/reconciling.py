"""Torch's own count of a built network beside Hubel's, and what lies between them, to the last multiplication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hubel.anatomy import anatomy
from hubel.build import build
from hubel.joints import Expression, Shape
from hubel.layers import RBF, ConnectedConv, Layer, Local


@dataclass(frozen=True)
class Term:
    """Multiply-adds that one of the two counts has and the other has not: torch's less Hubel's."""

    why: str
    macs: int
    paths: tuple[str, ...]
    """Where it happens."""


@dataclass(frozen=True)
class Reconciliation:
    """What torch counts (FLOPs), what Hubel counts (multiply-adds), and the terms between them."""

    flops: int
    macs: int
    terms: tuple[Term, ...]

    @property
    def residual(self) -> int:
        """FLOPs that no term explains. A multiply-add is two: a multiplication and an addition."""
        return self.flops - 2 * (self.macs + sum(term.macs for term in self.terms))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sum, written out."""
        terms = tuple(f"{term.macs:+,} {term.why} ({', '.join(term.paths)})" for term in self.terms)
        return (
            f"{self.macs:,} multiply-adds by Hubel's count",
            *terms,
            f"times 2, a multiplication and an addition each: {self.flops - self.residual:,} FLOPs",
            f"torch counts {self.flops:,} FLOPs: {f'{self.residual:+,} are not explained' if self.residual else 'nothing is left over'}",
            "biases, norms, pools and activations are 0 in both counts",
        )


def _zeros(layer: ConnectedConv, shape: Shape) -> int:
    maps, height, width = layer.output(shape)
    return (maps * shape[0] - layer.kernels(shape[0])) * layer.area() * height * width


def _distances(layer: RBF, shape: Shape) -> int:
    return -layer.macs(shape)


def _single_numbers(layer: Local, shape: Shape) -> int:
    return -layer.macs(shape) if shape[0] * layer.area() == 1 else 0


DIFFERENCES: dict[type[Layer], tuple[str, Callable[[Any, Shape], int]]] = {
    ConnectedConv: ("by zeros, which stand where a map does not read an input: torch convolves with the whole table", _zeros),
    RBF: ("in RBF units, which torch computes by subtracting and squaring, number by number", _distances),
    Local: ("in units that read a single number, for which torch's einsum takes no matrix product", _single_numbers),
}
"""Layers that torch counts otherwise: why, and its multiply-adds less ours. Biases, norms, pools and activations are 0 in both counts."""


def reconciled(net: Expression, input: Shape, batch: int = 1) -> Reconciliation:
    """Count a network twice, by its anatomy and by torch's FlopCounterMode on the built module, and explain the difference.

    The module is built and run without values. Raises ShapeError as `anatomy` does.
    """
    sized = anatomy(net, input, batch)
    with torch.device("meta"):
        module = build(net, input, initialisation=None).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.empty(batch, *input))
    terms = []
    for kind, (why, difference) in DIFFERENCES.items():
        macs = {row.path: batch * difference(row.part, row.input) for row in sized.rows if isinstance(row.part, kind)}
        if any(macs.values()):
            terms.append(Term(why, sum(macs.values()), tuple(macs)))
    return Reconciliation(int(counter.get_total_flops()), sized.macs, tuple(terms))
