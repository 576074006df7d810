"""Augmentation: what happens to each picture as (seed, epoch, number) alone decide; moves to the byte of a loop over pixels."""

import hashlib
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import hubel
import runs
from hubel import chance
from hubel.errors import RunError
from hubel.pictures.augment import Augmentation, Purpose, rounded
from hubel.pictures.augment.draws import Draws
from hubel.pictures.pixels import Pixels
from hubel.training import setup
from hubel.training.loop import augmentation_of
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def store_of(count, height, width, channels=1):
    """Pictures in which no two pixels of a picture are alike (as long as there are 256 at most)."""
    levels = np.arange(height * width * channels) % 256
    return torch.from_numpy(np.stack([(levels * 5 + 31 * i) % 256 for i in range(count)]).astype(np.uint8)).view(
        count, height, width, channels
    )


def seen_from(place, side, fill):
    """Which of `side` pixels is seen at a place that may lie outside, one step at a time; None where it is the constant."""
    if fill == "nearest":
        return min(max(place, 0), side - 1)
    while fill == "wrap" and not 0 <= place < side:
        place += side if place < 0 else -side
    while fill == "reflect" and not 0 <= place < side:
        place = -1 - place if place < 0 else 2 * side - 1 - place
    return place if 0 <= place < side else None


def changed(picture, down, across, mirrored, upside_down=False, fill="nearest", value=0):
    """One picture moved by so many pixels, what is laid bare filled, then mirrored; pixel by pixel."""
    height, width, channels = picture.shape
    found = np.zeros_like(picture)
    for row in range(height):
        for column in range(width):
            there = height - 1 - row if upside_down else row, width - 1 - column if mirrored else column
            from_row, from_column = seen_from(there[0] - down, height, fill), seen_from(there[1] - across, width, fill)
            for channel in range(channels):
                outside = from_row is None or from_column is None
                found[row, column, channel] = value if outside else picture[from_row, from_column, channel]
    return found


def change_of(augmentation, i, shape, seed, epoch):
    """What picture number i is to undergo: its own draws, each for its own purpose."""
    index = torch.tensor([i])

    def whole(most, purpose):
        return chance.whole(index, -most, most, seed, epoch, purpose).item()

    def half(purpose):
        return chance.uniform(index, seed, epoch, purpose).item() < 0.5

    down = whole(int(augmentation.shift * shape[0]), Purpose.SHIFT_DOWN) + whole(augmentation.crop, Purpose.CROP_DOWN)
    across = whole(int(augmentation.shift * shape[1]), Purpose.SHIFT_ACROSS) + whole(augmentation.crop, Purpose.CROP_ACROSS)
    mirrored, upside_down = augmentation.flip and half(Purpose.FLIP), augmentation.vertical_flip and half(Purpose.VERTICAL_FLIP)
    return down, across, mirrored, upside_down, augmentation.fill, augmentation.fill_value


FILLS = ["nearest", "constant", "reflect", "wrap"]
augmentations = st.builds(
    Augmentation,
    shift=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.99]) | st.floats(0, 0.999),
    flip=st.booleans(),
    vertical_flip=st.booleans(),
    crop=st.integers(0, 12),
    fill=st.sampled_from(FILLS),
    fill_value=st.integers(0, 255),
)


@settings(max_examples=100, deadline=None)
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
    modes = {"nearest": {"mode": "edge"}, "reflect": {"mode": "symmetric"}, "wrap": {"mode": "wrap"},
             "constant": {"mode": "constant", "constant_values": 9}}  # fmt: skip
    for fill, words in modes.items():
        for down, across in ((0, 0), (2, 0), (-1, 3), (0, -2), (14, -15)):
            there = np.pad(picture, ((20, 20), (20, 20), (0, 0)), **words)[20 - down : 26 - down, 20 - across : 27 - across]
            assert np.array_equal(changed(picture, down, across, False, False, fill, 9), there)
            assert np.array_equal(changed(picture, down, across, True, False, fill, 9), there[:, ::-1])
            assert np.array_equal(changed(picture, down, across, False, True, fill, 9), there[::-1])


