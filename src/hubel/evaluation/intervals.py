"""How far a measured figure may be from the true one: 95% intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

LEVEL = 0.95
DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Of a normal distribution, to either side, that hold so much of it."""


def of_share(right: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share: `right` of `count` pictures (Wilson 1927, "Probable inference, the law of succession").

    It stays within 0 and 1 and holds for few pictures too, and where all are right.
    """
    if not 0 <= right <= count or count < 1:
        raise ValueError(f"{right} of {count} is no share")
    middle = (right + DEVIATIONS**2 / 2) / (count + DEVIATIONS**2)
    reach = DEVIATIONS * math.sqrt(right * (count - right) / count + DEVIATIONS**2 / 4) / (count + DEVIATIONS**2)
    return (0.0 if right == 0 else middle - reach), (1.0 if right == count else middle + reach)


def of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Student's interval of the mean of repeated runs, two or more ("Student" 1908, "The probable error of a mean")."""
    if len(values) < 2:
        raise ValueError("the mean of fewer than two runs has no interval")
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # here: few need it

    reach = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - reach, fmean(values) + reach
