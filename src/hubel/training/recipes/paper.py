"""Recipes as the papers print them, by the network's name."""

from hubel.training.recipes.preset import Preset

PAPER: dict[str, Preset] = {}