def test_a_crop_is_a_window_of_the_padded_picture_every_one_as_likely():
    store = store_of(1, 8, 8, 3).expand(5000, -1, -1, -1)
    padded = np.pad(store[0].numpy(), ((2, 2), (2, 2), (0, 0)))
    windows = {padded[top : top + 8, left : left + 8].tobytes(): 5 * top + left for top in range(5) for left in range(5)}
    batch = Augmentation(crop=2, fill="constant").batch(store, torch.arange(5000), 0, 0)
    counts = np.bincount([windows[picture.numpy().tobytes()] for picture in batch], minlength=25)
    assert len(windows) == 25 and stats.chisquare(counts).pvalue > 1e-3


DIGESTS = {
    (0.3, True): "98c1d89a05db07f90bcdad70ebc3935285b7e5c56d9ac1dac4fe111927896f81",
    (0.1, False): "d0368fe9592e1a54b91948b52a6ca1a161b44b9153badaa29eda28af3e4d3a5c",
    (0.0, True): "a08e77a11eb5a09f8513174040d50351ac62d9c15182d1fc702f9477b675cf22",
}
"""Of what shift and flip gave when they were all that there was: recorded runs were trained on these bytes."""


@pytest.mark.parametrize(("said", "digest"), DIGESTS.items())
def test_shift_and_flip_give_the_bytes_that_recorded_runs_saw(said, digest):
    store = torch.from_numpy(np.random.default_rng(7).integers(0, 256, (200, 13, 10, 3), dtype=np.uint8))
    total = hashlib.sha256()
    for seed, epoch in ((0, 0), (5, 9), (2**62, 3)):
        total.update(Augmentation(*said).batch(store, torch.arange(200), seed, epoch).numpy().tobytes())
    assert total.hexdigest() == digest


AXES = ((0.2, 0.6, 0.6, 0.5), (0.02, 0.7, -0.1, -0.7), (0.004, 0.4, -0.8, 0.4))
EVERYTHING = Augmentation(0.1, True, True, 2, 30, 0.1, 0.2, 10, 0.2, "reflect", 0, 0.4, 0.5, 0.6, 0.1, 5, "mean", (0.5, 0.4, 0.3), AXES)
KINDS = {
    "nothing": Augmentation(),
    "shift": Augmentation(0.2),
    "flip": Augmentation(0, True),
    "crop": Augmentation(flip=True, vertical_flip=True, crop=4, fill="constant", fill_value=7),
    "cutout": Augmentation(cutout=5, cutout_fill="mean", mean=(0.5, 0.4, 0.3)),
    "colours": Augmentation(flip=True, brightness=0.4, contrast=0.4, saturation=0.4, colour_noise=0.1, axes=AXES),
    **{fill: Augmentation(rotation=40, width_shift=0.2, height_shift=0.2, shear=15, zoom=0.3, flip=True, fill=fill, fill_value=7) for fill in FILLS},
    "everything": EVERYTHING,
}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_undergoes_the_same_in_whatever_batch_order_and_threads_it_comes(kind, device):
    store, augmentation = store_of(100, 13, 10, 3).to(device), KINDS[kind]
    everything = [hashed(picture) for picture in augmentation.batch(store, torch.arange(100, device=device), 5, 9)]
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0)).to(device)
    threads = torch.get_num_threads()
    for size, count in ((1, 1), (7, 2), (64, 1)):
        torch.set_num_threads(count)
        for some in order.split(size):
            found = replace(augmentation).batch(store, some, 5, 9)
            assert [hashed(picture) for picture in found] == [everything[i] for i in some.tolist()]
    torch.set_num_threads(threads)
    twice = augmentation.batch(store[:50], torch.tensor([7, 7], device=device), 5, 9)
    assert [hashed(picture) for picture in twice] == [everything[7]] * 2


def test_the_mean_grey_of_a_large_picture_does_not_depend_on_how_threads_share_its_sum():
    store = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 301, 203, 3), dtype=np.uint8))
    augmentation, threads = Augmentation(rotation=5, contrast=0.9), torch.get_num_threads()
    everything = augmentation.batch(store, torch.arange(6), 0, 0)
    for i, count in ((0, 2), (3, 3), (5, 1)):
        torch.set_num_threads(count)
        assert torch.equal(augmentation.batch(store, torch.tensor([i]), 0, 0)[0], everything[i])
    torch.set_num_threads(threads)


