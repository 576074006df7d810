"""Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications", arXiv:1704.04861.

A convolution is taken apart into one of each map alone (depthwise) and one of 1x1 over all maps (pointwise).

Departures: table 1 prints stride 2 for the last depthwise convolution, whose output is still 7x7 in the next row: stride 1.
Table 2's 1.19% of the mult-adds for the 3x3 convolution are 1.91%, with which its column adds up. The paper states neither the
padding, nor batch norm's epsilon, nor how weights start: padding and epsilon (0.001) are those of the authors' TensorFlow
release, fresh weights are He's.

The paper writes ReLU. The released networks have ReLU6 and are rows of their own (`_tf`); so is the form with even padding and
an epsilon of 1e-5, which timm's weights fit (`_torch`).
"""

from functools import partial

from hubel.arguments import Pad
from hubel.joints import Chain, Expression
from hubel.layers import FC, BatchNorm, Conv, Depthwise, GlobalAvgPool, ReLU, ReLU6
from hubel.nets.paper import Figure, Variant

SAME = ((0, 1), (0, 1))
"""TensorFlow's "same" padding of a 3x3 window at stride 2 on an even side: the one pixel that it takes stands at the end."""

# fmt: off
TABLE_1 = (  # of each separable convolution: stride, maps, and what leaves its two parts, printed as the next rows' input sizes
    (1,   64, "32x112x112", "64x112x112"),
    (2,  128, "64x56x56",   "128x56x56"),
    (1,  128, "128x56x56",  "128x56x56"),
    (2,  256, "128x28x28",  "256x28x28"),
    (1,  256, "256x28x28",  "256x28x28"),
    (2,  512, "256x14x14",  "512x14x14"),
    (1,  512, "512x14x14",  "512x14x14"),
    (1,  512, "512x14x14",  "512x14x14"),
    (1,  512, "512x14x14",  "512x14x14"),
    (1,  512, "512x14x14",  "512x14x14"),
    (1,  512, "512x14x14",  "512x14x14"),
    (2, 1024, "512x7x7",    "1024x7x7"),
    (1, 1024, "1024x7x7",   "1024x7x7"),
)

TABLE_6 = (  # name, width, accuracy, mult-adds, parameters; and the parameters by arithmetic
    ("mobilenet_v1",      1.0,  "70.6%", "569 million", "4.2 million", 4_231_976),
    ("mobilenet_v1_0_75", 0.75, "68.4%", "325 million", "2.6 million", 2_585_560),
    ("mobilenet_v1_0_50", 0.5,  "63.7%", "149 million", "1.3 million", 1_331_592),
    ("mobilenet_v1_0_25", 0.25, "50.6%", "41 million",  "0.5 million",   470_072),
)

RELEASE = (  # mobilenet_v1.md in the release: name, width, top-1 and top-5 accuracy, parameters
    ("mobilenet_v1_tf",      1.0,  "70.9%", "89.9%", "4.24 million"),
    ("mobilenet_v1_0_75_tf", 0.75, "68.4%", "88.2%", "2.59 million"),
    ("mobilenet_v1_0_50_tf", 0.5,  "63.3%", "84.9%", "1.34 million"),
    ("mobilenet_v1_0_25_tf", 0.25, "49.8%", "74.2%", "0.47 million"),
)
# fmt: on


def mobilenet_v1(width: float, activation: Expression, pad: Pad = SAME, eps: float = 1e-3, classes: int = 1000) -> Chain:
    """Table 1 and figure 3, with `width` times as many maps everywhere and `pad` at stride 2: 3x224x224 in."""

    def normed(convolution: Expression) -> Chain:
        return convolution >> BatchNorm(eps) >> activation

    stages: dict[str, Expression] = {"conv": normed(Conv(int(32 * width), 3, stride=2, pad=pad, bias=False))}
    for number, (stride, maps, *_) in enumerate(TABLE_1, 1):
        stages[f"separable{number}"] = Chain(
            depthwise=normed(Depthwise(3, stride=stride, pad=pad if stride == 2 else 1, bias=False)),
            pointwise=normed(Conv(int(maps * width), 1, bias=False)),
        )
    return Chain(**stages, avgpool=GlobalAvgPool(), fc=FC(classes))


CITATION = (__doc__ or "").split("\n")[0]
INPUT = (3, 224, 224)

# fmt: off
SIZES = (
    Figure("output", "32x112x112", "table 1", "conv"),
    *(Figure("output", printed, "table 1", f"separable{number}.{part}")
      for number, (_, _, *sizes) in enumerate(TABLE_1, 1) for part, printed in zip(("depthwise", "pointwise"), sizes)),
)

VARIANTS = (
    *(Variant(
        name, f"MobileNet v1 as published, width {width:g}", CITATION, partial(mobilenet_v1, width, ReLU()), INPUT,
        says=(
            Figure("macs", macs, "table 6"),
            Figure("parameters", parameters, "table 6"),
            Figure("weight_layers", "28", "sec. 3.2"),
            *(SIZES if width == 1 else ()),
        ),
        exact=(("parameters", "", exactly),),
        reports=(Figure("imagenet_val_top1_accuracy", accuracy, "table 6"),),
    ) for name, width, accuracy, macs, parameters, exactly in TABLE_6),
    *(Variant(
        name, f"MobileNet v1 as released in TensorFlow, with ReLU6, width {width:g}", CITATION,
        partial(mobilenet_v1, width, ReLU6()), INPUT,
        says=(Figure("parameters", parameters, "mobilenet_v1.md"),),
        reports=(
            Figure("imagenet_val_top1_accuracy", top1, "mobilenet_v1.md"),
            Figure("imagenet_val_top5_accuracy", top5, "mobilenet_v1.md"),
        ),
    ) for name, width, top1, top5, parameters in RELEASE),
    Variant(
        "mobilenet_v1_torch", "MobileNet v1 as timm's weights have it: ReLU6, even padding", CITATION,
        partial(mobilenet_v1, 1.0, ReLU6(), 1, 1e-5), INPUT,
        exact=(("parameters", "", 4_231_976), ("macs", "", 568_740_352)),
    ),
)
# fmt: on
