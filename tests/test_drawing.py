"""The figure: valid, honest and legible, judged from its own SVG: boxes, texts and arrows are measured where they lie."""

import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from expressions import any_layer, fitting_networks
from hubel.anatomy import anatomy
from hubel.drawing import drawn
from hubel.drawing.ink import width
from hubel.drawing.labels import label
from hubel.errors import HubelError, ShapeError
from hubel.joints import Chain, Concat, Head, Sum, shown
from hubel.layers import FC, AvgPool, BatchNorm, Conv, Dropout, GlobalAvgPool, Identity, MaxPool, PadMaps, ReLU, Scale
from hubel.nets import NETS

SVG = "{http://www.w3.org/2000/svg}"
FONT = ImageFont.load_default(100)  # a sans serif of Helvetica's kind, carried by Pillow: a ruler that is not the drawing's own
ROUNDED = 1.0  # pixels: each of some nested coordinates is rounded to a tenth


# --- reading a figure -------------------------------------------------------------------------------------------------


@dataclass
class Figure:
    """What stands where: (left, top, right, bottom) each, on the page."""

    page: tuple
    boxes: list = field(default_factory=list)  # (bounds, class of the rect)
    texts: list = field(default_factory=list)  # (bounds, words)
    tips: list = field(default_factory=list)  # where arrowheads end
    targets: list = field(default_factory=list)  # outlines that an arrow may end on, as bounds
    cards: list = field(default_factory=list)
    lines: list = field(default_factory=list)  # straight pieces of what flows, as bounds
    layers: int = 0  # what the counts that are shown multiply to
    elements: int = 0


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def text_bounds(x, y, element):
    size, words = float(element.get("font-size")), element.text
    wide = FONT.getlength(words) * size / 100 * (1.06 if element.get("font-weight") else 1)
    left = x - {"start": 0, "middle": wide / 2, "end": wide}[element.get("text-anchor")]
    return left, y - 0.74 * size, left + wide, y + 0.21 * size


def read(svg):
    """The figure, with every coordinate carried to the page. Raises ParseError where the XML is not valid."""
    root = ElementTree.fromstring(svg)
    _, _, wide, high = numbers(root.get("viewBox"))
    figure = Figure((0, 0, wide, high))
    walk(root, 0, 0, 1, figure)
    return figure


def walk(element, x, y, times, figure):
    figure.elements += 1
    if element.tag == f"{SVG}defs":
        return
    if moves := element.get("transform"):
        across, down = numbers(moves)
        x, y = x + across, y + down
    times *= int(element.get("data-times", 1))
    figure.layers += times * int(element.get("data-layers", 0))
    kind = element.get("class", "")
    if kind == "legend":  # its samples belong to no network
        figure, whole = Figure(figure.page, texts=figure.texts), figure
        whole.elements += len(list(element.iter()))
    if element.tag == f"{SVG}rect" and kind:
        left, top = x + float(element.get("x")), y + float(element.get("y"))
        bounds = (left, top, left + float(element.get("width")), top + float(element.get("height")))
        figure.boxes.append((bounds, kind))
        figure.targets.append(bounds)
    elif element.tag == f"{SVG}circle":
        middle, level, radius = (float(element.get(name)) for name in ("cx", "cy", "r"))
        figure.targets.append((x + middle - radius, y + level - radius, x + middle + radius, y + level + radius))
    elif element.tag == f"{SVG}text":
        figure.texts.append((text_bounds(x + float(element.get("x")), y + float(element.get("y")), element), element.text))
    elif element.tag == f"{SVG}path":
        path(element, x, y, kind, figure)
    for inside in element:
        walk(inside, x, y, times, figure)


def path(element, x, y, kind, figure):
    steps = element.get("d")
    if element.get("marker-end"):
        across, down = numbers(steps)[-2:]
        figure.tips.append((x + across, y + down))
    if kind == "card":
        points = numbers(steps)
        bounds = (x + min(points[::2]), y + min(points[1::2]), x + max(points[::2]), y + max(points[1::2]))
        figure.cards.append(bounds)
        edges = [(x + a, y + b, x + c, y + d) for a, b, c, d in zip(points[::2], points[1::2], points[2::2], points[3::2])]
        figure.targets += [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in edges]
    elif element.get("fill") == "none" and "v" not in steps:
        points = numbers(steps)
        ends = zip(points[::2], points[1::2], points[2::2], points[3::2])
        figure.lines += [(x + min(a, c), y + min(b, d), x + max(a, c), y + max(b, d)) for a, b, c, d in ends]
    elif block := re.fullmatch(r"M(\S+) (\S+)h(\S+)v(\S+)h-\3z", steps):
        left, top, thick, high = map(float, block.groups())
        figure.targets.append((x + left, y + top, x + left + thick, y + top + high))


