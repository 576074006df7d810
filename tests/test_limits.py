"""What a picture file may ask for, to the last pixel, scan and byte; and what opens files without asking for anything else."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from hostile_parts import bmp, chunk, empty_scans, encoded, header, jpeg, png, scans, segment, tiff, tiled
from hubel.errors import PictureError
from hubel.pictures import limits, places
from hubel.pictures.apart import opened_apart
from hubel.pictures.decoding import opened
from hubel.pictures.limits import scans_of
from hubel.pictures.pixels import Pixels
from hubel.pictures.places import Place


def refused(data, monkeypatch, name, most):
    """What is said of a file where a limit is `most`; that it is read where the limit is one more."""
    monkeypatch.setattr(limits, name, most + 1)
    opened(data)
    monkeypatch.setattr(limits, name, most)
    with pytest.raises(PictureError) as caught:
        opened(data)
    return str(caught.value)


def test_a_jpeg_has_as_many_scans_as_its_writer_made():
    plain, progressive = encoded("JPEG"), encoded("JPEG", progressive=True)
    assert scans_of(plain) == scans_of(encoded("JPEG", restart_marker_blocks=1)) == 1
    assert scans_of(progressive) == 10  # of colour, by libjpeg
    assert scans_of(encoded("JPEG", "L", progressive=True)) == 6
    assert scans_of(scans(8, 70)) == 71
    assert scans_of(empty_scans(8, 70)) == 70
    assert scans_of(progressive[:-2].replace(b"\xff\xda", b"\xff\xff\xff\xda")) == 10  # any number of 255 may precede a marker
    assert scans_of(progressive + progressive) == 10
    assert scans_of(jpeg(segment(0xFE, b"\xff\xda" * 99))) == 1
    assert [scans_of(progressive[:length]) for length in (0, 1, 2, 3)] == [0] * 4


def test_scans_are_bounded_by_themselves_and_times_the_pixels(monkeypatch):
    assert refused(scans(16, 8), monkeypatch, "SCANS", 8) == "it has 9 scans; at most 8 of a JPEG of its size are decoded"
    monkeypatch.setattr(limits, "SCANS", 500)
    assert "at most 8 of" in refused(empty_scans(16, 9), monkeypatch, "SCANNED", 9 * 16 * 16 - 1)


def test_a_tile_is_no_larger_than_a_picture(monkeypatch):
    data = tiff(tiled(10, 32, 1024, 1), bytes(1024))
    assert refused(data, monkeypatch, "LARGEST", 1023) == "it has tiles of 32 x 32 pixels; at most 1,023 are decoded"


def test_a_bmp_in_runs_is_smaller_than_others(monkeypatch):
    data = bmp(5, 5, 8, 1, (b"\5\1" + b"\0\0") * 5 + b"\0\1", 256, bytes(1024))
    assert refused(data, monkeypatch, "IN_RUNS", 24) == "it has 5 x 5 pixels in runs; at most 24 are decoded"
    monkeypatch.setattr(limits, "IN_RUNS", 24)
    assert opened(bmp(5, 5, 8, 0, bytes(40), 256, bytes(1024))).size == (5, 5)


def test_a_file_is_read_up_to_the_last_byte_that_is_allowed(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    monkeypatch.setattr(places, "LONGEST_FILE", 10)
    assert Place(str(path)).read() == Place(str(path), 0, 10).read() == b"0123456789"
    monkeypatch.setattr(places, "LONGEST_FILE", 9)
    for place in (Place(str(path)), Place(str(path), 0, 10)):
        with pytest.raises(PictureError, match="^it has 10 bytes; at most 9 are read$"):
            place.read()


@pytest.mark.parametrize("part", [None, 5])
def test_what_is_no_file_is_not_read(tmp_path, part):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(PictureError, match="^it is no file of its own"):
            Place(str(path), 0, part).read()
    with pytest.raises(PictureError, match="^it cannot be read: Is a directory$"):
        Place(str(tmp_path), 0, part).read()


def test_files_are_opened_apart_in_their_order_as_here(tmp_path):
    pictures = {"a": encoded("PNG", "RGBA"), "b": b"no picture", "c": encoded("TIFF", "I;16"), "d": encoded("JPEG", "CMYK")}
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    pixels = Pixels(3, 16, 16, background=99)
    found = list(opened_apart([tmp_path / name for name in (*pictures, "nobody")], pixels))
    assert [str(one) for one in found if isinstance(one, PictureError)][1:] == ["it cannot be read: No such file or directory"]
    assert isinstance(found[1], PictureError) and "not a picture" in str(found[1])
    for picture, name in ((found[0], "a"), (found[2], "c"), (found[3], "d")):
        assert np.array_equal(pixels.array(picture), pixels.array(opened(pictures[name])))


def test_pillows_warnings_refuse_no_file_that_is_opened_apart(tmp_path, monkeypatch):
    warned = png(header(2, 1), chunk(b"acTL", bytes(8)))
    (tmp_path / "a.png").write_bytes(warned)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    (found,) = opened_apart([tmp_path / "a.png"], Pixels(3, 1, 2))
    assert isinstance(found, Image.Image)
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(warned))
