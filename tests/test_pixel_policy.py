"""What a pixel policy can say: how far to decode, what to cut out, in which precision; that old policies stay what they were; one tensor everywhere."""

import hashlib
import importlib
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import peers
from files import adobe, gif, jpeg, page, png, segment, tiff, turned
from hubel import model as models
from hubel.build import build
from hubel.errors import PictureError
from hubel.pictures import decoding
from hubel.pictures.decoding import described, opened
from hubel.pictures.flattening import conversions
from hubel.pictures.limits import LARGEST, LONGEST
from hubel.pictures.loader import decoded
from hubel.pictures.pixels import KERNELS, Pixels
from hubel.pictures.sources import open_source
from hubel.reading import read


def smooth(width, height, each=16):
    """A picture without detail finer than so many pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (max(2, height // each), max(2, width // each), 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def as_jpeg(picture, orientation=1, **options):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, "JPEG", quality=95, exif=exif, **options)
    return file.getvalue()


# --- decoding at a scale ------------------------------------------------------------------------------------------------

# stored (width, height), orientation, wanted of the upright picture, the size to which it is decoded, and at what scale
SCALES = [
    ((640, 480), 1, (320, 240), (640, 480, 1)),
    ((640, 480), 1, (160, 120), (320, 240, 2)),
    ((640, 480), 1, (160, 121), (640, 480, 1)),
    ((640, 480), 1, (161, 120), (640, 480, 1)),
    ((640, 480), 1, (80, 60), (160, 120, 4)),
    ((640, 480), 1, (40, 30), (80, 60, 8)),
    ((640, 480), 1, (1, 1), (80, 60, 8)),
    ((643, 485), 1, (40, 30), (81, 61, 8)),
    ((640, 480), 6, (30, 150), (240, 320, 2)),
    ((640, 480), 8, (150, 30), (480, 640, 1)),
    ((640, 480), 3, (150, 30), (320, 240, 2)),
    ((640, 480), 1, (1000, 1000), (640, 480, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("size", "orientation", "wanted", "found"), SCALES, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_twice_what_is_wanted(size, orientation, wanted, found, mode):
    file = as_jpeg(smooth(*size, 200).convert(mode), orientation)
    picture = opened(file, wanted)
    assert (picture.size, picture.mode) == (found[:2], mode)
    assert described(picture) == described(file)
    assert conversions(picture, "RGB") == conversions(opened(file), "RGB")
    shrunk = opened(file).convert("RGB").resize(picture.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(shrunk, float) - np.asarray(picture.convert("RGB"), float)).mean() < 2


def test_only_a_policy_that_says_so_reads_at_a_scale_and_other_formats_never_do(tmp_path):
    picture = smooth(600, 400)
    file = tmp_path / "a.jpg"
    file.write_bytes(as_jpeg(picture))
    assert Pixels(3, 20, 20).opened(file).size == (600, 400)
    assert Pixels(3, 20, 20, reduced=True).opened(file).size == (75, 50)
    assert Pixels(3, 20, 20, "crop", resized=80, reduced=True).opened(file.read_bytes()).size == (300, 200)
    for kind in ("PNG", "TIFF", "WEBP"):
        other = io.BytesIO()
        picture.save(other, kind)
        assert Pixels(3, 20, 20, reduced=True).opened(other.getvalue()).size == (600, 400)


@pytest.mark.parametrize(
    "policy", [Pixels(3, 32, 48), Pixels(3, 32, 32, "crop"), Pixels(3, 32, 32, "crop", resized=40), Pixels(3, 40, 32, "pad")]
)
def test_reading_at_a_scale_changes_a_policys_picture_by_little(policy):
    file = as_jpeg(smooth(896, 704, 64))
    quick = Pixels(**{**policy.to_json(), "reduced": True})
    assert quick.opened(file).size[0] < 896
    off = np.abs(quick.array(quick.opened(file)).astype(int) - policy.array(policy.opened(file)))
    assert 0 < off.mean() < 1.5


# --- cutting out --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torchvisions():
    """What torchvision's own transforms make of a picture."""
    peers.torchvision_models()
    transforms = importlib.import_module("torchvision.transforms")

    def cut(picture, policy):
        resize = transforms.Resize(policy.resized, transforms.InterpolationMode(policy.kernel))
        found = transforms.CenterCrop((policy.height, policy.width))(resize(picture))
        return np.asarray(found).reshape(policy.height, policy.width, -1)

    return cut


