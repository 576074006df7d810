"""The table of published weights is what its publishers print, and whatever a person calls weights by leads to the right ones."""

import hashlib
import json
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import peers
from hubel.anatomy import anatomy
from hubel.cli import main
from hubel.errors import FetchError, HubelError, ModelError
from hubel.fetching import Digest, Remote
from hubel.nets import NETS
from hubel.pretrained import naming
from hubel.pretrained.classes import imagenet
from hubel.pretrained.naming import lying, obtained, opened, recognised
from hubel.pretrained.origins import ORIGINS
from hubel.pretrained.published import PUBLISHED, Published, of_row
from hubel.pretrained.published.timm import TIMM
from hubel.pretrained.published.torchvision import TORCHVISION
from hubel.pretrained.saying import described, in_words
from hubel.rewrite import fitted, judged
from mirrors import Mirror

DATA = os.environ.get("HUBEL_TEST_DATA")
NAME = "resnet20-test.th"

# --- the table ----------------------------------------------------------------------------------------------------------

EVERY = pytest.mark.parametrize("entry", PUBLISHED.values(), ids=lambda entry: entry.id)


@EVERY
def test_a_listed_file_is_of_a_network_of_the_casebook_and_of_an_origin_that_has_it(entry):
    assert entry.row in NETS
    assert entry.origin in ORIGINS
    assert entry.row in ORIGINS[entry.origin].rows


@EVERY
def test_a_listed_files_network_reads_what_its_pictures_become(entry):
    row, shape = NETS[entry.row], entry.pixels.shape
    net = judged(row.net()).net
    assert anatomy(net if shape == row.input else fitted(net, "floor"), shape).output == anatomy(net, row.input).output


@EVERY
def test_a_listed_file_can_be_kept_checked_and_asked_for(entry):
    file = entry.file
    assert re.fullmatch(r"[\w.-]+", file.name)
    assert file.digest is None or re.fullmatch(r"[0-9a-f]{8,64}", file.digest.hex)
    assert file.digest is not None or entry.origin in ("keras", "timm")
    assert all(re.fullmatch(r"https?://[\w.~%/-]+", url) for url in file.urls)
    assert file.urls or (file.digest.is_all and file.size)
    shares = [float(share) for share in (entry.top1, entry.top5, entry.error) if share]
    assert all(0 < share < 100 for share in shares) and shares == sorted(shares)
    assert entry.licence and entry.source


def test_no_two_listed_files_share_a_name_or_bytes():
    for values in (
        [entry.file.name for entry in PUBLISHED.values()],
        [entry.file.digest for entry in PUBLISHED.values() if entry.file.digest],
    ):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("entry", TORCHVISION, ids=lambda entry: entry.id)
def test_torchvisions_files_are_as_torchvision_prints_them(entry):
    models = peers.torchvision_models()
    (weights,) = {
        weights
        for name in models.list_models(module=models)
        for weights in models.get_model_weights(name)
        if weights.url in entry.file.urls
    }
    said, printed, seen = weights.meta["_metrics"]["ImageNet-1K"], weights.meta["_file_size"], weights.transforms()
    assert [float(entry.top1), float(entry.top5)] == [said["acc@1"], said["acc@5"]]
    assert entry.size == f"{printed:g} MiB" or entry.size == f"{printed} MiB"
    assert re.search(rf"-{entry.file.digest.hex}\.pth$", weights.url)
    assert [entry.pixels.height] == seen.crop_size and [entry.pixels.resized] == seen.resize_size
    assert entry.pixels.kernel == seen.interpolation.value


@pytest.fixture(scope="module")
def timms():
    """What timm says of every file that it knows."""
    timm = peers.timm()
    return [timm.get_pretrained_cfg(name).to_dict() for name in timm.list_pretrained()]


@pytest.mark.parametrize("entry", TIMM, ids=lambda entry: entry.id)
def test_timms_files_are_read_as_timm_reads_them(entry, timms):
    hub = re.search(r"huggingface.co/(timm/[\w.-]+)/", entry.file.urls[0])
    said = next(said for said in timms if (said.get("hf_hub_id") == hub[1] if hub else said.get("url") == entry.file.urls[0]))
    side, crop = said.get("test_input_size", said["input_size"])[1], said.get("test_crop_pct", said["crop_pct"])
    pixels = entry.pixels
    assert (pixels.height, pixels.resized, pixels.kernel) == (side, int(side / crop), said["interpolation"])
    assert (pixels.mean, pixels.deviation) == (said["mean"], said["std"])
    assert entry.licence.lower().removesuffix("-clause") == said["license"].removesuffix("-clause")


