"""Advice on what units see of the picture, and on depth."""

from __future__ import annotations

from hubel.advice.case import PICTURE, Advice, Case, Place, further, percent, said
from hubel.anatomy import Axis, Row, Span
from hubel.arguments import pair
from hubel.joints import Concat, Shape, Sum, shown
from hubel.layers import FC, AdaptiveAvgPool, AvgPool, GlobalAvgPool, Windowed
from hubel.rewrite.sites import MULTIPLYING
from hubel.windows import Window

DEEPEST_PLAIN = 20
"""Layers that look around, in the deepest plain networks known to be better than shallower ones (VGG-19; He et al. 2015, fig. 6)."""


def field_is_smaller_than_the_picture(case: Case) -> Advice | None:
    """Maps that are averaged into scores although none of their units sees half of a side of the picture.

    Published networks that end so see two thirds or more (All-CNN, SqueezeNet). A fully-connected layer on the maps sees everything.
    """
    average = next((place for place in case.places.values() if flattens(place.row)), None)
    if average is None or not isinstance(average.part, (GlobalAvgPool, AdaptiveAvgPool, AvgPool)) or average.sources == (PICTURE,):
        return None
    last = case.places[average.sources[0]].row
    if not sees_too_little(last, case.input):
        return None
    finding = (
        f"{said(average.row)} averages units that see {shown(field_of(last))} pixels of {shown(case.input[1:])}, less than half of a side: "
        "none can relate what stands farther apart."
    )
    remedy = "Add layers, strides or dilation before the average, or take smaller pictures."
    return case.advice("field is smaller than the picture", [last], finding, remedy)


def field_of(row: Row) -> Shape:
    """The sides of what a unit sees."""
    return row.field.down.size, row.field.across.size


def sees_too_little(row: Row, picture: Shape) -> bool:
    """Whether a unit sees less than half of a side of the picture."""
    return any(2 * size < side for size, side in zip(field_of(row), picture[1:]))


def flattens(row: Row) -> bool:
    """Whether the places of maps become one."""
    return len(row.input) == 3 and row.input[1:] != (1, 1) and row.output[1:] in ((), (1, 1))


def field_outgrows_the_picture(case: Case) -> Advice | None:
    """Layers that look around although every unit before them sees the whole picture, those in the corners too.

    That takes a field of about twice the picture, on every way through the network: shortcuts keep fields small. Such layers were
    found to add nothing to accuracy (Richter, Schöning, Wiedenroth, Krumnack 2021). Said where they have most of the parameters.
    """
    least = _least_fields(case)
    entering = {row.path: least[case.places[row.path].sources[0]] for row in case.sized.rows if _looks_around(row)}
    rows = [row for row in case.sized.rows if row.path in entering and _all_see_all(entering[row.path], row.input, case.input)]
    alike = [row for row in case.sized.rows if row.path in entering]
    parameters, among = sum(row.parameters for row in rows), sum(row.parameters for row in alike)
    if 2 * parameters <= among:
        return None
    sizes = tuple(axis.size for axis in entering[rows[0].path])
    finding = (
        f"All units before {said(rows[0])} see the whole picture already, with fields of {shown(sizes)} on {shown(case.input[1:])} pixels. "
        f"From there on {len(rows)} of {len(alike)} layers with larger windows than 1x1 follow, with {percent(parameters, among)} of the "
        "parameters of all of them."
    )
    remedy = "Take larger pictures or fewer early strides, or see how the network does without those layers."
    return case.advice("field outgrows the picture", rows, finding, remedy)


def _looks_around(row: Row) -> bool:
    """Whether the layer has weights for several places of the maps."""
    return isinstance(row.part, MULTIPLYING) and isinstance(row.part, Windowed) and any(window.size > 1 for window in row.part.windows())


def _all_see_all(field: tuple[Axis, Axis], maps: Shape, picture: Shape) -> bool:
    """Whether every unit of the maps, those in the corners too, sees the whole picture."""
    spans = [axis.spans[0] for axis in field]
    firsts = [span.start + span.size >= side for span, side in zip(spans, picture[1:])]
    lasts = [span.start + (units - 1) * span.jump <= 0 for span, units in zip(spans, maps[1:])]
    return all(firsts) and all(lasts)


def _least_fields(case: Case) -> dict[str, tuple[Axis, Axis]]:
    """The receptive field of what leaves each place, on the way on which it is smallest."""
    pixel = Axis((Span(1, 1, 0),))
    least = {PICTURE: (pixel, pixel)}
    for path, place in case.places.items():
        down, across = (min((least[source][axis] for source in place.sources), key=lambda field: field.size) for axis in (0, 1))
        if isinstance(place.part, Windowed):
            windows = place.part.windows()
        elif isinstance(place.part, AdaptiveAvgPool):
            shares = [max(1, side // size) for side, size in zip(place.row.input[1:], pair(place.part.size))]
            windows = (Window(shares[0], shares[0]), Window(shares[1], shares[1]))
        else:
            least[path] = (down, across)
            continue
        least[path] = (down.through(windows[0]), across.through(windows[1]))
    return least


def branches_are_not_aligned(case: Case) -> Advice | None:
    """Joins of branches whose strides differ."""
    rows = [place.row for place in case.places.values() if _jumps(case, place)]
    if not rows:
        return None
    apart = " and ".join(map(str, _jumps(case, case.places[rows[0].path])))
    finding = (
        f"{said(rows[0])} joins maps of one size whose neighbouring units stand {apart} pixels of the picture apart: what lies at one "
        f"place in them does not in the picture.{further(rows)}"
    )
    return case.advice("branches are not aligned", rows, finding, "Let the strides along every branch multiply up to the same number.")


def _jumps(case: Case, place: Place) -> list[int]:
    """The distances between units that meet in a join, where they differ on an axis."""
    for axis, units in enumerate(place.row.output[1:]):
        entering = [case.places[source].row.field[axis] for source in place.sources if source]
        jumps = {field.jump for field in entering if field.aligned}
        if units > 1 and len(jumps) > 1 and None not in jumps:
            return sorted(jump for jump in jumps if jump)
    return []


def deep_without_shortcuts(case: Case) -> Advice | None:
    """More layers in one line than are known to help."""
    rows = [row for row in case.multiplying() if _looks_around(row) or isinstance(row.part, FC)]
    if len(rows) <= DEEPEST_PLAIN or case.rows(Sum, Concat):
        return None
    finding = (
        f"{len(rows)} layers with larger windows than 1x1, or fully connected, stand in one line without a shortcut. From about "
        f"{DEEPEST_PLAIN} on such networks got worse with depth, in training too (He, Zhang, Ren, Sun 2015)."
    )
    remedy = "Sum(body, Identity()) around every two layers costs no parameters."
    return case.advice("deep without shortcuts", [rows[DEEPEST_PLAIN]], finding, remedy)
