"""Lin, Chen, Yan 2013, "Network in network", arXiv:1312.4400.

Behind every convolution a small perceptron slides along (1x1 convolutions), and the last maps are averaged into the classes' scores.

Departures: the paper names no widths, windows or paddings; they are those of the definitions that its authors released for Caffe, which
rounds pools up and convolutions down. In these the second pool of the CIFAR-10 network averages, while sec. 4.1 has max pooling behind
every block: `nin_cifar10` takes the paper's word, `nin_cifar10_caffe` the definition's. The ImageNet network is not in the
paper at all. The initialisation is not told either.
"""

from functools import partial

from hubel.joints import Chain, Expression
from hubel.layers import AvgPool, Conv, Dropout, GlobalAvgPool, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

POOL = MaxPool(3, 2, fit="ceil")


def mlpconv(convolution: Conv, *maps: int) -> Chain:
    """Equation 2: a convolution and the perceptron that reads its maps, ReLU behind every layer."""
    layers = (convolution, *(Conv(width, 1) for width in maps))
    return Chain(*(link for layer in layers for link in (layer, ReLU())))


def nin_cifar10(second_pool: Expression = POOL, classes: int = 10) -> Chain:
    """Figure 2, with three blocks: 3x32x32 in."""
    return Chain(
        mlpconv1=mlpconv(Conv(192, 5, pad=2), 160, 96) >> POOL >> Dropout(0.5),
        mlpconv2=mlpconv(Conv(192, 5, pad=2), 192, 192) >> second_pool >> Dropout(0.5),
        mlpconv3=mlpconv(Conv(192, 3, pad=1), 192, classes),
        average=GlobalAvgPool(),
    )


def nin_imagenet(classes: int = 1000) -> Chain:
    """Four blocks: 3x224x224 in. Rounding down costs the first convolution one row and one column of the picture."""
    return Chain(
        mlpconv1=mlpconv(Conv(96, 11, stride=4, fit="floor"), 96, 96) >> POOL,
        mlpconv2=mlpconv(Conv(256, 5, pad=2), 256, 256) >> POOL,
        mlpconv3=mlpconv(Conv(384, 3, pad=1), 384, 384) >> POOL >> Dropout(0.5),
        mlpconv4=mlpconv(Conv(1024, 3, pad=1), 1024, classes),
        average=GlobalAvgPool(),
    )


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
CIFAR10 = (
    ("parameters", "", 966986), ("weight_layers", "", 9),
    ("output", "mlpconv1", (96, 16, 16)), ("output", "mlpconv2", (192, 8, 8)), ("output", "mlpconv3", (10, 8, 8)),
)

VARIANTS = (
    Variant(
        "nin_cifar10", "Network in network for CIFAR-10", CITATION, nin_cifar10, (3, 32, 32), "he",
        exact=CIFAR10,
        reports=(
            Figure("cifar10_test_error", "10.41%", "table 1"),
            Figure("cifar10_test_error_augmented", "8.81%", "table 1, with shift and flip"),
            Figure("cifar100_test_error", "35.68%", "table 2"),
            Figure("svhn_test_error", "2.35%", "table 3"),
            Figure("mnist_test_error", "0.47%", "table 4, with fewer maps"),
        ),
    ),
    Variant(
        "nin_cifar10_caffe", "Network in network for CIFAR-10, as released for Caffe",
        CITATION, partial(nin_cifar10, AvgPool(3, 2, fit="ceil")), (3, 32, 32), "he", exact=CIFAR10,
    ),
    Variant(
        "nin_imagenet", "Network in network for ImageNet, as released for Caffe", CITATION, nin_imagenet, (3, 224, 224), "he",
        exact=(
            ("parameters", "", 7595176), ("weight_layers", "", 12), ("output", "mlpconv1.0", (96, 54, 54)),
            ("output", "mlpconv1", (96, 27, 27)), ("output", "mlpconv2", (256, 13, 13)), ("output", "mlpconv3", (384, 6, 6)),
            ("output", "mlpconv4", (1000, 6, 6)),
        ),
        reports=(Figure("imagenet_val_top1_accuracy", "59.36%", "the released model's description"),),
    ),
)
# fmt: on
