"""ResNet, its thin kin for CIFAR, and DenseNet: their papers' figures, and outputs equal to independent implementations."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import LayerError
from hubel.layers import BatchNorm, Conv
from hubel.nets import densenet, resnet, resnet_cifar
from peers import agree, paired, pictures, randomised, settled, torchvision_models

ROWS = {row.name: row for room in (resnet, resnet_cifar, densenet) for row in room.VARIANTS}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small work, on a machine that others use too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def slowly(*names):
    """Names as parameters of the slower proofs."""
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def compared(name, theirs, input):
    """That our network gives the same scores as `theirs`, with the same random weights.

    In double precision: deep networks make 1e-5 of the scores out of single precision's rounding, plain110 even 1e-2.
    """
    settled(randomised(theirs), (3, *[min(input[1], 64)] * 2))
    ours = paired(build(ROWS[name].net(), input, initialisation=None), theirs)
    agree(ours, theirs, pictures(input, dtype=torch.float64))


# --- figures ----------------------------------------------------------------------------------------------------------

# papers.toml: name, parameters, multiply-adds
SIZES = [
    ("resnet18", 11_689_512, 1_814_073_344),
    ("resnet34", 21_797_672, 3_663_761_408),
    ("resnet50", 25_557_032, 3_857_973_248),
    ("resnet101", 44_549_160, 7_570_194_432),
    ("resnet152", 60_192_808, 11_282_415_616),
    ("resnet50_v15", 25_557_032, 4_089_184_256),
    ("resnet20", 269_722, None),
    ("resnet32", 464_154, None),
    ("resnet44", 658_586, None),
    ("resnet56", 853_018, None),
    ("resnet110", 1_727_962, None),
    ("resnet1202", 19_421_274, None),
    ("densenet121", 7_978_856, None),
    ("densenet169", 14_149_480, None),
    ("densenet201", 20_013_928, None),
    ("densenet264", 33_337_704, None),
    ("densenet40_k12", 1_019_722, None),
    ("densenet100_k12", 6_979_642, None),
    ("densenet100_k24", 27_249_082, None),
    ("densenet_bc100_k12", 769_162, None),
    ("densenet_bc250_k24", 15_324_406, None),
    ("densenet_bc190_k40", 25_624_430, None),
]
RESNET_BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}
DENSENET_BLOCKS = {121: [6, 12, 24, 16], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32], 264: [6, 12, 64, 48]}


@pytest.mark.parametrize(("name", "parameters", "macs"), SIZES)
def test_parameters_and_multiply_adds_are_the_papers_to_the_last_digit(name, parameters, macs):
    sized = ROWS[name].anatomy()
    assert sized.parameters == parameters
    assert macs is None or sized.macs == macs


def joints(sized, kind, stage):
    return [row for row in sized.within(stage).rows if row.layer == kind]


@pytest.mark.parametrize("depth", RESNET_BLOCKS)
def test_a_resnet_stacks_the_blocks_of_table_1_under_every_option(depth):
    for option in ("", "_a", "_c"):
        sized = ROWS[f"resnet{depth}{option}"].anatomy()
        assert [len(joints(sized, "Sum", f"conv{number}_x")) for number in (2, 3, 4, 5)] == RESNET_BLOCKS[depth]
        assert sized.weight_layers == depth


@pytest.mark.parametrize("depth", DENSENET_BLOCKS)
def test_a_densenet_stacks_the_dense_layers_of_table_1_each_with_32_maps_more(depth):
    sized = ROWS[f"densenet{depth}"].anatomy()
    for number, layers in enumerate(DENSENET_BLOCKS[depth], 1):
        dense = joints(sized, "Concat", f"dense_block_{number}")
        assert len(dense) == layers
        assert {row.output[0] - row.input[0] for row in dense} == {32}


def test_the_printed_depth_of_densenet264_is_one_too_few():
    assert ROWS["densenet264"].anatomy().weight_layers == 1 + 2 * sum(DENSENET_BLOCKS[264]) + 3 + 1 == 265


def projections(depth, everywhere):
    """Parameters of the shortcuts that project, from table 1: 1x1 weights, and two for every map's norm."""
    wide = 1 if depth < 50 else 4
    inputs = 64
    total = 0
    for maps, blocks in zip((64, 128, 256, 512), RESNET_BLOCKS[depth]):
        maps *= wide
        if everywhere or maps != inputs:
            total += inputs * maps + 2 * maps
        total += (blocks - 1) * (maps * maps + 2 * maps) * everywhere
        inputs = maps
    return total


@pytest.mark.parametrize("depth", RESNET_BLOCKS)
def test_the_options_differ_by_the_parameters_of_their_projections(depth):
    padded, some, every = (ROWS[f"resnet{depth}{option}"].anatomy().parameters for option in ("_a", "", "_c"))
    assert some - padded == projections(depth, everywhere=False)
    assert every - padded == projections(depth, everywhere=True)


