"""Huang, Liu, van der Maaten, Weinberger 2016, "Densely connected convolutional networks", CVPR 2017, arXiv:1608.06993.

Every layer reads the maps of all layers before it in its block and adds a few of its own, so that none is learned twice.

Departures: none. Where the paper is silent or says two things, this is what its released code does: norm and ReLU behind the
first convolution for ImageNet (the note to table 1, to the letter, has them before it), ReLU in transition layers (in that
note, not in sec. 3), norm and ReLU behind the last dense block (nowhere), new maps behind the old. Where the paper trains
without augmentation it adds dropout of 0.2; it is left out here, and the errors reported are those with augmentation.
"""

from collections.abc import Sequence
from functools import partial

from hubel.errors import LayerError
from hubel.joints import Chain
from hubel.layers import FC, AvgPool, BatchNorm, Conv, GlobalAvgPool, Identity, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant

# fmt: off
DEPTHS =                               ( 121, 169, 201, 264)
TABLE_1 = (  # layers; output size; layers of a dense block; and, by arithmetic, the maps that leave
    ("convolution",          "112x112", (),                   (  64,   64,   64,   64)),
    ("pooling",                "56x56", (),                   (  64,   64,   64,   64)),
    ("dense_block_1",          "56x56", (  6,   6,   6,   6), ( 256,  256,  256,  256)),
    ("transition_layer_1.2",   "56x56", (),                   ( 128,  128,  128,  128)),
    ("transition_layer_1",     "28x28", (),                   ( 128,  128,  128,  128)),
    ("dense_block_2",          "28x28", ( 12,  12,  12,  12), ( 512,  512,  512,  512)),
    ("transition_layer_2.2",   "28x28", (),                   ( 256,  256,  256,  256)),
    ("transition_layer_2",     "14x14", (),                   ( 256,  256,  256,  256)),
    ("dense_block_3",          "14x14", ( 24,  32,  48,  64), (1024, 1280, 1792, 2304)),
    ("transition_layer_3.2",   "14x14", (),                   ( 512,  640,  896, 1152)),
    ("transition_layer_3",       "7x7", (),                   ( 512,  640,  896, 1152)),
    ("dense_block_4",            "7x7", ( 16,  32,  32,  48), (1024, 1664, 1920, 2688)),
)
# fmt: on


