"""Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015, "Rethinking the Inception architecture for computer vision", CVPR 2016, arXiv:1512.00567.

Large windows are factorised into small and into asymmetric ones, and maps are halved by a pool and convolutions side by side.

Departures: the paper leaves the filters to a file of its submission and its table 1 is an outline, so the network is the one
that its authors released (TensorFlow, checkpoint of August 2016); stages have its names. It keeps a 5x5 window in the modules
of figure 5, and where table 1 has three convolutions of 3x3 behind the first pool it has a 1x1, a 3x3 and a pool. It holds
the scale of its batch norms at one; here it is learned, as batch norm's own paper has it and torch's weights need it. The
paper prints neither the rate of dropout nor the weight of the auxiliary classifier: 20% and 0.4 are the release's. It does
not say how weights start: as He's. `inception_v3_torch` is the look-alike whose weights torchvision publishes: its average
pools count the padding as zeros, and its dropout is 50%. At stride 1 TensorFlow's "same" padding is even on both sides, so
nothing else differs.
"""

from functools import partial

from hubel.arguments import Size, pair
from hubel.joints import Chain, Concat, Expression, Head
from hubel.layers import FC, AvgPool, BatchNorm, Conv, Dropout, GlobalAvgPool, MaxPool, ReLU
from hubel.nets.paper import Figure, Variant


def valid(maps: int, size: Size, stride: int = 1) -> Chain:
    """A convolution without padding, batch norm, ReLU."""
    return Conv(maps, size, stride, bias=False) >> BatchNorm(1e-3) >> ReLU()


