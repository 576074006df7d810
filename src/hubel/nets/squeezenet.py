"""Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", arXiv:1602.07360.

A fire module squeezes its input through a few maps of 1x1, then expands them with filters of 1x1 and of 3x3 side by side.

Departures: the input is 227x227, as in the authors' released configuration, because the printed 224 cannot give table 1's
111x111. Pools round up, as Caffe's do. ReLU follows conv10 too, as in that configuration, whose padding of conv10 in version
1.0 is left out, because table 1's 13x13 has none; `squeezenet_1_0_caffe`, whose weights the authors released, has it. For fresh weights the paper refers to the configuration (Caffe's "xavier",
in conv10 a normal of deviation 0.01); ours are He's.
"""

from functools import partial

from hubel.joints import Chain, Expression
from hubel.layers import Conv, Dropout, GlobalAvgPool, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

# fmt: off
TABLE_1 = (  # layer, output, (s1x1, e1x1, e3x3), parameters before pruning
    ("conv1",    "96x111x111",  None,           "14,208"),
    ("maxpool1", "96x55x55",    None,           None),
    ("fire2",    "128x55x55",   (16, 64, 64),   "11,920"),
    ("fire3",    "128x55x55",   (16, 64, 64),   "12,432"),
    ("fire4",    "256x55x55",   (32, 128, 128), "45,344"),
    ("maxpool4", "256x27x27",   None,           None),
    ("fire5",    "256x27x27",   (32, 128, 128), "49,440"),
    ("fire6",    "384x27x27",   (48, 192, 192), "104,880"),
    ("fire7",    "384x27x27",   (48, 192, 192), "111,024"),
    ("fire8",    "512x27x27",   (64, 256, 256), "188,992"),
    ("maxpool8", "512x13x12",   None,           None),
    ("fire9",    "512x13x13",   (64, 256, 256), "197,184"),
    ("conv10",   "1000x13x13",  None,           "513,000"),
)
# fmt: on

FIRES = {name: maps for name, _, maps, _ in TABLE_1 if maps}


def fire(s1x1: int, e1x1: int, e3x3: int) -> Chain:
    """Figure 1, with a pixel of padding for the 3x3 filters (sec. 3.3)."""
    return Conv(s1x1, 1) >> ReLU() >> (Conv(e1x1, 1) | Conv(e3x3, 3, pad=1)) >> ReLU()


def squeezenet(conv1: Expression, pooled: tuple[int, ...], pad10: int = 0, classes: int = 1000) -> Chain:
    """Figure 2, left: 3x227x227 in; a pool stands behind the layers of those numbers."""
    layers: dict[str, Expression] = {"conv1": conv1 >> ReLU(), **{name: fire(*maps) for name, maps in FIRES.items()}}
    stages: dict[str, Expression] = {}
    for number, (name, layer) in enumerate(layers.items(), 1):
        stages[name] = layer
        if number in pooled:
            stages[f"maxpool{number}"] = MaxPool(3, 2, fit="ceil")
    return Chain(**stages, conv10=Dropout(0.5) >> Conv(classes, 1, pad=pad10) >> ReLU(), avgpool10=GlobalAvgPool())


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
VARIANTS = (
    Variant(
        "squeezenet_1_0", "SqueezeNet as published", CITATION,
        partial(squeezenet, Conv(96, 7, stride=2), (1, 4, 8)), (3, 227, 227),
        says=(
            Figure("parameters", "1,248,424", "table 1, total"),
            *(Figure("output", output, "table 1", name) for name, output, _, _ in TABLE_1 if name != "maxpool8"),
            *(Figure("parameters", count, "table 1", name) for name, _, _, count in TABLE_1 if count),
        ),
        exact=(("output", "avgpool10", (1000,)), ("weight_layers", "", 18), ("macs", "", 832_667_936)),
        reports=(
            Figure("imagenet_val_top1_accuracy", "57.5%", "table 2"),
            Figure("imagenet_val_top5_accuracy", "80.3%", "table 2"),
        ),
        errata=(
            Figure("input", "3x224x224", "table 1",
                   why="(224 - 7)/2 + 1 is 109.5; only 227 gives 111 with a window of 7, a stride of 2 and no padding."),
            Figure("output", "512x13x12", "table 1", "maxpool8",
                   "Its input is square, and the next row, which keeps the size, is printed as 13x13."),
        ),
    ),
    Variant(
        "squeezenet_1_0_caffe", "SqueezeNet as released for Caffe: a pixel of zeros around what conv10 reads", CITATION,
        partial(squeezenet, Conv(96, 7, stride=2), (1, 4, 8), 1), (3, 227, 227),
        exact=(("parameters", "", 1_248_424), ("output", "conv10", (1000, 15, 15)), ("weight_layers", "", 18)),
    ),
    Variant(
        "squeezenet_1_1", "SqueezeNet 1.1, the authors' later release: a smaller first layer, earlier pools", CITATION,
        partial(squeezenet, Conv(64, 3, stride=2), (1, 3, 5)), (3, 227, 227),
        exact=(("parameters", "", 1_235_496), ("output", "conv10", (1000, 14, 14)), ("macs", "", 387_747_520)),
    ),
)
# fmt: on
