"""Keras Applications: https://github.com/keras-team/keras, keras/src/applications/. Licence Apache 2.0, the weights under their authors'.

Files list layers by depth, so that branches are mixed; their names tell them apart. Kernels are (row, column, in, out).
Preprocessing is that of each network's `preprocess_input`. Keras's documentation has accuracies of a single crop from the middle
and does not say how it was cut; who measured them brought the shorter side to 256, bicubic, and cut out 224
(https://github.com/keras-team/keras-applications/issues/88). Of 299 nothing is said: the same share of the picture is read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry
from hubel.pretrained.origins.origin import Origin, Trained, flat_inputs, natural
from hubel.pretrained.policies import halved, imagenet, middle
from hubel.pretrained.units import Unit

ROLES = {
    "kernel": "weight", "W": "weight", "depthwise_kernel": "weight", "pointwise_kernel": "weight", "bias": "bias", "b": "bias",
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
NAME = re.compile(rf"(?:.*?[/_])??({'|'.join(sorted(ROLES, key=len, reverse=True))})(?:_\d+)?(?::0)?")
"""Of an array. Keras 1 put the layer's name before it, and a number behind: block1_conv1_W_1:0."""

UNNAMED = re.compile(r"(conv2d|batch_normalization)(?:_\d+)?")
"""Layers that were given no name are numbered in the order in which they were made."""

DEPTHWISE = re.compile(r"conv_dw_|.*_depthwise")
"""Layers whose kernel of (row, column, maps, 1) filters each map alone; Keras 3 calls it a kernel too."""

Order = Callable[[Sequence[Entry]], Iterable[Entry]]


