"""Where a network ends: its base without the classifier, and another classifier on the same base."""

from __future__ import annotations

from dataclasses import replace

from hubel.errors import HubelError
from hubel.joints import Chain, Expression
from hubel.layers import FC, RBF, AdaptiveAvgPool, Conv, Dropout, Flatten, GlobalAvgPool, Layer, PadMaps
from hubel.rewrite.sites import MULTIPLYING, Knot, Rewritten, Site, Tree, changed, count, in_line, is_head, put_together, taken_apart

SCORING = (*MULTIPLYING, RBF)
"""The layers that can give scores."""

FLATTENING = (FC, RBF, Flatten, GlobalAvgPool)
"""The layers that make a vector of maps."""


def headless(net: Expression) -> Rewritten:
    """The base alone: all before the maps become a vector, or before the convolution that gives the classes' maps (VGG's "no top").

    Heads of training go too, and so do dropout and adaptive pooling right before the cut, which serve the classifier. Where no
    weights stand before the vector, the last layer with weights goes, and what is behind it. Raises HubelError where nothing is left.
    """
    whole = taken_apart(net)
    line = [part for part in in_line(whole) if not is_head(part)]
    kept = line[: _cut(line)]
    while kept and isinstance(kept[-1], Site) and isinstance(kept[-1].layer, (Dropout, AdaptiveAvgPool)):
        kept.pop()
    return put_together(_only(whole, frozenset(kept)))


def _cut(line: list[Tree]) -> int:
    """Where in the line the classifier begins."""
    scoring = [place for place, part in enumerate(line) if count(part, SCORING)]
    flattening = [place for place, part in enumerate(line) if count(part, FLATTENING)]
    if not scoring:
        raise HubelError("There is no classifier to take away: the network has no layer with weights.")
    last = line[scoring[-1]]
    if flattening and scoring[0] < flattening[0] and (scoring[-1] >= flattening[0] or isinstance(last, Knot)):
        return flattening[0]
    if not flattening and isinstance(last, Knot):
        raise HubelError(f"There is no classifier to take away: the network ends in the maps of a {type(last.joint).__name__}.")
    return scoring[-1]


def _only(tree: Tree, kept: frozenset[Tree]) -> Tree | None:
    """The chain with only those parts that are kept."""
    if tree in kept:
        return tree
    if isinstance(tree, Knot) and isinstance(tree.joint, Chain):
        parts = tuple((name, left) for name, part in tree.parts if (left := _only(part, kept)) is not None)
        return Knot(tree.joint, parts) if parts else None
    return None


def judged(net: Expression) -> Rewritten:
    """The network as it is used: without the heads that exist only in training."""
    whole = taken_apart(net)
    return put_together(Knot(whole.joint, tuple((name, part) for name, part in whole.parts if not is_head(part))))


def with_head(net: Expression, classes: int) -> Rewritten:
    """The network for other classes: its last layer with weights gives `classes` scores, and starts afresh; heads of training likewise.

    So do norms behind that layer, which are as long as the scores. Raises HubelError where the scores do not come straight from
    one convolution or fully-connected layer.
    """
    whole = taken_apart(net)
    line = list(in_line(whole))
    heads = [list(in_line(part.parts[0][1])) for part in line if isinstance(part, Knot) and is_head(part)]
    fresh: dict[Site, Layer] = {}
    for scores, *behind in map(_ending, [line, *heads]):
        layer = scores.layer
        fresh[scores] = replace(layer, maps=classes) if isinstance(layer, Conv) else replace(layer, outputs=classes)  # type: ignore[call-arg]
        fresh.update({site: site.layer for site in behind})
    return put_together(changed(whole, lambda site: Site(fresh[site]) if site in fresh else site))


def _ending(line: list[Tree]) -> list[Site]:
    """The layer that gives the scores, and the layers behind it."""
    remedy = "A new head is put only in the place of one Conv or FC; take headless(net).net and write another classifier behind it."
    if not any(count(part, FLATTENING) for part in line if not is_head(part)):
        raise HubelError(f"The network gives maps, not scores. {remedy}")
    weighted = [place for place, part in enumerate(line) if count(part, SCORING)]
    scores, *behind = line[weighted[-1] if weighted else -1 :]
    others = (part for part in behind if isinstance(part, Knot) or isinstance(part.layer, PadMaps))  # they change how many there are
    source = next(others, None) if isinstance(scores, Site) and isinstance(scores.layer, (Conv, FC)) else scores
    if source is not None:
        said = repr(source.layer) if isinstance(source, Site) else f"a {type(source.joint).__name__}"
        raise HubelError(f"The classes' scores come from {said:.80}. {remedy}")
    return [part for part in (scores, *behind) if isinstance(part, Site)]
