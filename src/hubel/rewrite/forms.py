"""The same network in another form: fully convolutional, batch norm folded away, grouped; and its kin: plain, with small filters."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from hubel.anatomy import anatomy
from hubel.arguments import pair, sides
from hubel.errors import HubelError, choices
from hubel.joints import Chain, Concat, Expression, Head, Shape, Sum, chained, shown
from hubel.layers import (
    FC,
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Flatten,
    GlobalAvgPool,
    Identity,
    Layer,
    Local,
    ReLU,
    Windowed,
)
from hubel.rewrite.sites import UNNAMED, Knot, Rewritten, Site, State, Tree, changed, in_line, put_together, taken_apart


def fitted(net: Expression, fit: str) -> Expression:
    """The network with every window that must fit exactly rounded instead: "floor", or "ceil", which only pools can."""

    def relaxed(site: Site) -> Site:
        layer = site.layer
        exact = isinstance(layer, Windowed) and fit in layer.fits and vars(layer).get("fit") == "exact"
        return replace(site, layer=replace(layer, fit=fit)) if exact else site  # type: ignore[call-arg]

    return put_together(changed(taken_apart(net), relaxed)).net


def plain(net: Expression) -> Rewritten:
    """The network without shortcuts: of every sum, the branch with the most layers that multiply (the first of equals) stays.

    He, Zhang, Ren, Sun 2015, sec. 3.3: what a residual network is held against.
    """

    def bodies(tree: Tree) -> Tree:
        if isinstance(tree, Site):
            return tree
        parts = tuple((name, bodies(part)) for name, part in tree.parts)
        if isinstance(tree.joint, Sum):
            return max((part for _, part in parts), key=_multiplying)
        return Knot(tree.joint, parts)

    return put_together(bodies(taken_apart(net)))


def _multiplying(tree: Tree) -> int:
    if isinstance(tree, Site):
        return int(isinstance(tree.layer, (Conv, Depthwise, FC, Local)))
    return sum(_multiplying(part) for _, part in tree.parts)


def folded(net: Expression) -> Rewritten:
    """The network as it is used, with every batch norm that follows a convolution or fully-connected layer folded into it.

    Equal in evaluation. A batch norm behind anything else (a sum, a stack, a pool) stays.
    """
    whole = taken_apart(net)
    into: dict[int, Site] = {}
    taken: set[int] = set()

    def pairs(tree: Tree) -> None:
        before: Tree | None = None
        for part in in_line(tree):
            if isinstance(part, Knot):
                for _, inside in part.parts:
                    pairs(inside)
            elif isinstance(part.layer, BatchNorm) and isinstance(before, Site) and isinstance(before.layer, (Conv, Depthwise, FC)):
                into[id(before)] = part
                taken.add(id(part))
            elif isinstance(part.layer, Identity):
                continue
            before = part

    def merged(site: Site) -> Site | None:
        if id(site) in taken:
            return None
        norm = into.get(id(site))
        if norm is None or not isinstance(norm.layer, BatchNorm):
            return site
        return Site(replace(site.layer, bias=True), site.sources + norm.sources, _folding(norm.layer.eps))  # type: ignore[call-arg]

    pairs(whole)
    return put_together(changed(whole, merged))


def _folding(eps: float) -> Callable[[State, State], State]:
    def fold(layer: State, norm: State) -> State:
        scale = norm["weight"] / (norm["running_var"] + eps) ** 0.5
        weight = layer["weight"] * scale.reshape((-1,) + (1,) * (layer["weight"].ndim - 1))
        bias = norm["bias"] + (layer.get("bias", 0) - norm["running_mean"]) * scale
        return {"weight": weight, "bias": bias}

    return fold


def convolutional(net: Expression, input: Shape) -> Rewritten:
    """The network with its fully-connected layers as convolutions, so that it gives scores for any picture at least as large as `input`.

    Equal for pictures of shape `input`; for larger ones a last stage, `average`, averages the maps of scores (Simonyan,
    Zisserman 2014, sec. 3.2). A network that ends in global average pooling keeps it as its end. Raises HubelError where a
    layer is tied to one size of picture.
    """
    anatomy(net, input)
    whole = taken_apart(net)
    end = [part for part in in_line(whole) if not (isinstance(part, Knot) and isinstance(part.joint, Head))][-1]
    averaged = isinstance(end, Site) and isinstance(end.layer, GlobalAvgPool)

    def walked(tree: Tree, shape: Shape) -> tuple[Tree | None, Shape]:
        """The tree for maps of `shape`, and the shape of what leaves it."""
        if isinstance(tree, Site):
            site = tree if tree is end and averaged else _windowed(tree, shape)
            return site, site.layer.output(shape) if site else shape
        if isinstance(tree.joint, Head):
            return tree, shape
        parts, shapes = [], []
        for name, part in tree.parts:
            new, leaving = walked(part, shape)
            shapes.append(leaving)
            if isinstance(tree.joint, Chain):
                shape = leaving
                if new is None:
                    continue
            parts.append((name, new or Site(Identity())))
        if isinstance(tree.joint, (Sum, Concat)):
            shape = tree.joint.joined(shapes)
        return (Knot(tree.joint, tuple(parts)) if parts else None), shape

    form, _ = walked(whole, input)
    if isinstance(form, Knot) and not averaged:
        form = Knot(form.joint, (*form.parts, ("average", Site(GlobalAvgPool()))))
    return put_together(form)


def _windowed(site: Site, maps: Shape) -> Site | None:
    """The site as it stands in a convolutional network, where `maps` come in; None where maps pass as they are."""
    layer = site.layer
    if len(maps) != 3:
        raise HubelError(f"A network that reads vectors of {shown(maps)} has no places to convolve over; give it maps (C, H, W).")
    if isinstance(layer, Flatten):
        return None
    if isinstance(layer, FC):
        shape = (layer.outputs, *maps)
        return Site(
            Conv(layer.outputs, maps[1:], bias=layer.bias), site.sources, lambda state: {**state, "weight": state["weight"].reshape(shape)}
        )
    if isinstance(layer, GlobalAvgPool):
        return replace(site, layer=AvgPool((maps[1], maps[2]), 1))
    if isinstance(layer, AdaptiveAvgPool):
        down, across = pair(layer.size)
        if maps[1] % down == maps[2] % across == 0:
            return replace(site, layer=AvgPool((maps[1] // down, maps[2] // across)))
    if isinstance(layer, (AdaptiveAvgPool, Local, RBF)):
        raise HubelError(f"{layer!r:.80} is tied to one size of picture, so the network has no convolutional form.")
    return site


def stack_3x3(net: Expression, least: int = 5) -> Rewritten:
    """The network with every convolution of `least` x `least` or more as a stack of 3x3 with the same receptive field and output size.

    Between the small filters stand ReLUs, behind batch norms where the large one had no bias (Simonyan, Zisserman 2014, sec. 2.3).
    The last of a stack has the large one's stride. The stacks' weights start afresh: no stack computes what a large filter does.
    """

    def stacked(site: Site) -> Tree:
        layer = site.layer
        if not isinstance(layer, Conv) or type(layer.size) is not int or layer.size < least or layer.size % 2 == 0 or layer.size == 1:
            return site
        if layer.groups != 1 or layer.dilation != 1:
            return site
        count = layer.size // 2
        links: list[Layer] = []
        for number in range(count):
            (top, bottom), (left, right) = sides(layer.pad)

            def share(side: int, number: int = number) -> int:
                return side * (number + 1) // count - side * number // count

            pad = ((share(top), share(bottom)), (share(left), share(right)))
            links.append(replace(layer, size=3, pad=pad, stride=layer.stride if number == count - 1 else 1))
            if number < count - 1:
                links += [ReLU()] if layer.bias else [BatchNorm(), ReLU()]
        return Knot(UNNAMED, tuple((str(place), Site(link)) for place, link in enumerate(links)))

    return put_together(changed(taken_apart(net), stacked))


def grouped(net: Expression, input: Shape, towers: int, stages: Collection[str] | None = None) -> Rewritten:
    """The network with the convolutions of the named top-level stages in `towers` groups, as AlexNet's over two GPUs.

    Without `stages`: all whose input and output maps can be shared out, so not the first. Weights between the towers are
    dropped; with towers=1 they come back as zeros, and outputs stay equal.
    """
    names = [name for name, _ in chained(net).children()]
    for stage in stages or ():
        if stage not in names:
            raise HubelError(choices(stage, names, "stage"))
    maps_in = {row.path: row.input[0] for row in anatomy(net, input, heads=True).rows}

    def shared(site: Site) -> Site:
        layer = site.layer
        path = site.sources[0]
        if not isinstance(layer, Conv) or (stages is not None and path.split(".")[0] not in stages):
            return site
        if maps_in[path] % towers or layer.maps % towers:
            if stages is None:
                return site
            raise HubelError(f"{path}: {maps_in[path]} maps in and {layer.maps} out cannot be shared out over {towers} towers.")
        return Site(replace(layer, groups=towers), site.sources, _regrouping(layer.groups, towers))

    return put_together(changed(taken_apart(net), shared))


def _regrouping(before: int, after: int) -> Callable[[State], State]:
    def regroup(state: State) -> State:
        weight = state["weight"]
        maps, share, *size = weight.shape
        here = list(range(before))
        dense = (weight * 0).reshape(before, maps // before, 1, share, *size)[:, :, [0] * before]
        dense[here, :, here] = weight.reshape(before, maps // before, share, *size)
        there = list(range(after))
        kept = dense.reshape(after, maps // after, after, before * share // after, *size)[there, :, there]
        return {**state, "weight": kept.reshape(maps, -1, *size)}

    return regroup
