"""The same network in another form: fully convolutional, batch norm folded away, grouped; and its kin: plain, with small filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hubel.anatomy import anatomy
from hubel.arguments import pair
from hubel.errors import HubelError, ShapeError, shortened
from hubel.joints import Concat, Expression, Shape, Sum, chained, shown
from hubel.layers import (
    FC,
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    Layer,
    Local,
    Softmax,
    Windowed,
)
from hubel.rewrite.sites import (
    MULTIPLYING,
    Knot,
    Rewritten,
    Site,
    State,
    Tree,
    changed,
    count,
    in_line,
    is_head,
    put_together,
    taken_apart,
)


def fitted(net: Expression, fit: str) -> Expression:
    """The network with every window that must fit exactly rounded instead: "floor", or "ceil", which only pools can.

    LeNet-5's subsampling has no rounding and stays as it is.
    """
    if fit not in ("floor", "ceil"):
        raise HubelError(f'A network cannot be fitted by {shortened(fit)}; it must be "floor" or "ceil".')

    def relaxed(site: Site) -> Site:
        layer = site.layer
        exact = isinstance(layer, Windowed) and fit in layer.fits and vars(layer).get("fit") == "exact"
        return replace(site, layer=replace(layer, fit=fit)) if exact else site  # type: ignore[call-arg]

    return put_together(changed(taken_apart(net), relaxed)).net


def without(net: Expression, *kinds: type[Layer]) -> Rewritten:
    """The network without its layers of those kinds, such as Dropout, which only training needs."""
    return put_together(changed(taken_apart(net), lambda site: None if isinstance(site.layer, kinds) else site))


def plain(net: Expression) -> Rewritten:
    """The network without shortcuts: of every sum, the branch with the most layers that multiply (the first of equals) stays.

    He, Zhang, Ren, Sun 2015, sec. 3.3: what a residual network is held against.
    """

    def bodies(tree: Tree) -> Tree:
        if isinstance(tree, Site):
            return tree
        parts = tuple((name, bodies(part)) for name, part in tree.parts)
        if isinstance(tree.joint, Sum):
            return max((part for _, part in parts), key=lambda part: count(part, MULTIPLYING))
        return Knot(tree.joint, parts)

    return put_together(bodies(taken_apart(net)))


# --- batch norm -------------------------------------------------------------------------------------------------------


def folded(net: Expression) -> Rewritten:
    """The network as it is used, with every batch norm that follows a Conv, Depthwise or FC folded into it.

    Equal in evaluation. A batch norm behind anything else (a sum, a stack, a pool, an activation) stays.
    """
    whole = taken_apart(net)
    norms: dict[Site, Site] = {}

    def find(tree: Tree) -> None:
        before: Tree | None = None
        for part in in_line(tree):
            if isinstance(part, Knot):
                for _, inside in part.parts:
                    find(inside)
            elif isinstance(part.layer, BatchNorm) and isinstance(before, Site) and isinstance(before.layer, (Conv, Depthwise, FC)):
                norms[before] = part
            if not isinstance(part, Site) or not isinstance(part.layer, (Identity, Dropout)):  # both pass maps on in evaluation
                before = part

    find(whole)
    gone = set(norms.values())

    def merged(site: Site) -> Site | None:
        if site in norms:
            layer, norm = site.layer, norms[site]
            return Site(replace(layer, bias=True), site.sources + norm.sources, _folding(layer, norm.layer))  # type: ignore[call-arg]
        return None if site in gone else site

    return put_together(changed(whole, merged))


def _folding(layer: Layer, norm: Layer) -> Callable[[State, State], State]:
    """The weights of `layer` with those of the norm behind it in them."""
    had_bias, eps = vars(layer)["bias"], vars(norm)["eps"]

    def fold(state: State, norm: State) -> State:
        scale = norm["weight"] / (norm["running_var"] + eps) ** 0.5
        weight = state["weight"] * scale.reshape((-1,) + (1,) * (state["weight"].ndim - 1))
        mean = norm["running_mean"] - state["bias"] if had_bias else norm["running_mean"]
        return {"weight": weight, "bias": norm["bias"] - mean * scale}

    return fold


# --- fully convolutional ----------------------------------------------------------------------------------------------


def convolutional(net: Expression, input: Shape) -> Rewritten:
    """The network with its fully-connected layers as convolutions: scores for every larger picture too that its windows fit.

    Equal for pictures of shape `input`. For larger ones there is a map of scores, each place that of a crop where nothing is
    padded, which a last stage, `average`, averages (Simonyan, Zisserman 2014, sec. 3.2). A network that ends in global average
    pooling keeps it as its end; one that gives maps gives the same maps. Heads of training are left out: they are tied to `input`.
    Raises HubelError where another layer is tied to one size of picture.
    """
    if len(input) != 3:
        raise HubelError(f"A network that reads vectors of {shown(input)} has no places to convolve over; give it maps (C, H, W).")
    sized = anatomy(net, input)
    entering = {row.path: row.input for row in sized.rows}
    whole = taken_apart(net)
    end = [part for part in in_line(whole) if not is_head(part)][-1]
    averaged = isinstance(end, Site) and isinstance(end.layer, GlobalAvgPool)

    def walked(tree: Tree, shape: Shape) -> tuple[Tree | None, Shape]:
        """The tree for maps of `shape`, and the shape of what leaves it."""
        if isinstance(tree, Site):
            site = tree if tree is end and averaged else _windowed(tree, entering[tree.sources[0]], shape)
            return site, site.layer.output(shape) if site else shape
        if isinstance(tree.joint, (Sum, Concat)):
            branches = [(name, *walked(part, shape)) for name, part in tree.parts]
            joint = Knot(tree.joint, tuple((name, part or Site(Identity())) for name, part, _ in branches))
            return joint, _met(tree.joint, [leaving for *_, leaving in branches])
        parts = []
        for name, part in tree.parts:
            link, shape = (None, shape) if is_head(part) else walked(part, shape)
            if link:
                parts.append((name, link))
        return (Knot(tree.joint, tuple(parts)) if parts else None), shape

    form, shape = walked(whole, input)
    if len(sized.output) == 3 or averaged:
        return put_together(form)
    if shape[1:] != (1, 1):
        raise HubelError(
            f"The network ends in the {shown(sized.output)} values of {shown(shape)} maps, so it has no scores for larger pictures."
        )
    name = "average"
    while name in (chained(net).names or ()):
        name += "_"
    return put_together(Knot(whole.joint, (*(form.parts if isinstance(form, Knot) else ()), (name, Site(GlobalAvgPool())))))


def _windowed(site: Site, was: Shape, maps: Shape) -> Site | None:
    """The site as it stands where `maps` come in instead of what `was`; None where maps pass as they are."""
    layer = site.layer
    if isinstance(layer, Flatten) or (isinstance(layer, AdaptiveAvgPool) and pair(layer.size) == maps[1:]):
        return None
    if isinstance(layer, FC):
        shape = (layer.outputs, *maps)
        conv = Conv(layer.outputs, (maps[1], maps[2]), bias=layer.bias)
        return Site(conv, site.sources, lambda state: {**state, "weight": state["weight"].reshape(shape)})
    if isinstance(layer, GlobalAvgPool):
        return Site(AvgPool((maps[1], maps[2]), 1))
    if isinstance(layer, AdaptiveAvgPool):
        down, across = pair(layer.size)
        if maps[1] % down == 0 and maps[2] % across == 0:
            size = (maps[1] // down, maps[2] // across)
            return Site(AvgPool(size, (1 if down == 1 else size[0], 1 if across == 1 else size[1])))
    over_places = isinstance(layer, (BatchNorm, Softmax)) and was[0] != maps[0]
    if over_places or isinstance(layer, (AdaptiveAvgPool, Local, RBF)):
        raise HubelError(f"{site.sources[0]}: {layer!r:.80} is tied to one size of picture, so the network has no convolutional form.")
    return site


def _met(joint: Sum | Concat, shapes: list[Shape]) -> Shape:
    """What leaves a joint of branches that gave vectors, and now give maps."""
    try:
        return joint.joined(shapes)
    except ShapeError:
        maps = " and ".join(map(shown, shapes))
        raise HubelError(
            f"A {type(joint).__name__} joins vectors that were maps of {maps}, so the network has no convolutional form."
        ) from None
