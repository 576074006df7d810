"""GoogLeNet and its descendants: their figures, and equality with independent implementations."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import peers
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.joints import Chain, Head
from hubel.layers import AvgPool, BatchNorm, Conv, Depthwise, Dropout
from hubel.modules import head_weights
from hubel.nets import googlenet, inception_resnet_v2, inception_v3, xception

ROWS = {row.name: row for room in (googlenet, inception_v3, inception_resnet_v2, xception) for row in room.VARIANTS}

# papers.toml, googlenet, exact.inception: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj, output
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32, (256, 28, 28)),
    "3b": (128, 128, 192, 32, 96, 64, (480, 28, 28)),
    "4a": (192, 96, 208, 16, 48, 64, (512, 14, 14)),
    "4b": (160, 112, 224, 24, 64, 64, (512, 14, 14)),
    "4c": (128, 128, 256, 24, 64, 64, (512, 14, 14)),
    "4d": (112, 144, 288, 32, 64, 64, (528, 14, 14)),
    "4e": (256, 160, 320, 32, 128, 128, (832, 14, 14)),
    "5a": (256, 160, 320, 32, 128, 128, (832, 7, 7)),
    "5b": (384, 192, 384, 48, 128, 128, (1024, 7, 7)),
}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def built(name, side=None):
    """A row's network for pictures of that side, the paper's unless another is given; away from it, without its heads."""
    net, input = ROWS[name].net(), ROWS[name].input
    if side:
        net, input = Chain(**{stage: part for stage, part in net.children() if not isinstance(part, Head)}), (3, side, side)
    return build(net, input, initialisation=None)


def pictures(side, maps=3):
    return peers.pictures((maps, side, side), dtype=torch.float64)


def settled(network, side, maps=3):
    """At random, with the statistics of what flows through it for pictures of that side."""
    return peers.settled(peers.randomised(network), (maps, side, side))


def scores_in_training(network, x):
    """What a network gives in training where nothing is random and batch norm keeps its statistics."""
    network.train()
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.modules.batchnorm._BatchNorm)):
            module.eval()
    with torch.no_grad():
        return network(x)


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "with_heads"),
    [
        ("googlenet", 6_998_552, 13_378_280),
        ("googlenet_bn", 6_624_904, 13_004_888),
        ("inception_v3", 23_834_568, 27_161_264),
        ("inception_v3_torch", 23_834_568, 27_161_264),
        ("inception_resnet_v2", 55_843_464, 55_843_464),
        ("xception", 22_855_952, 22_855_952),
        ("xception_torch", 22_855_952, 22_855_952),
    ],
)
def test_parameters_are_exact_with_and_without_auxiliary_classifiers(name, parameters, with_heads):
    row = ROWS[name]
    assert row.anatomy().parameters == parameters
    assert anatomy(row.net(), row.input, heads=True).parameters == with_heads


@pytest.mark.parametrize("module", INCEPTION)
def test_googlenets_modules_have_the_filters_of_table_1(module):
    *filters, output = INCEPTION[module]
    part = ROWS["googlenet"].anatomy().within(f"inception_{module}")
    convolutions = [row.part for row in part.rows if isinstance(row.part, Conv)]
    assert [conv.maps for conv in convolutions] == filters
    assert [conv.size for conv in convolutions] == [1, 1, 3, 1, 5, 1]
    assert part.output == output


def test_googlenets_auxiliary_classifiers_are_those_of_section_5():
    net = ROWS["googlenet"].net()
    sized = anatomy(net, (3, 224, 224), heads=True)
    before = {later: earlier for earlier, later in zip(net.names, net.names[1:])}
    for stage, source, maps in (("auxiliary_4a", "inception_4a", 512), ("auxiliary_4d", "inception_4d", 528)):
        assert before[stage] == source
        rows = sized.within(stage).rows
        assert [row.output for row in rows if row.output != row.input] == [(maps, 4, 4), (128, 4, 4), (1024,), (1000,)]
        assert [row.part.rate for row in rows if isinstance(row.part, Dropout)] == [0.7]
    assert head_weights(build(net, (3, 224, 224), initialisation=None)) == [0.3, 0.3]


def test_inception_v3_has_less_than_25_million_parameters_as_its_abstract_says():
    assert ROWS["inception_v3"].anatomy().parameters < 25e6


@pytest.mark.parametrize("name", ["xception", "xception_torch"])
def test_xception_has_36_convolutions_in_14_modules_as_section_3_counts_them(name):
    row = ROWS[name]
    assert row.net().names[:14] == tuple(f"block{number}" for number in range(1, 15))
    rows = row.anatomy().rows
    plain = [each for each in rows if isinstance(each.part, Conv) and each.part.size == 3]
    separable = [each for each in rows if isinstance(each.part, Depthwise)]
    assert (len(plain), len(separable)) == (2, 34)


def test_the_look_alikes_differ_from_the_originals_in_nothing_but_what_their_files_say():
    def differences(original, other):
        rows = zip(ROWS[original].anatomy().rows, ROWS[other].anatomy().rows, strict=True)
        return [(one.path, one.part, two.part) for one, two in rows if one.layer != two.layer]

    pools = differences("inception_v3", "inception_v3_torch")
    assert [(one, two) for _, one, two in pools] == [
        *[(AvgPool(3, 1, pad=1, count_pad=False), AvgPool(3, 1, pad=1))] * 9,
        (Dropout(0.2), Dropout(0.5)),
    ]
    unlike = differences("xception", "xception_torch")
    assert {(one, two) for _, one, two in unlike if isinstance(one, BatchNorm)} == {(BatchNorm(1e-3), BatchNorm(1e-5))}
    assert [path.split(".")[0] for path, one, _ in unlike if not isinstance(one, BatchNorm)] == ["block3"]


# --- GoogLeNet --------------------------------------------------------------------------------------------------------


def googlenet_of_the_paper(network, x):
    """Figure 3 written out: the scores, then those of the auxiliary classifiers."""
    layers = iter([module for _, module in peers.weighted(network)])

    def conv(x, maps, size, stride=1):
        layer = next(layers)
        assert layer.weight.shape == (maps, x.shape[1], size, size)
        return F.conv2d(x, layer.weight, layer.bias, stride, size // 2).relu()

    def linear(x, outputs):
        layer = next(layers)
        assert layer.weight.shape == (outputs, x.shape[1])
        return x @ layer.weight.T + layer.bias

    def halved(x):
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)

    def respnorm(x):
        squares = F.pad(x * x, (0, 0, 0, 0, 2, 2))
        return x / (2 + 1e-4 * sum(squares[:, i : i + x.shape[1]] for i in range(5))) ** 0.75

    def module(x, name):
        n1, reduce3, n3, reduce5, n5, proj, _ = INCEPTION[name]
        one, three, five = conv(x, n1, 1), conv(conv(x, reduce3, 1), n3, 3), conv(conv(x, reduce5, 1), n5, 5)
        return torch.cat([one, three, five, conv(F.max_pool2d(x, 3, 1, 1), proj, 1)], 1)

    def auxiliary(x):
        x = conv(F.avg_pool2d(x, 5, 3), 128, 1)
        return linear(linear(x.flatten(1), 1024).relu(), 1000)

    x = respnorm(halved(conv(x, 64, 7, 2)))
    x = halved(respnorm(conv(conv(x, 64, 1), 192, 3)))
    x = halved(module(module(x, "3a"), "3b"))
    x = module(x, "4a")
    softmax0 = auxiliary(x)
    x = module(module(module(x, "4b"), "4c"), "4d")
    softmax1 = auxiliary(x)
    x = halved(module(x, "4e"))
    x = module(module(x, "5a"), "5b")
    return linear(x.mean((2, 3)), 1000), softmax0, softmax1


def torchvisions_googlenet():
    """With its layers' paths in the order of computation: it registers the auxiliary classifiers last."""
    theirs = settled(peers.torchvision_models().googlenet(init_weights=False, aux_logits=True), 64)
    stages = [stage for stage, _ in theirs.named_children() if not stage.startswith("aux")]
    for head, source in (("aux1", "inception4a"), ("aux2", "inception4d")):
        stages.insert(stages.index(source) + 1, head)
    return theirs, sorted((path for path, _ in peers.weighted(theirs)), key=lambda path: stages.index(path.split(".")[0]))


