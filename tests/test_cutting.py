"""Parts of photographs that are drawn before they are resized: Inception's by area and shape, VGG's by scale and place."""

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

import peers
from hubel import chance
from hubel.pictures.cutting import RATIO, Cut
from hubel.pictures.decoding import opened
from hubel.pictures.pixels import KERNELS, Pixels
from hubel.pictures.places import Place
from hubel.pictures.resizing import resized
from hubel.pictures.slots import Decoder, Done, Slots, Task

sides = st.integers(1, 3000)


def torchvision_transforms():
    peers.torchvision_models()
    return importlib.import_module("torchvision.transforms")


def boxes(cut, width, height, input=(224, 224), count=4000, seed=3, epoch=2):
    return np.array([cut.box(width, height, input, number, seed, epoch) for number in range(count)])


@given(st.integers(0, 2**40), st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_one_share_is_what_a_whole_tensor_of_them_has_at_its_place(index, seed, epoch):
    assert chance.share(index, seed, epoch, 21, 3) == chance.uniform(torch.tensor([5, index]), seed, epoch, 21, 3)[1].item()


@settings(deadline=None)
@given(sides, sides, st.floats(0.01, 1), st.integers(0, 10**9), st.integers(0, 2**62))
def test_a_part_by_area_lies_in_the_picture_on_whole_pixels(width, height, area, number, seed):
    left, top, right, bottom = Cut(area=area).box(width, height, (224, 224), number, seed, 0)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert all(type(value) is int for value in (left, top, right, bottom))


def test_areas_and_shapes_are_as_evenly_drawn_as_inceptions():
    """Where every part fits, the share of the area is even from 8% to 100%, and the shape even from 3:4 to 4:3 in its logarithm."""
    found = boxes(Cut(area=0.08), 3000, 3000)
    wide, high = found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]
    small = wide * high < 0.5 * 3000**2  # larger ones do not all fit
    assert stats.kstest((wide * high)[small] / 3000**2, stats.uniform(0.08, 0.42).cdf).pvalue > 1e-3
    assert stats.kstest(np.log(wide / high)[small], stats.uniform(-math.log(RATIO), 2 * math.log(RATIO)).cdf).pvalue > 1e-3
    for edge, side in ((0, wide), (1, high)):
        assert stats.kstest((found[:, edge] / (3001 - side)), stats.uniform.cdf).pvalue > 1e-3