def hashed(picture):
    return hashlib.sha256(picture.cpu().contiguous().numpy().tobytes()).hexdigest()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_what_the_processor_gives(kind):
    store, augmentation = store_of(100, 13, 10, 3), KINDS[kind]
    here = augmentation.batch(store, torch.arange(100), 5, 9)
    there = augmentation.batch(store.cuda(), torch.arange(100, device="cuda"), 5, 9).cpu()
    if here.dtype == torch.uint8:
        assert torch.equal(there, here)
    else:  # in levels of 0 to 255
        assert (there - here).abs().max() <= 255 * 1e-4


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
    assert len({*map(int, Purpose)}) == len(Purpose.__members__)


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
    for augmentation in KINDS.values():
        augmentation.batch(store, torch.arange(10), 0, 0).fill_(0)
    assert torch.equal(store, before)


# --- the draws ---


DRAWN = Draws(torch.arange(20000), 3, 1)


@pytest.mark.parametrize("purpose", Purpose)
def test_draws_are_uniform_over_their_range_and_never_leave_it(purpose):
    drawn = DRAWN.between(-3.0, 5.0, purpose).numpy()
    assert drawn.min() >= -3 and drawn.max() < 5 and stats.kstest(drawn, stats.uniform(-3, 8).cdf).pvalue > 1e-3
    within = DRAWN.within(7.0, purpose).numpy()
    assert abs(within).max() <= 7 and np.allclose(within, (drawn - 1) * 7 / 4)
    assert stats.kstest(DRAWN.normal(purpose).numpy(), stats.norm.cdf).pvalue > 1e-3


def test_draws_for_different_purposes_have_nothing_to_do_with_one_another():
    drawn = np.stack([DRAWN.between(0, 1, purpose).numpy() for purpose in Purpose] + [DRAWN.normal(purpose).numpy() for purpose in Purpose])
    related = np.corrcoef(drawn)
    count = len(Purpose)
    related[np.arange(count), np.arange(count) + count] = related[np.arange(count) + count, np.arange(count)] = 0  # the same draws
    assert abs(related - np.eye(2 * count)).max() < 5 / 20000**0.5


def test_a_purpose_keeps_its_number():
    words = """SHIFT_DOWN SHIFT_ACROSS FLIP VERTICAL_FLIP CROP_DOWN CROP_ACROSS ROTATION HEIGHT_SHIFT WIDTH_SHIFT SHEAR ZOOM_DOWN ZOOM_ACROSS
        CUTOUT_DOWN CUTOUT_ACROSS BRIGHTNESS CONTRAST SATURATION COLOUR_1 COLOUR_2 COLOUR_3 CUT_AREA CUT_RATIO CUT_DOWN CUT_ACROSS SCALE
        SHARDS""".split()
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        name: number for number, name in enumerate(["DROPOUT", "ORDER", *words], -1)
    }


# --- blotting out, fill, rounding ---


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.sampled_from([1, 3]), st.integers(0, 2**62))
def test_cutout_blots_a_square_out_around_a_pixel_of_the_picture(height, width, size, channels, seed):
    store, mean = store_of(4, height, width, channels), (0.5, 0.251, 0.9)[:channels]
    for kind, levels in (("zero", (0, 0, 0)), ("mean", (128, 64, 230))):  # 127.5 to the even one
        batch = Augmentation(cutout=size, cutout_fill=kind, mean=mean).batch(store, torch.arange(4), seed, 2)
        for i in range(4):
            row = chance.whole(torch.tensor([i]), 0, height - 1, seed, 2, Purpose.CUTOUT_DOWN).item()
            column = chance.whole(torch.tensor([i]), 0, width - 1, seed, 2, Purpose.CUTOUT_ACROSS).item()
            expected = store[i].numpy().copy()
            for r, c in np.ndindex(height, width):
                if 0 <= r - row + size // 2 < size and 0 <= c - column + size // 2 < size:
                    expected[r, c] = levels[:channels]
            assert batch.dtype == torch.uint8 and np.array_equal(batch[i].numpy(), expected)


