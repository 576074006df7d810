"""The same network in another form: fully convolutional, batch norm folded away, grouped; and its kin: plain, with small filters."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from hubel.anatomy import anatomy
from hubel.arguments import pair, sides
from hubel.errors import HubelError, ShapeError, choices, shortened
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
    ReLU,
    Softmax,
    Windowed,
)
from hubel.rewrite.sites import (
    MULTIPLYING,
    UNNAMED,
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
from hubel.windows import Window


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


# --- filters ----------------------------------------------------------------------------------------------------------


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
    between the towers are dropped; with towers=1 they come back as zeros, and outputs stay equal.
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
