"""The layers: what each gives, learns and costs for a shape that enters. Sizes are one number or a (height, width) pair.

A multiply-add (MAC) is counted for every weight use of convolutions, fully-connected layers and RBF units; biases, pools,
norms and activations count none. Weights and biases are counted apart; fixed values are not counted.
"""

from hubel.layers.connected import FC, RBF, Flatten
from hubel.layers.convolutions import ConnectedConv, Conv, Depthwise, Local, Subsample
from hubel.layers.layer import Layer, Windowed
from hubel.layers.pointwise import (
    LRN,
    BatchNorm,
    Dropout,
    Identity,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Tanh,
)
from hubel.layers.pools import AdaptiveAvgPool, AvgPool, GlobalAvgPool, L2Pool, MaxPool, PadMaps

LAYERS: tuple[type[Layer], ...] = (
    *(Conv, Depthwise, ConnectedConv, Local, FC, RBF),
    *(MaxPool, AvgPool, L2Pool, Subsample, AdaptiveAvgPool, GlobalAvgPool),
    *(Identity, Scale, PadMaps, Flatten),
    *(ReLU, ReLU6, Tanh, Sigmoid, ScaledTanh, Softmax),
    *(LRN, BatchNorm, Dropout),
)
"""Every layer that an expression can hold."""

__all__ = [
    "FC",
    "LAYERS",
    "LRN",
    "RBF",
    "AdaptiveAvgPool",
    "AvgPool",
    "BatchNorm",
    "ConnectedConv",
    "Conv",
    "Depthwise",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "Identity",
    "L2Pool",
    "Layer",
    "Local",
    "MaxPool",
    "PadMaps",
    "ReLU",
    "ReLU6",
    "Scale",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "Subsample",
    "Tanh",
    "Windowed",
]
