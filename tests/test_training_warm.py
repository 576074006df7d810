"""A warm start: the layers that VGG's paper takes from a trained A, and nothing else, at the first start alone."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import hubel
from hubel import load
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.cli import main
from hubel.errors import ModelError, RunError
from hubel.layers import Conv
from hubel.model import Model
from hubel.nets import NETS
from hubel.pictures.pixels import Pixels
from hubel.training.recipes import FAST, GENERAL, PAPER, Shallower
from hubel.training.records import Started
from runs import RECIPE, ended, folder, source, train

SHALLOW = "Chain(conv1=Chain(Conv(4, 3, pad=1), ReLU(), MaxPool(2)), conv2=Chain(Conv(6, 3, pad=1), ReLU(), MaxPool(2)), fc6=FC(8) >> ReLU(), fc7=FC(3))"
DEEP = (
    "Chain(conv1=Chain(Conv(4, 3, pad=1), ReLU(), Conv(4, 3, pad=1), ReLU(), MaxPool(2)), "
    "conv2=Chain(Conv(6, 3, pad=1), ReLU(), Conv(6, 3, pad=1), ReLU(), MaxPool(2)), fc6=FC(8) >> ReLU(), fc7=FC(3))"
)
LAYERS = ("conv1.0", "conv2.0", "fc6", "fc7")
TAKEN = {f"{path}.{name}" for path in ("conv1.0", "conv2.0", "fc6.0", "fc7") for name in ("weight", "bias")}
STILL = replace(GENERAL, recipe=replace(RECIPE, epochs=1, lr=1e-30, weight_decay=0.0), warm=Shallower("a shallow one", LAYERS))
"""The weights stay as they begin."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run folder of a shallow network."""
    place = tmp_path_factory.mktemp("shallow")
    list(train(place, net=SHALLOW))
    return place


@pytest.mark.parametrize("where", ["", "model.safetensors"], ids=["a run folder", "a file"])
def test_the_named_layers_begin_as_they_are_there_and_the_others_fresh(trained, where):
    started, *_, finished = train(net=DEEP, recipe=STILL, warm=trained / where)
    begun, shallow = finished.model.network.state_dict(), load(trained).network.state_dict()
    fresh = list(train(net=DEEP, recipe=STILL.recipe))[-1].model.network.state_dict()
    assert TAKEN < begun.keys() == fresh.keys()
    for name, tensor in begun.items():
        torch.testing.assert_close(tensor, shallow[name] if name in TAKEN else fresh[name], atol=1e-25, rtol=0)
        assert name not in TAKEN or not torch.equal(shallow[name], fresh[name])
    assert started.notes == (
        f"conv1.0, conv2.0, fc6, fc7 begin as they are in {trained / where}; the other layers begin with fresh weights.",
    )


def test_a_warm_run_goes_on_without_beginning_again_and_with_nothing_else(tmp_path, trained):
    going = replace(STILL, recipe=RECIPE)
    list(train(tmp_path / "whole", net=DEEP, recipe=going, warm=trained))
    stopped = train(tmp_path / "run", net=DEEP, recipe=going, warm=trained)
    for record in stopped:
        if getattr(record, "epoch", 0) == 2 and not isinstance(record, Started):
            stopped.close()
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["warm"]
    list(train(tmp_path / "other", net=SHALLOW, recipe=replace(RECIPE, seed=1)))
    for other in (None, tmp_path / "other"):
        with pytest.raises(RunError, match=r"--warm-from.*are other ones"):
            next(train(tmp_path / "run", net=DEEP, recipe=going, warm=other))
    started, *_ = train(tmp_path / "run", net=DEEP, recipe=going, warm=trained)
    assert started.epoch == 1 and not started.notes
    assert ended(tmp_path / "run") == ended(tmp_path / "whole")