def conv(maps: int, size: int) -> Chain:
    """What table 1 calls conv: norm, ReLU, convolution."""
    return BatchNorm() >> ReLU() >> Conv(maps, size, pad=size // 2, bias=False)


def dense_blocks(maps: int, growth: int, blocks: Sequence[int], bc: bool) -> dict[str, Chain]:
    """Dense blocks of so many layers, each of which adds `growth` maps, and transition layers between them (sec. 3).

    BC: a bottleneck of 4 * growth maps in every layer, and half of the maps behind every transition layer.
    """
    added = conv(4 * growth, 1) >> conv(growth, 3) if bc else conv(growth, 3)
    stages: dict[str, Chain] = {}
    for number, layers in enumerate(blocks):
        if number:
            stages[f"transition_layer_{number}"] = conv(maps, 1) >> AvgPool(2)
        stages[f"dense_block_{number + 1}"] = (Identity() | added) * layers
        maps = (maps + layers * growth) // (2 if bc else 1)
    return stages


def densenet(depth: int, classes: int = 1000) -> Chain:
    """Table 1: 3x224x224 in, growth rate 32, BC. Raises LayerError for a depth that the table has not."""
    if depth not in DEPTHS:
        raise LayerError(f"A DenseNet for ImageNet has a depth of {DEPTHS}; it was given {depth!r}.")
    blocks = [layers[DEPTHS.index(depth)] for _, _, layers, _ in TABLE_1 if layers]
    return Chain(
        convolution=Conv(64, 7, stride=2, pad=3, bias=False) >> BatchNorm() >> ReLU(),
        pooling=MaxPool(3, 2, pad=1),
        **dense_blocks(64, 32, blocks, bc=True),
        classification_layer=BatchNorm() >> ReLU() >> GlobalAvgPool() >> FC(classes),
    )


def densenet_cifar(depth: int, growth: int, bc: bool = False, classes: int = 10) -> Chain:
    """Sec. 3: 3x32x32 in, three equal blocks. Raises LayerError where equal blocks cannot make that depth."""
    layers, rest = divmod(depth - 4, 6 if bc else 3)
    if layers < 1 or rest:
        raise LayerError(f"A DenseNet for CIFAR has 3n + 4 layers, with BC 6n + 4, such as 40 or 100; it was given {depth!r}.")
    maps = 2 * growth if bc else 16
    return Chain(
        convolution=Conv(maps, 3, pad=1, bias=False),
        **dense_blocks(maps, growth, [layers] * 3, bc),
        classification_layer=BatchNorm() >> ReLU() >> GlobalAvgPool() >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
TABLE_3 = (  # depth; exact parameters; top-1 and top-5 error of a single crop, and of ten
    (121,  7_978_856, "25.02%", "7.71%", "23.61%", "6.66%"),
    (169, 14_149_480, "23.80%", "6.85%", "22.08%", "5.92%"),
    (201, 20_013_928, "22.58%", "6.34%", "21.46%", "5.54%"),
    (264, 33_337_704, "22.15%", "6.12%", "20.80%", "5.29%"),
)
MEASURES = ("top1_error_one_crop", "top5_error_one_crop", "top1_error_ten_crop", "top5_error_ten_crop")
PROSE = {201: (Figure("parameters", "20M", "sec. 4.4"),)}
ERRATA = {264: (Figure(
    "weight_layers", "264", "table 1",
    why="6 + 12 + 64 + 48 dense layers of two convolutions each, three transitions, the first convolution and the classifier are 265.",
),)}

TABLE_2 = (  # name; depth, growth rate, BC; parameters as printed and exactly; error on C10+ and C100+; by arithmetic, maps behind blocks
    ("densenet40_k12",      40, 12, False,  "1.0M",  1_019_722, "5.24%", "24.42%", ( 160,  304,  448)),
    ("densenet100_k12",    100, 12, False,  "7.0M",  6_979_642, "4.10%", "20.20%", ( 400,  784, 1168)),
    ("densenet100_k24",    100, 24, False, "27.2M", 27_249_082, "3.74%", "19.25%", ( 784, 1552, 2320)),
    ("densenet_bc100_k12", 100, 12, True,   "0.8M",    769_162, "4.51%", "22.27%", ( 216,  300,  342)),
    ("densenet_bc250_k24", 250, 24, True,  "15.3M", 15_324_406, "3.62%", "17.60%", (1032, 1500, 1734)),
    ("densenet_bc190_k40", 190, 40, True,  "25.6M", 25_624_430, "3.46%", "17.18%", (1320, 1900, 2190)),
)


def row(depth: int, parameters: int, *errors: str) -> Variant:
    """A row of tables 1 and 3."""
    column = DEPTHS.index(depth)
    return Variant(
        f"densenet{depth}", f"DenseNet-{depth}: growth rate 32, BC", CITATION, partial(densenet, depth), (3, 224, 224), "he",
        says=(
            *(Figure("output", f"{maps[column]}x{size}", "table 1; maps by arithmetic", stage) for stage, size, _, maps in TABLE_1),
            Figure("output", "1000", "table 1", "classification_layer"),
            *([] if depth in ERRATA else [Figure("weight_layers", str(depth), "table 1")]),
            *PROSE.get(depth, ()),
        ),
        exact=(("parameters", "", parameters),),
        reports=tuple(Figure(f"imagenet_val_{measure}", error, "table 3") for measure, error in zip(MEASURES, errors)),
        errata=ERRATA.get(depth, ()),
    )


def cifar_row(
    name: str, depth: int, growth: int, bc: bool, printed: str, exactly: int, cifar10: str, cifar100: str, maps: tuple[int, ...]
) -> Variant:
    """A row of table 2."""
    return Variant(
        name, f"DenseNet{'-BC' * bc} for CIFAR: {depth} layers, growth rate {growth}", CITATION,
        partial(densenet_cifar, depth, growth, bc), (3, 32, 32), "he",
        says=(
            Figure("weight_layers", str(depth), "table 2"),
            Figure("parameters", printed, "table 2"),
            *(Figure("output", f"{maps[block]}x{size}", "sec. 3; maps by arithmetic", f"dense_block_{block + 1}")
              for block, size in enumerate(("32x32", "16x16", "8x8"))),
        ),
        exact=(("parameters", "", exactly),),
        reports=(
            Figure("cifar10_test_error_augmented", cifar10, "table 2, C10+"),
            Figure("cifar100_test_error_augmented", cifar100, "table 2, C100+"),
        ),
    )


VARIANTS = (*(row(*cells) for cells in TABLE_3), *(cifar_row(*cells) for cells in TABLE_2))
# fmt: on
