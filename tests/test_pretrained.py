"""Files of weights, whoever made them: what is no such file, or of another network, is refused in words that say where it differs."""

import pickle
import random
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import peers
from hubel import load
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ModelError
from hubel.joints import Chain
from hubel.layers import FC, BatchNorm, Conv, GlobalAvgPool
from hubel.model import Model
from hubel.pretrained.files import contents
from hubel.pretrained.opening import of_file
from hubel.pretrained.origins import Trained
from hubel.pretrained.pairing import paired
from hubel.pretrained.policies import imagenet
from hubel.pretrained.units import Unit


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def thin(shape):
    """Ones of that shape, of which a file holds a single one."""
    return torch.ones((), device="cpu").expand(shape)


def state_of(network):
    return {
        name: thin(tensor.shape) if tensor.is_floating_point() else torch.zeros((), device="cpu")
        for name, tensor in network.state_dict().items()
    }


def torchvisions(name, **said):
    """The state dict of a network of torchvision's, as to its shapes."""
    with torch.device("meta"):
        return state_of(getattr(peers.torchvision_models(), name)(**said))


def akamasters(blocks=3):
    """That of a ResNet for CIFAR, by its author's names."""
    state = {}

    def conv(name, maps_in, maps):
        state[f"{name}.weight"] = thin((maps, maps_in, 3, 3))

    def norm(name, maps):
        state.update({f"{name}.{role}": thin((maps,)) for role in ("weight", "bias", "running_mean", "running_var")})
        state[f"{name}.num_batches_tracked"] = torch.tensor(0)

    conv("conv1", 3, 16)
    norm("bn1", 16)
    before = 16
    for stage, maps in enumerate((16, 32, 64), 1):
        for block in range(blocks):
            for part in (1, 2):
                conv(f"layer{stage}.{block}.conv{part}", before, maps)
                norm(f"layer{stage}.{block}.bn{part}", maps)
                before = maps
    state |= {"linear.weight": thin((10, 64)), "linear.bias": thin((10,))}
    return state


def saved(folder, state):
    torch.save(state, folder / "weights.pth")
    return folder / "weights.pth"


def refusal(path, row, *said):
    """What a file is answered with: a ModelError that names it."""
    with pytest.raises(ModelError) as caught:
        of_file(path, row, *said)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


# --- of another network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "row", "words"),
    [
        (
            "resnet34", "resnet18",
            ": layer1.2.conv1.weight is (64, 64, 3, 3); the network's conv3_x.0.0.0.0.weight is (128, 64, 3, 3). "
            "The file has 37 layers with weights and 36 batch norms, the network 21 and 20. It fits resnet34.",
        ),
        (
            "vgg16", "vgg19",
            ": features.17.weight is (512, 256, 3, 3); the network's conv3.6.weight is (256, 256, 3, 3). "
            "The file has 16 layers with weights and 0 batch norms, the network 19 and 0. It fits vgg16.",
        ),
        (
            "squeezenet1_1", "squeezenet_1_0",
            ": features.0.weight is (64, 3, 3, 3); the network's conv1.0.weight is (96, 3, 7, 7). It fits squeezenet_1_1.",
        ),
        ("resnet50", "resnet50", " is torchvision's, and resnet50 is none of its networks. It fits resnet50_v15, which is what torchvision calls so."),
        ("resnet18", "resnet50", " is torchvision's, and resnet50 is none of its networks. It fits resnet18."),
        ("vgg11", "alexnet", " is torchvision's, and alexnet is none of its networks. It fits vgg11."),
        ("wide_resnet50_2", "resnet50", "What torchvision calls so is resnet50_v15, but the file does not fit that either."),
        ("wide_resnet50_2", "resnet18", "It fits none of the networks known of torchvision: alexnet_owt, vgg11,"),
        ("densenet121", "densenet169", "It fits densenet121."),
    ],
)  # fmt: skip
def test_a_file_of_another_network_is_refused_with_its_first_tensor_that_differs_and_the_row_that_fits(tmp_path, theirs, row, words):
    said = refusal(saved(tmp_path, torchvisions(theirs)), row)
    assert said == words if words.startswith((":", " is")) else words in said


def test_a_row_that_there_is_not_is_said_before_the_file_is_read(tmp_path):
    with pytest.raises(HubelError, match="There is no network 'resnet21'"):
        of_file(tmp_path / "none", "resnet21")


def test_a_file_for_other_classes_is_the_network_for_so_many(tmp_path):
    model = of_file(saved(tmp_path, torchvisions("squeezenet1_1", num_classes=10)), "squeezenet_1_1")
    assert model.classes == tuple("0123456789")
    assert model.data["name"] == "10 classes, by torchvision"
    assert anatomy(model.net, model.input).output == (10,)


