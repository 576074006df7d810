"""He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition", section 4.2, CVPR 2016, arXiv:1512.03385.

The same blocks, thin and on small pictures, in up to 1202 layers: what depth does, with little else to explain it.

Departures: none. The maps of zeros of the shortcuts stand behind the others; the paper does not say where.
"""

from collections.abc import Callable
from functools import partial

from hubel import rewrite
from hubel.errors import LayerError
from hubel.joints import Chain
from hubel.layers import FC, GlobalAvgPool, ReLU
from hubel.nets.paper import Figure, Variant
from hubel.nets.resnet import basic, conv, stage


def resnet(depth: int, classes: int = 10) -> Chain:
    """3x32x32 in; 6n + 2 layers, shortcuts of option A. Raises LayerError where no n gives that depth."""
    n, rest = divmod(depth - 2, 6)
    if n < 1 or rest:
        raise LayerError(f"A ResNet for CIFAR has 6n + 2 layers, such as 20 or 110, not {depth!r}.")
    stack = partial(stage, basic, "A", n)
    return Chain(
        filters_16=conv(16, 3) >> ReLU() >> stack(16, 16, 1),
        filters_32=stack(16, 32, 2),
        filters_64=stack(32, 64, 2),
        classifier=GlobalAvgPool() >> FC(classes),
    )


def plain(depth: int, classes: int = 10) -> Chain:
    """The residual network without its shortcuts."""
    return rewrite.plain(resnet(depth, classes)).net


CITATION = (__doc__ or "").split("\n")[0]

# fmt: off
SECTION_4_2 = (  # filters, output map size, layers beside 2n
    (16, "32x32", 1),
    (32, "16x16", 0),
    (64,   "8x8", 0),
)
TABLE_6 = (  # layers, parameters as printed and exactly, error
    (  20, "0.27M",    269_722, "8.75%"),
    (  32, "0.46M",    464_154, "7.51%"),
    (  44, "0.66M",    658_586, "7.17%"),
    (  56, "0.85M",    853_018, "6.97%"),
    ( 110,  "1.7M",  1_727_962, "6.43%"),
    (1202, "19.4M", 19_421_274, "7.93%"),
)
PROSE = {
    "resnet1202": (Figure("cifar10_training_error_augmented", "0.1%", "sec. 4.2: below that"),),
    "plain110": (Figure("cifar10_test_error_augmented", "60%", "figure 6: above that, and not displayed"),),
}


def row(name: str, title: str, build: Callable[..., Chain], depth: int, parameters: str, exactly: int, *reports: Figure) -> Variant:
    """A row with what holds with shortcuts and without: these have no parameters (sec. 4.2)."""
    n = (depth - 2) // 6
    return Variant(
        name, f"ResNet-{depth} for CIFAR{title}", CITATION, partial(build, depth), (3, 32, 32), "he",
        says=(
            Figure("weight_layers", str(depth), "sec. 4.2"),
            Figure("parameters", parameters, "table 6"),
            *(Figure("output", f"{filters}x{size}", "sec. 4.2", f"filters_{filters}") for filters, size, _ in SECTION_4_2),
            Figure("output", "10", "sec. 4.2", "classifier"),
        ),
        exact=(
            ("parameters", "", exactly),
            *(("weight_layers", f"filters_{filters}", 2 * n + beside) for filters, _, beside in SECTION_4_2),
        ),
        reports=(*reports, *PROSE.get(name, ())),
    )


VARIANTS = (
    *(row(f"resnet{depth}", "", resnet, depth, parameters, exactly, Figure("cifar10_test_error_augmented", error, "table 6"))
      for depth, parameters, exactly, error in TABLE_6),
    *(row(f"plain{depth}", " without its shortcuts", plain, depth, parameters, exactly)
      for depth, parameters, exactly, _ in TABLE_6 if depth <= 110),
)
# fmt: on
