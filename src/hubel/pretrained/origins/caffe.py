"""Caffe's own models and its users': https://github.com/BVLC/caffe, models/ and its wiki "Model Zoo"; VGG's, NiN's and SqueezeNet's authors.

Pictures are read there as blue, green, red: the first convolution's inputs are turned round here. The licences are each model's own:
BVLC's are free of any, VGG's CC BY 4.0, SqueezeNet's BSD-2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from hubel.errors import ModelError
from hubel.pictures.pixels import Pixels
from hubel.pretrained.contents import Entry
from hubel.pretrained.origins.origin import Origin, Trained
from hubel.pretrained.policies import caffe
from hubel.pretrained.units import Unit

BLOBS = {"Convolution": ("weight", "bias"), "InnerProduct": ("weight", "bias"), "Scale": ("weight", "bias"),
         "BatchNorm": ("running_mean", "running_var", "factor")}  # fmt: skip
"""What the arrays 0, 1, 2 of a layer are."""

HEADS = ("loss1/", "loss2/")
"""GoogLeNet's classifiers for training."""


def units(entries: Sequence[Entry]) -> list[Unit]:
    """In the net's order; a Scale belongs to the batch norm before it; what a convolution reads as colours is put in our order."""
    found: list[Unit] = []
    for entry in entries:
        if entry.name.startswith(HEADS):
            continue
        arrays, names = _roles(entry)
        if entry.kind == "Scale":
            if not found or not found[-1].norm or "weight" in found[-1].arrays:
                raise ModelError(f"{entry.name} scales what no batch norm gave; there is no such layer here.")
            arrays, names = {**found[-1].arrays, **arrays}, {**found[-1].names, **names}
            found[-1] = Unit(found[-1].name, arrays, found[-1].epsilon, names)
        else:
            found.append(Unit(entry.name, arrays, entry.said.get("epsilon"), names))
    return [_in_rgb(unit) if index == 0 else unit for index, unit in enumerate(found)]


def _roles(entry: Entry) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A layer's arrays by role, without the sides of 1 that older files fill up to four with; and what the file calls them."""
    if "0" not in entry.arrays:  # taken out of a caffemodel by somebody, or by Caffe2
        return dict(entry.arrays), {}
    if entry.kind not in BLOBS or len(entry.arrays) > len(BLOBS[entry.kind]):
        raise ModelError(f"has weights in {entry.name}, a {entry.kind}; known are {', '.join(BLOBS)}.")
    names = dict(zip(BLOBS[entry.kind], entry.arrays))
    arrays = {
        role: entry.arrays[name] if role == "weight" and entry.kind != "Scale" else entry.arrays[name].flatten()
        for role, name in names.items()
    }
    if entry.kind == "InnerProduct":
        weight = arrays["weight"].reshape(arrays["weight"].shape[-2:]) if arrays["weight"].shape[:-2].numel() == 1 else arrays["weight"]
        arrays["weight"] = weight.mT if entry.said.get("transposed") and weight.dim() == 2 else weight
    if entry.kind == "BatchNorm":
        arrays = _divided(entry.name, arrays)
    return arrays, names


def _divided(name: str, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean and variance, which Caffe adds up over its steps, by what the weights of these add up to (batch_norm_layer.cpp)."""
    if set(arrays) != {"running_mean", "running_var", "factor"} or arrays["factor"].numel() != 1:
        raise ModelError(f"has a batch norm, {name}, that is not a mean, a variance and a number to divide them by.")
    factor = arrays["factor"].item() or float("inf")
    return {role: arrays[role] / factor for role in ("running_mean", "running_var")}


def _in_rgb(unit: Unit) -> Unit:
    weight = unit.arrays.get("weight")
    if weight is None or weight.dim() != 4 or weight.shape[1] != 3:
        return unit
    return Unit(unit.name, {**unit.arrays, "weight": weight.flip(1)}, unit.epsilon, unit.names)


ROUND_MEAN = (123 / 255, 117 / 255, 104 / 255)
VGG_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
DIGITS = Pixels(1, 28, 28, colour_managed=False)

ORIGIN = Origin(
    "caffe",
    ("caffe", "npz", "onnx"),
    re.compile(r"ip2|fc8|cccp1|fire2/squeeze1x1|loss3/classifier"),
    {
        "lenet_caffe": Trained(DIGITS, "mnist"),
        "alexnet_caffe": Trained(caffe(227)),
        "caffenet": Trained(caffe(227)),
        "googlenet_caffe": Trained(caffe(224, mean=ROUND_MEAN)),
        "nin_imagenet": Trained(caffe(224)),
        "vgg16": Trained(caffe(224, mean=VGG_MEAN)),
        "vgg19": Trained(caffe(224, mean=VGG_MEAN)),
        "squeezenet_1_0_caffe": Trained(caffe(227, mean=ROUND_MEAN)),
        "squeezenet_1_1": Trained(caffe(227, mean=ROUND_MEAN)),
    },
    units,
    {"alexnet": "alexnet_caffe", "googlenet": "googlenet_caffe", "squeezenet_1_0": "squeezenet_1_0_caffe"},
)
