"""Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich 2014, "Going deeper with convolutions", CVPR 2015, arXiv:1409.4842.

An inception module looks at its input through windows of several sizes at once; 1x1 convolutions keep that cheap.

Departures: none where the paper says what it did. It does not print the constants of its LocalRespNorm: they are AlexNet's
here, and in `googlenet_caffe` those of Caffe's bvlc_googlenet, which divides alpha by n, with k = 1. It does not say on which side its "same" padding stands: conv1 pads three pixels all round, and the pools that halve
round up, which gives the printed sizes. It does not say how weights start: as He's. `googlenet_bn` is the later look-alike
whose weights torchvision publishes: batch norm instead of LRN and biases, 3x3 where table 1 has 5x5, a last max pool of 2x2,
20% of dropout, and auxiliary classifiers that average over uneven windows.
"""

from collections.abc import Callable
from functools import partial

from hubel.joints import Chain, Concat, Expression, Head
from hubel.layers import FC, LRN, AdaptiveAvgPool, AvgPool, BatchNorm, Conv, Dropout, GlobalAvgPool, MaxPool, ReLU
from hubel.nets.alexnet import CAFFE_LRN
from hubel.nets.paper import Figure, Variant

# fmt: off
TABLE_1 = (
    # stage,         output,       depth, #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj, params, ops
    ("conv1",        "64x112x112", "1", (),                            "2.7K",  "34M"),
    ("maxpool1",     "64x56x56",   "0", (),                            "",      ""),
    ("conv2",        "192x56x56",  "2", (          64, 192),           "112K",  "360M"),
    ("maxpool2",     "192x28x28",  "0", (),                            "",      ""),
    ("inception_3a", "256x28x28",  "2", ( 64,  96, 128, 16,  32,  32), "159K",  "128M"),
    ("inception_3b", "480x28x28",  "2", (128, 128, 192, 32,  96,  64), "380K",  "304M"),
    ("maxpool3",     "480x14x14",  "0", (),                            "",      ""),
    ("inception_4a", "512x14x14",  "2", (192,  96, 208, 16,  48,  64), "364K",  "73M"),
    ("inception_4b", "512x14x14",  "2", (160, 112, 224, 24,  64,  64), "437K",  "88M"),
    ("inception_4c", "512x14x14",  "2", (128, 128, 256, 24,  64,  64), "463K",  "100M"),
    ("inception_4d", "528x14x14",  "2", (112, 144, 288, 32,  64,  64), "580K",  "119M"),
    ("inception_4e", "832x14x14",  "2", (256, 160, 320, 32, 128, 128), "840K",  "170M"),
    ("maxpool4",     "832x7x7",    "0", (),                            "",      ""),
    ("inception_5a", "832x7x7",    "2", (256, 160, 320, 32, 128, 128), "1072K", "54M"),
    ("inception_5b", "1024x7x7",   "2", (384, 192, 384, 48, 128, 128), "1388K", "71M"),
    ("avgpool",      "1024x1x1",   "0", (),                            "",      ""),
    ("dropout",      "1024x1x1",   "0", (),                            "",      ""),
    ("linear",       "1000",       "1", (),                            "1000K", "1M"),
)
# fmt: on

AUXILIARY = {"inception_4a": "auxiliary_4a", "inception_4d": "auxiliary_4d"}  # sec. 5: which module feeds which classifier


