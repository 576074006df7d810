"""LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11).

Feature maps with shared weights, each followed by subsampling, end in units that measure how far a stylised bitmap is.

Departures: none in the architecture. The RBF bitmaps are figure 3's as a public transcription has them; the figure's own
pixels could not be compared. The paper trains by stochastic diagonal Levenberg-Marquardt; the recipe here uses momentum.
"""

from hubel.errors import LayerError
from hubel.joints import Chain, Expression
from hubel.layers import FC, RBF, AvgPool, ConnectedConv, Conv, Flatten, MaxPool, ReLU, ScaledTanh, Sigmoid, Subsample
from hubel.nets.paper import Figure, Variant

# fmt: off
TABLE_I = (  # which maps of S2 feed map 0 to 15 of C3
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)

FIGURE_3 = """
.#####. ...##.. .#####. ####### .#####. .#####. ..####. ####### .#####. .#####.
....... ..###.. ....... .....## ....... ....... .##.... .....## ##...## ##..###
..###.. .####.. .#####. ....##. ....... ####### ##..... .....## ##...## ##...##
.##.##. ...##.. ##...## ...##.. .##..## ##..... ##..... ....##. ##...## ##...##
##...## ...##.. #....## ..####. .##..## ##..... ######. ...##.. .#####. ##..###
##...## ...##.. ....##. .....## ###..## .####.. ###..## ...##.. ##...## .######
##...## ...##.. ..###.. .....## ##...## ..####. ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ##...## .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ##..### ##...## ###..## ..##... ##...## ....##.
..###.. .###### ####### .#####. .###### .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
"""

BITMAPS = tuple(map("".join, zip(*map(str.split, FIGURE_3.split("\n")[1:-1]))))  # ten digits of 12 rows of 7


def lenet5(classes: int = 10) -> Chain:
    """Figure 2: 1x32x32 in, minus the squared distances to ten bitmaps out."""
    if classes != len(BITMAPS):
        raise LayerError(f"lenet5 has RBF units for the ten digits, so it cannot tell {classes} classes apart; lenet_relu and lenet_sigmoid can.")
    return Chain(
        C1=Conv(6, 5) >> ScaledTanh(),
        S2=Subsample(2) >> ScaledTanh(),
        C3=ConnectedConv(TABLE_I, 5) >> ScaledTanh(),
        S4=Subsample(2) >> ScaledTanh(),
        C5=Conv(120, 5) >> ScaledTanh(),
        F6=Flatten() >> FC(84) >> ScaledTanh(),
        OUTPUT=RBF(BITMAPS),
    )


def lecture_lenet(squash: Expression, pool: Expression, classes: int) -> Chain:
    """The form that lectures teach: 1x28x28 in, plain scores out."""
    return Chain(
        conv1=Conv(6, 5, pad=2) >> squash >> pool,
        conv2=Conv(16, 5) >> squash >> pool,
        fc3=Flatten() >> FC(120) >> squash,
        fc4=FC(84) >> squash,
        fc5=FC(classes),
    )


def lenet_sigmoid(classes: int = 10) -> Chain:
    """With sigmoids and average pooling."""
    return lecture_lenet(Sigmoid(), AvgPool(2), classes)


def lenet_relu(classes: int = 10) -> Chain:
    """With ReLU and max pooling."""
    return lecture_lenet(ReLU(), MaxPool(2), classes)


def lenet_caffe(classes: int = 10) -> Chain:
    """Caffe's example of MNIST (examples/mnist/lenet.prototxt): 1x28x28 in, wider, and a single ReLU."""
    return Chain(
        conv1=Conv(20, 5) >> MaxPool(2),
        conv2=Conv(50, 5) >> MaxPool(2),
        ip1=Flatten() >> FC(500) >> ReLU(),
        ip2=FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
LAYERS = (  # sec. II.B: name, output, trainable parameters, connections
    ("C1", "6x28x28", "156", "122,304"),
    ("S2", "6x14x14", "12", "5,880"),
    ("C3", "16x10x10", "1,516", "151,600"),
    ("S4", "16x5x5", "32", "2,000"),
    ("C5", "120x1x1", "48,120", "48,120"),
)

VARIANTS = (
    Variant(
        "lenet5", "LeNet-5 as published: table I, trainable subsampling, RBF output", CITATION, lenet5, (1, 32, 32), "lecun_1998",
        says=(
            Figure("parameters", "60,000", "sec. II.B"),
            Figure("connections", "340,908", "sec. II.B"),
            *(Figure(quantity, text, "sec. II.B", name)
              for name, *texts in LAYERS for quantity, text in zip(("output", "parameters", "connections"), texts)),
            Figure("output", "84", "sec. II.B", "F6"),
            Figure("parameters", "10,164", "sec. II.B", "F6"),
        ),
        exact=(
            ("connections", "F6", 10164), ("output", "OUTPUT", (10,)), ("parameters", "OUTPUT", 0), ("connections", "OUTPUT", 840),
        ),
        reports=(
            Figure("mnist_test_error", "0.95%", "sec. III.B"),
            Figure("mnist_test_error_distorted", "0.8%", "sec. III.B, with distorted training images"),
        ),
    ),
    Variant(
        "lenet_sigmoid", "LeNet as lectures teach it: 28x28, sigmoid, average pooling", CITATION, lenet_sigmoid, (1, 28, 28), "glorot",
        exact=(("parameters", "", 61706), ("macs", "", 416520)),
    ),
    Variant(
        "lenet_relu", "LeNet as it is written today: 28x28, ReLU, max pooling", CITATION, lenet_relu, (1, 28, 28), "he",
        exact=(("parameters", "", 61706), ("macs", "", 416520)),
    ),
    Variant(
        "lenet_caffe", "LeNet as Caffe's example has it: 20 and 50 maps, 500 units, one ReLU", CITATION, lenet_caffe, (1, 28, 28), "glorot",
        exact=(("parameters", "", 431080), ("macs", "", 2293000), ("output", "conv1", (20, 12, 12)), ("output", "conv2", (50, 4, 4))),
    ),
)
# fmt: on
