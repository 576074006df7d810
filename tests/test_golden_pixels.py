"""Golden pixels: files written byte by byte, of every mode and format, and the levels that they must become, to the last bit."""

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features

from files import (
    ADOBE_RGB,
    DISPLAY_P3,
    FLOAT,
    SHORT,
    SRGB,
    UNDEFINED,
    adobe,
    bmp,
    chunk,
    gif,
    grey_profile,
    ink_profile,
    jpeg,
    page,
    png,
    profile_chunk,
    rgb_profile,
    segment,
    tiff,
    turned,
)
from hubel.errors import PictureError
from hubel.pictures.decoding import described, opened
from hubel.pictures.flattening import conversions, flattened
from hubel.pictures.pixels import Pixels

BACKGROUND = 200
"""The grey behind what is transparent. Half of 100 on it (alpha 128) is 149.8, a fifth (alpha 51) is 180."""


def shorts(*values, order="<"):
    return struct.pack(f"{order}{len(values)}H", *values)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def extra(kind):
    """What a sample beyond the colours is: 0 anything, 1 alpha that the colours are multiplied by, 2 alpha."""
    return (338, SHORT, [kind])


def stated(lowest, highest):
    return (340, FLOAT, [lowest]), (341, FLOAT, [highest])


def webp(mode, pixels):
    """Pillow's own writer: lossless WebP is an entropy coder with nothing of colour to it."""
    file = io.BytesIO()
    Image.frombytes(mode, (len(pixels), 1), bytes(level for pixel in pixels for level in pixel)).save(
        file, "WEBP", lossless=True, exact=True
    )
    return file.getvalue()


THREE = [(255, 0, 0), (0, 100, 200), (9, 99, 199)]
PALETTE = chunk(b"PLTE", bytes(level for colour in THREE for level in colour))
MAP = (320, SHORT, [257 * (THREE[i][c] if i < 3 else 0) for c in range(3) for i in range(256)])
LAID = "transparency laid on the background"

