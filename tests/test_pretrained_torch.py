"""Weights of torchvision, timm and the authors of networks for CIFAR: from the same picture file, the scores that their own code gives."""

import importlib
import json
import os
import random
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import peers
from hubel.errors import ModelError
from hubel.nets import NETS
from hubel.pretrained.contents import Entry
from hubel.pretrained.opening import of_file
from hubel.pretrained.origins import ORIGINS, order

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")

TOLERATED = 1e-5
"""Of scores, relative to the largest."""


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two picture files, one wide and one high, with edges and colours of every size."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, (width, height) in enumerate([(420, 371), (367, 391)]):
        noise = np.random.default_rng(number)
        coarse, fine = (noise.integers(0, 256, (side, side, 3), np.uint8) for side in (5, 90))
        layers = [Image.fromarray(some).resize((width, height), Image.Resampling.BICUBIC) for some in (coarse, fine)]
        Image.blend(*layers, 0.3).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@torch.no_grad()
def lively(network, side):
    """At random, batch norms with the statistics of what flows through the network as it is used; heads of training stay at random."""
    peers.randomised(network)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    network(torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2)))
    return network.eval()


def pictured(pixels, photographs):
    return torch.from_numpy(np.stack([pixels.array(pixels.opened(path)) for path in photographs]))


def assert_same_scores(model, photographs, theirs, transformed):
    """Their network on their tensors, and ours on the files: the same scores, which tell the two pictures apart."""
    batch = pictured(model.pixels, photographs)
    with torch.no_grad():
        expected = theirs(torch.stack([transformed(Image.open(path).convert("RGB")) for path in photographs]))
    assert (expected[0] - expected[1]).abs().max() > 1000 * TOLERATED * expected.abs().max(), "deaf to the pictures"
    assert (model.scores(batch) - expected).abs().max() < TOLERATED * expected.abs().max()


def assert_same_tensors(pixels, photographs, transformed, later=lambda x: x):
    theirs = later(torch.stack([transformed(Image.open(path).convert("RGB")) for path in photographs]))
    torch.testing.assert_close(pixels.tensor(pictured(pixels, photographs)), theirs, rtol=0, atol=2e-6)


def marked(rows, quick):
    return [pytest.param(row, marks=() if row in quick else pytest.mark.slow) for row in rows]


# --- torchvision --------------------------------------------------------------------------------------------------------

