"""Copies: every exact one and every one of the same pixels is found; near ones are, and pictures that are none are not named."""

import functools
import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from hubel.pictures.decoding import opened
from hubel.pictures.doctor import alike
from hubel.pictures.doctor.alike import TURNS, close, folded, likeness
from hubel.pictures.doctor.copies import ALIKE, MOST, Copies, find
from hubel.pictures.doctor.fingerprints import ORDERS, seen, seen_all, strokes_of

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")


@functools.cache
def scene(number, side=96):
    """A picture of twenty rectangles, drawn by chance, on a slope of colour."""
    draw = np.random.default_rng(number)
    down, across = np.indices((side, side))
    values = draw.uniform(60, 200, 3) + (draw.uniform(-40, 40) * down + draw.uniform(-40, 40) * across)[..., None] / side
    for _ in range(20):
        top, left = draw.integers(0, side - 8, 2)
        height, width = draw.integers(6, side // 2, 2)
        values[top : top + height, left : left + width] = draw.uniform(0, 255, 3)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def saved(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return opened(file.getvalue())


def pairs(found: Copies):
    return {(near.one, near.other) for near in found.near}


def found_in(pictures):
    return find([None] * len(pictures), [seen(picture) for picture in pictures])


def unit(points):
    return points / np.sqrt((points**2).sum((1, 2), keepdims=True))


def strokes(count, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, ORDERS, ORDERS)).astype(np.float32))


CHANGES = {
    "JPEG of quality 30": lambda picture: saved(picture, "JPEG", quality=30),
    "WebP of quality 40": lambda picture: saved(picture, "WEBP", quality=40),
    "a quarter of the size": lambda picture: picture.resize((picture.width // 4, picture.height // 4)),
    "twice the size": lambda picture: picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC),
    "squashed": lambda picture: picture.resize((80, 64)),
    "grey": lambda picture: picture.convert("L"),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.9),
    "half transparent": lambda picture: Image.merge("RGBA", (*picture.split(), Image.new("L", picture.size, 200))),
    "mirrored": ImageOps.mirror,
    "mirrored, halved, JPEG": lambda picture: saved(ImageOps.mirror(picture).reduce(2), "JPEG", quality=50),
    "turned": lambda picture: picture.rotate(90, expand=True),
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_all_pictures_of_the_same_pixels_are_grouped_and_no_others(drawn):
    pictures = [scene(number, 16) for number, _ in drawn]
    known = [seen(saved(picture, "PNG") if again else picture) for picture, (_, again) in zip(pictures, drawn)]
    files = [bytes([number, again]) for number, again in drawn]
    found = find(files, known)
    numbers = [number for number, _ in drawn]
    of_number = [tuple(i for i, other in enumerate(numbers) if other == number) for number in range(4)]
    of_file = [tuple(i for i, other in enumerate(drawn) if other == (number, again)) for number in range(4) for again in (False, True)]
    assert set(found.exact) == {group for group in of_file if len(group) > 1}
    assert set(found.same_pixels) == {group for group in of_number if len({drawn[i] for i in group}) > 1}


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_lossless_encoding_keeps_what_is_seen(form, mode):
    picture = scene(1).convert(mode)
    options = {"lossless": True} if form == "WEBP" else {}
    assert seen(saved(picture, form, **options)) == seen(picture) == seen(picture.convert("RGB"))


def test_other_pixels_or_another_shape_are_told_apart():
    zeros = [np.zeros((2, 6), np.uint8), np.zeros((3, 4), np.uint8), np.eye(3, 4, dtype=np.uint8)]
    assert len({seen(Image.fromarray(array)).pixels for array in zeros}) == 3


def test_an_array_is_seen_as_its_pictures_are_one_by_one():
    arrays = np.random.default_rng(0).integers(0, 256, (40, 20, 30, 3), dtype=np.uint8)
    for some in (arrays, arrays[..., 0]):
        assert seen_all(some) == [seen(Image.fromarray(array)) for array in some]


def test_pictures_that_are_no_files_are_never_the_same_file():
    one = seen(scene(0))
    assert find([None, None], [one, one]) == Copies((), ((0, 1),), ())


def test_a_picture_that_cannot_be_read_is_a_copy_of_its_file_alone():
    assert find([b"a", b"a", b"b"], [None, None, None]) == Copies(((0, 1),), (), ())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change):
    scenes = [scene(number) for number in range(30)]
    found = found_in([*scenes, *map(change, scenes[:10])])
    assert pairs(found) == {(i, 30 + i) for i in range(10)}
    assert not found.exact and not found.same_pixels