def test_googlenet_computes_figure_3_with_its_auxiliary_classifiers():
    ours, x = peers.randomised(built("googlenet")).double(), 100 * pictures(224)  # a response norm counts where values are large
    with torch.no_grad():
        expected = googlenet_of_the_paper(ours, x)
        peers.assert_same(ours(x), expected[0])
    for got, wanted in zip(scores_in_training(ours, x), expected, strict=True):
        peers.assert_same(got, wanted)


def test_googlenet_bn_gives_the_scores_of_torchvisions_weights_with_its_auxiliary_classifiers():
    theirs, order = torchvisions_googlenet()
    ours, x = peers.paired(built("googlenet_bn"), theirs, order), pictures(224)
    peers.agree(ours, theirs, x)
    expected = scores_in_training(theirs, x)
    given = scores_in_training(ours, x)
    for got, wanted in zip(given, (expected.logits, expected.aux_logits1, expected.aux_logits2), strict=True):
        peers.assert_same(got, wanted)


# --- Inception-v3 -----------------------------------------------------------------------------------------------------


class Uncounted(nn.Module):
    """An average over 3x3 places of which some are zeros of padding, put right: over the others alone."""

    def forward(self, x):
        return x / F.avg_pool2d(torch.ones_like(x), 3, 1, 1)


def torchvisions_inception_v3(count_pad, side, aux_logits):
    theirs = peers.torchvision_models().inception_v3(init_weights=False, aux_logits=aux_logits, transform_input=False)
    if not count_pad:
        for module in list(theirs.modules()):
            if hasattr(module, "branch_pool"):
                module.branch_pool = nn.Sequential(Uncounted(), module.branch_pool)
    return settled(theirs, side)


