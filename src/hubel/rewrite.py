"""Network to network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hubel.joints import Chain, Expression, Head
from hubel.layers import Layer, Windowed


def mapped(net: Expression, change: Callable[[Layer], Expression]) -> Expression:
    """The network with `change` applied to every layer; the joints stay."""
    if isinstance(net, Layer):
        return change(net)
    if isinstance(net, Head):
        return Head(mapped(net.net, change), net.weight)
    parts = {name: mapped(part, change) for name, part in net.children()}
    if isinstance(net, Chain) and net.names is not None:
        return Chain(**parts)
    return type(net)(*parts.values())


def fitted(net: Expression, fit: str) -> Expression:
    """The network with every window that must fit exactly rounded instead: "floor", or "ceil", which only pools can."""

    def relaxed(layer: Layer) -> Layer:
        exact = isinstance(layer, Windowed) and fit in layer.fits and vars(layer).get("fit") == "exact"
        return replace(layer, fit=fit) if exact else layer  # type: ignore[call-arg]

    return mapped(net, relaxed)
