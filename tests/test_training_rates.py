"""The learning rate that is suggested: read off curves that are known, found on drawings, and nothing else touched."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import weights
from hubel.cli import main
from hubel.errors import RunError
from hubel.training import curve
from hubel.training.beginning import begun
from hubel.training.rates import Rates, judged, tried
from hubel.training.records import Epoch
from runs import NET, RECIPE, folder, source, train

PLAIN = "Conv(4, 3) >> ReLU() >> FC(3)"


def start(recipe=RECIPE, net=PLAIN):
    return begun(net, source(), recipe, (1, 8, 8), False, None)


def test_a_curve_that_falls_about_one_rate_and_is_least_at_another_says_both():
    rates = np.logspace(-6, 1, 200)
    losses = 2.3 - 2 / (1 + (1e-3 / rates) ** 1.5) + (rates / 0.3) ** 2  # falls about 1e-3, rises from about 0.1 on
    noise = np.random.default_rng(0).normal(0, 0.03, 200)
    found = judged(rates.tolist(), (losses + noise).tolist(), 200)
    least = rates[losses.argmin()]
    assert least / 1.5 < found.lowest < least * 1.5 and 1e-3 / 2 < found.steepest < 1e-3 * 2
    assert found.suggested == pytest.approx(found.lowest / 10, rel=0.06) and len(f"{found.suggested:g}".strip("0.")) <= 2


def test_a_curve_that_says_nothing_is_refused():
    with pytest.raises(RunError, match="never fell between 1e-06 and 10"):
        judged(np.logspace(-6, 1, 50).tolist(), np.linspace(1, 2, 50).tolist(), 50)
    with pytest.raises(RunError, match="broke after 3 steps.*--lowest"):
        judged([1.0, 2.0, 3.0], [1.0, 2.0, 9.0], 200)


@pytest.mark.parametrize(("least", "most", "steps"), [(0.0, 1.0, 50), (1.0, 0.1, 50), (1e-6, 1.0, 5), (1e-6, float("inf"), 50)])
def test_a_range_that_is_none_is_refused(least, most, steps):
    network, job = start()
    with pytest.raises(RunError, match="are no range"):
        tried(network, job, least, most, steps)


def test_the_rate_that_is_found_trains():
    network, job = start(replace(RECIPE, epochs=12, shift=0.0, schedule="constant"))
    found = tried(network, job)
    assert list(found.rates) == sorted(found.rates) and found.suggested < found.lowest <= found.rates[-1] and found.steepest < found.lowest

    def last_loss(lr):
        epochs = [record for record in train(net=PLAIN, recipe=replace(job.recipe, lr=lr)) if isinstance(record, Epoch)]
        return epochs[-1].validation_loss

    good = last_loss(found.suggested)
    assert good < 0.5 * np.log(3) and good < last_loss(1e-6)


def test_rates_are_tried_until_training_breaks_and_no_further():
    network, job = start(net="Conv(4, 3) >> Conv(4, 3) >> Conv(4, 3) >> FC(3)")  # which nothing bounds
    found = tried(network, job, 1e-4, 1e6, 100)
    assert 20 <= len(found.rates) < 100 and np.isfinite(found.losses).all()
    assert found.lowest < found.rates[-1] < 1e5


def test_nothing_is_changed_and_a_second_time_finds_the_same():
    network, job = start(replace(RECIPE, ema=0.9, clip=1.0), NET)
    before, generator, threads = weights.digest(network.state_dict()), torch.get_rng_state(), torch.get_num_threads()
    modes = [module.training for module in network.modules()]
    found = tried(network, job, steps=60)
    assert weights.digest(network.state_dict()) == before and all(weight.grad is None for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator) and torch.get_num_threads() == threads
    assert [module.training for module in network.modules()] == modes
    assert tried(network, job, steps=60) == found


def test_the_curve_has_its_mark_at_the_suggested_rate():
    rates = tuple(np.logspace(-5, 0, 101).tolist())
    losses = tuple((2 + np.abs(np.log10(rates) + 1) / 5).tolist())
    page = np.asarray(curve.curve(Rates(rates, losses, losses, 0.1, 0.01), "title \x1b[31m"))
    assert page.shape == (curve.HEIGHT, curve.WIDTH, 3)
    row = page[curve.HEIGHT // 2].astype(int)
    found = np.abs(row - curve.MARK).sum(1).argmin()
    expected = curve.LEFT + (curve.WIDTH - curve.LEFT - curve.RIGHT) * 3 / 5  # 0.01, three of the five powers along
    assert abs(found - expected) <= 1


# --- hubel lr ---

QUICK = ("--input", "1x8x8", "--batch", "16", "--threads", "1", "--precision", "fp32", "--validation", "0.2")


def test_lr_prints_a_flag_to_train_with_and_leaves_a_curve_alone(tmp_path, monkeypatch, capsys):
    pictures = folder(tmp_path / "pictures")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert main(["lr", PLAIN, str(pictures), *QUICK]) == 0
    said = capsys.readouterr().out
    assert "suggested: --lr 0." in said and "a tenth of" in said and "falls fastest at" in said
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["lr.png"]
    with Image.open("lr.png") as page:
        assert page.size == (curve.WIDTH, curve.HEIGHT)
    assert main(["lr", PLAIN, str(pictures), *QUICK, "--json", "--steps", "50", "-o", "other.png"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) <= 50 and found["curve"] == "other.png"


@pytest.mark.parametrize(("more", "message"), [(("-o", "lr.jpg"), "something.png"), (("--lowest", "5", "--highest", "1"), "no range")])
def test_a_users_mistake_is_one_sentence(tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    assert main(["lr", "FC(10)", "digits", *QUICK, *more]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
