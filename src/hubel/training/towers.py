"""One network over several devices, as AlexNet stood on two: each tower holds its share of every layer's maps and units, in a process
of its own, and is shown the others' only before a layer that reads all of them (Krizhevsky et al. 2012, sec. 3.2 and figure 2).

All towers see the same pictures. In AlexNet they meet before conv3, fc6, fc7 and fc8. Of fc8, for which the figure draws one box, each
tower computes its share of the scores as of any layer, so that no weight is held twice; the scores are then shown to all, and each
tower has the same loss. What a tower computes of a layer are rows of it: of a tensor of weights it holds those rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from hubel.anatomy import BYTES, Row, anatomy
from hubel.build import build
from hubel.errors import HubelError
from hubel.joints import Expression, Shape
from hubel.layers import (
    FC,
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    L2Pool,
    Layer,
    MaxPool,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Sigmoid,
    Tanh,
)
from hubel.modules import Network

BY_ITSELF = (
    *(ReLU, ReLU6, Tanh, Sigmoid, ScaledTanh, Identity, Scale, Dropout),
    *(MaxPool, AvgPool, L2Pool, AdaptiveAvgPool, GlobalAvgPool, Flatten),
)
"""Layers that treat each map by itself, and learn nothing."""

SHARED = (Conv, FC, LRN, BatchNorm, *BY_ITSELF)


# --- on paper ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """A layer shared out: what each tower computes of it, and the shape of what each holds before it.

    apart: whether each holds its own share, and not all of them the pictures. meets: whether all see all shares before it.
    """

    path: str
    layers: tuple[Layer, ...]
    holds: tuple[Shape, ...]
    apart: bool
    meets: bool

    def reads(self, tower: int) -> Shape:
        """The shape that enters a tower's layer."""
        return (sum(self.sizes), *self.holds[0][1:]) if self.meets else self.holds[tower]

    @property
    def sizes(self) -> list[int]:
        """How many maps, or values, each tower holds before it."""
        return [shape[0] for shape in self.holds]

    @property
    def gives(self) -> tuple[Shape, ...]:
        return tuple(layer.output(self.reads(tower)) for tower, layer in enumerate(self.layers))


def shared_out(net: Expression, input: Shape, towers: int = 2) -> list[Link]:
    """Every layer of a network over so many towers. Raises HubelError, with the path of the part, where it cannot be shared out."""
    rows = anatomy(net, input, heads=True).rows
    for row in rows:
        if row.in_head or not isinstance(row.part, SHARED):
            raise _unshared(row, towers, "towers are chains of Conv, FC, norms and layers that treat each map by itself")
    links: list[Link] = []
    holds, apart = (input,) * towers, False
    for row in rows:
        _refuse_unshared(row, holds, apart)
        layer = cast(Layer, row.part)
        layers = tuple(_share(layer, tower, towers, apart) for tower in range(towers))
        reads_all = isinstance(layer, FC) or (isinstance(layer, Conv) and layer.groups == 1)
        links.append(Link(row.path, layers, holds, apart, meets=apart and reads_all))
        holds, apart = links[-1].gives, apart or isinstance(layer, (Conv, FC))
    if not apart:
        raise HubelError(f"{links[-1].path}: the network has no Conv and no FC that {towers} towers could share.")
    return links


def _refuse_unshared(row: Row, holds: tuple[Shape, ...], apart: bool) -> None:
    layer, towers = row.part, len(holds)
    if isinstance(layer, (Conv, FC)) and row.output[0] < towers:
        raise _unshared(row, towers, f"it gives {row.output[0]}, and each tower needs some")
    if isinstance(layer, Conv) and layer.groups > 1 and not (apart and layer.groups % towers == 0):
        raise _unshared(row, towers, f"its groups must be 1 or, behind a layer that they share, a multiple of {towers}")
    if isinstance(layer, LRN) and apart and layer.groups % towers:
        raise _unshared(row, towers, f"it reads over the border between them; its groups must be a multiple of {towers}")
    if isinstance(layer, BatchNorm) and not (apart and [shape[0] for shape in holds] == _shares(row.input[0], towers)):
        raise _unshared(row, towers, "it must stand behind a layer that they share, and read its maps as they are shared")


