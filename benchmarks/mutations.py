"""Deliberate mistakes in the casebook, made one at a time in a copy of the repository: which test catches each?

    python benchmarks/mutations.py --jobs 2         tries all and writes results/bench-mutations.json
    python benchmarks/mutations.py --only resnet    tries a family, or whatever has the word in it, and writes nothing

The mistakes are those that people make who write these networks down. Each must change a network, or what is built of one, and
still import; one that does not is an error of the table here. Tests are the fast ones that hold the family, up to the first that
fails. Needs torchvision and timm, the peers of those tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from measuring import write

ROOT = Path(__file__).parents[1]


class Family(NamedTuple):
    """Mistakes of one file below src/hubel, and which tests hold it."""

    name: str
    file: str
    tests: str
    """Names behind tests/test_, in the order in which they are run."""
    words: str
    """What pytest's -k selects of them."""
    mistakes: tuple[tuple[str, ...], ...]
    """Of each: what goes wrong; the text; what is put in its place; and what the text stands behind, if it stands in several places."""


class Mutation(NamedTuple):
    """A mistake of a family."""

    family: Family
    mistake: str
    old: str
    new: str
    behind: str = ""


class Verdict(NamedTuple):
    """What became of a mutation: the first test that fails, or what is wrong with the mutation itself; a survivor has neither."""

    mutation: Mutation
    caught_by: str = ""
    wrong: str = ""


class NoMutation(Exception):
    """What is wrong with a mutation itself."""


RESIDUAL = "(resnet or plain or option or bottleneck) and not 1202 and not inception"