def test_the_share_laid_bare_is_that_of_the_pixels_outside():
    augmentation, indices = Augmentation(0.4, True, crop=1, fill="wrap", brightness=0.5, cutout=3), torch.tensor([4, 0, 17])
    moves = [change_of(augmentation, i, (7, 9), 2, 5)[:2] for i in indices.tolist()]
    shares = [1 - max(0, 7 - abs(down)) * max(0, 9 - abs(across)) / 63 for down, across in moves]
    assert augmentation.laid_bare(7, 9, indices, 2, 5).tolist() == pytest.approx(shares)


def test_levels_are_rounded_to_the_nearest_whole_one_and_cut_off():
    levels = torch.tensor([-3.0, -0.4, 0.5, 1.5, 2.4999, 254.6, 255.4, 300.0])
    assert rounded(levels).tolist() == [0, 0, 0, 2, 2, 255, 255, 255] and rounded(levels).dtype == torch.uint8
    whole = torch.tensor([3, 255], dtype=torch.uint8)
    assert rounded(whole) is whole


# --- from the recipe to a run ---


@pytest.mark.parametrize(
    ("field", "value"),
    [("crop", -1), ("rotation", 181.0), ("rotation", math.nan), ("width_shift", 1.0), ("height_shift", -0.1), ("shear", 90.0), ("zoom", 1.0),
     ("fill", "edge"), ("fill_value", 256), ("brightness", -0.1), ("contrast", math.inf), ("saturation", -1.0), ("colour_noise", -0.1),
     ("colour_axes", "1 2 3"), ("colour_axes", "nan " * 12), ("cutout", -2), ("cutout_fill", "black")],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_by_field_and_value(field, value):
    with pytest.raises(RunError, match=re.escape(f"{field}={value}") + "|" + re.escape(f"{field}={value!r}")):
        Recipe(**{field: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"crop": 8}, "crop=8.*1x8x8.*below 8"), ({"cutout": 8}, "cutout=8"), ({"saturation": 0.5}, "saturation=0.5.*colour pictures"),
     ({"colour_noise": 0.1}, "colour_noise=0.1.*colour pictures")],
)  # fmt: skip
def test_a_change_that_these_pictures_cannot_undergo_is_refused(changes, words):
    with pytest.raises(RunError, match=words):
        next(runs.train(recipe=replace(runs.RECIPE, **changes)))


def test_every_field_of_an_augmentation_is_the_recipes_and_off_by_default():
    from_recipe = augmentation_of(Recipe(), Pixels(3, 8, 8, mean=(0.1, 0.2, 0.3)))
    assert from_recipe == Augmentation(mean=(0.1, 0.2, 0.3)) and from_recipe.leaves_alone
    recipe = Recipe(**{name: value for name, value in vars(EVERYTHING).items() if name not in ("mean", "axes")})
    text = " ".join(str(number) for axis in AXES for number in axis)
    assert augmentation_of(replace(recipe, colour_axes=text), Pixels(3, 8, 8, mean=EVERYTHING.mean)) == EVERYTHING
    assert all(not kind.leaves_alone for name, kind in KINDS.items() if name != "nothing")


def test_a_run_writes_its_colours_axes_down_and_goes_on_with_them_to_the_same_bits(tmp_path, monkeypatch):
    changes = {name: value for name, value in vars(EVERYTHING).items() if name not in ("mean", "axes")}
    recipe = replace(runs.RECIPE, **changes)

    def train(out):
        return hubel.train(runs.NET, runs.source(), recipe, out, input=(3, 8, 8))

    model = list(train(tmp_path / "whole"))[-1].model
    going = train(tmp_path / "left")
    for record in going:
        if isinstance(record, Epoch) and record.epoch == 2:
            going.close()
    monkeypatch.setattr(setup, "colour_axes", lambda *_: pytest.fail("they were computed again"))
    list(train(tmp_path / "left"))
    assert runs.ended(tmp_path / "left") == runs.ended(tmp_path / "whole")
    said = json.loads((tmp_path / "left" / "recipe.json").read_text())
    assert said["asked"]["colour_axes"] == "auto"
    assert said["recipe"]["colour_axes"] == model.recipe["colour_axes"] and len(Recipe(**said["recipe"]).axes) == 3
