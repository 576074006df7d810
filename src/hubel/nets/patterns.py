"""CS231n, "Convolutional neural networks: architectures, convolution / pooling layers", Stanford course notes, "Layer patterns".

INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC: the four examples that the notes give, for CIFAR-10's 3x32x32.

Departures: none, but the notes leave the numbers of maps and units open; ours are 12 maps where there is one convolution (as in
their overview), else 32, doubled behind every pool, and 128 or 256 units. Windows follow "Layer sizing patterns": filters of
3x3 that keep the size, max pooling of 2x2.
"""

from hubel.joints import Chain
from hubel.layers import FC, Conv, Flatten, MaxPool, ReLU
from hubel.nets.paper import Variant


def conv_relu(maps: int) -> Chain:
    """CONV -> RELU, the size kept."""
    return Conv(maps, 3, pad=1) >> ReLU()


def pattern_linear(classes: int = 10) -> Chain:
    """INPUT -> FC: a linear classifier."""
    return Chain(fc1=Flatten() >> FC(classes))


def pattern_conv_relu_fc(classes: int = 10) -> Chain:
    """INPUT -> CONV -> RELU -> FC."""
    return Chain(
        conv1=conv_relu(12),
        fc2=Flatten() >> FC(classes),
    )


def pattern_single_conv(classes: int = 10) -> Chain:
    """INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC: a single convolution before every pool."""
    return Chain(
        conv1=conv_relu(32) >> MaxPool(2),
        conv2=conv_relu(64) >> MaxPool(2),
        fc3=Flatten() >> FC(128) >> ReLU(),
        fc4=FC(classes),
    )


def pattern_double_conv(classes: int = 10) -> Chain:
    """INPUT -> [CONV -> RELU -> CONV -> RELU -> POOL]*3 -> [FC -> RELU]*2 -> FC: two convolutions before every pool."""
    return Chain(
        conv1=conv_relu(32) * 2 >> MaxPool(2),
        conv2=conv_relu(64) * 2 >> MaxPool(2),
        conv3=conv_relu(128) * 2 >> MaxPool(2),
        fc4=Flatten() >> FC(256) >> ReLU(),
        fc5=FC(256) >> ReLU(),
        fc6=FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
CIFAR = (3, 32, 32)

# fmt: off
VARIANTS = (
    Variant(
        "pattern_linear", "the notes' pattern without a convolution: a linear classifier", CITATION, pattern_linear, CIFAR, "he",
        exact=(("parameters", "", 30_730),),
    ),
    Variant(
        "pattern_conv_relu_fc", "the notes' pattern of one convolution and no pool", CITATION, pattern_conv_relu_fc, CIFAR, "he",
        exact=(("parameters", "", 123_226),),
    ),
    Variant(
        "pattern_single_conv", "the notes' pattern of a single convolution before every pool", CITATION, pattern_single_conv, CIFAR, "he",
        exact=(("parameters", "", 545_098),),
    ),
    Variant(
        "pattern_double_conv", "the notes' pattern of two convolutions before every pool", CITATION, pattern_double_conv, CIFAR, "he",
        exact=(("parameters", "", 879_914),),
    ),
)
# fmt: on