TORCHVISIONS = {
    **{name: name for name in ("vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "densenet121", "densenet169", "densenet201")},
    **{f"resnet{depth}_v15": f"resnet{depth}" for depth in (50, 101, 152)},
    "alexnet_owt": "alexnet",
    "squeezenet_1_0": "squeezenet1_0",
    "squeezenet_1_1": "squeezenet1_1",
    "mobilenet_v2_torch": "mobilenet_v2",
    "googlenet_bn": "googlenet",
    "inception_v3_torch": "inception_v3",
}
HEADED = ("googlenet_bn", "inception_v3_torch")
"""As published: with heads of training, and reading pictures in a way of their own."""


def torchvisions(row, classes=1000):
    special = {"init_weights": False, "transform_input": True} if row in HEADED else {}
    return getattr(peers.torchvision_models(), TORCHVISIONS[row])(num_classes=classes, **special)


def preset(row):
    return peers.torchvision_models().get_model_weights(TORCHVISIONS[row]).IMAGENET1K_V1.transforms()


def test_every_row_of_torchvision_is_held_against_it():
    assert set(TORCHVISIONS) == set(ORIGINS["torchvision"].rows)


@pytest.mark.parametrize(
    "row", marked(TORCHVISIONS, ("squeezenet_1_0", "squeezenet_1_1", "resnet18", "mobilenet_v2_torch", "googlenet_bn"))
)
def test_a_file_of_torchvisions_gives_torchvisions_scores_of_a_picture_file(tmp_path, photographs, row):
    theirs = lively(torchvisions(row), 299 if row == "inception_v3_torch" else 224)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    model = of_file(tmp_path / "weights.pth", row)
    assert_same_scores(model, photographs, theirs, preset(row))
    assert (len(model.classes), model.classes[0], model.data["name"]) == (1000, "n01440764 tench", "imagenet, by torchvision")


@pytest.mark.parametrize("row", TORCHVISIONS)
def test_pictures_become_the_tensors_of_torchvisions_presets(photographs, row):
    with torch.device("meta"):
        later = torchvisions(row)._transform_input if row in HEADED else lambda x: x
    assert_same_tensors(ORIGINS["torchvision"].rows[row].pixels, photographs, preset(row), later)


def saved(folder, row):
    torch.save(torchvisions(row).state_dict(), folder / f"{row}.pth")
    return folder / f"{row}.pth"


def test_files_as_training_scripts_save_them_are_the_same_network(tmp_path):
    state = peers.randomised(torchvisions("squeezenet_1_1")).state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    forms = {
        "plain": state,
        "parallel": wrapped,
        "nested": {"epoch": 90, "arch": "squeezenet1_1", "state_dict": wrapped, "best_acc1": 58.2},
        "reference": {"model": state, "optimizer": {"state": {}}, "epoch": 3},
        "compiled": {"model": {f"_orig_mod.{name}": tensor for name, tensor in wrapped.items()}},
        "half": {name: tensor.half().float() for name, tensor in state.items()},
    }
    found = {}
    for name, form in forms.items():
        torch.save(form, tmp_path / name)
        found[name] = of_file(tmp_path / name, "squeezenet_1_1").network.state_dict()
    torch.save(state, tmp_path / "legacy", _use_new_zipfile_serialization=False)
    found["legacy"] = of_file(tmp_path / "legacy", "squeezenet_1_1").network.state_dict()
    for name, tensors in found.items():
        for path, tensor in tensors.items():
            expected = found["plain"][path]
            assert torch.equal(tensor, expected.half().float() if name == "half" else expected), (name, path)


@pytest.mark.parametrize("row", ["densenet121"])
def test_the_names_of_torchvisions_first_densenets_are_read(tmp_path, row):
    state = peers.randomised(torchvisions(row)).state_dict()
    torch.save(state, tmp_path / "new.pth")
    dotted = {name.replace("norm1.", "norm.1.").replace("norm2.", "norm.2."): tensor for name, tensor in state.items()}
    dotted = {name.replace("conv1.", "conv.1.").replace("conv2.", "conv.2."): tensor for name, tensor in dotted.items()}
    assert "features.denseblock1.denselayer2.conv.1.weight" in dotted
    torch.save(dotted, tmp_path / "old.pth")
    old, new = (of_file(tmp_path / name, row).network.state_dict() for name in ("old.pth", "new.pth"))
    assert all(torch.equal(old[path], new[path]) for path in new)


@pytest.mark.parametrize("row", TORCHVISIONS)
def test_layers_come_in_torchvisions_order_however_a_file_lists_them(row):
    with torch.device("meta"):
        names = [name for name, _ in peers.weighted(torchvisions(row)) if not name.startswith(("aux", "Aux"))]
    norms = {name for name in names if any(part in name.split(".")[-1] for part in ("bn", "norm"))}
    shuffled = random.Random(0).sample(names, len(names))
    found = [entry.name for entry in order.in_order([Entry(name, {}) for name in shuffled])]
    for some in (norms, set(names) - norms):
        assert [name for name in found if name in some] == [name for name in names if name in some]


# --- timm ---------------------------------------------------------------------------------------------------------------

TIMMS = {
    **{f"resnet{depth}{'_v15' * (depth >= 50)}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    **{name: name for name in ("vgg11", "vgg13", "vgg16", "vgg19", "densenet121", "densenet169", "densenet201", "inception_resnet_v2")},
    "inception_v3_torch": "inception_v3",
    "xception_torch": "legacy_xception",
    "mobilenet_v1_torch": "mobilenetv1_100",
    "mobilenet_v2_torch": "mobilenetv2_100",
}


def on_the_hub(folder, theirs, config=None):
    """A file as timm publishes it, and with a configuration the folder that it lies in there."""
    save_file(theirs.state_dict(), folder / "model.safetensors", {"format": "pt"})
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder / "model.safetensors"


def configuration(name, **said):
    """As timm writes it (timm/models/_hub.py)."""
    return {"architecture": name, "num_classes": 1000, "pretrained_cfg": peers.timm().get_pretrained_cfg(name).to_dict() | said}


def timms_transform(cfg):
    data = importlib.import_module("timm.data")
    return data.create_transform(**data.resolve_data_config(pretrained_cfg=cfg))


def test_every_row_of_timm_is_held_against_it():
    assert set(TIMMS) == set(ORIGINS["timm"].rows)


@pytest.mark.parametrize("row", marked(TIMMS, ("resnet18", "mobilenet_v1_torch", "mobilenet_v2_torch")))
def test_a_file_of_timms_gives_timms_scores_of_a_picture_file(tmp_path, photographs, row):
    side = ORIGINS["timm"].rows[row].pixels.height
    theirs = lively(peers.timm().create_model(TIMMS[row]), side)
    path = on_the_hub(tmp_path, theirs, configuration(TIMMS[row]))
    assert_same_scores(of_file(path, row), photographs, theirs, timms_transform(theirs.pretrained_cfg))


@pytest.mark.parametrize("row", TIMMS)
def test_without_its_configuration_a_file_of_timms_is_read_as_timms_first_weights_of_that_name(row):
    """By tag, so that a newer timm with other weights in the first place changes nothing."""
    tags = {"resnet": "a1h_in1k" if row in ("resnet101_v15", "resnet152_v15") else "a1_in1k", "vgg": "tv_in1k", "densenet": "tv_in1k"}
    tags |= {"inception_v": "tv_in1k", "inception_r": "tf_in1k", "xception": "tf_in1k", "mobilenet_v1": "ra4_e3600_r224_in1k"}
    tag = next(tag for family, tag in (tags | {"mobilenet_v2": "ra_in1k"}).items() if row.startswith(family))
    cfg, pixels = peers.timm().get_pretrained_cfg(f"{TIMMS[row]}.{tag}"), ORIGINS["timm"].rows[row].pixels
    assert (pixels.shape, pixels.kernel, pixels.mean, pixels.deviation) == (cfg.input_size, cfg.interpolation, cfg.mean, cfg.std)
    assert (pixels.fit, pixels.resized, cfg.crop_mode) == ("crop", int(cfg.input_size[1] / cfg.crop_pct), "center")


def test_the_configuration_beside_a_file_of_timms_says_how_pictures_are_read(tmp_path, photographs):
    said = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "interpolation": "bilinear", "crop_pct": 0.9, "input_size": [3, 160, 160]}
    config = configuration("resnet18", **said)
    model = of_file(on_the_hub(tmp_path, peers.timm().create_model("resnet18"), config), "resnet18")
    assert (model.input, model.pixels.resized) == ((3, 160, 160), 177)
    assert_same_tensors(model.pixels, photographs, timms_transform(config["pretrained_cfg"]))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not JSON"),
        ({"architecture": "resnet34", "pretrained_cfg": {}}, "timm's 'resnet34', which is resnet34 here, not resnet18"),
        ({"architecture": "resnetblur18", "pretrained_cfg": {}}, "'resnetblur18', which is no network of the casebook"),
        ({"architecture": ["resnet18"], "pretrained_cfg": {}}, "no network of the casebook"),
        ({"architecture": "resnet18", "pretrained_cfg": None}, "TypeError"),
        ({"architecture": "resnet18", "pretrained_cfg": {}}, "KeyError: 'input_size'"),
        ({"crop_mode": "squash"}, "only the middle of a picture"),
        ({"crop_pct": 0}, "ZeroDivisionError"),
        ({"crop_pct": 1.5}, "resized=149"),
        ({"interpolation": "random"}, "kernel='random'"),
        ({"mean": ["a"]}, "ValueError"),
        ({"std": [0, 1, 1]}, "positive deviations"),
        ({"input_size": [3, 224, 225]}, "a square"),
    ],
)
def test_a_configuration_that_says_what_cannot_be_is_refused_by_name(tmp_path, config, words):
    path = on_the_hub(tmp_path, torchvisions("resnet18"))
    if isinstance(config, dict) and "architecture" not in config:
        config = configuration("resnet18", **config)
    (path.parent / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ModelError, match="config.json") as caught:
        of_file(path, "resnet18")
    assert words in str(caught.value)