@pytest.mark.parametrize(("side", "resized"), [(224, 256), (227, 256), (299, 342), (224, 224), (112, 128)])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (1023, 601), (333, 500), (256, 256), (224, 224), (100, 90), (227, 640)])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_the_middle_of_a_resized_picture_is_torchvisions_to_the_bit(torchvisions, side, resized, size, kernel):
    picture, policy = smooth(*size), Pixels(3, side, side, "crop", kernel, resized=resized)
    assert np.array_equal(policy.array(picture), torchvisions(picture, policy))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 20),
    st.sampled_from(list(KERNELS)),
    st.sampled_from([1, 3]),
)
def test_the_middle_is_torchvisions_for_any_sizes(torchvisions, size, sides, more, kernel, channels):
    noise = np.random.default_rng(1).integers(0, 256, (*size, channels), np.uint8)
    picture = Image.fromarray(noise[..., 0] if channels == 1 else noise)
    policy = Pixels(channels, *sides, "crop", kernel, resized=max(sides) + more)
    assert np.array_equal(policy.array(picture), torchvisions(picture, policy))


def test_a_picture_that_would_become_huge_is_refused():
    with pytest.raises(PictureError, match="it is 1 x 60000, and would have to be resized to 256 x 15360000"):
        Pixels(1, 224, 224, "crop", resized=256).array(Image.new("L", (1, 60_000)))


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_a_box_is_shown_instead_of_what_fits(fit):
    picture = smooth(60, 40)
    policy = Pixels(3, 10, 20, fit, "box")
    blocks = np.asarray(picture, float)[5:35, 10:50].reshape(10, 3, 20, 2, 3).mean((1, 3))
    assert np.abs(policy.array(picture, (10, 5, 50, 35)) - blocks).max() <= 1
    same = policy.array(picture, (10, 5, 30, 15))
    assert np.array_equal(same, np.asarray(picture)[5:15, 10:30])
    assert np.array_equal(policy.array(picture, (0, 0, 60, 40)), np.asarray(picture.resize((20, 10), Image.Resampling.BOX)))


def test_a_box_may_lie_between_pixels():
    picture = Image.fromarray(np.arange(0, 200, 10, dtype=np.uint8)[None].repeat(4, 0))
    found = Pixels(1, 1, 1, kernel="bilinear").array(picture, (2.5, 0, 4.5, 4))
    assert found.item() == 30  # of 20, 30 and 40, of which the middle is seen whole


# --- arithmetic ---------------------------------------------------------------------------------------------------------


def by_channel(policy, batch):
    """The formula as it is written: a product and a sum along the last axis, each in float32."""
    scale = torch.tensor([1 / (255 * deviation) for deviation in policy.deviation])
    offset = torch.tensor([-mean / deviation for mean, deviation in zip(policy.mean, policy.deviation)])
    return (batch.float() * scale + offset).permute(0, 3, 1, 2)


BATCHES = [(0, 5, 7), (1, 1, 1), (2, 16, 16), (3, 7, 1), (5, 1, 9), (40, 96, 64), (3, 300, 301)]


