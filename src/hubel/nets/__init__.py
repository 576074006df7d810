"""The casebook: NETS has every network by name."""

from hubel.errors import HubelError, choices
from hubel.nets import lecture, lenet
from hubel.nets.paper import Variant

NETS: dict[str, Variant] = {variant.name: variant for room in (lenet, lecture) for variant in room.VARIANTS}


def variant(name: str) -> Variant:
    """The row of that name. Raises HubelError, with the nearest names, where there is none."""
    if name not in NETS:
        raise HubelError(choices(name, NETS, "network"))
    return NETS[name]
