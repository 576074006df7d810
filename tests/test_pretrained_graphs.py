"""Files of graphs, Caffe's and ONNX's: read without their libraries, refused where they are damaged, and the same networks as there."""

import contextlib
import gzip
import io
import os
import random
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import caffefiles
import peers
from caffefiles import field, layer
from hubel.build import build
from hubel.errors import ModelError
from hubel.layers import FC, BatchNorm, Conv, GlobalAvgPool, ReLU
from hubel.nets import NETS
from hubel.pretrained.files import contents, format_of, wire
from hubel.pretrained.opening import of_file
from hubel.pretrained.origins import ORIGINS
from hubel.pretrained.pairing import paired
from hubel.rewrite import judged

DATA = os.environ.get("HUBEL_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="HUBEL_TEST_DATA names no folder of real pictures")
PUBLISHED = Path(DATA or ".") / "weights"


def given(path, bytes):
    path.write_bytes(bytes)
    return path


@torch.inference_mode()
def scores(model, pictures):
    """Of uint8 pictures (N, H, W, C)."""
    return model.network(model.pixels.tensor(torch.from_numpy(np.array(pictures))))


# --- published files --------------------------------------------------------------------------------------------------


@needs_data
def test_caffes_own_lenet_reads_99_percent_of_the_digits_it_never_saw():
    digits, labels = (
        np.frombuffer(gzip.decompress((Path(DATA) / "mnist" / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    model = of_file(PUBLISHED / "caffe_lenet_mnist.caffemodel", "lenet_caffe")
    right = sum(
        (scores(model, part).argmax(1).numpy() == some).sum()
        for part, some in zip(np.split(digits.reshape(-1, 28, 28, 1), 10), np.split(labels, 10))
    )
    assert right == 9906
    assert model.classes == tuple("0123456789")


@needs_data
@pytest.mark.parametrize(
    ("file", "row", "top1", "top5"),
    [
        ("squeezenet_v1.1_imagenet_ncnn_fp16.npz", "squeezenet_1_1", 66.0, 88.0),
        pytest.param("squeezenet_v1.0_imagenet_deepcompressed.npz", "squeezenet_1_0_caffe", 66.5, 83.5, marks=pytest.mark.slow),
    ],
)
def test_squeezenet_as_released_recognises_what_it_did_in_caffe(file, row, top1, top5):
    """Within four of 200 pictures: decoders and resizing differ."""
    model = of_file(PUBLISHED / file, row)
    pictures, labels = [], []
    with tarfile.open(Path(DATA) / "imagenet-samples" / "samples.tar") as packed:
        for member in packed:
            if member.name.endswith(".jpg"):
                pictures.append(model.pixels.array(Image.open(packed.extractfile(member))))
                labels.append(int(Path(member.name).name[:4]))
    found = torch.cat([scores(model, np.stack(pictures[at : at + 20])) for at in range(0, 200, 20)]).topk(5).indices
    hits = found == torch.tensor(labels)[:, None]
    assert abs(hits[:, 0].float().mean() * 100 - top1) <= 2
    assert abs(hits.any(1).float().mean() * 100 - top5) <= 2


# --- Caffe's networks, from files written here ------------------------------------------------------------------------

IMAGENET_MEAN, VGG_MEAN = (104.00698793, 116.66876762, 122.67891434), (103.939, 116.779, 123.68)
NETWORKS = {  # row: the definition, whether in the old manner, the side, what is taken off blue, green, red
    "lenet_caffe": (caffefiles.lenet, True, 28, None),
    "alexnet_caffe": (caffefiles.alexnet, False, 227, IMAGENET_MEAN),
    "caffenet": (caffefiles.caffenet, True, 227, IMAGENET_MEAN),
    "googlenet_caffe": (caffefiles.googlenet, False, 224, (104, 117, 123)),
    "nin_imagenet": (caffefiles.nin, True, 224, IMAGENET_MEAN),
    "vgg16": (caffefiles.vgg16, True, 224, VGG_MEAN),
    "squeezenet_1_0_caffe": (caffefiles.squeezenet, False, 227, (104, 117, 123)),
}
LARGE = ("caffenet", "vgg16")


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.slow) if row in LARGE else row for row in NETWORKS])
def test_a_caffemodel_gives_the_scores_of_caffes_definition(row, tmp_path):
    computed, old, side, mean = NETWORKS[row]
    pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 1 if mean is None else 3), np.uint8)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    x = x / 255 if mean is None else x.flip(1) - torch.tensor(mean).view(3, 1, 1)
    net = caffefiles.Net()
    with torch.inference_mode():
        expected = computed(net, x)
    model = of_file(given(tmp_path / "net.caffemodel", net.written(old)), row)
    peers.assert_same(scores(model, pictures), expected)


