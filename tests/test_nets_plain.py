"""AlexNet, NiN, VGG and All-CNN: against torchvision, against plain torch written from the papers, and against the published figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import peers
from hubel import modules
from hubel.anatomy import Anatomy, anatomy
from hubel.build import build
from hubel.errors import ShapeError
from hubel.joints import Expression, Shape
from hubel.layers import LRN, Dropout, MaxPool
from hubel.nets import alexnet, allcnn, nin, vgg
from hubel.nets.paper import parsed
from hubel.rewrite import convolutional, fitted

ROWS = {row.name: row for room in (alexnet, nin, vgg, allcnn) for row in room.VARIANTS}

SMALL_ALEXNET = (3, 67, 67)
"""The least side, below the paper's, on which every window of AlexNet fits."""

SMALL_VGG = (3, 32, 32)
"""What five pools leave one place of."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unfilled(make: Callable[[], nn.Module]) -> nn.Module:
    """A module whose tensors hold anything, so that a hundred million weights are not drawn before they are written over."""
    with torch.device("meta"):
        module = make()
    return module.to_empty(device="cpu").eval()


def built(net: Expression, input: Shape) -> nn.Module:
    return unfilled(lambda: build(net, input, initialisation=None))


POOLS = (nn.MaxPool2d, nn.AvgPool2d, modules.MaxPool, modules.AvgPool)


def dropouts(network: nn.Module) -> list[tuple[int, int, float]]:
    """Behind how many weighted layers and pools each dropout stands, and its rate."""
    found, layers, pools = [], 0, 0
    for part in network.modules():
        layers += isinstance(part, (nn.Conv2d, nn.Linear))
        pools += isinstance(part, POOLS)
        if isinstance(part, nn.Dropout):
            found.append((layers, pools, part.p))
    return found


def assert_same(net: Expression, input: Shape, theirs: nn.Module, scale: float = 1.0) -> None:
    """With their weights ours computes what theirs does, and it drops out behind the same layers.

    A response norm counts only where values are as large as pixels: at a scale of 100.
    """
    ours = peers.paired(built(net, input), peers.randomised(theirs))
    assert dropouts(ours) == dropouts(theirs)
    peers.agree(ours, theirs, peers.pictures(input, scale))


# --- plain torch from a line of text, as the papers' tables have it ---------------------------------------------------


def response_norm(x: Tensor) -> Tensor:
    """Sec. 3.3 of AlexNet's paper, map by map: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    maps = x.shape[1]
    near = [x[:, max(0, i - 2) : min(maps - 1, i + 2) + 1] for i in range(maps)]
    return torch.stack([x[:, i] / (2 + 1e-4 * near[i].square().sum(1)) ** 0.75 for i in range(maps)], 1)


class ResponseNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return response_norm(x)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


def plain(text: str, input: Shape) -> nn.Sequential:
    """Plain torch. `5x96/2` is a 5x5 convolution to 96 maps at stride 2, padded by half its window (`v`: not at all), with ReLU."""
    layers: list[nn.Module] = []
    x = torch.empty(1, *input)
    for word in text.split():
        if word == "norm":
            layers.append(ResponseNorm())
            continue  # the shape stays
        if word == "mean":
            added: list[nn.Module] = [Mean()]
        elif word.startswith(("max", "ave")):  # of 2, or overlapping ones of 3; stride 2, rounded up
            kind = nn.MaxPool2d if word.startswith("max") else nn.AvgPool2d
            added = [kind(int(word[3:]), 2, ceil_mode=True)]
        elif word.startswith("drop"):
            added = [nn.Dropout(float(word[4:]))]
        elif word.startswith("scores"):
            added = [nn.Flatten(), nn.Linear(x[0].numel(), int(word[6:]))]
        elif word.startswith("fc"):
            added = [nn.Flatten(), nn.Linear(x[0].numel(), int(word[2:])), nn.ReLU()]
        else:
            size, rest = word.split("x")
            maps, stride = (rest.rstrip("v") + "/1").split("/")[:2]
            pad = 0 if word.endswith("v") else int(size) // 2
            added = [nn.Conv2d(x.shape[1], int(maps), int(size), int(stride), pad), nn.ReLU()]
        x = nn.Sequential(*added)(x)
        layers += added
    return nn.Sequential(*layers)