def test_a_projection_doubles_the_cost_of_a_bottleneck():
    """Section 4.1."""
    identity, projected = (ROWS[name].anatomy().within("conv2_x.2") for name in ("resnet50", "resnet50_c"))
    assert 1.9 < projected.macs / identity.macs < 2
    assert 1.9 < projected.parameters / identity.parameters < 2


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_the_stride_of_a_bottleneck_stands_on_its_first_1x1_as_published_and_on_its_3x3_in_v15(depth):
    for name, sizes in ((f"resnet{depth}", [28, 14, 7]), (f"resnet{depth}_v15", [56, 28, 14])):
        convolutions = [row for row in ROWS[name].anatomy().rows if isinstance(row.part, Conv) and row.part.size == 3]
        firsts = [next(row for row in convolutions if row.path.startswith(f"conv{number}_x.")) for number in (3, 4, 5)]
        assert [row.input[1] for row in firsts] == sizes
        assert [row.output[1] for row in firsts] == [28, 14, 7]


PLAIN = {"plain18": "resnet18_a", "plain34": "resnet34_a", **{f"plain{depth}": f"resnet{depth}" for depth in (20, 32, 44, 56, 110)}}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_network_is_the_residual_one_without_shortcuts_and_costs_the_same(name):
    plain, residual = ROWS[name].anatomy(), ROWS[PLAIN[name]].anatomy()
    assert not [row for row in plain.rows if row.layer in ("Sum", "Identity") or row.layer.startswith("PadMaps")]
    assert (plain.parameters, plain.macs, plain.weight_layers) == (residual.parameters, residual.macs, residual.weight_layers)
    learning = [[(row.part, row.input) for row in sized.rows if isinstance(row.part, (Conv, BatchNorm))] for sized in (plain, residual)]
    assert learning[0] == learning[1]


@pytest.mark.parametrize(
    ("builder", "depth", "said"),
    [
        (resnet.resnet, 35, "depth is one of"),
        (lambda depth: resnet.resnet(depth, "D"), 34, "option 'A', 'B' or 'C'"),
        (resnet_cifar.resnet, 21, "6n \\+ 2 layers"),
        (resnet_cifar.plain, 2, "6n \\+ 2 layers"),
        (densenet.densenet, 161, "has a depth of"),
        (lambda depth: densenet.densenet_cifar(depth, 12), 41, "3n \\+ 4 layers"),
        (lambda depth: densenet.densenet_cifar(depth, 12, bc=True), 43, "6n \\+ 4"),
    ],
)
def test_a_depth_or_option_that_cannot_be_is_refused(builder, depth, said):
    with pytest.raises(LayerError, match=said):
        builder(depth)


def test_compression_keeps_half_of_the_maps_rounded_down():
    input = (3, 32, 32)
    sized, compressed = (anatomy(net, input) for net in (densenet.densenet_cifar(7, 13), densenet.densenet_cifar(10, 13, bc=True)))
    assert sized.within("transition_layer_1").output == (16 + 13, 16, 16)
    assert compressed.within("transition_layer_1").output == (19, 16, 16)  # of 2 * 13 + 13


# --- outputs against torchvision --------------------------------------------------------------------------------------


def as_published(network):
    """A torchvision ResNet with its bottlenecks' strides moved from the 3x3 to the first 1x1."""
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, layer[0].conv1.stride
    return network


def torchvisions(name):
    network = getattr(torchvision_models(), name.removesuffix("_v15"))(weights=None)
    return as_published(network) if name in ("resnet50", "resnet101", "resnet152") else network


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50_v15", "densenet121"])
def test_outputs_equal_torchvisions_on_small_pictures(name):
    compared(name, torchvisions(name), (3, 64, 64))


PUBLISHED = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50_v15", "resnet101_v15", "resnet152_v15")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PUBLISHED, "densenet121", "densenet169", "densenet201"])
def test_outputs_equal_torchvisions(name):
    compared(name, torchvisions(name), (3, 224, 224))


# --- outputs against implementations written from the papers ----------------------------------------------------------