@pytest.mark.parametrize(
    ("turn", "name"),
    [
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored, turned by 180 degrees"),
        (Image.Transpose.ROTATE_180, "turned by 180 degrees"),
        (Image.Transpose.ROTATE_90, "turned by 90 degrees"),
        (Image.Transpose.ROTATE_270, "turned by 90 degrees"),
        (Image.Transpose.TRANSPOSE, "mirrored, turned by 90 degrees"),
        (Image.Transpose.TRANSVERSE, "mirrored, turned by 90 degrees"),
    ],
)
def test_every_turn_is_recognised(turn, name):
    picture = scene(7)
    (near,) = found_in([picture, picture.transpose(turn)]).near
    assert (near.one, near.other, near.turn) == (0, 1, name)
    assert near.similarity > 0.999
    assert found_in([picture, saved(picture, "JPEG")]).near[0].turn == ""


def test_pictures_of_noise_and_of_one_colour_are_no_copies():
    draw = np.random.default_rng(0)
    noise = [Image.fromarray(array) for array in draw.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)]
    plain = [Image.new("RGB", (32, 32), (level, level, 90)) for level in range(200)]
    faint = [Image.fromarray(array) for array in draw.integers(120, 124, (100, 32, 32, 3), dtype=np.uint8)]
    assert found_in([*noise, *plain, *faint]) == Copies((), (), ())


def test_pictures_that_share_only_their_frame_are_no_copies():
    framed = [ImageOps.expand(scene(number).reduce(2), 8, "white") for number in range(40)]
    assert pairs(found_in([*framed, saved(framed[3], "JPEG", quality=60)])) == {(3, 40)}


