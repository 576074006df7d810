"""The order in which the classic networks of torch's libraries compute, told from their layers' names.

A file may list its layers in another: the alphabet's, or the one in which a module happens to register them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry
from hubel.pretrained.origins.origin import natural, torch_units
from hubel.pretrained.units import Unit

# fmt: off
FAMILIES = tuple(tuple(stages.split()) for stages in (
    "conv1 bn1 layer1 layer2 layer3 layer4 fc linear",  # ResNet
    "features.conv0 features.norm0 features.denseblock1 features.transition1 features.denseblock2 features.transition2"
    " features.denseblock3 features.transition3 features.denseblock4 features.norm5 features.norm_final classifier",  # DenseNet
    "features pre_logits classifier head",  # AlexNet, VGG, SqueezeNet, torchvision's MobileNet v2
    "conv1 block1 trans1 block2 trans2 block3 bn1 fc",  # andreasveit's DenseNet for CIFAR
    "conv1 conv2 conv3 inception3a inception3b inception4a inception4b inception4c inception4d inception4e inception5a inception5b fc",
    "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3 Mixed_5b Mixed_5c Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d"
    " Mixed_6e Mixed_7a Mixed_7b Mixed_7c fc",  # Inception-v3
    "conv2d_1a conv2d_2a conv2d_2b conv2d_3b conv2d_4a mixed_5b repeat mixed_6a repeat_1 mixed_7a repeat_2 block8 conv2d_7b"
    " classif",  # Inception-ResNet-v2
    "conv1 bn1 conv2 bn2 block1 block2 block3 block4 block5 block6 block7 block8 block9 block10 block11 block12 conv3 bn3 conv4 bn4"
    " fc",  # Xception
    "conv_stem bn1 blocks conv_head bn2 classifier",  # timm's MobileNets
))
"""Of each kind of network, what its layers' names begin with; the more special stand first."""

HEADS = ("aux1.", "aux2.", "AuxLogits.")
"""What the names of heads begin with that only training needs."""

SPELT = {"squeeze": "a squeeze", "branch3x3dbl": "branch_3x3dbl"}
"""Within a stage the alphabet's order is right, with numbers as numbers, where these are spelt so: fire modules, Inception's windows of 5x5."""
# fmt: on


def units(entries: Iterable[Entry]) -> list[Unit]:
    """The layers of a network of torch's, without heads of training, in the order of computation.

    Raises ModelError, without the path, where one of them is of no such network, or a batch norm is not whole.
    """
    return torch_units(in_order([entry for entry in entries if not entry.name.startswith(HEADS)]))


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """The layers in the order of the family that knows the most of their names, the first of equals. Raises ModelError where it does not know all."""
    names = {entry.name for entry in entries}
    family = max(FAMILIES, key=lambda stages: sum(_place(name, stages) < len(stages) for name in names))
    for entry in entries:
        if _place(entry.name, family) == len(family):
            raise ModelError(
                f"it has {'.'.join((entry.name, next(iter(entry.arrays), '')))}, which is of no network of that kind known here."
            )
    return sorted(entries, key=lambda entry: (_place(entry.name, family), _within(entry.name, names)))


def _place(name: str, stages: tuple[str, ...]) -> int:
    """Which stage a layer is of; behind all where it is of none."""
    return next((place for place, stage in enumerate(stages) if name == stage or name.startswith(f"{stage}.")), len(stages))


def _within(name: str, names: set[str]) -> tuple[tuple[int, str], ...]:
    if name.endswith(".conv_pw") and f"{name}l" in names:  # an inverted residual's first; a separable convolution's second
        name = name.replace("conv_pw", "conv_a")
    for written, spelt in SPELT.items():
        name = name.replace(written, spelt)
    return natural(name)
