"""How the pictures were read that published weights were trained on. Other frameworks pass colour profiles over."""

from __future__ import annotations

from functools import partial

from hubel.pictures.pixels import Pixels

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training pictures from 0 to 1: red, green, blue. From Facebook's fb.resnet.torch; torchvision and timm use them."""

CAFFE_MEAN = (122.67891434 / 255, 116.66876762 / 255, 104.00698793 / 255)
"""Of ImageNet's mean picture (imagenet_mean.binaryproto), as Caffe's examples take it off: red, green, blue."""


def middle(
    side: int, resized: int, mean: tuple[float, ...], deviation: tuple[float, ...], kernel: str = "bilinear", channels: int = 3
) -> Pixels:
    """The middle of a picture whose shorter side was brought to `resized`."""
    return Pixels(channels, side, side, "crop", kernel, 0, mean, deviation, resized, colour_managed=False)


imagenet = partial(middle, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION)
"""As torchvision's and most others' networks read pictures."""

halved = partial(middle, mean=(0.5,), deviation=(0.5,))
"""From -1 to 1: as TensorFlow's networks read pictures."""


def caffe(side: int, resized: int = 256, mean: tuple[float, ...] = CAFFE_MEAN) -> Pixels:
    """Less the mean, from 0 to 255. The order blue, green, red is put into the first convolution where the weights are read."""
    return middle(side, resized, mean, (1 / 255,))
