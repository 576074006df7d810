"""Szegedy, Ioffe, Vanhoucke, Alemi 2016, "Inception-v4, Inception-ResNet and the impact of residual connections on learning", AAAI 2017, arXiv:1602.07261.

Each inception module gives, scaled down, what is added to its input, so that wide networks learn fast and do not die.

Departures: the figures (as arXiv numbers them) describe a network that nobody holds, so this is the one that the authors
released (TensorFlow, checkpoint of August 2016); stages have its names. It has Inception-v3's stem and a module of 320 maps
where figure 3 has a stem of 384; so 1,088 and 2,080 maps follow where figures 17 and 19 print 1154 and 2048, while their own
additions would need 1,152 and 2,144. It repeats its blocks 10, 20 and 9 times, and once more with scale 1 and without ReLU,
where figure 15 has 5, 10 and 5, and brings 1,536 maps to the average pool. Its scales are 0.17, 0.10 and 0.20; the paper says
"between 0.1 and 0.3". Its auxiliary classifier, which is not in the paper, is left out. It holds the scale of its batch norms
at one; here it is learned, as torch's weights need it. The paper does not say how weights start: as He's.
"""

from hubel.joints import Chain, Concat, Sum
from hubel.layers import FC, AvgPool, Conv, Dropout, GlobalAvgPool, Identity, MaxPool, ReLU, Scale
from hubel.nets.inception_v3 import same, stem, valid
from hubel.nets.paper import Figure, Variant


def added(mixed: Concat, maps: int, scale: float) -> Sum:
    """Figure 20: the module's output, brought to `maps` maps without activation and scaled, on top of its input."""
    return Sum(mixed >> Conv(maps, 1) >> Scale(scale), Identity())


def mixed_5b() -> Concat:
    """To 320 maps; its average pool does not count the padding."""
    pool = AvgPool(3, 1, pad=1, count_pad=False)
    return same(96, 1) | same(48, 1) >> same(64, 5) | same(64, 1) >> same(96, 3) >> same(96, 3) | pool >> same(64, 1)


def block_35() -> Chain:
    """Figure 16, Inception-ResNet-A."""
    mixed = same(32, 1) | same(32, 1) >> same(32, 3) | same(32, 1) >> same(48, 3) >> same(64, 3)
    return added(mixed, 320, 0.17) >> ReLU()


def reduction_a() -> Concat:
    """Figure 7; table 1 has k = 256, l = 256, m = 384 and n = 384 for this network."""
    return valid(384, 3, 2) | same(256, 1) >> same(256, 3) >> valid(384, 3, 2) | MaxPool(3, 2)


def block_17() -> Chain:
    """Figure 17, Inception-ResNet-B."""
    mixed = same(192, 1) | same(128, 1) >> same(160, (1, 7)) >> same(192, (7, 1))
    return added(mixed, 1088, 0.10) >> ReLU()


def reduction_b() -> Concat:
    """Figure 18."""
    return (
        same(256, 1) >> valid(384, 3, 2)
        | same(256, 1) >> valid(288, 3, 2)
        | same(256, 1) >> same(288, 3) >> valid(320, 3, 2)
        | MaxPool(3, 2)
    )


def block_8(scale: float) -> Sum:
    """Figure 19, Inception-ResNet-C, before its activation."""
    return added(same(192, 1) | same(192, 1) >> same(224, (1, 3)) >> same(256, (3, 1)), 2080, scale)


def inception_resnet_v2(classes: int = 1000) -> Chain:
    """Figure 15 as released: 3x299x299 in."""
    return Chain(
        **stem(),
        Mixed_5b=mixed_5b(),
        Repeat=block_35() * 10,
        Mixed_6a=reduction_a(),
        Repeat_1=block_17() * 20,
        Mixed_7a=reduction_b(),
        Repeat_2=(block_8(0.20) >> ReLU()) * 9,
        Block8=block_8(1.0),
        Conv2d_7b_1x1=valid(1536, 1),
        Logits=GlobalAvgPool() >> Dropout(0.2) >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
FIGURE_3 = (  # what it prints beside its stem, where the release has the same
    ("32x149x149", "Conv2d_1a_3x3"),
    ("32x147x147", "Conv2d_2a_3x3"),
    ("64x147x147", "Conv2d_2b_3x3"),
    ("192x71x71",  "Conv2d_4a_3x3"),
)

VARIANTS = (
    Variant(
        "inception_resnet_v2", "Inception-ResNet-v2 as its authors released it", CITATION, inception_resnet_v2, (3, 299, 299), "he",
        says=tuple(Figure("output", size, "figure 3", stage) for size, stage in FIGURE_3),
        exact=(("parameters", "", 55_843_464),),
        reports=(
            Figure("imagenet_val_top1_error_one_crop", "19.9%", "table 2, without the blacklisted pictures"),
            Figure("imagenet_val_top5_error_one_crop", "4.9%", "table 2, without the blacklisted pictures"),
            Figure("imagenet_val_top1_error_12_crop", "18.7%", "table 3"),
            Figure("imagenet_val_top5_error_12_crop", "4.1%", "table 3"),
            Figure("imagenet_val_top1_error_144_crop", "17.8%", "table 4"),
            Figure("imagenet_val_top5_error_144_crop", "3.7%", "table 4"),
        ),
        errata=(
            Figure("output", "160x73x73", "figure 3", "MaxPool_3a_3x3",
                   "Beside the pool the paper has a convolution to 96 maps of stride 2, the release has the pool alone."),
            Figure("output", "384x35x35", "figure 3", "Mixed_5b",
                   "The release comes to 35x35 through Inception-v3's stem and one module, which gives 320 maps."),
        ),
    ),
)
# fmt: on