# name: file, its one row in RGB (a number is grey), what is lost
GOLDEN = {
    # PNG: every depth of every colour type
    "PNG grey 1": (png(3, 1, 1, 0, [b"\x40"]), [0, 255, 0], ()),
    "PNG grey 2": (png(4, 1, 2, 0, [b"\x1b"]), [0, 85, 170, 255], ()),
    "PNG grey 4": (png(2, 1, 4, 0, [b"\x5f"]), [85, 255], ()),
    "PNG grey 8": (png(3, 1, 8, 0, [b"\0\x07\xff"]), [0, 7, 255], ()),
    "PNG grey 16": (png(4, 1, 16, 0, [shorts(128, 129, 40000, 65535, order=">")]), [0, 1, 156, 255], ("16 bits to 8",)),
    "PNG RGB 8": (png(2, 1, 8, 2, [bytes([1, 2, 3, 250, 5, 100])]), [(1, 2, 3), (250, 5, 100)], ()),
    "PNG RGB 16, cut": (png(2, 1, 16, 2, [shorts(255, 256, 511, 40000, 65279, 65535, order=">")]), [(0, 1, 1), (156, 254, 255)], ("16 bits to 8",)),
    "PNG palette 1": (png(2, 1, 1, 3, [b"\x40"], PALETTE), THREE[:2], ()),
    "PNG palette 2": (png(3, 1, 2, 3, [b"\x18"], PALETTE), THREE, ()),
    "PNG palette 4": (png(2, 1, 4, 3, [b"\x21"], PALETTE), [THREE[2], THREE[1]], ()),
    "PNG palette 8": (png(3, 1, 8, 3, [b"\0\1\2"], PALETTE), THREE, ()),
    "PNG LA 8": (png(3, 1, 8, 4, [bytes([100, 255, 100, 51, 100, 0])]), [100, 180, 200], (LAID,)),
    "PNG LA 16": (png(2, 1, 16, 4, [shorts(25855, 65535, 25855, 0x33FF, order=">")]), [100, 180], ("16 bits to 8", LAID)),
    "PNG RGBA 8": (png(2, 1, 8, 6, [bytes([100, 0, 255, 51, 9, 8, 7, 0])]), [(180, 160, 211), 200], (LAID,)),
    "PNG RGBA 16": (png(1, 1, 16, 6, [shorts(25855, 0, 65535, 0x33FF, order=">")]), [(180, 160, 211)], ("16 bits to 8", LAID)),
    "PNG grey 1, a level is not there": (png(2, 1, 1, 0, [b"\x40"], chunk(b"tRNS", b"\0\1")), [0, 200], (LAID,)),
    "PNG grey 2, a level is not there": (png(4, 1, 2, 0, [b"\x1b"], chunk(b"tRNS", b"\0\1")), [0, 200, 170, 255], (LAID,)),
    "PNG grey 4, a level is not there": (png(2, 1, 4, 0, [b"\x5f"], chunk(b"tRNS", b"\0\x0f")), [85, 200], (LAID,)),
    "PNG grey 8, a level is not there": (png(2, 1, 8, 0, [b"\1\2"], chunk(b"tRNS", b"\0\2")), [1, 200], (LAID,)),
    "PNG grey 16, a level is not there": (
        png(2, 1, 16, 0, [shorts(1000, 1001, order=">")], chunk(b"tRNS", shorts(1000, order=">"))), [200, 4], ("16 bits to 8", LAID)
    ),
    "PNG RGB 8, a colour is not there": (png(2, 1, 8, 2, [b"\1\2\3\1\2\4"], chunk(b"tRNS", b"\0\1\0\2\0\3")), [200, (1, 2, 4)], (LAID,)),
    "PNG RGB 16, a colour is not there": (
        png(2, 1, 16, 2, [shorts(1000, 2000, 3000, 1000, 2000, 4000, order=">")], chunk(b"tRNS", shorts(1000, 2000, 3000, order=">"))),
        [200, (3, 7, 15)], ("16 bits to 8", LAID),
    ),
    "PNG palette, each colour its alpha": (png(3, 1, 8, 3, [b"\0\1\2"], PALETTE + chunk(b"tRNS", b"\0\x33")), [200, (160, 180, 200), THREE[2]], (LAID,)),
    # TIFF: every photometric interpretation that Pillow reads, both orders of bytes
    "TIFF bits, black is 0": (tiff(page(3, 1, [1], 1, b"\x40")), [0, 255, 0], ()),
    "TIFF bits, white is 0": (tiff(page(3, 1, [1], 0, b"\x40")), [255, 0, 255], ()),
    "TIFF grey 4": (tiff(page(2, 1, [4], 1, b"\x5f")), [85, 255], ()),
    "TIFF grey 8": (tiff(page(3, 1, [8], 1, b"\0\x07\xff")), [0, 7, 255], ()),
    "TIFF grey 8, white is 0": (tiff(page(3, 1, [8], 0, b"\0\x07\xff")), [255, 248, 0], ()),
    "TIFF grey 12": (tiff(page(2, 1, [12], 1, b"\x80\x0f\xff")), [128, 255], ("12 bits to 8",)),
    "TIFF grey 16": (tiff(page(3, 1, [16], 1, shorts(129, 40000, 65535))), [1, 156, 255], ("16 bits to 8",)),
    "TIFF grey 16, large end first": (tiff(page(3, 1, [16], 1, shorts(129, 40000, 65535, order=">")), order=">"), [1, 156, 255], ("16 bits to 8",)),
    "TIFF grey 16, white is 0": (tiff(page(3, 1, [16], 0, shorts(0, 40000, 65535))), [255, 99, 0], ("16 bits to 8",)),
    "TIFF grey 16, signed": (tiff(page(2, 1, [16], 1, shorts(0, 25700), 2)), [0, 100], ("16 bits to 8",)),
    "TIFF grey 32 that keeps to 16": (tiff(page(2, 1, [32], 1, struct.pack("<2I", 257, 65535))), [1, 255], ("32 bits to 8",)),
    "TIFF grey 32 of a stated range": (tiff(page(3, 1, [32], 1, struct.pack("<3i", -100, 0, 155), 2, stated(-100, 155))), [0, 100, 255], ("32 bits to 8",)),
    "TIFF grey 32, unsigned": (tiff(page(2, 1, [32], 1, struct.pack("<2I", 2**31, 2**32 - 256), more=stated(0, 2.0**32 - 256))), [128, 255], ("32 bits to 8",)),
    "TIFF numbers from 0 to 1": (tiff(page(3, 1, [32], 1, floats(0, 0.5, 1), 3)), [0, 128, 255], ("floating point to 8 bits",)),
    "TIFF numbers from 0 to 1, white is 0": (tiff(page(3, 1, [32], 0, floats(0, 0.25, 1), 3)), [255, 191, 0], ("floating point to 8 bits",)),
    "TIFF numbers of a stated range": (tiff(page(3, 1, [32], 1, floats(-1, 0, 1), 3, stated(-1, 4.1))), [0, 50, 100], ("floating point to 8 bits",)),
    "TIFF small numbers of a stated range": (tiff(page(2, 1, [32], 1, floats(0, 1), 3, stated(0, 255))), [0, 1], ("floating point to 8 bits",)),
    "TIFF grey and anything": (tiff(page(2, 1, [8, 8], 1, b"\x07\x01\x09\x02", more=[extra(0)])), [7, 9], ()),
    "TIFF LA": (tiff(page(2, 1, [8, 8], 1, bytes([100, 51, 100, 0]), more=[extra(2)])), [180, 200], (LAID,)),
    "TIFF LA, multiplied": (tiff(page(2, 1, [8, 8], 1, bytes([20, 51, 0, 0]), more=[extra(1)])), [180, 200], (LAID,)),
    "TIFF palette": (tiff(page(3, 1, [8], 3, b"\0\1\2", more=[MAP])), THREE, ()),
    "TIFF palette and alpha": (tiff(page(2, 1, [8, 8], 3, bytes([0, 255, 1, 51]), more=[MAP, extra(2)])), [THREE[0], (160, 180, 200)], (LAID,)),
    "TIFF RGB": (tiff(page(2, 1, [8] * 3, 2, bytes([1, 2, 3, 250, 5, 100]))), [(1, 2, 3), (250, 5, 100)], ()),
    "TIFF RGB, large end first": (tiff(page(1, 1, [8] * 3, 2, bytes([1, 2, 3])), order=">"), [(1, 2, 3)], ()),
    "TIFF RGB 16, cut": (tiff(page(2, 1, [16] * 3, 2, shorts(255, 256, 511, 40000, 65279, 65535))), [(0, 1, 1), (156, 254, 255)], ("16 bits to 8",)),
    "TIFF RGBX": (tiff(page(1, 1, [8] * 4, 2, bytes([1, 2, 3, 9]), more=[extra(0)])), [(1, 2, 3)], ()),
    "TIFF RGBA": (tiff(page(2, 1, [8] * 4, 2, bytes([100, 0, 255, 51, 9, 8, 7, 0]), more=[extra(2)])), [(180, 160, 211), 200], (LAID,)),
    "TIFF RGBA, multiplied": (tiff(page(2, 1, [8] * 4, 2, bytes([20, 0, 51, 51, 0, 0, 0, 0]), more=[extra(1)])), [(180, 160, 211), 200], (LAID,)),
    "TIFF CMYK": (tiff(page(2, 1, [8] * 4, 5, bytes([0, 255, 0, 0, 40, 90, 160, 0]))), [(255, 0, 255), (215, 165, 95)], ("CMYK to RGB",)),
    "TIFF CMYK 16, cut": (tiff(page(1, 1, [16] * 4, 5, shorts(0x28FF, 0x5AFF, 0xA0FF, 0xFF))), [(215, 165, 95)], ("16 bits to 8", "CMYK to RGB")),
    "TIFF YCbCr": (tiff(page(2, 1, [8] * 3, 6, bytes([200, 128, 128, 100, 128, 178]))), [200, (170, 64, 100)], ("YCbCr to RGB",)),
    "TIFF of two pages": (tiff(page(1, 1, [8], 1, b"\x07"), page(2, 1, [8], 1, b"\1\2")), [7], ("first of several frames",)),
    # BMP
    "BMP palette 1": (bmp(2, 1, 1, [b"\x40"], THREE[:2]), THREE[:2], ()),
    "BMP palette 4": (bmp(2, 1, 4, [b"\x21"], THREE), [THREE[2], THREE[1]], ()),
    "BMP palette 8": (bmp(3, 1, 8, [b"\0\1\2"], THREE), THREE, ()),
    "BMP grey palette": (bmp(2, 1, 8, [b"\x07\xff"], [(i, i, i) for i in range(256)]), [7, 255], ()),
    "BMP 24": (bmp(2, 1, 24, [bytes([3, 2, 1, 100, 5, 250])]), [(1, 2, 3), (250, 5, 100)], ()),
    "BMP 32": (bmp(1, 1, 32, [bytes([3, 2, 1, 0])]), [(1, 2, 3)], ()),
    "BMP 16, five bits each": (bmp(2, 1, 16, [shorts(0x7C00, 0x03FF)]), [(255, 0, 0), (0, 255, 255)], ()),
    "BMP 16, six bits of green": (bmp(2, 1, 16, [shorts(0xF800, 0x07E0)], masks=struct.pack("<3I", 0xF800, 0x07E0, 0x1F)), [(255, 0, 0), (0, 255, 0)], ()),
    # GIF
    "GIF": (gif(3, 1, THREE, [0, 1, 2]), THREE, ()),
    "GIF, a colour is not there": (gif(3, 1, THREE, [0, 1, 2], transparent=1), [THREE[0], 200, THREE[2]], (LAID,)),
    "GIF that moves": (gif(1, 1, THREE, [1], [0], [2]), [THREE[1]], ("first of several frames",)),
    "GIF that moves, a colour is not there": (gif(2, 1, THREE, [1, 2], [0, 0], transparent=1), [200, THREE[2]], ("first of several frames", LAID)),
    # Netpbm
    "PBM": (b"P4 3 1\n\x40", [255, 0, 255], ()),
    "PBM in words": (b"P1 3 1\n0 1 0", [255, 0, 255], ()),
    "PGM": (b"P5 3 1 255\n\0\x07\xff", [0, 7, 255], ()),
    "PGM of 8 levels": (b"P5 3 1 7\n\0\3\7", [0, 109, 255], ()),
    "PGM of 1001 levels": (b"P5 3 1 1000\n" + shorts(0, 500, 1000, order=">"), [0, 128, 255], ("16 bits to 8",)),
    "PGM 16": (b"P5 3 1 65535\n" + shorts(129, 40000, 65535, order=">"), [1, 156, 255], ("16 bits to 8",)),
    "PGM in words": (b"P2 2 1 255\n7 255\n", [7, 255], ()),
    "PPM": (b"P6 2 1 255\n" + bytes([1, 2, 3, 250, 5, 100]), [(1, 2, 3), (250, 5, 100)], ()),
    "PPM 16, rounded": (b"P6 1 1 65535\n" + shorts(255, 40000, 65279, order=">"), [(1, 156, 254)], ("16 bits to 8",)),
    "PPM in words": (b"P3 1 1 255\n1 2 3\n", [(1, 2, 3)], ()),
    "PFM, from the bottom": (b"Pf 2 1 -1.0\n" + floats(0.5, 1), [128, 255], ("floating point to 8 bits",)),
    # WebP
    "WebP": (webp("RGB", [(1, 2, 3), (250, 5, 100)]), [(1, 2, 3), (250, 5, 100)], ()),
    "WebP with alpha": (webp("RGBA", [(100, 0, 255, 51), (9, 8, 7, 0)]), [(180, 160, 211), 200], (LAID,)),
}  # fmt: skip


