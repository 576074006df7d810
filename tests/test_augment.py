"""Augmentation: each picture shifted and mirrored as (seed, epoch, number) alone decide, to the byte of a loop over its pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel import chance
from hubel.pictures.augment import FLIP, SHIFT_ACROSS, SHIFT_DOWN, Augmentation
from hubel.pictures.loader import ORDER
from hubel.training.loop import DROPOUT

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def store_of(count, height, width, channels=1):
    """Pictures in which no two pixels of a picture are alike (as long as there are 256 at most)."""
    levels = np.arange(height * width * channels) % 256
    return torch.from_numpy(np.stack([(levels * 5 + 31 * i) % 256 for i in range(count)]).astype(np.uint8)).view(
        count, height, width, channels
    )


def changed(picture, down, across, mirrored):
    """One picture moved by so many pixels, what is laid bare filled with the edge's pixels, then mirrored; pixel by pixel."""
    height, width, channels = picture.shape
    found = np.zeros_like(picture)
    for row in range(height):
        for column in range(width):
            there = width - 1 - column if mirrored else column
            for channel in range(channels):
                from_row, from_column = min(max(row - down, 0), height - 1), min(max(there - across, 0), width - 1)
                found[row, column, channel] = picture[from_row, from_column, channel]
    return found


def change_of(augmentation, i, shape, seed, epoch):
    """What picture number i is to undergo: its own draws, each for its own purpose."""
    index = torch.tensor([i])
    down, across = int(augmentation.shift * shape[0]), int(augmentation.shift * shape[1])
    moved_down = chance.whole(index, -down, down, seed, epoch, SHIFT_DOWN).item()
    moved_across = chance.whole(index, -across, across, seed, epoch, SHIFT_ACROSS).item()
    return moved_down, moved_across, augmentation.flip and chance.uniform(index, seed, epoch, FLIP).item() < 0.5


augmentations = st.builds(Augmentation, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.99]) | st.floats(0, 0.999), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    augmentations,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
    st.lists(st.integers(0, 11), min_size=1, max_size=6),
    st.integers(0, 2**63 - 1),
    st.integers(0, 10**6),
)
def test_a_batch_is_what_a_loop_over_pictures_and_pixels_gives(augmentation, shape, indices, seed, epoch):
    store = store_of(12, *shape)
    found = augmentation.batch(store, torch.tensor(indices), seed, epoch)
    assert (found.dtype, tuple(found.shape)) == (torch.uint8, (len(indices), *shape))
    for at, i in enumerate(indices):
        assert np.array_equal(found[at].numpy(), changed(store[i].numpy(), *change_of(augmentation, i, shape, seed, epoch)))


def test_the_loop_moves_fills_and_mirrors_as_numpy_does():
    picture = store_of(1, 6, 7)[0].numpy()
    for down, across in ((0, 0), (2, 0), (-1, 3), (0, -2)):
        there = np.pad(picture, ((6, 6), (7, 7), (0, 0)), mode="edge")[6 - down : 12 - down, 7 - across : 14 - across]
        assert np.array_equal(changed(picture, down, across, False), there)
        assert np.array_equal(changed(picture, down, across, True), there[:, ::-1])
        inside = np.s_[max(0, down) : 6 + min(0, down), max(0, across) : 7 + min(0, across)]
        assert np.array_equal(there[inside], np.roll(picture, (down, across), (0, 1))[inside])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(0.2), Augmentation(0, True), Augmentation(0.3, True)], ids=str)
def test_a_picture_undergoes_the_same_in_whatever_batch_it_is(augmentation, device):
    store = store_of(100, 12, 10, 3).to(device)
    everything = augmentation.batch(store, torch.arange(100, device=device), 5, 9)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0)).to(device)
    for size in (1, 7, 64):
        for some in order.split(size):
            assert torch.equal(augmentation.batch(store, some, 5, 9), everything[some])
    alone = Augmentation(augmentation.shift, augmentation.flip).batch(store[:50], torch.tensor([7, 7], device=device), 5, 9)
    assert torch.equal(alone, everything[[7, 7]])
    assert torch.equal(everything.cpu(), augmentation.batch(store.cpu(), torch.arange(100), 5, 9))


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(0.0, False), Augmentation(0.05)], ids=str)
def test_no_shift_and_no_flip_give_the_pictures_as_they_are(augmentation):
    store = store_of(20, 12, 12, 3)  # a twentieth of 12 pixels is no whole pixel
    indices = torch.tensor([3, 19, 0, 3])
    assert torch.equal(augmentation.batch(store, indices, 1, 2), store[indices])


def seen(augmentation, store, seeds, epochs):
    """Every change that occurs, found by comparing pictures with all changes that there could be: (down, across, mirrored)."""
    height, width = store.shape[1:3]
    possible = {}
    for down in range(-height + 1, height):
        for across in range(-width + 1, width):
            for mirrored in (False, True):
                possible.setdefault(changed(store[0].numpy(), down, across, mirrored).tobytes(), (down, across, mirrored))
    indices = torch.zeros(1, dtype=torch.int64)
    return [
        possible[augmentation.batch(store, indices, seed, epoch)[0].numpy().tobytes()] for seed in range(seeds) for epoch in range(epochs)
    ]


def test_shifts_go_as_far_as_said_in_all_directions_and_no_further():
    found = seen(Augmentation(0.25), store_of(1, 8, 12), 20, 40)
    assert {down for down, _, _ in found} == set(range(-2, 3))
    assert {across for _, across, _ in found} == set(range(-3, 4))
    assert len({(down, across) for down, across, _ in found}) == 5 * 7  # the two sides are drawn apart
    assert {mirrored for _, _, mirrored in found} == {False}


def test_half_of_the_pictures_are_mirrored_and_nothing_else_happens_to_them():
    found = seen(Augmentation(0, True), store_of(1, 5, 6), 20, 40)
    assert set(found) == {(0, 0, False), (0, 0, True)}
    assert 320 < found.count((0, 0, True)) < 480  # of 800; five deviations are 71


def test_mirroring_is_drawn_apart_from_shifts_and_both_apart_from_order_and_dropout():
    found = seen(Augmentation(0.25, True), store_of(1, 8, 12), 20, 40)
    for direction in (0, 1):
        for mirrored in (False, True):
            assert len({change[direction] for change in found if change[2] == mirrored}) == (5, 7)[direction]
    assert len({SHIFT_DOWN, SHIFT_ACROSS, FLIP, ORDER, DROPOUT}) == 5


def test_another_seed_epoch_or_number_is_another_change():
    store = store_of(1, 16, 16).expand(200, -1, -1, -1)
    augmentation, indices = Augmentation(0.4, True), torch.arange(200)
    first = augmentation.batch(store, indices, 0, 0)
    for seed, epoch in ((0, 1), (1, 0), (1, 1)):
        other = augmentation.batch(store, indices, seed, epoch)
        assert (first == other).flatten(1).all(1).float().mean() < 0.1
    assert len({picture.numpy().tobytes() for picture in first}) > 100


def test_the_stored_pictures_are_not_changed():
    store = store_of(10, 8, 8, 3)
    before = store.clone()
    for augmentation in (Augmentation(), Augmentation(0.5, True)):
        augmentation.batch(store, torch.arange(10), 0, 0).fill_(0)
    assert torch.equal(store, before)
