"""The casebook: NETS has every network by name."""

from hubel.errors import HubelError, choices
from hubel.joints import Expression
from hubel.nets import alexnet, allcnn, googlenet, inception_resnet_v2, inception_v3, lecture, lenet, nin, vgg, xception
from hubel.nets.paper import Variant
from hubel.reading import MAKERS, read

PAPERS = (lenet, alexnet, nin, vgg, googlenet, allcnn, inception_v3, inception_resnet_v2, xception, lecture)
"""In the order of their years."""

NETS: dict[str, Variant] = {variant.name: variant for paper in PAPERS for variant in paper.VARIANTS}


def variant(name: str) -> Variant:
    """The row of that name. Raises HubelError, with the nearest names, where there is none."""
    if name not in NETS:
        raise HubelError(choices(name, NETS, "network"))
    return NETS[name]


def said(text: str) -> Variant | Expression:
    """What a user means by `text`: a row of the casebook by its name, or the expression that is written there."""
    if text.isidentifier() and text not in NETS and text not in MAKERS:
        raise HubelError(choices(text, NETS, "network") + " Or write an expression, such as 'Conv(6, 5) >> ReLU() >> FC(10)'.")
    return NETS[text] if text in NETS else read(text)