@needs_data
def test_among_handwritten_digits_alike_by_nature_only_true_copies_are_named():
    digits = np.frombuffer(gzip.decompress(Path(DATA, "mnist", "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    digits = digits.reshape(-1, 28, 28)[:4000]
    recompressed = [seen(saved(Image.fromarray(digit), "JPEG", quality=75)) for digit in digits[:200]]
    found = find([None] * 4200, seen_all(digits) + recompressed)
    planted = {(i, 4000 + i) for i in range(200)}
    assert found.threshold > ALIKE
    assert len(pairs(found) & planted) >= 0.95 * len(planted)
    assert len(pairs(found) - planted) <= 0.01 * len(digits)


def test_a_dozen_copies_of_every_picture_are_not_taken_for_nature():
    scenes = [scene(number) for number in range(8)]
    copies = [saved(picture, "JPEG", quality=quality) for picture in scenes for quality in range(40, 95, 5)]
    found = found_in([*scenes, *copies])
    assert found.threshold == ALIKE
    assert {(i, 8 + 11 * i + k) for i in range(8) for k in range(11)} <= pairs(found)


def test_the_first_of_the_same_pixels_stands_for_all_in_near_pairs():
    one, other = scene(0), saved(scene(0), "JPEG", quality=50)
    found = found_in([one, other, one, other])
    assert (found.same_pixels, pairs(found)) == (((0, 2), (1, 3)), {(0, 1)})


def test_frames_of_one_scene_do_not_make_a_flood_of_pairs():
    draw, still = np.random.default_rng(0), np.asarray(scene(0, 32), np.int16)
    frames = (still + draw.integers(-2, 3, (150, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    found = find([None] * 150, seen_all(frames))
    named = np.bincount([i for near in found.near for i in near[:2]], minlength=150)
    assert named.min() > 0 and len(found.near) <= 150 * MOST


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_does_not_matter(chance):
    scenes = [scene(number, 48) for number in range(12)]
    pictures = [*scenes, *(change(scenes[i]) for i, change in enumerate(CHANGES.values()))]
    known = [seen(picture) for picture in pictures]
    order = list(range(len(known)))
    chance.shuffle(order)
    found = find([None] * len(known), [known[i] for i in order])
    assert {tuple(sorted((order[one], order[other]))) for one, other in pairs(found)} == pairs(find([None] * len(known), known))


@pytest.mark.parametrize("sides", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_no_picture_one_picture_and_the_smallest_ones_are_examined(sides):
    assert find([], []) == Copies((), (), ())
    picture = Image.new("RGB", sides, "red")
    assert find([b"a"], [seen(picture)]) == Copies((), (), ())
    assert find([b"a", b"b"], [seen(picture), seen(picture)]) == Copies((), ((0, 1),), ())


def test_how_far_it_is_is_told_up_to_the_last_picture():
    heard = []
    find([None] * 5, [seen(scene(number)) for number in range(5)], lambda *said: heard.append(said))
    assert heard[-1] == ("comparing", 5, 5)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
def test_all_close_pairs_are_those_of_the_double_loop(count, monkeypatch):
    monkeypatch.setattr(alike, "TILE", 64)
    points = np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32)
    limit = 1.5
    expected = {(i, j) for i in range(count) for j in range(i + 1, count) if ((points[i] - points[j]) ** 2).sum() <= limit}
    found = [pair for i, j in close(points, limit) for pair in zip(i.tolist(), j.tolist())]
    assert sorted(found) == sorted(expected)


def test_folded_pictures_are_never_further_apart_than_in_their_closest_turn():
    everything = strokes(200)
    points = folded(everything)
    for i in range(len(points)):
        distance = ((points - points[i]) ** 2).sum(1)
        closest = 2 - 2 * likeness(np.repeat(everything[i : i + 1], 200, 0), everything).max(1)
        assert (distance <= closest + 1e-4).all()


def test_likeness_is_that_of_turned_pixels():
    draw = np.random.default_rng(0)
    array = draw.integers(0, 256, (24, 24), dtype=np.uint8)
    turned = [np.transpose(array, axes)[::down, ::across] for axes in ((0, 1), (1, 0)) for down in (1, -1) for across in (1, -1)]
    every = strokes_of(seen_all(np.stack(turned)))
    ways = likeness(np.repeat(every[:1], 8, 0), every)
    assert ways.argmax(1).tolist() in ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 6, 5, 7])
    assert len(TURNS) == ways.shape[1]


def test_cells_find_nearly_all_that_the_double_loop_finds(monkeypatch):
    originals = strokes(1500)
    everything = unit(np.concatenate([originals, originals[:300] + 0.02 * strokes(300, 1) * ORDERS]))
    points = folded(everything)
    every = {pair for i, j in close(points, 0.1) for pair in zip(i.tolist(), j.tolist())}
    monkeypatch.setattr(alike, "WHOLE", 100)
    some = {pair for i, j in close(points, 0.1) for pair in zip(i.tolist(), j.tolist())}
    assert some <= every
    assert len(every) >= 300 and len(some) >= 0.95 * len(every)


@pytest.fixture(scope="module")
def photographs():
    with tarfile.open(Path(DATA, "dogs-vs-cats", "validation.tar")) as archive:
        members = [member for member in archive if member.name.endswith(".jpg")][:80]
        pictures = [opened(archive.extractfile(member).read()).convert("RGB") for member in members]
    return pictures, [seen(picture) for picture in pictures]


@needs_data
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_of_photographs_all_changed_copies_are_found_and_nothing_else(photographs, change):
    pictures, known = photographs
    found = find([None] * 100, [*known, *(seen(change(picture)) for picture in pictures[:20])])
    assert pairs(found) == {(i, 80 + i) for i in range(20)}