def test_a_configuration_of_somebody_elses_is_none(tmp_path):
    path = on_the_hub(tmp_path, torchvisions("resnet18"), {"architectures": ["ResNetForImageClassification"]})
    assert of_file(path, "resnet18").pixels == ORIGINS["timm"].rows["resnet18"].pixels


@pytest.mark.parametrize("name", ["mobilenetv1_100", pytest.param("vgg11", marks=pytest.mark.slow)])
def test_timms_own_names_are_timms_in_a_file_of_torchs_too(tmp_path, name):
    row = next(row for row, theirs in TIMMS.items() if theirs == name)
    torch.save(peers.timm().create_model(name).state_dict(), tmp_path / "weights.pth")
    assert of_file(tmp_path / "weights.pth", row).data["name"] == "imagenet, by timm"


def test_an_origin_that_is_said_is_believed(tmp_path):
    model = of_file(saved(tmp_path, "resnet18"), "resnet18", "timm")
    assert (model.data["name"], model.pixels.kernel) == ("imagenet, by timm", "bicubic")


# --- networks for CIFAR -------------------------------------------------------------------------------------------------


class Akamasters(nn.Module):
    """His residual networks written down anew, with his modules' names: zeros stand on both sides of what a shortcut carries."""

    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        for stage, (before, maps) in enumerate([(16, 16), (16, 32), (32, 64)], 1):
            layer = nn.Sequential(*(self.block(before if not number else maps, maps) for number in range(blocks)))
            self.add_module(f"layer{stage}", layer)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def block(before, maps):
        block = nn.Module()
        block.conv1 = nn.Conv2d(before, maps, 3, 1 if before == maps else 2, 1, bias=False)
        block.bn1, block.conv2, block.bn2 = nn.BatchNorm2d(maps), nn.Conv2d(maps, maps, 3, 1, 1, bias=False), nn.BatchNorm2d(maps)
        return block

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        for block in (*self.layer1, *self.layer2, *self.layer3):
            y = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
            added = (y.shape[1] - x.shape[1]) // 2
            x = (y + (F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, added, added)) if added else x)).relu()
        return self.linear(x.mean((2, 3)))


