"""What training makes small. Every loss takes scores (N, outputs), larger is better, and labels (N,), and gives the mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from hubel.training.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]
Reducible = Callable[..., Tensor]
"""Takes scores, labels and `reduction`: "mean", or "none" for each picture's own."""

RUBBISH = 0.1
"""The paper's j > 0 in equation 9, a "rubbish class" that keeps large penalties from growing; its value is not stated."""


def loss_of(recipe: Recipe, outputs: int, weights: Tensor | None = None) -> Loss:
    """The loss that a recipe names, for a network with that many outputs; `weights` (classes,): what a picture of each class counts."""
    loss = _named(recipe, outputs)
    if weights is None:
        return loss
    return lambda scores, labels: (weights[labels] * loss(scores, labels, reduction="none")).mean()


def _named(recipe: Recipe, outputs: int) -> Reducible:
    if recipe.loss == "map":
        return lecun_map
    if recipe.loss == "mse":
        return lecun_mse
    if recipe.loss == "hinge":
        return binary_hinge if outputs == 1 else hinge
    if outputs == 1:
        return partial(binary_cross_entropy, smoothing=recipe.label_smoothing)
    return partial(F.cross_entropy, label_smoothing=recipe.label_smoothing)


def balanced(labels: Tensor) -> Tensor:
    """Weights (classes,) with which every class counts as much as any other; their mean over the pictures is 1.

    A weight is the pictures over (the classes times those of the class); a class without pictures weighs nothing.
    """
    counts = labels.bincount()
    return torch.where(counts > 0, len(labels) / (counts.count_nonzero() * counts.clamp(min=1)), 0.0)


def binary_cross_entropy(scores: Tensor, labels: Tensor, reduction: str = "mean", smoothing: float = 0.0) -> Tensor:
    """Cross entropy of one output (N, 1), the log odds of the second class."""
    return F.binary_cross_entropy_with_logits(scores[:, 0], labels * (1 - smoothing) + smoothing / 2, reduction=reduction)


def nothing(scores: Tensor, labels: Tensor) -> Tensor:
    """The loss of no pictures at all: 0, from which gradients of 0 flow."""
    return scores.sum()


def hinge(scores: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """Weston and Watkins 1999, as CS231n's notes have it: the sum over the other classes of max(0, s_j - s_y + 1)."""
    return F.multi_margin_loss(scores, labels, reduction=reduction) * scores.shape[1]  # torch's is over all classes' number


def binary_hinge(scores: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """The hinge loss of one output (N, 1), positive for the second class: what `hinge` gives for scores 0 and s."""
    return _reduced((1 - (2 * labels - 1) * scores[:, 0]).clamp(min=0), reduction)


def lecun_map(scores: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """LeCun et al. 1998, equation 9: y_D + log(e^-j + sum_i e^-y_i), where a unit's penalty y is minus its score."""
    own = scores.gather(1, labels[:, None])[:, 0]
    rubbish = scores.new_full((len(scores), 1), -RUBBISH)
    return _reduced(torch.cat([scores, rubbish], 1).logsumexp(1) - own, reduction)


def lecun_mse(scores: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """LeCun et al. 1998, equation 8: the penalty y_D of the right class alone."""
    return _reduced(-scores.gather(1, labels[:, None])[:, 0], reduction)


def _reduced(values: Tensor, reduction: str) -> Tensor:
    return values.mean() if reduction == "mean" else values
