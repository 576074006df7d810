"""torchvision: https://github.com/pytorch/vision, torchvision/models/. Licence BSD-3."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hubel.pretrained.contents import Entry
from hubel.pretrained.origins.origin import Origin, Trained, torch_units
from hubel.pretrained.policies import halved, imagenet
from hubel.pretrained.units import Unit


def units(entries: Sequence[Entry]) -> list[Unit]:
    """In the order in which torchvision registers them; heads that only training needs are left out."""
    return torch_units(entry for entry in entries if not entry.name.startswith(("aux1.", "aux2.", "AuxLogits.")))


USUAL = Trained(imagenet(224, 256))

ORIGIN = Origin(
    "torchvision",
    ("torch", "onnx"),
    re.compile(r"features\.0|features\.conv0|features\.0\.0|layer1\.0\.conv1|conv1\.conv|Conv2d_1a_3x3\.conv"),
    {
        **dict.fromkeys(
            (*("alexnet_owt", "vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50_v15", "resnet101_v15", "resnet152_v15"),
             *("squeezenet_1_0", "squeezenet_1_1", "densenet121", "densenet169", "densenet201", "mobilenet_v2_torch")), USUAL,
        ),
        "googlenet_bn": Trained(halved(224, 256)),  # its transform_input: less 0.5, by 0.5
        "inception_v3_torch": Trained(halved(299, 342)),
    },
    units,
    {"resnet50": "resnet50_v15", "resnet101": "resnet101_v15", "resnet152": "resnet152_v15", "alexnet": "alexnet_owt", "googlenet": "googlenet_bn",
     "inception_v3": "inception_v3_torch", "mobilenet_v2": "mobilenet_v2_torch"},
)  # fmt: skip
