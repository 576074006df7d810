"""The residual networks for CIFAR-10 by Yerlan Idelbayev: https://github.com/akamaster/pytorch_resnet_cifar10. Licence BSD-2.

His shortcuts put half of the maps of zeros before the others, ours put all behind them (the paper does not say where), so the maps
of a stage are the same in another order. Their filters are put into ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hubel.pictures.pixels import Pixels
from hubel.pretrained.contents import Entry
from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained
from hubel.pretrained.policies import IMAGENET_DEVIATION, IMAGENET_MEAN
from hubel.pretrained.units import Unit

PLACE = re.compile(r"(?:layer([123])\.(\d+)\.)?(conv1|bn1|conv2|bn2|linear)")


def units(entries: Sequence[Entry]) -> list[Unit]:
    """In his order, which is ours, with the maps of each stage in our order."""
    found = order.units(entries)
    last = {place[1]: unit for unit in found if (place := PLACE.fullmatch(unit.name)) and place[3] == "conv2"}
    widths = [len(weight) for unit in last.values() if (weight := unit.arrays.get("weight")) is not None and weight.dim()]
    if len(widths) != 3 or widths != sorted(widths):
        return found  # no network of his, which is said later
    orders = [torch.arange(widths[0])]
    for width in widths[1:]:
        orders.append(_order(orders[-1], width))
    return [_ordered(unit, orders) for unit in found]


def _order(before: Tensor, width: int) -> Tensor:
    """Which of his maps each of ours is, in a stage of so many, behind one with that order."""
    first = (width - len(before)) // 2
    return torch.cat([first + before, torch.arange(first), torch.arange(first + len(before), width)])


def _ordered(unit: Unit, orders: list[Tensor]) -> Unit:
    place = PLACE.fullmatch(unit.name)
    if place is None:
        return unit
    stage, block, layer = place.groups()
    if layer == "linear":
        return _chosen(unit, orders[-1], 1)
    if stage and layer == "conv1":
        return _chosen(unit, orders[max(0, int(stage) - (2 if block == "0" else 1))], 1)
    if stage and layer in ("conv2", "bn2"):
        return _chosen(unit, orders[int(stage) - 1], 0)
    return unit


def _chosen(unit: Unit, order: Tensor, dimension: int) -> Unit:
    """The layer with the maps that it gives (0) or reads (1) in our order; as they are where they are of another number, which is said later."""

    def chosen(array: Tensor) -> Tensor:
        fits = array.dim() > dimension and array.shape[dimension] == len(order)
        return array.index_select(dimension, order) if fits else array

    return replace(unit, arrays={role: chosen(array) for role, array in unit.arrays.items()})


PIXELS = Pixels(3, 32, 32, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION, colour_managed=False)

ORIGIN = Origin(
    "akamaster",
    ("torch",),
    re.compile(r"linear"),
    dict.fromkeys(("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"), Trained(PIXELS, "cifar10")),
    units,
)
