"""One network over two processes: it computes what the whole does, and they tell one another no more than figure 2 lets them."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hubel
import meeting
import runs
from hubel.build import build
from hubel.errors import HubelError
from hubel.joints import Chain, Head, Sum
from hubel.layers import FC, LRN, BatchNorm, Conv, Dropout, Flatten, Identity, MaxPool, ReLU, Softmax
from hubel.model import load
from hubel.nets import NETS
from hubel.training.recipes import PAPER
from hubel.training.towers import Exchange, Wire, bytes_exchanged, exchanges, joined, split, tower

# As AlexNet, with fewer maps, a batch norm, a block in a stage, and classes that two towers cannot share evenly.
SMALL = Chain(
    conv1=Conv(8, 11, stride=4) >> ReLU() >> LRN(5, groups=2) >> MaxPool(3, 2),
    conv2=Conv(12, 5, pad=2, groups=2) >> ReLU() >> LRN(5, groups=2) >> MaxPool(3, 2),
    conv3=Chain(Conv(8, 3, pad=1, bias=False) >> BatchNorm(), ReLU()),
    conv4=Conv(8, 3, pad=1, groups=4) >> ReLU() >> MaxPool(3, 2),
    fc6=FC(20) >> ReLU() >> Dropout(0.5),
    fc7=FC(15) >> ReLU() >> Dropout(0.5),
    fc8=FC(5),
)
INPUT = (3, 67, 67)
EXAMPLE = Path(__file__).parents[1] / "examples" / "two_towers.py"


def assert_near(ours, theirs, tolerance):
    """Equal but for that share of the largest value."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


PRECISIONS = {"float32": (1e-5, 1), "float64": (1e-9, 2)}
"""How near what is computed otherwise must come, and how many times as many bytes a value has.

In float32 the gradients of the whole AlexNet are 2e-6 away from its own in float64.
"""


def assert_towers_are_the_whole(place, net, input, batch, precision="float64", towers=2):
    tolerance, width = PRECISIONS[precision]
    found = meeting.met(place, net, input, batch, precision, towers)
    whole = meeting.exercised(*meeting.material(net, input, batch, precision))
    for one in found:
        assert_near(one["scores"], whole["scores"], tolerance)
    for what in ("gradients", "weights"):
        together = joined([one[what] for one in found])
        assert together.keys() == whole[what].keys()
        for name, value in together.items():
            assert_near(value, whole[what][name], tolerance)
    for one in found:
        assert all(torch.equal(value, together[name]) for name, value in one["collected"].items())
    counts = torch.tensor([one["counts"] for one in found]).sum(0).diff().tolist()
    in_use, training = (width * bytes_exchanged(net, input, batch, towers, training=way) for way in (False, True))
    assert counts == [in_use, *[training] * (1 + meeting.STEPS)]


def test_two_processes_compute_learn_and_drop_out_what_the_whole_network_does_and_send_what_the_formula_says(tmp_path):
    assert_towers_are_the_whole(tmp_path, SMALL, INPUT, 6)


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_alexnet_over_two_processes_is_alexnet(tmp_path, precision):
    row = NETS["alexnet"]
    assert_towers_are_the_whole(tmp_path, row.net(), row.input, 2, precision)


@pytest.mark.slow
def test_there_can_be_three_towers(tmp_path):
    net = Chain(conv1=Conv(7, 3, stride=2) >> ReLU(), conv2=Conv(9, 3) >> ReLU(), conv3=Conv(6, 3, groups=3) >> ReLU(), fc4=FC(4))
    assert_towers_are_the_whole(tmp_path, net, (3, 13, 13), 4, towers=3)


# --- on paper ---


def test_alexnets_towers_meet_where_figure_2_lets_them():
    row = NETS["alexnet"]
    halves = {"conv3.0": 128 * 13 * 13, "fc6.0": 128 * 6 * 6, "fc7.0": 2048, "fc8": 2048}
    expected = [Exchange(path, 2 * half * 4, 2 * half * 4) for path, half in halves.items()]
    assert exchanges(row.net(), row.input) == [*expected, Exchange("scores", 2 * 500 * 4, 0)]
    assert bytes_exchanged(row.net(), row.input, 128) == 128 * 8 * (2 * sum(halves.values()) + 500)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_tower_of_alexnets_holds_its_rows_and_no_others(rank):
    row = NETS["alexnet"]
    with torch.device("meta"):
        whole = build(row.net(), row.input, None).state_dict()
        held = tower(row.net(), row.input, Wire(rank)).state_dict()
    assert {name: value.shape for name, value in held.items()} == {name: value.shape for name, value in split(whole)[rank].items()}
    assert held["conv1.0.weight"].shape == (48, 3, 11, 11) and held["conv2.0.weight"].shape == (128, 48, 5, 5)
    assert held["conv3.0.weight"].shape == (192, 256, 3, 3) and held["fc7.0.weight"].shape == (2048, 4096)
    assert sum(value.numel() for value in held.values()) * 2 == 60_965_224


