"""Keras's files: what is loaded gives the scores that Keras itself gives, and what is no file of Keras's is refused in one sentence."""

import importlib.util
import io
import os
import random
import re
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry
from hubel.pretrained.files import contents
from hubel.pretrained.opening import of_file
from hubel.pretrained.origins import ORIGINS

DATA = os.environ.get("HUBEL_TEST_DATA")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, of its own variables
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Keras on torch, with its settings in a folder of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        import keras

        yield keras


@pytest.fixture(scope="module")
def photograph():
    """A temple, 640 x 427, which scikit-learn brings along for examples."""
    return Path(importlib.util.find_spec("sklearn").origin).parent / "datasets" / "images" / "china.jpg"


def made(keras, name, **settings):
    """A network of Keras's with weights and statistics at random, that ends in scores."""
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **settings)
    numbers = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(numbers.uniform(0.4, 1, variable.shape))
            elif variable.name in ("beta", "moving_mean", "bias"):
                variable.assign(numbers.normal(0, 0.2, variable.shape))
    return model


def written(model, path):
    """As Keras Applications' own files are, or, by the path's name, as Keras 3's."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def assert_equal_scores(model, preprocess, ours, picture):
    """To a hundred-thousandth of the largest, on a picture that Keras's own preprocessing reads."""
    pixels = ours.pixels.array(Image.open(picture)).copy()[None]
    with torch.no_grad():
        theirs = torch.as_tensor(model(preprocess(pixels.astype(np.float32)), training=False)).cpu()
    got = ours.scores(torch.from_numpy(pixels))
    assert theirs.std() > 0.1
    torch.testing.assert_close(got, theirs, rtol=0, atol=1e-5 * max(1.0, float(theirs.abs().max())))


NETWORKS = {
    "mobilenet_v1_0_25_tf": ("MobileNet", "mobilenet", {"alpha": 0.25}),
    "mobilenet_v1_0_50_tf": ("MobileNet", "mobilenet", {"alpha": 0.5}),
    "mobilenet_v1_0_75_tf": ("MobileNet", "mobilenet", {"alpha": 0.75}),
    "mobilenet_v1_tf": ("MobileNet", "mobilenet", {}),
    "mobilenet_v2": ("MobileNetV2", "mobilenet_v2", {}),
    "resnet50": ("ResNet50", "resnet", {}),
    "resnet101": ("ResNet101", "resnet", {}),
    "resnet152": ("ResNet152", "resnet", {}),
    "densenet121": ("DenseNet121", "densenet", {}),
    "densenet169": ("DenseNet169", "densenet", {}),
    "densenet201": ("DenseNet201", "densenet", {}),
    "inception_v3": ("InceptionV3", "inception_v3", {}),
    "inception_resnet_v2": ("InceptionResNetV2", "inception_resnet_v2", {}),
    "xception": ("Xception", "xception", {}),
    "vgg16": ("VGG16", "vgg16", {}),
    "vgg19": ("VGG19", "vgg19", {}),
}


@pytest.mark.parametrize("row", [pytest.param(row, marks=[pytest.mark.slow] * (row != "mobilenet_v1_0_25_tf")) for row in NETWORKS])
def test_a_network_of_keras_applications_gives_the_scores_that_keras_gives_from_files_of_either_format(keras, row, photograph, tmp_path):
    name, module, settings = NETWORKS[row]
    model, preprocess = made(keras, name, **settings), getattr(keras.applications, module).preprocess_input
    for file in ("network.h5", "network.weights.h5"):
        assert_equal_scores(model, preprocess, of_file(written(model, tmp_path / file), row), photograph)
        (tmp_path / file).unlink()


@pytest.mark.slow
def test_resnet50_of_early_releases_gives_the_scores_that_keras_gives(keras, photograph, tmp_path):
    """Its layers have other names, and its batch norms add 0.001."""
    model = made(keras, "ResNet50")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-3
    written(model, tmp_path / "present.h5")

    def early(name):
        block = re.fullmatch(r"conv(\d)_block(\d)_(\d)_(conv|bn)", name)
        if block is None:
            return {"conv1_conv": "conv1", "conv1_bn": "bn_conv1", "predictions": "fc1000"}[name]
        stage, number, layer, kind = block.groups()
        branch = "1" if layer == "0" else f"2{'abc'[int(layer) - 1]}"
        return f"{'res' if kind == 'conv' else 'bn'}{stage}{'abcdef'[int(number) - 1]}_branch{branch}"

    with h5py.File(tmp_path / "present.h5") as present, h5py.File(tmp_path / "early.h5", "w") as file:
        names = [name for name in present.attrs["layer_names"] if len(present[name].attrs["weight_names"])]
        listed(file, "layer_names", [early(name) for name in names])
        for name in names:
            group = file.create_group(early(name))
            arrays = {f"{early(name)}/{array.rpartition('/')[2]}:0": array for array in present[name].attrs["weight_names"]}
            listed(group, "weight_names", list(arrays))
            for own, array in arrays.items():
                group[own] = present[name][array][()]
    assert_equal_scores(model, keras.applications.resnet.preprocess_input, of_file(tmp_path / "early.h5", "resnet50"), photograph)