def overlap(one, other, slack=ROUNDED):
    return one[0] < other[2] - slack and other[0] < one[2] - slack and one[1] < other[3] - slack and other[1] < one[3] - slack


def crosses(line, box):
    """Whether a line runs into a box, more than a little."""
    left, top, right, bottom = box
    return line[0] < right - ROUNDED and left + ROUNDED < line[2] and line[1] < bottom - ROUNDED and top + ROUNDED < line[3]


def within(inner, outer, slack=ROUNDED):
    return inner[0] >= outer[0] - slack and inner[1] >= outer[1] - slack and inner[2] <= outer[2] + slack and inner[3] <= outer[3] + slack


def on_outline(point, bounds, slack=ROUNDED):
    """Whether a point lies on the border of a rectangle, which a line is too."""
    x, y = point
    left, top, right, bottom = bounds
    beside = min(abs(x - left), abs(x - right)) <= slack and top - slack <= y <= bottom + slack
    return beside or (min(abs(y - top), abs(y - bottom)) <= slack and left - slack <= x <= right + slack)


def check(svg, layers):
    """Everything that holds for every figure."""
    figure = read(svg)
    assert svg.isascii()
    assert figure.layers == layers
    assert [words for bounds, words in figure.texts if not within(bounds, figure.page)] == []
    assert [bounds for bounds in figure.cards if not within(bounds, figure.page)] == []
    bounds = sorted(figure.texts)
    assert [(a, b) for i, (one, a) in enumerate(bounds) for other, b in bounds[i + 1 :] if overlap(one, other, 0.3)] == []
    solid = [bounds for bounds, kind in figure.boxes if kind != "fold"]
    assert [(one, other) for i, one in enumerate(solid) for other in solid[i + 1 :] if overlap(one, other)] == []
    for frame, _ in [box for box in figure.boxes if box[1] == "fold"]:
        assert [one for one in solid if overlap(one, frame) and not within(one, frame)] == []
    assert [(a, b) for i, a in enumerate(figure.cards) for b in figure.cards[i + 1 :] if overlap(a, b)] == []
    assert [one for one in solid if not any(within(one, card) for card in figure.cards)] == []
    for text, words in figure.texts:
        assert all(within(text, box) for box in solid if overlap(text, box)), words
    for line in figure.lines:
        assert [box for box in solid if crosses(line, box)] == []
        assert [words for text, words in figure.texts if crosses(line, text)] == []
    assert [tip for tip in figure.tips if not any(on_outline(tip, target) for target in figure.targets)] == []
    return figure


def words(svg):
    return [text for _, text in read(svg).texts]


# --- networks in the manner of the papers -----------------------------------------------------------------------------


def inception(one, reduced, three, last):
    return Conv(one, 1) | Conv(reduced, 1) >> ReLU() >> Conv(three, 3, pad=1) | MaxPool(3, 1, pad=1) >> Conv(last, 1)


def residual(maps, shortcut, stride=1):
    return Sum(Conv(maps, 3, stride=stride, pad=1) >> BatchNorm() >> ReLU() >> Conv(maps, 3, pad=1) >> BatchNorm(), shortcut) >> ReLU()


def residual_stages(blocks):
    same = residual(16, Identity())
    return Chain(
        conv1=Conv(16, 3, pad=1) >> BatchNorm() >> ReLU(),
        conv2_x=Chain(same) if blocks == 1 else same * blocks,
        conv3_x=Chain(residual(32, PadMaps(32, stride=2), 2), *[residual(32, Identity())] * (blocks - 1)),
        fc=GlobalAvgPool() >> FC(10),
    )


INCEPTIONS = Chain(
    stem=Conv(8, 3, pad=1) >> ReLU() >> MaxPool(2),
    inception_3a=inception(4, 6, 8, 4),
    aux=Head(AvgPool(2) >> FC(20) >> ReLU() >> Dropout(0.7) >> FC(10), 0.3),
    inception_3b=inception(8, 6, 16, 8),
    fc=GlobalAvgPool() >> FC(10),
)
DENSE = Chain(conv=Conv(8, 3, pad=1), dense1=(Identity() | BatchNorm() >> ReLU() >> Conv(4, 3, pad=1)) * 6, pool=GlobalAvgPool())
INPUT = (3, 16, 16)
SAMPLES = {"inception": INCEPTIONS, "residual": residual_stages(18), "dense": DENSE}