def test_layers_that_do_not_fit_are_refused_by_the_tensor_with_what_would(trained):
    def refused(words, net, data=None):
        with pytest.raises(RunError, match=words) as caught:
            next(train(net=net, recipe=STILL, data=data, warm=trained))
        assert "A a shallow one for pictures of 1x8x8 and their classes fits" in str(caught.value)

    refused(r"'fc7.bias' is \(3,\) in .*net has \(2,\)", DEEP.replace("FC(3)", "FC(2)"), source(classes=2))
    refused(r"'conv1.0.bias' is \(4,\) in .*net has \(5,\)", DEEP.replace("Conv(4", "Conv(5"))
    refused("'conv2.0.bias' is not in net", DEEP.replace("conv2", "other"))
    refused("'conv1.0.bias' is not in net", DEEP.replace("conv1=Chain(Conv(4, 3, pad=1)", "conv1=Chain(Conv(4, 3, pad=1, bias=False)"))


def test_a_file_of_other_classes_in_the_same_number_is_refused(tmp_path, trained):
    pictures = folder(tmp_path / "pictures")
    (pictures / "a").rename(pictures / "z")
    with pytest.raises(ModelError, match="a, b, c.*b, c, z"):
        next(train(net=DEEP, recipe=STILL, data=pictures, warm=trained))


def test_a_network_of_which_no_paper_says_so_has_no_warm_start(trained):
    for net in (SHALLOW, nn.Sequential(nn.Flatten(), nn.Linear(64, 3))):
        with pytest.raises(RunError, match="No warm start is known.*vgg13, vgg16_c, vgg16, vgg19"):
            next(train(net=net, warm=trained))


# --- VGG's ----------------------------------------------------------------------------------------------------------------


def test_what_is_taken_are_as_four_first_convolutions_and_three_last_fully_connected_layers():
    rows = [row for row in anatomy(NETS["vgg11"].net(), NETS["vgg11"].input).rows if row.parameters]
    convolutions = [row.path for row in rows if isinstance(row.part, Conv)][:4]
    connected = [row.path for row in rows if not isinstance(row.part, Conv)]
    found = PAPER["vgg16"].warm
    assert found.net == "vgg11" and len(connected) == 3
    assert [*found.layers] == [*convolutions, *(path.split(".")[0] for path in connected)]
    assert not any(chosen.warm for chosen in FAST.values())


@pytest.mark.parametrize("name", [name for name, chosen in PAPER.items() if chosen.warm])
def test_they_have_their_shapes_in_the_deeper_network_too(name):
    with torch.device("meta"):
        shallow, deep = (build(NETS[some].net(), NETS[some].input, None).state_dict() for some in ("vgg11", name))
    names = [entry for entry in shallow if entry.startswith(tuple(f"{layer}." for layer in PAPER[name].warm.layers))]
    assert len(names) == 14
    assert [deep[entry].shape for entry in names] == [shallow[entry].shape for entry in names]


def test_on_the_command_line_a_network_of_its_name_knows_what_it_takes(tmp_path, trained, capsys):
    pictures = folder(tmp_path / "pictures", 12)
    words = ("train", "squeezenet_1_0", str(pictures), "--out", str(tmp_path / "run"), "--warm-from", str(trained))
    assert main(words) == 2
    assert "No warm start is known for squeezenet_1_0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_vgg13_by_its_name_alone_knows_what_it_takes_from_a_vgg11(tmp_path):
    row, path = NETS["vgg11"], tmp_path / "vgg11.safetensors"
    Model(row.net(3), row.input, ("a", "b", "c"), Pixels(*row.input), build(row.net(3), row.input), {}, {}, {}).save(path)
    started = next(hubel.train("vgg13", source(12), replace(GENERAL.recipe, threads=1, lanes=1, precision="fp32"), warm=path))
    assert started.notes[0].startswith("conv1.0, conv2.0, conv3.0, conv3.2, fc6, fc7, fc8 begin as they are in")
