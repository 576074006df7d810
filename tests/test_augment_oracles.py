"""Augmentation against independent ones: SciPy's affine_transform, torchvision's functional transforms, and AlexNet's section 4.1 in NumPy."""

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import peers
from hubel import chance
from hubel.pictures.augment import Augmentation, Purpose, colour_axes
from hubel.pictures.augment.resampling import resampled

SCIPY = {"nearest": "nearest", "constant": "grid-constant", "reflect": "reflect", "wrap": "grid-wrap"}
"""SciPy's names; its own "constant" and "wrap" leave out what lies between the last pixel and the first outside."""
CLOSE = 255e-4
"""Levels, of 255."""


@pytest.fixture(scope="module")
def functional():
    peers.torchvision_models()
    return importlib.import_module("torchvision.transforms.v2.functional")


def noise(count, height, width, channels, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8))


def drawn(index, low, high, purpose, seed=4, epoch=6):
    """What is drawn for one picture: of its own purpose, uniform from low to high."""
    return low + (high - low) * chance.uniform(torch.tensor([index]), seed, epoch, purpose).item()


# --- geometry ---


def keras_matrix(augmentation, i, height, width):
    """Where (row, column, 1) of the result is in the picture: Keras's apply_affine_transform about the centre, then ours behind it."""
    theta = np.deg2rad(drawn(i, -augmentation.rotation, augmentation.rotation, Purpose.ROTATION))
    slant = np.deg2rad(drawn(i, -augmentation.shear, augmentation.shear, Purpose.SHEAR))
    tx = drawn(i, -augmentation.height_shift, augmentation.height_shift, Purpose.HEIGHT_SHIFT) * height
    ty = drawn(i, -augmentation.width_shift, augmentation.width_shift, Purpose.WIDTH_SHIFT) * width
    zx, zy = (drawn(i, 1 - augmentation.zoom, 1 + augmentation.zoom, purpose) for purpose in (Purpose.ZOOM_DOWN, Purpose.ZOOM_ACROSS))
    rotation = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    shear = np.array([[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]])
    zoom = np.diag([zx, zy, 1])
    centre = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
    moved = np.eye(3)
    for axis, (side, shifted, cropped) in enumerate(
        ((height, Purpose.SHIFT_DOWN, Purpose.CROP_DOWN), (width, Purpose.SHIFT_ACROSS, Purpose.CROP_ACROSS))
    ):
        for most, purpose in ((int(augmentation.shift * side), shifted), (augmentation.crop, cropped)):
            moved[axis, 2] -= chance.whole(torch.tensor([i]), -most, most, 4, 6, purpose).item()
    flips = np.eye(3)
    for axis, (side, wanted, purpose) in enumerate(
        ((height, augmentation.vertical_flip, Purpose.VERTICAL_FLIP), (width, augmentation.flip, Purpose.FLIP))
    ):
        if wanted and drawn(i, 0, 1, purpose) < 0.5:
            flips[axis, axis], flips[axis, 2] = -1, side - 1
    return centre @ rotation @ shift @ shear @ zoom @ np.linalg.inv(centre) @ moved @ flips


def transformed(picture, matrix, fill, value):
    """One picture (H, W, C) through a matrix, as SciPy does it."""
    channels = [
        ndimage.affine_transform(plane, matrix[:2, :2], matrix[:2, 2], order=1, mode=SCIPY[fill], cval=value)
        for plane in np.moveaxis(picture.numpy().astype(np.float64), 2, 0)
    ]
    return np.stack(channels, 2)


geometry = st.builds(
    Augmentation,
    shift=st.sampled_from([0.0, 0.2]),
    flip=st.booleans(),
    vertical_flip=st.booleans(),
    crop=st.integers(0, 3),
    rotation=st.sampled_from([0.0, 15.0, 180.0]),
    width_shift=st.sampled_from([0.0, 0.3, 0.9]),
    height_shift=st.sampled_from([0.05, 0.5]),
    shear=st.sampled_from([0.0, 10.0, 60.0]),
    zoom=st.sampled_from([0.0, 0.2, 0.9]),
    fill=st.sampled_from(list(SCIPY)),
    fill_value=st.sampled_from([0, 200]),
)


@settings(max_examples=60, deadline=None)
@given(geometry, st.integers(1, 13), st.integers(1, 13), st.sampled_from([1, 3]))
def test_all_changes_of_geometry_are_one_affine_transform_as_scipy_does_it(augmentation, height, width, channels):
    store = noise(4, height, width, channels)
    found = augmentation.batch(store, torch.arange(4), 4, 6)
    assert found.dtype == torch.float32 and found.shape == store.shape
    for i in range(4):
        matrix = keras_matrix(augmentation, i, height, width)
        assert abs(found[i].numpy() - transformed(store[i], matrix, augmentation.fill, augmentation.fill_value)).max() < CLOSE


