"""timm: https://github.com/huggingface/pytorch-image-models, timm/models/. Licence Apache-2.0, the weights each their own.

Its ResNets, DenseNets and Inception-v3 are named as torchvision's. As safetensors they are taken for timm's, as files of torch's for
torchvision's; the networks are the same, but not how pictures are read.
"""

from __future__ import annotations

import json
import re
from math import floor
from pathlib import Path
from typing import Any

from hubel.errors import ModelError, PictureError, shortened
from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained
from hubel.pretrained.policies import halved, imagenet, middle

# fmt: off
ROWS = {  # by timm's names
    "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50_v15", "resnet101": "resnet101_v15", "resnet152": "resnet152_v15",
    "vgg11": "vgg11", "vgg13": "vgg13", "vgg16": "vgg16", "vgg19": "vgg19",
    "densenet121": "densenet121", "densenet169": "densenet169", "densenet201": "densenet201", "inception_v3": "inception_v3_torch",
    "legacy_xception": "xception_torch", "inception_resnet_v2": "inception_resnet_v2", "mobilenetv1_100": "mobilenet_v1_torch",
    "mobilenetv2_100": "mobilenet_v2_torch",
}
# fmt: on


def told(path: Path, row: str, usual: Trained) -> Trained:
    """As the config.json beside the file says, which every such file has on the Hugging Face hub; as usual where there is none of timm's.

    Raises ModelError where it is of another network, or says what cannot be.
    """
    config = path.with_name("config.json")
    try:
        said = json.loads(config.read_bytes())
    except FileNotFoundError:
        return usual
    except OSError as error:
        raise ModelError(f"{config} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{config}, which lies beside the weights, is not JSON.") from None
    if not isinstance(said, dict) or "architecture" not in said or "pretrained_cfg" not in said:
        return usual
    architecture = said["architecture"]
    if not isinstance(architecture, str) or ROWS.get(architecture) != row:
        here = ROWS.get(architecture) if isinstance(architecture, str) else None
        what = f"which is {here} here, not {row}" if here else "which is no network of the casebook"
        raise ModelError(f"{config} says that {path.name} is of timm's {shortened(architecture)}, {what}.")
    try:
        return _trained(said["pretrained_cfg"], usual)
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError, PictureError) as error:
        raise ModelError(f"{config} does not say how pictures are read as timm says it ({type(error).__name__}: {error}).") from None


def _trained(said: dict[str, Any], usual: Trained) -> Trained:
    channels, height, width = said["input_size"]
    if height != width or said.get("crop_mode", "center") != "center":
        raise ValueError("only the middle of a picture, a square, is known here")
    resized = floor(height / said["crop_pct"])
    return Trained(middle(height, resized, tuple(said["mean"]), tuple(said["std"]), said["interpolation"], channels), usual.classes)


BICUBIC = Trained(imagenet(224, 256, kernel="bicubic"))
NEWER = Trained(imagenet(224, 235, kernel="bicubic"))

# fmt: off
ORIGIN = Origin(
    "timm",
    ("safetensors", "torch"),
    re.compile(r"features\.conv0|layer1\.0\.conv1|Conv2d_1a_3x3\.conv|pre_logits\.fc1|conv_stem|conv2d_1a\.conv|block1\.rep\.0\.conv1"),
    {
        **dict.fromkeys(("resnet18", "resnet34", "resnet50_v15", "resnet101_v15", "resnet152_v15"), NEWER),
        **dict.fromkeys(("densenet121", "densenet169", "densenet201", "mobilenet_v2_torch"), BICUBIC),
        **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19"), Trained(imagenet(224, 256))),
        "mobilenet_v1_torch": Trained(halved(224, 256, kernel="bicubic")),
        "inception_v3_torch": Trained(halved(299, 341, kernel="bicubic")),
        **dict.fromkeys(("xception_torch", "inception_resnet_v2"), Trained(halved(299, 333, kernel="bicubic"))),
    },
    order.units,
    {"resnet50": "resnet50_v15", "resnet101": "resnet101_v15", "resnet152": "resnet152_v15", "inception_v3": "inception_v3_torch",
     "xception": "xception_torch", "mobilenet_v1": "mobilenet_v1_torch", "mobilenet_v2": "mobilenet_v2_torch"},
    told,
)
# fmt: on
