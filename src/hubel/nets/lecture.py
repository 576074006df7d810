"""The small networks of lecture notes, after Chollet 2017, "Deep learning with Python", sections 2.1, 5.1 and 5.2.

Two fully-connected layers read digits; a convolution of 3x3 and a pool, three or four times before them, read digits better, and
are a first try at photographs.

Departures: none. Where a pool of 2 meets an odd side it rounds down, as in the notes (11 to 5, 15 to 7), and says so.
"""

from hubel.joints import Chain
from hubel.layers import FC, Conv, Flatten, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

CITATION = 'Chollet 2017, "Deep learning with Python", Manning'


def fc_784_512_10(classes: int = 10) -> Chain:
    """Section 2.1: 1x28x28 in."""
    return Chain(
        fc1=Flatten() >> FC(512) >> ReLU(),
        fc2=FC(classes),
    )


def mnist_convnet(classes: int = 10) -> Chain:
    """Section 5.1: 1x28x28 in."""
    return Chain(
        conv1=Conv(32, 3) >> ReLU() >> MaxPool(2),
        conv2=Conv(64, 3) >> ReLU() >> MaxPool(2, fit="floor"),
        conv3=Conv(64, 3) >> ReLU(),
        fc4=Flatten() >> FC(64) >> ReLU(),
        fc5=FC(classes),
    )


def dogs_cats(classes: int = 2) -> Chain:
    """Section 5.2: 3x150x150 in; two classes are one score, of the second class."""
    return Chain(
        conv1=Conv(32, 3) >> ReLU() >> MaxPool(2),
        conv2=Conv(64, 3) >> ReLU() >> MaxPool(2),
        conv3=Conv(128, 3) >> ReLU() >> MaxPool(2),
        conv4=Conv(128, 3) >> ReLU() >> MaxPool(2, fit="floor"),
        fc5=Flatten() >> FC(512) >> ReLU(),
        fc6=FC(1 if classes == 2 else classes),
    )


# fmt: off
VARIANTS = (
    Variant(
        "fc_784_512_10", "the MNIST network of lecture notes that has no convolution", CITATION, fc_784_512_10, (1, 28, 28), "glorot",
        exact=(("parameters", "", 407_050), ("parameters", "fc1", 401_920), ("parameters", "fc2", 5_130)),
        reports=(Figure("mnist_test_accuracy", "97.8%", "sec. 5.1, of the network of sec. 2.1"),),
    ),
    Variant(
        "mnist_convnet", "the MNIST convnet of lecture notes", CITATION, mnist_convnet, (1, 28, 28), "glorot",
        says=(
            Figure("parameters", "93,322", "sec. 5.1, model summary"),
            Figure("parameters", "320", "sec. 5.1, model summary", "conv1"),
            Figure("parameters", "18,496", "sec. 5.1, model summary", "conv2"),
            Figure("parameters", "36,928", "sec. 5.1, model summary", "conv3"),
            Figure("output", "576", "sec. 5.1, model summary", "fc4.0"),
            Figure("parameters", "36,928", "sec. 5.1, model summary", "fc4"),
            Figure("parameters", "650", "sec. 5.1, model summary", "fc5"),
        ),
        reports=(Figure("mnist_test_accuracy", "99.3%", "sec. 5.1"),),
    ),
    Variant(
        "dogs_cats", "the dogs-and-cats convnet of lecture notes", CITATION, dogs_cats, (3, 150, 150), "glorot",
        says=(
            Figure("parameters", "3,453,121", "sec. 5.2.3"),
            Figure("output", "6272", "sec. 5.2.3", "fc5.0"),
        ),
        reports=(Figure("dogs_cats_accuracy", "72%", "sec. 5.2.4: 70 to 72% on the validation pictures, from scratch on 2,000"),),
    ),
)
# fmt: on
