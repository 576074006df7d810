"""He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385.

A block learns what to add to its input, which a shortcut carries past it: a deeper network is then no longer a worse one.

Departures: none. The maps of zeros of option A stand behind the others; the paper does not say where. The stride of a
bottleneck stands on its first 1x1, as table 1's 3.8e9 FLOPs need it; the `_v15` rows, which are later than the paper, have
it on the 3x3, as have most weights that people hold.
"""

from collections.abc import Callable
from functools import partial

from hubel import rewrite
from hubel.errors import LayerError
from hubel.joints import Chain, Expression, Sum
from hubel.layers import FC, BatchNorm, Conv, GlobalAvgPool, Identity, MaxPool, PadMaps, ReLU
from hubel.nets.paper import Figure, Variant

# fmt: off
DEPTHS =                           (18,      34,      50,     101,     152)
TABLE_1 = (  # layer name, output size, maps of a block's 3x3 convolutions, blocks
    ("conv2_x", "56x56",  64,      ( 2,       3,       3,       3,       3)),
    ("conv3_x", "28x28", 128,      ( 2,       4,       4,       4,       8)),
    ("conv4_x", "14x14", 256,      ( 2,       6,       6,      23,      36)),
    ("conv5_x",   "7x7", 512,      ( 2,       3,       3,       3,       3)),
)
FLOPS =                       ("1.8e9", "3.6e9", "3.8e9", "7.6e9", "11.3e9")
# fmt: on

Body = Callable[[int, int], Chain]
"""What a block adds to its input, from the maps that it gives and its stride."""