def _share(layer: Layer, tower: int, towers: int, apart: bool) -> Layer:
    """What one tower computes of a layer."""
    if isinstance(layer, FC):
        return replace(layer, outputs=_shares(layer.outputs, towers)[tower])
    if isinstance(layer, Conv):
        return replace(layer, maps=_shares(layer.maps, towers)[tower], groups=max(1, layer.groups // towers))
    if isinstance(layer, LRN) and apart:
        return replace(layer, groups=layer.groups // towers)
    return layer


def _unshared(row: Row, towers: int, why: str) -> HubelError:
    return HubelError(f"{row.path}: {row.layer} cannot be shared out over {towers} towers: {why}.")


def _shares(count: int, towers: int) -> list[int]:
    """A number of maps or units over towers, as torch.tensor_split divides rows."""
    return [count // towers + (tower < count % towers) for tower in range(towers)]


@dataclass(frozen=True)
class Exchange:
    """What all towers together send before a layer, for one picture in float32: bytes of maps, and bytes of their gradients."""

    path: str
    forward: int
    backward: int


def exchanges(net: Expression, input: Shape, towers: int = 2) -> list[Exchange]:
    """Where the towers meet, and at what cost; the last is the scores, which are shown to all and have the same gradients on all."""
    links = shared_out(net, input, towers)

    def sent(shapes: Sequence[Shape]) -> int:
        return sum(map(math.prod, shapes)) * (towers - 1) * BYTES

    met = [Exchange(link.path, sent(link.holds), sent(link.holds)) for link in links if link.meets]
    return [*met, Exchange("scores", sent(links[-1].gives), 0)]


def bytes_exchanged(net: Expression, input: Shape, batch: int, towers: int = 2, training: bool = True) -> int:
    """What all towers together send for a batch in float32: forward, and in training back."""
    return batch * sum(exchange.forward + training * exchange.backward for exchange in exchanges(net, input, towers))


# --- at work ----------------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """What the towers send one another: every message of this one goes through here and is counted. torch.distributed must be on."""

    rank: int
    towers: int = 2
    sent: int = 0
    """Bytes that this tower has sent."""

    def swapped(self, outgoing: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Send every other tower what is for it; what each has sent, of those shapes, and in this tower's place its own."""
        outgoing = [part.contiguous() for part in outgoing]
        incoming = [outgoing[self.rank].new_empty(tuple(shape)) for shape in shapes]
        operations = []
        for other in range(self.towers):
            if other != self.rank:
                operations += [dist.P2POp(dist.isend, outgoing[other], other), dist.P2POp(dist.irecv, incoming[other], other)]
                self.sent += outgoing[other].numel() * outgoing[other].element_size()
        for work in dist.batch_isend_irecv(operations):
            work.wait()
        incoming[self.rank] = outgoing[self.rank]
        return incoming


class _Shown(torch.autograd.Function):
    """This tower's maps to all towers' maps; back, the sum of what all towers make of this one's, or, where they make the same, its own."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, wire: Wire, sizes: list[int], alike: bool) -> Tensor:
        ctx.wire, ctx.sizes, ctx.alike = wire, sizes, alike
        batch, _, *places = mine.shape
        return torch.cat(wire.swapped([mine] * wire.towers, [(batch, size, *places) for size in sizes]), 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        parts = torch.split(gradient, ctx.sizes, 1)
        mine = parts[ctx.wire.rank]
        if not ctx.alike:
            mine = torch.stack(ctx.wire.swapped(parts, [mine.shape] * ctx.wire.towers)).sum(0)
        return mine, None, None, None


class Meeting(nn.Module):
    """Where towers meet: all their maps from this one's. alike: whether all do the same with them, as with scores."""

    def __init__(self, wire: Wire, sizes: list[int], alike: bool = False) -> None:
        super().__init__()
        self.wire, self.sizes, self.alike = wire, sizes, alike

    def forward(self, x: Tensor) -> Tensor:
        return _Shown.apply(x, self.wire, self.sizes, self.alike)  # type: ignore[no-any-return,no-untyped-call]


class SharedDropout(nn.Dropout):
    """This tower's part of what the whole layer drops: all towers draw for all units, from generators that stand alike."""

    def __init__(self, rate: float, rank: int, sizes: list[int]) -> None:
        super().__init__(rate)
        self.rank, self.sizes = rank, sizes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        batch, _, *places = x.shape
        kept = F.dropout(x.new_ones(batch, sum(self.sizes), *places), self.p)
        return x * torch.split(kept, self.sizes, 1)[self.rank]


def tower(net: Expression, input: Shape, wire: Wire) -> Network:
    """This process's tower of a network; its weights, by the network's own names, are to be loaded (`split`).

    It reads pictures and gives all scores, as the whole network does, and all towers must run it together. With generators seeded
    alike, it also drops out what the whole would. What looks at all weights together, such as clipping by their gradients' norm,
    sees this tower's alone.
    """
    links = shared_out(net, input, wire.towers)
    network = Network()
    for link in links:
        *stages, name = link.path.split(".")
        place: nn.Module = network
        for stage in stages:
            if stage not in dict(place.named_children()):
                place.add_module(stage, nn.Sequential())
            place = place.get_submodule(stage)
        if link.meets:
            place.add_module(f"_{name}", Meeting(wire, link.sizes))  # no stage has such a name
        place.add_module(name, _module(link, wire.rank))
    network.add_module("_scores", Meeting(wire, [shape[0] for shape in links[-1].gives], alike=True))
    return network


def _module(link: Link, rank: int) -> nn.Module:
    layer = link.layers[rank]
    if isinstance(layer, Dropout) and link.apart:
        return SharedDropout(layer.rate, rank, link.sizes)
    return build(layer, link.reads(rank), None)[0]


def split(weights: Mapping[str, Tensor], towers: int = 2) -> list[dict[str, Tensor]]:
    """The state dict of a network as those of its towers: of every tensor each has its rows."""
    return [
        {name: (value.tensor_split(towers)[tower] if value.dim() else value).clone() for name, value in weights.items()}
        for tower in range(towers)
    ]


def joined(towers: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The state dict of a network from those of its towers, in order."""
    return {name: torch.cat([part[name] for part in towers]) if value.dim() else value.clone() for name, value in towers[0].items()}


def collected(network: nn.Module, net: Expression, input: Shape, wire: Wire) -> dict[str, Tensor]:
    """The state dict of the whole network, on every tower; all must ask for it together."""
    with torch.device("meta"):
        shapes = split(build(net, input, None).state_dict(), wire.towers)
    own = network.state_dict()
    found = {name: wire.swapped([value] * wire.towers, [part[name].shape for part in shapes]) for name, value in own.items()}
    return joined([{name: parts[tower] for name, parts in found.items()} for tower in range(wire.towers)])
