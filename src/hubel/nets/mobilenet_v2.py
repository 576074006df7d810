"""Sandler, Howard, Zhu, Zhmoginov, Chen 2018, "MobileNetV2: inverted residuals and linear bottlenecks", CVPR.

A bottleneck widens its input by 1x1, filters each map alone, and narrows it again without a nonlinearity; shortcuts join the narrow ends.

Departures: where the expansion t is 1, the 1x1 convolution that would widen by it is left out, as in the authors' release: with
it the cost would be 314 million, not the printed 300. Section 4 speaks of 19 bottlenecks; table 2 has 17, which are here. The
paper states neither the padding, nor batch norm's epsilon, nor the rate of dropout, nor how weights start: the first three are
those of the release (TensorFlow's "same", 0.001, 0.2), fresh weights are He's.

The form with even padding and an epsilon of 1e-5, which torchvision's weights fit, is a row of its own (`_torch`).
"""

from functools import partial

from hubel.arguments import Pad
from hubel.joints import Chain, Expression, Sum
from hubel.layers import FC, BatchNorm, Conv, Depthwise, Dropout, GlobalAvgPool, Identity, ReLU6
from hubel.nets.mobilenet_v1 import SAME
from hubel.nets.paper import Figure, Variant

# fmt: off
TABLE_2 = (  # t, c, n, s of each line of bottlenecks, and what leaves it, printed as the next line's input
    (1,  16, 1, 1, "16x112x112"),
    (6,  24, 2, 2, "24x56x56"),
    (6,  32, 3, 2, "32x28x28"),
    (6,  64, 4, 2, "64x14x14"),
    (6,  96, 3, 1, "96x14x14"),
    (6, 160, 3, 2, "160x7x7"),
    (6, 320, 1, 1, "320x7x7"),
)
# fmt: on


def mobilenet_v2(pad: Pad = SAME, eps: float = 1e-3, classes: int = 1000) -> Chain:
    """Table 2, with `pad` at stride 2: 3x224x224 in. The last 1x1 convolution reads one place: a fully-connected layer."""
    norm = BatchNorm(eps)

    def bottleneck(entering: int, t: int, c: int, s: int) -> Expression:
        """Table 1; figure 4d has the shortcut."""
        filtered = Depthwise(3, stride=s, pad=pad if s == 2 else 1, bias=False) >> norm >> ReLU6()
        widened = Conv(t * entering, 1, bias=False) >> norm >> ReLU6() >> filtered if t > 1 else filtered
        body = widened >> Conv(c, 1, bias=False) >> norm
        return Sum(body, Identity()) if s == 1 and c == entering else body

    stages: dict[str, Expression] = {"conv1": Conv(32, 3, stride=2, pad=pad, bias=False) >> norm >> ReLU6()}
    entering = 32
    for number, (t, c, n, s, _) in enumerate(TABLE_2, 2):
        stages[f"bottleneck{number}"] = Chain(bottleneck(entering, t, c, s), *[bottleneck(c, t, c, 1)] * (n - 1))
        entering = c
    return Chain(
        **stages,
        conv9=Conv(1280, 1, bias=False) >> norm >> ReLU6(),
        avgpool=GlobalAvgPool(),
        conv10=Dropout(0.2) >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
EXACT = (("parameters", "", 3_504_872), ("macs", "", 300_774_272), ("weight_layers", "", 53))

# fmt: off
VARIANTS = (
    Variant(
        "mobilenet_v2", "MobileNet v2 as published", CITATION, mobilenet_v2, (3, 224, 224),
        says=(
            Figure("macs", "300 million", "sec. 4"),
            Figure("macs", "300M", "table 4"),
            Figure("output", "32x112x112", "table 2", "conv1"),
            *(Figure("output", output, "table 2", f"bottleneck{number}") for number, (*_, output) in enumerate(TABLE_2, 2)),
            Figure("output", "1280x7x7", "table 2", "conv9"),
        ),
        exact=EXACT,
        reports=(Figure("imagenet_val_top1_accuracy", "72.0%", "table 4"),),
        errata=(
            Figure("parameters", "3.4M", "table 4",
                   why="It is 3.50 million with batch norm's scale and shift and 3.47 million without: neither rounds to 3.4."),
        ),
    ),
    Variant(
        "mobilenet_v2_torch", "MobileNet v2 as torchvision's weights have it: even padding", CITATION,
        partial(mobilenet_v2, 1, 1e-5), (3, 224, 224), exact=EXACT,
    ),
)
# fmt: on
