"""The casebook: NETS has every network by name."""

from typing import NamedTuple

from hubel.errors import HubelError, choices
from hubel.joints import Expression, Shape
from hubel.nets import (
    alexnet,
    allcnn,
    densenet,
    googlenet,
    inception_resnet_v2,
    inception_v3,
    lecture,
    lecun_1989,
    lenet,
    mobilenet_v1,
    mobilenet_v2,
    nin,
    patterns,
    resnet,
    resnet_cifar,
    squeezenet,
    vgg,
    xception,
)
from hubel.nets.paper import Variant
from hubel.notation import is_notation, parse
from hubel.reading import MAKERS, read

PAPERS = (
    *(lecun_1989, lenet, alexnet, nin, vgg, googlenet, allcnn, resnet, resnet_cifar, inception_v3),
    *(inception_resnet_v2, squeezenet, densenet, xception, mobilenet_v1, mobilenet_v2, lecture, patterns),
)
"""In the order of their years."""

NETS: dict[str, Variant] = {variant.name: variant for paper in PAPERS for variant in paper.VARIANTS}


def variant(name: str) -> Variant:
    """The row of that name. Raises HubelError, with the nearest names, where there is none."""
    if name not in NETS:
        raise HubelError(f"{choices(name, NETS, 'network')} `hubel nets` lists them all.")
    return NETS[name]


def _plain(name: str) -> str:
    """A name as it is told apart from others when its case and signs are not minded: ResNet-50 is resnet50."""
    return "".join(filter(str.isalnum, name.lower()))


PLAIN = {_plain(name): name for name in NETS}


class Said(NamedTuple):
    """What a user means by a text: a network, what it is called, and its row where it is one of the casebook."""

    name: str
    net: Expression
    input: Shape | None
    row: Variant | None = None


def said(text: str, classes: int | None = None) -> Said:
    """The network that `text` names or writes: a row of the casebook (for so many classes), an expression, or the lectures' notation.

    Raises an error of ours where it is none of these.
    """
    if text in NETS:
        row = NETS[text]
        return Said(row.name, row.net(classes), row.input, row)
    if is_notation(text):
        return Said("net", *parse(text))
    if (meant := _plain(text)) in PLAIN:
        raise HubelError(f"There is no network {text!r}. Did you mean {PLAIN[meant]!r}?")
    if text.isidentifier() and text not in MAKERS:
        raise HubelError(
            choices(text, NETS, "network")
            + " `hubel nets` lists them all. Or write an expression, such as 'Conv(6, 5) >> ReLU() >> FC(10)'."
        )
    return Said("net", read(text), None)