@pytest.mark.parametrize("size", BATCHES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_a_tensor_is_the_formulas_to_the_bit_in_both_precisions(size, channels, kind):
    generator = torch.Generator().manual_seed(3)
    batch = torch.randint(0, 256, (*size, channels), generator=generator).to(kind)
    if kind is torch.float32:
        batch += torch.rand(batch.shape, generator=generator)
    before = batch.clone()
    policy = Pixels(channels, *size[1:], mean=(0.485, 0.456, 0.406)[:channels], deviation=(0.229, 0.224, 0.225)[:channels])
    wanted = by_channel(policy, batch)
    elsewhere = torch.cat([batch, batch], 2)[:, :, : size[2]].flip(1).contiguous().flip(1)
    for given_ in (
        batch,
        elsewhere,
        batch.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
        torch.cat([batch, batch], 2)[:, :, : size[2]],
    ):
        assert torch.equal(policy.tensor(given_), wanted)
        assert torch.equal(policy.tensor(given_, torch.float32), wanted)
        found = policy.tensor(given_, torch.bfloat16)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, wanted.bfloat16())
    assert policy.tensor(batch).permute(0, 2, 3, 1).is_contiguous()
    assert torch.equal(batch, before)


def test_gradients_reach_the_pixels():
    policy = Pixels(3, 4, 4, deviation=(0.1, 0.2, 0.5))
    batch = torch.full((2, 4, 4, 3), 9.0, requires_grad=True)
    with torch.inference_mode():
        policy.tensor(batch.detach())
    policy.tensor(batch).sum().backward()
    torch.testing.assert_close(batch.grad[0, 0, 0], torch.tensor([1 / 25.5, 1 / 51, 1 / 127.5]))


# --- the policy as a value ----------------------------------------------------------------------------------------------

OLD = {
    "channels": 3,
    "height": 4,
    "width": 5,
    "fit": "crop",
    "kernel": "bicubic",
    "background": 9,
    "mean": [0.5] * 3,
    "deviation": [0.25] * 3,
}
"""As policies were written before they could say more."""


def test_an_old_policy_means_what_it_meant_and_is_written_as_it_was():
    policy = Pixels.from_json(OLD)
    assert (policy.resized, policy.reduced, policy.colour_managed) == (0, False, False)
    assert json.loads(json.dumps(policy.to_json())) == OLD
    assert Pixels(3, 4, 5).colour_managed


@pytest.mark.parametrize("change", [{"resized": 8}, {"reduced": True}, {"colour_managed": True}, {"resized": 5, "reduced": True}], ids=str)
def test_what_a_policy_says_more_comes_back(change):
    policy = Pixels.from_json({**OLD, **change})
    assert json.loads(json.dumps(policy.to_json())) == {**OLD, **change}
    assert Pixels.from_json(json.loads(json.dumps(policy.to_json()))) == policy != Pixels.from_json(OLD)


BAD = [{"resized": 4}, {"resized": -1}, {"resized": 8.0}, {"resized": 8, "fit": "squash"}, {"resized": 8, "fit": "pad"}, {"reduced": 1},
       {"reduced": None}, {"colour_managed": "yes"}]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=str)
def test_a_policy_that_says_what_cannot_be_is_refused(change):
    with pytest.raises(PictureError, match="pixel policy"):
        Pixels.from_json({**OLD, **change})


# --- headers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(LONGEST + 1, 1), (1, LONGEST + 1), (100_000, 100)])
def test_a_side_that_is_too_long_is_refused_by_the_header(size):
    for ask in (opened, described):
        with pytest.raises(PictureError, match=rf"it has {size[0]} x {size[1]} pixels; sides of at most 65,500 are decoded"):
            ask(png(*size, 8, 0, [b"\0"]))