def conv(maps: int, size: int, stride: int = 1) -> Chain:
    """A convolution, and batch norm right behind it (sec. 3.4)."""
    return Conv(maps, size, stride, pad=size // 2, bias=False) >> BatchNorm()


def basic(maps: int, stride: int) -> Chain:
    """Figure 5, left."""
    return conv(maps, 3, stride) >> ReLU() >> conv(maps, 3)


def bottleneck(maps: int, stride: int) -> Chain:
    """Figure 5, right."""
    return conv(maps // 4, 1, stride) >> ReLU() >> conv(maps // 4, 3) >> ReLU() >> conv(maps, 1)


def bottleneck_v15(maps: int, stride: int) -> Chain:
    """The same with the stride on the 3x3."""
    return conv(maps // 4, 1) >> ReLU() >> conv(maps // 4, 3, stride) >> ReLU() >> conv(maps, 1)


def shortcut(option: str, maps_in: int, maps: int, stride: int) -> Expression:
    """Sec. 4.1: A adds maps of zeros, B projects where the maps increase, C projects everywhere."""
    if option == "C" or (option == "B" and maps != maps_in):
        return conv(maps, 1, stride)
    return PadMaps(maps, stride) if maps != maps_in else Identity()


def stage(body: Body, option: str, blocks: int, maps_in: int, maps: int, stride: int) -> Chain:
    """Blocks on maps of one size, to which the stride of the first brings them."""
    first = Sum(body(maps, stride), shortcut(option, maps_in, maps, stride)) >> ReLU()
    further = Sum(body(maps, 1), shortcut(option, maps, maps, 1)) >> ReLU()
    return Chain(first, *[further] * (blocks - 1))


def resnet(depth: int, option: str = "B", bottleneck: Body = bottleneck, classes: int = 1000) -> Chain:
    """Table 1: 3x224x224 in; shortcuts of option A, B or C. Raises LayerError for another depth or option."""
    if depth not in DEPTHS or option not in ("A", "B", "C"):
        raise LayerError(f"A ResNet's depth is one of {DEPTHS} and its option 'A', 'B' or 'C'; it was given {depth!r} and {option!r}.")
    n2, n3, n4, n5 = (blocks[DEPTHS.index(depth)] for *_, blocks in TABLE_1)
    body, wide = (basic, 1) if depth < 50 else (bottleneck, 4)
    stack = partial(stage, body, option)
    return Chain(
        conv1=conv(64, 7, 2) >> ReLU(),
        conv2_x=MaxPool(3, 2, pad=1) >> stack(n2, 64, 64 * wide, 1),
        conv3_x=stack(n3, 64 * wide, 128 * wide, 2),
        conv4_x=stack(n4, 128 * wide, 256 * wide, 2),
        conv5_x=stack(n5, 256 * wide, 512 * wide, 2),
        classifier=GlobalAvgPool() >> FC(classes),
    )


def plain(depth: int, classes: int = 1000) -> Chain:
    """Figure 3, middle: the residual network without its shortcuts."""
    return rewrite.plain(resnet(depth, "A", classes=classes)).net


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
EXACT = {  # parameters, multiply-adds
    "resnet18":      (11_689_512,  1_814_073_344),
    "resnet34":      (21_797_672,  3_663_761_408),
    "resnet50":      (25_557_032,  3_857_973_248),
    "resnet101":     (44_549_160,  7_570_194_432),
    "resnet152":     (60_192_808, 11_282_415_616),
    "resnet50_v15":  (25_557_032,  4_089_184_256),
    "resnet101_v15": (44_549_160,  7_801_405_440),
    "resnet152_v15": (60_192_808, 11_513_626_624),
}

ERRORS = {  # top-1 and top-5 over ten crops (tables 2 and 3), and dense over five scales (table 4)
    "plain18":    ("27.94%",),
    "resnet18_a": ("27.88%",),
    "plain34":    ("28.54%", "10.02%"),
    "resnet34_a": ("25.03%", "7.76%"),
    "resnet34":   ("24.52%", "7.46%", "21.84%", "5.71%"),
    "resnet34_c": ("24.19%", "7.40%", "21.53%", "5.60%"),
    "resnet50":   ("22.85%", "6.71%", "20.74%", "5.25%"),
    "resnet101":  ("21.75%", "6.05%", "19.87%", "4.60%"),
    "resnet152":  ("21.43%", "5.71%", "19.38%", "4.49%"),
}
MEASURES = ("top1_error_ten_crop", "top5_error_ten_crop", "top1_error_dense_five_scales", "top5_error_dense_five_scales")


def row(name: str, title: str, depth: int, build: Callable[..., Chain], flops: str = "") -> Variant:
    """A row with what the tables print of its network; FLOPs where table 1's are those of its shortcuts."""
    wide = 1 if depth < 50 else 4
    return Variant(
        name, f"ResNet-{depth}{title}", CITATION, build, (3, 224, 224), "he",
        says=(
            Figure("weight_layers", str(depth), "table 1"),
            Figure("output", "64x112x112", "table 1", "conv1"),
            *(Figure("output", f"{wide * maps}x{size}", "table 1", stage) for stage, size, maps, _ in TABLE_1),
            Figure("output", "1000", "table 1", "classifier"),
            *([Figure("macs", flops, "table 1")] if flops else []),
        ),
        exact=tuple(zip(("parameters", "macs"), ("", ""), EXACT.get(name, ()))),
        reports=tuple(
            Figure(f"imagenet_val_{measure}", error, "table 4" if "dense" in measure else f"table {2 if depth == 18 else 3}")
            for measure, error in zip(MEASURES, ERRORS.get(name, ()))
        ),
    )


VARIANTS = (
    *(row(f"resnet{depth}", ", shortcuts projected where the maps increase (option B)", depth, partial(resnet, depth), flops)
      for depth, flops in zip(DEPTHS, FLOPS)),
    *(row(f"resnet{depth}_a", ", shortcuts padded with zeros (option A)", depth, partial(resnet, depth, "A"), flops if depth < 50 else "")
      for depth, flops in zip(DEPTHS, FLOPS)),
    *(row(f"resnet{depth}_c", ", all shortcuts projected (option C)", depth, partial(resnet, depth, "C")) for depth in DEPTHS),
    *(row(f"resnet{depth}_v15", ' "v1.5", stride on the 3x3', depth, partial(resnet, depth, bottleneck=bottleneck_v15))
      for depth in DEPTHS[2:]),
    *(row(f"plain{depth}", " without its shortcuts", depth, partial(plain, depth), flops) for depth, flops in zip(DEPTHS[:2], FLOPS)),
)
# fmt: on
