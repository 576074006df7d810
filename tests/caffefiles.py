"""Caffe's files written, and its networks computed, from its own definitions (models/*/deploy.prototxt) and layers, in plain torch."""

import struct

import torch
import torch.nn.functional as F


def varint(number):
    parts = bytearray()
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def field(number, value):
    """A field of a message: a whole number, a float, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, old=False):
    """An array, float32; with four sides, as before 2014, or with its shape."""
    data = field(5, array.contiguous().numpy().tobytes())
    if old:
        sides = (1,) * (4 - array.dim()) + tuple(array.shape)
        return b"".join(field(number, side) for number, side in enumerate(sides, 1)) + data
    return data + field(7, field(1, b"".join(map(varint, array.shape))))


def layer(name, kind, arrays=(), more=b""):
    return field(100, field(1, name.encode()) + field(2, kind.encode()) + b"".join(field(7, blob(array)) for array in arrays) + more)


V1 = {"Convolution": 4, "InnerProduct": 14, "ReLU": 18}


def v1_layer(name, kind, arrays=()):
    return field(2, field(4, name.encode()) + field(5, V1[kind]) + b"".join(field(6, blob(array, old=True)) for array in arrays))


class Net:
    """A network of Caffe's, computed layer by layer for scores of pictures; its weights are drawn when a layer is first met.

    Arrays are those of the file: the pictures' colours are blue, green, red, and what a layer is called is what the file calls it.
    """

    def __init__(self, seed=0):
        self.noise = torch.Generator().manual_seed(seed)
        self.layers = {}

    def arrays(self, name, kind, *shape):
        if name not in self.layers:
            fan_in = torch.empty(shape, device="meta")[0].numel()
            weight = torch.randn(shape, generator=self.noise) * (2 / fan_in) ** 0.5
            self.layers[name] = kind, (weight, torch.rand(shape[0], generator=self.noise) * 0.4 - 0.2)
        return self.layers[name][1]

    def conv(self, x, name, maps, size, stride=1, pad=0, group=1, relu=True):
        x = F.conv2d(x, *self.arrays(name, "Convolution", maps, x.shape[1] // group, size, size), stride, pad, groups=group)
        return x.relu() if relu else x

    def inner(self, x, name, units, relu=True):
        x = F.linear(x.flatten(1), *self.arrays(name, "InnerProduct", units, x[0].numel()))
        return x.relu() if relu else x

    def pool(self, x, size=3, stride=2, pad=0):
        return F.max_pool2d(x, size, stride, pad, ceil_mode=True)

    def lrn(self, x, n=5, alpha=1e-4, beta=0.75):
        """lrn_layer.cpp: the sum of squares of n maps, times alpha / n, and 1."""
        squares = F.pad(x * x, (0, 0, 0, 0, n // 2, n // 2))
        total = sum(squares[:, shift : shift + x.shape[1]] for shift in range(n))
        return x / (1 + alpha / n * total) ** beta

    def written(self, old=False, before=b"", behind=b""):
        """The caffemodel: a name, a layer without weights, and the layers in their order, in the new manner or the old."""
        write = v1_layer if old else layer
        parts = [write(name, kind, arrays) + write(f"relu_{name}", "ReLU") for name, (kind, arrays) in self.layers.items()]
        return field(1, b"Net") + before + b"".join(parts) + behind


def lenet(net, x):
    x = net.pool(net.conv(x, "conv1", 20, 5, relu=False), 2)
    x = net.pool(net.conv(x, "conv2", 50, 5, relu=False), 2)
    return net.inner(net.inner(x, "ip1", 500), "ip2", 10, relu=False)


def alexnet(net, x):
    x = net.pool(net.lrn(net.conv(x, "conv1", 96, 11, 4)))
    x = net.pool(net.lrn(net.conv(x, "conv2", 256, 5, pad=2, group=2)))
    return _from_conv3(net, x)


def caffenet(net, x):
    x = net.lrn(net.pool(net.conv(x, "conv1", 96, 11, 4)))
    x = net.lrn(net.pool(net.conv(x, "conv2", 256, 5, pad=2, group=2)))
    return _from_conv3(net, x)


def _from_conv3(net, x):
    x = net.conv(net.conv(x, "conv3", 384, 3, pad=1), "conv4", 384, 3, pad=1, group=2)
    x = net.pool(net.conv(x, "conv5", 256, 3, pad=1, group=2))
    return net.inner(net.inner(net.inner(x, "fc6", 4096), "fc7", 4096), "fc8", 1000, relu=False)


def vgg16(net, x):
    for block, (maps, layers) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, layers + 1):
            x = net.conv(x, f"conv{block}_{number}", maps, 3, pad=1)
        x = net.pool(x, 2)
    return net.inner(net.inner(net.inner(x, "fc6", 4096), "fc7", 4096), "fc8", 1000, relu=False)


def nin(net, x):
    for number, (maps, size, stride, pad, thin) in enumerate(
        ((96, 11, 4, 0, 96), (256, 5, 1, 2, 256), (384, 3, 1, 1, 384), (1024, 3, 1, 1, 1000))
    ):
        x = net.conv(x, f"conv{number + 1}", maps, size, stride, pad)
        x = net.conv(net.conv(x, f"cccp{2 * number + 1}", maps, 1), f"cccp{2 * number + 2}", thin, 1)
        x = net.pool(x) if number < 3 else x
    return x.mean((2, 3))


def googlenet(net, x):
    x = net.lrn(net.pool(net.conv(x, "conv1/7x7_s2", 64, 7, 2, 3)))
    x = net.conv(net.conv(x, "conv2/3x3_reduce", 64, 1), "conv2/3x3", 192, 3, pad=1)
    x = net.pool(net.lrn(x))
    for module, maps in INCEPTIONS.items():
        name = f"inception_{module}/"
        branches = [net.conv(x, f"{name}1x1", maps[0], 1)]
        branches.append(net.conv(net.conv(x, f"{name}3x3_reduce", maps[1], 1), f"{name}3x3", maps[2], 3, pad=1))
        branches.append(net.conv(net.conv(x, f"{name}5x5_reduce", maps[3], 1), f"{name}5x5", maps[4], 5, pad=2))
        branches.append(net.conv(net.pool(x, 3, 1, 1), f"{name}pool_proj", maps[5], 1))
        x = torch.cat(branches, 1)
        x = net.pool(x) if module in ("3b", "4e") else x
        if module in ("4a", "4d"):  # a classifier for training, which the file keeps
            head = f"loss{1 if module == '4a' else 2}/"
            aside = net.conv(F.avg_pool2d(x, 5, 3), f"{head}conv", 128, 1)
            net.inner(net.inner(aside, f"{head}fc", 1024), f"{head}classifier", 1000)
    return net.inner(F.avg_pool2d(x, 7), "loss3/classifier", 1000, relu=False)


INCEPTIONS = {  # #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def squeezenet(net, x):
    """Version 1.0, with the padding of conv10 that table 1 has not."""
    x = net.pool(net.conv(x, "conv1", 96, 7, 2))
    for number, squeezed, expanded in (
        (2, 16, 64),
        (3, 16, 64),
        (4, 32, 128),
        (5, 32, 128),
        (6, 48, 192),
        (7, 48, 192),
        (8, 64, 256),
        (9, 64, 256),
    ):
        x = net.conv(x, f"fire{number}/squeeze1x1", squeezed, 1)
        sides = net.conv(x, f"fire{number}/expand1x1", expanded, 1), net.conv(x, f"fire{number}/expand3x3", expanded, 3, pad=1)
        x = torch.cat(sides, 1)
        x = net.pool(x) if number in (4, 8) else x
    return net.conv(x, "conv10", 1000, 1, pad=1).mean((2, 3))