PROTO = {  # of caffe.proto: name, number, type, whether repeated
    "BlobShape": [("dim", 1, "int64", True)],
    "BlobProto": [
        *(("num", 1, "int32", False), ("channels", 2, "int32", False), ("height", 3, "int32", False), ("width", 4, "int32", False)),
        *(("data", 5, "float", True), ("diff", 6, "float", True), ("shape", 7, "BlobShape", False), ("double_data", 8, "double", True)),
    ],
    "BatchNormParameter": [("use_global_stats", 1, "bool", False), ("eps", 3, "float", False)],
    "InnerProductParameter": [("num_output", 1, "uint32", False), ("transpose", 6, "bool", False)],
    "LayerParameter": [
        *(("name", 1, "string", False), ("type", 2, "string", False), ("bottom", 3, "string", True), ("blobs", 7, "BlobProto", True)),
        *(("phase", 10, "int32", False), ("inner_product_param", 117, "InnerProductParameter", False)),
        ("batch_norm_param", 139, "BatchNormParameter", False),
    ],
    "NetParameter": [("name", 1, "string", False), ("force_backward", 5, "bool", False), ("layer", 100, "LayerParameter", True)],
}


def caffes(message, packed=True):
    """A message of caffe.proto, by protobuf's own library."""
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    from google.protobuf import descriptor_pb2, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, fields in PROTO.items():
        made = file.message_type.add(name=name)
        for name, number, kind, repeated in fields:
            one = made.field.add(name=name, number=number, label=3 if repeated else 1)
            if kind in PROTO:
                one.type, one.type_name = one.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                one.type = getattr(one, f"TYPE_{kind.upper()}")
                one.options.packed = packed and repeated and kind != "string"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{message}"))()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_norms_and_transposed_products_come_from_protobufs_own_bytes(packed, double, tmp_path):
    """Convolution, BatchNorm of which a sum of weights is kept, Scale, InnerProduct with its weight transposed."""
    noise = torch.Generator().manual_seed(0)
    drawn = {name: torch.rand(shape, generator=noise, dtype=torch.float64) + 0.1 for name, shape in (
        ("filters", (4, 3, 3, 3)), ("bias", (4,)), ("mean", (4,)), ("variance", (4,)), ("scale", (4,)), ("shift", (4,)), ("matrix", (4, 5)), ("last", (5,)))}  # fmt: skip
    if not double:
        drawn = {name: array.float().double() for name, array in drawn.items()}
    net = caffes("NetParameter", packed)
    net.name = "Net"

    def write(name, kind, *arrays):
        one = net.layer.add(name=name, type=kind, bottom=["x"], phase=1)
        for array in arrays:
            made = one.blobs.add()
            made.shape.dim.extend(array.shape)
            (made.double_data if double else made.data).extend(array.flatten().tolist())
            made.diff.extend([1.0])
        return one

    factor = torch.tensor([7.0], dtype=torch.float64)
    write("conv1", "Convolution", drawn["filters"], drawn["bias"])
    write("bn1", "BatchNorm", drawn["mean"] * factor, drawn["variance"] * factor, factor)
    epsilon = 1e-3 if packed else 1e-5  # which is the default
    if packed:
        net.layer[-1].batch_norm_param.eps = epsilon
    write("scale1", "Scale", drawn["scale"], drawn["shift"])
    write("relu1", "ReLU")
    write("fc8", "InnerProduct", drawn["matrix"]).inner_product_param.transpose = True
    net.layer[-1].blobs.add(num=1, channels=1, height=1, width=5)
    (net.layer[-1].blobs[1].double_data if double else net.layer[-1].blobs[1].data).extend(drawn["last"].tolist())

    found = contents(given(tmp_path / "net.caffemodel", net.SerializeToString()))
    assert [(entry.name, entry.kind) for entry in found.entries] == [
        *(("conv1", "Convolution"), ("bn1", "BatchNorm"), ("scale1", "Scale"), ("fc8", "InnerProduct"))
    ]
    ours = Conv(4, 3, bias=False) >> BatchNorm() >> ReLU() >> GlobalAvgPool() >> FC(5)
    network = build(ours, (3, 8, 8), None)
    network.load_state_dict(paired(ours, (3, 8, 8), ORIGINS["caffe"].units(found.entries), "file"))
    x = torch.rand(2, 3, 8, 8, generator=noise) * torch.tensor([1.0, 9.0]).view(2, 1, 1, 1)
    y = torch.nn.functional.conv2d(x.flip(1).double(), drawn["filters"], drawn["bias"])
    mean, variance, scale, shift = (drawn[name].view(4, 1, 1) for name in ("mean", "variance", "scale", "shift"))
    y = ((y - mean) / (variance + epsilon) ** 0.5 * scale + shift).relu().mean((2, 3)) @ drawn["matrix"] + drawn["last"]
    with torch.inference_mode():
        peers.assert_same(network.eval()(x), y.float())


