"""Trained networks put to other classes: the base stays to the bit where it should, features are kept and never stale, stopping costs nothing."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import runs
from hubel import weights
from hubel.build import build
from hubel.cli import main
from hubel.errors import PictureError, TransferError
from hubel.joints import Chain
from hubel.model import Model, load
from hubel.nets import NETS
from hubel.pictures.pixels import Pixels
from hubel.pictures.sources import open_source
from hubel.reading import read
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, LeftOut, Stopped
from hubel.transfer.choosing import choose, nearest
from hubel.transfer.comparing import Bought, compared
from hubel.transfer.features import Views, features
from hubel.transfer.grafting import base_digest, frozen_but, grafted, last_convolutions
from hubel.transfer.records import Transferred
from hubel.transfer.ways import RECIPES, Wish, recipe_of, transfer

NET = Chain(
    first=read("Conv(6, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2)"),
    second=read("Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1) >> ReLU() >> Conv(8, 3, pad=1) >> ReLU()"),
    scores=read("Dropout(0.5) >> Conv(5, 1) >> ReLU() >> GlobalAvgPool()"),
)
QUICK = {way: replace(recipe, epochs=2, threads=1, lanes=1, precision="fp32", batch=16, validation=0.25) for way, recipe in RECIPES.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HUBEL_DATA", str(place))
    return place


@pytest.fixture(scope="module")
def base():
    """A network of five classes that has seen something: its batch norm has statistics of its own."""
    network = build(NET, (1, 8, 8), "he", 1)
    network.train()
    for seed in range(3):
        network(torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) + 0.3)
    return Model(NET, (1, 8, 8), tuple("vwxyz"), Pixels(1, 8, 8, mean=(0.4,), deviation=(0.3,)), network.eval(), {}, {}, {})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return runs.folder(tmp_path_factory.mktemp("pictures"), 90)


def gone(base, data, way, wish=Wish(head="linear"), out=None, **changes):  # noqa: B008
    return list(transfer(base, data, way, replace(QUICK[way], **changes), wish, out))


# --- the graft ---


def test_a_graft_is_the_base_and_a_fresh_head_behind_its_pooled_maps(base):
    graft = grafted(base, ("a", "b", "c"), "notes")
    assert repr(graft.model.net.parts[-1]) == "FC(256) >> ReLU() >> Dropout() >> FC(3)"
    batch = torch.randn(4, 1, 8, 8)
    network = base.network
    wanted = network[1](network[0](batch)).mean((2, 3))  # what its own classifier's pooling would see, had it no convolution
    assert torch.allclose(graft.base(batch), wanted, atol=1e-6)
    assert graft.digest == base_digest(graft.model.network)
    assert graft.stages == ("first", "second", "pooling")


def test_a_plain_network_s_maps_are_read_flat_and_at_another_size():
    small = Chain(conv=read("Conv(4, 3, pad=1) >> ReLU() >> MaxPool(2)"), fc=read("FC(7)"))
    model = Model(small, (3, 8, 8), tuple("abcdefg"), Pixels(3, 8, 8, fit="crop", resized=10), build(small, (3, 8, 8)).eval(), {}, {}, {})
    graft = grafted(model, ("a", "b"), "linear", (3, 13, 13))
    assert graft.base(torch.randn(2, 3, 13, 13)).shape == (2, 4, 6, 6)
    assert graft.model.pixels.shape == (3, 13, 13) and graft.model.pixels.resized == 16
    with pytest.raises(TransferError, match="3xHxW"):
        grafted(model, ("a", "b"), "linear", (1, 13, 13))


def test_the_last_three_convolutions_of_vgg16_are_its_fifth_stage():
    graft = Chain(**dict(list(NETS["vgg16"].net().children())[:-3]), head=read("FC(2)"))
    released = last_convolutions(graft)
    assert {path.split(".")[0] for path in released} == {"conv5"} and len(released) == 3
    assert set(frozen_but(graft, released).split()) >= {"conv1", "conv2", "conv3", "conv4"}
    assert frozen_but(graft, ("conv4", "conv5")).split() == ["conv1", "conv2", "conv3"]
    with pytest.raises(TransferError, match="no stage 'conv9'"):
        frozen_but(graft, ("conv9",))


# --- features ---


def test_kept_features_equal_those_computed_anew_to_the_bit_and_those_of_the_base_itself(base, pictures, cache):
    graft, split = grafted(base, ("a", "b", "c")), open_source(pictures).training()
    computed, cost = features(graft, split)
    kept, nothing = features(graft, split)
    assert cost.pictures == 90 and nothing.pictures == 0
    shutil.rmtree(cache)
    again, _ = features(graft, split)
    for found in (kept, again):
        assert torch.equal(found.pixels, computed.pixels) and torch.equal(found.labels, computed.labels) and found.names == computed.names
    first = base.pixels.tensor(torch.from_numpy(base.pixels.array(split.read(0)).copy())[None])
    torch.testing.assert_close(graft.base(first)[0], computed.pixels[0], rtol=1e-2, atol=1e-2)  # bf16, where that is faster


def test_no_features_are_stale(base, pictures, tmp_path):
    mine = shutil.copytree(pictures, tmp_path / "mine")
    graft = grafted(base, ("a", "b", "c"))

    def computed(graft):
        return features(graft, open_source(mine).training(), precision="fp32")[1].pictures > 0

    assert computed(graft) and not computed(graft)
    other = grafted(replace(base, pixels=replace(base.pixels, mean=(0.1,))), ("a", "b", "c"))
    assert computed(other) and not computed(graft)
    moved = grafted(base, ("a", "b", "c"))
    with torch.no_grad():
        moved.model.network.get_parameter("first.0.weight")[0, 0, 0, 0] += 1e-6
    assert computed(replace(moved, digest=base_digest(moved.model.network)))
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(mine / "a" / "000.png")
    assert computed(graft)
    assert not computed(grafted(base, ("a", "b", "c"), "linear", seed=5))  # the head has no part in them


def test_a_damaged_file_of_features_is_made_anew(base, pictures, cache):
    graft, split = grafted(base, ("a", "b", "c")), open_source(pictures).training()
    before, _ = features(graft, split)
    (path,) = (cache / "features").glob("*.features")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    after, cost = features(graft, split)
    assert cost.pictures == 90 and torch.equal(after.pixels, before.pixels)


def test_views_are_the_pictures_changed_and_their_labels_are_the_same(base, pictures):
    graft, split = grafted(base, ("a", "b", "c")), open_source(pictures).training()
    plain, _ = features(graft, split, precision="fp32")
    flip = Views(2, replace(Views().augmentation, shift=0.3), seed=4)
    found, cost = features(graft, split, flip, "fp32")
    assert len(found) == 270 and cost.pictures == 270
    assert torch.equal(found.pixels[:90], plain.pixels) and torch.equal(found.labels, plain.labels.repeat(3))
    assert not torch.equal(found.pixels[90:180], plain.pixels) and not torch.equal(found.pixels[90:180], found.pixels[180:])


def test_what_cannot_be_read_is_left_out_by_name(base, pictures, tmp_path):
    mine = shutil.copytree(pictures, tmp_path / "mine")
    (mine / "b" / "001.png").write_bytes(b"no picture")
    found, _ = features(grafted(base, ("a", "b", "c")), open_source(mine).training())
    assert len(found) == 89 and [one.name for one in found.refused] == [str(mine / "b" / "001.png")]
    assert not any("001.png" in name for name in found.names)
    with pytest.raises(PictureError, match=r"001\.png"):  # though they are kept
        features(grafted(base, ("a", "b", "c")), open_source(mine).training(), strict=True)
    told = [record for record in gone(base, mine, "features") if isinstance(record, LeftOut)]
    assert [[one.name for one in record.pictures] for record in told] == [[str(mine / "b" / "001.png")]]


def test_a_cache_that_cannot_be_written_is_said_so(base, pictures, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "file"))
    with pytest.raises(TransferError, match="cannot be written.*HUBEL_DATA"):
        features(grafted(base, ("a", "b", "c")), open_source(pictures).training())


def test_a_base_with_stages_of_those_names_keeps_them_apart():
    net = Chain(head=read("Conv(4, 3) >> ReLU()"), pooling=read("Conv(4, 3) >> ReLU()"), end=read("GlobalAvgPool() >> FC(3)"))
    model = Model(net, (1, 8, 8), tuple("abc"), Pixels(1, 8, 8), build(net, (1, 8, 8)).eval(), {}, {}, {})
    graft = grafted(model, ("a", "b"), "linear")
    assert torch.equal(graft.model.network.get_parameter("base.head.0.weight"), model.network.get_parameter("head.0.weight"))


# --- the ways ---


@pytest.mark.parametrize("way", ["features", "frozen"])
def test_a_base_that_is_not_to_move_is_the_same_to_the_bit_before_and_after(base, pictures, way):
    end = gone(base, pictures, way)[-1]
    assert isinstance(end, Transferred) and end.digests[0] == end.digests[1]
    assert set(end.moved.values()) == {0.0} and set(end.drifted.values()) == {0.0}
    assert torch.equal(end.model.network.get_parameter("second.0.weight"), base.network.get_parameter("second.0.weight"))
    assert end.model.pixels == base.pixels and end.model.classes == ("a", "b", "c")


def test_a_frozen_base_follows_the_pictures_where_that_is_asked(base, pictures):
    end = gone(base, pictures, "frozen", statistics="all")[-1]
    assert end.drifted["first"] > 0 and end.moved["first"] == 0 and end.digests[0] != end.digests[1]


def test_fine_tuning_moves_the_last_convolutions_and_only_once_the_head_has_learned(base, pictures):
    records = gone(base, pictures, "finetune", lr=0.01)
    phases = [record.name for record in records if type(record).__name__ == "Phase"]
    assert phases == ["features", "features", "head", "stages"]
    head = [record for record in records if isinstance(record, Epoch)][: RECIPES["features"].epochs]
    first = [record for record in records if isinstance(record, Epoch)][RECIPES["features"].epochs]
    assert first.train_loss < head[0].train_loss  # it goes on from a head that has learned
    end = records[-1]
    assert end.moved["first"] == 0 and (end.moved["second"] > 0) == (end.digests[0] != end.digests[1])


def test_all_of_the_base_learns_at_the_end_where_that_is_asked(base, pictures, tmp_path):
    records = gone(base, pictures, "finetune", Wish(head="linear", all=True, release=("second",)), tmp_path, lr=0.01)
    assert [record.name for record in records if type(record).__name__ == "Phase"][-2:] == ["stages", "all"]
    for name, moves in (("stages", False), ("all", True)):
        found = load(tmp_path / name).network.get_parameter("first.0.weight")
        assert torch.equal(found, base.network.get_parameter("first.0.weight")) is not moves
    assert load(tmp_path / "model.safetensors").classes == ("a", "b", "c")


@pytest.mark.parametrize("way", ["features", "frozen", "finetune"])
def test_a_way_that_is_stopped_and_gone_on_with_ends_in_the_same_model(base, pictures, tmp_path, way):
    gone(base, pictures, way, out=tmp_path / "whole")
    wanted = weights.digest(load(tmp_path / "whole").network.state_dict())
    for stop in (2, 12, 70, 140):
        for taken, record in enumerate(transfer(base, pictures, way, QUICK[way], Wish(head="linear"), tmp_path / "stopped")):
            if taken == stop and not isinstance(record, Transferred):
                break
    gone(base, pictures, way, out=tmp_path / "stopped")
    assert weights.digest(load(tmp_path / "stopped").network.state_dict()) == wanted


def test_the_head_learns_and_validates_on_the_pictures_that_training_takes(base, pictures):
    """One split for all ways, so that what they buy can be compared."""
    graft = grafted(base, ("a", "b", "c"))
    from hubel.training.setup import prepared
    from hubel.transfer.ways import _divided

    _, material, _ = prepared(graft.model, pictures, QUICK["frozen"])
    train, validation, _ = _divided(graft, open_source(pictures), Views(1, seed=0), QUICK["features"], False, None)
    assert validation.names == material.validation.names
    assert train.names == [*material.train.names, *material.train.names]


def test_normed_networks_are_fine_tuned_at_a_higher_rate_than_plain_ones(base):
    plain = replace(base, network=build(read("Conv(2, 3) >> FC(2)"), (1, 8, 8)))
    assert recipe_of("finetune", plain).lr == 1e-5 < recipe_of("finetune", base).lr


def test_the_three_ways_are_compared_on_the_same_seeds(base, tmp_path):
    source = runs.source(validation=True)
    source = replace(source, openers={**source.openers, "test": source.openers["validation"]})
    found = [record for record in compared(base, source, QUICK, (3, 4), Wish(head="linear"), tmp_path) if isinstance(record, Bought)]
    assert [one.way for one in found] == ["features", "frozen", "finetune"]
    for one in found:
        assert len(one.validation) == len(one.test) == 2 and one.rate > 0
        assert one.test == one.validation  # the same pictures here, judged by the model that is given back
    assert load(tmp_path / "frozen" / "4").recipe["seed"] == 4


# --- which way ---


def test_the_nearest_neighbour_by_angle_is_scikit_learn_s():
    from sklearn.neighbors import KNeighborsClassifier

    draw = np.random.default_rng(0)
    points, labels = draw.normal(size=(60, 7)), draw.integers(0, 3, 60)
    points[labels == 1] += 0.8
    near = KNeighborsClassifier(2, metric="cosine").fit(points, labels).kneighbors(points, return_distance=False)[:, 1]
    assert nearest(torch.from_numpy(points), torch.from_numpy(labels)) == (labels[near] == labels).mean()


def test_the_way_is_chosen_by_number_likeness_and_time(base, monkeypatch):
    source = runs.source(count=90)
    few = choose(base, source, 10)
    assert few.way in ("features", "frozen") and "90 pictures" in few.why
    monkeypatch.setattr("hubel.transfer.choosing.FEW", 50)
    assert choose(base, source, 10).way == "finetune"
    for _ in range(2):  # what was looked at before is not taken for fast
        hurried = choose(base, source, 10, minutes=1e-6)
    assert hurried.way == "features" and "minutes" in hurried.why
    monkeypatch.setattr("hubel.transfer.choosing.ALIKE", 2.0)
    assert choose(base, source, 10).all
    monkeypatch.setattr("hubel.transfer.choosing.FEW", 5000)
    assert choose(base, source, 10).way == "frozen"


@pytest.mark.parametrize(
    ("way", "wish", "changes", "says"),
    [
        ("features", Wish(), {"flip": True}, "flip=True.*--views"),
        ("features", Wish(views=-1), {}, "-1 views"),
        ("features", Wish(), {"batch": 0}, "batch=0"),
        ("features", Wish(), {"precision": "fp16"}, "precision='fp16'"),
        ("features", Wish(views=2), {"random_resized_crop": 0.5}, "whole pictures"),
        ("features", Wish(views=2), {"colour_noise": 0.1}, "colours' axes"),
        ("frozen", Wish(release=("second",)), {}, "Nothing of the base is released"),
        ("frozen", Wish(), {"frozen": "first"}, "frozen='first'"),
        ("finetune", Wish(release=("third",)), {}, "no stage 'third'"),
        ("features", Wish(head="deep"), {}, "no head 'deep'"),
        ("guess", Wish(), {}, "no way 'guess'"),
    ],
)
def test_what_would_not_be_done_is_refused(base, pictures, way, wish, changes, says):
    with pytest.raises(TransferError, match=says):
        list(transfer(base, pictures, way, replace(QUICK.get(way, Recipe()), **changes), wish))


def test_a_folder_keeps_what_it_is_of(base, pictures, tmp_path):
    gone(base, pictures, "features", out=tmp_path / "one")
    before = (tmp_path / "one" / "model.safetensors").read_bytes()
    for way, changes in (("frozen", {}), ("features", {"lr": 0.5})):
        with pytest.raises(TransferError, match="began otherwise"):
            gone(base, pictures, way, out=tmp_path / "one", **changes)
    list(runs.train(tmp_path / "trained", recipe=replace(runs.RECIPE, epochs=1)))
    with pytest.raises(TransferError, match="a run of training already"):
        gone(base, pictures, "features", out=tmp_path / "trained")
    (tmp_path / "one" / "transfer.json").write_text("{")
    with pytest.raises(TransferError, match="damaged"):
        gone(base, pictures, "features", out=tmp_path / "one")
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == before


@pytest.fixture
def said(base, pictures, tmp_path, capsys, monkeypatch):
    """What a command says: its status, its output and its errors."""
    base.save(tmp_path / "base.safetensors")
    monkeypatch.chdir(tmp_path)
    usual = ("--head", "linear", "--batch", "16", "--validation", "0.25", "--threads", "1", "--precision", "fp32", "--epochs", "1")

    def said(verb, *flags, net="-", weights=("--from", "base.safetensors")):
        status = main([verb, net, str(pictures), *weights, *usual, *flags])
        return status, *capsys.readouterr()

    return said


def test_the_command_line_goes_a_way_and_its_model_is_used_as_any_other(said, base, pictures, tmp_path, capsys):
    status, output, _ = said("train", "--way", "frozen", "--out", "mine")
    assert status == 0
    digest = grafted(base, ("a", "b", "c")).digest
    assert f"base: SHA-256 {digest} before and after" in output and "epoch 1/1" in output
    assert main(["test", "mine", str(pictures), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 90
    assert said("train", "--way", "finetune", "--release", "second", "--lr", "0.01", "--out", "fine")[0] == 0
    chosen = said("train")
    assert chosen[0] == 0 and "way: " in chosen[1] and "90 pictures" in chosen[1]


def test_the_command_line_compares_the_ways(said):
    status, output, _ = said("transfer", "--json", "--repeats", "2")
    rows = json.loads(output)
    assert status == 0 and [row["way"] for row in rows] == ["features", "frozen", "finetune"]
    assert all(len(row["validation"]) == 2 and load(row["model"]).classes == ("a", "b", "c") for row in rows)


@pytest.mark.parametrize(
    ("flags", "weights", "says"),
    [
        (("--way", "frozen"), (), "--way goes with trained weights"),
        (("--warm-from", "x"), ("--from", "base.safetensors"), "--warm-from goes with fresh weights"),
        (("--recipe", "paper"), ("--from", "base.safetensors"), "--recipe paper goes with fresh weights"),
        ((), ("--from", "nowhere.pth"), "There is no file nowhere.pth"),
        (("--way", "features", "--flip"), ("--from", "base.safetensors"), "--views"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(said, flags, weights, says):
    status, _, errors = said("train", *flags, weights=weights, net="-" if weights else "lenet5")
    assert status == 2 and errors.startswith("hubel: ") and errors.count("\n") == 1 and says in errors


def test_a_stopped_way_says_so(base, pictures, tmp_path, monkeypatch):
    import os
    import signal

    records = []
    for record in transfer(base, pictures, "frozen", replace(QUICK["frozen"], epochs=50), Wish(head="linear"), tmp_path):
        records.append(record)
        if isinstance(record, Epoch):
            os.kill(os.getpid(), signal.SIGTERM)
    assert isinstance(records[-1], Stopped)