shapes = st.dictionaries(st.text("ab.", min_size=1), st.lists(st.integers(0, 5), max_size=3), min_size=1)


@given(shapes, st.integers(1, 4))
def test_what_is_split_is_joined_to_the_same(shapes, towers):
    weights = {name: torch.arange(torch.Size(shape).numel()).reshape(shape) for name, shape in shapes.items()}
    parts = split(weights, towers)
    assert len(parts) == towers
    together = joined(parts)
    assert list(together) == list(weights) and all(torch.equal(together[name], value) for name, value in weights.items())
    assert all(torch.equal(one[name], other[name]) for one, other in zip(split(together, towers), parts) for name in weights)


STEM = Conv(4, 3, pad=1)
MAPS = (3, 8, 8)


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (Chain(conv1=STEM >> ReLU() >> LRN(5), fc2=FC(2)), "conv1.2: LRN() cannot be shared out over 2 towers: it reads over the border"),
        (
            Chain(conv1=Conv(6, 3), conv2=Conv(6, 3, groups=3)),
            "conv2: Conv(6, 3, groups=3) cannot be shared out over 2 towers: its groups must be",
        ),
        (
            Chain(conv1=Conv(6, 3, groups=3), fc2=FC(2)),
            "conv1: Conv(6, 3, groups=3) cannot be shared out over 2 towers: its groups must be",
        ),
        (Chain(conv1=STEM, block=Sum(STEM, Identity()), fc3=FC(2)), "block: Sum cannot"),
        (Chain(conv1=STEM, aux=Head(FC(2), 0.3), fc2=FC(2)), "aux.0: FC(2) cannot"),
        (Chain(conv1=STEM, fc2=FC(2) >> Softmax()), "fc2.1: Softmax() cannot"),
        (Chain(norm=BatchNorm(), fc=FC(2)), "norm: BatchNorm() cannot be shared out over 2 towers: it must stand behind"),
        (Chain(conv1=Conv(3, 3), norm=Flatten() >> BatchNorm(), fc=FC(2)), "norm.1: BatchNorm() cannot"),
        (Chain(conv1=STEM, fc2=FC(1)), "fc2: FC(1) cannot be shared out over 2 towers: it gives 1"),
        (Chain(pool=MaxPool(2)), "pool: the network has no Conv and no FC"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_a_network_that_cannot_be_shared_out_is_refused_at_its_stage(net, said):
    size = (12, 8, 8) if "groups=3" in repr(net) else MAPS
    with pytest.raises(HubelError) as caught:
        exchanges(net, size)
    assert str(caught.value).startswith(said)


# --- the example ---


@pytest.mark.slow
def test_the_example_trains_what_one_process_trains_and_prints_the_bytes_that_the_formula_says(tmp_path, monkeypatch):
    """Parts of pictures, reflections, colours and dropout are the same: the file holds the network that `hubel.train` comes to."""
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    data, out = runs.folder(tmp_path / "pictures", 12, 2), tmp_path / "model.safetensors"
    words = ["--nproc-per-node", "2", EXAMPLE, data, "--epochs", "1", "--batch", "5", "--lr", "0.001", "--out", out]
    command = [sys.executable, "-m", "torch.distributed.run", *map(str, words)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True).stdout
    steps = re.findall(r"step (\d) of 2: ([\d,]+) bytes exchanged, ([\d,]+) by the formula", told)
    assert [step for step, _, _ in steps] == ["1", "2"] and all(sent == formula for _, sent, formula in steps)
    paper = PAPER["alexnet"]
    recipe = replace(paper.recipe, epochs=1, batch=5, lr=0.001, precision="fp32", threads=1, lanes=1)
    *_, last = hubel.train("alexnet", data, replace(paper, recipe=recipe))
    ours, theirs = load(out), last.model
    assert (ours.net, ours.input, ours.classes, ours.pixels) == (theirs.net, theirs.input, theirs.classes, theirs.pixels)
    fresh = build(ours.net, ours.input, "krizhevsky_2012", recipe.seed).state_dict()
    for name, value in ours.network.state_dict().items():
        other = theirs.network.state_dict()[name]
        assert (value - other).abs().max() < 1e-3 * (other - fresh[name]).abs().max()
