"""A network taken apart for rewriting: every layer knows where it stood, so that its weights can follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubel.errors import HubelError
from hubel.joints import Chain, Concat, Expression, Head, Sum, chained
from hubel.layers import FC, BatchNorm, ConnectedConv, Conv, Depthwise, Identity, Layer, Local, Subsample

State = dict[str, Any]
"""A layer's own arrays by their names in the state dict: weight, bias, running_mean, ..."""

Change = Callable[..., State]
"""The new layer's arrays from those of its sources, in their order."""


def _unchanged(state: State) -> State:
    return state


@dataclass(frozen=True)
class Site:
    """A layer of the new network, the paths of the old layers that its weights come from, and how. Without sources they are fresh."""

    layer: Layer
    sources: tuple[str, ...] = ()
    change: Change = _unchanged


@dataclass(frozen=True)
class Knot:
    """A joint of the new network; `joint` is the old one, which says its kind, whether its parts are named, and a head's weight."""

    joint: Expression
    parts: tuple[tuple[str, Tree], ...]


Tree = Site | Knot

UNNAMED = Chain(Identity())
"""The kind of joint that a new chain without names has."""

MULTIPLYING = (Conv, Depthwise, ConnectedConv, Local, FC)
"""The layers that multiply their input by weights."""

LEARNING = (*MULTIPLYING, Subsample, BatchNorm)
"""The layers that have weights in the state dict."""


def taken_apart(net: Expression) -> Knot:
    """The network as a tree that gives the same network again."""
    tree = _tree(chained(net), ())
    assert isinstance(tree, Knot)
    return tree


def _tree(part: Expression, path: tuple[str, ...]) -> Tree:
    if isinstance(part, Layer):
        return Site(part, (".".join(path),))
    return Knot(part, tuple((name, _tree(inside, (*path, name))) for name, inside in part.children()))


def in_line(tree: Tree) -> Iterator[Tree]:
    """What stands one behind another: the sites of a chain and of the chains in it; other joints whole."""
    if isinstance(tree, Knot) and isinstance(tree.joint, Chain):
        for _, part in tree.parts:
            yield from in_line(part)
    else:
        yield tree


def is_head(tree: Tree) -> bool:
    return isinstance(tree, Knot) and isinstance(tree.joint, Head)


def count(tree: Tree, kinds: tuple[type[Layer], ...]) -> int:
    """How many layers of these kinds stand in the tree."""
    if isinstance(tree, Site):
        return int(isinstance(tree.layer, kinds))
    return sum(count(part, kinds) for _, part in tree.parts)


def changed(tree: Tree, change: Callable[[Site], Tree | None]) -> Tree | None:
    """The tree with `change` applied to every site; where it gives None the site is left out, and a joint without parts too."""
    if isinstance(tree, Site):
        return change(tree)
    parts = [(name, changed(part, change)) for name, part in tree.parts]
    if isinstance(tree.joint, (Sum, Concat)):  # a branch that holds nothing is the input itself
        return Knot(tree.joint, tuple((name, part or Site(Identity())) for name, part in parts))
    kept = tuple((name, part) for name, part in parts if part is not None)
    return Knot(tree.joint, kept) if kept else None


@dataclass(frozen=True)
class Rewritten:
    """A rewriting's result: the new network, and where its weights come from."""

    net: Chain
    moves: tuple[tuple[str, Site], ...] = field(repr=False)
    """(path in the new network, its site), for every layer whose weights come from the old network."""

    def carried(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """The new network's weights, from the old network's state dict (torch tensors or NumPy arrays), by their new names.

        What did not change is the same array, not a copy. Layers that the old network had not are left out: they start afresh.
        Raises HubelError where weights are missing, or are those of another network.
        """
        by_layer: dict[str, State] = {}
        for name, value in weights.items():
            path, _, own = name.rpartition(".")
            by_layer.setdefault(path, {})[own] = value
        moved = {}
        for path, site in self.moves:
            states = [by_layer.get(source, {}) for source in site.sources]
            said = " and ".join(site.sources)
            if isinstance(site.layer, LEARNING) and not all(states):
                raise HubelError(f"There are no weights of {said}: give the whole state dict of the old network.")
            try:
                moved.update({f"{path}.{name}": value for name, value in site.change(*states).items()})
            except (LookupError, ValueError, RuntimeError) as error:  # NumPy's and torch's words for a shape that is another
                raise HubelError(f"The weights of {said} are not those of the old network ({error}): give its whole state dict.") from error
        return moved


def put_together(tree: Tree | None) -> Rewritten:
    """The network that a tree stands for. Raises HubelError where nothing is left of it."""
    if tree is None:
        raise HubelError("Nothing is left of the network: it has no layers but those that were taken away.")
    moves: list[tuple[str, Site]] = []

    def made(tree: Tree, path: tuple[str, ...]) -> Expression:
        if isinstance(tree, Site):
            if tree.sources:
                moves.append((".".join(path), tree))
            return tree.layer
        kind = type(tree.joint)
        named = isinstance(tree.joint, Chain) and tree.joint.names is not None
        parts: dict[str, Expression] = {}
        for number, (name, part) in enumerate(tree.parts):
            here = (*path, name if named else str(number))
            if kind in (Sum, Concat) and isinstance(part, Knot) and type(part.joint) is kind:  # would be spliced, and its paths shift
                parts[here[-1]] = Chain(made(part, (*here, "0")))
            else:
                parts[here[-1]] = made(part, here)
        if isinstance(tree.joint, Head):
            return Head(parts["0"], tree.joint.weight)
        return Chain(**parts) if named else kind(*parts.values())

    net = made(tree, ())
    assert isinstance(net, Chain)
    return Rewritten(net, tuple(moves))