# fmt: off
FAMILIES = (
    Family("lenet", "nets/lenet.py", "nets nets_small build", "lenet5 or lenet_ or table_i or bitmaps", (
        ("table I with one cell moved", "(0, 3, 4, 5), (0, 1, 4, 5)", "(0, 2, 4, 5), (0, 1, 4, 5)"),
        ("a pixel of a bitmap missing", "..###.. .####..", "..###.. .###..."),
        ("no squashing behind S2", "S2=Subsample(2) >> ScaledTanh()", "S2=Subsample(2)"),
        ("no squashing in F6", "FC(84) >> ScaledTanh()", "FC(84)"),
        ("S4 averages without a coefficient", "S4=Subsample(2)", "S4=AvgPool(2)"),
        ("C3 reads all maps", "ConnectedConv(TABLE_I, 5)", "Conv(16, 5)"),
        ("the pool before the squashing", "pad=2) >> squash >> pool", "pad=2) >> pool >> squash"),
        ("max for average pool", "AvgPool(2)", "MaxPool(2)", "lecture_lenet(Sigmoid()"),
        ("squashed scores", "fc5=FC(classes)", "fc5=FC(classes) >> squash"),
        ("another draw of fresh weights", '"lecun_1998"', '"glorot"'),
    )),
    Family("alexnet", "nets/alexnet.py", "nets nets_plain", "alexnet or response_norm", (
        ("response norm behind the pool", "LRN(5, groups=towers) >> MaxPool(3, 2)", "MaxPool(3, 2) >> LRN(5, groups=towers)", "96, 11, stride=4"),
        ("response norm before ReLU", "ReLU() >> LRN(5, groups=towers)", "LRN(5, groups=towers) >> ReLU()", "256, 5, pad=2, groups"),
        ("a response norm over both towers", "LRN(5, groups=towers)", "LRN(5)", "256, 5, pad=2, groups"),
        ("no response norm in conv2", " >> LRN(5, groups=towers)", "", "256, 5, pad=2, groups"),
        ("a pool that does not overlap", "MaxPool(3, 2)", 'MaxPool(2, fit="floor")', "96, 11, stride=4"),
        ("conv4 without towers", "384, 3, pad=1, groups=towers", "384, 3, pad=1"),
        ("conv3 in towers", "384, 3, pad=1)", "384, 3, pad=1, groups=towers)", "256, 5, pad=2, groups"),
        ("3x3 for 5x5", "256, 5, pad=2", "256, 3, pad=1"),
        ("no ReLU behind fc7", "fc7=FC(4096) >> ReLU()", "fc7=FC(4096)"),
        ("no dropout behind fc7", "fc7=FC(4096) >> ReLU() >> Dropout(0.5)", "fc7=FC(4096) >> ReLU()"),
        ("dropout before fc6", "fc6=FC(4096) >> ReLU() >> Dropout(0.5)", "fc6=Dropout(0.5) >> FC(4096) >> ReLU()"),
        ("another rate of dropout", "fc6=FC(4096) >> ReLU() >> Dropout(0.5)", "fc6=FC(4096) >> ReLU() >> Dropout(0.4)"),
        ("the look-alike's dropout behind fc6", "(6) >> Dropout(0.5) >> FC(4096) >> ReLU()", "(6) >> FC(4096) >> ReLU() >> Dropout(0.5)"),
        ("response norm in the look-alike", "pad=2) >> ReLU()", "pad=2) >> ReLU() >> LRN(5)", "64, 11"),
        ("another draw of fresh weights", '"krizhevsky_2012"', '"he"', "AlexNet as published"),
    )),
    Family("nin", "nets/nin.py", "nets nets_plain", "nin_ or network_in_network", (
        ("pools round down", 'POOL = MaxPool(3, 2, fit="ceil")', 'POOL = MaxPool(3, 2, fit="floor")'),
        ("pools that do not overlap", 'POOL = MaxPool(3, 2, fit="ceil")', 'POOL = MaxPool(2, 2, fit="ceil")'),
        ("no ReLU behind the last maps", "mlpconv(Conv(192, 3, pad=1), 192, classes)",
         "Chain(*mlpconv(Conv(192, 3, pad=1), 192, classes).parts[:-1])"),
        ("the paper's second pool averages", "second_pool: Expression = POOL", 'second_pool: Expression = AvgPool(3, 2, fit="ceil")'),
        ("the release's second pool takes the largest", "nin_cifar10, AvgPool(3", "nin_cifar10, MaxPool(3"),
        ("dropout before the pool", "160, 96) >> POOL >> Dropout(0.5)", "160, 96) >> Dropout(0.5) >> POOL"),
        ("no dropout in the network for ImageNet", "384, 384) >> POOL >> Dropout(0.5)", "384, 384) >> POOL"),
        ("a perceptron of 3x3", "Conv(width, 1)", "Conv(width, 3, pad=1)"),
    )),
    Family("vgg", "nets/vgg.py", "nets nets_plain", "vgg", (
        ("a wrong cell: 3x3 for C's 1x1", "conv1-256", "conv3-256"),
        ("a wrong cell: no fourth layer in E's third block", "-          conv3-256", "-          -"),
        ("no response norm", "return (LRN(5),)", "return ()"),
        ("no ReLU behind a 1x1", "Conv(maps, size, pad=size // 2), ReLU()", "(Conv(maps, size, pad=size // 2), ReLU())[:size]"),
        ("convolutions without biases", "pad=size // 2)", "pad=size // 2, bias=False)"),
        ("pools that overlap", "MaxPool(2)", "MaxPool(3, 2, pad=1)", "layers(cell)"),
        ("average for max pool", "MaxPool(2)", "AvgPool(2)", "layers(cell)"),
        ("ReLU on the scores", "fc8=FC(classes)", "fc8=FC(classes) >> ReLU()"),
        ("no ReLU behind fc6", "fc6=FC(4096) >> ReLU()", "fc6=FC(4096)"),
        ("another rate of dropout", "Dropout(0.5)", "Dropout(0.4)", "fc7="),
        ("another draw of fresh weights", '"simonyan_2014"', '"glorot"', "configuration A-LRN"),
    )),
    Family("allcnn", "nets/allcnn.py", "nets nets_plain", "cnn", (
        ("no dropout of the picture", "conv1=Dropout(0.2) >> block", "conv1=block"),
        ("dropout of half the picture", "Dropout(0.2)", "Dropout(0.5)"),
        ("dropout before the pool", "convolutions(maps, sizes) >> POOL", "convolutions(maps, sizes) >> Dropout(0.5) >> POOL"),
        ("no ReLU behind the last maps", "conv5=Conv(classes, 1) >> ReLU()", "conv5=Conv(classes, 1)"),
        ("the stride on a block's first convolution", "(1,) * (len(sizes) - 1) + (stride,)", "(stride,) + (1,) * (len(sizes) - 1)"),
        ("pools that do not overlap", "POOL = MaxPool(3, 2", "POOL = MaxPool(2, 2"),
        ("model B's 1x1 first", '"B": (5, 1)', '"B": (1, 5)'),
        ("conv3 padded", "Conv(192, 3)", "Conv(192, 3, pad=1)"),
    )),
    Family("googlenet", "nets/googlenet.py", "nets nets_inception build", "googlenet", (
        ("an auxiliary classifier behind 4b", '{"inception_4a"', '{"inception_4b"'),
        ("auxiliary classifiers that weigh 0.4", "Head(auxiliary, 0.3)", "Head(auxiliary, 0.4)"),
        ("auxiliary classifiers that drop half", "Dropout(0.7)", "Dropout(0.5)", "AvgPool(5, 3)"),
        ("no ReLU in the auxiliary classifiers", "FC(1024) >> ReLU()", "FC(1024)", "AvgPool(5, 3)"),
        ("3x3 for 5x5", "assembled(rectified, 5,", "assembled(rectified, 3,"),
        ("a wrong cell: 4c's 3x3 reduce", "128, 128, 256", "128, 112, 256"),
        ("5b's #1x1 and pool proj swapped", "384, 192, 384, 48, 128, 128", "128, 192, 384, 48, 128, 384"),
        ("branches in another order", "conv(n1, 1) | conv(reduce3, 1) >> conv(n3, 3)", "conv(reduce3, 1) >> conv(n3, 3) | conv(n1, 1)"),
        ("average for max pool in the modules", "MaxPool(3, 1, pad=1)", "AvgPool(3, 1, pad=1)"),
        ("no ReLU behind reductions", "conv(reduce3, 1)", "conv(reduce3, 1).parts[0]"),
        ("response norm before the first pool", "maxpool >> LRN()", "LRN() >> maxpool"),
        ("no second response norm", "rectified(192, 3) >> LRN()", "rectified(192, 3)"),
        ("dropout of half", "Dropout(0.4)", "Dropout(0.5)"),
        ("another eps in the look-alike", "BatchNorm(1e-3)", "BatchNorm()"),
        ("the look-alike's last pool overlaps", 'MaxPool(2, fit="ceil")', 'MaxPool(3, 2, fit="ceil")'),
        ("the look-alike drops more", "Dropout(0.2)", "Dropout(0.4)"),
    )),
    Family("inception_v3", "nets/inception_v3.py", "nets nets_inception", "inception_v3 or look_alikes", (
        ("padding counted", "False, 0.2)", "True, 0.2)"),
        ("dropout of half", "False, 0.2)", "False, 0.5)"),
        ("an auxiliary classifier that weighs 0.3", "FC(classes), 0.4)", "FC(classes), 0.3)"),
        ("no activation in the auxiliary classifier", "valid(768, 5)", "Conv(768, 5, bias=False) >> BatchNorm(1e-3)"),
        ("1x7 and 7x1 swapped", "same(maps, (1, 7)) >> same(192, (7, 1))", "same(maps, (7, 1)) >> same(192, (1, 7))"),
        ("3x3 for 5x5", "same(64, 5)", "same(64, 3)"),
        ("a wrong width of a module", "Mixed_6c=module_17(pool, 160)", "Mixed_6c=module_17(pool, 128)"),
        ("average for max pool down to 17x17", "MaxPool(3, 2)", "AvgPool(3, 2)", "valid(96, 3, 2)"),
        ("average for max pool down to 8x8", "MaxPool(3, 2)", "AvgPool(3, 2)", "valid(192, 3, 2)"),
        ("3x1 before 1x3", "same(384, (1, 3)) | same(384, (3, 1))", "same(384, (3, 1)) | same(384, (1, 3))"),
        ("another eps where the size is kept", "BatchNorm(1e-3)", "BatchNorm()", "height // 2"),
    )),
    Family("inception_resnet_v2", "nets/inception_resnet_v2.py", "nets nets_inception build", "inception_resnet_v2", (
        ("residuals of 35x35 scaled by 0.2", "320, 0.17)", "320, 0.2)"),
        ("residuals of 17x17 scaled by 0.17", "1088, 0.10)", "1088, 0.17)"),
        ("the last block scaled too", "block_8(1.0)", "block_8(0.20)"),
        ("ReLU behind the last block", "Block8=block_8(1.0)", "Block8=block_8(1.0) >> ReLU()"),
        ("no ReLU behind the sums", "added(mixed, 1088, 0.10) >> ReLU()", "Chain(added(mixed, 1088, 0.10))"),
        ("ReLU before the sums", "Conv(maps, 1) >> Scale(scale)", "Conv(maps, 1) >> ReLU() >> Scale(scale)"),
        ("the linear 1x1 without biases", "Conv(maps, 1) >> Scale", "Conv(maps, 1, bias=False) >> Scale"),
        ("padding counted", "count_pad=False", "count_pad=True"),
        ("a block too many", "ReLU()) * 9", "ReLU()) * 10"),
        ("dropout of half", "Dropout(0.2)", "Dropout(0.5)"),
    )),
    Family("xception", "nets/xception.py", "nets nets_inception build", "xception or look_alikes", (
        ("padding at the other side", "LAST = ((0, 1), (0, 1))", "LAST = ((1, 0), (1, 0))"),
        ("another eps", "LAST, 1e-3)", "LAST, 1e-5)"),
        ("ReLU between the two convolutions", "Conv(maps, 1, bias=False)", "ReLU() >> Conv(maps, 1, bias=False)"),
        ("no ReLU before block3's first convolution", "ReLU() >> separated(256) >> ReLU()", "separated(256) >> ReLU()"),
        ("one ReLU a module of the middle flow", "(ReLU() >> separated(728)) * 3", "ReLU() >> separated(728) * 3"),
        ("no ReLU at the end", "separated(2048) >> ReLU()", "separated(2048)"),
        ("no norm on the shortcuts", "conv(eps, maps, 1, 2))", "Conv(maps, 1, 2, bias=False))"),
        ("biases in the depthwise convolutions", "Depthwise(3, pad=1, bias=False)", "Depthwise(3, pad=1)"),
        ("average for max pool", "body >> MaxPool(", "body >> AvgPool("),
        ("no dropout", "Dropout(0.5) >> FC", "FC"),
        ("another draw of fresh weights", '"glorot"', '"he"', '"xception_torch"'),
    )),
    Family("resnet", "nets/resnet.py", "nets nets_residual build", RESIDUAL, (
        ("the stride of a bottleneck on its 3x3", ", 1, stride) >> ReLU() >> conv(maps // 4, 3)",
         ", 1) >> ReLU() >> conv(maps // 4, 3, stride)"),
        ("v1.5's stride on the first 1x1", "1) >> ReLU() >> conv(maps // 4, 3, stride)", "1, stride) >> ReLU() >> conv(maps // 4, 3)"),
        ("the stride of a basic block on its second 3x3", "3, stride) >> ReLU() >> conv(maps, 3)", "3) >> ReLU() >> conv(maps, 3, stride)"),
        ("ReLU before the sum", "ReLU() >> conv(maps, 3)\n", "ReLU() >> conv(maps, 3) >> ReLU()\n"),
        ("no ReLU behind the first sums", "shortcut(option, maps_in, maps, stride)) >> ReLU()", "shortcut(option, maps_in, maps, stride))"),
        ("no ReLU inside bottlenecks", "3) >> ReLU() >> conv(maps, 1)", "3) >> conv(maps, 1)"),
        ("option B for A", 'option == "B" and', 'option in "AB" and'),
        ("option A for B", 'option == "B" and', 'option == "D" and'),
        ("option B for C", 'option == "C" or (option == "B" and maps != maps_in)', 'option in "BC" and maps != maps_in'),
        ("no norm behind projections", "return conv(maps, 1, stride)", "return Conv(maps, 1, stride, bias=False)"),
        ("convolutions with biases", "bias=False)", "bias=True)"),
        ("another eps", "BatchNorm()", "BatchNorm(1e-3)", "bias=False)"),
        ("no norm behind a block's last 3x3", "conv(maps, 3)\n", "conv(maps, 3).parts[0]\n"),
        ("no ReLU behind conv1", "conv1=conv(64, 7, 2) >> ReLU()", "conv1=conv(64, 7, 2)"),
        ("average for max pool", "MaxPool(3, 2, pad=1)", "AvgPool(3, 2, pad=1)"),
        ("a wrong cell: five blocks in conv4_x", "( 2,       6,       6,", "( 2,       5,       6,"),
        ("no stride in conv3_x", "128 * wide, 2)", "128 * wide, 1)"),
        ("another draw of fresh weights", '"he"', '"glorot"'),
    )),
    Family("resnet_cifar", "nets/resnet_cifar.py", "nets nets_residual", f"{RESIDUAL} and not (18 or 34 or 50 or 101 or 152)", (
        ("projections for padding", 'basic, "A", n', 'basic, "B", n'),
        ("no ReLU behind the first convolution", "conv(16, 3) >> ReLU()", "conv(16, 3)"),
        ("no norm behind the first convolution", "conv(16, 3)", "conv(16, 3).parts[0]"),
        ("no stride to the last maps", "stack(32, 64, 2)", "stack(32, 64, 1)"),
    )),
    Family("densenet", "nets/densenet.py", "nets nets_residual build", "dense or compression", (
        ("transitions that keep 0.6 of the maps", "// (2 if bc else 1)", "* (3 if bc else 5) // 5"),
        ("new maps before the old", "(Identity() | added)", "(added | Identity())"),
        ("max for average pool in transitions", ">> AvgPool(2)", ">> MaxPool(2)"),
        ("no ReLU in transitions", "conv(maps, 1)", "BatchNorm() >> Conv(maps, 1, bias=False)"),
        ("ReLU before the norm", "return BatchNorm() >> ReLU() >>", "return ReLU() >> BatchNorm() >>"),
        ("bottlenecks of twice the growth", "4 * growth, 1)", "2 * growth, 1)"),
        ("no norm behind the last block", "BatchNorm() >> ReLU()", "ReLU()", "[layers] * 3, bc)"),
        ("no ReLU behind the last block", "BatchNorm() >> ReLU()", "BatchNorm()", "blocks, bc=True)"),
        ("no norm and ReLU behind the first convolution", " >> BatchNorm() >> ReLU(),", ",", "64, 7"),
        ("16 first maps with BC too", "2 * growth if bc else 16", "16"),
        ("a wrong cell: 121's third block", "( 24,  32,  48,  64)", "( 32,  32,  48,  64)"),
        ("another draw of fresh weights", '"he"', '"glorot"', "partial(densenet, depth)"),
    )),
    Family("squeezenet", "nets/squeezenet.py", "nets nets_small", "squeeze or fire or dropout", (
        ("expand's two halves swapped", "(Conv(e1x1, 1) | Conv(e3x3, 3, pad=1))", "(Conv(e3x3, 3, pad=1) | Conv(e1x1, 1))"),
        ("no ReLU behind squeeze", "Conv(s1x1, 1) >> ReLU()", "Conv(s1x1, 1)"),
        ("no ReLU behind expand", "pad=1)) >> ReLU()", "pad=1))"),
        ("no ReLU behind conv10", "Conv(classes, 1) >> ReLU()", "Conv(classes, 1)"),
        ("pools round down", 'fit="ceil"', 'fit="floor"'),
        ("pools where the later release has them", "(1, 4, 8)", "(1, 3, 5)"),
        ("dropout behind conv10", "Dropout(0.5) >> Conv(classes, 1)", "Conv(classes, 1) >> Dropout(0.5)"),
        ("a wrong cell: fire6 squeezes to 64", "(48, 192, 192)", "(64, 192, 192)", '"fire6"'),
    )),
    Family("mobilenet_v1", "nets/mobilenet_v1.py", "nets nets_small", "mobilenet_v1", (
        ("padding at the other side", "SAME = ((0, 1), (0, 1))", "SAME = ((1, 0), (1, 0))"),
        ("even padding", "SAME = ((0, 1), (0, 1))", "SAME = 1"),
        ("ReLU6 where the paper has ReLU", "width, ReLU())", "width, ReLU6())"),
        ("ReLU where the release has ReLU6", "width, ReLU6())", "width, ReLU())"),
        ("widths rounded up to a multiple of 32", "int(maps * width)", "-(-int(maps * width) // 32) * 32"),
        ("the first layer not narrowed", "int(32 * width)", "32"),
        ("another eps", "eps: float = 1e-3", "eps: float = 1e-5"),
        ("nothing between depthwise and pointwise", "depthwise=normed(", "depthwise=Chain("),
        ("biases in the convolutions", "1, bias=False)", "1)", "int(maps * width)"),
        ("the printed stride of the last", '(1, 1024, "1024x7x7"', '(2, 1024, "1024x7x7"'),
    )),
    Family("mobilenet_v2", "nets/mobilenet_v2.py", "nets nets_small", "mobilenet_v2 or dropout", (
        ("an activation behind the narrow end", "Conv(c, 1, bias=False) >> norm", "Conv(c, 1, bias=False) >> norm >> ReLU6()"),
        ("ReLU for ReLU6", "ReLU6()", "ReLU()", "t * entering"),
        ("widening by 1", "if t > 1 else filtered", "if t else filtered"),
        ("no shortcuts", "Sum(body, Identity()) if s == 1 and c == entering else body", "body"),
        ("the last convolution without activation", " >> ReLU6()", "", "1280, 1"),
        ("every block of a line strided", "bottleneck(c, t, c, 1)]", "bottleneck(c, t, c, s)]"),
        ("a wrong cell: stride of the line of 96", "(6,  96, 3, 1,", "(6,  96, 3, 2,"),
        ("another rate of dropout", "Dropout(0.2)", "Dropout(0.5)"),
        ("another eps", "eps: float = 1e-3", "eps: float = 1e-5"),
        ("even padding of the depthwise convolutions", "pad=pad if s == 2 else 1", "pad=1"),
    )),
    Family("lecun_1989", "nets/lecun_1989.py", "nets nets_small build", "lecun or net_2 or net_3", (
        ("padding at the other side", "pad=((0, 1), (0, 1))", "pad=((1, 0), (1, 0))"),
        ("shared weights", "Local(1, 5", "Conv(1, 5"),
        ("no squashing of H1", "FC(12) >> ScaledTanh()", "FC(12)"),
        ("squashed outputs", "FC(classes)", "FC(classes) >> ScaledTanh()", "H2=Local"),
        ("another draw of fresh weights", '"lecun_1998"', '"glorot"'),
    )),
    Family("lecture", "nets/lecture.py", "nets nets_small build", "lecture or mnist_convnet or dogs_cats or fc_784", (
        ("no ReLU behind conv3", "conv3=Conv(64, 3) >> ReLU()", "conv3=Conv(64, 3)"),
        ("average for max pool", "MaxPool(2)", "AvgPool(2)", "3x150x150 in"),
        ("ReLU on the scores", "fc2=FC(classes)", "fc2=FC(classes) >> ReLU()"),
        ("a pool that rounds up", 'fit="floor"', 'fit="ceil"', "Section 5.1: 1x28x28 in"),
        ("two scores for two classes", "FC(1 if classes == 2 else classes)", "FC(classes)"),
        ("another draw of fresh weights", '"glorot"', '"he"', "the dogs-and-cats"),
    )),
    Family("patterns", "nets/patterns.py", "nets nets_small", "pattern or lecture", (
        ("no ReLU behind the hidden layer", "fc5=FC(256) >> ReLU()", "fc5=FC(256)"),
        ("average for max pool", "conv_relu(64) >> MaxPool(2)", "conv_relu(64) >> AvgPool(2)"),
    )),
    Family("layers", "layers/pointwise.py", "nets_plain nets_inception nets_residual", "response_norm or googlenet or resnet18", (
        ("response norm with k = 1", "k: float = 2.0", "k: float = 1.0"),
        ("response norm with Caffe's alpha", "alpha: float = 1e-4", "alpha: float = 2e-5"),
        ("response norm over seven maps", "n: int = 5", "n: int = 7"),
        ("batch norm with another eps", "eps: float = 1e-5", "eps: float = 1e-3"),
    )),
    Family("build", "build.py", "build nets_plain", "layer or window or response_norm or draw or start or dropout or heads", (
        ("alpha divided by n", "layer.alpha * layer.n", "layer.alpha"),
        ("response norm's k and beta swapped", "layer.beta, layer.k)", "layer.k, layer.beta)"),
        ("batch norm's eps lost", "layer.eps, layer.momentum", "momentum=layer.momentum"),
        ("padding counted", 'layer.fit == "ceil", layer.count_pad', 'layer.fit == "ceil", True'),
        ("pools round down", 'layer.fit == "ceil"', "False", "modules.MaxPool("),
        ("dropout that drops nothing", "nn.Dropout(layer.rate)", "nn.Dropout(0.0)"),
        ("ReLU for ReLU6", "ReLU6: nn.ReLU6", "ReLU6: nn.ReLU"),
        ("one group for all", "layer.groups, layer.bias", "1, layer.bias"),
        ("option A without its stride", "shape[0], pair(layer.stride)", "shape[0], (1, 1)"),
        ("AlexNet's deviation 0.1", "_normal(0.01)", "_normal(0.1)"),
        ("AlexNet's conv2 with biases of zero", 'ones=("conv2", ', "ones=("),
        ("VGG's variance taken for its deviation", "_normal(0.1))", "_normal(0.01))"),
        ("He's fan-out for fan-in", "(2 / fan_in)", "(2 / fan_out)"),
        ("Glorot's deviation for his bound", "(6 / (fan_in + fan_out))", "(2 / (fan_in + fan_out))"),
        ("LeCun's bound by the root of the fan-in", "2.4 / fan_in", "2.4 / fan_in.sqrt()", "_lecun_1998("),
    )),
    Family("modules", "modules.py", "build nets_small", "layer or window or lenet5 or tanh or net_3 or sum or concat or head", (
        ("another slope of the squashing function", "x * (2 / 3)", "x"),
        ("subsampling by the mean", ", divisor_override=1)", ")", "class Subsample"),
        ("distances for scores", "return -(x[:, None, :]", "return (x[:, None, :]"),
        ("option A's zeros before the maps", "(0, 0, 0, 0, 0, self.added)", "(0, 0, 0, 0, self.added, 0)"),
        ("heads read in evaluation too", "if self.training:", "if True:"),
        ("uneven padding turned round", "(left, right, top, bottom)", "(right, left, bottom, top)"),
        ("uneven padding counted", "self.uneven and not self.count_pad", "self.uneven and self.count_pad"),
    )),
)
# fmt: on