def test_parts_are_spread_as_torchvisions_are():
    transforms = torchvision_transforms()
    torch.manual_seed(0)
    picture = Image.new("L", (500, 375))
    theirs = np.array([transforms.RandomResizedCrop.get_params(picture, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(4000)])
    ours = boxes(Cut(area=0.08), 500, 375)
    for mine, other in (
        (ours[:, 1], theirs[:, 0]),
        (ours[:, 0], theirs[:, 1]),
        (ours[:, 3] - ours[:, 1], theirs[:, 2]),
        (ours[:, 2] - ours[:, 0], theirs[:, 3]),
    ):
        assert stats.ks_2samp(mine, other).pvalue > 1e-3


def test_of_a_picture_that_no_part_fits_into_the_middle_is_seen():
    assert Cut(area=1.0).box(1000, 10, (224, 224), 0, 0, 0) == (493, 0, 506, 10)  # 13 of 10, nearly 4:3
    assert Cut(area=1.0).box(10, 1000, (224, 224), 0, 0, 0) == (0, 493, 10, 506)


@settings(deadline=None)
@given(sides, sides, st.integers(32, 300), st.integers(32, 300), st.integers(0, 400), st.integers(0, 10**9))
def test_a_part_by_scale_has_the_inputs_shape_at_a_scale_between_the_two(width, height, down, across, more, number):
    least = max(down, across)
    left, top, right, bottom = Cut(scales=(least, least + more)).box(width, height, (down, across), number, 1, 2)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    x, y = across / (right - left), down / (bottom - top)
    shorter = min(width, height)
    assert least * (1 - 0.5 / least) - 1 <= min(x, y) * shorter <= (least + more) * (1 + 0.5 / least) + 1
    assert abs(x * width - y * height * (width / height)) <= max(1.0, width / height) + 1e-6  # each side is whole pixels at that scale


def test_scales_and_places_are_drawn_evenly():
    found = boxes(Cut(scales=(256, 511)), 600, 400)
    scale = 224 / (found[:, 3] - found[:, 1]) * 400
    assert stats.kstest(scale - 256, stats.uniform(0, 256).cdf).pvalue > 1e-3
    room = 400 - (found[:, 3] - found[:, 1])
    assert stats.kstest(found[:, 1] / (room + 400 / scale), stats.uniform.cdf).pvalue > 1e-3


@given(st.integers(0, 10**9), st.integers(0, 2**62), st.integers(0, 1000))
def test_the_same_picture_seed_and_epoch_are_the_same_part_and_any_other_is_another(number, seed, epoch):
    cut = Cut(area=0.08)
    one = cut.box(5000, 4000, (224, 224), number, seed, epoch)
    assert cut.box(5000, 4000, (224, 224), number, seed, epoch) == one
    others = {
        cut.box(5000, 4000, (224, 224), *counts)
        for counts in ((number + 1, seed, epoch), (number, seed + 1, epoch), (number, seed, epoch + 1))
    }
    assert one not in others and len(others) == 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_part_of_a_file_is_cut_out_of_it_pixel_by_pixel(tmp_path, kind):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "picture", kind)
    slots, cut, pixels = Slots.made(2, 90 * 120 * 3), Cut(area=0.08), Pixels(3, 64, 96)
    for number in range(20):
        found = Decoder(pixels, slots, cut, 5)(Task(1, Place(str(tmp_path / "picture")), None, number, 7))
        box = cut.box(120, 90, (64, 96), number, 5, 7)
        wanted = np.asarray(Image.open(tmp_path / "picture").crop(box))
        assert found == Done(None, *wanted.shape[:2], (), (90, 120), 1)
        assert np.array_equal(slots.all()[1, : wanted.size].reshape(wanted.shape), wanted)
    slots.close()


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "box", "nearest"])
@pytest.mark.parametrize("shape", [(90, 70, 3), (11, 13, 3), (33, 40, 1), (1, 1, 3), (1, 200, 1)])
def test_parts_are_resized_as_pillow_and_so_torchvision_resize_them(kernel, shape):
    part = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    pixels = Pixels(shape[2], 32, 48, kernel=kernel)
    theirs = Image.fromarray(part[..., 0] if shape[2] == 1 else part).resize((48, 32), KERNELS[kernel])
    found = resized(part, pixels).astype(int) - np.asarray(theirs).reshape(32, 48, shape[2])
    assert abs(found).max() <= 1


def test_what_is_too_large_for_a_slot_is_resized_before_it_is_put_there(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / "picture.png")
    slots, pixels = Slots.made(1, 32 * 48 * 3), Pixels(3, 32, 48)
    found = Decoder(pixels, slots, Cut(area=1.0), 5)(Task(0, Place(str(tmp_path / "picture.png")), None, 0, 0))
    assert (found.refused, found.height, found.width) == (None, 32, 48)
    slots.close()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_large_jpeg_decoded_at_a_scale_shows_the_same_part(tmp_path, orientation):
    """Smooth, so that a scaled picture differs from the whole by little."""
    across, down = np.meshgrid(np.linspace(0, 255, 2000), np.linspace(0, 255, 1600))
    exif = Image.Exif()
    exif[274] = orientation
    picture = Image.fromarray(np.stack([across, down, 255 - across], 2).astype(np.uint8))
    picture.save(tmp_path / "large.jpg", quality=98, exif=exif)
    slots, pixels, place = Slots.made(1, 400 * 600 * 3), Pixels(3, 32, 48), Place(str(tmp_path / "large.jpg"))
    for number in range(8):
        cut = Cut(area=0.3) if number % 2 else Cut(scales=(60, 90))
        found = Decoder(pixels, slots, cut, 5)(Task(0, place, None, number, 7))
        part = slots.all()[0, : found.height * found.width * 3].reshape(found.height, found.width, 3)
        assert part.size < 2000 * 1600 * 3 / 4
        whole = opened(tmp_path / "large.jpg")
        box = cut.box(*whole.size, (32, 48), number, 5, 7)
        assert abs(resized(part, pixels).astype(int) - pixels.array(whole, box)).max() <= 4
    slots.close()
