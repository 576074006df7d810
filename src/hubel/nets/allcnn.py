"""Springenberg, Dosovitskiy, Brox, Riedmiller 2014, "Striving for simplicity: the all convolutional net", arXiv:1412.6806.

Three plain networks, each with its pools kept, dropped for strides, fed by one more convolution, or replaced by one: pools are not needed.

Departures: none that the paper rules out; it is silent on padding and initialisation. Of its tables' 32x32 input and 6x6 output follows
that the convolutions of the first two blocks keep the size (padding of half the window), that their ends halve it (pools round up),
and that the 3x3 convolution of the third has no padding: 32, 16, 8, 6. In Strided-CNN-B the convolution before the pool,
which takes its stride, is the 1x1. Dropout behind a strided convolution is "after the layer replacing the pooling layer" (sec. 3.1).
"""

from collections.abc import Callable
from functools import partial

from hubel.joints import Chain
from hubel.layers import Conv, Dropout, GlobalAvgPool, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

POOL = MaxPool(3, 2, fit="ceil")

TABLE_1 = {"A": (5,), "B": (5, 1), "C": (3, 3)}
"""The windows of the convolutions before each pool."""


def convolutions(maps: int, sizes: tuple[int, ...], stride: int = 1) -> Chain:
    """Convolutions with ReLU that keep the size, but for the stride of the last."""
    strides = (1,) * (len(sizes) - 1) + (stride,)
    return Chain(*(link for size, step in zip(sizes, strides) for link in (Conv(maps, size, step, pad=size // 2), ReLU())))


# Table 2: what a block of the base network becomes


def base(maps: int, sizes: tuple[int, ...]) -> Chain:
    return convolutions(maps, sizes) >> POOL


def strided(maps: int, sizes: tuple[int, ...]) -> Chain:
    return convolutions(maps, sizes, stride=2)


def conv_pool(maps: int, sizes: tuple[int, ...]) -> Chain:
    return convolutions(maps, (*sizes, 3)) >> POOL


def all_conv(maps: int, sizes: tuple[int, ...]) -> Chain:
    return convolutions(maps, (*sizes, 3), stride=2)


Block = Callable[[int, tuple[int, ...]], Chain]


def allcnn(model: str, block: Block, classes: int = 10) -> Chain:
    """Tables 1 and 2: 3x32x32 in."""
    sizes = TABLE_1[model]
    return Chain(
        conv1=Dropout(0.2) >> block(96, sizes) >> Dropout(0.5),
        conv2=block(192, sizes) >> Dropout(0.5),
        conv3=Conv(192, 3) >> ReLU(),
        conv4=Conv(192, 1) >> ReLU(),
        conv5=Conv(classes, 1) >> ReLU(),
        average=GlobalAvgPool(),
    )


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
TABLE_3 = (  # name here and there, model, block; error on CIFAR-10; parameters: printed, printed but contradicted by the layers, exact
    ("base_cnn_a",     "Model A",        "A", base,      "12.47%", "0.9 M", "",       839242),
    ("strided_cnn_a",  "Strided-CNN-A",  "A", strided,   "13.46%", "0.9 M", "",       839242),
    ("convpool_cnn_a", "ConvPool-CNN-A", "A", conv_pool, "10.21%", "",      "1.28 M", 1254250),
    ("all_cnn_a",      "All-CNN-A",      "A", all_conv,  "10.30%", "",      "1.28 M", 1254250),
    ("base_cnn_b",     "Model B",        "B", base,      "10.20%", "1 M",   "",       885610),
    ("strided_cnn_b",  "Strided-CNN-B",  "B", strided,   "10.98%", "1 M",   "",       885610),
    ("convpool_cnn_b", "ConvPool-CNN-B", "B", conv_pool, "9.33%",  "",      "1.35 M", 1300618),
    ("all_cnn_b",      "All-CNN-B",      "B", all_conv,  "9.10%",  "",      "1.35 M", 1300618),
    ("base_cnn_c",     "Model C",        "C", base,      "9.74%",  "",      "1.3 M",  954730),
    ("strided_cnn_c",  "Strided-CNN-C",  "C", strided,   "10.19%", "",      "1.3 M",  954730),
    ("convpool_cnn_c", "ConvPool-CNN-C", "C", conv_pool, "9.31%",  "1.4 M", "",       1369738),
    ("all_cnn_c",      "All-CNN-C",      "C", all_conv,  "9.08%",  "1.4 M", "",       1369738),
)

TABLE_4 = {
    "all_cnn_c": (
        Figure("cifar10_test_error_augmented", "7.25%", "table 4, with shift and flip"),
        Figure("cifar100_test_error", "33.71%", "table 4"),
    ),
}
# fmt: on


def _row(name: str, title: str, model: str, block: Block, error: str, agreed: str, contradicted: str, parameters: int) -> Variant:
    why = f"The layers of tables 1 and 2 have {parameters:,}."
    return Variant(
        name,
        title if block is all_conv else f"{title}, an ancestor of All-CNN-{model}",
        CITATION,
        partial(allcnn, model, block),
        (3, 32, 32),
        "he",
        says=(
            Figure("output", "10x6x6", "table 1, global averaging", "conv5"),
            *(Figure("parameters", printed, "table 3") for printed in (agreed,) if printed),
        ),
        errata=tuple(Figure("parameters", printed, "table 3", why=why) for printed in (contradicted,) if printed),
        exact=(("parameters", "", parameters), ("output", "conv1", (96, 16, 16)), ("output", "conv2", (192, 8, 8))),
        reports=(Figure("cifar10_test_error", error, "table 3"), *TABLE_4.get(name, ())),
    )


VARIANTS = tuple(_row(*row) for row in TABLE_3)
