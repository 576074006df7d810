"""Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks", NIPS 25.

Five convolutions and three fully-connected layers, with ReLU, overlapping pools and dropout, on two GPUs that meet only before conv3,
fc6, fc7 and fc8: deep networks learn from photographs, given enough of them.

Departures: the input is 227x227, because the printed 224 cannot give the 55x55 of figure 2. Two doubts. Response normalisation
runs within each GPU's maps: figure 2 lets the GPUs meet nowhere before conv3, and the authors' own layers (layers-145.cfg of their
source, released in 2025, with notes of table 2's 40.7% and 18.2%) have a norm for each GPU's 48 and 128 maps, although the N
of sec. 3.3 is the number of all kernels in the layer; Caffe's bvlc_alexnet, for one GPU, runs over all, with constants of its own
(`alexnet_caffe`). Dropout divides by a half in training where sec. 4.2 multiplies by a half in use: the same function of the picture,
for weights of another scale.
"""

from functools import partial

from hubel.joints import Chain
from hubel.layers import FC, LRN, AdaptiveAvgPool, Conv, Dropout, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant


def alexnet(towers: int = 2, classes: int = 1000) -> Chain:
    """Figure 2: 3x227x227 in. What a GPU holds is one group of maps; with one tower every map reads all."""
    return Chain(
        conv1=Conv(96, 11, stride=4) >> ReLU() >> LRN(5, groups=towers) >> MaxPool(3, 2),
        conv2=Conv(256, 5, pad=2, groups=towers) >> ReLU() >> LRN(5, groups=towers) >> MaxPool(3, 2),
        conv3=Conv(384, 3, pad=1) >> ReLU(),
        conv4=Conv(384, 3, pad=1, groups=towers) >> ReLU(),
        conv5=Conv(256, 3, pad=1, groups=towers) >> ReLU() >> MaxPool(3, 2),
        fc6=FC(4096) >> ReLU() >> Dropout(0.5),
        fc7=FC(4096) >> ReLU() >> Dropout(0.5),
        fc8=FC(classes),
    )


CAFFE_LRN = LRN(5, 1.0, 1e-4 / 5)
"""Caffe divides alpha by n, and its k is 1 where nothing is said."""


def alexnet_caffe(classes: int = 1000) -> Chain:
    """Caffe's bvlc_alexnet (models/bvlc_alexnet): two groups of filters as on two GPUs, but norms over all maps, of other constants."""
    return _on_one_gpu(CAFFE_LRN >> MaxPool(3, 2), classes)


def caffenet(classes: int = 1000) -> Chain:
    """Caffe's bvlc_reference_caffenet: the same with the pools before the norms."""
    return _on_one_gpu(MaxPool(3, 2) >> CAFFE_LRN, classes)


def _on_one_gpu(smaller: Chain, classes: int) -> Chain:
    """The convolutions and classifier of figure 2, with what stands behind conv1 and conv2: 3x227x227 in."""
    stages = dict(alexnet(classes=classes).children())
    stages["conv1"] = Conv(96, 11, stride=4) >> ReLU() >> smaller
    stages["conv2"] = Conv(256, 5, pad=2, groups=2) >> ReLU() >> smaller
    return Chain(**stages)


