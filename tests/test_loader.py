"""Decoded sets: what cannot be read is named and kept out, the rest is right, divided, measured and dealt out exactly once an epoch."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubel.errors import HubelError, PictureError
from hubel.pictures import loader
from hubel.pictures.batches import Refused, shuffled, steps
from hubel.pictures.held import Pictures, statistics
from hubel.pictures.loader import decoded, divided
from hubel.pictures.pixels import Pixels
from hubel.pictures.sources import Split, open_source
from hubel.training.recipe import Recipe
from hubel.training.setup import prepared

POLICY = Pixels(1, 6, 5)


def drawn(i, height=6, width=5):
    """Picture number i, unlike every other."""
    return np.random.default_rng(i).integers(0, 256, (height, width), np.uint8)


def split_of(count, bad=(), labels=None):
    """A split in memory; the pictures with the numbers in `bad` cannot be read."""

    def read(i):
        if i in bad:
            raise PictureError(f"number {i} is bad")
        return Image.fromarray(drawn(i))

    labels = np.arange(count) % 3 if labels is None else np.array(labels, np.int64)
    return Split([f"picture {i}" for i in range(count)], labels, read)


def pictures_of(labels):
    """Decoded pictures with those labels, each of one pixel that counts them."""
    labels = torch.tensor(labels)
    pixels = (torch.arange(len(labels)) % 256).to(torch.uint8)[:, None, None, None]
    return Pictures(pixels, labels, [str(i) for i in range(len(labels))])


# --- decoding -----------------------------------------------------------------------------------------------------------


def test_every_picture_is_decoded_in_its_place_with_its_label_and_name():
    split = split_of(200)  # more than a thread brings to size at once
    found = decoded(split, POLICY)
    assert (found.pixels.dtype, tuple(found.pixels.shape), found.labels.dtype) == (torch.uint8, (200, 6, 5, 1), torch.int64)
    assert all(np.array_equal(found.pixels[i, ..., 0].numpy(), drawn(i)) for i in range(200))
    assert found.labels.tolist() == split.labels.tolist()
    assert (found.names, found.refused, len(found)) == (split.names, (), 200)


def bad_files():
    """Files that stand among pictures: name to bytes, and what is said of them."""
    file = io.BytesIO()
    Image.fromarray(drawn(0, 60, 60)).save(file, "PNG")
    whole = file.getvalue()
    jpeg = io.BytesIO()
    Image.fromarray(drawn(0, 60, 60)).save(jpeg, "JPEG")
    return {
        "empty.png": (b"", "empty"),
        "cut.png": (whole[: len(whole) // 2], "damaged"),
        "cut.jpg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "damaged"),
        "notes.png": (b"cats, all of them\n", "not a picture"),
        "bytes": (bytes(range(256)), "not a picture"),
        "page.jpg": (b"<html>404 Not Found</html>", "not a picture"),
    }


@pytest.fixture
def mixed(tmp_path):
    """Two classes of 70 pictures each, with unusable files among them."""
    for c, label in enumerate(("cat", "dog")):
        (tmp_path / label).mkdir()
        for i in range(70):
            Image.fromarray(drawn(100 * c + i)).save(tmp_path / label / f"{i:03}.png")
        for name, (data, _) in bad_files().items():
            (tmp_path / label / name).write_bytes(data)
        (tmp_path / label / "010 float.tif").write_bytes(floating())
    return tmp_path


def floating():
    file = io.BytesIO()
    Image.new("F", (5, 6), 3.5).save(file, "TIFF")
    return file.getvalue()


def test_files_that_cannot_be_read_are_kept_out_and_named_with_their_reasons(mixed):
    found = decoded(open_source(mixed).training(), POLICY)
    reasons = {name: reason for name, (_, reason) in bad_files().items()} | {"010 float.tif": "floating"}
    assert len(found.refused) == 2 * len(reasons)
    assert [refused.name for refused in found.refused] == [
        str(mixed / label / name) for label in ("cat", "dog") for name in sorted(reasons)
    ]
    assert all(reasons[refused.name.rsplit("/", 1)[1]] in refused.reason for refused in found.refused)


def test_pictures_beside_those_that_cannot_be_read_keep_their_order_labels_and_pixels(mixed):
    found = decoded(open_source(mixed).training(), POLICY)
    assert found.names == [str(mixed / label / f"{i:03}.png") for label in ("cat", "dog") for i in range(70)]
    assert found.labels.tolist() == [0] * 70 + [1] * 70
    for at, (c, i) in enumerate((c, i) for c in range(2) for i in range(70)):
        assert np.array_equal(found.pixels[at, ..., 0].numpy(), drawn(100 * c + i))


def test_strict_stops_at_the_first_file_that_cannot_be_read(mixed):
    with pytest.raises(PictureError, match="floating") as caught:
        decoded(open_source(mixed).training(), POLICY, strict=True)
    assert str(caught.value).startswith(f"{mixed / 'cat' / '010 float.tif'}: ")
    with pytest.raises(PictureError, match=r"picture 130: number 130 is bad\."):
        decoded(split_of(300, bad={299, 130, 131, 200}), POLICY, strict=True)


def test_strict_changes_nothing_where_all_can_be_read():
    strict, lenient = (decoded(split_of(100), POLICY, strict) for strict in (True, False))
    assert torch.equal(strict.pixels, lenient.pixels)
    assert strict.names == lenient.names


def test_a_set_of_which_nothing_can_be_read_is_refused_with_the_first_reason():
    with pytest.raises(PictureError, match=r"None of the 90 pictures can be read; the first: picture 0: number 0 is bad\."):
        decoded(split_of(90, bad=range(90)), POLICY)


def test_a_set_of_no_pictures_is_refused():
    with pytest.raises(PictureError):
        decoded(split_of(0), POLICY)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 150).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1), max_size=count - 1))))
def test_whatever_is_refused_the_others_stay(case):
    count, bad = case
    found = decoded(split_of(count, bad), POLICY)
    kept = [i for i in range(count) if i not in bad]
    assert found.names == [f"picture {i}" for i in kept]
    assert found.labels.tolist() == [i % 3 for i in kept]
    assert np.array_equal(found.pixels[..., 0].numpy(), np.stack([drawn(i) for i in kept]))
    assert found.refused == tuple(Refused(f"picture {i}", f"number {i} is bad") for i in sorted(bad))


def test_progress_is_told_up_to_the_last_picture():
    heard = []
    decoded(split_of(200, bad={3}), POLICY, told=lambda *where: heard.append(where))
    done = [where[0] for where in heard]
    assert done == sorted(set(done))
    assert heard[-1] == (200, 200)
    assert {count for _, count in heard} == {200}


@pytest.mark.parametrize(("pages", "fits"), [(1, False), (9, False), (11, True)])
def test_a_set_that_would_fill_the_memory_is_refused_before_it_is_read(monkeypatch, pages, fits):
    split = split_of(300)  # 9,000 bytes, where four fifths of the free ones may be taken
    monkeypatch.setattr(loader, "free_memory", lambda: pages * 1024)
    if fits:
        assert len(decoded(split, POLICY)) == 300
    else:
        never = Split(split.names, split.labels, lambda i: pytest.fail("a picture was read"))
        with pytest.raises(PictureError, match=r"300 pictures of 6x5 take .* but only .* are free"):
            decoded(never, POLICY)


def test_fingerprints_tell_pixels_and_labels_apart_and_nothing_else():
    one = decoded(split_of(20), POLICY)
    assert one.fingerprint() == decoded(split_of(21), POLICY).subset(torch.arange(20)).fingerprint()
    assert len(one.fingerprint()) == 64
    pixels = one.pixels.clone()
    pixels[7, 2, 2, 0] ^= 1
    changed = [
        Pictures(pixels, one.labels, one.names),
        Pictures(one.pixels, one.labels.flip(0), one.names),
        one.subset(torch.arange(19)),
        one.subset(torch.arange(20).flip(0)),
    ]
    assert len({one.fingerprint(), *(other.fingerprint() for other in changed)}) == 5


@given(st.lists(st.integers(0, 29), max_size=40))
def test_a_subset_has_the_chosen_pictures_in_that_order(chosen):
    everything = decoded(split_of(30), POLICY)
    some = everything.subset(torch.tensor(chosen, dtype=torch.int64))
    assert len(some) == len(chosen)
    assert some.names == [f"picture {i}" for i in chosen]
    assert some.labels.tolist() == [i % 3 for i in chosen]
    assert all(np.array_equal(some.pixels[at, ..., 0].numpy(), drawn(i)) for at, i in enumerate(chosen))


# --- statistics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 50])
def test_mean_and_deviation_are_numpys_over_all_pixels_of_each_channel(channels, count):
    draw = np.random.default_rng(count)
    values = (draw.beta(2, 5, (count, 13, 11, channels)) * np.array([255, 120, 30])[:channels]).astype(np.uint8)
    mean, deviation = statistics(Pictures(torch.from_numpy(values), torch.zeros(count, dtype=torch.int64), [""] * count))
    assert len(mean) == len(deviation) == channels
    np.testing.assert_allclose(mean, (values / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(deviation, (values / 255).std((0, 1, 2)), rtol=1e-9)


def test_pictures_of_one_level_have_a_deviation_to_divide_by():
    mean, deviation = statistics(Pictures(torch.full((3, 4, 4, 1), 51, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), [""] * 3))
    assert mean == pytest.approx((0.2,))
    assert deviation == pytest.approx((0.001,))


def test_statistics_are_those_that_make_the_tensor_centred_with_deviation_1():
    pictures = decoded(split_of(40), POLICY)
    mean, deviation = statistics(pictures)
    tensor = Pixels(1, 6, 5, mean=mean, deviation=deviation).tensor(pictures.pixels).double()
    assert float(tensor.mean()) == pytest.approx(0, abs=1e-6)
    assert float(tensor.std(correction=0)) == pytest.approx(1, abs=1e-6)


# --- dividing -----------------------------------------------------------------------------------------------------------

class_sizes = st.lists(st.integers(0, 40), min_size=2, max_size=6).filter(lambda sizes: max(sizes) > 1)
shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**63 - 1)


@settings(deadline=None)
@given(class_sizes, shares, seeds)
def test_a_set_is_divided_into_two_parts_of_every_class_by_the_seed(sizes, share, seed):
    labels = np.random.default_rng(5).permutation(np.repeat(np.arange(len(sizes)), sizes)).tolist()
    everything = pictures_of(labels)
    train, validation = divided(everything, share, seed)
    ours, theirs = [list(map(int, part.names)) for part in (train, validation)]
    assert sorted(ours + theirs) == list(range(len(labels)))  # disjoint and complete
    assert (ours, theirs) == (sorted(ours), sorted(theirs))
    for part, chosen in ((train, ours), (validation, theirs)):
        assert part.labels.tolist() == [labels[i] for i in chosen]
        assert part.pixels.flatten().tolist() == [i % 256 for i in chosen]
    for label, size in enumerate(sizes):
        held = validation.labels.tolist().count(label)
        assert held <= max(0, size - 1)  # something is left to learn from
        assert abs(held - share * size) <= 1
        assert held >= (size > 1)
    again = divided(everything, share, seed)[1]
    assert again.names == validation.names


def test_another_seed_holds_out_others():
    everything = pictures_of([i % 2 for i in range(200)])
    held = {tuple(divided(everything, 0.2, seed)[1].names) for seed in range(20)}
    assert len(held) == 20
    assert len(set().union(*held)) > 190  # every picture's turn comes


def test_one_picture_a_class_is_too_few_to_validate_on_and_refused(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.fromarray(drawn(1)).save(tmp_path / label / "0.png")
    with pytest.raises(HubelError):
        prepared("Flatten() >> FC(2)", tmp_path, Recipe(), (1, 6, 5))


# --- batches ------------------------------------------------------------------------------------------------------------

counts = st.integers(1, 300)
sizes = st.integers(1, 70)


@given(counts, sizes, seeds, st.integers(0, 1000))
def test_an_epoch_deals_out_every_picture_exactly_once(count, batch, seed, epoch):
    dealt = list(shuffled(count, batch, seed, epoch))
    assert all(part.dtype == torch.int64 for part in dealt)
    assert sorted(torch.cat(dealt).tolist()) == list(range(count))


@given(counts, sizes, seeds)
def test_batches_have_their_size_and_a_single_picture_left_over_joins_the_last(count, batch, seed):
    found = [len(part) for part in shuffled(count, batch, seed, 0)]
    assert len(found) == steps(count, batch)
    assert found[:-1] == [batch] * (len(found) - 1)
    if 1 in (count, batch):
        assert found[-1] == 1
    else:
        assert 2 <= found[-1] <= batch + 1
        assert found[-1] <= batch or count % batch == 1


@pytest.mark.parametrize(
    ("count", "batch", "wanted"),
    [(10, 5, [5, 5]), (11, 5, [5, 6]), (12, 5, [5, 5, 2]), (1, 5, [1]), (5, 5, [5]), (6, 5, [6]), (4, 5, [4]), (2, 1, [1, 1]), (3, 2, [3])],
)
def test_sizes_of_shuffled(count, batch, wanted):
    assert [len(part) for part in shuffled(count, batch, 0, 0)] == wanted


@given(counts, sizes, seeds, st.integers(0, 1000), st.integers(0, 300))
def test_an_epoch_goes_on_from_any_step_with_the_same_shuffled(count, batch, seed, epoch, start):
    whole = [part.tolist() for part in shuffled(count, batch, seed, epoch)]
    assert [part.tolist() for part in shuffled(count, batch, seed, epoch, start)] == whole[start:]


@given(st.integers(2, 300), sizes, sizes, seeds)
def test_the_order_does_not_depend_on_the_size_of_a_batch(count, one, other, seed):
    first, second = (torch.cat(list(shuffled(count, batch, seed, 3))) for batch in (one, other))
    assert torch.equal(first, second)


def test_the_order_is_another_for_every_seed_and_epoch():
    orders = {tuple(next(shuffled(50, 50, seed, epoch)).tolist()) for seed in range(20) for epoch in range(20)}
    assert len(orders) == 400
    torch.manual_seed(1)
    assert tuple(next(shuffled(50, 50, 3, 4)).tolist()) in orders


@given(counts, sizes)
def test_steps_is_the_number_of_shuffled(count, batch):
    assert steps(count, batch) == (count if batch == 1 else max(1, math.ceil((count - 1) / batch)))
    assert steps(count, batch) == sum(1 for _ in shuffled(count, batch, 0, 0))
