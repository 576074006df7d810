"""A trained base with a fresh head for other classes: one network, whose last stage is the head."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from torch import nn

from hubel import weights
from hubel.build import build, initialise
from hubel.errors import ShapeError, TransferError, choices
from hubel.joints import Chain, Expression, Shape, shown
from hubel.layers import FC, AdaptiveAvgPool, BatchNorm, Conv, Depthwise, Dropout, GlobalAvgPool, Layer, ReLU
from hubel.model import Model
from hubel.modules import Network
from hubel.pictures.pixels import Pixels
from hubel.rewrite import fitted, headless
from hubel.transfer.recipes import HEADS

HEAD, POOLING = "head", "pooling"
"""The head's stage, and that before it where maps are pooled."""


@dataclass(frozen=True)
class Graft:
    """A model whose base is trained already, and whose head is not."""

    model: Model
    digest: str
    """Of the base's weights and statistics."""

    @property
    def base(self) -> nn.Module:
        """All of the network but its head; weights are shared with it."""
        network = self.model.network
        assert isinstance(network, Network)
        return network[:-1]

    @property
    def head(self) -> nn.Module:
        return self.model.network.get_submodule(HEAD)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the base."""
        return tuple(name for name, _ in self.model.expression.children() if name != HEAD)


def grafted(base: Model, classes: tuple[str, ...], head: str = "notes", input: Shape | None = None, seed: int = 0) -> Graft:
    """The base of a trained network, with a fresh head for those classes; `seed` decides its weights.

    input: (C, H, W), where pictures are to be read larger or smaller than the base's were. Maps are pooled before the head where the base's own
    classifier pooled them. Raises TransferError where the network has no base, or does not take such an input.
    """
    if head not in HEADS:
        raise TransferError(choices(head, HEADS, "head"))
    pixels = _resized(base.pixels, input)
    bare = headless(base.expression)
    named = bare.net.names is not None and not {HEAD, POOLING} & set(bare.net.names)
    stages = dict(bare.net.children()) if named else {"base": bare.net}
    pooled = {POOLING: GlobalAvgPool()} if _pools(base.expression) and len(bare.net.output(base.input)) == 3 else {}
    scores = FC(len(classes))
    top: Expression = FC(256) >> ReLU() >> Dropout(0.5) >> scores if head == "notes" else Chain(scores)
    net = _fitting(Chain(**stages, **pooled, **{HEAD: top}), pixels.shape)
    network = build(net, pixels.shape, None)
    carried = {path if named else f"base.{path}": tensor for path, tensor in bare.carried(base.network.state_dict()).items()}
    network.load_state_dict(carried, strict=False)
    initialise(network.get_submodule(HEAD), "he", seed)
    model = Model(net, pixels.shape, classes, pixels, network.eval(), {}, {}, {})
    return Graft(model, base_digest(network))


def base_digest(network: nn.Module) -> str:
    """The SHA-256 of the weights and statistics of all but the head."""
    return weights.digest({path: tensor for path, tensor in network.state_dict().items() if not path.startswith(f"{HEAD}.")})


def _resized(pixels: Pixels, input: Shape | None) -> Pixels:
    """The policy for another input: a larger rim is cut off where more is read."""
    if input is None or input == pixels.shape:
        return pixels
    if len(input) != 3 or input[0] != pixels.channels:
        raise TransferError(f"The input is {shown(input)}; the base reads {shown(pixels.shape)}, so it must be {pixels.channels}xHxW.")
    resized = pixels.resized and round(pixels.resized * max(input[1:]) / max(pixels.height, pixels.width))
    return replace(pixels, height=input[1], width=input[2], resized=resized)


def _pools(net: Expression) -> bool:
    """Whether a network's own classifier reads the mean of each map."""
    if isinstance(net, Layer):
        return isinstance(net, (GlobalAvgPool, AdaptiveAvgPool))
    return any(_pools(part) for _, part in net.children())


def _fitting(net: Chain, shape: Shape) -> Chain:
    """The network, with windows that round down where they do not fit the input."""
    try:
        net.output(shape)
        return net
    except ShapeError:
        loose = fitted(net, "floor")
    try:
        loose.output(shape)
    except ShapeError as error:
        raise TransferError(f"The base does not take pictures of {shown(shape)}: {str(error).splitlines()[0]}") from error
    assert isinstance(loose, Chain)
    return loose


def last_convolutions(net: Chain, count: int = 3) -> tuple[str, ...]:
    """The paths of the base's last convolutions, and of the batch norms among and behind them, which are released with them."""
    paths = list(_layers(net, ()))
    learning = [path for path, layer in paths if isinstance(layer, (Conv, Depthwise)) and path.split(".")[0] != HEAD]
    if not learning:
        raise TransferError("The base has no convolutions that could be released.")
    first = [path for path, _ in paths].index(learning[-count:][0])
    return tuple(path for path, layer in paths[first:] if isinstance(layer, (Conv, Depthwise, BatchNorm)) and path.split(".")[0] != HEAD)


def frozen_but(net: Chain, released: tuple[str, ...]) -> str:
    """What a recipe's `frozen` says where only those layers or stages learn, and the head: the largest parts that hold none of them."""
    names = {path for path, _ in _layers(net, ())}
    every = {".".join(path.split(".")[:depth]) for path in names for depth in range(1, path.count(".") + 2)}
    for path in released:
        if path not in every:
            raise TransferError(choices(path, [name for name, _ in net.children() if name != HEAD], "stage"))
    free = (*released, HEAD)

    def held(part: Expression, path: str) -> list[str]:
        if any(path == one or path.startswith(f"{one}.") for one in free):
            return []
        if not any(one.startswith(f"{path}.") for one in free):
            return [path]
        return [found for name, inside in part.children() for found in held(inside, f"{path}.{name}")]

    return " ".join(found for name, part in net.children() for found in held(part, name))


def _layers(part: Expression, path: tuple[str, ...]) -> list[tuple[str, Layer]]:
    """Every layer by its path, in the network's order."""
    if isinstance(part, Layer):
        return [(".".join(path), part)]
    return [found for name, inside in part.children() for found in _layers(inside, (*path, name))]


def moved(before: Model, after: Model) -> dict[str, float]:
    """How far the weights of each stage of the base went: the norm of their change over their own norm; statistics are not counted."""
    old, new = before.network.state_dict(), after.network.state_dict()
    found = {}
    for name, stage in after.network.named_children():
        paths = [f"{name}.{path}" for path, _ in stage.named_parameters()]
        if paths and name != HEAD:
            change = sum(float((new[path] - old[path]).double().square().sum()) for path in paths)
            found[name] = (change / max(1e-300, sum(float(old[path].double().square().sum()) for path in paths))) ** 0.5
    return found


def drifted(before: Model, after: Model) -> dict[str, float]:
    """How far batch norm's running means went, in its own deviations, where a stage has them furthest."""
    old, new = before.network.state_dict(), after.network.state_dict()
    found: dict[str, float] = {}
    for path, mean in old.items():
        if path.endswith(".running_mean"):
            deviation = old[path.replace("running_mean", "running_var")].clamp_min(1e-12).sqrt()
            far = float(((new[path] - mean).abs() / deviation).max())
            found[path.split(".")[0]] = max(far, found.get(path.split(".")[0], 0.0))
    return found


def with_head_of(graft: Graft, trained: nn.Module) -> Graft:
    """The graft with a head that has learned."""
    network = copy.deepcopy(graft.model.network)
    network.get_submodule(HEAD).load_state_dict(trained.state_dict())
    return replace(graft, model=replace(graft.model, network=network))