CLASSIFIER = "fc4096 drop0.5 fc4096 drop0.5 scores10"
VGG_C = "3x64 3x64 max2 3x128 3x128 max2 3x256 3x256 1x256 max2 3x512 3x512 1x512 max2 3x512 3x512 1x512 max2 "
VGG_A_LRN = "3x64 norm max2 3x128 max2 3x256 3x256 max2 3x512 3x512 max2 3x512 3x512 max2 "
ONE_TOWER = "11x96/4v norm max3 5x256 norm max3 3x384 3x384 3x256 max3 "

NIN = {
    "nin_cifar10": "5x192 1x160 1x96 max3 drop0.5 5x192 1x192 1x192 max3 drop0.5 3x192 1x192 1x10 mean",
    "nin_cifar10_caffe": "5x192 1x160 1x96 max3 drop0.5 5x192 1x192 1x192 ave3 drop0.5 3x192 1x192 1x10 mean",
    "nin_imagenet": "11x96/4v 1x96 1x96 max3 5x256 1x256 1x256 max3 3x384 1x384 1x384 max3 drop0.5 3x1024 1x1024 1x1000 mean",
}

ALLCNN = {
    "base_cnn_a": "5x96 max3 drop0.5 5x192 max3",
    "base_cnn_b": "5x96 1x96 max3 drop0.5 5x192 1x192 max3",
    "base_cnn_c": "3x96 3x96 max3 drop0.5 3x192 3x192 max3",
    "strided_cnn_a": "5x96/2 drop0.5 5x192/2",
    "strided_cnn_b": "5x96 1x96/2 drop0.5 5x192 1x192/2",
    "strided_cnn_c": "3x96 3x96/2 drop0.5 3x192 3x192/2",
    "convpool_cnn_a": "5x96 3x96 max3 drop0.5 5x192 3x192 max3",
    "convpool_cnn_b": "5x96 1x96 3x96 max3 drop0.5 5x192 1x192 3x192 max3",
    "convpool_cnn_c": "3x96 3x96 3x96 max3 drop0.5 3x192 3x192 3x192 max3",
    "all_cnn_a": "5x96 3x96/2 drop0.5 5x192 3x192/2",
    "all_cnn_b": "5x96 1x96 3x96/2 drop0.5 5x192 1x192 3x192/2",
    "all_cnn_c": "3x96 3x96 3x96/2 drop0.5 3x192 3x192 3x192/2",
}


@pytest.mark.parametrize(("name", "text"), NIN.items(), ids=NIN)
def test_network_in_network_computes_what_its_definition_says(name: str, text: str) -> None:
    row = ROWS[name]
    assert_same(row.net(), row.input, unfilled(lambda: plain(text, row.input)))


@pytest.mark.parametrize(("name", "text"), ALLCNN.items(), ids=ALLCNN)
def test_allcnn_computes_what_its_tables_1_and_2_say(name: str, text: str) -> None:
    row = ROWS[name]
    whole = f"drop0.2 {text} drop0.5 3x192v 1x192 1x10 mean"
    assert_same(row.net(), row.input, unfilled(lambda: plain(whole, row.input)))


@pytest.mark.parametrize(("name", "text"), [("vgg16_c", VGG_C), ("vgg11_lrn", VGG_A_LRN)], ids=["vgg16_c", "vgg11_lrn"])
@pytest.mark.parametrize("input", [SMALL_VGG, pytest.param((3, 224, 224), marks=pytest.mark.slow)], ids=["32", "224"])
def test_vgg_with_1x1_convolutions_or_response_norm_computes_what_table_1_says(name: str, text: str, input: Shape) -> None:
    assert_same(ROWS[name].net(classes=10), input, unfilled(lambda: plain(text + CLASSIFIER, input)), scale=100)


def test_alexnet_with_one_tower_computes_what_the_paper_says_but_for_the_groups() -> None:
    theirs = unfilled(lambda: plain(ONE_TOWER + CLASSIFIER, SMALL_ALEXNET))
    assert_same(ROWS["alexnet_one_tower"].net(classes=10), SMALL_ALEXNET, theirs, scale=100)


# --- AlexNet's two towers ---------------------------------------------------------------------------------------------


