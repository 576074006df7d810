"""The model file: whole or not there, refused if a bit is off or if it says what cannot be, never executed, and enough to predict."""

import errno
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from hubel import placing, weights
from hubel.build import build
from hubel.errors import HubelError, ModelError, PictureError
from hubel.evaluation import predicted
from hubel.model import Model, load, probabilities
from hubel.pictures.pixels import Pixels
from hubel.reading import read

NET = "Chain(conv1=Conv(4, 3) >> BatchNorm() >> ReLU() >> MaxPool(2), fc2=Flatten() >> FC({}))"
CLASSES = ("cat", "dog", "owl")


def made(outputs=3, channels=3, classes=CLASSES):
    """A model with fresh weights, and a batch norm that has seen pictures."""
    net, shape = read(NET.format(outputs)), (channels, 10, 10)
    network = build(net, shape, seed=3)
    network(torch.rand(8, *shape, generator=torch.Generator().manual_seed(1)))
    policy = Pixels(channels, 10, 10, mean=(0.4,), deviation=(0.25,), kernel="bicubic", background=9)
    data = {"name": "pets", "fingerprint": "00"}
    return Model(net, shape, classes, policy, network.eval(), {"epochs": 3, "lr": 0.1}, data, {"accuracy": 0.5})


def batch(channels=3, count=5):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 10, 10, channels), np.uint8))


def refused(use, path):
    """The one sentence with which a file is refused: a ModelError that names it."""
    with pytest.raises(ModelError) as caught:
        use(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


# --- tensors and what is said of them -----------------------------------------------------------------------------------


def everything():
    """Tensors of many types and shapes, by name."""
    draw = torch.Generator().manual_seed(0)
    found = {}
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        for shape in ((), (0,), (1,), (3, 0, 2), (2, 3), (4, 3, 2, 5)):
            found[f"{dtype}{shape}"] = torch.randn(shape, generator=draw).to(dtype)
    for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64):
        found[f"{dtype}"] = torch.randint(0, 100, (3, 2), generator=draw).to(dtype)
    found["bool"] = torch.tensor([True, False])
    found["odd values"] = torch.tensor([torch.inf, -torch.inf, torch.nan, -0.0, 1e-45])
    found["large and small"] = torch.tensor([2**63 - 1, -(2**63)])
    found["channels last"] = torch.randn(2, 3, 4, 5, generator=draw).contiguous(memory_format=torch.channels_last)
    found["every other"] = torch.arange(10)[::2]
    found["transposed"] = torch.arange(6).view(2, 3).T
    found["with a gradient"] = torch.ones(2, requires_grad=True)
    found["näme.with.dots"] = torch.ones(1)
    return found


SAID = {"text": 'é\n"\\ \ud800', "number": 0.1, "none": None, "list": [1, [2, {"deep": True}]], "empty": {}}


def bits(tensor):
    return tensor.detach().contiguous().flatten().view(torch.uint8).tolist()


def test_tensors_and_what_is_said_come_back_to_the_bit(tmp_path):
    path, tensors = tmp_path / "some.safetensors", everything()
    digest = weights.write(path, tensors, SAID)
    found, said = weights.read(path)
    assert said == SAID
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (found[name].dtype, found[name].shape, bits(found[name])) == (tensor.dtype, tensor.shape, bits(tensor)), name
    assert weights.digest(found, json.dumps(SAID)) == digest


def test_no_tensors_and_nothing_said_is_a_file_too(tmp_path):
    weights.write(tmp_path / "none", {}, {})
    assert weights.read(tmp_path / "none") == ({}, {})


def test_the_digest_tells_names_types_shapes_values_and_words_apart():
    zero = torch.zeros(2, 2)
    others = [
        ({"a": zero}, ""),
        ({"b": zero}, ""),
        ({"a": zero.int()}, ""),
        ({"a": zero.view(4)}, ""),
        ({"a": -zero}, ""),
        ({"a": zero}, "{}"),
        ({"a": zero, "b": zero}, ""),
        ({}, ""),
    ]
    assert len({weights.digest(*other) for other in others}) == len(others)
    assert weights.digest({"a": zero, "b": zero + 1}) == weights.digest({"b": zero + 1, "a": zero})