EVERY_NET = """
from hubel.errors import HubelError
from hubel.nets import NETS

for row in NETS.values():
    try:
        print(row.name, row.input, row.initialisation, row.net())
    except HubelError as refusal:
        print(row.name, refusal)
"""
"""Prints every network of the casebook; of one that a mistake makes impossible, what is said of it."""

EVERY_LAYER = """
import torch
from hubel.build import INITIALISATIONS, build
from hubel.errors import HubelError
from hubel.reading import read

net = read(
    "Chain(one=(ReLU6() | ConnectedConv(((0, 1), (2,)), 3, pad=1)) >> LRN() >> MaxPool(3, 2, fit='ceil') >> BatchNorm(0.1),"
    "conv2=Sum(PadMaps(8, stride=2), Conv(8, 3, stride=2, pad=((0, 1), (0, 1)))) >> BatchNorm() >> Conv(8, 3, pad=1, groups=2),"
    "three=ScaledTanh() >> Subsample(2) >> AvgPool(2, 1, pad=((1, 0), (1, 0)), count_pad=False), aside=Head(FC(4), 0.3),"
    "four=AvgPool(3, 1, pad=1, count_pad=False) >> FC(4) >> Dropout() >> RBF(('#..#', '.##.')))"
)
torch.set_printoptions(precision=10)
x = 50 * torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
for how in INITIALISATIONS:
    for training in (False, True):
        torch.manual_seed(0)
        try:
            print(how, training, build(net, (3, 16, 16), how).train(training)(x))
        except (HubelError, RuntimeError) as refusal:
            print(how, training, refusal)
"""
"""Prints what a network of many layers gives under every initialisation, in evaluation and in training."""


