"""The small networks: SqueezeNet, the MobileNets, LeCun's of 1989, and those of lectures and their notes."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import peers
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import ShapeError
from hubel.joints import Chain, Expression
from hubel.layers import BatchNorm, Conv, Depthwise, Dropout, Local, MaxPool, ReLU
from hubel.nets import lecture, lecun_1989, lenet, mobilenet_v1, mobilenet_v2, patterns, squeezenet
from hubel.nets.paper import Figure
from hubel.rewrite import fitted

ROWS = {row.name: row for room in (squeezenet, mobilenet_v1, mobilenet_v2, lecun_1989, lenet, lecture, patterns) for row in room.VARIANTS}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lively(network: nn.Module, input: tuple[int, ...]) -> nn.Module:
    """At random, with norms that drive units past 6."""
    return peers.settled(peers.randomised(network), input, amplified=4)


def agrees(name: str, theirs: nn.Module) -> None:
    """The row, with the random weights of another implementation, gives the same scores."""
    row = ROWS[name]
    ours = build(row.net(), row.input, initialisation=None)
    peers.paired(ours, lively(theirs, row.input))
    peers.agree(ours, theirs, peers.pictures(row.input, dtype=torch.float64))


# --- what is printed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("squeezenet_1_0", 1_248_424),
        ("squeezenet_1_1", 1_235_496),
        ("mobilenet_v1", 4_231_976),
        ("mobilenet_v1_tf", 4_231_976),
        ("mobilenet_v1_torch", 4_231_976),
        ("mobilenet_v2", 3_504_872),
        ("mobilenet_v2_torch", 3_504_872),
        ("mnist_convnet", 93_322),
        ("dogs_cats", 3_453_121),
        ("fc_784_512_10", 784 * 512 + 512 + 512 * 10 + 10),
        ("pattern_linear", 3 * 32 * 32 * 10 + 10),
        ("pattern_conv_relu_fc", (27 * 12 + 12) + (12 * 32 * 32 * 10 + 10)),
        ("pattern_single_conv", (27 * 32 + 32) + (288 * 64 + 64) + (64 * 8 * 8 * 128 + 128) + (128 * 10 + 10)),
        (
            "pattern_double_conv",
            (27 * 32 + 32) + (288 * 32 + 32) + (288 * 64 + 64) + (576 * 64 + 64) + (576 * 128 + 128) + (1152 * 128 + 128)
            + (128 * 4 * 4 * 256 + 256) + (256 * 256 + 256) + (256 * 10 + 10),
        ),
    ],
)  # fmt: skip
def test_parameters_are_exact(name, parameters):
    assert ROWS[name].anatomy().parameters == parameters


# SqueezeNet, table 1: output size, squeeze and expand filters, parameters before pruning
FIRE = {
    "fire2": ((128, 55, 55), (16, 64, 64), 11_920),
    "fire3": ((128, 55, 55), (16, 64, 64), 12_432),
    "fire4": ((256, 55, 55), (32, 128, 128), 45_344),
    "fire5": ((256, 27, 27), (32, 128, 128), 49_440),
    "fire6": ((384, 27, 27), (48, 192, 192), 104_880),
    "fire7": ((384, 27, 27), (48, 192, 192), 111_024),
    "fire8": ((512, 27, 27), (64, 256, 256), 188_992),
    "fire9": ((512, 13, 13), (64, 256, 256), 197_184),
}


@pytest.mark.parametrize("stage", FIRE)
def test_fire_modules_are_those_of_table_1(stage):
    part = ROWS["squeezenet_1_0"].anatomy().within(stage)
    convolutions = tuple(row.part.maps for row in part.rows if isinstance(row.part, Conv))
    assert (part.output, convolutions, part.parameters) == FIRE[stage]


def test_squeezenet_has_table_1s_stages_and_its_smaller_release_pools_earlier():
    fires = {number: f"fire{number}" for number in range(2, 10)}
    for name, pools in (("squeezenet_1_0", (1, 4, 8)), ("squeezenet_1_1", (1, 3, 5))):
        expected = []
        for number in range(1, 10):
            expected += [fires.get(number, "conv1"), *([f"maxpool{number}"] if number in pools else [])]
        assert ROWS[name].net().names == (*expected, "conv10", "avgpool10")


def test_squeezenets_printed_input_of_224_does_not_give_its_printed_sizes():
    with pytest.raises(ShapeError, match=r"\(224 - 7 \+ 2\*0\)/2 \+ 1 = 109\.5.*input of 223 or 225"):
        anatomy(ROWS["squeezenet_1_0"].net(), (3, 224, 224))
    assert anatomy(fitted(ROWS["squeezenet_1_0"].net(), "floor"), (3, 224, 224)).within("conv1").output == (96, 109, 109)


def test_dropout_stands_before_the_last_layer_at_the_rates_of_the_papers_and_the_release():
    for name, stage, rate in (("squeezenet_1_0", "conv10", 0.5), ("squeezenet_1_1", "conv10", 0.5), ("mobilenet_v2", "conv10", 0.2)):
        dropped = [(row.path, row.part.rate) for row in ROWS[name].anatomy().rows if isinstance(row.part, Dropout)]
        assert dropped == [(f"{stage}.0", rate)]


# MobileNet v1, table 2: share of mult-adds and of parameters, which are weights there, batch norm's and biases left out
TABLE_2 = {
    "Conv 1x1": ("94.86%", "74.59%"),
    "Conv DW 3x3": ("3.06%", "1.06%"),
    "Conv 3x3": ("1.91%", "0.02%"),  # printed as 1.19%, with which the column adds up to 99.29%
    "Fully connected": ("0.18%", "24.33%"),
}


def test_mobilenet_v1_spends_its_work_where_table_2_says():
    rows = [row for row in ROWS["mobilenet_v1"].anatomy().rows if row.macs]

    def kind(part: Expression) -> str:
        if isinstance(part, Conv):
            return "Conv 1x1" if part.size == 1 else "Conv 3x3"
        return "Conv DW 3x3" if isinstance(part, Depthwise) else "Fully connected"

    macs, weights = sum(row.macs for row in rows), sum(row.weights for row in rows)
    for name, (of_macs, of_weights) in TABLE_2.items():
        mine = [row for row in rows if kind(row.part) == name]
        assert sum(row.weights for row in mine) / weights == pytest.approx(float(of_weights[:-1]) / 100, abs=1e-4)
        assert sum(row.macs for row in mine) / macs == pytest.approx(float(of_macs[:-1]) / 100, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "side", "macs"),  # tables 7 and 9
    [
        ("mobilenet_v1", 224, "569M"),
        ("mobilenet_v1", 192, "418M"),
        ("mobilenet_v1", 160, "290M"),
        ("mobilenet_v1", 128, "186M"),
        ("mobilenet_v1_0_50", 160, "76M"),
    ],
)
def test_mobilenet_v1_costs_at_other_resolutions_what_tables_7_and_9_say(name, side, macs):
    assert Figure("macs", macs, "tables 7 and 9").agrees(anatomy(ROWS[name].net(), (3, side, side)).macs)


def test_mobilenet_v1s_last_depthwise_convolution_keeps_the_size_in_spite_of_its_printed_stride():
    last = ROWS["mobilenet_v1"].anatomy().within("separable13.depthwise")
    assert (last.rows[0].input, last.output) == ((1024, 7, 7), (1024, 7, 7))


def test_mobilenet_v2s_two_printed_totals_exclude_widening_by_1_and_batch_norm():
    sized = ROWS["mobilenet_v2"].anatomy()
    assert sized.macs == 300_774_272
    widening = anatomy(Conv(32, 1, bias=False), (32, 112, 112)).macs
    assert Figure("macs", "314M", "").agrees(sized.macs + widening)
    norms = sum(row.parameters for row in sized.rows if isinstance(row.part, BatchNorm))
    assert Figure("parameters", "3.47M", "").agrees(sized.parameters - norms)


def test_mobilenet_v2_has_seventeen_bottlenecks_and_ten_shortcuts():
    rows = ROWS["mobilenet_v2"].anatomy().rows
    assert sum(isinstance(row.part, Depthwise) for row in rows) == 17
    assert sum(row.layer == "Sum" for row in rows) == 10


# --- what is computed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["squeezenet_1_0", "squeezenet_1_1"])
def test_squeezenet_computes_what_torchvisions_does(name):
    agrees(name, getattr(peers.torchvision_models(), name.replace("net_", "net"))(weights=None))


@pytest.mark.parametrize("name", ["squeezenet_1_0", "squeezenet_1_1"])
def test_squeezenet_rounded_down_at_224_computes_what_torchvisions_does(name):
    theirs = peers.randomised(getattr(peers.torchvision_models(), name.replace("net_", "net"))(weights=None))
    ours = build(fitted(ROWS[name].net(), "floor"), (3, 224, 224), initialisation=None)
    peers.agree(peers.paired(ours, theirs), theirs, peers.pictures((3, 224, 224)))


@pytest.mark.parametrize("name", ["squeezenet_1_0", "squeezenet_1_1"])
def test_squeezenets_multiply_adds_are_those_of_torchvisions_convolutions(name):
    theirs = getattr(peers.torchvision_models(), name.replace("net_", "net"))(weights=None).eval()
    macs = []
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda layer, _, y: macs.append(layer.weight.numel() * y.shape[2] * y.shape[3]))
    with torch.no_grad():
        theirs(peers.pictures((3, 227, 227))[:1])
    assert sum(macs) == ROWS[name].anatomy().macs


def test_mobilenet_v1_with_even_padding_computes_what_timms_does():
    agrees("mobilenet_v1_torch", peers.timm().create_model("mobilenetv1_100"))


def test_mobilenet_v2_with_even_padding_computes_what_torchvisions_does():
    agrees("mobilenet_v2_torch", peers.torchvision_models().mobilenet_v2(weights=None))


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: as many outputs as strides begin, an odd pixel of padding at the end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = []
        for side in (3, 2):  # F.pad names the last axis first
            width, size, stride = x.shape[side], self.kernel_size[side - 2], self.stride[side - 2]
            total = max((math.ceil(width / stride) - 1) * stride + size - width, 0)
            around += [total // 2, total - total // 2]
        return super().forward(F.pad(x, around))


def normed(inputs: int, maps: int, size: int, stride: int, groups: int, *activation: nn.Module) -> list[nn.Module]:
    return [SameConv(inputs, maps, size, stride, groups=groups, bias=False), nn.BatchNorm2d(maps, eps=1e-3), *activation]


def tensorflow_v1(width: float, activation: type[nn.Module]) -> nn.Sequential:
    """MobileNet v1, table 1: (stride, maps) of the separable convolutions."""
    body = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024)]
    inputs = int(32 * width)
    layers = normed(3, inputs, 3, 2, 1, activation())
    for stride, maps in body:
        maps = int(maps * width)
        layers += normed(inputs, inputs, 3, stride, inputs, activation()) + normed(inputs, maps, 1, 1, 1, activation())
        inputs = maps
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


class Inverted(nn.Sequential):
    """MobileNet v2, figure 4d."""

    def __init__(self, inputs: int, t: int, maps: int, stride: int) -> None:
        wide = t * inputs
        widened = normed(inputs, wide, 1, 1, 1, nn.ReLU6()) if t != 1 else []
        super().__init__(*widened, *normed(wide, wide, 3, stride, wide, nn.ReLU6()), *normed(wide, maps, 1, 1, 1))
        self.joined = stride == 1 and inputs == maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x) if self.joined else super().forward(x)


def tensorflow_v2() -> nn.Sequential:
    """MobileNet v2, table 2: t, c, n, s."""
    lines = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers, inputs = normed(3, 32, 3, 2, 1, nn.ReLU6()), 32
    for t, c, n, s in lines:
        for stride in [s] + [1] * (n - 1):
            layers.append(Inverted(inputs, t, c, stride))
            inputs = c
    layers += normed(inputs, 1280, 1, 1, 1, nn.ReLU6())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize(("suffix", "width"), [("", 1), ("_0_75", 0.75), ("_0_50", 0.5), ("_0_25", 0.25)])
def test_mobilenet_v1_computes_what_table_1_says_with_tensorflows_padding(suffix, width, activation):
    agrees(f"mobilenet_v1{suffix}{'_tf' if activation is nn.ReLU6 else ''}", tensorflow_v1(width, activation))


def test_the_two_activations_of_mobilenet_v1_can_be_told_apart_by_these_tests():
    relu, relu6 = (tensorflow_v1(0.25, activation).eval() for activation in (nn.ReLU, nn.ReLU6))
    relu6.load_state_dict(lively(relu, (3, 224, 224)).state_dict())
    x = peers.pictures((3, 224, 224))
    with torch.no_grad():
        assert (relu(x) - relu6(x)).abs().max() > 0.01 * relu(x).abs().max()


def test_mobilenet_v2_computes_what_table_2_says_with_tensorflows_padding():
    agrees("mobilenet_v2", tensorflow_v2())


# --- lecture notes and LeCun 1989 -------------------------------------------------------------------------------------


def conv_relu(inputs: int, maps: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, maps, 3, padding=1), nn.ReLU()]


def double(inputs: int, maps: int) -> list[nn.Module]:
    return [*conv_relu(inputs, maps), *conv_relu(maps, maps), nn.MaxPool2d(2)]


def lenet_of_lectures(squash: type[nn.Module], pool: type[nn.Module]) -> list[nn.Module]:
    return [
        *(nn.Conv2d(1, 6, 5, padding=2), squash(), pool(2), nn.Conv2d(6, 16, 5), squash(), pool(2)),
        *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), squash(), nn.Linear(120, 84), squash(), nn.Linear(84, 10)),
    ]


def unpadded(inputs: int, maps: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, maps, 3), nn.ReLU()]


SEQUENTIAL = {
    "lenet_relu": lenet_of_lectures(nn.ReLU, nn.MaxPool2d),
    "lenet_sigmoid": lenet_of_lectures(nn.Sigmoid, nn.AvgPool2d),
    "mnist_convnet": [
        *(*unpadded(1, 32), nn.MaxPool2d(2), *unpadded(32, 64), nn.MaxPool2d(2), *unpadded(64, 64)),
        *(nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)),
    ],
    "dogs_cats": [
        *(*unpadded(3, 32), nn.MaxPool2d(2), *unpadded(32, 64), nn.MaxPool2d(2)),
        *(*unpadded(64, 128), nn.MaxPool2d(2), *unpadded(128, 128), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(6272, 512), nn.ReLU(), nn.Linear(512, 1)),
    ],
    "fc_784_512_10": [nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10)],
    "pattern_linear": [nn.Flatten(), nn.Linear(3072, 10)],
    "pattern_conv_relu_fc": [*conv_relu(3, 12), nn.Flatten(), nn.Linear(12 * 32 * 32, 10)],
    "pattern_single_conv": [
        *(*conv_relu(3, 32), nn.MaxPool2d(2), *conv_relu(32, 64), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 10)),
    ],
    "pattern_double_conv": [
        *(*double(3, 32), *double(32, 64), *double(64, 128), nn.Flatten()),
        *(nn.Linear(128 * 4 * 4, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    ],
    "lecun1989_net1": [nn.Flatten(), nn.Linear(256, 10)],
}


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_nets_of_lectures_compute_what_their_layers_in_torch_do(name):
    agrees(name, nn.Sequential(*SEQUENTIAL[name]))


def squashed(x: torch.Tensor) -> torch.Tensor:
    return 1.7159 * torch.tanh(2 / 3 * x)


def locally(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, size: int, before: int) -> torch.Tensor:
    """One map whose unit (i, j) reads the size x size window that starts `before` places ahead of (2i, 2j), with its own weights."""
    units = x.shape[-1] // 2
    y = torch.zeros(len(x), units, units)
    for i in range(units):
        for j in range(units):
            y[:, i, j] = bias[0, i * units + j]
            for down in range(size):
                for across in range(size):
                    row, column = 2 * i - before + down, 2 * j - before + across
                    if 0 <= row < x.shape[-2] and 0 <= column < x.shape[-1]:
                        y[:, i, j] += weight[i * units + j, 0, down * size + across] * x[:, row, column]
    return y


@torch.no_grad()
def test_net_3_reads_windows_of_its_own_with_weights_of_its_own():
    row = ROWS["lecun1989_net3"]
    network = peers.randomised(build(row.net(), row.input, initialisation=None))
    digits = peers.pictures(row.input)
    state = network.state_dict()
    x = squashed(locally(digits[:, 0], state["H1.0.weight"], state["H1.0.bias"], 3, before=0))
    x = squashed(locally(x, state["H2.0.weight"], state["H2.0.bias"], 5, before=1))
    expected = x.flatten(1) @ state["output.1.weight"].T + state["output.1.bias"]
    torch.testing.assert_close(network(digits), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_net_2_is_two_layers_with_lenets_tanh_between_them():
    row = ROWS["lecun1989_net2"]
    network = peers.randomised(build(row.net(), row.input, initialisation=None))
    digits = peers.pictures(row.input)
    w1, b1, w2, b2 = network.state_dict().values()
    torch.testing.assert_close(network(digits), squashed(digits.flatten(1) @ w1.T + b1) @ w2.T + b2, rtol=1e-4, atol=1e-5)


def test_net_3_pays_a_weight_for_every_link_where_a_convolution_shares_them():
    rows = [row for row in ROWS["lecun1989_net3"].anatomy().rows if isinstance(row.part, Local)]
    assert [(row.parameters, row.connections) for row in rows] == [(640, 640), (416, 416)]
    for row, shared in zip(rows, (3 * 3 + 1, 5 * 5 + 1)):
        twin = anatomy(Conv(row.part.maps, row.part.size, row.part.stride, row.part.pad), row.input)
        assert (twin.parameters, twin.connections) == (shared, row.connections)


def test_vgg16s_convolutions_give_512_maps_of_4x4_on_photographs_of_150():
    def block(maps: int, convolutions: int) -> Chain:
        return (Conv(maps, 3, pad=1) >> ReLU()) * convolutions >> MaxPool(2)

    base = block(64, 2) >> block(128, 2) >> block(256, 3) >> block(512, 3) >> block(512, 3)
    with pytest.raises(ShapeError, match="does not fit the input of 75"):
        anatomy(base, (3, 150, 150))
    sized = anatomy(fitted(base, "floor"), (3, 150, 150))
    assert (sized.output, sized.parameters) == ((512, 4, 4), 14_714_688)