def test_of_a_whole_model_the_weights_alone_are_read_and_what_it_says_of_its_layers_is_not(keras, photograph, tmp_path):
    model = made(keras, "MobileNet", alpha=0.25)
    model.save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5", "a") as whole:
        assert "conv_dw_1" in whole.attrs["model_config"]
        whole.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": ["no code, and never looked at"'
    ours = of_file(tmp_path / "whole.h5", "mobilenet_v1_0_25_tf")
    assert_equal_scores(model, keras.applications.mobilenet.preprocess_input, ours, photograph)


def test_a_file_without_its_classifier_is_refused_and_so_is_one_of_another_network(keras, tmp_path):
    headless = keras.applications.MobileNet(weights=None, alpha=0.25, include_top=False, input_shape=(224, 224, 3))
    assert "include_top=False" in refusal(of_file, written(headless, tmp_path / "notop.h5"), "mobilenet_v1_0_25_tf")
    path = written(made(keras, "MobileNet", alpha=0.25, classes=7), tmp_path / "seven.h5")
    with pytest.raises(ModelError, match=r"It fits mobilenet_v1_0_25_tf\."):
        of_file(path, "mobilenet_v1_0_50_tf")
    assert of_file(path, "mobilenet_v1_0_25_tf").classes == tuple("0123456")


@needs_data
def test_mobilenet_as_google_trained_it_recognises_real_pictures():
    """58.5% of them in its first guess and 85.5% in five, by the folder's own account; half a point is one picture."""
    ours = of_file(Path(DATA) / "weights" / "mobilenet_v1_0.25_224_imagenet_tfjs_f32.npz", "mobilenet_v1_0_25_tf")
    with tarfile.open(Path(DATA) / "imagenet-samples" / "samples.tar") as packed:
        pictures = {Path(member.name): packed.extractfile(member).read() for member in packed if member.name.endswith(".jpg")}
    batch = torch.from_numpy(np.stack([ours.pixels.array(Image.open(io.BytesIO(picture))) for picture in pictures.values()]))
    labels = torch.tensor([int(path.name[:4]) for path in pictures])
    ranked = torch.cat([ours.scores(some) for some in batch.split(50)]).topk(5).indices
    assert len(pictures) == 200
    assert abs((ranked[:, 0] == labels).float().mean() - 0.585) <= 0.02
    assert abs((ranked == labels[:, None]).any(1).float().mean() - 0.855) <= 0.02
    assert all(ours.classes[label].startswith(path.stem[5:]) for label, path in zip(labels, pictures))


def test_a_file_of_keras_1_is_laid_out_anew_with_red_first_and_the_inputs_of_the_first_connected_layer_by_channel():
    """Names as in VGG's file of 2016. Five maps of 2 x 3 places are flattened."""
    kernel, dense = torch.rand(3, 3, 3, 5), torch.rand(2 * 3 * 5, 4)
    entries = [
        Entry("block1_conv1", {"block1_conv1_W_1": kernel, "block1_conv1_b_1": torch.rand(5)}),
        Entry("fc1", {"fc1_W_1": dense, "fc1_b_1": torch.rand(4)}),
        Entry("predictions", {"predictions_W_1": torch.rand(4, 7), "predictions_b_1": torch.rand(7)}),
    ]
    conv1, fc1, predictions = ORIGINS["keras"].units(entries)
    assert conv1.arrays["weight"].shape == (5, 3, 3, 3) and predictions.arrays["weight"].shape == (7, 4)
    assert conv1.arrays["weight"][4, 0, 1, 2] == kernel[1, 2, 2, 4]  # the last of blue, green, red
    maps = torch.rand(1, 5, 2, 3)
    torch.testing.assert_close(maps.flatten(1) @ fc1.arrays["weight"].t(), maps.permute(0, 2, 3, 1).flatten(1) @ dense)
    assert conv1.called("weight") == "block1_conv1.block1_conv1_W_1"