def test_a_rows_files_come_with_the_best_accuracy_first_and_those_that_nobody_offers_last():
    assert [entry.id for entry in of_row("resnet50_v15")][-2:] == ["resnet50_v15.torchvision-v2", "resnet50_v15.torchvision-v1"]
    for row in NETS:
        listed = of_row(row)
        assert [(not entry.file.urls, -entry.right) for entry in listed] == sorted((not entry.file.urls, -entry.right) for entry in listed)
    assert PUBLISHED["resnet56.akamaster"].right == pytest.approx(93.39)


@pytest.mark.skipif(not DATA, reason="HUBEL_TEST_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("akamaster_resnet20_cifar10.th", "resnet20.akamaster"),
        ("caffe_lenet_mnist.caffemodel", "lenet_caffe.mnist"),
        ("mobilenet_v1_0.25_224_imagenet_tfjs_f32.npz", "mobilenet_v1_0_25_tf.tfjs"),
        ("squeezenet_v1.0_imagenet_deepcompressed.npz", "squeezenet_1_0_caffe.compressed"),
        ("squeezenet_v1.1_imagenet_ncnn_fp16.npz", "squeezenet_1_1.half"),
    ],
)
def test_real_files_are_recognised_by_their_bytes(name, id):
    path = Path(DATA) / "weights" / name
    assert recognised(path).id == id
    model = opened(path)
    assert (model.data["row"], model.data["known_by"]) == (PUBLISHED[id].row, "recognised by its SHA-256")


# --- names --------------------------------------------------------------------------------------------------------------