def mutations(word: str = "") -> list[Mutation]:
    """Those of the family of that name, or those that have the word in the name of their family or in their mistake."""
    every = [Mutation(family, *mistake) for family in FAMILIES for mistake in family.mistakes]
    named = [mutation for mutation in every if mutation.family.name == word]
    return named or [mutation for mutation in every if word in f"{mutation.family.name}: {mutation.mistake}"]


def mutated(text: str, mutation: Mutation) -> str:
    """The text of a file with the mistake. Raises NoMutation where what it changes does not stand there, or not in one place alone."""
    anchor, old = mutation.behind, mutation.old
    if text.count(anchor or old) != 1 or old not in text[text.index(anchor) :]:
        raise NoMutation(f"{old!r} does not stand in {mutation.family.file} just once, or not behind {anchor!r}, or that not just once")
    place = text.index(old, text.index(anchor))
    return text[:place] + mutation.new + text[place + len(old) :]


def copied(source: Path, folder: str) -> Path:
    """What tests need of the repository, in a folder of its own."""
    place = Path(folder) / "hubel"
    place.mkdir()
    for name in ("src", "tests"):
        shutil.copytree(source / name, place / name)
    shutil.copy(source / "pyproject.toml", place)
    return place


def python(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, with the copy's own package; pytest without its plugins, which take longer to load than most of these tests."""
    settings = {"PYTHONPATH": str(place / "src"), "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run([sys.executable, *words], cwd=place, env={**os.environ, **settings}, capture_output=True, text=True)


def printed(place: Path, nets: bool) -> str:
    """What the networks, or the layers as they are built, look like in the copy. Raises NoMutation where they do not load."""
    ran = python(place, "-c", EVERY_NET if nets else EVERY_LAYER)
    if ran.returncode:
        raise NoMutation(ran.stderr.strip().splitlines()[-1])
    return ran.stdout


def tested(place: Path, name: str, words: str) -> tuple[bool, str]:
    """Whether the tests of tests/test_NAME.py that `words` select pass in the copy, and what pytest printed up to the first that fails."""
    ran = python(place, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", "-k", words, f"tests/test_{name}.py")
    return ran.returncode == 0, ran.stdout + ran.stderr


def check(sound: Path, name: str, families: list[Family]) -> None:
    """Run a file's tests of these families. Raises SystemExit where one fails with nothing changed, or skips for want of a peer."""
    passed, said = tested(sound, name, " or ".join(f"({family.words})" for family in families if name in family.tests.split()))
    if not passed or "SKIPPED" in said:
        raise SystemExit(f"the tests do not all pass before anything is changed:\n{said}")


def tried(mutation: Mutation, sound: Path, before: dict[bool, str]) -> Verdict:
    """What becomes of the mutation in a copy of the sound repository, whose networks and layers print as `before`."""
    nets = mutation.family.file.startswith("nets/")
    with tempfile.TemporaryDirectory() as folder:
        place = copied(sound, folder)
        path = place / "src" / "hubel" / mutation.family.file
        try:
            text = mutated(path.read_text(), mutation)
            if nets:
                text = text.replace("\nfrom hubel", "\nfrom hubel.layers import *\nfrom hubel", 1)  # a mistake may name any layer
            path.write_text(text)
            if printed(place, nets) == before[nets]:
                raise NoMutation("it changes nothing")
        except NoMutation as reason:
            return Verdict(mutation, wrong=str(reason))
        for name in mutation.family.tests.split():
            passed, said = tested(place, name, mutation.family.words)
            if not passed:
                failed = re.search(r"^(?:FAILED|ERROR) tests/(.+?)(?: - |$)", said, re.MULTILINE)
                return Verdict(mutation, failed[1]) if failed else Verdict(mutation, wrong=f"pytest: {said[-300:]}")
    return Verdict(mutation)


def verdicts(chosen: list[Mutation], jobs: int) -> Iterator[Verdict]:
    """Each mutation's, in order; first the tests must pass without any."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as workers:
        sound = copied(ROOT, folder)
        families = list(dict.fromkeys(mutation.family for mutation in chosen))
        files = sorted({name for family in families for name in family.tests.split()})
        list(workers.map(lambda name: check(sound, name, families), files))
        before = {nets: printed(sound, nets) for nets in (True, False)}
        yield from workers.map(lambda mutation: tried(mutation, sound, before), chosen)


def record(found: list[Verdict], seconds: float) -> None:
    caught = sum(bool(verdict.caught_by) for verdict in found)
    job = "deliberate mutations of the casebook that some test catches"
    rows = [{"job": job, "peer": "-", "ratio": f"{caught} of {len(found)}", "goal": "100%"}]
    each = [
        {"file": verdict.mutation.family.file, "mistake": verdict.mutation.mistake, "caught_by": verdict.caught_by or None}
        for verdict in found
    ]
    write("bench-mutations", __doc__.split("\n")[0], rows, {"share": caught / len(found), "seconds": seconds, "mutations": each})


def main(word: str, jobs: int) -> None:
    started, chosen, found = time.perf_counter(), mutations(word), []
    if not chosen:
        raise SystemExit(f"no family and no mistake has {word!r}; the families are {', '.join(family.name for family in FAMILIES)}")
    for verdict in verdicts(chosen, jobs):
        found.append(verdict)
        outcome = f"no mutation: {verdict.wrong}" if verdict.wrong else verdict.caught_by or "SURVIVES"
        print(f"{verdict.mutation.family.name}: {verdict.mutation.mistake}: {outcome}", flush=True)
    seconds = time.perf_counter() - started
    left = [verdict for verdict in found if not verdict.caught_by]
    print(f"{len(found) - len(left)} of {len(found)} caught in {seconds:.0f} s")
    if not word and not any(verdict.wrong for verdict in found):
        record(found, seconds)
    if left:
        raise SystemExit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME", help="a family, or a word of a family's name or of a mistake")
    parser.add_argument("--jobs", type=int, default=1, help="how many are tried at a time")
    given = parser.parse_args()
    main(given.only, given.jobs)
