"""LeCun 1989, "Generalization and network design strategies", technical report CRG-TR-89-4, University of Toronto.

Small networks that read the same digits: what is built into their connections need not be learned from few examples.

Departures: the figures are those of the paper's table as Hastie, Tibshirani, Friedman 2009, "The elements of statistical
learning", table 11.1, reprint it. The reprint does not say how units squash their input, how weights start, and what windows
read beyond the border. Here these are LeNet's tanh and uniform draw by fan-in (1998), and zeros, one place more at the right
and bottom than at the left and top. The squashing of the outputs belongs to the loss. Net-4 and Net-5, whose units share
weights but not biases, are not here.
"""

from hubel.joints import Chain
from hubel.layers import FC, Flatten, Local, ScaledTanh
from hubel.nets.paper import Figure, Variant


def net1(classes: int = 10) -> Chain:
    """A single layer: 1x16x16 in."""
    return Chain(output=Flatten() >> FC(classes))


def net2(classes: int = 10) -> Chain:
    """Twelve hidden units that read everything."""
    return Chain(H1=Flatten() >> FC(12) >> ScaledTanh(), output=FC(classes))


def net3(classes: int = 10) -> Chain:
    """Local connections: every hidden unit reads a window of its own, with weights of its own."""
    return Chain(
        H1=Local(1, 3, stride=2, pad=((0, 1), (0, 1))) >> ScaledTanh(),
        H2=Local(1, 5, stride=2, pad=((1, 2), (1, 2))) >> ScaledTanh(),
        output=Flatten() >> FC(classes),
    )


CITATION = (__doc__ or "").split("\n")[0]
PLACE = "Hastie et al. 2009, table 11.1"

# fmt: off
TABLE = (  # name, title, builder, links, weights, per cent correct on the test digits
    ("lecun1989_net1", "Net-1, a single layer",    net1, "2570", "2570", "80.0%"),
    ("lecun1989_net2", "Net-2, two layers",        net2, "3214", "3214", "87.0%"),
    ("lecun1989_net3", "Net-3, locally connected", net3, "1226", "1226", "88.5%"),
)

VARIANTS = tuple(
    Variant(
        name, f"LeCun 1989, {title}", CITATION, build, (1, 16, 16), "lecun_1998",
        says=(Figure("connections", links, PLACE), Figure("parameters", weights, PLACE)),
        reports=(Figure("digits_1989_test_accuracy", correct, PLACE),),
    )
    for name, title, build, links, weights, correct in TABLE
)
# fmt: on