def test_a_file_with_one_score_tells_two_classes_apart(tmp_path):
    model = of_file(saved(tmp_path, torchvisions("squeezenet1_1", num_classes=1)), "squeezenet_1_1")
    assert (model.classes, model.data["name"]) == (("0", "1"), "2 classes, by torchvision")
    first, second = model.predict(np.zeros((9, 9, 3), np.uint8)).ranked
    assert first[1] + second[1] == pytest.approx(1)


# --- one tensor that is wrong -------------------------------------------------------------------------------------------


def test_a_whole_file_is_taken(tmp_path):
    model = of_file(saved(tmp_path, akamasters()), "resnet20")
    assert len(model.classes) == 10 and model.data["file"] == "weights.pth" and len(model.data["sha256"]) == 64


NAN = torch.zeros(32, 16, 3, 3).index_fill(0, torch.tensor([3]), torch.nan)

# fmt: off
WRONG = {  # without these tensors, and with those
    "no weight of a convolution": (["layer2.1.conv1.weight"], {},
        ": layer3.0.conv1.weight is (64, 32, 3, 3); the network's filters_32.2.0.0.3.weight is (32, 32, 3, 3). "
        "The file has 19 layers with weights and 19 batch norms, the network 20 and 19."),
    "no bias": (["linear.bias"], {}, " has no linear.bias; the network has classifier.1.bias."),
    "no mean": (["layer2.1.bn2.running_mean"], {}, ": its batch norm layer2.1.bn2 has no running_mean."),
    "no scale": (["bn1.weight"], {}, ": its batch norm bn1 has no weight."),
    "nothing of a batch norm": (
        [f"bn1.{role}" for role in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")], {},
        ": layer2.0.bn1.weight is (32,); the network's filters_16.5.0.0.4.weight is (16,)."),
    "one layer more": ([], {"head.weight": thin((5, 5))}, ": it has head.weight, which is of no network of that kind known here."),
    "a weight that is no weight": (["layer1.1.conv1.weight"], {"layer1.1.conv1.waight": thin((16, 16, 3, 3))},
        " has layer1.1.conv1.waight; the network's filters_16.4.0.0.0 has no waight."),
    "narrow stages": ([], {f"layer{stage}.2.conv2.weight": thin((16, 16, 3, 3)) for stage in (2, 3)},
        ": layer2.2.conv2.weight is (16, 16, 3, 3); the network's filters_32.2.0.0.3.weight is (32, 32, 3, 3)."),
    "a number of more digits than Python reads": ([], {f"layer3.{'9' * 5000}.conv1.weight": thin((64, 64, 3, 3))},
        f": layer3.{'9' * 5000}.conv1.weight is (64, 64, 3, 3); the network's classifier.1.weight is (10, 64)."),
    "one block more": ([], {"layer3.3.conv1.weight": thin((64, 64, 3, 3))},
        ": layer3.3.conv1.weight is (64, 64, 3, 3); the network's classifier.1.weight is (10, 64)."),
    "one batch norm more": ([], {f"layer4.bn.{role}": thin((64,)) for role in ("weight", "bias", "running_mean", "running_var")},
        " has more than the network: the first tensor too many is layer4.bn.weight."),
    "a tensor of another name": ([], {"layer1.0.conv1.scale": thin((16,))},
        " has layer1.0.conv1.scale; the network's filters_16.3.0.0.0 has no scale."),
    "a bias before a sum": ([], {"linear.running_mean": thin((10,))}, ": its batch norm linear has no running_var."),
    "another window": ([], {"layer1.0.conv1.weight": thin((16, 16, 5, 5))},
        ": layer1.0.conv1.weight is (16, 16, 5, 5); the network's filters_16.3.0.0.0.weight is (16, 16, 3, 3)."),
    "as many numbers in another window": ([], {"layer1.0.conv1.weight": thin((16, 16, 1, 9))},
        ": layer1.0.conv1.weight is (16, 16, 1, 9); the network's filters_16.3.0.0.0.weight is (16, 16, 3, 3)."),
    "a number for a weight": ([], {"layer1.0.conv1.weight": torch.tensor(1.0)},
        ": layer1.0.conv1.weight is (); the network's filters_16.3.0.0.0.weight is (16, 16, 3, 3)."),
    "a bias of another length": ([], {"linear.bias": thin((9,))}, ": linear.bias is (9,); the network's classifier.1.bias is (10,)."),
    "NaN": ([], {"layer2.0.conv1.weight": NAN}, ": layer2.0.conv1.weight is not finite everywhere"),
    "infinity": ([], {"linear.bias": torch.full((10,), torch.inf)}, ": linear.bias is not finite everywhere"),
    "whole numbers": ([], {"linear.weight": torch.ones(10, 64, dtype=torch.int64)},
        ": linear.weight is torch.int64; weights are floating-point numbers."),
    "complex numbers": ([], {"linear.weight": torch.ones(10, 64, dtype=torch.complex64)}, ": linear.weight is torch.complex64;"),
    "a negative variance": ([], {"bn1.running_var": torch.full((16,), -1.0)}, ": bn1.running_var is negative somewhere"),
    "a sparse tensor": ([], {"linear.weight": torch.ones(10, 64).to_sparse()}, " has 'linear.weight', which is sparse"),
    "no tensor": ([], {"linear.weight": [1.0]}, " has 'linear.weight', which is a list and no tensor"),
    "a number for a name": ([], {3: torch.ones(3)}, " has 3, which is a Tensor and no tensor"),
    "more numbers than any network": ([], {"linear.weight": thin((2**20, 2**20))}, " unpacks to 4,398,"),
    "a million million classes": ([], {"linear.weight": torch.empty(10**12, 0)}, ": linear.weight is (1000000000000, 0);"),
}
# fmt: on


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_tensor_is_said_by_its_name(tmp_path, wrong):
    gone, more, words = WRONG[wrong]
    state = {name: tensor for name, tensor in (akamasters() | more).items() if name not in gone}
    assert refusal(saved(tmp_path, state), "resnet20").startswith(words)


def test_windows_that_lie_across_are_not_windows_that_stand(tmp_path):
    state = torchvisions("inception_v3", init_weights=False)
    assert state["Mixed_6b.branch7x7_2.conv.weight"].shape == (128, 128, 1, 7)
    state["Mixed_6b.branch7x7_2.conv.weight"] = thin((128, 128, 7, 1))
    words = ": Mixed_6b.branch7x7_2.conv.weight is (128, 128, 7, 1); the network's Mixed_6b.1.3.weight is (128, 128, 1, 7)."
    assert refusal(saved(tmp_path, state), "inception_v3_torch").startswith(words)


def test_pictures_that_a_network_cannot_read_are_refused(tmp_path):
    path = saved(tmp_path, torchvisions("inception_v3", init_weights=False))
    with pytest.raises(ModelError, match="inception_v3_torch cannot read pictures of 40 x 40: Mixed_6a"):
        of_file(path, "inception_v3_torch", trained=Trained(imagenet(40, 40)))


# --- pairing ------------------------------------------------------------------------------------------------------------


def test_a_bias_before_a_batch_norm_is_taken_off_its_mean():
    net = Chain(Conv(4, 3, bias=False), BatchNorm(), GlobalAvgPool(), FC(2))
    theirs = peers.randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    units = [Unit(str(place), {**theirs[place].state_dict()}) for place in (0, 4)]
    norm = {role: tensor for role, tensor in theirs[1].state_dict().items() if role != "num_batches_tracked"}
    network = build(net, (3, 9, 9))
    network.load_state_dict(paired(net, (3, 9, 9), [*units, Unit("1", norm)], "file"))
    peers.agree(network, theirs, peers.pictures((3, 9, 9)))


@pytest.mark.parametrize("norm", [BatchNorm(), None])
def test_a_bias_that_nothing_can_take_is_refused(norm):
    net = Chain(Conv(4, 3, bias=False), GlobalAvgPool(), *([norm] if norm else []), FC(2, bias=False))
    arrays = {"weight": torch.ones(2, 4), "bias": torch.ones(2)}
    units = [Unit("a", {"weight": torch.ones(4, 3, 3, 3)}), Unit("b", arrays)]
    units += [Unit("n", {"running_mean": torch.ones(4), "running_var": torch.ones(4)})] if norm else []
    with pytest.raises(ModelError, match=r"^file has b\.bias; the network's \d has none, nor a batch norm behind it that could take it\.$"):
        paired(net, (3, 9, 9), units, "file")


def test_another_epsilon_is_made_up_for_in_the_variance():
    net = Chain(BatchNorm(1e-5), GlobalAvgPool(), FC(3))
    norm = peers.randomised(nn.BatchNorm2d(3, eps=1e-2))
    linear = peers.randomised(nn.Linear(3, 3))
    arrays = {role: tensor for role, tensor in norm.state_dict().items() if role != "num_batches_tracked"}
    units = [Unit("norm", arrays, epsilon=1e-2), Unit("linear", linear.state_dict())]
    network = build(net, (3, 5, 5))
    network.load_state_dict(paired(net, (3, 5, 5), units, "file"))
    x = peers.pictures((3, 5, 5))
    with torch.no_grad():
        peers.assert_same(network.eval()(x), linear(norm(x).mean((2, 3))))


# --- what is no file of weights -----------------------------------------------------------------------------------------


class Trap:
    """What a pickle can do: run whatever its author likes when it is read."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('sprung').touch()",)


def test_a_pickled_module_or_anything_that_would_run_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    torch.save({"state_dict": akamasters(), "args": Trap()}, tmp_path / "trap.pth")
    torch.save({"linear.weight": Trap()}, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(Trap()))
    np.savez(tmp_path / "objects.npz", **{"linear.weight": np.array([Trap()], object)})
    for name in ("module.pth", "trap.pth", "legacy.pth"):
        assert refusal(tmp_path / name, "resnet20").startswith(" holds more than tensors, and nothing else of it is read (")
    assert refusal(tmp_path / "pickle.pth", "resnet20", "akamaster")
    assert refusal(tmp_path / "objects.npz", "resnet20", "akamaster").startswith(" is damaged, or holds more than arrays")
    assert not (tmp_path / "sprung").exists()


def test_a_program_of_torchs_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its age
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "program.pt")
    assert refusal(tmp_path / "program.pt", "resnet20")


@pytest.mark.parametrize("held", [{}, [], None, {"epoch": 3}, {"state_dict": {}}, torch.ones(3)])
def test_what_holds_no_state_dict_is_refused(tmp_path, held):
    assert "state dict was expected" in refusal(saved(tmp_path, held), "resnet20")


def test_what_is_no_file_of_weights_is_said_so(tmp_path):
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.pth").write_text("<html>404</html>")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed:
        packed.writestr("readme.txt", "hello")
    with zipfile.ZipFile(tmp_path / "arrays.zip", "w") as packed:
        packed.writestr("a.npy", "hello")
    (tmp_path / "folder").mkdir()
    words = {
        "empty.pth": " is empty.",
        "text.pth": " is no file of weights that is known here: torch, ",
        "other.zip": " is damaged, or no file of torch's (",
        "arrays.zip": " is damaged, or holds more than arrays (",
        "folder": " cannot be read: Is a directory.",
        "none": " cannot be read: No such file or directory.",
    }
    for name, said in words.items():
        assert refusal(tmp_path / name, "resnet20").startswith(said), name


def test_a_file_of_nobody_who_is_known_is_refused_with_who_could_be_said(tmp_path):
    path = saved(tmp_path, {"stem.weight": torch.ones(3)})
    assert "(the first is 'stem')" in refusal(path, "resnet20") and "say --origin: akamaster, " in refusal(path, "resnet20")
    with pytest.raises(ModelError, match="There is no origin 'akamasters'. Did you mean 'akamaster'?"):
        of_file(path, "resnet20", "akamasters")


@pytest.mark.parametrize("low", [0x80, 0x50])
def test_safetensors_are_known_whatever_the_length_of_their_header_begins_with(tmp_path, low):
    path = tmp_path / "weights.safetensors"
    for filler in range(0, 256, 4):
        save_file({"linear.weight": torch.ones(2)}, path, {"said": "x" * filler})
        if path.read_bytes()[0] == low:
            break
    assert path.read_bytes()[0] == low
    assert contents(path).format == "safetensors"


# --- damage -------------------------------------------------------------------------------------------------------------


def written(format, path):
    """A whole file of a ResNet-20, small: it holds ones."""
    state = akamasters()
    if format == "safetensors":
        save_file({name: tensor.clone() for name, tensor in state.items()}, path)
    elif format == "npz":
        np.savez_compressed(path, **{name: tensor.numpy() for name, tensor in state.items()})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=format == "zip")
    return path.read_bytes()


def opened(path):
    """The model that a file holds, or the words in which it is refused."""
    try:
        return of_file(path, "resnet20", "akamaster")
    except ModelError as error:
        return str(error)


@pytest.mark.parametrize("format", ["zip", "pickle", "safetensors", "npz"])
@pytest.mark.parametrize("times", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_a_damaged_file_is_a_model_or_is_refused(tmp_path, format, times):
    path = tmp_path / f"weights.{format}"
    whole = written(format, path.with_suffix(".npz") if format == "npz" else path)
    path.write_bytes(whole)
    assert isinstance(opened(path), Model)
    chance = random.Random(times)
    for _ in range(times):
        path.write_bytes(whole[: chance.randrange(len(whole))])
        assert opened(path).startswith(str(path))
    for _ in range(2 * times):
        damaged = bytearray(whole)
        place = chance.choice((chance.randrange(len(whole)), chance.randrange(min(4000, len(whole)))))  # much of what counts stands first
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        found = opened(path)
        assert isinstance(found, Model) or found.startswith(str(path))


def test_where_the_weights_are_from_is_in_the_model_file_too(tmp_path):
    model = of_file(saved(tmp_path, akamasters()), "resnet20")
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.data == model.data == {"name": "cifar10, by akamaster", "file": "weights.pth", "sha256": model.data["sha256"]}
    assert (again.net, again.pixels, again.classes) == (model.net, model.pixels, model.classes)