def test_a_caffemodel_that_is_another_network_is_said_to_be_so_and_what_it_fits_is_named(tmp_path):
    net = caffefiles.Net()
    caffefiles.lenet(net, torch.zeros(1, 1, 28, 28))
    file = given(tmp_path / "net.caffemodel", net.written())
    with pytest.raises(ModelError, match=r"conv1\.0 is \(20, 1, 5, 5\); the network's mlpconv1\.0\.weight is .* It fits lenet_caffe\.$"):
        of_file(file, "nin_imagenet")
    with pytest.raises(ModelError, match="lenet_relu is none of its networks"):
        of_file(file, "lenet_relu")


def test_layers_of_kinds_that_no_network_here_has_are_named(tmp_path):
    file = given(tmp_path / "net.caffemodel", layer("fc8", "InnerProduct", [torch.ones(2, 3)]) + layer("slope", "PReLU", [torch.ones(2)]))
    with pytest.raises(ModelError, match="slope, a PReLU"):
        of_file(file, "lenet_caffe")


def test_a_net_without_weights_is_told_from_one_with(tmp_path):
    with pytest.raises(ModelError, match="a definition"):
        contents(given(tmp_path / "net", field(1, b"Net") + layer("relu", "ReLU")))


# --- ONNX -------------------------------------------------------------------------------------------------------------


def exported(network, x, file, manner):
    """A file of torch's exporter: of old with norms folded or kept; or of today, which traces into another graph."""
    pytest.importorskip("onnx")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        if manner == "today":
            pytest.importorskip("onnxscript")
            torch.onnx.export(network, (x,), file, dynamo=True, external_data=False, verbose=False)
        else:
            kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False} if manner == "kept" else {}
            torch.onnx.export(network, (x,), file, dynamo=False, **kept)
    return file


def by_onnxruntime(file, x):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.cat([torch.from_numpy(session.run(None, {session.get_inputs()[0].name: one[None].numpy()})[0]) for one in x])