def test_layers_that_lie_in_the_order_of_the_alphabet_come_in_that_of_the_network():
    layers = ("conv1", "conv_dw_1", "conv_pw_1", "conv_dw_2", "conv_pw_2", "conv_dw_10", "conv_pw_10", "conv_preds")
    entries = [
        Entry(name, {"depthwise_kernel" if "dw" in name else "kernel": torch.rand(1, 1, 4, 1 if "dw" in name else 4)})
        for name in sorted(layers)
    ]
    units = ORIGINS["keras"].units(entries)
    assert tuple(unit.name for unit in units) == layers
    assert [len(unit.arrays["weight"][0]) for unit in units] == [4, 1, 4, 1, 4, 1, 4, 4]


# --- Files of anybody's -------------------------------------------------------------------------------------------------


def refusal(use, *arguments):
    """What a mistake is answered with: a ModelError that begins with the path."""
    with pytest.raises(ModelError) as caught:
        use(*arguments)
    text = str(caught.value)
    assert text.startswith(str(arguments[0])) and text.endswith("."), text
    return text


def listed(group, name, names):
    """As Keras on TensorFlow writes them: bytes of one length."""
    group.attrs[name] = np.array([text.encode() for text in names])


def legacy(path, change=lambda file: None, names=listed):
    """A small file of two layers, changed."""
    with h5py.File(path, "w") as file:
        names(file, "layer_names", ["input_1", "conv1", "fc"])
        names(file.create_group("input_1"), "weight_names", [])
        for layer, shape in (("conv1", (3, 3, 1, 2)), ("fc", (8, 4))):
            group = file.create_group(layer)
            names(group, "weight_names", [f"{layer}/kernel:0", f"{layer}/bias:0"])
            group[f"{layer}/kernel:0"] = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            group[f"{layer}/bias:0"] = np.zeros(shape[-1], np.float32)
        change(file)
    return path


def of_any_length(group, name, names):
    """As Keras 3 writes them."""
    group.attrs[name] = names


def numbered(path):
    with h5py.File(path, "w") as file:
        for number, name in ((10, "last"), (2, "second"), (0, "first")):
            variables = file.create_group(f"layers/conv2d{'_' * (number > 0)}{number or ''}/vars")
            variables.attrs["name"] = name
            variables["0"] = np.full((3, 3, 1, 2), number, np.float32)
    return path


@pytest.mark.parametrize("names", [listed, of_any_length])
def test_layers_come_in_the_order_that_the_file_lists_with_arrays_by_their_own_names(names, tmp_path):
    found = contents(legacy(tmp_path / "file", names=names))
    assert found.format == "keras"
    assert [(entry.name, list(entry.arrays)) for entry in found.entries] == [("conv1", ["kernel", "bias"]), ("fc", ["kernel", "bias"])]
    assert torch.equal(found.entries[1].arrays["kernel"], torch.arange(32.0).view(8, 4))


def test_a_list_of_names_that_was_too_long_for_one_attribute_is_put_together(tmp_path):
    def parted(file):
        del file.attrs["layer_names"]
        listed(file, "layer_names0", ["input_1", "fc"])
        listed(file, "layer_names1", ["conv1"])

    assert [entry.name for entry in contents(legacy(tmp_path / "file", parted)).entries] == ["fc", "conv1"]


def test_layers_that_keras_3_numbered_come_in_the_order_of_their_numbers_with_the_names_beside_them(tmp_path):
    assert [(entry.name, float(entry.arrays["kernel"].max())) for entry in contents(numbered(tmp_path / "file")).entries] == [
        ("first", 0.0), ("second", 2.0), ("last", 10.0)
    ]  # fmt: skip


def replaced(path, value):
    def change(file):
        group, _, name = path.rpartition("/")
        del file[path]
        value(file[group or "/"], name)

    return change


def elsewhere(group, name):
    group.create_dataset(name, (8, 4), "f4", external=[("/dev/zero", 0, 128)])


def virtual(group, name):
    layout = h5py.VirtualLayout((8, 4), "f4")
    layout[:] = h5py.VirtualSource("/dev/zero", "kernel", (8, 4))
    group.create_virtual_dataset(name, layout)


def never_written(group, name):
    group.create_dataset(name, (2**20, 2**10), "f4")


KERNEL = "fc/fc/kernel:0"