def test_any_reader_of_safetensors_can_read_it(tmp_path):
    weights.write(tmp_path / "some", {"a": torch.arange(3)}, {"x": 1})
    with safetensors.safe_open(tmp_path / "some", "pt") as file:
        assert file.metadata()[weights.SAYS] == '{"x": 1}'
        assert file.get_tensor("a").tolist() == [0, 1, 2]


# --- damage -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The bytes of a small file, header, text and two tensors."""
    path = tmp_path_factory.mktemp("small") / "file"
    weights.write(path, {"a.weight": torch.randn(3, 2), "b": torch.tensor(7)}, {"net": "FC(2)", "classes": ["cat", "dog"], "share": 0.1})
    return path.read_bytes()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The bytes of a model file."""
    path = tmp_path_factory.mktemp("large") / "file"
    made().save(path)
    return path.read_bytes()


def put(path, data):
    """A new file with these bytes; a file system may take its time where an old one is overwritten."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def spoilt(path, data, truth):
    """Whether a file of these bytes is refused; if it is not, what is read from it must be the truth, to the bit."""
    put(path, data)
    try:
        tensors, said = weights.read(path)
    except ModelError as error:
        return str(path) in str(error)
    wanted, words = truth
    same = tensors.keys() == wanted.keys() and said == words
    assert same and all(
        (tensors[name].dtype, tensors[name].shape, bits(tensors[name])) == (wanted[name].dtype, wanted[name].shape, bits(wanted[name]))
        for name in wanted
    )
    return False


def test_every_single_bit_is_guarded(tmp_path, small):
    path = tmp_path / "file"
    path.write_bytes(small)
    truth = weights.read(path)
    taken = [bit for bit in range(8 * len(small)) if not spoilt(path, flipped(small, bit), truth)]
    assert taken == []


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_bit_anywhere_in_a_model_file_is_guarded(tmp_path, large):
    path, draw = tmp_path / "file", np.random.default_rng(0)
    for bit in [*range(64), *draw.integers(0, 8 * len(large), 200).tolist(), 8 * len(large) - 1]:
        put(path, flipped(large, bit))
        refused(load, path)


def test_a_file_cut_off_or_drawn_out_is_refused(tmp_path, small, large):
    path = tmp_path / "file"
    for data in small, large:
        for length in [*range(0, len(data), max(1, len(data) // 100)), len(data) - 1]:
            put(path, data[:length])
            refused(weights.read, path)
        for more in (b"\0", b"x", b" ", bytes(8), data):
            put(path, data + more)
            refused(weights.read, path)


def test_bytes_swapped_or_zeroed_are_refused(tmp_path, large):
    path, half = tmp_path / "file", len(large) // 2
    for data in (large[:-400] + bytes(400), large[:half] + bytes(len(large) - half), large[::-1], large[half:] + large[:half], large[1:]):
        path.write_bytes(data)
        refused(load, path)


# --- whole or not there -------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file"
    for data in (b"old", b"new and longer", b""):
        placing.place(path, data)
        assert path.read_bytes() == data
        assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()], ids=repr)
@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("old", [b"old", None], ids=["over an old file", "where there is none"])
def test_an_error_on_the_way_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, error, step, old):
    path = tmp_path / "file"
    if old:
        path.write_bytes(old)

    def fail(*given):
        raise error

    monkeypatch.setattr(placing.os, step, fail)
    with pytest.raises(type(error)):
        placing.place(path, b"new" * 1000)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({"file": old} if old else {})


def test_an_error_while_writing_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        placing.place(path, "no bytes")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"file": b"old"}


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_folder_after(tmp_path, monkeypatch):
    steps, path = [], tmp_path / "file"
    truly = {"fsync": os.fsync, "replace": os.replace}

    def told(step):
        def act(first, *others):
            target = os.readlink(f"/proc/self/fd/{first}") if step == "fsync" else str(others[0])
            steps.append((step, Path(target).name.startswith("."), os.path.isdir(target), path.exists()))
            return truly[step](first, *others)

        return act

    for step in truly:
        monkeypatch.setattr(placing.os, step, told(step))
    placing.place(path, b"new")
    assert steps == [("fsync", True, False, False), ("replace", False, False, False), ("fsync", False, True, True)]


# --- what is no model file ----------------------------------------------------------------------------------------------


