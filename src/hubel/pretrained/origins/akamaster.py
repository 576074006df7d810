"""The residual networks for CIFAR-10 by Yerlan Idelbayev: https://github.com/akamaster/pytorch_resnet_cifar10. Licence BSD-2.

His shortcuts put half of the maps of zeros before the others, ours put all behind them (the paper does not say where), so the maps
of a stage are the same in another order. Their filters are put into ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from hubel.pictures.pixels import Pixels
from hubel.pretrained.contents import Entry
from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained
from hubel.pretrained.policies import IMAGENET_DEVIATION, IMAGENET_MEAN
from hubel.pretrained.units import Unit

PLACE = re.compile(r"(?:layer(\d)\.(\d+)\.)?(conv1|bn1|conv2|bn2|linear)")


def units(entries: Sequence[Entry]) -> list[Unit]:
    """In his order, which is ours, with the maps of each stage in our order."""
    widths = [len(entry.arrays["weight"]) for entry in entries if entry.name.endswith(".0.conv2") and "weight" in entry.arrays]
    orders = [torch.arange(widths[0])] if widths else []
    for width in widths[1:]:
        orders.append(_order(orders[-1], width))
    return [_ordered(unit, orders) for unit in order.units(entries)]


def _order(before: Tensor, width: int) -> Tensor:
    """Which of his maps each of ours is, in a stage of so many, behind one with that order."""
    first = (width - len(before)) // 2
    return torch.cat([first + before, torch.arange(first), torch.arange(first + len(before), width)])


def _ordered(unit: Unit, orders: list[Tensor]) -> Unit:
    place = PLACE.fullmatch(unit.name)
    if place is None or len(orders) < 3:
        return unit
    stage, block, layer = place.groups()
    arrays = dict(unit.arrays)
    if layer == "linear":
        arrays["weight"] = _chosen(arrays["weight"], orders[-1], 1)
    elif stage and layer == "conv1":
        arrays["weight"] = _chosen(arrays["weight"], orders[max(0, int(stage) - (2 if block == "0" else 1))], 1)
    elif stage and layer in ("conv2", "bn2"):
        arrays = {role: _chosen(array, orders[int(stage) - 1], 0) for role, array in arrays.items()}
    return Unit(unit.name, arrays)


def _chosen(array: Tensor, order: Tensor, dimension: int) -> Tensor:
    """The array with its maps in our order; as it is where it has another number of them, which is said later."""
    fits = array.dim() > dimension and array.shape[dimension] == len(order)
    return array.index_select(dimension, order) if fits else array


PIXELS = Pixels(3, 32, 32, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION, colour_managed=False)

ORIGIN = Origin(
    "akamaster",
    ("torch",),
    re.compile(r"linear"),
    dict.fromkeys(("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"), Trained(PIXELS, "cifar10")),
    units,
)