@pytest.mark.parametrize(("row", "blocks"), [("resnet20", 3), ("resnet32", 5)])
def test_the_zeros_of_akamasters_shortcuts_stand_elsewhere_and_his_scores_are_ours(tmp_path, row, blocks):
    theirs = lively(Akamasters(blocks), 32)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}}, tmp_path / "weights.th")
    model = of_file(tmp_path / "weights.th", row)
    peers.agree(model.network, theirs, peers.pictures((3, 32, 32)))
    assert model.classes[:2] == ("airplane", "automobile")


@pytest.fixture(scope="module")
def cifar10():
    """The 10,000 pictures for testing, class by class, and their labels."""
    pictures, labels = runpy.run_path(str(Path(DATA) / "prepare.py"))["cifar10"]("test")
    return torch.from_numpy(pictures), torch.from_numpy(labels).long()


AKAMASTERS = Path(DATA or "") / "weights" / "akamaster_resnet20_cifar10.th"


@needs_data
def test_akamasters_file_sees_what_his_network_sees_in_real_pictures(cifar10):
    pictures, labels = (some[::20] for some in cifar10)
    state = torch.load(AKAMASTERS, map_location="cpu", weights_only=True)["state_dict"]
    theirs = Akamasters(3).eval()
    theirs.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()})
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = theirs(((pictures / 255 - mean) / deviation).permute(0, 3, 1, 2))
    scores = of_file(AKAMASTERS, "resnet20").scores(pictures)
    assert (scores - expected).abs().max() < TOLERATED * expected.abs().max()
    assert (scores.argmax(1) == labels).float().mean() > 0.9


@needs_data
@pytest.mark.slow
def test_akamasters_resnet20_is_right_of_9173_of_10000_pictures(cifar10):
    pictures, labels = cifar10
    model = of_file(AKAMASTERS, "resnet20")
    right = sum(int((model.scores(some).argmax(1) == wanted).sum()) for some, wanted in zip(pictures.split(500), labels.split(500)))
    assert abs(right - 9173) <= 5


