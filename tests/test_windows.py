"""A window on an axis: held against the windows drawn one by one, the lecture notes' examples, and torch's rule for ceil."""

import dataclasses
import re
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hubel.errors import ShapeError
from hubel.layers import Conv, Depthwise, L2Pool, Local, MaxPool, Subsample
from hubel.windows import Window

windows = st.builds(
    Window,
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 3),
    st.sampled_from(["exact", "floor"]),
)
widths = st.integers(1, 24)


def drawn(window, width):
    """Every place where the window can stand: the inputs it covers, negative or beyond the width in padding."""
    places, start = [], -window.before
    while start + (window.size - 1) * window.dilation < width + window.after:
        places.append([start + tap * window.dilation for tap in range(window.size)])
        start += window.stride
    return places


def lost(window, width):
    """Pixels behind the last window that belong to no gap such as lies between any two windows."""
    behind = width - 1 - drawn(window, width)[-1][-1]
    return max(0, behind - max(0, window.stride - window.span))


@settings(deadline=None, max_examples=300)
@given(windows, widths)
def test_outputs_are_the_windows_that_can_be_drawn_and_lose_no_pixel(window, width):
    places = drawn(window, width)
    if not places or (window.fit == "exact" and lost(window, width)):
        with pytest.raises(ShapeError):
            window.outputs(width)
    else:
        assert window.outputs(width) == len(places)


@settings(deadline=None, max_examples=200)
@given(windows, widths)
def test_what_rounding_leaves_unread_may_only_be_padding_or_a_gap(window, width):
    places = drawn(window, width)
    assume(places)
    unread = width + window.after - 1 - places[-1][-1]
    assert window.unread(width) == unread
    assert (window.lost(width) == 0) == (unread <= window.after + max(0, window.stride - window.span))
    assert window.lost(width) == lost(window, width)