def test_the_longest_side_is_decoded():
    assert opened(png(LONGEST, 1, 1, 0, [bytes(LONGEST // 8 + 1)])).size == (LONGEST, 1)


def test_a_header_is_refused_for_the_reasons_for_which_a_picture_is():
    for data in (b"", b"once upon a time", png(20_000, 20_000, 8, 0, [b"\0"])):
        with pytest.raises(PictureError) as early:
            described(data)
        with pytest.raises(PictureError) as late:
            opened(data)
        assert str(early.value) == str(late.value)
    assert LARGEST < 20_000**2


def test_headers_say_what_files_are_without_decoding_them(monkeypatch):
    monkeypatch.setattr(decoding, "_upright", None)
    broken = png(2, 3, 8, 2, [b"no pixels"])
    header = described(broken)
    assert (header.format, header.mode, header.width, header.height, header.channels, header.several) == ("PNG", "RGB", 2, 3, 3, False)
    assert described(gif(1, 1, [(1, 2, 3)], [0], [0], [0])).several
    assert described(tiff(*[page(1, 1, [8], 1, b"\0")] * 4)).several
    assert not described(tiff(page(1, 1, [8], 1, b"\0"))).several
    assert described(jpeg([[(1, 2, 3, 4)]], adobe(0))).channels == 4
    exif = segment(0xE1, b"Exif\0\0" + turned(5))
    assert (described(jpeg([[(1,), (2,)]], exif)).width, described(jpeg([[(1,), (2,)]], exif)).height) == (8, 16)


def test_the_first_of_several_pictures_is_taken_in_every_format_that_has_several():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    for kind, options in {"GIF": {}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "MPO": {"quality": 95}}.items():
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:], **options)
        picture = opened(file.getvalue())
        assert np.abs(Pixels(3, 8, 8).array(picture).astype(int) - (200, 0, 0)).max() <= 2, kind
        assert described(file.getvalue()).several and described(picture).several
        assert conversions(picture, "RGB") == ("first of several frames",)


def test_a_file_whose_later_frames_are_damaged_is_still_its_first():
    whole = gif(2, 1, [(1, 2, 3), (9, 8, 7)], [0, 1], [1, 1])
    for length in range(len(whole) - 30, len(whole)):
        try:
            found = Pixels(3, 1, 2).array(opened(whole[:length]))
        except PictureError:
            assert length < len(whole) - 12
        else:
            assert found.tolist() == [[[1, 2, 3], [9, 8, 7]]]


# --- the same bits in another process -----------------------------------------------------------------------------------

ELSEWHERE = """
import hashlib, json, sys
from pathlib import Path
from hubel.model import load
model = load(sys.argv[1])
seen = []
model.network.register_forward_pre_hook(lambda network, given: seen.append(given[0]))
for path in json.loads(sys.argv[2]):
    model.predict(path)
print(json.dumps([hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest() for tensor in seen]))
"""


@pytest.mark.parametrize(
    "policy",
    [
        Pixels(3, 12, 16, "crop", "bicubic", 60, (0.4, 0.5, 0.6), (0.3, 0.2, 0.1), resized=20, reduced=True),
        pytest.param(Pixels(1, 12, 12, "pad", colour_managed=False), marks=pytest.mark.slow),
    ],
    ids=["crop", "pad"],
)
def test_training_and_a_model_loaded_in_another_process_read_the_same_bits(tmp_path, policy):
    from test_golden_pixels import COMPONENTS, GOLDEN, P3, STORED, jpeg_turned, png_turned, png_with, tiff_turned, webp_turned

    files = [file for file, *_ in [*GOLDEN.values(), *COMPONENTS.values()]]
    files += [write(STORED[i], i) for write in (jpeg_turned, png_turned, tiff_turned, webp_turned) for i in range(1, 9)]
    files += [png_with(P3), as_jpeg(smooth(300, 200), 6), as_jpeg(smooth(200, 300).convert("CMYK"))]
    for i, file in enumerate(files):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i:03}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    source = open_source(tmp_path / "set")
    pictures = decoded(source.training(), policy)
    assert not pictures.refused
    net = read("Chain(flat=Flatten(), fc=FC(2))")
    model = models.Model(net, policy.shape, source.classes, policy, build(net, policy.shape), {}, {}, {})
    model.save(tmp_path / "model.safetensors")
    trained = policy.tensor(pictures.pixels)
    wanted = [hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest() for tensor in trained]
    told = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "model.safetensors"), json.dumps(pictures.names)]
    found = subprocess.run(told, capture_output=True, text=True, check=True).stdout
    assert json.loads(found) == wanted


def test_what_decoding_processes_load_is_without_torch():
    told = "import sys, hubel.pictures.pixels, hubel.pictures.decoding, hubel.pictures.flattening; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told]).returncode == 0
