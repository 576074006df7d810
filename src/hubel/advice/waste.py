"""Advice on work in vain: units that see only padding, weights that meet only padding, values that nothing reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from hubel.advice.case import POINTWISE, Advice, Case, further, percent, said
from hubel.advice.meeting import meetings
from hubel.anatomy import Row
from hubel.arguments import pair
from hubel.joints import Expression, shown
from hubel.layers import Conv, Depthwise, Identity, Windowed
from hubel.layers.pools import Pool


def units_see_only_padding(case: Case) -> Advice | None:
    """Windows that lie wholly in the padding: their units give the bias, whatever the picture."""
    rows = [row for row in case.rows(Conv, Depthwise) if any(side.outside for side in meetings(row))]
    if not rows:
        return None
    units = math.prod(rows[0].output[1:])
    seeing = math.prod(side.units - side.outside for side in meetings(rows[0]))
    at = {row.path: _less_padded(row) for row in rows}
    finding = (
        f"{said(rows[0])} is padded by a whole window or more: {units - seeing:,} of the {units:,} units of each map see nothing but zeros."
        f"{further(rows)}"
    )
    remedy = f"Pad by half of the window at most: {at[rows[0].path]!r}."
    return case.advice("units see only padding", rows, finding, remedy, at)


def _less_padded(row: Row) -> Expression:
    """The layer with at most half of its window as padding."""
    pads = [tuple(min(edge, side.window.span // 2) for edge in (side.window.before, side.window.after)) for side in meetings(row)]
    return replace(row.part, pad=tuple(pads))  # type: ignore[type-var]


def weights_see_only_padding(case: Case) -> Advice | None:
    """Filters larger than the maps that they walk over, so that their outer weights meet nothing."""
    idle = {row.path: row.weights - row.weights // _area(row) * _met(row) for row in case.rows(Conv, Depthwise)}
    rows = [row for row in case.rows(Conv, Depthwise) if idle[row.path]]
    if not rows:
        return None
    first, largest = rows[0], max(rows, key=lambda row: idle[row.path])
    at = {row.path: cropped for row in rows if (cropped := _cropped(row))}
    finding = (
        f"{said(first)} reads maps of {shown(first.input[1:])}, where {_area(first) - _met(first)} of the {_area(first)} places of its "
        f"filters meet nothing but padding.{further(rows, f'the largest {said(largest)}')} {sum(idle.values()):,} weights are idle."
    )
    remedy = "Give it larger pictures, halve the maps less often, or make the filters no larger than what they meet."
    return case.advice("weights see only padding", rows, finding, remedy, at if len(at) == len(rows) else None)


def _area(row: Row) -> int:
    return math.prod(side.window.size for side in meetings(row))


def _met(row: Row) -> int:
    return math.prod(len(side.met) for side in meetings(row))


def _cropped(row: Row) -> Expression | None:
    """The layer with filters of the places that meet pixels; None where no layer is that."""
    down, across = meetings(row)
    pads = []
    for side in (down, across):
        window, first, behind = side.window, side.met.start, side.window.size - side.met.stop
        pads.append((window.before - first * window.dilation, window.after - behind * window.dilation))
    if not _met(row) or any(edge < 0 for pad in pads for edge in pad):
        return None
    return replace(row.part, size=(len(down.met), len(across.met)), pad=tuple(pads))  # type: ignore[type-var]


def values_are_never_read(case: Case) -> Advice | None:
    """Maps of which all readers skip the same places, so that these were computed for nothing."""
    rows = [place.row for place in case.places.values() if not isinstance(place.part, Identity) and _unread(case, place.row)]
    if not rows:
        return None
    first, readers = rows[0], case.behind(rows[0].path, (Identity,))
    unread, places = _unread(case, first), math.prod(first.output[1:])
    moves = [dict(_later_strides(case, row)) for row in rows]
    at = {path: part for moved in moves for path, part in moved.items()} if all(moves) else None
    finding = (
        f"{unread:,} of the {places:,} places ({percent(unread, places)}) of each map that {said(first)} gives are read by nothing: "
        f"{said(readers[0])} skips them{', and so does every other reader' if len(readers) > 1 else ''}.{further(rows)}"
    )
    remedy = "Take the stride where windows read everything: at the 3x3 behind a 1x1, as later ResNets do, or in an average pool."
    if isinstance(readers[0].part, Pool):
        remedy = "A pool reads everything where its stride is no larger than its window."
    return case.advice("values are never read", rows, finding, remedy, at)


def _unread(case: Case, row: Row) -> int:
    """How many places of a map all readers skip, where these have the same windows."""
    readers = case.behind(row.path, (Identity,)) if len(row.output) == 3 else []
    if not readers or not all(isinstance(reader.part, Windowed) for reader in readers):
        return 0
    windows = {tuple((side.window.span, side.window.stride, side.window.before) for side in meetings(reader)) for reader in readers}
    sides = meetings(readers[0])
    if len(windows) > 1 or any(side.window.before or side.window.after for side in sides):
        return 0
    read = (side.units * side.window.span - side.beyond if side.skips else side.side for side in sides)
    return math.prod(side.side for side in sides) - math.prod(read)


def _later_strides(case: Case, row: Row) -> Iterator[tuple[str, Expression]]:
    """(path, layer) of convolutions that skip places, without their stride, and of those with larger windows behind them, with it."""
    for reader in case.behind(row.path, (Identity,)):
        later = case.behind(reader.path, POINTWISE)
        skipping, larger = reader.part, later[0].part if len(later) == 1 else None
        if not isinstance(skipping, Conv) or not isinstance(larger, Conv) or larger.stride != 1:
            continue
        if all(size >= stride for size, stride in zip(pair(larger.size), pair(skipping.stride))):
            yield reader.path, replace(skipping, stride=1)
            yield later[0].path, replace(larger, stride=skipping.stride)