@settings(deadline=None, max_examples=200)
@given(windows, widths)
def test_ceil_adds_a_window_that_starts_inside_the_input_or_the_padding_before_it(window, width):
    window = dataclasses.replace(window, after=min(window.after, window.size // 2))  # as a pool has it
    places = drawn(window, width)
    assume(places)
    uncovered = places[-1][-1] < width + window.after - 1
    another = uncovered and places[-1][0] + window.stride < width
    assert dataclasses.replace(window, fit="ceil").outputs(width) == len(places) + another


def test_ceil_is_torchs_rule():
    import torch
    from torch.nn.functional import max_pool2d

    for size in range(1, 6):
        for stride in range(1, 6):
            for pad in range(size // 2 + 1):
                for width in range(max(1, size - 2 * pad), 14):
                    made = max_pool2d(torch.zeros(1, width, width), size, stride, pad, ceil_mode=True).shape
                    assert MaxPool(size, stride, pad=pad, fit="ceil").output((1, width, width)) == tuple(made)


@pytest.mark.parametrize(
    ("width", "size", "stride", "pad", "outputs"), [(7, 3, 1, 0, 5), (7, 3, 2, 0, 3), (227, 11, 4, 0, 55), (224, 7, 2, 3, 112)]
)
def test_worked_examples_fit(width, size, stride, pad, outputs):
    assert Window(size, stride, pad, pad).outputs(width) == outputs
    assert Conv(8, size, stride=stride, pad=pad).output((3, width, width)) == (8, outputs, outputs)


def test_worked_example_that_does_not_fit_says_so_with_its_fraction():
    with pytest.raises(ShapeError, match=r"\(10 - 3 \+ 2\*0\)/2 \+ 1 = 4\.5, so the last pixel would be lost"):
        Conv(1, 3, stride=2).output((1, 10, 10))


def test_alexnet_on_224_is_refused_with_the_settings_that_fit():
    with pytest.raises(ShapeError) as caught:
        Conv(96, 11, stride=4).output((3, 224, 224))
    for said in ("54.25", " 223 or 227", "pad=2 (gives 55)"):
        assert said in str(caught.value)


def test_fractions_without_an_end_are_written_as_mixed_numbers():
    with pytest.raises(ShapeError, match=r"= 1 6/7, so the last 2 pixels would be lost"):
        Window(3, 7).outputs(9)


def test_axis_at_fault_is_named_where_the_sides_differ():
    with pytest.raises(ShapeError, match="does not fit the height of 10"):
        Conv(1, 3, stride=2).output((1, 10, 11))
    with pytest.raises(ShapeError, match="does not fit the width of 10"):
        Conv(1, 3, stride=2).output((1, 11, 10))


def test_window_larger_than_the_padded_input_is_refused_with_both_sizes():
    with pytest.raises(ShapeError, match=r"a window of 9 is larger than the input of 5 padded to 7"):
        Conv(1, 5, dilation=2, pad=1).output((1, 5, 5))
    for fit in ("exact", "floor", "ceil"):
        with pytest.raises(ShapeError, match=r"a window of 3 is larger than the input of 2;"):
            MaxPool(3, fit=fit).output((1, 2, 2))


def remedies(message):
    """The numbers that a refusal names: widths, (pad, outputs), (stride, outputs), outputs when rounded down."""
    fits = message.split("What fits: ")[1]
    sizes = [int(number) for number in re.findall(r"\d+", re.match(r"an? \w+ of \d+(?: or \d+)?", fits)[0])]
    changes = {name: (int(value), int(gives)) for name, value, gives in re.findall(r"(pad|stride)=(\d+) \(gives (\d+)\)", fits)}
    floor = re.search(r'fit="floor" to give (\d+)', fits)
    return sizes, changes, int(floor[1]) if floor else None


@st.composite
def refused(draw):
    before = draw(st.integers(0, 3))
    window = Window(
        draw(st.integers(1, 6)), draw(st.integers(2, 6)), before, draw(st.just(before) | st.integers(0, 1)), draw(st.integers(1, 3))
    )
    misfits = [width for width in range(1, 30) if drawn(window, width) and lost(window, width)]
    assume(misfits)
    return window, draw(st.sampled_from(misfits))


@settings(deadline=None, max_examples=300)
@given(refused())
def test_every_remedy_that_a_refusal_names_fits_and_is_the_nearest(misfit):
    window, width = misfit
    with pytest.raises(ShapeError) as caught:
        window.outputs(width)
    sizes, changes, floor = remedies(str(caught.value))
    fitting = [other for other in range(1, width + 40) if drawn(window, other) and not lost(window, other)]
    assert sizes == [*[other for other in fitting if other < width][-1:], *[other for other in fitting if other > width][:1]]
    assert floor == len(drawn(window, width))
    assert "stride" in changes
    assert ("pad" in changes) <= (window.before == window.after)
    for name, (value, gives) in changes.items():
        told = {"pad": {"before": value, "after": value}, "stride": {"stride": value}}[name]
        changed = dataclasses.replace(window, **told)
        assert lost(changed, width) == 0
        assert len(drawn(changed, width)) == gives
        assert changed.outputs(width) == gives


def test_fraction_of_a_refusal_is_the_formula():
    for width in range(4, 40):
        window = Window(4, 3, 0, 0)
        if lost(window, width):
            with pytest.raises(ShapeError) as caught:
                window.outputs(width)
            whole, *part = re.search(r"\+ 1 = ([0-9./ ]+),", str(caught.value))[1].split()
            assert sum(map(Fraction, part), Fraction(whole)) == Fraction(width - 4, 3) + 1


@pytest.mark.parametrize(
    "layer",
    [Conv(2, 4, stride=3), Depthwise(4, stride=3), Local(2, 4, stride=3), MaxPool(4, 3), MaxPool(5), L2Pool(4, 3), Subsample(4)],
    ids=repr,
)
def test_a_layers_remedies_are_arguments_that_it_has(layer):
    side = 18
    with pytest.raises(ShapeError) as caught:
        layer.output((1, side, side))
    sizes, changes, floor = remedies(str(caught.value))
    for other in sizes:
        assert layer.output((1, other, other))
    for name, (value, gives) in changes.items():
        assert dataclasses.replace(layer, **{name: value}).output((1, side, side))[1:] == (gives, gives)
    if floor is not None:
        assert dataclasses.replace(layer, fit="floor").output((1, side, side))[1:] == (floor, floor)


def test_refusal_of_enormous_numbers_takes_no_memory():
    text = "Conv(1, 1000000000, stride=1000000000, pad=999999991)"
    told = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); from hubel.reading import read; read('{text}').output((1, 10, 10))"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False, timeout=60)
    assert "ShapeError" in ended.stderr.splitlines()[-1]