class Block(nn.Module):
    """Convolutions of (size, stride), each with its norm, ReLU between them; a shortcut of option A or C, or none; and ReLU."""

    def __init__(self, inputs, widths, windows, option):
        super().__init__()
        self.layers = nn.ModuleList()
        self.maps, self.stride = widths[-1], max(stride for _, stride in windows)
        for before, maps, (size, stride) in zip([inputs, *widths], widths, windows):
            self.layers += [nn.Conv2d(before, maps, size, stride, size // 2, bias=False), nn.BatchNorm2d(maps)]
        self.kind = {None: "none", "A": "pad", "C": "project"}[option]
        if self.kind == "project":
            self.projection = nn.Sequential(nn.Conv2d(inputs, self.maps, 1, self.stride, bias=False), nn.BatchNorm2d(self.maps))

    def forward(self, x):
        y = x
        for number in range(0, len(self.layers), 2):
            y = self.layers[number + 1](self.layers[number](F.relu(y) if number else y))
        if self.kind == "project":
            y = y + self.projection(x)
        elif self.kind == "pad":
            seen = x[:, :, :: self.stride, :: self.stride]
            y = y + torch.cat([seen, seen.new_zeros(len(x), self.maps - seen.shape[1], *seen.shape[2:])], 1)
        return F.relu(y)


def residual(stem, inputs, stages, option, bottleneck=False, classes=1000):
    """A network of stages (maps, blocks); every stage but the first halves the sides. No option, no shortcuts."""
    layers = [*stem]
    for place, (maps, blocks) in enumerate(stages):
        for number in range(blocks):
            stride = 2 if place and not number else 1
            widths = [maps, maps, 4 * maps] if bottleneck else [maps, maps]
            layers.append(Block(inputs, widths, [(1, stride), (3, 1), (1, 1)] if bottleneck else [(3, stride), (3, 1)], option))
            inputs = widths[-1]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def imagenet_stem(maps):
    return [nn.Conv2d(3, maps, 7, 2, 3, bias=False), nn.BatchNorm2d(maps), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def residual_oracle(name):
    option = {"_a": "A", "_c": "C"}.get(name[-2:], None if name.startswith("plain") else "A")
    depth = int("".join(filter(str.isdigit, name)))
    if depth in RESNET_BLOCKS:
        return residual(imagenet_stem(64), 64, list(zip((64, 128, 256, 512), RESNET_BLOCKS[depth])), option, depth >= 50)
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return residual(stem, 16, [(maps, (depth - 2) // 6) for maps in (16, 32, 64)], option, classes=10)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18_a", "resnet18_c", "resnet50_a", "resnet50_c", "plain18"),
        *slowly("resnet34_a", "resnet34_c", "resnet101_a", "resnet101_c", "resnet152_a", "resnet152_c", "plain34"),
    ],
)
def test_shortcut_options_and_plain_networks_equal_an_implementation_from_the_paper(name):
    compared(name, residual_oracle(name), (3, 64, 64))


@pytest.mark.parametrize(
    "name",
    [
        *("resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
        *("plain20", "plain32", "plain44", "plain56", "plain110"),
        *slowly("resnet1202"),
    ],
)
def test_cifar_resnets_equal_an_implementation_from_the_paper(name):
    compared(name, residual_oracle(name), (3, 32, 32))


class DenseBlock(nn.Module):
    """Layers that each read all maps before them."""

    def __init__(self, inputs, growth, layers, bottleneck):
        super().__init__()
        self.layers = nn.ModuleList()
        for number in range(layers):
            seen = inputs + number * growth
            reduced = normed(seen, 4 * growth, 1) if bottleneck else []
            self.layers.append(nn.Sequential(*reduced, *normed(4 * growth if bottleneck else seen, growth, 3)))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


def normed(inputs, maps, size):
    return [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, maps, size, padding=size // 2, bias=False)]


def dense(stem, maps, growth, blocks, bc, classes):
    layers = [*stem]
    for place, count in enumerate(blocks):
        if place:
            kept = int(0.5 * maps) if bc else maps
            layers += [*normed(maps, kept, 1), nn.AvgPool2d(2)]
            maps = kept
        layers.append(DenseBlock(maps, growth, count, bc))
        maps += growth * count
    return nn.Sequential(*layers, nn.BatchNorm2d(maps), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, classes))


# name: growth rate, layers of a block, bottleneck and compression
CIFAR_DENSENETS = {
    "densenet40_k12": (12, 12, False),
    "densenet100_k12": (12, 32, False),
    "densenet100_k24": (24, 32, False),
    "densenet_bc100_k12": (12, 16, True),
    "densenet_bc250_k24": (24, 41, True),
    "densenet_bc190_k40": (40, 31, True),
}


@pytest.mark.parametrize(
    "name",
    ["densenet40_k12", "densenet_bc100_k12", *slowly("densenet100_k12", "densenet100_k24", "densenet_bc250_k24", "densenet_bc190_k40")],
)
def test_cifar_densenets_equal_an_implementation_from_the_paper(name):
    growth, layers, bc = CIFAR_DENSENETS[name]
    maps = 2 * growth if bc else 16
    compared(name, dense([nn.Conv2d(3, maps, 3, padding=1, bias=False)], maps, growth, [layers] * 3, bc, 10), (3, 32, 32))


@pytest.mark.slow
def test_densenet264_equals_an_implementation_from_the_paper():
    compared("densenet264", dense(imagenet_stem(64), 64, 32, DENSENET_BLOCKS[264], True, 1000), (3, 224, 224))