def many_names(file):
    del file.attrs["layer_names"]
    for part in range(3):
        listed(file, f"layer_names{part}", ["fc"] * 5000)


def one_layer_many_times(file):
    listed(file["fc"], "weight_names", ["fc/bias:0"] * 100)
    for number in range(200):
        file[f"fc_{number}"] = file["fc"]
    listed(file, "layer_names", [f"fc_{number}" for number in range(200)])


# fmt: off
REFUSED = {
    "a link to another file": (replaced("fc", lambda g, n: g.__setitem__(n, h5py.ExternalLink("/dev/zero", "/"))), "not followed"),
    "a link to another place": (replaced(KERNEL, lambda g, n: g.__setitem__(n, h5py.SoftLink("/conv1"))), "links are not followed"),
    "an array in another file": (replaced(KERNEL, elsewhere), "in another file"),
    "an array made of others": (replaced(KERNEL, virtual), "in another file"),
    "a packed array": (replaced(KERNEL, lambda g, n: g.create_dataset(n, (8, 4), "f4", compression="gzip")), "packed"),
    "an array that is not there": (replaced(KERNEL, never_written), "bytes of arrays"),
    "references": (replaced(KERNEL, lambda g, n: g.create_dataset(n, (4,), h5py.ref_dtype)), "floating-point"),
    "whole numbers": (replaced(KERNEL, lambda g, n: g.create_dataset(n, (8, 4), "i4")), "floating-point"),
    "a group for an array": (replaced(KERNEL, lambda g, n: g.create_group(n)), "no array"),
    "an array for a group": (replaced("fc", lambda g, n: g.__setitem__(n, np.zeros(4))), "no group"),
    "a layer that is missing": (lambda file: file.__delitem__("fc"), "nothing of that name"),
    "names that are numbers": (lambda file: file.attrs.__setitem__("layer_names", np.arange(3)), "no list of names"),
    "too many names": (many_names, "too long"),
    "one layer many times": (one_layer_many_times, "more than 10,000 arrays"),
    "neither names nor layers": (lambda file: file.attrs.__delitem__("layer_names"), "no list of layers"),
}
# fmt: on


@pytest.mark.parametrize("what", REFUSED)
def test_what_leads_elsewhere_or_is_no_array_of_weights_is_refused(what, tmp_path):
    change, word = REFUSED[what]
    assert word in refusal(contents, legacy(tmp_path / "file", change))


def test_an_early_file_of_keras_3_that_does_not_name_its_layers_is_refused_with_the_way_to_save_it(tmp_path):
    with h5py.File(numbered(tmp_path / "file"), "a") as file:
        del file["layers/conv2d_2/vars"].attrs["name"]
    assert "model.save('name.h5')" in refusal(contents, tmp_path / "file")


def test_strings_that_could_fill_the_memory_are_refused(tmp_path):
    """A long string, and a list that might mean it ten thousand times."""

    def change(file):
        file.attrs["model_config"] = "x" * 2**20
        of_any_length(file, "layer_names", ["fc"] * 2000)

    assert "too long" in refusal(contents, legacy(tmp_path / "file", change))


def test_without_h5py_the_way_to_install_it_is_said(tmp_path, monkeypatch):
    path = legacy(tmp_path / "file")
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'hubel[keras]'" in refusal(contents, path)


@pytest.mark.parametrize("write", [legacy, numbered])
def test_a_damaged_file_gives_layers_or_is_refused(write, tmp_path):
    whole = write(tmp_path / "whole").read_bytes()
    chance = random.Random(0)
    refused = 0
    for number in range(200):
        data = bytearray(whole)
        if number % 4 == 0:
            del data[chance.randrange(8, len(data)) :]
        else:
            for _ in range(chance.choice((1, 2, 8))):
                data[chance.randrange(8, len(data))] ^= 1 << chance.randrange(8)
        (tmp_path / "damaged").write_bytes(data)
        try:
            contents(tmp_path / "damaged")
        except ModelError:
            refused += 1
    assert 50 <= refused < 200


def test_names_kept_in_a_heap_that_never_ends_are_refused(tmp_path):
    """HDF5's library goes round for ever in the free rest of a heap when that is said to be empty."""
    path = legacy(tmp_path / "file", names=of_any_length)
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL") + 16
    while int.from_bytes(data[place : place + 2], "little"):
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    data[place + 8 : place + 16] = bytes(8)
    path.write_bytes(data)
    assert "does not come to its end" in refusal(contents, path)