EXPORTED = [
    ("resnet18", "resnet18", "folded"), ("resnet18", "resnet18", "kept"), ("densenet121", "densenet121", "folded"), ("googlenet", "googlenet_bn", "kept"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        ("squeezenet1_0", "squeezenet_1_0", "folded"), ("alexnet", "alexnet_owt", "folded"), ("vgg11", "vgg11", "folded"), ("densenet121", "densenet121", "kept"),
        ("resnet50", "resnet50_v15", "today"), ("densenet121", "densenet121", "today"), ("mobilenet_v2", "mobilenet_v2_torch", "today"),
        ("inception_v3", "inception_v3_torch", "folded"), ("googlenet", "googlenet_bn", "today"), ("squeezenet1_1", "squeezenet_1_1", "today"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "manner"), EXPORTED)
def test_what_torch_exports_gives_the_scores_of_onnx_runtime(name, row, manner, tmp_path):
    models = peers.torchvision_models()
    options = {"aux_logits": True, "init_weights": False} if "_bn" in row or "inception" in row else {}
    theirs = peers.randomised(models.get_model(name, weights=None, **options))
    input = NETS[row].input
    theirs = peers.settled(theirs, input) if "BatchNorm2d" in repr(theirs) and not options else theirs
    x = torch.randn(2, *input, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    file = exported(theirs, x[:1], tmp_path / "net.onnx", manner)
    found = contents(file)
    assert found.format == "onnx" and ORIGINS["torchvision"].made("onnx", found.entries)
    net = judged(NETS[row].net()).net
    network = build(net, input, None)
    network.load_state_dict(paired(net, input, ORIGINS["torchvision"].units(found.entries), "file"))
    with torch.inference_mode():
        peers.assert_same(network.eval()(x), by_onnxruntime(file, x))
        peers.assert_same(network(x), theirs(x))


def test_an_exported_network_opens_as_its_row_with_the_pixels_of_whoever_named_its_layers(tmp_path):
    theirs = peers.randomised(peers.torchvision_models().resnet18())
    model = of_file(exported(theirs, torch.zeros(1, 3, 64, 64), tmp_path / "net.onnx", "folded"), "resnet18")
    assert model.data["name"] == "imagenet, by torchvision"
    assert model.pixels == ORIGINS["torchvision"].rows["resnet18"].pixels


class Graph:
    """An ONNX file, written by onnx's own helpers node by node."""

    def __init__(self, *input):
        self.onnx = pytest.importorskip("onnx")
        self.nodes, self.arrays, self.input, self.last = [], [], input, "data"

    def array(self, name, value, kind=1, raw=True):
        helper = self.onnx.helper
        data = value.contiguous().numpy()
        stored = helper.tensor_dtype_to_np_dtype(kind)
        values = data.astype(stored).tobytes() if raw else data.astype(stored).flatten()
        self.arrays.append(helper.make_tensor(name, kind, data.shape, values, raw=raw))
        return name

    def node(self, kind, *inputs, name="", **attributes):
        self.last = f"{name or kind}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [self.last], name or self.last, **attributes))
        return self.last

    def saved(self, file):
        helper, float32 = self.onnx.helper, self.onnx.TensorProto.FLOAT
        ends = [helper.make_tensor_value_info(name, float32, shape) for name, shape in (("data", self.input), (self.last, None))]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], self.arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        file.write_bytes(model.SerializeToString())
        return file


def test_a_resnet_of_gluons_whose_shortcuts_come_first_gives_the_scores_of_onnx_runtime(tmp_path):
    """As the zoo's resnet18-v1: MXNet's names, a block's shortcut in the file before its body."""
    graph, noise = Graph(1, 3, 224, 224), torch.Generator().manual_seed(0)
    count = dict.fromkeys(("conv", "norm"), 0)

    def conv(x, maps_in, maps, size, stride, scope):
        number, count["conv"] = count["conv"], count["conv"] + 1
        weight = torch.randn(maps, maps_in, size, size, generator=noise) * (2 / (maps_in * size * size)) ** 0.5
        names = [graph.array(f"resnetv15_{scope}conv{number}_weight", weight)]
        x = graph.node("Conv", x, *names, strides=[stride] * 2, pads=[size // 2] * 4, kernel_shape=[size] * 2)
        drawn = {"gamma": (0.4, 0.8), "beta": (-0.2, 0.2), "running_mean": (-0.2, 0.2), "running_var": (0.7, 1.5)}
        names = [
            graph.array(f"resnetv15_{scope}batchnorm{number}_{role}", torch.rand(maps, generator=noise) * (high - low) + low)
            for role, (low, high) in drawn.items()
        ]
        return graph.node("BatchNormalization", x, *names, epsilon=1e-5)

    x = graph.node("Relu", conv("data", 3, 64, 7, 2, ""))
    x, maps_in = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), 64
    for stage, maps in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            stride = 2 if stage > 1 and not block else 1
            shortcut = conv(x, maps_in, maps, 1, stride, f"stage{stage}_") if maps != maps_in else x
            body = graph.node("Relu", conv(x, maps_in, maps, 3, stride, f"stage{stage}_"))
            x = graph.node("Relu", graph.node("Add", shortcut, conv(body, maps, maps, 3, 1, f"stage{stage}_")))
            maps_in = maps
    matrix, bias = torch.randn(1000, 512, generator=noise) * 0.05, torch.randn(1000, generator=noise)
    names = graph.array("resnetv15_dense0_weight", matrix), graph.array("resnetv15_dense0_bias", bias)
    graph.node("Gemm", graph.node("Flatten", graph.node("GlobalAveragePool", x)), *names, transB=1)
    file = graph.saved(tmp_path / "net.onnx")

    model = of_file(file, "resnet18")
    assert model.data["name"] == "imagenet, by onnx_zoo"
    assert (model.pixels.shape, model.pixels.fit, model.pixels.resized) == ((3, 224, 224), "crop", 256)
    assert (model.pixels.mean, model.pixels.deviation) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    x = torch.randn(2, 3, 224, 224, generator=noise) * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    with torch.inference_mode():
        peers.assert_same(model.network(x), by_onnxruntime(file, x))


def test_a_squeezenet_of_caffe2s_reads_blue_green_red_and_gives_the_scores_of_onnx_runtime(tmp_path):
    """As the zoo's squeezenet1.0: Caffe's layers under Caffe2's names, modules whose branches are put beside one another."""
    graph, net = Graph(1, 3, 227, 227), caffefiles.Net()
    with torch.inference_mode():
        caffefiles.squeezenet(net, torch.zeros(1, 3, 227, 227))

    def conv(x, name, stride=1, pad=0):
        weight, bias = net.layers[name][1]
        names = graph.array(f"{name}_w_0", weight), graph.array(f"{name}_b_0", bias)
        return graph.node("Relu", graph.node("Conv", x, *names, strides=[stride] * 2, pads=[pad] * 4, kernel_shape=list(weight.shape[2:])))

    def pool(x):
        return graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    x = pool(conv("data", "conv1", 2))
    for number in range(2, 10):
        x = conv(x, f"fire{number}/squeeze1x1")
        large = conv(x, f"fire{number}/expand3x3", pad=1)  # first in the file, second beside the other
        x = graph.node("Concat", conv(x, f"fire{number}/expand1x1"), large, axis=1)
        x = pool(x) if number in (4, 8) else x
    graph.node("Flatten", graph.node("GlobalAveragePool", conv(x, "conv10", pad=1)))
    file = graph.saved(tmp_path / "net.onnx")

    pictures = np.random.default_rng(0).integers(0, 256, (2, 227, 227, 3), np.uint8)
    as_caffe = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    peers.assert_same(scores(of_file(file, "squeezenet_1_0_caffe"), pictures), by_onnxruntime(file, as_caffe))


@pytest.mark.parametrize(("kind", "raw"), [(1, True), (1, False), (10, True), (10, False), (11, True), (11, False)])
def test_what_stands_behind_norms_and_products_belongs_to_them_in_every_encoding_of_numbers(kind, raw, tmp_path):
    """Float, half and double, in bytes and as numbers; Caffe2's scale and shift behind a norm; a product and its bias; constants in nodes."""
    graph, noise = Graph(1, 3, 8, 8), torch.Generator().manual_seed(0)

    def drawn(name, *shape):
        return graph.array(f"{name}_w", (torch.rand(shape, generator=noise) + 0.1).half().float(), kind, raw)

    names = {role: drawn(role, 4) for role in ("scale", "shift", "mean", "variance", "scale2", "shift2")}
    filters, matrix, last = drawn("filters", 4, 3, 3, 3), drawn("matrix", 4, 5), drawn("last", 5)
    graph.arrays.append(graph.onnx.helper.make_tensor("axes", 7, [2], [1, 2]))
    x = graph.node("Conv", "data", filters)
    x = graph.node("BatchNormalization", x, *(names[role] for role in ("scale", "shift", "mean", "variance")), epsilon=1e-3)
    x = graph.node("Mul", x, graph.node("Unsqueeze", names["scale2"], "axes"))
    x = graph.node("Add", graph.node("Unsqueeze", names["shift2"], "axes"), x)
    x = graph.node("Flatten", graph.node("GlobalAveragePool", graph.node("Relu", x)))
    graph.node("Add", graph.node("MatMul", x, matrix), last)
    found = contents(graph.saved(tmp_path / "net.onnx"))
    assert [entry.kind for entry in found.entries] == ["Conv", "BatchNormalization", "MatMul"]
    ours = Conv(4, 3, bias=False) >> BatchNorm() >> ReLU() >> GlobalAvgPool() >> FC(5)
    network = build(ours, (3, 8, 8), None)
    network.load_state_dict(paired(ours, (3, 8, 8), ORIGINS["onnx_zoo"].units(found.entries), "file"))
    for array in graph.arrays[:-1]:  # as onnxruntime has them: one type for all
        array.CopyFrom(graph.onnx.numpy_helper.from_array(graph.onnx.numpy_helper.to_array(array).astype(np.float32), array.name))
    x = torch.rand(2, 3, 8, 8, generator=noise) * torch.tensor([1.0, 9.0]).view(2, 1, 1, 1)
    with torch.inference_mode():
        peers.assert_same(network.eval()(x), by_onnxruntime(graph.saved(tmp_path / "float32.onnx"), x))


def refused(graph, file, match):
    with pytest.raises(ModelError, match=match):
        contents(graph.saved(file))


def test_arrays_in_other_files_are_refused_by_name_and_the_file_is_not_looked_for(tmp_path):
    graph = Graph(1, 3, 8, 8)
    graph.node("Conv", "data", graph.array("conv1.weight", torch.ones(4, 3, 3, 3)))
    graph.arrays[0].ClearField("raw_data")
    graph.arrays[0].data_location = 1
    graph.arrays[0].external_data.add(key="location", value="../../etc/passwd")
    refused(graph, tmp_path / "net.onnx", r"conv1\.weight in another file, and no other file is opened")


def test_weights_that_would_be_lost_are_refused(tmp_path):
    for kind, shape in (("PRelu", (4, 1, 1)), ("Sub", (1, 4, 1, 1)), ("ConvTranspose", (4, 2, 3, 3))):
        graph = Graph(1, 3, 8, 8)
        x = graph.node("Conv", "data", graph.array("conv1.weight", torch.ones(4, 3, 3, 3)))
        graph.node(kind, x, graph.array("more", torch.ones(shape)))
        refused(graph, tmp_path / "net.onnx", f"a {kind} behind conv1")
    graph = Graph(1, 3, 8, 8)
    x = graph.node("Conv", "data", graph.array("conv1.weight", torch.ones(4, 3, 3, 3)))
    shift = graph.array("shift", torch.ones(1, 4, 1, 1))
    graph.node("Add", graph.node("Add", x, shift), shift)
    refused(graph, tmp_path / "net.onnx", "an? Add behind conv1")
    graph = Graph(1, 3, 8, 8)
    graph.node("Mul", "data", graph.array("deviation", torch.ones(1, 3, 1, 1)))  # of the picture: a pixel policy within the file
    refused(graph, tmp_path / "net.onnx", "a Mul")
    graph = Graph(1, 3)
    graph.node("Gemm", "data", graph.array("fc.weight", torch.ones(3, 2)), alpha=0.5)
    refused(graph, tmp_path / "net.onnx", "alpha, beta or transA")


def test_a_file_of_nobody_known_here_asks_for_its_origin(tmp_path):
    graph = Graph(1, 3, 8, 8)
    graph.node("Conv", "data", graph.array("mine.weight", torch.ones(4, 3, 3, 3)))
    with pytest.raises(ModelError, match="say --origin: .*torchvision"):
        of_file(graph.saved(tmp_path / "net.onnx"), "resnet18")


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bytes", "match"),
    [
        (b"\xff" * 11, "a number does not end"),
        (b"\x0a\x05abc", "longer than what holds it"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than what holds it"),
        (b"\x0b\x0c", "a field of type 3"),
        (b"\x0f", "a field of type 7"),
        (b"\x02\x00", "the number 0"),
    ],
)
def test_what_is_no_message_is_refused(bytes, match):
    with pytest.raises(ModelError, match=match):
        list(wire.fields(memoryview(bytes)))


def test_a_message_has_no_more_fields_than_a_network_needs(monkeypatch):
    monkeypatch.setattr(wire, "MOST", 1000)
    assert len(list(wire.fields(memoryview(b"\x08\x00" * 1000)))) == 1000
    with pytest.raises(ModelError, match="a message of 1,000 fields"):
        list(wire.fields(memoryview(b"\x08\x00" * 1001)))


def test_arrays_that_claim_another_size_than_they_have_are_refused_before_room_is_made_for_them(tmp_path):
    huge = field(5, b"\0" * 16) + field(7, field(1, caffefiles.varint(2**40) * 3))
    with pytest.raises(ModelError, match="conv1.0 has 4 numbers"):
        contents(given(tmp_path / "net", field(100, field(1, b"conv1") + field(2, b"Convolution") + field(7, huge))))


def small_graph(format, file):
    """A file of a convolution, a batch norm and a product."""
    if format == "onnx":
        graph = Graph(1, 1, 4, 4)
        x = graph.node("Conv", "data", graph.array("conv1.weight", torch.ones(2, 1, 2, 2)))
        x = graph.node("BatchNormalization", x, *(graph.array(f"bn1.{name}", torch.ones(2)) for name in "abcd"))
        graph.node("Gemm", graph.node("Flatten", graph.node("Add", x, x)), graph.array("fc.weight", torch.ones(3, 18), 10, False), transB=1)
        return graph.saved(file)
    if format == "caffe":
        norm = layer("bn1", "BatchNorm", [torch.ones(2), torch.ones(2), torch.ones(1)])
        product = layer("fc8", "InnerProduct", [torch.ones(3, 18)])
        return given(file, field(1, b"Net") + layer("conv1", "Convolution", [torch.ones(2, 1, 2, 2), torch.ones(2)]) + norm + product)
    arrays = {"Convolution": [torch.ones(2, 1, 2, 2)], "InnerProduct": [torch.ones(3, 18)]}
    return given(file, b"".join(caffefiles.v1_layer(kind, kind, some) for kind, some in arrays.items()))


@pytest.mark.parametrize("format", ["caffe", "caffe before 2015", "onnx"])
def test_damaged_graphs_give_a_network_or_a_plain_error(format, tmp_path):
    noise, origin = random.Random(0), ORIGINS["onnx_zoo" if format == "onnx" else "caffe"]
    whole = small_graph(format, tmp_path / "whole").read_bytes()
    net = Conv(2, 2, bias=False) >> BatchNorm() >> FC(3, bias=False)
    assert format_of(tmp_path / "whole") == format.split()[0]
    outcomes, spoken = set(), []
    for at in [*range(1, len(whole), 3), *[len(whole)] * 300]:
        damaged = bytearray(whole[:at])
        if at == len(whole):
            for _ in range(noise.randint(1, 3)):
                damaged[noise.randrange(len(whole))] = noise.randrange(256)
        try:
            tensors = paired(net, (1, 4, 4), origin.units(contents(given(tmp_path / "damaged", bytes(damaged))).entries), "file")
            outcomes.add(sum(tensor.numel() for tensor in tensors.values()))
        except ModelError as error:
            outcomes.add("refused")
            spoken.append(str(error))
    assert all(map(str.isprintable, spoken)), "whatever a file calls its layers"
    assert outcomes == {8 + 4 * 2 + 1 + 3 * 18, "refused"}


def test_a_cycle_of_nodes_comes_to_an_end(tmp_path):
    graph = Graph(1, 3, 8, 8)
    graph.node("Conv", "Add_1", graph.array("conv1.weight", torch.ones(4, 3, 3, 3)))
    graph.node("Add", "Conv_0", "Add_1")
    assert [entry.name for entry in contents(graph.saved(tmp_path / "net.onnx")).entries] == ["conv1"]
