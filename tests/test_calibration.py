"""Probabilities that mean what they say: the temperature is the likeliest one, and the errors are those of the definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageColor
from scipy import optimize, special, stats
from torch.nn import functional as F

from hubel.errors import ModelError
from hubel.evaluation import intervals, reliability
from hubel.evaluation.calibration import COLDEST, HOTTEST, Calibration, calibration, fitted


def drawn(count, outputs, temperature, seed, spread=3.0):
    """Scores, and labels as likely as the scores at that temperature say."""
    draw = np.random.default_rng(seed)
    scores = draw.normal(0, spread, (count, outputs))
    full = np.hstack([np.zeros((count, 1)), scores]) if outputs == 1 else scores
    labels = [draw.choice(len(row), p=row) for row in special.softmax(full / temperature, axis=1)]
    return torch.from_numpy(scores).float(), torch.tensor(labels)


def likelihood(scores, labels, temperature):
    """The negative log-likelihood by torch's own losses."""
    if scores.shape[1] == 1:
        return float(F.binary_cross_entropy_with_logits(scores[:, 0].double() / temperature, labels.double()))
    return float(F.cross_entropy(scores.double() / temperature, labels))


@pytest.mark.parametrize("outputs", [1, 2, 10])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0, 12.0])
def test_the_temperature_that_labels_were_drawn_at_is_found_again(outputs, temperature):
    found = fitted(*drawn(6000, outputs, temperature, 1))
    assert not found.bounded
    assert found.temperature == pytest.approx(temperature, rel=0.25 if outputs < 10 and temperature > 3 else 0.1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.floats(0.1, 20), st.integers(0, 10**6), st.floats(0.1, 30))
