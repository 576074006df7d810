"""Chollet 2017, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, arXiv:1610.02357.

An inception module taken to its limit: each map has its own 3x3 window, then 1x1 convolutions mix the maps.

Departures: none. Figure 5 leaves padding to the author's Keras: "same", which at 299x299 is even everywhere but in the pool of
block3, where it stands on the right and at the bottom alone. The paper does not print batch norm's eps, which is Keras's
1e-3, nor how weights start: Glorot's, Keras's default. `xception_torch` is the look-alike whose weights torch collections
publish: every pool is padded evenly, and eps is 1e-5.
"""

from functools import partial

from hubel.arguments import Pad
from hubel.joints import Chain, Expression, Sum
from hubel.layers import FC, BatchNorm, Conv, Depthwise, Dropout, GlobalAvgPool, Identity, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

LAST = ((0, 1), (0, 1))
"""Keras's "same" padding of a window of 3 at stride 2 on an even side."""


def conv(eps: float, maps: int, size: int, stride: int = 1) -> Chain:
    """A convolution without padding, and batch norm."""
    return Conv(maps, size, stride, bias=False) >> BatchNorm(eps)


def separable(eps: float, maps: int) -> Chain:
    """A 3x3 window for each map alone, 1x1 convolutions over the maps with no activation between (sec. 4.7), and batch norm."""
    return Depthwise(3, pad=1, bias=False) >> Conv(maps, 1, bias=False) >> BatchNorm(eps)


def halving(eps: float, body: Expression, maps: int, pad: Pad) -> Sum:
    """A module of the entry or exit flow that halves the sides; its shortcut is a 1x1 convolution of stride 2."""
    return Sum(body >> MaxPool(3, 2, pad=pad), conv(eps, maps, 1, 2))


def xception(pad: Pad, eps: float, classes: int = 1000) -> Chain:
    """Figure 5: 3x299x299 in, the padding of block3's pool, batch norm's eps."""
    separated = partial(separable, eps)
    middle = Sum((ReLU() >> separated(728)) * 3, Identity())
    return Chain(
        # entry flow
        block1=conv(eps, 32, 3, 2) >> ReLU() >> conv(eps, 64, 3) >> ReLU(),
        block2=halving(eps, separated(128) >> ReLU() >> separated(128), 128, 1),
        block3=halving(eps, ReLU() >> separated(256) >> ReLU() >> separated(256), 256, pad),
        block4=halving(eps, ReLU() >> separated(728) >> ReLU() >> separated(728), 728, 1),
        # middle flow, eight times
        **{f"block{number}": middle for number in range(5, 13)},
        # exit flow
        block13=halving(eps, ReLU() >> separated(728) >> ReLU() >> separated(1024), 1024, 1),
        block14=separated(1536) >> ReLU() >> separated(2048) >> ReLU(),
        average=GlobalAvgPool(),
        logistic=Dropout(0.5) >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
VARIANTS = (
    Variant(
        "xception", "Xception as published", CITATION, partial(xception, LAST, 1e-3), (3, 299, 299), "glorot",
        says=(
            Figure("parameters", "22,855,952", "table 3"),
            Figure("output", "728x19x19", "figure 5", "block4"),
            Figure("output", "728x19x19", "figure 5", "block12"),
            Figure("output", "2048", "figure 5", "average"),
        ),
        reports=(
            Figure("imagenet_val_top1_accuracy_one_crop", "0.790", "table 1, without the blacklisted pictures"),
            Figure("imagenet_val_top5_accuracy_one_crop", "0.945", "table 1, without the blacklisted pictures"),
        ),
    ),
    Variant(
        "xception_torch", "the look-alike that torch weights fit: Xception whose pools are padded evenly", CITATION,
        partial(xception, 1, 1e-5), (3, 299, 299), "glorot",
        exact=(("parameters", "", 22_855_952),),
    ),
)
# fmt: on