@pytest.mark.parametrize("net", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("depth", [None, 0, 1, 2, 9])
def test_nothing_overlaps_nothing_is_clipped_and_every_arrow_ends_on_an_outline(net, depth):
    check(drawn(net, INPUT, "A figure", depth), net.layers)


@pytest.mark.slow
@pytest.mark.parametrize("variant", NETS.values(), ids=NETS)
def test_the_whole_casebook_is_legible(variant):
    net = variant.net()
    figure = check(drawn(net, variant.input, variant.title), net.layers)
    assert figure.page[2] <= 1250


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "googlenet", "resnet152", "densenet121"])
def test_the_best_known_networks_stand_on_one_page_with_every_stage_and_both_ends(name):
    variant = NETS[name]
    svg = drawn(variant.net(), variant.input)
    figure, said = check(svg, variant.net().layers), words(svg)
    assert figure.page[2] <= 1250 and figure.page[3] <= 1.5 * figure.page[2]
    assert {stage for stage, _ in variant.net().children()} <= set(said)
    assert {shown(variant.input), shown(variant.anatomy().output), "input", "output"} <= set(said)


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", SAMPLES.values(), ids=SAMPLES)
def test_every_stage_is_named_with_its_parameters_and_every_shape_between_stages_is_said(net):
    said, sized = words(drawn(net, INPUT)), anatomy(net, INPUT, heads=True)
    for name, part in net.children():
        learned = sized.within(name).parameters
        assert name in said
        assert (f"{learned:,} parameters" if learned else "no parameters") in said
        if not isinstance(part, Head):
            assert shown(sized.within(name).rows[-1].output) in said


def test_a_title_and_the_totals_stand_above_and_the_scale_below():
    svg = drawn(INCEPTIONS, INPUT, "Two modules")
    said, sized = " ".join(words(svg)), anatomy(INCEPTIONS, INPUT)
    heads = anatomy(INCEPTIONS, INPUT, heads=True).parameters - sized.parameters
    assert said.startswith("Two modules")
    assert f"{sized.parameters:,} parameters, {sized.macs:,} multiply-adds" in said
    assert f"{heads:,} parameters more" in said
    assert "the root of C" in said and "the root of H" in said and "the root of W" in said


def test_branches_stand_side_by_side_in_as_many_columns_as_there_are():
    three = inception(4, 6, 8, 5)
    figure = check(drawn(Chain(module=three), INPUT), three.layers)
    cells = sorted(bounds for bounds, kind in figure.boxes if kind == "cell" and within(bounds, figure.cards[0]))
    layers = [bounds for bounds, kind in figure.boxes if kind == "layer"]
    assert len(cells) == len(three.parts)
    assert all(left[2] == pytest.approx(right[0], abs=0.2) and left[1] == right[1] for left, right in pairwise(cells))
    columns = [[box for box in layers if cell[0] <= (box[0] + box[2]) / 2 <= cell[2]] for cell in cells]
    assert [len(column) for column in columns] == [1, 3, 2]
    tops = {min(box[1] for box in column) for column in columns}
    assert max(tops) - min(tops) < ROUNDED
    stacked = [text for bounds, text in figure.texts if any(within(bounds, cell) for cell in cells)]
    assert sorted(map(int, stacked)) == [4, 5, 8]
    assert shown(three.output(INPUT)) in [text for _, text in figure.texts]


def joins(svg, kind):
    root = ElementTree.fromstring(svg)
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == kind]
    return [
        (group, [part for part in group if part.get("class") == "join"], [part for part in group if part.get("class") == "branch"])
        for group in groups
    ]


def test_a_sum_ends_in_one_plus_that_every_branch_leads_to():
    svg = drawn(Chain(block=Sum(Conv(3, 3, pad=1) >> ReLU(), Conv(3, 1), Identity())), INPUT)
    [(_, marks, branches)] = joins(svg, "sum")
    assert len(marks) == 1 and len(branches) == 3
    figure = read(svg)
    [plus] = [target for target in figure.targets if (target[2] - target[0], target[3] - target[1]) == pytest.approx((16, 16))]
    assert sum(on_outline(tip, plus) for tip in figure.tips) == 3
    assert "added" in words(svg) and "what came in, unchanged" in words(svg)


