"""torchvision: https://github.com/pytorch/vision, torchvision/models/. Licence BSD-3."""

from __future__ import annotations

import re

from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained
from hubel.pretrained.policies import halved, imagenet

USUAL = Trained(imagenet(224, 256))

# fmt: off
ORIGIN = Origin(
    "torchvision",
    ("torch", "onnx"),
    re.compile(r"classifier\.6|features\.3\.squeeze|features\.0\.0|features\.conv0|layer1\.0\.conv1|inception3a\.branch1\.conv|Conv2d_1a_3x3\.conv"),
    {
        **dict.fromkeys(
            ("alexnet_owt", "vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50_v15", "resnet101_v15", "resnet152_v15",
             "squeezenet_1_0", "squeezenet_1_1", "densenet121", "densenet169", "densenet201", "mobilenet_v2_torch"), USUAL,
        ),
        "googlenet_bn": Trained(halved(224, 256)),  # its transform_input: less 0.5, by 0.5
        "inception_v3_torch": Trained(halved(299, 342)),
    },
    order.units,
    {"resnet50": "resnet50_v15", "resnet101": "resnet101_v15", "resnet152": "resnet152_v15", "alexnet": "alexnet_owt", "googlenet": "googlenet_bn",
     "inception_v3": "inception_v3_torch", "mobilenet_v2": "mobilenet_v2_torch"},
)
# fmt: on
