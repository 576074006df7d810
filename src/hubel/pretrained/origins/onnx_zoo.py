"""The ONNX model zoo: https://github.com/onnx/models, validated/vision/classification. Licence Apache-2.0.

Its ResNets of version 1, its VGGs and its SqueezeNet 1.1 are those of MXNet's Gluon, known by its names. What Caffe2 made is Caffe's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hubel.pretrained.contents import Entry
from hubel.pretrained.origins.origin import Origin, Trained, torch_units
from hubel.pretrained.policies import imagenet
from hubel.pretrained.units import Unit


def units(entries: Sequence[Entry]) -> list[Unit]:
    """As they are: reading a graph puts its layers in our order. Biases that Gluon adds before a batch norm go into its mean later."""
    return torch_units(entries)


ORIGIN = Origin(
    "onnx_zoo",
    ("onnx",),
    re.compile(r"(ConvBnFusion_W_)?(resnetv1\d|vgg0|squeezenet0)_conv0"),
    {
        **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19"), Trained(imagenet(224, 256))),
        "squeezenet_1_1": Trained(imagenet(227, 256)),  # the zoo's 224 does not fit its windows: of these it reads 223
    },
    units,
    {"resnet50_v15": "resnet50", "resnet101_v15": "resnet101", "resnet152_v15": "resnet152"},
)