def test_an_identity_is_a_line_around_the_body_and_no_box():
    svg = drawn(Chain(block=Sum(Conv(3, 3, pad=1), Identity())), INPUT)
    assert [kind for _, kind in read(svg).boxes].count("layer") == 1
    [(_, _, (body, shortcut))] = joins(svg, "sum")
    assert [part.tag for part in shortcut] == [f"{SVG}path"]
    across = numbers(shortcut[0].get("d"))[::2]
    assert max(across) > max(float(rect.get("width")) for rect in body.iter(f"{SVG}rect"))


def test_a_head_hangs_dashed_from_the_line_and_can_be_left_out():
    svg = drawn(INCEPTIONS, INPUT)
    root = ElementTree.fromstring(svg)
    heads = [group for group in root.iter(f"{SVG}g") if group.get("class") == "head"]
    assert len(heads) == 1
    assert [part.get("stroke-dasharray") for part in heads[0] if part.get("class") == "card"] == ["3 3"]
    assert "in training, weight 0.3" in words(svg) and "in training only" in words(svg)
    without = drawn(INCEPTIONS, INPUT, heads=False)
    assert "aux" not in words(without) and "training" not in without
    check(without, INCEPTIONS.layers - INCEPTIONS.parts[2].layers)


# --- folding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [3, 18])
def test_equal_neighbours_fold_to_one_with_their_true_number(blocks):
    svg = drawn(residual_stages(blocks), INPUT)
    folds = [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("data-times")]
    assert [int(fold.get("data-times")) for fold in folds] == [blocks, blocks - 1]
    for fold in folds:
        assert [text.text for text in fold if text.tag == f"{SVG}text"] == [f"x {fold.get('data-times')}"]


def test_what_grows_from_copy_to_copy_is_said_from_first_to_last_and_the_last_flows_on():
    grows = Identity() | Conv(4, 1)
    said = words(drawn(Chain(dense=Chain(grows, grows, grows, Conv(5, 1))), INPUT))
    assert "3…11" in said
    assert "15x16x16" in said and "7x16x16" not in said


def test_the_deeper_the_more_is_opened_and_what_is_not_states_its_layers():
    nested = Chain(a=Chain(residual(3, Identity()) >> Conv(3, 1), Dropout(0.1)), b=FC(2))
    shallow, deep = (check(drawn(nested, INPUT, depth=depth), nested.layers) for depth in (0, 9))
    assert [kind for _, kind in shallow.boxes] == ["hidden", "layer"]
    assert "9 layers" in [text for _, text in shallow.texts]
    assert "hidden" not in [kind for _, kind in deep.boxes]
    beside = Chain(a=Chain(Sum(Conv(3, 1), Identity()), Sum(Conv(3, 1) >> ReLU(), Identity())), b=FC(2))
    assert "5 layers" in [text for _, text in check(drawn(beside, INPUT, depth=1), beside.layers).texts]
    seen = [len(read(drawn(nested, INPUT, depth=depth)).boxes) for depth in range(6)]
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "net",
    [
        residual_stages(200),
        Chain(*[Conv(1 + place % 7, 1) for place in range(3000)]),
        Chain(**{f"stage{place}": Conv(1 + place % 7, 1) for place in range(1000)}),
        Chain(one=Chain(*[Scale(float(place)) for place in range(3000)]), fc=FC(2)),
        Chain(one=Concat(*[Conv(1 + place % 50, 1) for place in range(500)]), fc=FC(2)),
        Chain(one=Concat(*[Conv(1 + place, 1) for place in range(40)]), fc=FC(2)),
        Chain(*[Sum(Scale(float(place)), Identity()) for place in range(1000)]),
        ReLU() * 5000,
        Chain(*[Conv(1 + place % 2, 1) for place in range(24)], *[Head(FC(2), 1)] * 50, *[Conv(1 + place % 2, 1) for place in range(24)]),
    ],
    ids=["1202 layers", "no names", "many stages", "long stage", "widest stage", "wide stage", "many blocks", "one run", "many heads"],
)
def test_however_large_the_network_the_figure_stays_small_and_its_counts_true(net):
    figure = check(drawn(net, INPUT), net.layers)
    assert figure.elements < 1500
    assert figure.page[2] <= 1650 and figure.page[3] <= 3000


@pytest.mark.parametrize("depth", [-1, 1.5, "all", True])
def test_a_depth_that_is_none_is_refused(depth):
    with pytest.raises(HubelError, match="whole number"):
        drawn(INCEPTIONS, INPUT, depth=depth)