def renamed(*changes: tuple[str, str]) -> Order:
    """By name, once these changes have made the names sort as the network goes."""

    def order(entries: Sequence[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: natural(_changed(entry.name, changes)))

    return order


def _changed(name: str, changes: Iterable[tuple[str, str]]) -> str:
    for old, new in changes:
        name = re.sub(old, new, name)
    return name


def between_names(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Unnamed layers by number, up to where one with a name needs them all."""
    run: list[Entry] = []
    for entry in entries:
        run.append(entry)
        if not UNNAMED.fullmatch(entry.name):
            yield from sorted(run[:-1], key=lambda entry: natural(entry.name))
            yield run[-1]
            run = []
    yield from sorted(run, key=lambda entry: natural(entry.name))


def xception(entries: Sequence[Entry]) -> list[Entry]:
    """The shortcuts, which have no names, behind the blocks that they pass."""
    names = sorted((entry.name for entry in entries if UNNAMED.fullmatch(entry.name)), key=natural)
    places = {
        name: f"block{block}_shortcut"
        for kind in ("conv2d", "batch_normalization")
        for name, block in zip((name for name in names if name.startswith(kind)), (2, 3, 4, 13))
    }
    return sorted(entries, key=lambda entry: natural(places.get(entry.name, entry.name)))


@dataclass(frozen=True)
class Family:
    """What the files of some networks have in common."""

    mark: str
    """A pattern of the name of a layer that the families below it have not."""
    order: Order
    """Puts the layers into ours: shortcuts last, branches one after another."""
    epsilon: float = 1e-3
    blue_first: bool = False
    """Whether the network reads blue, green, red."""
    flattened: bool = False
    """Whether the first fully-connected layer reads maps, row by row."""


FAMILIES = {
    "MobileNet": Family("conv_dw_1", renamed((r"conv_(dw|pw)_(\d+)", r"conv_\2_\1"))),
    "MobileNetV2": Family(
        "expanded_conv_depthwise",
        renamed(("^bn_Conv1", "Conv1_bn"), ("^Conv_1", "conv_1"), ("^expanded_conv", "block_0"), ("_expand", "_before")),
    ),
    "Xception": Family("block2_sepconv1", xception),
    "ResNet": Family("conv2_block1_0_conv", renamed(("_0_", "_last_")), 1.001e-5, True),
    "ResNet-50 of early releases": Family("res2a_branch2a", renamed(("branch1", "branch3"), ("bn_conv1", "bn1")), 1e-3, True),
    "DenseNet": Family("conv2_block1_1_conv", tuple, 1.001e-5),
    "VGG": Family("block1_conv1", tuple, blue_first=True, flattened=True),
    "Inception": Family(r"conv2d(_\d+)?", between_names),
}


def units(entries: Sequence[Entry]) -> list[Unit]:
    """In our order and layout, with the colours of the first convolution as red, green, blue."""
    family = next((one for one in FAMILIES.values() if any(re.fullmatch(one.mark, entry.name) for entry in entries)), None)
    if family is None:
        raise ModelError(f"has no layers named like those of Keras Applications: {', '.join(FAMILIES)}.")
    ordered = sorted(family.order(entries), key=_is_connected)
    if not ordered or not (_is_connected(ordered[-1]) or ordered[-1].name == "conv_preds"):
        raise ModelError("has no classifier: it was saved with include_top=False, as *_notop files are. Take the file with its top.")
    found: list[Unit] = []
    maps = 0
    for unit in (unit for entry in ordered for unit in _units(entry, family.epsilon)):
        if unit.norm:
            found.append(unit)
            continue
        weight = _laid_out(unit)
        if family.blue_first and not maps:
            weight = weight.flip(1)
        if family.flattened and weight.dim() == 2 and maps and weight.shape[1] % maps == 0:
            weight = flat_inputs(weight, maps)
        maps = len(weight)
        found.append(Unit(unit.name, {**unit.arrays, "weight": weight}, None, unit.names))
    return found


def _is_connected(entry: Entry) -> bool:
    return any(array.dim() == 2 for array in entry.arrays.values())


def _units(entry: Entry, epsilon: float) -> Iterator[Unit]:
    """The one unit of a layer, or the two of a separable convolution, laid out as Keras has them."""
    arrays: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    for name, array in entry.arrays.items():
        said = NAME.fullmatch(name)
        if said is None:
            raise ModelError(f"has {entry.name}/{name}, and no layer of Keras Applications has such an array.")
        role = ROLES[said[1]]
        if role in arrays:
            if said[1] != "pointwise_kernel":
                raise ModelError(f"holds a network within its layer {entry.name}: save that network alone, with its classifier.")
            yield Unit(entry.name, {role: arrays.pop(role)}, None, {role: names.pop(role)})
        arrays[role], names[role] = array, name
    yield Unit(entry.name, arrays, epsilon if "running_mean" in arrays else None, names)


def _laid_out(unit: Unit) -> Tensor:
    """A layer's weight as (out, in / groups, row, column), or (out, in)."""
    weight = unit.arrays.get("weight")
    if weight is None or weight.dim() not in (2, 4):
        raise ModelError(f"has no weights in {unit.name} that are a layer's of Keras Applications.")
    if weight.dim() == 2:
        return weight.t().contiguous()
    if unit.names["weight"].startswith("depthwise_kernel") or DEPTHWISE.match(unit.name):
        return weight.permute(2, 3, 0, 1).flatten(0, 1).unsqueeze(1).contiguous()
    return weight.permute(3, 2, 0, 1).contiguous()


MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""Of preprocess_input's "caffe", from which the mean of Caffe's own examples differs; red, green, blue."""

BLUE_FIRST = Trained(middle(224, 256, MEAN, (1 / 255,), "bicubic"))
HALVED = Trained(halved(224, 256, kernel="bicubic"))
HALVED_299 = Trained(halved(299, 342, kernel="bicubic"))

ORIGIN = Origin(
    "keras",
    ("keras", "npz"),
    re.compile("|".join(family.mark for family in FAMILIES.values())),
    {
        **dict.fromkeys(("vgg16", "vgg19", "resnet50", "resnet101", "resnet152"), BLUE_FIRST),
        **dict.fromkeys(("inception_v3", "inception_resnet_v2", "xception"), HALVED_299),
        **dict.fromkeys(("densenet121", "densenet169", "densenet201"), Trained(imagenet(224, 256, kernel="bicubic"))),
        **dict.fromkeys(("mobilenet_v1_tf", "mobilenet_v1_0_75_tf", "mobilenet_v1_0_50_tf", "mobilenet_v1_0_25_tf"), HALVED),
        "mobilenet_v2": HALVED,
    },
    units,
    {"resnet50_v15": "resnet50", "resnet101_v15": "resnet101", "resnet152_v15": "resnet152", "inception_v3_torch": "inception_v3",
     "xception_torch": "xception", "mobilenet_v1": "mobilenet_v1_tf", "mobilenet_v1_torch": "mobilenet_v1_tf",
     "mobilenet_v1_0_75": "mobilenet_v1_0_75_tf", "mobilenet_v1_0_50": "mobilenet_v1_0_50_tf",
     "mobilenet_v1_0_25": "mobilenet_v1_0_25_tf", "mobilenet_v2_torch": "mobilenet_v2"},
)  # fmt: skip
