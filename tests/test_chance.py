"""Counted randomness: SplitMix64 to the bit, each draw a function of its index and its counts alone."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubel import chance

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

words = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([0, 1, -1, 2**31, 2**32, 2**63 - 1, 2**63, WORD - 1, -(2**63)])
numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 2**31, 2**32, 2**63 - 1, -(2**63)])
some_counts = st.lists(words, max_size=4)


def mixed(z):
    """Vigna's splitmix64.c, line by line: what comes of a state."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
    return z ^ (z >> 31)


def splitmix64(seed):
    """The published generator."""
    state = seed % WORD
    while True:
        state = (state + GOLDEN) % WORD
        yield mixed(state)


def drawn(key, index):
    """The upper 24 bits of number `index` (the first is 1) of the stream with that seed, as a share of 1."""
    return (mixed((key + index * GOLDEN) % WORD) >> 40) / 2**24


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]),
    ],
)
def test_the_reference_gives_the_published_numbers(seed, first):
    assert list(itertools.islice(splitmix64(seed), 5)) == first


@pytest.mark.parametrize("device", DEVICES)
def test_uniform_is_the_stream_that_its_counts_seed(device):
    found = chance.uniform(torch.arange(1, 1001, device=device), 3, 1, 4).tolist()
    assert found == [(number >> 40) / 2**24 for number in itertools.islice(splitmix64(chance.key(3, 1, 4)), 1000)]


@given(st.lists(numbers, min_size=1, max_size=8), some_counts)
def test_uniform_wraps_round_64_bits_as_unsigned_arithmetic_does(indices, counts):
    found = chance.uniform(torch.tensor(indices), *counts)
    assert found.dtype == torch.float32
    assert found.tolist() == [drawn(chance.key(*counts), index) for index in indices]


@given(words)
def test_the_key_of_one_count_is_the_first_number_that_it_seeds(count):
    assert chance.key(count) == next(splitmix64(count))


@given(some_counts, words)
def test_a_further_count_is_mixed_into_the_key_of_those_before(counts, last):
    before = chance.key(*counts)
    assert chance.key(*counts, last) == next(splitmix64(before ^ (last % WORD)))


@given(some_counts)
def test_a_key_has_64_bits_and_reads_signed_and_unsigned_counts_alike(counts):
    key = chance.key(*counts)
    assert 0 <= key < WORD
    assert chance.key(*(count % WORD for count in counts)) == key
    assert chance.key(*(count - WORD for count in counts)) == key


def test_counts_that_differ_have_keys_that_differ():
    # The mixing is one to one on 64 bits; a sum that is not cut to 64 bits before it makes this pair meet.
    assert chance.key(-1) != chance.key(17179869167)
    keys = [chance.key(*counts) for length in range(4) for counts in itertools.product(range(-5, 25), repeat=length)]
    assert len(set(keys)) == len(keys)


@given(st.lists(numbers, min_size=1, max_size=20), some_counts, st.randoms(use_true_random=False))
def test_a_draw_does_not_depend_on_the_batch_it_is_in(indices, counts, shuffler):
    together = dict(zip(indices, chance.uniform(torch.tensor(indices), *counts).tolist()))
    shuffler.shuffle(indices)
    some = indices[: max(1, len(indices) // 2)]
    assert chance.uniform(torch.tensor(some), *counts).tolist() == [together[index] for index in some]
    assert chance.uniform(torch.tensor([[indices[0]]]), *counts).tolist() == [[together[indices[0]]]]


def test_a_draw_neither_reads_nor_moves_torch_generator():
    before = torch.get_rng_state()
    first = chance.uniform(torch.arange(9), 5), chance.order(9, 5)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        again = chance.uniform(torch.arange(9), 5), chance.order(9, 5)
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize("counts", [(), (0,), (1,), (0, 0, 0), (2**63 - 1, 19, 3), (7, -1)], ids=str)
def test_draws_fill_zero_to_one_evenly(counts):
    values = chance.uniform(torch.arange(2**16), *counts)
    assert 0 <= float(values.min()) < 0.001
    assert 0.999 < float(values.max()) < 1
    assert stats.chisquare(np.histogram(values.numpy(), 256, (0, 1))[0]).pvalue > 1e-6


NEIGHBOURS = [
    ((0,), (1,)),
    ((0, 0), (0, 1)),
    ((0, 1), (1, 0)),
    ((5, 2, 1), (5, 2, 2)),
    ((1,), (1, 0)),
    ((), (0,)),
    ((2**62,), (2**62 + 1,)),
]


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS, ids=str)
def test_draws_of_different_counts_are_unrelated(one, other):
    first, second = (chance.uniform(torch.arange(2**16), *counts).numpy() for counts in (one, other))
    assert (first == second).mean() < 0.001
    joint = np.histogram2d(first, second, bins=16, range=((0, 1), (0, 1)))[0]
    assert stats.chisquare(joint.reshape(-1)).pvalue > 1e-6


def test_draws_of_neighbouring_pictures_and_of_one_picture_over_epochs_are_unrelated():
    pictures = chance.uniform(torch.arange(2**16 + 1), 0, 0, 1).numpy()
    epochs = torch.stack([chance.uniform(torch.arange(64), 0, epoch, 1) for epoch in range(1025)], 1).numpy()
    for before, after in ((pictures[:-1], pictures[1:]), (epochs[:, :-1].reshape(-1), epochs[:, 1:].reshape(-1))):
        joint = np.histogram2d(before, after, bins=16, range=((0, 1), (0, 1)))[0]
        assert stats.chisquare(joint.reshape(-1)).pvalue > 1e-6


@pytest.mark.parametrize(("least", "most"), [(0, 0), (-4, 4), (0, 1), (3, 12), (-7, -2)])
def test_whole_numbers_come_from_least_to_most_evenly(least, most):
    found = chance.whole(torch.arange(2**14), least, most, 8)
    assert found.dtype == torch.int64
    values, often = found.unique(return_counts=True)
    assert values.tolist() == list(range(least, most + 1))
    assert len(values) == 1 or stats.chisquare(often.numpy()).pvalue > 1e-6


def test_no_rounding_carries_a_whole_number_past_the_most(monkeypatch):
    monkeypatch.setattr(chance, "uniform", lambda indices, *counts: torch.tensor([0.0, 1 - 2.0**-24]))
    for most in [*range(5000), 2**16, 2**20 + 1, 2**23 - 1]:
        assert chance.whole(torch.arange(2), 0, most).tolist() == [0, most]


@settings(max_examples=50)
@given(st.integers(0, 200), some_counts)
def test_an_order_has_every_number_once_and_follows_from_its_counts(length, counts):
    found = chance.order(length, *counts)
    assert found.dtype == torch.int64
    assert sorted(found.tolist()) == list(range(length))
    assert torch.equal(found, chance.order(length, *counts))


def test_orders_of_different_counts_differ_and_favour_no_place():
    orders = torch.stack([chance.order(16, seed, epoch, 0) for seed in range(40) for epoch in range(40)])
    assert len({tuple(order) for order in orders.tolist()}) == len(orders)
    for place in range(16):
        assert stats.chisquare(torch.bincount(orders[:, place], minlength=16).numpy()).pvalue > 1e-6