def two_towers(network: nn.Module, x: Tensor) -> Tensor:
    """Figure 2: each GPU holds half of the maps and units of every layer, and reads the other's at conv3, fc6, fc7 and fc8 alone."""
    conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8 = [(layer.weight, layer.bias) for _, layer in peers.weighted(network)]

    def halves(layer: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
        return list(zip(layer[0].chunk(2), layer[1].chunk(2)))

    def alone(towers: list[Tensor], layer: tuple[Tensor, Tensor], pad: int) -> list[Tensor]:
        return [F.conv2d(maps, *half, padding=pad).clamp_min(0) for maps, half in zip(towers, halves(layer))]

    def together(towers: list[Tensor], layer: tuple[Tensor, Tensor]) -> list[Tensor]:
        return [F.linear(torch.cat(towers, 1), *half).clamp_min(0) for half in halves(layer)]

    def pooled(towers: list[Tensor]) -> list[Tensor]:
        return [F.max_pool2d(maps, 3, 2) for maps in towers]

    def normalised(towers: list[Tensor]) -> list[Tensor]:
        return [response_norm(maps) for maps in towers]

    towers = [F.conv2d(x, *half, stride=4).clamp_min(0) for half in halves(conv1)]
    towers = pooled(normalised(towers))
    towers = pooled(normalised(alone(towers, conv2, 2)))
    towers = alone([torch.cat(towers, 1)] * 2, conv3, 1)
    towers = pooled(alone(alone(towers, conv4, 1), conv5, 1))
    towers = together(together([maps.flatten(1) for maps in towers], fc6), fc7)
    return F.linear(torch.cat(towers, 1), *fc8)


@torch.no_grad()
def test_alexnet_computes_what_two_towers_on_two_gpus_compute() -> None:
    row = ROWS["alexnet"]
    network = peers.randomised(built(row.net(), row.input))
    x = peers.pictures(row.input, 100)
    peers.assert_same(network(x), two_towers(network, x))
    assert dropouts(network) == [(6, 3, 0.5), (7, 3, 0.5)]


@torch.no_grad()
def test_no_response_norm_of_alexnets_reads_over_the_border_between_the_towers() -> None:
    conv1 = peers.randomised(built(ROWS["alexnet"].net(), SMALL_ALEXNET))[:1]
    x = peers.pictures(SMALL_ALEXNET, 100)
    before = conv1(x)
    next(conv1.parameters())[48].zero_()  # the first map of the second tower
    changed = (conv1(x) != before).flatten(2).any(2).any(0)
    assert changed.nonzero().flatten().tolist() == [48, 49, 50]


# --- torchvision ------------------------------------------------------------------------------------------------------


def test_alexnet_owt_computes_what_torchvision_computes() -> None:
    theirs = unfilled(peers.torchvision_models().alexnet)
    assert_same(ROWS["alexnet_owt"].net(), (3, 224, 224), theirs)


TORCHVISION = ("vgg11", "vgg13", "vgg16", "vgg19")


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_vgg_computes_what_torchvision_computes(name: str) -> None:
    theirs = unfilled(getattr(peers.torchvision_models(), name))
    assert_same(ROWS[name].net(), (3, 224, 224), theirs)


@pytest.mark.parametrize("name", TORCHVISION)
def test_vgg_computes_what_torchvision_computes_on_the_least_picture(name: str) -> None:
    models = peers.torchvision_models()

    def on_one_place() -> nn.Module:
        theirs = getattr(models, name)(num_classes=10)
        theirs.avgpool, theirs.classifier[0] = nn.Identity(), nn.Linear(512, 4096)
        return theirs

    assert_same(ROWS[name].net(classes=10), SMALL_VGG, unfilled(on_one_place))


@pytest.mark.slow
@torch.no_grad()
def test_vgg16_as_convolutions_computes_what_vgg16_computes() -> None:
    row = ROWS["vgg16"]
    network = peers.randomised(built(row.net(), row.input))
    dense = built(ROWS["vgg16_conv"].net(), row.input)
    dense.load_state_dict(convolutional(row.net(), row.input).carried(network.state_dict()))
    peers.agree(dense, network, peers.pictures(row.input))


# --- fresh weights ----------------------------------------------------------------------------------------------------


def fresh(name: str, input: Shape) -> dict[str, Tensor]:
    return build(ROWS[name].net(classes=2), input, ROWS[name].initialisation).state_dict()


def test_alexnet_starts_as_section_5_says() -> None:
    state = fresh("alexnet", SMALL_ALEXNET)
    biases = {path.split(".")[0]: value.unique().tolist() for path, value in state.items() if path.endswith("bias")}
    ones = {stage: [1.0] for stage in ("conv2", "conv4", "conv5", "fc6", "fc7")}
    assert biases == {stage: [0.0] for stage in ("conv1", "conv3", "fc8")} | ones
    for path, value in state.items():
        if path.endswith("weight"):
            assert value.std().item() == pytest.approx(0.01, rel=0.05), path
            assert abs(value.mean().item()) < 0.001, path


def test_vgg_a_starts_as_section_3_1_says() -> None:
    state = fresh("vgg11", SMALL_VGG)
    assert all(value.unique().tolist() == [0.0] for path, value in state.items() if path.endswith("bias"))
    assert all(value.var().item() == pytest.approx(0.01, rel=0.1) for path, value in state.items() if path.endswith("weight"))


def test_kin_start_alike_and_the_deeper_vgg_networks_by_glorots_procedure() -> None:
    assert ROWS["alexnet_one_tower"].initialisation == ROWS["alexnet"].initialisation
    assert ROWS["vgg11_lrn"].initialisation == ROWS["vgg11"].initialisation
    assert {ROWS[name].initialisation for name in ("vgg13", "vgg16", "vgg16_c", "vgg16_conv", "vgg19")} == {"glorot"}


# --- published figures ------------------------------------------------------------------------------------------------

PARAMETERS = {
    "alexnet": 60965224, "alexnet_one_tower": 62378344, "alexnet_owt": 61100840,
    "nin_cifar10": 966986, "nin_cifar10_caffe": 966986, "nin_imagenet": 7595176,
    "vgg11": 132863336, "vgg11_lrn": 132863336, "vgg13": 133047848, "vgg16_c": 133638952,
    "vgg16": 138357544, "vgg16_conv": 138357544, "vgg19": 143667240,
    "all_cnn_c": 1369738, "convpool_cnn_c": 1369738,
}  # fmt: skip
MACS = {"vgg11": 7609090048, "vgg16": 15470264320, "vgg16_conv": 15470264320, "vgg19": 19632062464}
ALEXNET = [
    ("conv1.0", (96, 55, 55), "conv1", (96, 27, 27), 34944),
    ("conv2.0", (256, 27, 27), "conv2", (256, 13, 13), 307456),
    ("conv3.0", (384, 13, 13), "conv3", (384, 13, 13), 885120),
    ("conv4.0", (384, 13, 13), "conv4", (384, 13, 13), 663936),
    ("conv5.0", (256, 13, 13), "conv5", (256, 6, 6), 442624),
    ("fc6.0", (4096,), "fc6", (4096,), 37752832),
    ("fc7.0", (4096,), "fc7", (4096,), 16781312),
    ("fc8", (1000,), "fc8", (1000,), 4097000),
]
ERRORS = {
    "alexnet": {"imagenet_val_top1_error_ten_crop": "0.407", "imagenet_val_top5_error_ten_crop": "0.182"},
    "nin_cifar10": {
        "cifar10_test_error": "0.1041", "cifar10_test_error_augmented": "0.0881",
        "cifar100_test_error": "0.3568", "mnist_test_error": "0.0047",
    },
    "vgg11": {"imagenet_val_top1_error_dense_256": "0.296", "imagenet_val_top5_error_dense_256": "0.104"},
    "vgg11_lrn": {"imagenet_val_top1_error_dense_256": "0.297", "imagenet_val_top5_error_dense_256": "0.105"},
    "vgg13": {"imagenet_val_top1_error_dense_256": "0.287", "imagenet_val_top5_error_dense_256": "0.099"},
    "vgg16_c": {"imagenet_val_top1_error_dense_256": "0.281", "imagenet_val_top5_error_dense_256": "0.094"},
    "vgg16": {"imagenet_val_top1_error_dense_256": "0.270", "imagenet_val_top5_error_dense_256": "0.088"},
    "vgg19": {"imagenet_val_top1_error_dense_256": "0.273", "imagenet_val_top5_error_dense_256": "0.090"},
    "all_cnn_c": {"cifar10_test_error": "0.0908", "cifar10_test_error_augmented": "0.0725"},
    "convpool_cnn_c": {"cifar10_test_error": "0.0931"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items(), ids=PARAMETERS)
def test_parameters_are_those_that_follow_from_the_paper(name: str, parameters: int) -> None:
    assert ROWS[name].anatomy().parameters == parameters


@pytest.mark.parametrize(("name", "macs"), MACS.items(), ids=MACS)
def test_vgg_multiplies_as_often_as_follows_from_table_1(name: str, macs: int) -> None:
    assert ROWS[name].anatomy().macs == macs


@pytest.mark.parametrize(("name", "errors"), ERRORS.items(), ids=ERRORS)
def test_reported_errors_are_those_that_the_paper_prints(name: str, errors: dict[str, str]) -> None:
    reported = {figure.quantity: parsed(figure.printed)[0] for figure in ROWS[name].reports}
    assert {quantity: reported[quantity] for quantity in errors} == {quantity: Decimal(error) for quantity, error in errors.items()}


@pytest.mark.parametrize(("layer", "units", "stage", "pooled", "parameters"), ALEXNET, ids=[stage for _, _, stage, _, _ in ALEXNET])
def test_alexnet_has_the_layers_of_figure_2(layer: str, units: Shape, stage: str, pooled: Shape, parameters: int) -> None:
    sized = ROWS["alexnet"].anatomy()
    assert (sized.within(layer).output, sized.within(stage).output, sized.within(stage).parameters) == (units, pooled, parameters)


def kinds(sized: Anatomy, stage: str) -> list[str]:
    return [type(row.part).__name__ for row in sized.within(stage).rows]


@pytest.mark.parametrize("name", ["alexnet", "alexnet_one_tower"])
def test_alexnet_normalises_pools_and_drops_out_as_sections_3_3_to_4_2_say(name: str) -> None:
    sized = ROWS[name].anatomy()
    assert kinds(sized, "conv1") == kinds(sized, "conv2") == ["Conv", "ReLU", "LRN", "MaxPool"]
    assert kinds(sized, "conv5") == ["Conv", "ReLU", "MaxPool"]
    parts = [row.part for row in sized.rows]
    towers = 2 if name == "alexnet" else 1
    assert {part for part in parts if isinstance(part, LRN)} == {LRN(n=5, k=2.0, alpha=1e-4, beta=0.75, groups=towers)}
    assert {part for part in parts if isinstance(part, MaxPool)} == {MaxPool(3, stride=2)}
    assert [row.path for row in sized.rows if isinstance(row.part, Dropout)] == ["fc6.2", "fc7.2"]


@pytest.mark.parametrize("name", ["alexnet", "alexnet_one_tower"])
def test_the_printed_224_does_not_give_alexnets_55(name: str) -> None:
    with pytest.raises(ShapeError, match=r"conv1\.0: .* = 54\.25, .* 227"):
        anatomy(ROWS[name].net(), (3, 224, 224))


def test_vgg16_without_its_classifier_has_14714688_parameters_in_thirteen_convolutions() -> None:
    sized, base = ROWS["vgg16"].anatomy(), [f"conv{number}" for number in range(1, 6)]
    assert sum(sized.within(stage).parameters for stage in base) == 14_714_688
    assert [kinds(sized, stage).count("Conv") for stage in base] == [2, 2, 3, 3, 3]


def test_vgg16_features_of_a_picture_of_150_are_512x4x4_rounded_down() -> None:
    assert anatomy(fitted(ROWS["vgg16"].net(), "floor"), (3, 150, 150)).within("conv5").output == (512, 4, 4)


def test_vgg16_as_convolutions_gives_36_scores_of_a_picture_of_384_at_stride_32() -> None:
    scores = anatomy(ROWS["vgg16_conv"].net(), (3, 384, 384)).within("fc8")
    assert scores.output == (1000, 6, 6)
    assert (scores.field.down.jump, scores.field.across.jump) == (32, 32)


@pytest.mark.parametrize("name", ALLCNN)
def test_every_allcnn_averages_over_6x6(name: str) -> None:
    sized = ROWS[name].anatomy()
    assert sized.within("conv5").output == (10, 6, 6)
    assert kinds(sized, "average") == ["GlobalAvgPool"]
