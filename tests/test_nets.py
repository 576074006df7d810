"""The casebook: every figure that a paper prints, for every row."""

import importlib
import pkgutil

import pytest

from hubel import nets
from hubel.anatomy import anatomy
from hubel.errors import HubelError
from hubel.joints import Chain
from hubel.nets import NETS, variant
from hubel.nets.lenet import BITMAPS, TABLE_I
from hubel.nets.paper import QUANTITIES, Figure, checked, parsed
from hubel.reading import read

every_row = pytest.mark.parametrize("row", NETS.values(), ids=NETS)


def test_every_row_of_every_file_is_in_the_casebook_under_its_own_name():
    rows = []
    for room in pkgutil.iter_modules(nets.__path__):
        rows += getattr(importlib.import_module(f"hubel.nets.{room.name}"), "VARIANTS", ())
    assert sorted(row.name for row in rows) == sorted(NETS)
    assert all(NETS[row.name] is row for row in rows)


@every_row
def test_every_published_figure_agrees(row):
    checks = checked(row)
    assert [check for check in checks if check.kind in ("says", "exact") and not check.agrees] == []
    assert len(checks) == len(row.says) + len(row.exact) + len(row.reports) + len(row.errata)
    assert row.says or row.exact


@every_row
def test_every_erratum_says_why_and_does_differ(row):
    assert all(figure.why for figure in row.errata)
    assert [check for check in checked(row) if check.kind == "erratum" and check.agrees] == []


@every_row
def test_every_figure_is_a_number_as_printed_and_has_its_place(row):
    for figure in (*row.says, *row.errata, *row.reports):
        assert figure.place
        if figure.quantity not in ("input", "output", "field"):
            assert parsed(figure.printed)
    assert {figure.quantity for figure in (*row.says, *row.errata)} | {quantity for quantity, *_ in row.exact} <= set(QUANTITIES)


@every_row
def test_every_network_is_named_stages_that_read_back(row):
    net = row.net()
    assert isinstance(net, Chain)
    assert net.names
    assert read(repr(net)) == net
    assert repr(read(repr(net))) == repr(net)
    assert net == row.net()


@every_row
def test_every_network_tells_as_many_classes_as_asked_or_says_why_not(row):
    if row.name == "lenet5":
        with pytest.raises(HubelError, match="7 classes"):
            row.net(classes=7)
    else:
        assert anatomy(row.net(classes=7), row.input).output == (7,)


# papers.toml, lenet5, exact.layers: name, output, trainable parameters, connections
LENET5 = [
    ("C1", (6, 28, 28), 156, 122304),
    ("S2", (6, 14, 14), 12, 5880),
    ("C3", (16, 10, 10), 1516, 151600),
    ("S4", (16, 5, 5), 32, 2000),
    ("C5", (120, 1, 1), 48120, 48120),
    ("F6", (84,), 10164, 10164),
    ("OUTPUT", (10,), 0, 840),
]
C3_INPUTS = [
    [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
    [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
    [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5],
]  # fmt: skip


@pytest.mark.parametrize(("stage", "output", "parameters", "connections"), LENET5)
def test_lenet5_has_the_layers_of_section_2b(stage, output, parameters, connections):
    part = NETS["lenet5"].anatomy().within(stage)
    assert (part.rows[-1].output, part.parameters, part.connections) == (output, parameters, connections)


def test_lenet5_has_60000_parameters_and_340908_connections_in_seven_stages():
    sized = NETS["lenet5"].anatomy()
    assert (sized.input, sized.parameters, sized.connections) == ((1, 32, 32), 60_000, 340_908)
    assert NETS["lenet5"].net().names == tuple(name for name, *_ in LENET5)


def test_table_i_is_the_papers():
    assert [list(row) for row in TABLE_I] == C3_INPUTS
    assert [sum(source in row for row in TABLE_I) for source in range(6)] == [10] * 6


def test_bitmaps_are_ten_different_drawings_of_7_by_12():
    assert len(set(BITMAPS)) == len(BITMAPS) == 10
    assert {len(code) for code in BITMAPS} == {84}
    assert set("".join(BITMAPS)) == set("#.")
    assert min(sum(one != other for one, other in zip(first, second)) for first in BITMAPS for second in BITMAPS if first != second) > 5


def test_lecture_nets_have_their_exact_parameters():
    sized = {name: NETS[name].anatomy() for name in ("mnist_convnet", "dogs_cats")}
    assert [row.parameters for row in sized["mnist_convnet"].rows if row.parameters] == [320, 18_496, 36_928, 36_928, 650]
    assert sized["mnist_convnet"].parameters == 93_322
    assert sized["dogs_cats"].parameters == 3_453_121
    assert (576,) in [row.output for row in sized["mnist_convnet"].rows]
    assert (6272,) in [row.output for row in sized["dogs_cats"].rows]


@pytest.mark.parametrize(
    ("printed", "accepted", "refused"),
    [
        ("3.8e9", (3_857_973_248, 3_700_000_001, 3_899_999_999), (4_089_184_256, 3_900_000_000, 3_700_000_000)),
        ("60,000", (60_000,), (59_999, 60_001)),
        ("61M", (60_965_224, 61_999_999), (62_378_344, 60_000_000)),
        ("60 million", (60_965_224, 59_000_001), (61_000_000, 59_000_000)),
        ("0.27M", (269_722,), (280_000, 259_999)),
        ("19.4M", (19_421_274,), (19_500_000,)),
        ("307K", (307_456,), (308_000, 306_000)),
        ("1.8 G", (1_814_073_344,), (1_900_000_000,)),
        ("0.95%", (0.0095, 0.00959), (0.0096, 0.0094, 0.95)),
        ("72%", (0.72, 0.7299), (0.73, 0.71)),
        ("8.81%", (0.0881,), (0.0882,)),
        ("7", (7,), (6, 8)),
    ],
)
def test_a_printed_number_accepts_less_than_one_unit_of_its_last_digit(printed, accepted, refused):
    figure = Figure("macs", printed, "table 1")
    assert [value for value in accepted if not figure.agrees(value)] == []
    assert [value for value in refused if figure.agrees(value)] == []


def test_a_printed_shape_is_compared_whole():
    figure = Figure("output", "6x28x28", "sec. II.B")
    assert figure.agrees((6, 28, 28))
    assert not figure.agrees((6, 28, 27))
    assert Figure("output", "84", "sec. II.B").agrees((84,))


@pytest.mark.parametrize("printed", ["", "many", "1.2.3", "61 MB", "about 60", "-3", "6x28x28", "%", ",", "1e"])
def test_what_papers_do_not_print_is_no_number(printed):
    with pytest.raises(HubelError, match="is not a number as papers print them"):
        parsed(printed)


def test_a_figure_that_is_wrong_is_found():
    row = NETS["lenet_relu"]
    wrong = type(row)(**{**vars(row), "says": (Figure("parameters", "62,000", "nowhere"),), "exact": (("macs", "", 1),)})
    assert [check.agrees for check in checked(wrong)] == [False, False]


def test_unknown_network_is_answered_with_the_nearest_and_how_to_list_all():
    with pytest.raises(HubelError, match=r"Did you mean 'lenet5'\?") as caught:
        variant("lenet_5")
    assert str(caught.value).endswith("`hubel nets` lists them all.")
    with pytest.raises(HubelError, match=f"Of {len(NETS)}: "):
        variant("?")
