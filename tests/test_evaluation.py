"""Evaluation: the figures of scikit-learn, one output or many, and a network that is left as it was."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch import nn

from hubel.evaluation import numbered, predicted, report, scored, scoring
from hubel.pictures.held import Pictures
from hubel.pictures.pixels import Pixels

POLICY = Pixels(1, 4, 4, mean=(0.5,), deviation=(0.3,))


def drawn(count, classes, seed, there=None):
    """Scores that favour the right class a little, and labels of the classes that are there."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(there or classes, count)
    scores = draw.normal(size=(count, classes))
    scores[np.arange(count), labels] += draw.normal(0.7, size=count)
    return torch.from_numpy(scores).float(), torch.from_numpy(labels)


def with_nones(shares, there):
    return [share if some else None for share, some in zip(shares.tolist(), there)]


def compared(found, labels, guessed, classes):
    """Hold a report against scikit-learn's figures."""
    labels, guessed, every = labels.numpy(), np.asarray(guessed), list(range(classes))
    assert found.count == len(labels)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, guessed))
    assert found.confusion == metrics.confusion_matrix(labels, guessed, labels=every).tolist()
    recall = metrics.recall_score(labels, guessed, labels=every, average=None, zero_division=0)
    precision = metrics.precision_score(labels, guessed, labels=every, average=None, zero_division=0)
    assert found.recall == pytest.approx(with_nones(recall, np.isin(every, labels)))
    assert found.precision == pytest.approx(with_nones(precision, np.isin(every, guessed)))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(2, 14), st.integers(0, 1000))
def test_a_report_has_scikit_learns_figures(count, classes, seed):
    scores, labels = drawn(count, classes, seed)
    compared(report(scores, labels, classes), labels, scores.numpy().argmax(1), classes)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(10, 25), st.integers(0, 1000))
def test_top_5_is_scikit_learns(count, classes, seed):
    scores, labels = drawn(count, classes, seed)
    wanted = metrics.top_k_accuracy_score(labels.numpy(), scores.numpy(), k=5, labels=range(classes))
    assert report(scores, labels, classes).top5 == pytest.approx(wanted)


def test_top_5_is_left_out_below_ten_classes():
    assert report(*drawn(50, 9, 0), 9).top5 is None
    assert report(*drawn(50, 10, 0), 10).top5 is not None


@pytest.mark.parametrize("there", [[0], [3], [1, 4], [0, 2, 3, 4]], ids=str)
def test_classes_without_pictures_have_no_recall_and_classes_never_guessed_no_precision(there):
    scores, labels = drawn(40, 5, 1, there)
    scores[:, 2] = -100  # is never guessed
    found = report(scores, labels, 5)
    compared(found, labels, scores.numpy().argmax(1), 5)
    assert [i for i, recall in enumerate(found.recall) if recall is not None] == there
    assert found.precision[2] is None
    assert all(len(row) == 5 for row in found.confusion)


def test_one_output_means_the_second_class_where_it_is_positive():
    scores = torch.tensor([[-3.0], [-1e-30], [0.0], [1e-30], [4.0]])
    assert predicted(scores).tolist() == [0, 0, 0, 1, 1]
    labels = torch.tensor([0, 1, 0, 1, 0])
    found = report(scores, labels, 2)
    compared(found, labels, [0, 0, 0, 1, 1], 2)
    assert found.confusion == [[2, 1], [1, 1]]
    assert found.top5 is None


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=50))
def test_one_output_guesses_as_two_outputs_of_zero_and_that_score_do(values):
    one = torch.tensor(values)[:, None]
    two = torch.cat([torch.zeros_like(one), one], 1)
    assert torch.equal(predicted(one), predicted(two))


def test_several_outputs_mean_the_largest():
    scores, _ = drawn(100, 7, 3)
    assert predicted(scores).dtype == torch.int64
    assert predicted(scores).tolist() == scores.numpy().argmax(1).tolist()


# --- scoring ------------------------------------------------------------------------------------------------------------


def pictures(count=30):
    pixels = torch.randint(0, 256, (count, 4, 4, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Pictures(pixels, torch.arange(count) % 3, [str(i) for i in range(count)])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 3))


def test_scores_are_those_of_every_picture_in_evaluation_mode(monkeypatch):
    net, some, heard = network(), pictures(), []
    net.eval()
    with torch.no_grad():
        wanted = net(POLICY.tensor(some.pixels))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    for size in (500, 30, 7, 1):
        monkeypatch.setattr(scoring, "BATCH", size)
        heard.clear()
        found, _ = scored(net, some, POLICY, told=lambda *where: heard.append(where))
        assert (found.dtype, found.requires_grad) == (torch.float32, False)
        torch.testing.assert_close(found, wanted)
        assert heard == [(min(done, 30), 30) for done in range(size, 30 + size, size)]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Lacking(Pictures):
    """Pictures of which two can no longer be read."""

    def dealt(self, numbers, epoch=None):
        return super().dealt((some[(some != 3) & (some != 17)] for some in numbers), epoch)


def test_scores_stay_beside_the_numbers_of_their_pictures_where_some_cannot_be_read(monkeypatch):
    net, some = network(), pictures()
    lacking = Lacking(some.pixels, some.labels, some.names)
    monkeypatch.setattr(scoring, "BATCH", 7)
    scores, numbers = numbered(net, lacking, POLICY)
    assert numbers.tolist() == [i for i in range(30) if i not in (3, 17)]
    torch.testing.assert_close(scores, scored(net, some, POLICY)[0][numbers])
    assert torch.equal(scored(net, lacking, POLICY)[1], some.labels[numbers])


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back(training):
    net = network().train(training)
    scored(net, pictures(), POLICY)
    assert {module.training for module in net.modules()} == {training}


def test_parts_that_were_in_evaluation_mode_stay_in_it():
    net = network().train()
    net[1].eval()  # as a frozen base has it
    scored(net, pictures(), POLICY)
    assert [module.training for module in net] == [True, False, True, True, True]


def test_the_mode_is_put_back_after_an_error():
    def interrupt(done, count):
        raise KeyboardInterrupt

    net = network().train()
    with pytest.raises(KeyboardInterrupt):
        scored(net, pictures(), POLICY, told=interrupt)
    assert net.training


def test_bf16_scores_are_near_those_of_fp32_and_come_in_float32():
    net, some = network(), pictures()
    exact, rough = (scored(net, some, POLICY, precision)[0] for precision in ("fp32", "bf16"))
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)


def test_a_network_that_has_learned_nothing_is_reported_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = report(torch.zeros(6, 3), torch.tensor([1, 1, 1, 2, 2, 2]), 3)
    assert (found.accuracy, found.recall, found.precision) == (0, [None, 0, 0], [0, None, None])