def row_of(pixels):
    """The row as (1, width, 3); a number is a grey."""
    return np.array([[(pixel,) * 3 if isinstance(pixel, int) else pixel for pixel in pixels]], np.uint8)


def to_grey(colours):
    """ITU-R BT.601, in the 16-bit integers in which it is rounded."""
    return (colours.astype(np.int64) @ np.array([[19595], [38470], [7471]]) + 2**15) >> 16


@pytest.mark.parametrize("name", GOLDEN)
def test_a_file_becomes_these_very_levels(name):
    file, pixels, _ = GOLDEN[name]
    meant = row_of(pixels)
    for channels, wanted in ((3, meant), (1, to_grey(meant))):
        found = Pixels(channels, *meant.shape[:2], background=BACKGROUND).array(opened(file))
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_lost_is_said_alike_before_and_after_decoding(name):
    file, pixels, lost = GOLDEN[name]
    coloured = np.ptp(row_of(pixels), 2).any()
    picture, header = opened(file), described(file)
    assert conversions(header, "RGB") == conversions(picture, "RGB") == lost
    assert set(lost) <= set(conversions(header, "L")) <= {*lost, "colour to grey"}
    assert not coloured or "colour to grey" in conversions(picture, "L")
    assert (header.width, header.height) == picture.size