either_way_of_averaging = pytest.mark.parametrize(("name", "count_pad"), [("inception_v3", False), ("inception_v3_torch", True)])


@either_way_of_averaging
def test_inception_v3_gives_torchvisions_scores_for_smaller_pictures(name, count_pad):
    theirs = torchvisions_inception_v3(count_pad, 139, aux_logits=False)
    peers.agree(peers.paired(built(name, 139), theirs), theirs, pictures(139))


def test_the_auxiliary_classifier_of_inception_v3_is_torchvisions_behind_the_last_module_of_17x17():
    net = ROWS["inception_v3"].net()
    stages = list(net.names)
    assert stages[stages.index("AuxLogits") - 1] == "Mixed_6e"
    head = dict(net.children())["AuxLogits"]
    assert head.weight == 0.4
    theirs = settled(peers.torchvision_models().inception.InceptionAux(768, 1000), 17, maps=768)
    ours = peers.paired(build(head.net, (768, 17, 17), initialisation=None), theirs)
    peers.agree(ours, theirs, pictures(17, maps=768))


@pytest.mark.slow
@either_way_of_averaging
def test_inception_v3_gives_torchvisions_scores_with_its_auxiliary_classifier(name, count_pad):
    theirs = torchvisions_inception_v3(count_pad, 299, aux_logits=True)
    ours, x = peers.paired(built(name), theirs), pictures(299)
    peers.agree(ours, theirs, x)
    given, expected = scores_in_training(ours, x), scores_in_training(theirs, x)
    for got, wanted in zip(given, (expected.logits, expected.aux_logits), strict=True):
        peers.assert_same(got, wanted)


# --- Inception-ResNet-v2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [139, pytest.param(299, marks=pytest.mark.slow)])
def test_inception_resnet_v2_gives_the_scores_of_timms_weights(side):
    theirs = settled(peers.timm().create_model("inception_resnet_v2"), side)
    peers.agree(peers.paired(built("inception_resnet_v2", side), theirs), theirs, pictures(side))


# --- Xception ---------------------------------------------------------------------------------------------------------


def same(x, size, stride, value=0.0):
    """The input padded by TensorFlow's rule: as many outputs as strides begin, an odd padding's greater half behind."""
    total = max((-(-x.shape[3] // stride) - 1) * stride + size - x.shape[3], 0)
    return F.pad(x, (total // 2, total - total // 2) * 2, value=value)


def xception_of_the_paper(network, x):
    """Figure 5 written out with Keras's "same" padding and eps."""
    layers = iter([module for _, module in peers.weighted(network)])

    def conv(x, maps, size, stride=1, groups=1):
        layer = next(layers)
        assert layer.weight.shape == (maps, x.shape[1] // groups, size, size)
        assert layer.bias is None
        return F.conv2d(x, layer.weight, None, stride, groups=groups)

    def norm(x):
        layer = next(layers)
        return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=1e-3)

    def separable(x, maps):
        return norm(conv(conv(same(x, 3, 1), x.shape[1], 3, groups=x.shape[1]), maps, 1))

    def halved(x, y):
        y = F.max_pool2d(same(y, 3, 2, -torch.inf), 3, 2)
        return y + norm(conv(same(x, 1, 2), y.shape[1], 1, 2))

    x = norm(conv(x, 32, 3, 2)).relu()
    x = norm(conv(x, 64, 3)).relu()
    x = halved(x, separable(separable(x, 128).relu(), 128))
    for maps in (256, 728):
        x = halved(x, separable(separable(x.relu(), maps).relu(), maps))
    for _ in range(8):
        x = x + separable(separable(separable(x.relu(), 728).relu(), 728).relu(), 728)
    x = halved(x, separable(separable(x.relu(), 728).relu(), 1024))
    x = separable(separable(x, 1536).relu(), 2048).relu()
    logistic = next(layers)
    assert logistic.weight.shape == (1000, 2048)
    return x.mean((2, 3)) @ logistic.weight.T + logistic.bias


def timms_xception(side):
    """With its layers' paths in our order: it registers a module's shortcut before its body."""
    theirs = settled(peers.timm().create_model("legacy_xception"), side)
    stages = [stage for stage, _ in theirs.named_children()]
    paths = [path for path, _ in peers.weighted(theirs)]
    return theirs, sorted(paths, key=lambda path: (stages.index(path.split(".")[0]), ".skip" in path))


@pytest.mark.parametrize("side", [107, pytest.param(299, marks=pytest.mark.slow)])  # block3 meets an even side in both
def test_xception_computes_figure_5_as_keras_pads_it(side):
    ours, x = settled(built("xception", side), side).double(), pictures(side)
    with torch.no_grad():
        peers.assert_same(ours(x), xception_of_the_paper(ours, x))


@pytest.mark.parametrize("side", [107, pytest.param(299, marks=pytest.mark.slow)])
def test_xception_torch_gives_the_scores_of_timms_weights(side):
    theirs, order = timms_xception(side)
    peers.agree(peers.paired(built("xception_torch", side), theirs, order), theirs, pictures(side))