def rectified(maps: int, size: int, stride: int = 1) -> Chain:
    """A convolution that keeps the size, or halves it, and its rectified linear activation."""
    return Conv(maps, size, stride, pad=size // 2) >> ReLU()


def normed(maps: int, size: int, stride: int = 1) -> Chain:
    """The same with batch norm instead of biases."""
    return Conv(maps, size, stride, pad=size // 2, bias=False) >> BatchNorm(1e-3) >> ReLU()


def inception(conv: Callable[..., Chain], large: int, n1: int, reduce3: int, n3: int, reduce5: int, n5: int, proj: int) -> Concat:
    """Figure 2(b); `large` is the size of its largest window."""
    return conv(n1, 1) | conv(reduce3, 1) >> conv(n3, 3) | conv(reduce5, 1) >> conv(n5, large) | MaxPool(3, 1, pad=1) >> conv(proj, 1)


def assembled(conv: Callable[..., Chain], large: int, auxiliary: Expression, others: dict[str, Expression]) -> Chain:
    """The rows of table 1: what `others` has, modules otherwise, and the auxiliary classifiers behind two of these."""
    stages: dict[str, Expression] = {}
    for stage, _, _, filters, _, _ in TABLE_1:
        stages[stage] = others[stage] if stage in others else inception(conv, large, *filters)
        if stage in AUXILIARY:
            stages[AUXILIARY[stage]] = Head(auxiliary, 0.3)
    return Chain(**stages)


ALEXNETS_LRN = LRN()


def googlenet(lrn: LRN = ALEXNETS_LRN, classes: int = 1000) -> Chain:
    """Table 1, figure 3 and section 5: 3x224x224 in."""
    maxpool = MaxPool(3, 2, fit="ceil")
    auxiliary = AvgPool(5, 3) >> rectified(128, 1) >> FC(1024) >> ReLU() >> Dropout(0.7) >> FC(classes)
    others = {
        "conv1": rectified(64, 7, 2),
        "maxpool1": maxpool >> lrn,
        "conv2": rectified(64, 1) >> rectified(192, 3) >> lrn,
        "maxpool2": maxpool,
        "maxpool3": maxpool,
        "maxpool4": maxpool,
        "avgpool": AvgPool(7, 1),
        "dropout": Dropout(0.4),
        "linear": FC(classes),
    }
    return assembled(rectified, 5, auxiliary, others)


def googlenet_bn(classes: int = 1000) -> Chain:
    """As torchvision has it: 3x224x224 in."""
    maxpool = MaxPool(3, 2, fit="ceil")
    auxiliary = AdaptiveAvgPool(4) >> normed(128, 1) >> FC(1024) >> ReLU() >> Dropout(0.7) >> FC(classes)
    others = {
        "conv1": normed(64, 7, 2),
        "maxpool1": maxpool,
        "conv2": normed(64, 1) >> normed(192, 3),
        "maxpool2": maxpool,
        "maxpool3": maxpool,
        "maxpool4": MaxPool(2, fit="ceil"),
        "avgpool": GlobalAvgPool(),
        "dropout": Dropout(0.2),
        "linear": FC(classes),
    }
    return assembled(normed, 3, auxiliary, others)


CITATION = (__doc__ or "").split("\n")[0]

SEPARABLE = (
    "64 filters of 7x7x3 are 9,408 weights, used at 112x112 places (118M); both cells fit a separable convolution instead "
    "(7x7x3x8 + 24x64 = 2,712 weights), which Chollet 2017, sec. 2, says the first layer was."
)
# fmt: off
CONTRADICTED = {  # cells of table 1 that do not follow from its own filters
    ("weights", "conv1"): SEPARABLE,
    ("macs", "conv1"): SEPARABLE,
    ("weights", "inception_3b"): "The row's filters are 388,096 weights, 379.0K, and its 304M ops need as many.",
    ("weights", "inception_4a"): "The row's filters are 375,552 weights, 366.8K.",
    ("weights", "inception_4b"): "The row's filters are 448,512 weights, 438.0K.",
    ("weights", "inception_4c"): "The row's filters are 509,440 weights, 497.5K, and its 100M ops need as many.",
    ("weights", "inception_4d"): "The row's filters are 604,672 weights, 590.5K, and its 119M ops need as many.",
    ("weights", "inception_4e"): "The row's filters are 867,328 weights, 847.0K, and its 170M ops need as many.",
    ("weights", "inception_5a"): "The row's filters, which are those of 4e on 832 maps, are 1,042,432 weights, 1018.0K.",
    ("macs", "inception_5a"): "1,042,432 weights at 7x7 places are 51.1M; 54M would need the 1072K beside it.",
    ("weights", "inception_5b"): "The row's filters are 1,442,816 weights, 1409.0K, and its 71M ops need as many.",
}
PRINTED = tuple(
    Figure(quantity, text, "table 1", stage, CONTRADICTED.get((quantity, stage), ""), kilo)
    for stage, output, depth, _, params, ops in TABLE_1
    for quantity, text, kilo in (("output", output, 1000), ("weight_layers", depth, 1000), ("weights", params, 1024), ("macs", ops, 1000))
    if text
)

VARIANTS = (
    Variant(
        "googlenet", "GoogLeNet as published: table 1, two LRNs, two auxiliary classifiers", CITATION, googlenet, (3, 224, 224), "he",
        says=(
            Figure("weight_layers", "22", "sec. 5"),
            Figure("macs", "1.5 billion", "sec. 1"),
            *(figure for figure in PRINTED if not figure.why),
            Figure("output", "512x4x4", "sec. 5", "auxiliary_4a.0.0"),
            Figure("output", "528x4x4", "sec. 5", "auxiliary_4d.0.0"),
        ),
        exact=(("parameters", "", 6_998_552), ("parameters_with_heads", "", 13_378_280)),
        reports=(
            Figure("imagenet_val_top5_error_one_crop", "10.07%", "table 3"),
            Figure("imagenet_val_top5_error_ten_crop", "9.15%", "table 3"),
            Figure("imagenet_val_top5_error_144_crop", "7.89%", "table 3"),
            Figure("imagenet_val_top5_error_seven_models_one_crop", "8.09%", "table 3"),
            Figure("imagenet_val_top5_error_seven_models_ten_crop", "7.62%", "table 3"),
            Figure("imagenet_val_top5_error_seven_models_144_crop", "6.67%", "tables 2 and 3"),
        ),
        errata=(
            *(figure for figure in PRINTED if figure.why),
            Figure("parameters", "5 million", "CS231n slides 2017, lecture 9", why=(
                "Table 1's filters are 6,990,272 weights; AlexNet's 60,965,224 parameters are 8.7 times ours, "
                "not the 12 times of these slides and of sec. 1.")),
            Figure("parameters", "4M", "CS231n lecture notes, case studies", why=(
                "Table 1's filters are 6,990,272 weights, of which the last layer alone has 1,024,000.")),
        ),
    ),
    Variant(
        "googlenet_caffe", "GoogLeNet as Caffe's bvlc_googlenet has it: other constants of its LRNs", CITATION,
        partial(googlenet, CAFFE_LRN), (3, 224, 224), "he",
        exact=(("parameters", "", 6_998_552), ("parameters_with_heads", "", 13_378_280), ("weight_layers", "", 22)),
    ),
    Variant(
        "googlenet_bn", "the look-alike that most weights fit: batch norm, 3x3 where GoogLeNet has 5x5", CITATION, googlenet_bn,
        (3, 224, 224), "he",
        exact=(("parameters", "", 6_624_904), ("parameters_with_heads", "", 13_004_888), ("weight_layers", "", 22)),
    ),
)
# fmt: on
