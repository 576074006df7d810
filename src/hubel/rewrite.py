"""Network to network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hubel.joints import Chain, Expression, Head
from hubel.layers import Layer


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
    """The network with every window that must fit exactly rounded instead: "floor", or for pools alone "ceil"."""

    def relaxed(layer: Layer) -> Layer:
        return replace(layer, fit=fit) if getattr(layer, "fit", None) == "exact" else layer  # type: ignore[call-arg]

    return mapped(net, relaxed)
