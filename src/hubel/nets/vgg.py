"""Simonyan, Zisserman 2014, "Very deep convolutional networks for large-scale image recognition", arXiv:1409.1556.

Nothing but 3x3 convolutions (in C also 1x1) between pools, from 11 to 19 layers: what depth alone is worth.

Departures: none. The paper names no layers: a block of table 1 with the pool that ends it is `conv1` to `conv5`, the rest `fc6` to
`fc8`, after the authors' models for Caffe. A starts as sec. 3.1 says; the deeper ones started there from a trained A, and
start here by Glorot's procedure, of which the same section says that it needs no trained A.
"""

from functools import partial

from hubel.joints import Chain
from hubel.layers import FC, LRN, Conv, Dropout, Layer, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant
from hubel.rewrite import convolutional

INPUT = (3, 224, 224)

# fmt: off
CONFIGURATIONS = ("A", "A-LRN", "B", "C", "D", "E")

TABLE_1 = """
conv3-64   conv3-64   conv3-64   conv3-64   conv3-64   conv3-64
-          LRN        conv3-64   conv3-64   conv3-64   conv3-64
maxpool
conv3-128  conv3-128  conv3-128  conv3-128  conv3-128  conv3-128
-          -          conv3-128  conv3-128  conv3-128  conv3-128
maxpool
conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
-          -          -          conv1-256  conv3-256  conv3-256
-          -          -          -          -          conv3-256
maxpool
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
-          -          -          conv1-512  conv3-512  conv3-512
-          -          -          -          -          conv3-512
maxpool
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
-          -          -          conv1-512  conv3-512  conv3-512
-          -          -          -          -          conv3-512
maxpool
"""  # a column for each configuration; all end in FC-4096, FC-4096, FC-1000
# fmt: on


def layers(cell: str) -> tuple[Layer, ...]:
    """What a cell of table 1 stands for; ReLU is not shown there for brevity, and LRN is AlexNet's."""
    if cell == "-":
        return ()
    if cell == "LRN":
        return (LRN(5),)
    size, maps = map(int, cell.removeprefix("conv").split("-"))
    return Conv(maps, size, pad=size // 2), ReLU()


def block(rows: str, column: int) -> Chain:
    """The rows of table 1 between two pools, with the second of these."""
    cells = [row.split()[column] for row in rows.strip().split("\n")]
    return Chain(*(layer for cell in cells for layer in layers(cell)), MaxPool(2))


def vgg(configuration: str, classes: int = 1000) -> Chain:
    """A column of table 1: 3x224x224 in; dropout as in sec. 3.1."""
    column = CONFIGURATIONS.index(configuration)
    return Chain(
        **{f"conv{number}": block(rows, column) for number, rows in enumerate(TABLE_1.split("maxpool")[:5], 1)},
        fc6=FC(4096) >> ReLU() >> Dropout(0.5),
        fc7=FC(4096) >> ReLU() >> Dropout(0.5),
        fc8=FC(classes),
    )


def vgg_dense(configuration: str, classes: int = 1000) -> Chain:
    """The network as sec. 3.2 tests it, its classifier a 7x7 and two 1x1 convolutions: scores for any picture of 224 or more a side."""
    return convolutional(vgg(configuration, classes), INPUT).net


CITATION = (__doc__ or "").split("\n")[0]
NOTES = "CS231n lecture notes, Convolutional networks, case studies"
SCALES = (("256", "S = Q = 256"), ("384", "S = Q = 384"), ("384_jittered", "S in [256; 512], Q = 384"))


def table_2(millions: str, depth: str) -> tuple[Figure, ...]:
    return Figure("parameters", f"{millions} million", "table 2"), Figure("weight_layers", depth, "table 1")


def table_3(*errors: str) -> tuple[Figure, ...]:
    """Top-1 and top-5 errors of dense evaluation: trained at S, tested at Q."""
    return tuple(
        Figure(f"imagenet_val_{metric}_error_dense_{scale}", f"{error}%", f"table 3, {sizes}")
        for (scale, sizes), pair in zip(SCALES, errors)
        for metric, error in zip(("top1", "top5"), pair.split())
    )


# fmt: off
SHAPES = (
    ("output", "conv1", (64, 112, 112)), ("output", "conv2", (128, 56, 56)), ("output", "conv3", (256, 28, 28)),
    ("output", "conv4", (512, 14, 14)), ("output", "conv5", (512, 7, 7)),
)
BASE_D = (  # 14,714,688 in all
    ("parameters", "conv1", 38720), ("parameters", "conv2", 221440), ("parameters", "conv3", 1475328),
    ("parameters", "conv4", 5899776), ("parameters", "conv5", 7079424),
)

VARIANTS = (
    Variant(
        "vgg11", "VGG, configuration A", CITATION, partial(vgg, "A"), INPUT, "simonyan_2014",
        says=table_2("133", "11"), reports=table_3("29.6 10.4"),
        exact=(("parameters", "", 132863336), ("macs", "", 7609090048), *SHAPES),
    ),
    Variant(
        "vgg11_lrn", "VGG, configuration A-LRN", CITATION, partial(vgg, "A-LRN"), INPUT, "simonyan_2014",
        says=table_2("133", "11"), reports=table_3("29.7 10.5"),
        exact=(("parameters", "", 132863336), ("macs", "", 7609090048), *SHAPES),
    ),
    Variant(
        "vgg13", "VGG, configuration B", CITATION, partial(vgg, "B"), INPUT, "glorot",
        says=table_2("133", "13"), reports=table_3("28.7 9.9"),
        exact=(("parameters", "", 133047848), *SHAPES),
    ),
    Variant(
        "vgg16_c", "VGG, configuration C", CITATION, partial(vgg, "C"), INPUT, "glorot",
        says=table_2("134", "16"), reports=table_3("28.1 9.4", "28.1 9.3", "27.3 8.8"),
        exact=(("parameters", "", 133638952), *SHAPES),
    ),
    Variant(
        "vgg16", "VGG, configuration D", CITATION, partial(vgg, "D"), INPUT, "glorot",
        says=(*table_2("138", "16"), Figure("parameters", "138M", NOTES)), reports=table_3("27.0 8.8", "26.8 8.7", "25.6 8.1"),
        exact=(("parameters", "", 138357544), ("macs", "", 15470264320), *SHAPES, *BASE_D),
        errata=(
            Figure("neurons", "24M", NOTES, why=
                   "The rows of the notes' own table add up to 15.2 million values, its input and pools among them."),
            Figure("parameters", "140M", NOTES, why=
                   "The rows of the notes' own table add up to 138 million."),
        ),
    ),
    Variant(
        "vgg16_conv", "VGG, configuration D, as it is tested: all convolutions", CITATION, partial(vgg_dense, "D"), INPUT, "glorot",
        says=table_2("138", "16"),
        exact=(
            ("parameters", "", 138357544), ("macs", "", 15470264320), *SHAPES, *BASE_D,
            ("output", "fc6", (4096, 1, 1)), ("output", "fc7", (4096, 1, 1)), ("output", "fc8", (1000, 1, 1)),
        ),
    ),
    Variant(
        "vgg19", "VGG, configuration E", CITATION, partial(vgg, "E"), INPUT, "glorot",
        says=table_2("144", "19"), reports=table_3("27.3 9.0", "26.9 8.7", "25.5 8.0"),
        exact=(("parameters", "", 143667240), ("macs", "", 19632062464), *SHAPES),
    ),
)
# fmt: on
