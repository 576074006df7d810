"""How the learning rate moves: a function of the recipe, the step, and for `plateau` of how often it has been lowered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubel.training.recipe import Recipe

SCHEDULES = ("onecycle", "cosine", "step", "milestones", "exponential", "plateau", "constant")
"""Up and down to zero; down to zero; lower after every `step_every`; lower at `milestones`; as step, but smoothly; lower when
validation gets no better; never another."""


def rate(recipe: Recipe, step: int, steps: int, drops: int = 0) -> float:
    """The learning rate of step number `step`, from 0, of `steps` in all, after validation has lowered it `drops` times."""
    if step < recipe.warmup_steps:
        if recipe.warmup_lr:
            return recipe.warmup_lr
        return _scheduled(recipe, step, steps, drops) * (step + 1) / (recipe.warmup_steps + 1)
    return _scheduled(recipe, step, steps, drops)


def _scheduled(recipe: Recipe, step: int, steps: int, drops: int) -> float:
    lr, factor = recipe.lr, recipe.step_factor
    if recipe.schedule == "constant":
        return lr
    if recipe.schedule == "plateau":
        return float(lr * factor**drops)
    if recipe.schedule == "step":
        return float(lr * factor ** int(step / _steps(recipe.step_every, recipe, steps) + 1e-9))
    if recipe.schedule == "exponential":
        return float(lr * factor ** (step / _steps(recipe.step_every, recipe, steps)))
    if recipe.schedule == "milestones":
        return float(lr * factor ** sum(step + 1e-9 >= _steps(mark, recipe, steps) for mark in recipe.marks))
    rising = recipe.warmup * steps if recipe.schedule == "onecycle" else 0.0
    if step < rising:
        return lr * (step + 1) / (rising + 1)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


def _steps(span: float, recipe: Recipe, steps: int) -> float:
    """A span of training in steps: up to 1 it is a share of them all, above 1 so many epochs."""
    return span * steps if span <= 1 else span * (steps / recipe.epochs)
