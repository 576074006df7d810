"""The pixel policy: every kind of file to the grey and RGB that its pixels mean, upright, fitted, or refused with a reason; one tensor for all."""

import io
import json
import math
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

from hubel import model as models
from hubel.build import build
from hubel.errors import PictureError
from hubel.pictures import limits
from hubel.pictures.decoding import FORMATS, opened
from hubel.pictures.flattening import flattened
from hubel.pictures.limits import LARGEST
from hubel.pictures.loader import decoded
from hubel.pictures.pixels import KERNELS, Pixels
from hubel.pictures.sources import open_source
from hubel.reading import read

BACKGROUND = 200


def encoded(picture, kind, **options):
    """The bytes of a file of that format."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pictured(values, mode, dtype=np.uint8):
    """A picture of nested lists of pixels, in a mode of Pillow's."""
    array = np.array(values, dtype)
    return Image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes())


def noise(height, width, channels=3, seed=0):
    array = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(array[..., 0] if channels == 1 else array)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    """A PNG of which only the header is true."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


def bmp_header(width, height):
    """A BMP of which only the header is true."""
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", 154, 0, 54, 40, width, height, 1, 24, 0, 100, 0, 0, 0, 0) + b"\7" * 100


# --- what the pixels mean -----------------------------------------------------------------------------------------------


def over(value, alpha):
    """A value on the background, to be seen through as far as alpha says."""
    return (value * alpha + BACKGROUND * (255 - alpha)) / 255


def ink(*cmyk):
    """Light that each ink leaves of what the black leaves."""
    return tuple((255 - value) * (255 - cmyk[3]) / 255 for value in cmyk[:3])


def jfif(y, cb, cr):
    """ITU-T T.871, section 7."""
    rgb = y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)
    return tuple(min(255, max(0, value)) for value in rgb)


def paletted(indices, colours):
    picture = pictured(indices, "P")
    picture.putpalette([level for colour in colours for level in colour])
    return picture


def palette_with_alpha():
    picture = Image.frombytes("PA", (2, 1), bytes([1, 255, 2, 51]))
    picture.putpalette([0, 0, 0, 255, 0, 10, 0, 255, 20])
    return picture


GREYS = [[0, 1, 100], [128, 254, 255]]
COLOURS = [[(255, 0, 0), (0, 255, 0), (0, 0, 255)], [(255, 255, 255), (0, 0, 0), (10, 200, 99)]]
SIXTEEN = [[0, 257, 128], [129, 40000, 65535]]
INKS = [[(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0)], [(0, 0, 0, 255), (100, 50, 20, 30), (255, 255, 255, 255)]]
LUMAS = [[(0, 128, 128), (255, 128, 128), (76, 85, 255)], [(150, 44, 21), (29, 255, 107), (128, 100, 150)]]
SEEN_THROUGH = [[(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)], [(9, 99, 199, 51), (255, 255, 255, 128), (0, 0, 0, 0)]]
GREY_SEEN_THROUGH = [[(0, 255), (0, 0), (90, 128)], [(255, 255), (255, 0), (255, 51)]]
HALF = [(0, 0, 0, 0), (250, 5, 100, 128), (0, 0, 255, 255)]
FLAT = np.full((16, 16, 3), (180, 60, 30), np.uint8)


def rows(values, meaning):
    return [[meaning(value) for value in row] for row in values]


def grey(value):
    return (value,) * 3


def laid(rgba):
    return tuple(over(value, rgba[3]) for value in rgba[:3])


scaled = rows(SIXTEEN, lambda value: grey(value / 257))
composed = rows(SEEN_THROUGH, laid)
plain_colours = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 0, 0)]]
palette = paletted([[0, 1], [2, 0]], plain_colours[0] + plain_colours[1][:1])
faded = paletted([[0, 1, 2]], [value[:3] for value in HALF])
grey_palette = paletted([[0, 1, 2]], [(level,) * 3 for level in range(256)])  # which Pillow opens as L
BLACK_AND_WHITE = pictured(GREYS, "L").convert("1", dither=Image.Dither.NONE)

# name: file, the RGB that it means where transparent pixels lie on BACKGROUND, and by how much a level may be off
MEANINGS = {
    "1 PNG": (encoded(BLACK_AND_WHITE, "PNG"), [[grey(0)] * 3, [grey(255)] * 3], 0),
    "1 BMP": (encoded(BLACK_AND_WHITE, "BMP"), [[grey(0)] * 3, [grey(255)] * 3], 0),
    "1 TIFF": (encoded(BLACK_AND_WHITE, "TIFF"), [[grey(0)] * 3, [grey(255)] * 3], 0),
    "L PNG": (encoded(pictured(GREYS, "L"), "PNG"), rows(GREYS, grey), 0),
    "L BMP": (encoded(pictured(GREYS, "L"), "BMP"), rows(GREYS, grey), 0),
    "L TIFF": (encoded(pictured(GREYS, "L"), "TIFF"), rows(GREYS, grey), 0),
    "L GIF": (encoded(pictured(GREYS, "L"), "GIF"), rows(GREYS, grey), 0),
    "L PGM": (encoded(pictured(GREYS, "L"), "PPM"), rows(GREYS, grey), 0),
    "L JPEG": (encoded(Image.fromarray(FLAT[..., 0]), "JPEG"), [[grey(180)] * 16] * 16, 1),
    "LA PNG": (encoded(pictured(GREY_SEEN_THROUGH, "LA"), "PNG"), rows(GREY_SEEN_THROUGH, lambda la: grey(over(*la))), 1),
    "LA TIFF": (encoded(pictured(GREY_SEEN_THROUGH, "LA"), "TIFF"), rows(GREY_SEEN_THROUGH, lambda la: grey(over(*la))), 1),
    "P PNG": (encoded(palette, "PNG"), plain_colours, 0),
    "P BMP": (encoded(palette, "BMP"), plain_colours, 0),
    "P GIF": (encoded(palette, "GIF"), plain_colours, 0),
    "P TIFF": (encoded(palette, "TIFF"), plain_colours, 0),
    "P PNG with alpha by colour": (encoded(faded, "PNG", transparency=bytes(v[3] for v in HALF)), [[laid(value) for value in HALF]], 1),
    "P GIF with a transparent colour": (encoded(palette, "GIF", transparency=1), [[(255, 0, 0), grey(BACKGROUND)], plain_colours[1]], 0),
    "PA TIFF": (encoded(palette_with_alpha(), "TIFF"), [[(255, 0, 10), laid((0, 255, 20, 51))]], 1),
    "RGB PNG": (encoded(pictured(COLOURS, "RGB"), "PNG"), COLOURS, 0),
    "RGB BMP": (encoded(pictured(COLOURS, "RGB"), "BMP"), COLOURS, 0),
    "RGB TIFF": (encoded(pictured(COLOURS, "RGB"), "TIFF"), COLOURS, 0),
    "RGB PPM": (encoded(pictured(COLOURS, "RGB"), "PPM"), COLOURS, 0),
    "RGB WebP": (encoded(pictured(COLOURS, "RGB"), "WEBP", lossless=True), COLOURS, 0),
    "RGB JPEG": (encoded(Image.fromarray(FLAT), "JPEG", quality=95, subsampling=0), FLAT.tolist(), 3),
    "RGBA PNG": (encoded(pictured(SEEN_THROUGH, "RGBA"), "PNG"), composed, 1),
    "RGBA TIFF": (encoded(pictured(SEEN_THROUGH, "RGBA"), "TIFF"), composed, 1),
    "RGBA WebP": (encoded(pictured(SEEN_THROUGH, "RGBA"), "WEBP", lossless=True, exact=True), composed, 1),
    "CMYK TIFF": (encoded(pictured(INKS, "CMYK"), "TIFF"), rows(INKS, lambda value: ink(*value)), 1),
    "CMYK JPEG": (encoded(Image.new("CMYK", (16, 16), (40, 90, 160, 30)), "JPEG", quality=95), [[ink(40, 90, 160, 30)] * 16] * 16, 3),
    "YCbCr TIFF": (encoded(pictured(LUMAS, "YCbCr"), "TIFF"), rows(LUMAS, lambda value: jfif(*value)), 1),
    "16 bits PNG": (encoded(pictured(SIXTEEN, "I;16", "<u2"), "PNG"), scaled, 0.5),
    "16 bits TIFF": (encoded(pictured(SIXTEEN, "I;16", "<u2"), "TIFF"), scaled, 0.5),
    "16 bits TIFF, large end first": (encoded(pictured(SIXTEEN, "I;16B", ">u2"), "TIFF"), scaled, 0.5),
    "16 bits PGM": (b"P5 3 2 65535\n" + np.array(SIXTEEN, ">u2").tobytes(), scaled, 0.5),
    # a colour that stands for "transparent" lies in the file, not in the mode
    "1 PNG with a transparent level": (encoded(Image.new("1", (2, 1)), "PNG", transparency=0), [[grey(BACKGROUND)] * 2], 0),
    "L PNG with a transparent level": (encoded(pictured([[0, 9]], "L"), "PNG", transparency=9), [[grey(0), grey(BACKGROUND)]], 0),
    "L GIF with a transparent level": (encoded(grey_palette, "GIF", transparency=1, optimize=False), [[grey(0), grey(BACKGROUND), grey(2)]], 0),
    "RGB PNG with a transparent colour": (
        encoded(pictured([[(1, 2, 3), (1, 2, 4)]], "RGB"), "PNG", transparency=(1, 2, 3)), [[grey(BACKGROUND), (1, 2, 4)]], 0
    ),
    "16 bits PNG with a transparent level": (
        encoded(pictured([[0, 1000, 65535]], "I;16", "<u2"), "PNG", transparency=1000), [[grey(0), grey(BACKGROUND), grey(255)]], 0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
@pytest.mark.parametrize("channels", [1, 3], ids=["to grey", "to RGB"])
def test_a_file_becomes_the_pixels_that_it_means(name, channels):
    file, meant, off = MEANINGS[name]
    meant = np.array(meant, float)
    found = Pixels(channels, *meant.shape[:2], background=BACKGROUND).array(opened(file))
    assert found.dtype == np.uint8
    if channels == 1:
        coloured = np.ptp(meant, 2).any()
        meant, off = meant @ [[0.299], [0.587], [0.114]], off + coloured  # ITU-R BT.601, rounded once more
    assert found.shape == meant.shape
    assert np.abs(found - meant).max() <= off + 1e-9


@pytest.mark.skipif(not features.check("littlecms2"), reason="this Pillow was built without LittleCMS, which converts LAB")
@pytest.mark.parametrize("channels", [1, 3], ids=["to grey", "to RGB"])
def test_lab_becomes_the_light_that_it_means(channels):
    # CIE 1976: L* of 0, 53.6 and 100 without colour are black, the middle grey of sRGB, and white
    file = encoded(Image.frombytes("LAB", (3, 1), bytes([0, 0, 0, 137, 0, 0, 255, 0, 0])), "TIFF")
    found = Pixels(channels, 1, 3).array(opened(file)).astype(int)
    assert np.abs(found - np.array([0, 128, 255])[None, :, None]).max() <= 2


UNSTATED = {
    "32-bit numbers above 65,535": (pictured([[0, 65536]], "I", "<i4"), "whole numbers"),
    "32-bit numbers below 0": (pictured([[-1, 9]], "I", "<i4"), "whole numbers"),
    "floating-point numbers beyond 1": (pictured([[0.0, 1.5]], "F", "<f4"), "floating-point"),
}


@pytest.mark.parametrize("name", UNSTATED)
@pytest.mark.parametrize("channels", [1, 3], ids=["to grey", "to RGB"])
def test_pixels_of_unstated_range_are_refused(name, channels):
    picture, reason = UNSTATED[name]
    with pytest.raises(PictureError, match=reason):
        Pixels(channels, 1, 2).array(opened(encoded(picture, "TIFF")))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("background", [0, 77, 255])
def test_what_is_transparent_shows_the_background(mode, background):
    for picture in (Image.new("RGBA", (2, 2), (9, 9, 9, 0)), Image.new("LA", (2, 2), (9, 0)), Image.new("RGBa", (2, 2), (0, 0, 0, 0))):
        assert np.unique(np.asarray(flattened(picture, mode, background))).tolist() == [background]


def test_a_moving_picture_is_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for kind, options in {"GIF": {}, "WEBP": {"lossless": True}, "TIFF": {}}.items():
        found = Pixels(3, 4, 4).array(opened(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)))
        assert np.unique(found.reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


# --- upright ------------------------------------------------------------------------------------------------------------

UPRIGHT = np.array([[10, 60, 110], [160, 210, 250]], np.uint8)
# EXIF 2.32, tag 0x0112: which side of what is seen the stored row 0 and the stored column 0 are.
STORED = {
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.T,  # left, top
    6: UPRIGHT.T[::-1],  # right, top
    7: UPRIGHT.T[::-1, ::-1],  # right, bottom
    8: UPRIGHT.T[:, ::-1],  # left, bottom
}


def oriented(kind, orientation, array):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    return encoded(Image.fromarray(np.ascontiguousarray(array)), kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_comes_out_upright(kind, orientation):
    blocks = np.kron(STORED[orientation], np.ones((8, 8), np.uint8))  # as JPEG stores them
    picture = opened(oriented(kind, orientation, blocks))
    assert picture.getexif().get(0x0112, 1) == 1
    found = np.asarray(flattened(picture, "L", 0)).astype(int)
    assert found.shape == (16, 24)
    assert np.abs(found - np.kron(UPRIGHT, np.ones((8, 8), int))).max() <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation):
    assert np.array_equal(np.asarray(opened(oriented("PNG", orientation, UPRIGHT))), UPRIGHT)


# --- geometry -----------------------------------------------------------------------------------------------------------


def means(array, down, across):
    """Means of whole blocks, rounded as integers are."""
    height, width, channels = array.shape
    return np.floor(array.reshape(height // down, down, width // across, across, channels).mean((1, 3)) + 0.5)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_right_size_is_not_touched(fit, kernel, channels):
    picture = noise(5, 7, channels)
    found = Pixels(channels, 5, 7, fit, kernel, background=9).array(picture)
    assert np.array_equal(found, np.asarray(picture).reshape(5, 7, channels))


def test_squash_resizes_each_side_by_itself():
    picture = noise(8, 18)
    assert np.abs(Pixels(3, 4, 6, "squash", "box").array(picture) - means(np.asarray(picture), 2, 3)).max() <= 1


@pytest.mark.parametrize(("height", "width", "middle"), [(8, 20, np.s_[:, 6:14]), (20, 8, np.s_[6:14, :]), (16, 16, np.s_[:, :])])
def test_crop_keeps_the_middle(height, width, middle):
    picture = noise(height, width)
    kept = np.asarray(picture)[middle]
    assert np.abs(Pixels(3, 4, 4, "crop", "box").array(picture) - means(kept, len(kept) // 4, len(kept) // 4)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(2, 3), (5, 8), (6, 1), (1, 1), (3, 6)])
def test_pad_centres_a_small_picture_untouched_on_the_background(height, width, channels):
    picture = noise(height, width, channels)
    found = Pixels(channels, 6, 8, "pad", background=33).array(picture)
    top, left = (6 - height) // 2, (8 - width) // 2
    there = np.zeros((6, 8), bool)
    there[top : top + height, left : left + width] = True
    assert np.array_equal(found[there].reshape(-1), np.asarray(picture).reshape(-1))
    assert np.unique(found[~there]).tolist() == [33]


def test_pad_shrinks_a_large_picture_as_a_whole():
    picture = noise(8, 24)
    found = Pixels(3, 6, 6, "pad", "box", background=33).array(picture)
    assert np.abs(found[2:4] - means(np.asarray(picture), 4, 4)).max() <= 1
    assert np.unique(found[[0, 1, 4, 5]]).tolist() == [33]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["squash", "crop", "pad"]),
    st.sampled_from(list(KERNELS)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([1, 3]),
)
def test_any_size_becomes_the_size_of_the_policy_and_one_level_stays_that_level(fit, kernel, size, wanted, channels):
    found = Pixels(channels, *wanted, fit, kernel, background=140).array(Image.new("L", size, 140))
    assert found.shape == (*wanted, channels)
    assert np.unique(found).tolist() == [140]


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_a_picture_like_a_thread_still_shows(fit):
    for size in ((1, 3000), (3000, 1)):
        assert Pixels(1, 5, 5, fit).array(Image.new("L", size, 255)).max() == 255


def test_kernels_are_the_ones_that_they_are_named_after():
    edge = Image.fromarray(np.array([[20, 20, 220, 220]], np.uint8))
    found = {name: Pixels(1, 1, 12, kernel=name).array(edge)[0, :, 0].astype(int).tolist() for name in KERNELS}
    assert found["nearest"] == found["box"] == [20] * 6 + [220] * 6  # enlarging, the box has one pixel
    assert found["bilinear"] == [20] * 5 + [87, 153] + [220] * 5
    assert min(found["bicubic"]) < 20
    assert max(found["bicubic"]) > 220  # a negative lobe overshoots
    assert found["lanczos"] not in (found["bicubic"], found["bilinear"])
    assert Pixels(1, 1, 1, kernel="box").array(edge).item() == 120
    assert Pixels(1, 1, 1, kernel="nearest").array(edge).item() in (20, 220)


# --- arithmetic, and the policy as a value ------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "deviation"), [((0.0,), (1.0,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.1,), (1 / 1.275,))])
def test_tensor_is_value_of_255_minus_mean_by_deviation_for_every_level(mean, deviation):
    levels = np.arange(256, dtype=np.uint8).reshape(2, 16, 8, 1).repeat(3, 3)
    levels[..., 1] = levels[..., 1][:, ::-1]
    batch = torch.from_numpy(levels.copy())
    found = Pixels(3, 16, 8, mean=mean, deviation=deviation).tensor(batch)
    wanted = ((levels / 255 - np.array(mean)) / np.array(deviation)).transpose(0, 3, 1, 2)
    assert (found.dtype, tuple(found.shape)) == (torch.float32, (2, 3, 16, 8))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(batch.numpy(), levels)


def test_tensor_of_a_picture_does_not_depend_on_its_batch():
    batch = torch.from_numpy(np.stack([np.asarray(noise(9, 7, seed=i)) for i in range(5)]))
    policy = Pixels(3, 9, 7, mean=(0.3, 0.5, 0.7), deviation=(0.2, 0.25, 0.3))
    assert torch.equal(policy.tensor(batch), torch.cat([policy.tensor(batch[i : i + 1]) for i in range(5)]))


def test_mean_and_deviation_of_one_number_hold_for_every_channel():
    policy = Pixels(3, 2, 2, mean=(0.5,), deviation=(0.25,))
    assert (policy.mean, policy.deviation) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert (policy.shape, policy.mode) == ((3, 2, 2), "RGB")
    assert Pixels(1, 4, 5).mode == "L"


numbers = st.floats(-5, 5)
positive = st.floats(1e-6, 5)


@given(
    st.sampled_from([1, 3]).flatmap(
        lambda channels: st.builds(
            Pixels,
            st.just(channels),
            st.integers(1, 5000),
            st.integers(1, 5000),
            st.sampled_from(["squash", "crop", "pad"]),
            st.sampled_from(list(KERNELS)),
            st.integers(0, 255),
            st.tuples(*[numbers] * channels),
            st.tuples(*[positive] * channels),
        )
    )
)
def test_a_policy_comes_back_from_json_the_same(policy):
    again = Pixels.from_json(json.loads(json.dumps(policy.to_json())))
    assert again == policy
    assert hash(again) == hash(policy)


BAD = [
    *({"channels": channels} for channels in (0, 2, 4, -1)),
    *({"height": height} for height in (0, -3)),
    {"width": 0},
    *({"fit": fit} for fit in ("stretch", "", "Crop")),
    *({"kernel": kernel} for kernel in ("cubic", "", "BOX")),
    *({"background": level} for level in (-1, 256)),
    *({"mean": mean} for mean in ((), (0.1, 0.2), (0.1,) * 4, (math.nan,), (0.1, math.inf, 0.2))),
    *({"deviation": deviation} for deviation in ((), (0.1, 0.2), (0.0,), (-1.0,), (0.1, 0.0, 0.1), (math.nan,), (math.inf,))),
]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_a_policy_that_cannot_be_is_refused(change):
    with pytest.raises(PictureError, match="pixel policy"):
        Pixels(**{"channels": 3, "height": 4, "width": 4, **change})


# --- what is refused ----------------------------------------------------------------------------------------------------

DETAILED = noise(40, 40)
ENCODED = {
    "JPEG": encoded(DETAILED, "JPEG"), "PNG": encoded(DETAILED, "PNG"), "WEBP": encoded(DETAILED, "WEBP", lossless=True),
    "GIF": encoded(DETAILED.quantize(200), "GIF"), "BMP": encoded(DETAILED, "BMP"), "TIFF": encoded(DETAILED, "TIFF", compression="tiff_lzw"),
    "PPM": encoded(DETAILED, "PPM"),
}  # fmt: skip

REFUSED = {
    "nothing": (b"", "empty"),
    "text": (b"once upon a time\n" * 20, "not a picture"),
    "a page": (b"<!DOCTYPE html><html><body>404</body></html>", "not a picture"),
    "zeros": (bytes(5000), "not a picture"),
    "a pickle": (b"\x80\x04K\x01.", "not a picture"),
    "an icon": (encoded(DETAILED, "ICO"), "not a picture"),
    "a PCX": (encoded(DETAILED, "PCX"), "not a picture"),
    "a TGA": (encoded(DETAILED, "TGA"), "not a picture"),
    "a PDF": (encoded(DETAILED, "PDF"), "not a picture"),
    "an EPS": (encoded(DETAILED, "EPS"), "not a picture"),
    "a PNG of no width": (png_header(0, 5), "not a picture|damaged"),
    "a PNG of no height": (png_header(5, 0), "not a picture|damaged"),
    "a BMP of no width": (bmp_header(0, 5), "not a picture|damaged"),
    "a BMP of no height": (bmp_header(5, 0), "not a picture|damaged"),
    "a GIF of no size": (b"GIF89a" + bytes(7) + b",\0\0\0\0\0\0\0\0\0\2\0\0;", "not a picture|damaged"),
    "a PPM of no size": (b"P6 0 0 255\n", "not a picture|damaged"),
    "a PNG that says more than it has": (png_header(50, 50), "damaged"),
    "a BMP that says more than it has": (bmp_header(50, 50), "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_picture_is_refused_with_its_reason(tmp_path, name):
    data, reason = REFUSED[name]
    path = tmp_path / "some.png"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        with pytest.raises(PictureError, match=reason) as caught:
            opened(source)
        assert "\n" not in str(caught.value)
        assert str(path) not in str(caught.value)


def test_a_format_that_is_not_read_is_told_those_that_are():
    with pytest.raises(PictureError) as caught:
        opened(encoded(DETAILED, "ICO"))
    assert all(kind in str(caught.value) for kind in FORMATS)
    assert set(ENCODED) == set(FORMATS)


@pytest.mark.parametrize("make", [png_header, bmp_header], ids=["PNG", "BMP"])
@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (12_000, 12_000), (10_001, 10_000), (2**31 - 1, 1)])
def test_a_header_that_says_too_much_is_refused_before_anything_is_decoded(monkeypatch, make, width, height):
    def load(picture):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert width * height > LARGEST
    with pytest.raises(PictureError, match=rf"pixels; at most {LARGEST:,} are decoded"):
        opened(make(width, height))


def test_the_largest_picture_is_decoded_and_one_pixel_more_is_not(monkeypatch):
    monkeypatch.setattr(limits, "LARGEST", 1600)
    assert opened(ENCODED["PNG"]).size == (40, 40)
    monkeypatch.setattr(limits, "LARGEST", 1599)
    with pytest.raises(PictureError, match="it has 40 x 40 pixels; at most 1,599"):
        opened(ENCODED["PNG"])


def test_what_cannot_be_opened_is_refused_with_the_reason_of_the_system(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for place, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "missing.png", "No such file"),
        (tmp_path / "missing" / "a.png", "No such file"),
        (tmp_path / "loop", "symbolic links"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        for source in (place, str(place)):
            with pytest.raises(PictureError, match=f"it cannot be read: .*{reason}"):
                opened(source)


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(PictureError):
        opened("a\0b.png")


@pytest.mark.parametrize("kind", ENCODED)
def test_a_file_cut_off_anywhere_is_refused_or_has_lost_no_pixel(kind):
    data = ENCODED[kind]
    whole = np.asarray(opened(data).convert("RGB"))
    refused = 0
    for length in [*range(0, len(data), max(1, len(data) // 60)), len(data) - 2, len(data) - 1]:
        try:
            found = np.asarray(opened(data[:length]).convert("RGB"))
        except PictureError:
            refused += 1
        else:
            assert np.array_equal(found, whole), length
    assert refused > 50


@pytest.mark.parametrize("kind", ENCODED)
def test_a_file_with_bytes_changed_is_a_picture_or_refused_and_never_another_error(kind):
    draw, outcomes = np.random.default_rng(7), set()
    for turn in range(120):
        data = bytearray(ENCODED[kind])
        reach = len(data) if turn % 2 else 120  # half of the changes are in the header
        for _ in range(draw.integers(1, 5)):
            data[draw.integers(0, reach)] = draw.integers(0, 256)
        try:
            outcomes.add(Pixels(3, 4, 4).array(opened(bytes(data))).shape)
        except PictureError as error:
            outcomes.add("refused" if str(error) else "refused without a reason")
    assert "refused" in outcomes
    assert outcomes <= {"refused", (4, 4, 3)}


def test_opening_pictures_in_several_threads_leaves_the_warnings_as_they_were(monkeypatch):
    """The second picture is begun before the first is done, and done after it."""
    one, both, done, truly = threading.Event(), threading.Event(), threading.Event(), Image.open

    def slowly(file, **options):
        if threading.current_thread() is first:
            one.set()
            both.wait(2)
        else:
            both.set()
            done.wait(2)
        return truly(file, **options)

    monkeypatch.setattr(Image, "open", slowly)
    before = list(warnings.filters)
    first, second = (threading.Thread(target=opened, args=(ENCODED["PNG"],)) for _ in range(2))
    first.start()
    one.wait(2)
    second.start()
    first.join(10)
    done.set()
    second.join(10)
    assert warnings.filters == before


# --- the same bits for everyone -----------------------------------------------------------------------------------------


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def folder_of_every_kind(folder):
    """A set of two classes, with files of many formats, modes and sizes, sideways ones among them."""
    files = {f"{name.replace(' ', '-').replace(',', '')}.bin": file for name, (file, _, _) in MEANINGS.items()}
    files |= {f"detailed.{kind}": file for kind, file in ENCODED.items()}
    files |= {f"turned-{o}.{kind}": encoded(noise(30, 50, seed=o), kind, exif=exif_of(o)) for kind in ("JPEG", "PNG") for o in range(1, 9)}
    for i, (name, file) in enumerate(sorted(files.items())):
        path = folder / "ab"[i % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    return folder


def read_by(model, picture):
    """The very tensor that reaches the network when a model predicts."""
    seen = []
    hook = model.network.register_forward_pre_hook(lambda network, given: seen.append(given[0].clone()))
    model.predict(picture)
    hook.remove()
    return seen[0][0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_training_prediction_and_a_loaded_model_read_the_same_bits_from_a_file(tmp_path, channels, fit):
    source = open_source(folder_of_every_kind(tmp_path / "set"))
    policy = Pixels(channels, 12, 16, fit, "bicubic", 60, (0.4,) * channels, (0.3,) * channels)
    pictures = decoded(source.training(), policy)
    assert not pictures.refused
    trained = policy.tensor(pictures.pixels)
    net = read("Chain(flat=Flatten(), fc=FC(2))")
    model = models.Model(net, policy.shape, source.classes, policy, build(net, policy.shape), {}, {}, {})
    model.save(tmp_path / "model.safetensors")
    loaded = models.load(tmp_path / "model.safetensors")
    assert loaded.pixels == policy
    for i, path in enumerate(pictures.names):
        for user in (model, loaded):
            assert torch.equal(read_by(user, path), trained[i]), path
            assert torch.equal(read_by(user, opened(path)), trained[i]), path


def test_a_picture_that_the_user_opened_is_read_as_its_file_is(tmp_path):
    net = read("Chain(flat=Flatten(), fc=FC(2))")
    model = models.Model(net, (1, 2, 3), ("a", "b"), Pixels(1, 2, 3), build(net, (1, 2, 3)), {}, {}, {})
    for orientation, stored in STORED.items():
        path = tmp_path / f"{orientation}.png"
        path.write_bytes(oriented("PNG", orientation, stored))
        torch.testing.assert_close(read_by(model, path), torch.from_numpy(UPRIGHT[None] / np.float32(255)), rtol=1e-6, atol=0)
        with Image.open(path) as picture:
            assert torch.equal(read_by(model, picture), read_by(model, path)), orientation
