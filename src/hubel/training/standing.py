"""How validation has gone so far: what the best model, the plateau schedule and early stopping go by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.training.recipe import Recipe


@dataclass(frozen=True)
class Standing:
    best: tuple[float, float] | None = None
    """(accuracy, minus loss) on the validation pictures, of the best epoch; the other way round where the recipe judges by loss."""
    waited: int = 0
    """Epochs since the best one."""
    drops: int = 0
    """How often a plateau has lowered the learning rate."""
    since: int = 0
    """Epochs since the best one, or since the rate was lowered if that is later."""

    def after(self, accuracy: float, loss: float, recipe: Recipe) -> Standing:
        """How it stands when one more epoch has been validated."""
        found = (accuracy, -loss)
        if recipe.judged_by == "loss":
            found = (-loss if math.isfinite(loss) else -math.inf, accuracy)
        if self.best is None or found > self.best:
            return Standing(found, 0, self.drops, 0)
        since = self.since + 1
        if recipe.schedule == "plateau" and since >= recipe.plateau:
            return Standing(self.best, self.waited + 1, self.drops + 1, 0)
        return Standing(self.best, self.waited + 1, self.drops, since)

    def hopeless(self, recipe: Recipe) -> bool:
        """Whether early stopping ends training here."""
        return 0 < recipe.patience <= self.waited