def same(maps: int, size: Size) -> Chain:
    """A convolution that keeps the maps' size, batch norm, ReLU."""
    height, width = pair(size)
    return Conv(maps, size, pad=(height // 2, width // 2), bias=False) >> BatchNorm(1e-3) >> ReLU()


def stem() -> dict[str, Expression]:
    """Up to maps of 35x35."""
    return {
        "Conv2d_1a_3x3": valid(32, 3, 2),
        "Conv2d_2a_3x3": valid(32, 3),
        "Conv2d_2b_3x3": same(64, 3),
        "MaxPool_3a_3x3": MaxPool(3, 2),
        "Conv2d_3b_1x1": valid(80, 1),
        "Conv2d_4a_3x3": valid(192, 3),
        "MaxPool_5a_3x3": MaxPool(3, 2),
    }


def module_35(pool: AvgPool, projected: int) -> Concat:
    """Figure 5, with a 5x5 window in its second branch."""
    return same(64, 1) | same(48, 1) >> same(64, 5) | same(64, 1) >> same(96, 3) >> same(96, 3) | pool >> same(projected, 1)


def reduction_35() -> Concat:
    """Figure 10: from 35x35 to 17x17."""
    return valid(384, 3, 2) | same(64, 1) >> same(96, 3) >> valid(96, 3, 2) | MaxPool(3, 2)


def module_17(pool: AvgPool, maps: int) -> Concat:
    """Figure 6 with n = 7; `maps` are those inside its branches."""
    return (
        same(192, 1)
        | same(maps, 1) >> same(maps, (1, 7)) >> same(192, (7, 1))
        | same(maps, 1) >> same(maps, (7, 1)) >> same(maps, (1, 7)) >> same(maps, (7, 1)) >> same(192, (1, 7))
        | pool >> same(192, 1)
    )


def reduction_17() -> Concat:
    """Figure 10: from 17x17 to 8x8, through 7x7 in one branch."""
    return same(192, 1) >> valid(320, 3, 2) | same(192, 1) >> same(192, (1, 7)) >> same(192, (7, 1)) >> valid(192, 3, 2) | MaxPool(3, 2)


def module_8(pool: AvgPool) -> Concat:
    """Figure 7: 1x3 and 3x1 side by side."""
    split = same(384, (1, 3)) | same(384, (3, 1))
    return same(320, 1) | same(384, 1) >> split | same(448, 1) >> same(384, 3) >> split | pool >> same(192, 1)


def inception_v3(count_pad: bool, rate: float, classes: int = 1000) -> Chain:
    """Table 1 as released: 3x299x299 in; whether average pools count their padding, and the rate of dropout."""
    pool = AvgPool(3, 1, pad=1, count_pad=count_pad)
    return Chain(
        **stem(),
        Mixed_5b=module_35(pool, 32),
        Mixed_5c=module_35(pool, 64),
        Mixed_5d=module_35(pool, 64),
        Mixed_6a=reduction_35(),
        Mixed_6b=module_17(pool, 128),
        Mixed_6c=module_17(pool, 160),
        Mixed_6d=module_17(pool, 160),
        Mixed_6e=module_17(pool, 192),
        AuxLogits=Head(AvgPool(5, 3) >> same(128, 1) >> valid(768, 5) >> FC(classes), 0.4),
        Mixed_7a=reduction_17(),
        Mixed_7b=module_8(pool),
        Mixed_7c=module_8(pool),
        Logits=GlobalAvgPool() >> Dropout(rate) >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
EXACT = (("parameters", "", 23_834_568), ("parameters_with_heads", "", 27_161_264), ("weight_layers", "", 48))

# fmt: off
TABLE_1 = (  # its input sizes, each of which is the output of the row before, and the stage of the release that gives it
    ("32x149x149", "Conv2d_1a_3x3"),
    ("32x147x147", "Conv2d_2a_3x3"),
    ("64x147x147", "Conv2d_2b_3x3"),
    ("64x73x73",   "MaxPool_3a_3x3"),
    ("192x35x35",  "MaxPool_5a_3x3"),
    ("768x17x17",  "Mixed_6a"),
    ("1280x8x8",   "Mixed_7a"),
    ("2048x8x8",   "Mixed_7c"),
    ("2048",       "Logits.0"),
    ("1000",       "Logits"),
)

VARIANTS = (
    Variant(
        "inception_v3", "Inception-v3 as its authors released it", CITATION, partial(inception_v3, False, 0.2), (3, 299, 299), "he",
        says=(
            Figure("macs", "5 billion", "abstract"),
            *(Figure("output", size, "table 1", stage) for size, stage in TABLE_1),
            Figure("output", "288x35x35", "sec. 6: three modules of 288 filters each", "Mixed_5c"),
            Figure("output", "288x35x35", "sec. 6: three modules of 288 filters each", "Mixed_5d"),
        ),
        exact=EXACT,
        reports=(
            Figure("imagenet_val_top1_error_one_crop", "21.2%", "table 3, without the blacklisted pictures"),
            Figure("imagenet_val_top5_error_one_crop", "5.6%", "table 3, without the blacklisted pictures"),
            Figure("imagenet_val_top1_error_12_crop", "19.47%", "table 4, without the blacklisted pictures"),
            Figure("imagenet_val_top5_error_12_crop", "4.48%", "table 4, without the blacklisted pictures"),
            Figure("imagenet_val_top1_error_144_crop", "18.77%", "table 4, without the blacklisted pictures"),
            Figure("imagenet_val_top5_error_144_crop", "4.2%", "table 4, without the blacklisted pictures"),
        ),
        errata=(
            Figure("output", "80x71x71", "table 1", "Conv2d_3b_1x1",
                   "The release has a convolution of 1x1 here, which takes no border off, and the 3x3 behind it."),
            Figure("output", "288x35x35", "sec. 6: three modules of 288 filters each", "Mixed_5b",
                   "The release projects the pool of its first module to 32 maps, that of the two others to 64."),
            Figure("weight_layers", "42", "sec. 6", why=(
                "The longest way through the release has 48 layers with weights; the paper does not say what it counts.")),
            Figure("macs", "4.8 billion", "table 3", why=(
                "The release multiplies 5.7 billion times at 299x299, as the abstract's 5 billion allows and table 3 does not.")),
            Figure("parameters", "23,626,728", "Chollet 2017, table 3", why=(
                "The release has 23,834,568 with the scales of its norms and 23,817,352 without; he does not say what he counts.")),
        ),
    ),
    Variant(
        "inception_v3_torch", "the look-alike that most weights fit: Inception-v3 whose average pools count the padding", CITATION,
        partial(inception_v3, True, 0.5), (3, 299, 299), "he",
        exact=EXACT,
    ),
)
# fmt: on
