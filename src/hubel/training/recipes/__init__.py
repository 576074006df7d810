"""Recipes by the network's name: fast ones, which training starts from, and the papers' own. Nothing here needs torch."""

from hubel.errors import RunError
from hubel.training.recipes.fast import FAST, FURTHER, GENERAL
from hubel.training.recipes.paper import PAPER
from hubel.training.recipes.preset import Preset, Shallower

KINDS = ("fast", "paper")

__all__ = ["FAST", "FURTHER", "GENERAL", "KINDS", "PAPER", "Preset", "Shallower", "preset"]


def preset(name: str, kind: str = "fast") -> Preset:
    """What a network of that name is trained with: fast, or as its paper says. Raises RunError where no paper's is known."""
    if kind == "fast":
        return FAST.get(name, GENERAL)
    if name not in PAPER:
        raise RunError(
            f"There is no recipe of a paper for {name!r}; `hubel recipes` lists those there are. Leave --recipe out for a fast one."
        )
    return PAPER[name]