class Evil:
    """Runs as soon as it is unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def header(text, data=b""):
    return struct.pack("<Q", len(text)) + text + data


def guarded(text):
    """A file without tensors that says this text, with the right digest."""
    return safetensors.torch.save({}, {weights.SAYS: text, weights.DIGEST: weights.digest({}, text)})


DEEP = "[" * 100_000 + "]" * 100_000

NO_MODEL = {
    "an empty file": b"",
    "a few bytes": b"\x08\0\0",
    "text": b"this is not a model file, but it is longer than eight bytes",
    "zeros": bytes(1000),
    "JSON": b'{"hubel": "{}", "sha256": ""}',
    "a foreign safetensors file": safetensors.torch.save({"a": torch.zeros(2)}),
    "a foreign safetensors file with metadata": safetensors.torch.save({"a": torch.zeros(2)}, {"format": "pt"}),
    "words without a digest": safetensors.torch.save({"a": torch.zeros(2)}, {"hubel": "{}"}),
    "a digest without words": safetensors.torch.save({"a": torch.zeros(2)}, {"sha256": weights.digest({"a": torch.zeros(2)})}),
    "a wrong digest": safetensors.torch.save({"a": torch.zeros(2)}, {"hubel": "{}", "sha256": "0" * 64}),
    "the digest of the tensors alone": safetensors.torch.save({}, {"hubel": '{"a": 1}', "sha256": weights.digest({})}),
    "a huge header": struct.pack("<Q", 2**63) + b"{}",
    "the hugest header": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a header longer than the file": struct.pack("<Q", 2**30) + b"{}" * 50,
    "a list for a header": header(b"[]"),
    "a header of nothing": header(b"null"),
    "metadata that is a list": header(b'{"__metadata__": []}'),
    "metadata of numbers": header(b'{"__metadata__": {"hubel": 1, "sha256": 2}}'),
    "deep metadata": header(b'{"__metadata__": ' + DEEP.encode() + b"}"),
    "a deep header": header(DEEP.encode()),
    "a tensor larger than any memory": header(b'{"a": {"dtype": "F32", "shape": [1152921504606846976], "data_offsets": [0, 4]}}', bytes(4)),
    "a tensor outside of the file": header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4000, 4004]}}', bytes(4)),
    "a tensor of an unknown type": header(b'{"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}', bytes(4)),
    "a header in Latin-1": header(b'{"__metadata__": {"hubel": "\xe9"}}'),
    "deep words with the right digest": guarded(DEEP),
    "words that are no JSON, with the right digest": guarded("{'net': 1}"),
    "a number of 5,000 digits, with the right digest": guarded(f'{{"net": {"9" * 5000}}}'),
}


@pytest.mark.parametrize("use", [weights.read, load])
@pytest.mark.parametrize("name", NO_MODEL)
def test_what_is_no_model_file_is_refused(tmp_path, name, use):
    path = tmp_path / "some.safetensors"
    path.write_bytes(NO_MODEL[name])
    refused(use, path)


@pytest.mark.parametrize("use", [weights.read, load])
def test_what_is_no_file_is_refused(tmp_path, use):
    (tmp_path / "loop").symlink_to("loop")
    assert ("Is a directory" if use is weights.read else "model.safetensors cannot be read") in refused(use, tmp_path)
    assert "No such file" in refused(use, tmp_path / "missing.safetensors")
    assert "symbolic links" in refused(use, tmp_path / "loop")


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(ModelError):
        load("a\0b.safetensors")


@pytest.mark.parametrize("form", ["a pickle", "torch.save", "torch.save of old", "a pickle behind a header"])
def test_nothing_is_ever_unpickled(tmp_path, monkeypatch, form):
    path, witness = tmp_path / "model.pth", tmp_path / "witness"
    if form == "a pickle":
        path.write_bytes(pickle.dumps(Evil(witness)))
    elif form == "a pickle behind a header":
        path.write_bytes(header(pickle.dumps(Evil(witness))))
    else:
        torch.save({"state_dict": Evil(witness)}, path, _use_new_zipfile_serialization=form == "torch.save")

    def fail(*given, **named):
        raise AssertionError("something was unpickled")

    for place, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(place, name, fail)
    refused(load, path)
    assert not witness.exists()


# --- files that say what cannot be --------------------------------------------------------------------------------------


def rewritten(path, said=None, tensors=None):
    """The model file with some of what it says, or of its tensors, changed (None: taken out), and a right digest."""
    there, words = weights.read(path)
    for whole, changes in ((words, said or {}), (there, tensors or {})):
        for name, value in changes.items():
            if value is None:
                del whole[name]
            else:
                whole[name] = value
    weights.write(path, there, words)


def pixels(**changes):
    return {"pixels": {**made().pixels.to_json(), **changes}}


BIAS = "fc2.1.bias"

# what is changed (words, tensors), and what the sentence says
IMPOSSIBLE = {
    "a network of more outputs": ({"net": NET.format(4)}, {}, "names 3 classes, but its network gives 4"),
    "a network of other shapes": ({"net": NET.format(3).replace("Conv(4, 3)", "Conv(6, 3)")}, {}, "the network has"),
    "a network of other names": ({"net": NET.format(3).replace("fc2", "fc3")}, {}, "missing|more than the network has"),
    "a network with a layer more": ({"net": NET.format(3).replace("BatchNorm() >> ", "BatchNorm() >> BatchNorm() >> ")}, {}, "missing"),
    "an unknown layer": ({"net": "Chain(conv1=Konv(4, 3))"}, {}, "There is no layer or joint 'Konv'"),
    "code": ({"net": "__import__('os').system('true')"}, {}, "says what cannot be"),
    "a layer that cannot be": ({"net": "Chain(conv1=Conv(-4, 3))"}, {}, "says what cannot be"),
    "a network that the input does not fit": ({"input": [3, 2, 2]}, {}, "says what cannot be"),
    "a network that is a number": ({"net": 3}, {}, "says what cannot be"),
    "no network": ({"net": None}, {}, "net"),
    "an input of words": ({"input": "large"}, {}, "says what cannot be"),
    "an input of no side": ({"input": []}, {}, "says what cannot be"),
    "an input of parts": ({"input": [3, 10.5, 10]}, {}, "says what cannot be"),
    "another input": ({"input": [3, 12, 12]}, {}, "makes pictures of 3x10x10, but its network reads 3x12x12"),
    "an input that is not what the pictures become": (pixels(height=11, width=11), {}, ""),
    "a later format": ({"format": 99}, {}, "has format 99; this version reads format 1"),
    "no format": ({"format": None}, {}, "format"),
    "a missing tensor": ({}, {BIAS: None}, f"the tensor '{BIAS}' is missing"),
    "a tensor too many": ({}, {"fc9.bias": torch.zeros(3)}, "the tensor 'fc9.bias' is more than the network has"),
    "a tensor of another shape": ({}, {BIAS: torch.zeros(4)}, f"the tensor '{BIAS}' is (4,); the network has (3,)"),
    "a tensor of as many values": ({}, {BIAS: torch.zeros(3, 1)}, f"the tensor '{BIAS}' is (3, 1); the network has (3,)"),
    "a class too few": ({"classes": ["cat", "dog"]}, {}, ""),
    "a class too many": ({"classes": [*CLASSES, "ox"]}, {}, ""),
    "no classes": ({"classes": []}, {}, ""),
    "classes that are a word": ({"classes": "cat"}, {}, ""),
    "classes that are a table": ({"classes": {"cat": 0, "dog": 1, "owl": 2}}, {}, ""),
    "classes that are a number": ({"classes": 3}, {}, "says what cannot be"),
    "classes left out": ({"classes": None}, {}, "classes"),
    "a pixel policy of two channels": (pixels(channels=2, mean=[0, 0], deviation=[1, 1]), {}, "says what cannot be"),
    "a pixel policy of another kernel": (pixels(kernel="magic"), {}, "says what cannot be"),
    "a pixel policy with a stranger": (pixels(sharpen=1), {}, "says what cannot be"),
    "a pixel policy of part of a row": (pixels(height=10.5), {}, ""),
    "a pixel policy of words": (pixels(mean="grey"), {}, "says what cannot be"),
    "a pixel policy that is a list": ({"pixels": [3, 10, 10]}, {}, "says what cannot be"),
    "no recipe": ({"recipe": None}, {}, "recipe"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    made().save(path)
    return path


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_file_that_says_what_cannot_be_is_refused(file, name):
    said, tensors, words = IMPOSSIBLE[name]
    rewritten(file, said, tensors)
    text = refused(load, file)
    assert any(choice in text for choice in words.split("|"))


def test_a_network_that_no_memory_holds_is_refused(file):
    rewritten(file, {"net": f"Flatten() >> FC({10**9})", "input": [3, 1000, 1000]})  # 12 million GB of weights
    refused(load, file)


@pytest.mark.parametrize("words", [[], "model", 3, None], ids=repr)
def test_a_file_that_says_something_else_than_a_table_is_refused(file, words):
    weights.write(file, weights.read(file)[0], words)
    refused(load, file)


def test_a_file_rewritten_unchanged_is_the_same_model(file):
    before = load(file)
    rewritten(file)
    again = load(file)
    assert (again.net, again.classes, again.pixels, again.recipe) == (before.net, before.classes, before.pixels, before.recipe)
    assert torch.equal(again.scores(batch()), before.scores(batch()))


# --- models -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "channels"), [(3, 3), (3, 1), (1, 3)])
def test_a_model_comes_back_with_scores_equal_to_the_bit(tmp_path, outputs, channels):
    model = made(outputs, channels, CLASSES if outputs > 1 else ("cat", "dog"))
    path = tmp_path / "model.safetensors"
    digest = model.save(path)
    for place in (path, str(path)):
        found = load(place)
        for name in ("net", "input", "classes", "pixels", "recipe", "data", "results"):
            assert getattr(found, name) == getattr(model, name), name
        assert torch.equal(found.scores(batch(channels)), model.scores(batch(channels)))
        assert not found.network.training
    assert found.save(path) == digest


def test_saving_again_leaves_one_file_and_a_model_that_is_loaded_does_not_follow_it(tmp_path):
    path, model = tmp_path / "model.safetensors", made()
    model.save(path)
    first = load(path)
    before = first.scores(batch()).clone()
    with torch.no_grad():
        model.network.get_parameter(BIAS).add_(1)
    model.save(path)
    assert os.listdir(tmp_path) == ["model.safetensors"]
    assert torch.equal(first.scores(batch()), before)
    torch.testing.assert_close(load(path).scores(batch()), before + 1)


def test_names_of_classes_come_back_whatever_characters_they_have(tmp_path):
    classes = ("café \N{CAT FACE}", os.fsdecode(b"caf\xe9"), 'a "quoted", comma\\\n')
    made(classes=classes).save(tmp_path / "model")
    assert load(tmp_path / "model").classes == classes


def test_scores_are_those_of_the_network_on_the_policys_tensor_in_evaluation_mode():
    model = made()
    with torch.no_grad():
        wanted = model.network(model.pixels.tensor(batch()))
    model.network.train()
    found = model.scores(batch())
    assert (found.dtype, tuple(found.shape), found.requires_grad) == (torch.float32, (5, 3), False)
    assert torch.equal(found, wanted)


def test_probabilities_are_softmax_and_for_one_output_sigmoid():
    scores = torch.tensor([[0.0, 1.0, -2.0], [1000.0, 0.0, -1000.0]])
    wanted = torch.exp(scores.double() - scores.double().amax(1, keepdim=True))
    torch.testing.assert_close(probabilities(scores).double(), wanted / wanted.sum(1, keepdim=True), rtol=1e-6, atol=1e-12)
    one = torch.tensor([[0.0], [2.0], [-3.0], [200.0]])
    found = probabilities(one)
    assert torch.equal(found.sum(1), torch.ones(4))
    torch.testing.assert_close(found[:, 1].double(), 1 / (1 + torch.exp(-one[:, 0].double())))


def test_a_model_of_one_output_tells_two_classes_apart():
    model = made(1, 3, ("cat", "dog"))
    found = model.probabilities(batch())
    assert tuple(found.shape) == (5, 2)
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    for picture, score in zip(batch().numpy(), model.scores(batch())[:, 0].tolist()):
        prediction = model.predict(picture)
        assert prediction.label == ("dog" if score > 0 else "cat")
        assert sum(share for _, share in prediction.ranked) == pytest.approx(1)


def test_a_prediction_ranks_every_class_with_its_probability():
    model = made()
    for picture, row in zip(batch().numpy(), model.probabilities(batch())):
        found = model.predict(picture)
        shares = dict(found.ranked)
        assert set(shares) == set(CLASSES)
        assert [shares[name] for name in CLASSES] == pytest.approx(row.tolist(), rel=1e-5)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert (found.label, found.probability) == found.ranked[0]
        assert found.label == CLASSES[int(row.argmax())]
        assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_path_a_picture_and_an_array_are_predicted_alike(tmp_path, channels):
    model, path = made(channels=channels), tmp_path / "some.png"
    array = np.random.default_rng(4).integers(0, 256, (23, 17, 3), np.uint8)
    for given in (array, array[..., 0]):
        picture = Image.fromarray(np.ascontiguousarray(given))
        picture.save(path)
        wanted = model.predict(path)
        assert wanted.name == str(path)
        for other in (str(path), picture, given, np.asfortranarray(given), np.ascontiguousarray(given)):
            found = model.predict(other)
            assert found.ranked == wanted.ranked
            assert found.name == (str(path) if isinstance(other, str) else "")


def test_many_pictures_are_predicted_each_as_alone_and_in_order():
    model = made()
    pictures = list(np.random.default_rng(2).integers(0, 256, (150, 10, 10, 3), np.uint8))
    found = model.predict_all(pictures)
    assert len(found) == 150
    for picture, prediction in zip(pictures, found):
        alone = dict(model.predict(picture).ranked)
        assert dict(prediction.ranked) == {name: pytest.approx(share, rel=1e-4) for name, share in alone.items()}
    assert model.predict_all([]) == []


UNUSABLE = {
    "numbers with a point": np.zeros((10, 10, 3), np.float32),
    "numbers of 16 bits": np.zeros((10, 10), np.uint16),
    "signed numbers": np.zeros((10, 10, 3), np.int64),
    "truth": np.zeros((10, 10), bool),
    "four channels": np.zeros((10, 10, 4), np.uint8),
    "one channel": np.zeros((10, 10, 1), np.uint8),
    "channels first": np.zeros((3, 10, 10), np.uint8),
    "a batch": np.zeros((1, 10, 10, 3), np.uint8),
    "a row": np.zeros(10, np.uint8),
    "one value": np.zeros((), np.uint8),
    "no row": np.zeros((0, 10, 3), np.uint8),
    "no column": np.zeros((10, 0), np.uint8),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_array_that_is_no_picture_is_refused_with_its_type_and_shape(name):
    array = UNUSABLE[name]
    with pytest.raises(PictureError, match="uint8") as caught:
        made().predict(array)
    assert f"{array.dtype} array of shape {array.shape}" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    (tmp_path / "some.png").write_bytes(b"no picture")
    for place, reason in (
        (tmp_path / "missing.png", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "some.png", "not a picture"),
    ):
        for given in (place, str(place)):
            with pytest.raises(PictureError, match=reason) as caught:
                made().predict(given)
            assert str(caught.value).startswith(f"{place}: ")


def test_a_picture_that_the_user_opened_from_a_damaged_file_is_refused(tmp_path):
    array = np.random.default_rng(4).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:3000])
    with Image.open(tmp_path / "cut.png") as picture, pytest.raises(PictureError):
        made().predict(picture)


def test_a_picture_of_floating_point_numbers_is_refused():
    with pytest.raises(PictureError, match="floating-point"):
        made().predict(Image.new("F", (10, 10), 2.0))


def test_classes_that_disagree_are_refused_with_both_lists():
    model = made()
    model.refuse_other_classes(CLASSES, "pets")
    for other in (("cat", "dog"), ("owl", "dog", "cat"), ("cat", "dog", "ox"), ()):
        with pytest.raises(ModelError) as caught:
            model.refuse_other_classes(other, "my pets")
        text = str(caught.value)
        assert "cat, dog, owl" in text
        assert ", ".join(other) in text
        assert "my pets" in text


def test_a_sets_classes_are_found_among_the_models_by_name():
    model = made()
    assert model.numbers_of(CLASSES, "pets") == [0, 1, 2]
    assert model.numbers_of(("owl", "cat"), "some pets") == [2, 0]
    twice = made(classes=("cat", "crane", "crane"))
    assert twice.numbers_of(("cat", "crane", "crane"), "the same") == [0, 1, 2]
    for which, other in ((model, ("cat", "ox")), (model, ("Cat", "dog")), (twice, ("cat", "crane"))):
        with pytest.raises(ModelError) as caught:
            which.numbers_of(other, "my pets")
        assert ", ".join(which.classes) in str(caught.value) and ", ".join(other) in str(caught.value) and "my pets" in str(caught.value)


def test_folders_that_are_called_by_wordnet_ids_are_found_among_classes_with_a_word_behind_them():
    model = made(classes=("n02123045 tabby", "n02084071 dog", "n00001 ant"))
    assert model.numbers_of(("n02084071", "n02123045"), "folders") == [1, 0]
    assert model.numbers_of(("n02123045 cat",), "another's words") == [0]
    with pytest.raises(ModelError, match="n00001 are|n00001 is"):
        model.numbers_of(("n00001", "n02084071"), "no such id")


def test_long_lists_of_classes_are_shortened_where_they_disagree():
    many = made(classes=tuple(f"n{i:03d}" for i in range(1000)))
    with pytest.raises(ModelError, match=r"n000, n001, .*, n011 and 988 more; .* has n005, ox\. .*; ox is not\.$"):
        many.numbers_of(("n005", "ox"), "some")


# --- the temperature ----------------------------------------------------------------------------------------------------


def test_a_temperature_is_kept_in_the_file_and_divides_scores_before_they_become_probabilities(tmp_path):
    for outputs, classes in ((3, CLASSES), (1, CLASSES[:2])):
        model = made(outputs, classes=classes)
        model.temperature = 0.37
        model.save(tmp_path / "model.safetensors")
        found = load(tmp_path / "model.safetensors")
        assert found.temperature == 0.37
        scores = found.scores(batch())
        assert torch.equal(scores, made(outputs, classes=classes).scores(batch()))
        full = scores if outputs == 3 else torch.cat([torch.zeros_like(scores), scores], 1)
        torch.testing.assert_close(found.probabilities(batch()), (full / 0.37).softmax(1))
        shares = dict(found.predict(batch()[0].numpy()).ranked)
        assert [shares[name] for name in classes] == pytest.approx(found.probabilities(batch())[0].tolist(), rel=1e-5)


def test_a_file_at_temperature_1_does_not_speak_of_it_and_one_that_does_not_has_it(tmp_path):
    path = tmp_path / "model.safetensors"
    made().save(path)
    assert "temperature" not in weights.read(path)[1]
    assert load(path).temperature == 1.0


@pytest.mark.parametrize(
    "value", [0, -1.0, float("nan"), float("inf"), 1e-300, 10**400, "2", True, None, [1.0]], ids=lambda value: repr(value)[:8]
)
def test_a_temperature_that_is_none_is_refused(tmp_path, value):
    path = tmp_path / "model.safetensors"
    model = made()
    model.save(path)
    tensors, says = weights.read(path)
    weights.write(path, tensors, {**says, "temperature": value})
    assert "temperature" in refused(load, path)
    model.temperature = value
    if value is not True:
        with pytest.raises(ModelError, match="temperature"):
            model.save(tmp_path / "other.safetensors")
        assert not (tmp_path / "other.safetensors").exists()


class Says(nn.Module):
    """A network that gives the same scores for every picture."""

    def __init__(self, scores):
        super().__init__()
        self.said = torch.tensor([scores])

    def forward(self, x):
        return self.said.expand(len(x), -1)


@pytest.mark.parametrize("temperature", [1e-6, 0.01, 1.0, 3.0, 1e6])
@pytest.mark.parametrize(
    "scores", [[0.1, 0.10000001, -2.0], [5.0, 5.000001, 4.0], [90.0, -3.0, 80.0], [1e-30], [-1e-30], [0.0], [40.0]], ids=str
)
def test_no_temperature_changes_what_is_predicted(scores, temperature):
    model = made(len(scores), classes=CLASSES if len(scores) == 3 else CLASSES[:2])
    model.network, model.temperature = Says(scores), temperature
    found = model.predict(batch()[0].numpy())
    assert found.label == model.classes[int(predicted(torch.tensor([scores])))]
    assert [share for _, share in found.ranked] == sorted((share for _, share in found.ranked), reverse=True)


def test_every_refusal_is_of_the_one_family_of_errors():
    assert issubclass(ModelError, HubelError)
    assert issubclass(PictureError, HubelError)


def test_what_is_no_file_is_not_replaced_and_a_link_is_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for place in ("pipe", "folder"):
        with pytest.raises(OSError, match=r"Is (no file|a directory)"):
            placing.place(tmp_path / place, b"new")
    with pytest.raises(OSError, match="Is a directory"):
        placing.place(Path("/"), b"new")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    placing.place(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "link", "pipe"]