def alexnet_owt(classes: int = 1000) -> Chain:
    """The net of Krizhevsky 2014 in the form whose weights people hold, torchvision's: 3x224x224 in, one narrower tower.

    It has no response normalisation, and drops out what enters fc6 and fc7. Its adaptive pool is the identity at 224.
    That paper has no table of layers and tells no initialisation; it says 0.2% more parameters than the two towers have.
    """
    return Chain(
        conv1=Conv(64, 11, stride=4, pad=2) >> ReLU() >> MaxPool(3, 2),
        conv2=Conv(192, 5, pad=2) >> ReLU() >> MaxPool(3, 2),
        conv3=Conv(384, 3, pad=1) >> ReLU(),
        conv4=Conv(256, 3, pad=1) >> ReLU(),
        conv5=Conv(256, 3, pad=1) >> ReLU() >> MaxPool(3, 2),
        fc6=AdaptiveAvgPool(6) >> Dropout(0.5) >> FC(4096) >> ReLU(),
        fc7=Dropout(0.5) >> FC(4096) >> ReLU(),
        fc8=FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
CITATION_OWT = 'Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997.'
CITATION_CAFFE = 'Jia et al. 2014, "Caffe: Convolutional architecture for fast feature embedding", arXiv:1408.5093; its models/ folder.'
TORCHVISION = "torchvision, AlexNet_Weights.IMAGENET1K_V1"

# fmt: off
SHAPES = (  # of what leaves a convolution ("conv1.0"), and of what leaves its stage, pooled
    ("output", "conv1.0", (96, 55, 55)), ("output", "conv1", (96, 27, 27)),
    ("output", "conv2.0", (256, 27, 27)), ("output", "conv2", (256, 13, 13)),
    ("output", "conv3", (384, 13, 13)), ("output", "conv4", (384, 13, 13)),
    ("output", "conv5.0", (256, 13, 13)), ("output", "conv5", (256, 6, 6)),
    ("output", "fc6", (4096,)), ("output", "fc7", (4096,)), ("output", "fc8", (1000,)),
)

CAFFE = (("parameters", "", 60965224), ("weight_layers", "", 8), ("macs", "", 724406816), *SHAPES)

VARIANTS = (
    Variant(
        "alexnet", "AlexNet as published, two towers", CITATION, alexnet, (3, 227, 227), "krizhevsky_2012",
        says=(
            Figure("parameters", "60 million", "abstract"),
            Figure("neurons", "186,624", "fig. 2", "conv2"),
            Figure("neurons", "64,896", "fig. 2", "conv3"),
            Figure("neurons", "64,896", "fig. 2", "conv4"),
            Figure("neurons", "43,264", "fig. 2", "conv5"),
            Figure("neurons", "4096", "fig. 2", "fc6"),
            Figure("neurons", "4096", "fig. 2", "fc7"),
            Figure("neurons", "1000", "fig. 2", "fc8"),
        ),
        exact=(
            ("parameters", "", 60965224), ("weight_layers", "", 8), ("macs", "", 724406816), *SHAPES,
            ("parameters", "conv1", 34944), ("parameters", "conv2", 307456), ("parameters", "conv3", 885120),
            ("parameters", "conv4", 663936), ("parameters", "conv5", 442624),
            ("parameters", "fc6", 37752832), ("parameters", "fc7", 16781312), ("parameters", "fc8", 4097000),
        ),
        errata=(
            Figure("input", "3x224x224", "sec. 3.5 and fig. 2", why=
                   "(224 - 11)/4 + 1 is 54.25; only 227 gives figure 2's 55 with a window of 11, a stride of 4 and no padding."),
            Figure("neurons", "253,440", "fig. 2", "conv1", why=
                   "96 maps of 55x55 have 290,400 units; 253,440/96 is 2,640, which is no square."),
            Figure("neurons", "650,000", "abstract", why=
                   "A round number: the eight layers of figure 2 have 659,272 units, or 622,312 with its own count for conv1."),
        ),
        reports=(
            Figure("imagenet_val_top1_error_ten_crop", "40.7%", "table 2"),
            Figure("imagenet_val_top5_error_ten_crop", "18.2%", "table 2"),
            Figure("ilsvrc2010_test_top1_error_ten_crop", "37.5%", "table 1"),
            Figure("ilsvrc2010_test_top5_error_ten_crop", "17.0%", "table 1"),
            Figure("ilsvrc2010_test_top1_error", "39.0%", "sec. 6, footnote"),
            Figure("ilsvrc2010_test_top5_error", "18.3%", "sec. 6, footnote"),
        ),
    ),
    Variant(
        "alexnet_one_tower", "AlexNet without groups, as lectures count it", CITATION, partial(alexnet, 1), (3, 227, 227), "krizhevsky_2012",
        exact=(("parameters", "", 62378344), ("macs", "", 1135256096), *SHAPES),
    ),
    Variant(
        "alexnet_caffe", "AlexNet as Caffe's bvlc_alexnet has it: norms over all maps", CITATION_CAFFE, alexnet_caffe, (3, 227, 227),
        "krizhevsky_2012", exact=CAFFE,
    ),
    Variant(
        "caffenet", "Caffe's reference CaffeNet: AlexNet on one GPU, pools before norms", CITATION_CAFFE, caffenet, (3, 227, 227),
        "krizhevsky_2012", exact=CAFFE,
    ),
    Variant(
        "alexnet_owt", "AlexNet as torchvision holds it", CITATION_OWT, alexnet_owt, (3, 224, 224), "he",
        says=(Figure("parameters", "61100840", TORCHVISION),),
        exact=(("macs", "", 714188480), ("output", "conv1.0", (64, 55, 55)), ("output", "conv5", (256, 6, 6))),
        reports=(
            Figure("imagenet_val_top1_accuracy", "56.522%", TORCHVISION),
            Figure("imagenet_val_top5_accuracy", "79.066%", TORCHVISION),
        ),
    ),
)
# fmt: on