def test_the_temperature_is_where_a_search_over_all_of_them_finds_the_least_likelihood_lost(outputs, temperature, seed, spread):
    scores, labels = drawn(60, outputs, temperature, seed, spread)
    found = fitted(scores, labels)
    bounds = math.log(COLDEST), math.log(HOTTEST)
    least = min(likelihood(scores, labels, math.exp(heat)) for heat in np.linspace(*bounds, 200))
    searched = optimize.minimize_scalar(
        lambda heat: likelihood(scores, labels, math.exp(heat)), bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    after = likelihood(scores, labels, found.temperature)
    assert after <= min(least, likelihood(scores, labels, 1.0)) + 1e-12
    assert after <= searched.fun + 1e-12
    if not found.bounded:
        assert found.temperature == pytest.approx(math.exp(searched.x), rel=1e-3)


@pytest.mark.parametrize("factor", [0.125, 4.0])
def test_scores_that_are_multiplied_have_a_temperature_that_is(factor):
    scores, labels = drawn(500, 5, 2.0, 3)
    assert fitted(scores * factor, labels).temperature == pytest.approx(factor * fitted(scores, labels).temperature, rel=1e-9)


def test_the_same_scores_give_the_same_bits_and_parts_that_are_looked_at_together_decide_nothing(monkeypatch):
    scores, labels = drawn(500, 5, 2.0, 3)
    first, errors = fitted(scores, labels), calibration(scores, labels)
    assert fitted(scores.clone(), labels.clone()) == first and calibration(scores.clone(), labels) == errors
    monkeypatch.setattr("hubel.evaluation.calibration.TOGETHER", 7)
    assert fitted(scores, labels).temperature == pytest.approx(first.temperature, rel=1e-9)
    assert calibration(scores, labels).counts == errors.counts
    assert calibration(scores, labels).nll == pytest.approx(errors.nll, rel=1e-12)


def test_where_every_picture_is_right_the_temperature_stops_at_the_coldest():
    scores = drawn(40, 4, 1.0, 0)[0]
    found = fitted(scores, scores.argmax(1))
    assert (found.temperature, found.bounded, found.interval) == (COLDEST, True, (0, math.inf))
    one = torch.tensor([[-1.0], [2.0], [0.5]])
    assert fitted(one, torch.tensor([0, 1, 1])).temperature == COLDEST


@pytest.mark.parametrize("scores", [torch.zeros(6, 3), torch.tensor([[3.0, 0.0, -1.0]] * 6)], ids=["equal", "wrong"])
def test_where_scores_say_nothing_the_temperature_stops_at_the_hottest(scores):
    found = fitted(scores, torch.tensor([1, 2, 1, 2, 1, 2]))
    assert (found.temperature, found.bounded) == (HOTTEST, True)


@pytest.mark.parametrize("near", [1e-3, 1e-6, 1e-12])
def test_pictures_that_say_next_to_nothing_have_an_interval_that_says_so(near):
    found = fitted(torch.tensor([[near, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64), torch.tensor([1, 1, 1]))
    low, high = found.interval
    assert not found.bounded and low < 1 / 3 * found.temperature and high > 3 * found.temperature


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(value):
    with pytest.raises(ModelError, match="not finite"):
        fitted(torch.tensor([[0.0, 1.0], [value, 0.0]]), torch.tensor([0, 1]))


def test_95_of_100_intervals_hold_the_temperature():
    within = 0
    for seed in range(200):
        low, high = fitted(*drawn(150, 4, 2.0, seed)).interval
        within += low <= 2.0 <= high
    assert stats.binomtest(within, 200, 0.95).pvalue > 0.001


# --- errors -------------------------------------------------------------------------------------------------------------


def expected_calibration_error(scores, labels, temperature, bins=15):
    """Equation 3 of Guo et al., picture by picture."""
    members = [[] for _ in range(bins)]
    for row, label in zip(scores.double().tolist(), labels.tolist()):
        row = [0.0, *row] if len(row) == 1 else row
        shares = [math.exp((score - max(row)) / temperature) for score in row]
        sure = max(shares) / sum(shares)
        for m in range(bins):
            if m / bins < sure <= (m + 1) / bins:
                members[m].append((sure, row.index(max(row)) == label))
    assert sum(map(len, members)) == len(labels)
    gaps = [abs(sum(right for _, right in some) - sum(sure for sure, _ in some)) for some in members]
    return sum(gaps) / len(labels), [len(some) for some in members]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 20), st.floats(0.2, 5), st.integers(0, 10**6))
def test_the_calibration_error_is_that_of_a_plain_loop(count, outputs, temperature, seed):
    scores, labels = drawn(count, outputs, 1.0, seed)
    found = calibration(scores, labels, temperature)
    error, counts = expected_calibration_error(scores, labels, temperature)
    assert found.ece == pytest.approx(error, abs=1e-12)
    assert list(found.counts) == counts
    assert found.nll == pytest.approx(likelihood(scores, labels, temperature), rel=1e-9, abs=1e-12)


def test_a_sure_answer_lies_in_the_last_bin_and_a_bins_upper_edge_belongs_to_it():
    scores = torch.log(torch.tensor([[0.6, 0.4], [1.0, 0.0]], dtype=torch.float64)).clamp(min=-1000)
    assert calibration(scores, torch.tensor([0, 0]), bins=5).counts in [(0, 0, 1, 0, 1), (0, 0, 0, 1, 1)]  # 0.6 may be above by a bit
    exact = torch.tensor([[0.0, 0.0]])
    assert calibration(exact, torch.tensor([0]), bins=2).counts == (1, 0)
    assert calibration(torch.tensor([[1000.0, 0.0]]), torch.tensor([0])).counts[-1] == 1


def test_probabilities_far_from_the_truth_have_a_likelihood_that_is_finite():
    found = calibration(torch.tensor([[5e4, 0.0]]), torch.tensor([1]))
    assert found.nll == pytest.approx(5e4) and found.ece == pytest.approx(1)


def test_a_diagram_shows_how_often_it_is_right_and_the_gap_to_how_sure_it_was():
    counts, sure, right = [0] * 15, [0.0] * 15, [0.0] * 15
    counts[9], sure[9], right[9] = 60, 0.63, 0.30  # surer than right
    counts[12], sure[12], right[12] = 40, 0.83, 0.95
    found = Calibration(0.5, tuple(counts), tuple(sure), tuple(right))
    picture = reliability.diagrams([("before", found), ("after", found)], "a title\nof two lines")

    def at(place, m, share):
        left = reliability.LEFT + place * (reliability.SIDE + reliability.GAP)
        return picture.getpixel(
            (round(left + (m + 0.25) / 15 * reliability.SIDE), round(reliability.HEAD + (1 - share) * reliability.SIDE))
        )

    white = ImageColor.getrgb("white")
    for place in (0, 1):
        assert [at(place, 9, share) for share in (0.1, 0.28, 0.32, 0.58, 0.66)] == [reliability.RIGHT] * 2 + [reliability.TOO_SURE] * 2 + [
            white
        ]
        assert [at(place, 12, share) for share in (0.1, 0.78, 0.86, 0.94, 0.97)] == [reliability.RIGHT] * 2 + [reliability.UNSURE] * 2 + [
            white
        ]
        assert at(place, 3, 0.1) == white


# --- intervals ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_interval_of_a_share_is_wilsons(case):
    right, count = case
    low, high = intervals.of_share(right, count)
    wanted = stats.binomtest(right, count).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= low <= right / count <= high <= 1
    for end in {low, high} - {0.0, 1.0}:  # the truths from which the finding is just 1.96 deviations away
        assert abs(right / count - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / count), rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 1000).map(lambda right: right / 1000), min_size=2, max_size=9).filter(lambda values: len(set(values)) > 1))
def test_the_interval_of_a_mean_is_students(values):
    wanted = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert intervals.of_mean(values) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_what_has_no_interval_is_refused():
    for right, count in ((1, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="no share"):
            intervals.of_share(right, count)
    with pytest.raises(ValueError, match="fewer than two"):
        intervals.of_mean([0.9])