class Dense(nn.Module):
    """A DenseNet-BC for CIFAR written down anew; `name` gives the authors' names of a place, and the parts of theirs."""

    def __init__(self, name, layers=16, growth=12):
        super().__init__()
        self.name, self.layers, maps = name, layers, 2 * growth
        self.conv(name("first"), 3, maps, 3)
        for block in (1, 2, 3):
            for layer in range(layers):
                self.norm_and_conv(name("layer", block, layer, 1), maps, 4 * growth, 1)
                self.norm_and_conv(name("layer", block, layer, 2), 4 * growth, growth, 3)
                maps += growth
            if block < 3:
                self.norm_and_conv(name("transition", block), maps, maps // 2, 1)
                maps //= 2
        self.put(name("last"), nn.BatchNorm2d(maps))
        self.put(name("classifier"), nn.Linear(maps, 10))

    def put(self, path, module):
        *parents, own = path.split(".")
        place = self
        for parent in parents:
            if parent not in place._modules:
                place.add_module(parent, nn.Module())
            place = place._modules[parent]
        place.add_module(own, module)

    def conv(self, path, maps_in, maps, size):
        self.put(path, nn.Conv2d(maps_in, maps, size, padding=size // 2, bias=False))

    def norm_and_conv(self, paths, maps_in, maps, size):
        self.put(paths[0], nn.BatchNorm2d(maps_in))
        self.conv(paths[1], maps_in, maps, size)

    def forward(self, x):
        def step(x, paths):
            norm, conv = map(self.get_submodule, paths)
            return conv(norm(x).relu())

        x = self.get_submodule(self.name("first"))(x)
        for block in (1, 2, 3):
            for layer in range(self.layers):
                x = torch.cat([x, step(step(x, self.name("layer", block, layer, 1)), self.name("layer", block, layer, 2))], 1)
            if block < 3:
                x = F.avg_pool2d(step(x, self.name("transition", block)), 2)
        x = self.get_submodule(self.name("last"))(x).relu().mean((2, 3))
        return self.get_submodule(self.name("classifier"))(x)


def veits(place, block=0, layer=0, part=0):
    """Of https://github.com/andreasveit/densenet-pytorch, densenet.py."""
    if place == "layer":
        return [f"block{block}.layer.{layer}.{kind}{part}" for kind in ("bn", "conv")]
    if place == "transition":
        return [f"trans{block}.{kind}1" for kind in ("bn", "conv")]
    return {"first": "conv1", "last": "bn1", "classifier": "fc"}[place]


def pleiss(place, block=0, layer=0, part=0):
    """Of https://github.com/gpleiss/efficient_densenet_pytorch, models/densenet.py."""
    if place == "layer":
        return [f"features.denseblock{block}.denselayer{layer + 1}.{kind}{part}" for kind in ("norm", "conv")]
    if place == "transition":
        return [f"features.transition{block}.{kind}" for kind in ("norm", "conv")]
    return {"first": "features.conv0", "last": "features.norm_final", "classifier": "classifier"}[place]


@pytest.mark.parametrize(("origin", "name"), [("andreasveit", veits), ("gpleiss", pleiss)])
def test_densenets_for_cifar_give_their_authors_scores(tmp_path, origin, name):
    theirs = lively(Dense(name), 32)
    wrapped = {f"module.{path}": tensor for path, tensor in theirs.state_dict().items()}
    torch.save({"epoch": 300, "state_dict": wrapped, "best_prec1": 95.0}, tmp_path / "model_best.pth.tar")
    model = of_file(tmp_path / "model_best.pth.tar", "densenet_bc100_k12")
    peers.agree(model.network, theirs, peers.pictures((3, 32, 32)))
    assert model.data["name"] == f"cifar10, by {origin}"


# --- all ----------------------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_casebook_and_kin_are_rows():
    for origin in ORIGINS.values():
        assert set(origin.rows) <= set(NETS) and set(origin.like) <= set(NETS)
        assert set(origin.like.values()) <= set(origin.rows) and not set(origin.like) & set(origin.rows)
