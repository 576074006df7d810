"""Resampling at its edges, against bilinear means in float64, and the threads that share it out."""

import threading

import numpy as np
import pytest
import torch

from hubel.pictures.augment import moving, resampling

FILLS = ["nearest", "constant", "reflect", "wrap"]


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def seen(places, side, fill):
    """Which of `side` pixels is seen at whole places, and whether it is the picture's."""
    inside = (places >= 0) & (places < side)
    if fill == "wrap":
        return places % side, True
    if fill == "reflect":
        return np.minimum(places % (2 * side), 2 * side - 1 - places % (2 * side)), True
    return places.clip(0, side - 1), inside if fill == "constant" else True


def exactly(picture, matrix, offset, fill, value):
    """One picture (H, W, C) resampled in float64, each pixel from the four about its place."""
    height, width, _ = picture.shape
    rows, columns = np.mgrid[:height, :width]
    centred = np.stack([rows - (height - 1) / 2, columns - (width - 1) / 2])
    place = np.tensordot(matrix, centred, 1) + offset[:, :, None] + np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    whole = np.floor(place).astype(np.int64)
    total = np.zeros(picture.shape)
    for down, across in np.ndindex(2, 2):
        row, row_inside = seen(whole[0] + down, height, fill)
        column, column_inside = seen(whole[1] + across, width, fill)
        pixels = np.where(np.broadcast_to(row_inside & column_inside, row.shape)[..., None], picture[row, column], float(value))
        weights = (1 - abs(place[0] - whole[0] - down)) * (1 - abs(place[1] - whole[1] - across))
        total += weights[..., None] * pixels
    return total


MATRICES = {
    "smaller": [[9.0, 0.5], [-0.7, 8.0]],
    "larger": [[0.05, 0.01], [-0.02, 0.04]],
    "mirrored": [[0.3, -1.1], [-0.8, -0.2]],
    "flat": [[0.0, 0.0], [0.0, 0.0]],
}


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("change", MATRICES)
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 17, 1), (14, 1, 3), (2, 2, 1), (21, 34, 3)], ids=str)
def test_whatever_the_matrix_and_however_far_outside_it_is_the_bilinear_mean_of_what_goes_on_for_ever(shape, change, fill):
    pictures, matrix = noise(3, *shape), torch.tensor(MATRICES[change], dtype=torch.float64)
    for far in (0.0, 0.37, 20.25, -19.6):
        offset = torch.tensor([[far * shape[0]], [-far * shape[1]]], dtype=torch.float64)
        found = resampling.resampled(pictures, matrix.expand(3, 2, 2), offset.expand(3, 2, 1), fill, 99).permute(0, 2, 3, 1)
        for picture, result in zip(pictures, found):
            expected = exactly(picture.numpy(), matrix.numpy(), offset.numpy(), fill, 99)
            assert abs(result.numpy() - expected).max() < 0.2  # of 255, 20 sides and more outside the picture


@pytest.mark.parametrize("fill", FILLS)
def test_a_picture_of_40000_columns_is_within_a_grey_level_and_a_half(fill):
    picture, matrix = noise(1, 3, 40_000, 1), np.array([[1.1, 0.0], [0.0, 0.93]])
    offset = np.array([[0.3], [-1234.56]])
    found = resampling.resampled(picture, torch.from_numpy(matrix)[None], torch.from_numpy(offset)[None], fill, 7).permute(0, 2, 3, 1)
    assert abs(found[0].numpy() - exactly(picture[0].numpy(), matrix, offset, fill, 7)).max() < 1.5


@pytest.fixture
def threads():
    """Sets torch's number of threads; afterwards it is as before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("fill", FILLS)
def test_the_bits_are_those_of_one_picture_in_one_thread_however_many_pieces_and_threads_share_them(fill, threads):
    pictures, draw = noise(13, 120, 130, 3), np.random.default_rng(1)
    matrices = torch.from_numpy(np.eye(2) + draw.normal(0, 0.3, (13, 2, 2)))
    offsets = torch.from_numpy(draw.normal(0, 30, (13, 2, 1)))
    threads(1)
    alone = [resampling.resampled(*(v[i : i + 1] for v in (pictures, matrices, offsets)), fill, 50)[0] for i in range(13)]
    for count in (1, 2, 3, 16):
        threads(count)
        assert torch.equal(resampling.resampled(pictures, matrices, offsets, fill, 50), torch.stack(alone))


def test_work_side_by_side_runs_torch_alone_in_each_thread_and_leaves_everybody_elses_threads_as_they_were(threads):
    threads(3)
    planes, counts, names, later = torch.zeros(12, 1, 512, 512), [], set(), []

    def work(some):
        some.add_(1)
        counts.append(torch.get_num_threads())
        names.add(threading.current_thread().name)

    resampling.side_by_side(work, planes)
    assert (planes == 1).all() and set(counts) == {1} and len(counts) == 12
    assert threading.current_thread().name not in names
    newcomer = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    newcomer.start()
    newcomer.join()
    assert (torch.get_num_threads(), later) == (3, [3])


def test_what_goes_wrong_in_a_thread_is_raised_where_the_work_was_asked_for(threads):
    threads(2)

    def work(some):
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        resampling.side_by_side(work, torch.zeros(4, 1, 512, 512))


def test_resampling_goes_on_where_no_gradients_are_kept(threads):
    threads(2)
    pictures, same, nowhere = noise(4, 300, 300, 3), torch.eye(2, dtype=torch.float64).expand(4, 2, 2), torch.zeros(4, 2, 1).double()
    with torch.inference_mode():
        found = resampling.resampled(pictures, same, nowhere, "nearest", 0)
    assert (found.permute(0, 2, 3, 1) - pictures).abs().max() < 255e-4


def test_chosen_pictures_are_copies_of_those_in_the_rows():
    store = noise(20, 7, 5, 3)
    rows = torch.tensor([3, 19, 3, 0])
    found = moving.chosen(store, rows)
    assert torch.equal(found, store[rows]) and found.dtype == torch.uint8
    before = store.clone()
    found.fill_(0)
    assert torch.equal(store, before)