@pytest.mark.parametrize("fill", SCIPY)
def test_photographs_are_resampled_to_a_ten_thousandth_as_scipy_does_it(fill):
    augmentation = Augmentation(rotation=40, width_shift=0.2, height_shift=0.2, shear=12, zoom=0.2, flip=True, fill=fill, fill_value=31)
    store = noise(3, 150, 150, 3)
    for i, picture in enumerate(augmentation.batch(store, torch.arange(3), 4, 6)):
        expected = transformed(store[i], keras_matrix(augmentation, i, 150, 150), fill, 31)
        assert abs(picture.numpy() - expected).max() < 2 * CLOSE  # noise: neighbours differ as much as they can
        assert abs(picture.numpy() - expected).mean() < CLOSE / 10


@pytest.mark.parametrize("fill", SCIPY)
def test_resampling_where_every_pixel_is_met_is_the_move_by_whole_pixels(fill):
    store, same = noise(1, 9, 12, 3), torch.eye(2, dtype=torch.float64)[None]
    for down, across in ((0, 0), (3, -2), (-8, 11), (20, 30)):
        offsets = torch.tensor([[[-down], [-across]]], dtype=torch.float64)
        found = resampled(store, same, offsets, fill, 77).permute(0, 2, 3, 1)
        mode = {"nearest": "edge", "constant": "constant", "reflect": "symmetric", "wrap": "wrap"}[fill]
        padded = np.pad(store[0].numpy(), ((30, 30), (30, 30), (0, 0)), mode, **({"constant_values": 77} if fill == "constant" else {}))
        assert abs(found[0].numpy() - padded[30 - down : 39 - down, 30 - across : 42 - across]).max() < CLOSE


def test_rotation_into_black_is_torchvisions(functional):
    store, augmentation = noise(6, 17, 24, 3), Augmentation(rotation=90, fill="constant")
    found = augmentation.batch(store, torch.arange(6), 4, 6)
    for i in range(6):
        planes = store[i].permute(2, 0, 1).float()
        bilinear = functional.InterpolationMode.BILINEAR
        theirs = functional.affine(
            planes, drawn(i, -90, 90, Purpose.ROTATION), [0, 0], 1.0, [0.0, 0.0], bilinear
        )  # with a fill, edges fade twice
        assert (found[i] - theirs.permute(1, 2, 0)).abs().max() < CLOSE


# --- colour ---


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_contrast_and_saturation_are_torchvisions_in_that_order(functional, channels):
    store = noise(8, 15, 11, channels)
    names = [("brightness", 0.4), ("contrast", 0.9), *([("saturation", 1.5)] if channels == 3 else [])]
    for chosen in [names, *([one] for one in names)]:
        found = Augmentation(**dict(chosen)).batch(store, torch.arange(8), 4, 6)
        for i in range(8):
            theirs = store[i].permute(2, 0, 1).float() / 255
            for name, strength in chosen:
                factor = drawn(i, max(0, 1 - strength), 1 + strength, Purpose[name.upper()])
                theirs = getattr(functional, f"adjust_{name}")(theirs, factor)
            assert (found[i] - 255 * theirs.permute(1, 2, 0)).abs().max() < CLOSE


def test_noise_of_colour_is_section_4_1():
    store, deviation = noise(40, 5, 6, 3), 0.1
    axes = colour_axes([store])
    found = Augmentation(colour_noise=deviation, axes=axes).batch(store, torch.arange(40), 4, 6)
    lambdas = np.array([axis[0] for axis in axes])
    p = np.array([axis[1:] for axis in axes]).T  # an eigenvector is a column
    alphas = np.zeros((40, 3))
    for i, k in np.ndindex(40, 3):
        u, v = (chance.uniform(torch.tensor([i]), 4, 6, Purpose.COLOUR_1 + k, *more).item() for more in ((), (1,)))
        alphas[i, k] = deviation * math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)
    for i in range(40):
        expected = store[i].numpy() / 255 + p @ (alphas[i] * lambdas)
        assert abs(found[i].numpy() - 255 * expected).max() < CLOSE
    assert 0.07 < alphas.std() < 0.13


@pytest.mark.parametrize("seed", range(6))
def test_the_axes_are_the_eigenvectors_of_the_pixels_covariance(seed):
    draw = np.random.default_rng(seed)
    mixed = draw.normal(0, 1, (150, 6, 7, 3)) @ draw.normal(0, 20, (3, 3)) + 120
    store = torch.from_numpy(mixed.clip(0, 255).astype(np.uint8))
    covariance = np.cov(store.reshape(-1, 3).numpy().T / 255, bias=True)
    axes = np.array(colour_axes([store]))
    lambdas, p = axes[:, 0], axes[:, 1:].T
    assert np.allclose(p @ np.diag(lambdas) @ p.T, covariance, atol=1e-12) and np.allclose(p.T @ p, np.eye(3), atol=1e-12)
    assert (np.diff(lambdas) < 0).all() and (np.abs(p).max(0) == p.max(0)).all()
    assert colour_axes([store]) == colour_axes([store.flip(0)])


def test_pictures_of_one_colour_have_no_noise_of_colour():
    store = torch.full((3, 4, 4, 3), 90, dtype=torch.uint8)
    axes = colour_axes([store])
    assert [axis[0] for axis in axes] == [0, 0, 0]
    assert torch.equal(Augmentation(colour_noise=1, axes=axes).batch(store, torch.arange(3), 0, 0), store.float())
