"""Where a network ends: its base without the classifier, and another classifier on the same base."""

from __future__ import annotations

from dataclasses import replace

from hubel.errors import HubelError
from hubel.joints import Chain, Expression, Head
from hubel.layers import FC, RBF, ConnectedConv, Conv, Depthwise, Dropout, Flatten, GlobalAvgPool, Local
from hubel.rewrite.sites import Knot, Rewritten, Site, Tree, changed, in_line, put_together, taken_apart

WEIGHTED = (Conv, Depthwise, ConnectedConv, Local, FC, RBF)


def headless(net: Expression) -> Rewritten:
    """The base alone: all before the maps become a vector, or before the convolution that gives the classes' maps (VGG's "no top").

    Heads of training go too. A network of fully-connected layers alone loses its last. Raises HubelError where nothing is left.
    """
    whole = taken_apart(net)
    line = [part for part in in_line(whole) if not _is_head(part)]
    weighted = [place for place, part in enumerate(line) if _is_weighted(part)]
    vectors = [
        place for place, part in enumerate(line) if isinstance(part, Site) and isinstance(part.layer, (FC, Flatten, GlobalAvgPool, RBF))
    ]
    if not weighted:
        raise HubelError("There is no classifier to take away: the network has no layer with weights.")
    cut = weighted[-1]
    if vectors and any(place < vectors[0] for place in weighted):
        cut = min(cut, vectors[0])
    while cut and isinstance(line[cut - 1], Site) and isinstance(line[cut - 1].layer, Dropout):  # type: ignore[union-attr]
        cut -= 1
    return put_together(_first(whole, {id(part) for part in line[:cut]}))


def _first(tree: Tree, kept: set[int]) -> Tree | None:
    """The chain with only those parts that are kept."""
    if id(tree) in kept:
        return tree
    if isinstance(tree, Knot) and isinstance(tree.joint, Chain):
        parts = tuple((name, left) for name, part in tree.parts if (left := _first(part, kept)) is not None)
        return Knot(tree.joint, parts) if parts else None
    return None


def with_head(net: Expression, classes: int) -> Rewritten:
    """The network for other classes: its last layer with weights gives `classes` scores, and starts afresh; heads of training likewise.

    Raises HubelError where the scores do not come from one convolution or fully-connected layer.
    """
    whole = taken_apart(net)
    heads = [part for part in in_line(whole) if _is_head(part)]
    main = [part for part in in_line(whole) if not _is_head(part)]
    lasts = {id(_scoring(main)), *(id(_scoring(list(in_line(head.parts[0][1])))) for head in heads if isinstance(head, Knot))}

    def fresh(site: Site) -> Site:
        if id(site) not in lasts:
            return site
        layer = site.layer
        return Site(replace(layer, maps=classes) if isinstance(layer, Conv) else replace(layer, outputs=classes))  # type: ignore[call-arg]

    return put_together(changed(whole, fresh))


def _scoring(line: list[Tree]) -> Site:
    last = next((part for part in reversed(line) if _is_weighted(part)), None)
    if not isinstance(last, Site) or not isinstance(last.layer, (Conv, FC)):
        said = "a joint" if isinstance(last, Knot) else "no layer at all" if last is None else repr(last.layer)
        raise HubelError(f"The classes' scores come from {said:.80}; another head is put only in the place of one Conv or FC.")
    return last


def _is_head(part: Tree) -> bool:
    return isinstance(part, Knot) and isinstance(part.joint, Head)


def _is_weighted(part: Tree) -> bool:
    if isinstance(part, Site):
        return isinstance(part.layer, WEIGHTED)
    return any(_is_weighted(inside) for _, inside in part.parts)
