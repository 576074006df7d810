"""Other filters: a large one as a stack of small ones, and towers that share the maps out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from hubel.anatomy import anatomy
from hubel.arguments import sides
from hubel.errors import HubelError, choices, shortened
from hubel.joints import Expression, Shape, chained
from hubel.layers import BatchNorm, Conv, ReLU
from hubel.rewrite.sites import UNNAMED, Knot, Rewritten, Site, State, Tree, changed, put_together, taken_apart
from hubel.windows import Window


def stack_3x3(net: Expression, least: int = 5) -> Rewritten:
    """The network with every square Conv of odd size from `least` on as a stack of 3x3 that sees as much and gives the same shape.

    Between the small filters stand ReLUs, behind batch norms where the large one had no bias (Simonyan, Zisserman 2014, sec. 2.3).
    Groups and dilation are the large one's, the last filter has its stride. The stacks' weights start afresh: no stack computes
    what a large filter does.
    """

    def stacked(site: Site) -> Tree:
        layer = site.layer
        if not isinstance(layer, Conv) or isinstance(layer.size, tuple) or layer.size % 2 == 0 or layer.size < max(least, 5):
            return site
        between = (ReLU(),) if layer.bias else (BatchNorm(), ReLU())
        first, *others = _small(layer, layer.size // 2)
        links = (first, *(link for small in others for link in (*between, small)))
        return Knot(UNNAMED, tuple((str(number), Site(link)) for number, link in enumerate(links)))

    return put_together(changed(taken_apart(net), stacked))


def _small(layer: Conv, number: int) -> list[Conv]:
    """That many filters of 3x3 instead of a large one. Its padding is shared out, the first have more: maps never run out between them."""

    def share(side: int, place: int) -> int:
        return -(-side * (place + 1) // number) + -side * place // number

    (top, bottom), (left, right) = sides(layer.pad)
    pads = [((share(top, place), share(bottom, place)), (share(left, place), share(right, place))) for place in range(number)]
    small = [replace(layer, size=3, stride=1, pad=pad) for pad in pads]
    small[-1] = replace(small[-1], stride=layer.stride)
    if any(_spared(large) > _spared(last) for large, last in zip(layer.windows(), small[-1].windows())):
        small[-1] = replace(small[-1], fit="floor")  # what it leaves unread is padding, but an earlier filter's
    return small


def _spared(window: Window) -> int:
    """How many inputs rounding may leave unread."""
    return min(window.stride - 1, window.after + max(0, window.stride - window.span))


def grouped(net: Expression, input: Shape, towers: int, stages: Collection[str] | None = None) -> Rewritten:
    """The network with the convolutions of the named top-level stages in `towers` groups, as AlexNet's over two GPUs.

    Without `stages`: all whose input and output maps can be shared out, so not the first, which reads three colours. Weights
    between the towers are dropped; with towers=1 they come back as zeros, and outputs stay equal. Response norms keep their groups.
    """
    if type(towers) is not int or towers < 1:
        raise HubelError(f"There cannot be {shortened(towers)} towers; it must be a positive whole number, 1 for no groups.")
    chosen = (stages,) if isinstance(stages, str) else stages
    maps_in = {row.path: row.input[0] for row in anatomy(net, input, heads=True).rows if isinstance(row.part, Conv)}
    for stage in chosen or ():
        names = [name for name, _ in chained(net).children()]
        if stage not in names:
            raise HubelError(choices(stage, names, "stage"))
        if stage not in {path.split(".")[0] for path in maps_in}:
            raise HubelError(f"Stage {stage} has no Conv that could be shared out over towers; leave it out.")

    def shared(site: Site) -> Site:
        layer, path = site.layer, site.sources[0]
        if not isinstance(layer, Conv) or layer.groups == towers or (chosen is not None and path.split(".")[0] not in chosen):
            return site
        if maps_in[path] % towers or layer.maps % towers:
            if chosen is None:
                return site
            raise HubelError(
                f"{path}: {maps_in[path]} maps in and {layer.maps} out cannot be shared out over {towers} towers; leave the stage out."
            )
        return Site(replace(layer, groups=towers), site.sources, _regrouping(layer.groups, towers))

    return put_together(changed(taken_apart(net), shared))


def _regrouping(before: int, after: int) -> Callable[[State], State]:
    """The weights of a convolution in `before` groups as those of one in `after` groups, by way of the dense one."""

    def regroup(state: State) -> State:
        weight = state["weight"]
        maps, share, *size = weight.shape
        here, there = list(range(before)), list(range(after))
        dense = (weight * 0).reshape(before, maps // before, 1, share, *size)[:, :, [0] * before]
        dense[here, :, here] = weight.reshape(before, maps // before, share, *size)
        kept = dense.reshape(after, maps // after, after, before * share // after, *size)[there, :, there]
        return {**state, "weight": kept.reshape(maps, -1, *size)}

    return regroup
