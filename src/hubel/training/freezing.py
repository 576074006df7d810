"""Parts of a network that stay as they are while the rest learns, and rates that fall from the last stage to the first."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.errors import RunError, choices
from hubel.modules import Network
from hubel.training.recipe import Recipe


def freeze(network: nn.Module, recipe: Recipe) -> None:
    """Hold what the recipe says: no gradient reaches the weights of its frozen parts, and their dropout and batch norm work as in use.

    Raises RunError where a part is named that the network has not, or nothing is left to learn.
    """
    names = recipe.frozen.split()
    if isinstance(network, Network):  # it may have been held before
        network.requires_grad_(True)
        network.resting = ()
    if not names and recipe.statistics == "trained":
        return
    if not isinstance(network, Network):
        raise RunError(
            "The recipe says what stays frozen, which is for networks that are expressions: set requires_grad in your module instead."
        )
    paths = dict(network.named_modules())
    parts = {name: paths[name] for name in names if name in paths}
    if len(parts) < len(names):
        unknown = next(name for name in names if name not in parts)
        raise RunError(
            f"The recipe has frozen={recipe.frozen!r}. {choices(unknown, [name for name, _ in network.named_children()], 'stage')}"
        )
    for part in parts.values():
        part.requires_grad_(False)
    if not any(weight.requires_grad for weight in network.parameters()):
        raise RunError(f"The recipe has frozen={recipe.frozen!r}, which is all of the network: nothing is left to learn.")
    network.resting = tuple(_resting(paths, names, recipe.statistics))


def _resting(paths: dict[str, nn.Module], frozen: Sequence[str], statistics: str) -> list[str]:
    """The layers that work as in use, by path."""
    layers = {path: module for path, module in paths.items() if not any(module.children())}
    still = {path: any(path == name or path.startswith(f"{name}.") for name in frozen) for path in layers}
    if statistics == "all":
        return [path for path, module in layers.items() if still[path] and not isinstance(module, _BatchNorm)]
    return [path for path, module in layers.items() if still[path] or (statistics == "none" and isinstance(module, _BatchNorm))]


def groups(network: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """The weights that learn, as an optimiser takes them; with a layer_decay in groups by stage, each with its share of the rate."""
    if recipe.layer_decay == 1:
        return [{"params": [weight for weight in network.parameters() if weight.requires_grad], "share": 1.0}]
    stages = [[weight for weight in stage.parameters() if weight.requires_grad] for stage in network.children()]
    learning = [stage for stage in stages if stage]
    return [{"params": stage, "share": recipe.layer_decay ** (len(learning) - 1 - place)} for place, stage in enumerate(learning)]
