"""Probabilities that mean what they say: one temperature by which scores are divided, and how far confidence is from accuracy.

Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", arXiv:1706.04599: sec. 4.2 (temperature scaling), eq. 3 (ECE).
All of it is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hubel.errors import ModelError
from hubel.evaluation.intervals import DEVIATIONS
from hubel.evaluation.scoring import predicted
from hubel.model import by_class, probabilities

COLDEST, HOTTEST = 0.01, 100.0
"""Between these a temperature is looked for."""

BINS = 15
"""Of confidence, equally wide, as in the paper."""

TOGETHER = 4096
"""Pictures whose scores are looked at together."""

CLOSE = 1e-12
"""How near, as a share of it, the reciprocal of the temperature is brought to the best."""

LEAST = 0.01
"""Information about the logarithm of the temperature, in all pictures, below which they tell nothing of it."""


@dataclass(frozen=True)
class Fit:
    """The temperature at which labelled scores are likeliest."""

    temperature: float
    bounded: bool
    """Whether it stands at the end of where it was looked for, because the best lies beyond."""
    interval: tuple[float, float]
    """95% of such intervals hold the temperature that all pictures of the kind would give; by the likelihood's curvature, in ratios."""


@dataclass(frozen=True)
class Calibration:
    """What probabilities are worth: their negative log-likelihood, and the pictures by how sure the network was of its answer."""

    nll: float
    """Mean over the pictures, in nats."""
    counts: tuple[int, ...]
    """Pictures in each bin of confidence; bin m of M holds those from above m/M to (m + 1)/M."""
    confidence: tuple[float, ...]
    """Mean of each bin, 0 where it is empty."""
    accuracy: tuple[float, ...]
    """Likewise."""

    @property
    def ece(self) -> float:
        """Expected calibration error: how far confidence is from accuracy, over the bins, each as much as it has pictures."""
        gaps = (count * abs(sure - right) for count, sure, right in zip(self.counts, self.confidence, self.accuracy))
        return sum(gaps) / sum(self.counts)


def fitted(scores: Tensor, labels: Tensor) -> Fit:
    """The temperature that minimises the negative log-likelihood of labels (N,) under scores (N, outputs).

    That is convex in the reciprocal of the temperature: a root of its slope is looked for by Newton's steps, and halfway, by ratio, where
    these leave what brackets it or come no closer. Where every picture is right the likelihood grows without end as the temperature falls,
    and where scores are no better than chance, as it rises: the temperature is then the least, or the most, that is looked at.
    Raises ModelError where a score is not finite.
    """
    if not scores.isfinite().all():
        raise ModelError("The network gives scores that are not finite, so no temperature can make probabilities of them. Train it anew.")
    low, high = 1 / HOTTEST, 1 / COLDEST
    if _slopes(scores, labels, low)[0] >= 0:
        return Fit(HOTTEST, True, (0.0, math.inf))
    if _slopes(scores, labels, high)[0] <= 0:
        return Fit(COLDEST, True, (0.0, math.inf))
    cold, moved = 1.0, math.inf
    for _ in range(200):
        slope, bend = _slopes(scores, labels, cold)
        low, high = (low, cold) if slope > 0 else (cold, high)
        after = cold - slope / bend if bend > 0 else math.inf
        if not (low <= after <= high and abs(after - cold) < 0.5 * moved):
            after = math.sqrt(low * high)
        cold, moved = after, abs(after - cold)
        if moved <= CLOSE * cold:
            break
    information = len(labels) * _slopes(scores, labels, cold)[1] * cold**2  # Fisher's, of the temperature's logarithm
    reach = math.exp(DEVIATIONS / math.sqrt(information)) if information > LEAST else math.inf
    return Fit(1 / cold, False, (1 / (cold * reach), reach / cold))


def _margins(scores: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """By how much each class's score is above the right one's: float64 (N, classes), some pictures at a time."""
    for some, right in zip(torch.split(by_class(scores), TOGETHER), torch.split(labels, TOGETHER)):
        exact = some.double()
        yield exact - exact.gather(1, right[:, None])


def _slopes(scores: Tensor, labels: Tensor, cold: float) -> tuple[float, float]:
    """First and second derivative of the negative log-likelihood by the reciprocal of the temperature."""
    slope = bend = 0.0
    for margins in _margins(scores, labels):
        shares = (cold * margins).softmax(1)
        mean = (shares * margins).sum(1)
        slope += float(mean.sum())
        bend += float((shares * (margins - mean[:, None]) ** 2).sum())
    return slope / len(labels), bend / len(labels)


def calibration(scores: Tensor, labels: Tensor, temperature: float = 1.0, bins: int = BINS) -> Calibration:
    """How far the probabilities of scores (N, outputs) at that temperature can be believed, by labels (N,)."""
    nll = sum(float((margins / temperature).logsumexp(1).sum()) for margins in _margins(scores, labels)) / len(labels)
    parts = [probabilities(some.double(), temperature).amax(1) for some in torch.split(scores, TOGETHER)]
    confidence = torch.cat(parts).cpu()
    right = (predicted(scores) == labels).double().cpu()
    places = torch.bucketize(confidence, torch.tensor([edge / bins for edge in range(1, bins)], dtype=torch.float64))
    counts = places.bincount(minlength=bins)
    filled = counts.clamp(min=1)
    sure, share = (places.bincount(weights=values, minlength=bins) / filled for values in (confidence, right))
    return Calibration(nll, tuple(counts.tolist()), tuple(sure.tolist()), tuple(share.tolist()))