def test_a_picture_in_memory_loses_what_its_mode_says():
    said = {mode: conversions(Image.new(mode, (1, 1)), "RGB") for mode in ("1", "L", "P", "RGB", "RGBX")}
    assert set(said.values()) == {()}
    for mode, lost in {
        "I;16": "16 bits to 8",
        "I": "32 bits to 8",
        "F": "floating point to 8 bits",
        "HSV": "HSV to RGB",
        "LA": LAID,
    }.items():
        assert conversions(Image.new(mode, (1, 1)), "RGB") == (lost,)
    assert conversions(Image.new("RGBA", (1, 1)), "L") == (LAID, "colour to grey")
    assert conversions(opened(GOLDEN["TIFF grey 12"][0]).convert("L"), "L") == ()  # what the user has brought to 8 bits


REFUSED = {
    "numbers beyond 1": (page(2, 1, [32], 1, floats(0, 1.5), 3), "floating-point numbers from 0 to 1.5"),
    "numbers below 0": (page(2, 1, [32], 1, floats(-0.1, 1), 3), "floating-point numbers from -0.1 to 1"),
    "numbers whose range is stated in words": (
        page(2, 1, [32], 1, floats(0, 9), 3, [(tag, UNDEFINED, [65, 66, 67]) for tag in (340, 341)]),
        "does not state",
    ),
    "no number": (page(2, 1, [32], 1, floats(0, float("nan")), 3), "floating-point numbers from nan"),
    "numbers beyond what is stated": (page(2, 1, [32], 1, floats(0, 9), 3, stated(0, 8)), "from 0 to 9, but it states a range of 0 to 8"),
    "a range of nothing": (page(2, 1, [32], 1, floats(4, 4), 3, stated(4, 4)), "states a range of 4 to 4"),
    "a range without end": (page(2, 1, [32], 1, floats(4, 5), 3, stated(0, float("inf"))), "states a range of 0 to inf"),
    "32 bits beyond 16": (page(2, 1, [32], 1, struct.pack("<2I", 0, 65536)), "whole numbers from 0 to 65536"),
    "16 bits below 0": (page(2, 1, [16], 1, struct.pack("<2h", 0, -9), 2), "whole numbers from -9 to 0"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_numbers_whose_range_is_not_known_are_refused_in_a_sentence(name, mode):
    written, reason = REFUSED[name]
    with pytest.raises(PictureError, match=reason):
        flattened(opened(tiff(written)), mode, 0)


# --- JPEG, whose colours are said by markers ----------------------------------------------------------------------------

EXIF = b"Exif\0\0"
COMPONENTS = {
    "grey": (jpeg([[(10,), (255,)]]), [10, 255], 0),
    "YCbCr": (jpeg([[(200, 128, 128), (100, 128, 178)]]), [200, (170, 64, 100)], 1),
    "RGB": (jpeg([[(250, 5, 100), (1, 2, 3)]], adobe(0)), [(250, 5, 100), (1, 2, 3)], 0),
    "CMYK as Adobe writes it, inverted": (jpeg([[(215, 165, 95, 255), (215, 165, 95, 51)]], adobe(0)), [(215, 165, 95), (43, 33, 19)], 0),
    "CMYK that does not say by whom": (jpeg([[(215, 165, 95, 255), (215, 165, 95, 51)]]), [(215, 165, 95), (43, 33, 19)], 0),
    "YCCK": (jpeg([[(55, 128, 128, 255), (200, 128, 128, 51)]], adobe(2)), [200, 11], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_jpeg_becomes_the_colours_that_its_markers_say(name):
    file, pixels, off = COMPONENTS[name]
    meant = row_of(pixels).repeat(8, 0).repeat(8, 1)
    found = Pixels(3, *meant.shape[:2]).array(opened(file))
    assert np.abs(found.astype(int) - meant).max() <= off
    assert conversions(described(file), "RGB") == (("CMYK to RGB",) if "CMYK" in name or "YCCK" in name else ())


# --- upright ------------------------------------------------------------------------------------------------------------

UPRIGHT = [[10, 60, 110], [160, 210, 250]]
STORED = {
    1: [[10, 60, 110], [160, 210, 250]],
    2: [[110, 60, 10], [250, 210, 160]],
    3: [[250, 210, 160], [110, 60, 10]],
    4: [[160, 210, 250], [10, 60, 110]],
    5: [[10, 160], [60, 210], [110, 250]],
    6: [[110, 250], [60, 210], [10, 160]],
    7: [[250, 110], [210, 60], [160, 10]],
    8: [[160, 10], [210, 60], [250, 110]],
}
"""How a camera stores what is seen as UPRIGHT (EXIF 2.32: 6 has the seen right side in row 0, the seen top in column 0)."""


def jpeg_turned(rows, orientation):
    return jpeg([[(level,) for level in row] for row in rows], segment(0xE1, EXIF + turned(orientation)))


def png_turned(rows, orientation):
    return png(len(rows[0]), len(rows), 8, 0, [bytes(row) for row in rows], before=chunk(b"eXIf", turned(orientation)))


def late_png_turned(rows, orientation):
    return png(len(rows[0]), len(rows), 8, 0, [bytes(row) for row in rows], after=chunk(b"eXIf", turned(orientation)))


def tiff_turned(rows, orientation):
    return tiff(page(len(rows[0]), len(rows), [8], 1, b"".join(map(bytes, rows)), more=[(274, SHORT, [orientation])]))


def webp_turned(rows, orientation):
    file = io.BytesIO()
    Image.fromarray(np.array(rows, np.uint8)).save(file, "WEBP", lossless=True, exif=EXIF + turned(orientation))
    return file.getvalue()


@pytest.mark.parametrize("write", [jpeg_turned, png_turned, late_png_turned, tiff_turned, webp_turned])
@pytest.mark.parametrize("orientation", STORED)
def test_each_orientation_comes_out_upright_to_the_bit(write, orientation):
    file, side = write(STORED[orientation], orientation), 8 if write is jpeg_turned else 1
    picture = opened(file)
    assert np.asarray(flattened(picture, "L", 0))[::side, ::side].tolist() == UPRIGHT
    assert picture.size == (3 * side, 2 * side)
    header = described(file)
    if write is not late_png_turned:
        assert (header.width, header.height, header.orientation) == (3 * side, 2 * side, orientation)
    assert described(picture) == header
    again = Pixels(1, 2 * side, 3 * side)
    assert np.array_equal(again.array(opened(file)), again.array(picture))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing_and_is_no_damage(orientation):
    for write in (jpeg_turned, png_turned, tiff_turned, webp_turned):
        file = write(UPRIGHT, orientation)
        assert described(file).orientation == 1
        assert np.asarray(flattened(opened(file), "L", 0))[0, 0] == 10


@pytest.mark.parametrize("nonsense", [b"no TIFF at all", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_broken_exif_does_not_cost_the_picture(nonsense):
    file = jpeg([[(10,), (255,)]], segment(0xE0, b"JFIF\0\1\1\1\0\1\0\1\0\0") + segment(0xE1, EXIF + nonsense))
    late = png(2, 1, 8, 0, [b"\x0a\xff"], before=chunk(b"eXIf", nonsense))
    for data in (file, late):
        assert np.unique(np.asarray(opened(data))).tolist() == [10, 255]
        assert conversions(described(data), "L") == conversions(opened(data), "L") == ("broken EXIF ignored",)


# --- colour profiles ----------------------------------------------------------------------------------------------------

needs_littlecms = pytest.mark.skipif(
    not features.check("littlecms2"), reason="this Pillow was built without LittleCMS, which converts colours"
)


def toned(light):
    """IEC 61966-2-1: light from 0 to 1 to a level of sRGB."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def lit(level):
    """IEC 61966-2-1, backwards; levels and light from 0 to 1."""
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def in_srgb(levels, primaries, tone):
    """Levels of an RGB whose primaries are said in X, Y and Z under D50."""
    light = tone(np.asarray(levels) / 255) @ np.array(primaries)
    return toned(light @ np.linalg.inv(np.array(SRGB)))


def from_lab(L, a, b):
    """CIE 1976 under D50, to levels of sRGB."""
    y = (L + 16) / 116
    steps = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29)) * [0.9642, 1, 0.8249]
    return toned(xyz @ np.linalg.inv(np.array(SRGB)))


SRGB_TABLE = rgb_profile(SRGB, lit(np.linspace(0, 1, 1024)).tolist())
ADOBE = rgb_profile(ADOBE_RGB, [563 / 256])
P3 = rgb_profile(DISPLAY_P3, lit(np.linspace(0, 1, 1024)).tolist())
DARK = grey_profile([1.8])
COLOURS = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 100, 50), (60, 140, 120), (90, 60, 170)]


def png_with(profile, colours=COLOURS):
    return png(len(colours), 1, 8, 2, [bytes(level for colour in colours for level in colour)], profile_chunk(profile))


@needs_littlecms
@pytest.mark.parametrize(
    ("profile", "primaries", "tone"),
    [(ADOBE, ADOBE_RGB, lambda level: level ** (563 / 256)), (P3, DISPLAY_P3, lit)],
    ids=["Adobe RGB", "Display P3"],
)
def test_colours_of_an_embedded_profile_become_the_same_colours_of_srgb(profile, primaries, tone):
    file, wanted = png_with(profile), in_srgb(COLOURS, primaries, tone)
    found = Pixels(3, 1, len(COLOURS)).array(opened(file))[0].astype(int)
    assert np.abs(found - wanted).max() <= 1
    assert np.abs(found - COLOURS).max() > 5
    assert conversions(described(file), "RGB", True) == ("embedded colour profile to sRGB",)
    assert conversions(described(file), "RGB", False) == ("embedded colour profile ignored",)
    ignoring = Pixels(3, 1, len(COLOURS), colour_managed=False)
    assert ignoring.array(opened(file))[0].tolist() == [list(colour) for colour in COLOURS]
    assert ignoring.lost(opened(file)) == ("embedded colour profile ignored",)
    grey = Pixels(1, 1, len(COLOURS)).array(opened(file))
    assert grey[0].tolist() == to_grey(found).tolist()


@needs_littlecms
def test_a_profile_that_says_srgb_costs_nothing_whatever_it_is_called():
    for profile in (SRGB_TABLE, rgb_profile(SRGB, lit(np.linspace(0, 1, 4096)).tolist())):
        picture = opened(png_with(profile))
        assert flattened(picture, "RGB", 0, True) is picture
        assert conversions(picture, "RGB", True) == conversions(picture, "RGB", False) == ()


@needs_littlecms
def test_a_profile_is_heeded_in_every_format_and_mode_that_can_carry_it():
    tag, marker = (34675, UNDEFINED, list(ADOBE)), segment(0xE2, b"ICC_PROFILE\0\1\1" + ADOBE)
    wanted = in_srgb([(200, 100, 50)], ADOBE_RGB, lambda level: level ** (563 / 256))[0]
    colour = bytes([200, 100, 50])
    files = {
        "TIFF": tiff(page(1, 1, [8] * 3, 2, colour, more=[tag])),
        "JPEG": jpeg([[(200, 100, 50)]], adobe(0) + marker),
        "palette": png(1, 1, 8, 3, [b"\0"], profile_chunk(ADOBE) + chunk(b"PLTE", colour)),
        "RGBA": png(1, 1, 8, 6, [colour + b"\xff"], profile_chunk(ADOBE)),
        "16 bits": png(1, 1, 16, 2, [bytes([200, 0, 100, 0, 50, 0])], profile_chunk(ADOBE)),
    }
    for name, file in files.items():
        found = Pixels(3, 1, 1, "crop", "nearest").array(opened(file))[0, 0]
        assert np.abs(found - wanted).max() <= 1, name
    seen_through = png(1, 1, 8, 6, [colour + b"\x33"], profile_chunk(ADOBE))
    assert np.abs(Pixels(3, 1, 1, background=BACKGROUND).array(opened(seen_through))[0, 0] - (0.2 * wanted + 0.8 * BACKGROUND)).max() <= 1


@needs_littlecms
def test_grey_of_another_curve_becomes_the_same_grey_of_srgb():
    levels = [0, 30, 100, 180, 255]
    wanted = toned((np.array(levels) / 255) ** 1.8)
    files = [
        png(5, 1, 8, 0, [bytes(levels)], profile_chunk(DARK)),
        png(5, 1, 16, 0, [shorts(*(257 * level for level in levels), order=">")], profile_chunk(DARK)),
        png(5, 1, 8, 4, [bytes(value for level in levels for value in (level, 255))], profile_chunk(DARK)),
        png(5, 1, 8, 0, [bytes(levels)], profile_chunk(rgb_profile(SRGB, [1.8]))),  # of which grey has equal parts
    ]
    for file in files:
        for channels in (1, 3):
            assert np.abs(Pixels(channels, 1, 5).array(opened(file))[0] - wanted[:, None]).max() <= 1


INKS = {(0, 0, 0, 0): (100, 0, 0), (1, 0, 0, 0): (60, -20, -30), (0, 1, 0, 0): (50, 40, 0), (0, 0, 1, 0): (90, -5, 60)}


@needs_littlecms
def test_inks_of_an_embedded_profile_become_the_colours_that_it_says():
    profile = ink_profile(lambda *inks: INKS.get(inks, (0, 0, 0)))
    data = bytes(255 * ink for inks in [*INKS, (0, 0, 0, 1)] for ink in inks)
    file = tiff(page(5, 1, [8] * 4, 5, data, more=[(34675, UNDEFINED, list(profile))]))
    found = Pixels(3, 1, 5).array(opened(file))[0]
    assert np.abs(found - [from_lab(*lab) for lab in [*INKS.values(), (0, 0, 0)]]).max() <= 2
    assert conversions(described(file), "RGB", True) == ("CMYK to RGB", "embedded colour profile to sRGB")
    inverted = jpeg([[(0, 255, 255, 255)]], adobe(0) + segment(0xE2, b"ICC_PROFILE\0\1\1" + profile))
    assert np.abs(Pixels(3, 8, 8).array(opened(inverted))[0, 0] - from_lab(*INKS[1, 0, 0, 0])).max() <= 2
    plain = Pixels(3, 1, 5, colour_managed=False).array(opened(file))[0]
    assert plain.tolist() == [[255] * 3, [0, 255, 255], [255, 0, 255], [255, 255, 0], [0] * 3]


@needs_littlecms
@pytest.mark.parametrize("lab", [(54, 80, 69), (100, 0, 0), (0, 0, 0), (50, 0, 0), (60, -20, -30), (40, 10, -50)], ids=str)
def test_lab_becomes_the_light_that_it_means(lab):
    file = tiff(page(1, 1, [8] * 3, 8, struct.pack("<B2b", round(lab[0] * 2.55), *lab[1:])))
    for managed in (False, True):
        found = Pixels(3, 1, 1, colour_managed=managed).array(opened(file))[0, 0]
        assert np.abs(found - from_lab(*lab)).max() <= 2
    assert conversions(described(file), "RGB") == ("LAB to RGB",)


BROKEN = {
    "nonsense": b"no profile at all",
    "cut off": ADOBE[: len(ADOBE) // 2],
    "without its primaries": rgb_profile((), [2.2]),
    "for inks": ink_profile(lambda *inks: (50, 0, 0)),
    "for grey": DARK,
}


@needs_littlecms
@pytest.mark.parametrize("name", BROKEN)
def test_a_profile_that_cannot_be_used_does_not_cost_the_picture(name):
    file = png_with(BROKEN[name])
    for managed in (False, True):
        found = Pixels(3, 1, len(COLOURS), colour_managed=managed).array(opened(file))
        assert found[0].tolist() == [list(colour) for colour in COLOURS]
        assert conversions(described(file), "RGB", managed) == ("broken colour profile ignored",)


@needs_littlecms
def test_threads_that_share_a_profile_find_the_same_colours():
    colours = np.random.default_rng(5).integers(0, 256, (200, 300, 3), np.uint8)
    file = png(300, 200, 8, 2, [row.tobytes() for row in colours], profile_chunk(P3))
    policy = Pixels(3, 200, 300)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: policy.array(opened(file)).tobytes(), range(12)))
    assert len(set(found)) == 1