def akamaster(place, blocks=3, seed=0):
    """A file of random weights as akamaster's are named, of 6 * blocks + 2 layers."""
    noise = torch.Generator().manual_seed(seed)
    state = {}

    def layers(stage, conv, norm, maps, inputs):
        state[f"module.{stage}{conv}.weight"] = torch.randn(maps, inputs, 3, 3, generator=noise) / 10
        for role in ("weight", "bias", "running_mean", "running_var"):
            state[f"module.{stage}{norm}.{role}"] = torch.rand(maps, generator=noise) + 0.5

    layers("", "conv1", "bn1", 16, 3)
    for stage, maps in enumerate((16, 32, 64), 1):
        for block in range(blocks):
            layers(f"layer{stage}.{block}.", "conv1", "bn1", maps, maps // 2 if stage > 1 and block == 0 else maps)
            layers(f"layer{stage}.{block}.", "conv2", "bn2", maps, maps)
    state |= {"module.linear.weight": torch.randn(10, 64, generator=noise), "module.linear.bias": torch.zeros(10)}
    torch.save({"state_dict": state, "best_prec1": 91.0}, place)
    return place


@pytest.fixture
def cache(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of his, of whose networks only two are known: the deepest take seconds to be laid out."""
    his = ORIGINS["akamaster"]
    monkeypatch.setitem(ORIGINS, "akamaster", replace(his, rows={row: his.rows[row] for row in ("resnet20", "resnet56")}))
    return akamaster(tmp_path / "some.th")


def listed(monkeypatch, data, *urls, digest=None, **others):
    """Make a file the first that is listed for resnet20."""
    digest = digest or Digest("sha256", hashlib.sha256(data).hexdigest())
    entry = Published("resnet20.test", "akamaster", Remote(NAME, len(data), digest, urls), "the test", "CC0", top1="99.5", **others)
    monkeypatch.setitem(PUBLISHED, entry.id, entry)
    return entry


def refusal(*given, kind=ModelError, **others):
    with pytest.raises(HubelError) as caught:
        opened(*given, **others)
    assert type(caught.value) is kind or isinstance(caught.value, kind)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def test_a_listed_file_is_recognised_wherever_it_lies_and_told_with_what_is_published(cache, file, monkeypatch):
    listed(monkeypatch, file.read_bytes())
    model = opened(file)
    assert model.input == (3, 32, 32) and model.classes[3] == "cat"
    assert model.data["weights"] == "resnet20.test" and model.data["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert described(model) == (
        "weights: resnet20.test, recognised by its SHA-256; pictures: resized to 32, ImageNet's mean and deviation; "
        "published: 99.5% top-1; licence: CC0"
    )
    assert opened(file, "resnet20", "akamaster").data == model.data


def test_a_listed_file_under_another_row_or_origin_than_its_own_is_refused_by_its_name(cache, file, monkeypatch):
    listed(monkeypatch, file.read_bytes())
    assert "is resnet20.test, weights of resnet20 and not of resnet56: name resnet20." in refusal(file, "resnet56")
    assert "akamaster's and not torchvision's" in refusal(file, None, "torchvision")
    assert "'resnet57'" in refusal(file, "resnet57", kind=HubelError)


def test_the_first_digits_of_a_digest_are_enough_to_recognise_a_file_but_its_size_must_agree(cache, file, monkeypatch):
    data = file.read_bytes()
    entry = listed(monkeypatch, data, digest=Digest("md5", hashlib.md5(data, usedforsecurity=False).hexdigest()[:10]))
    assert recognised(file) == entry
    assert opened(file).data["known_by"] == "recognised by what its publisher states of it"
    monkeypatch.setitem(PUBLISHED, entry.id, replace(entry, file=replace(entry.file, size=len(data) + 1)))
    assert recognised(file) is None


def test_a_file_that_is_not_listed_is_of_the_only_row_that_it_fits(cache, file):
    model = opened(file)
    assert (model.data["row"], model.data["origin"], model.data["known_by"]) == ("resnet20", "akamaster", "the only network that it fits")
    assert opened(file, "resnet20").data["known_by"] == "as you say"
    assert "no accuracy is published; licence: not known" in described(model)


def test_a_file_that_fits_several_rows_is_refused_with_their_names(cache, file, monkeypatch):
    monkeypatch.setattr(naming, "fits", lambda origin, units: iter(["resnet20", "resnet32"]))
    assert "is akamaster's, and fits resnet20 and resnet32 alike: say which it is." in refusal(file)


def test_a_file_that_fits_no_row_is_refused_with_all_that_are_known(cache, file, tmp_path):
    other = akamaster(tmp_path / "other.th", blocks=4)
    assert "fits none of the networks known of it: resnet20, resnet56." in refusal(other)


def test_a_row_is_its_listed_file_of_the_best_accuracy(cache, file, monkeypatch):
    listed(monkeypatch, file.read_bytes(), "http://127.0.0.1:9/")
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(file.read_bytes())
    assert opened("resnet20").data["known_by"] == "the best that is listed for resnet20"
    assert opened("resnet20.test").data["known_by"] == "as named"
    assert "not of resnet56" in refusal("resnet20", "resnet56")


def test_names_that_are_nothing_are_answered_with_the_nearest_that_are_something(cache):
    assert "Did you mean 'inception_v3'?" in refusal("inceptionv3")
    assert re.search(r"Did you mean 'resnet50_v15.torchvision-v\d'\?", refusal("resnet50_v15.torchvision"))
    assert refusal("folder/missing.pth") == "There is no file folder/missing.pth."
    assert "No public weights are listed for lenet5" in refusal("lenet5")
    assert "is no file, but a device" in refusal(os.devnull)


def test_a_model_of_ours_is_opened_from_its_file_or_its_run_and_refused_for_another_network(cache, file, tmp_path):
    (tmp_path / "run").mkdir()
    first = opened(file)
    first.save(tmp_path / "run" / "model.safetensors")
    for place in (tmp_path / "run", tmp_path / "run" / "model.safetensors"):
        again = opened(place, "resnet20")
        assert again.net == first.net and again.data == first.data and described(again) == described(first)
    assert "but not of resnet56" in refusal(tmp_path / "run", "resnet56")


# --- fetching -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(file):
    data = (Path(DATA) / "weights" / "akamaster_resnet20_cifar10.th").read_bytes() if DATA else file.read_bytes()
    with Mirror({NAME: data}) as server:
        yield server


def test_weights_are_fetched_once_gone_on_with_after_a_break_and_then_used_without_a_network(cache, mirror, monkeypatch):
    data = mirror.files[NAME]
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    entry = listed(monkeypatch, data, mirror.url("cut") + NAME, mirror.url("good") + NAME)
    assert lying(entry) is None
    heard = []
    opened("resnet20.test", told=lambda *said: heard.append(said))
    assert heard[-1][1:] == (len(data), len(data))
    assert [wanted for _, _, wanted in mirror.asked][0] is None and mirror.asked[-1][2].startswith("bytes=")
    assert lying(entry).read_bytes() == data
    asked = len(mirror.asked)
    assert opened("resnet20").data["weights"] == "resnet20.test"
    assert len(mirror.asked) == asked


def test_another_file_than_the_published_one_is_refused_and_not_kept(cache, mirror, monkeypatch):
    listed(monkeypatch, mirror.files[NAME], mirror.url("wrong") + NAME)
    text = refusal("resnet20", kind=FetchError)
    assert "has another file: its SHA-256 is" in text
    assert [path.name for path in cache.iterdir() if path.name != ".lock"] == []


def test_without_a_network_the_weights_the_file_its_digest_and_the_folder_are_said(cache, file, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/{NAME}"
    entry = listed(monkeypatch, file.read_bytes(), nobody)
    text = refusal("resnet20", kind=FetchError)
    assert text.startswith(f"The weights resnet20.test are not here: {NAME} could not be fetched (127.0.0.1")
    assert f"{NAME} (SHA-256 {entry.file.digest.hex})" in text and text.endswith(f"put it into {cache}.")
    (cache / NAME).write_bytes(file.read_bytes())
    assert opened("resnet20").data["weights"] == "resnet20.test"


def test_weights_that_nobody_offers_are_taken_where_they_were_put(cache, file, monkeypatch):
    entry = listed(monkeypatch, file.read_bytes())
    text = refusal("resnet20.test", kind=FetchError)
    assert f"put {NAME} (SHA-256 {entry.file.digest.hex}) into {cache}, or give its path." in text
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(file.read_bytes())
    assert opened("resnet20.test").data["known_by"] == "as named"
    (cache / NAME).write_bytes(file.read_bytes()[:-1])
    assert "is not the file that is published" in refusal("resnet20.test", kind=FetchError)


def test_two_that_ask_at_once_fetch_it_once(cache, mirror, monkeypatch):
    entry = listed(monkeypatch, mirror.files[NAME], mirror.url("slow") + NAME)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(obtained, [entry] * 2))
    assert found == [cache / NAME] * 2 and found[0].read_bytes() == mirror.files[NAME]
    assert len(mirror.asked) == 1


# --- the command line ---------------------------------------------------------------------------------------------------


def test_all_that_is_listed_stands_in_a_table(cache, capsys):
    assert main(["weights", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["id"] for row in said} == set(PUBLISHED)
    assert main(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["weights", "size", "published", "pictures", "licence", "here"]
    assert [line.split()[0] for line in lines[2 : 2 + len(said)]] == [row["id"] for row in said]
    assert str(cache) in lines[-2]


def test_of_one_network_everything_is_told_of_each_of_its_files(cache, capsys):
    assert main(["weights", "resnet20"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "resnet20.akamaster"
    for text in ("12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8", "1.1 MB", "8.27% error", "BSD-2", "here:      no"):
        assert text in out
    assert main(["weights", "resnet20.akamaster"]) == 0 and capsys.readouterr().out == out
    cache.mkdir(parents=True)
    (cache / "resnet20-12fca82f.th").write_bytes(b"")
    assert main(["weights", "resnet20"]) == 0
    assert f"here:      {cache / 'resnet20-12fca82f.th'}" in capsys.readouterr().out
    assert main(["weights", "lenet5"]) == 0
    assert "No public weights are listed for lenet5" in capsys.readouterr().out


def test_a_file_becomes_a_model_that_predicts(cache, file, tmp_path, capsys):
    assert main(["weights", "resnet20", "--from", str(file), "--out", "model.safetensors"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("weights: resnet20, by akamaster, as you say; pictures: resized to 32")
    assert out.endswith("model file: model.safetensors\n")
    Image.new("RGB", (40, 50), (200, 30, 30)).save(tmp_path / "picture.png")
    assert main(["predict", "model.safetensors", "picture.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["label"] in (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    assert main(["weights", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["known_by"] == "the only network that it fits"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "model.safetensors"], "name it, as in"),
        (["resnet20", "--origin", "timm"], "name the file too"),
        (["resnet20", "--from", "some.th", "--origin", "tim"], "Did you mean 'timm'?" if "timm" in ORIGINS else "origin 'tim'"),
        (["resnet20", "--from", "missing.th"], "There is no file"),
        (["resnet56", "--from", "some.th"], "It fits resnet20."),
        (["some.th", "--out", "nowhere/model.safetensors"], "there is no folder nowhere"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(cache, file, capsys, words, said):
    assert main(["weights", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hubel: ") and said in error


def test_how_pictures_are_read_is_said_in_words():
    words = {
        in_words(entry.pixels)
        for entry in PUBLISHED.values()
        if entry.origin in ("torchvision", "akamaster", "timm") and entry.origin in ORIGINS
    }
    assert {"middle 224 of 256, ImageNet's mean and deviation", "middle 299 of 342, values from -1 to 1"} <= words
    assert len(imagenet()) == 1000