# --- proportions ------------------------------------------------------------------------------------------------------


def test_blocks_go_with_the_roots_of_height_and_maps():
    net = Chain(a=Conv(16, 1), b=Conv(64, 1), c=MaxPool(2), d=MaxPool(2), e=FC(25))
    root = ElementTree.fromstring(drawn(net, (4, 16, 16)))
    fronts = [group.find(f"{SVG}path").get("d") for group in root.iter(f"{SVG}g") if group.get("class") == "maps"]
    sizes = [tuple(map(float, re.fullmatch(r"M\S+ \S+h(\S+)v(\S+)h-\1z", front).groups())) for front in fronts]
    shapes = [(4, 16), (16, 16), (64, 16), (64, 8), (64, 4), (25, 1)]
    per_maps, per_side = sizes[0][0] / 2, sizes[0][1] / 4
    for (thick, high), (maps, side) in zip(sizes, shapes, strict=True):
        assert thick == pytest.approx(per_maps * math.sqrt(maps), abs=0.3)
        assert high == pytest.approx(per_side * math.sqrt(side), abs=0.2)


@settings(max_examples=100)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40), st.booleans())
def test_text_is_given_at_least_the_room_that_it_takes(said, bold):
    assert width(said, 100, bold) >= FONT.getlength(said) * (1.06 if bold else 1)


# --- any network, any text --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(fitting_networks(), st.none() | st.integers(0, 4))
def test_any_network_is_drawn_soundly_and_always_alike(networks, depth):
    net, shape = networks
    svg = drawn(net, shape, "any", depth)
    check(svg, net.layers)
    assert drawn(net, shape, "any", depth) == svg


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300))
def test_any_title_is_escaped_and_fits(title):
    svg = drawn(DENSE, INPUT, title)
    root = ElementTree.fromstring(svg)
    assert len(list(root.iter())) - len(list(ElementTree.fromstring(drawn(DENSE, INPUT, "x")).iter())) in (0, -1)
    assert svg.isascii()


@pytest.mark.parametrize("title", ["</title><script>alert(1)</script>", "a & b < c > \"d\" 'e'", "\x00\x1b\ud800\u202e\uffff", "W" * 5000])
def test_hostile_titles_stay_text(title):
    svg = drawn(DENSE, INPUT, title)
    check(svg, DENSE.layers)
    assert {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()} <= {
        *("svg", "title", "desc", "defs", "marker", "g", "rect", "circle", "path", "text")
    }


@pytest.mark.parametrize("name", ["W" * 3000, "é" * 40, "λ_1", "漢字" * 30, "ß" * 9, "a" * 27])
def test_any_stage_name_fits_its_tab_and_is_whole_in_the_description(name):
    svg = drawn(Chain(**{name: Conv(3, 1), "fc": FC(2)}), INPUT)
    figure = read(svg)
    assert name in ElementTree.fromstring(svg).find(f"{SVG}desc").text
    assert all(within(bounds, figure.page) for bounds, _ in figure.texts)
    assert figure.page[2] < 1000


@given(any_layer)
def test_every_layer_has_a_short_name(layer):
    said = label(layer)
    assert said.strip() == said and "None" not in said and "(" not in said
    assert 1 < len(said) < 90


def test_a_network_that_does_not_fit_is_refused_as_everywhere():
    with pytest.raises(ShapeError, match="conv: "):
        drawn(Chain(conv=Conv(4, 5)), (3, 4, 4))


def test_the_figure_is_of_itself_complete_and_readable_without_sight():
    root = ElementTree.fromstring(drawn(INCEPTIONS, INPUT, "Two modules"))
    assert root.get("role") == "img" and root.find(f"{SVG}title").text == "Two modules"
    assert "inception_3a gives 16x8x8" in root.find(f"{SVG}desc").text
    told = [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if "href" in name or "url(" in value or name.startswith("on")
    ]
    assert set(told) == {"url(#hubel-arrow)"}
    assert [marker.get("id") for marker in root.iter(f"{SVG}marker")] == ["hubel-arrow"]


PROGRAM = """
import sys
from hubel.drawing import drawn
from hubel.nets import NETS
print(hash(drawn(NETS["lenet5"].net(), (1, 32, 32), "x")) and drawn(NETS["lenet5"].net(), (1, 32, 32), "x"))
assert not {"torch", "numpy", "rich", "PIL"} & set(sys.modules), "too much was loaded"
"""


def test_the_bytes_do_not_depend_on_the_process_and_nothing_heavy_is_loaded():
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""
