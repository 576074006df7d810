"""What training makes small. Every loss takes scores (N, outputs), larger is better, and labels (N,), and gives the mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hubel.training.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]

RUBBISH = 0.1
"""The paper's j > 0 in equation 9, a "rubbish class" that keeps large penalties from growing; its value is not stated."""


def loss_of(recipe: Recipe, outputs: int) -> Loss:
    """The loss that a recipe names, for a network with that many outputs."""
    if recipe.loss == "map":
        return lecun_map
    if recipe.loss == "mse":
        return lecun_mse
    smoothing = recipe.label_smoothing
    if outputs == 1:
        return lambda scores, labels: F.binary_cross_entropy_with_logits(scores[:, 0], labels * (1 - smoothing) + smoothing / 2)
    return lambda scores, labels: F.cross_entropy(scores, labels, label_smoothing=smoothing)


def lecun_map(scores: Tensor, labels: Tensor) -> Tensor:
    """LeCun et al. 1998, equation 9: y_D + log(e^-j + sum_i e^-y_i), where a unit's penalty y is minus its score."""
    own = scores.gather(1, labels[:, None])[:, 0]
    rubbish = scores.new_full((len(scores), 1), -RUBBISH)
    return (torch.cat([scores, rubbish], 1).logsumexp(1) - own).mean()


def lecun_mse(scores: Tensor, labels: Tensor) -> Tensor:
    """LeCun et al. 1998, equation 8: the penalty y_D of the right class alone."""
    return -scores.gather(1, labels[:, None]).mean()
