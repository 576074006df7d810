"""Advice on windows that do not fit the maps they meet: what is refused, lost, exceeded, and left unread."""

from __future__ import annotations

from dataclasses import replace

from hubel.advice.case import Advice, Case, further, lines, said
from hubel.advice.meeting import Meeting, fitting_inputs, meetings
from hubel.anatomy import Row
from hubel.arguments import sides
from hubel.joints import Expression, shown
from hubel.layers import MaxPool, Windowed


def window_does_not_fit(case: Case) -> Advice | None:
    """What sizing refuses."""
    if case.refusal is None:
        return None
    remedy = f"{_fitting(case)}All other advice is for the network with such windows rounded down."
    return Advice("window does not fit", _refused(case), f"Sizing refuses it: {case.refusal.message}", remedy)


def sides_do_not_halve(case: Case) -> Advice | None:
    """Windows of stride 2 that lose or exceed something because a side is odd.

    An odd side alone is no fault: a window of 3 at stride 2 fits odd sides as they are, and even ones only with padding.
    """
    rows = [row for row in _misfits(case) if _meets_odd(row)]
    if not rows:
        return None
    finding = f"{said(rows[0])} meets an odd side: {_shrinking(rows[0])}.{further(rows)}"
    return case.advice("sides do not halve", rows, finding, f"{_fitting(case)}Or take the stride where sides are even.")


def pixels_are_lost(case: Case) -> Advice | None:
    """Windows that are rounded down over pixels of their input."""
    rows = [row for row in _misfits(case) if _loses(row) and not _meets_odd(row)]
    if not rows:
        return None
    finding = f"{said(rows[0])} is rounded down: {_shrinking(rows[0])}.{further(rows)}"
    return case.advice("pixels are lost", rows, finding, f"{_fitting(case)}Or pad the maps before it.")


def windows_read_beyond(case: Case) -> Advice | None:
    """Pools that are rounded up, so that their last windows stick out."""
    rows = [row for row in _misfits(case) if not _loses(row) and not _meets_odd(row)]
    if not rows:
        return None
    at = {row.path: padded for row in rows if (padded := _widened(row))}
    finding = f"{said(rows[0])} is rounded up: {_shrinking(rows[0])}.{further(rows)}"
    remedy = "Nothing is lost, but the last units see less than the others."
    if len(at) < len(rows):
        return case.advice("windows read beyond", rows, finding, remedy)
    return case.advice("windows read beyond", rows, finding, f"{remedy} {at[rows[0].path]!r} computes the same and says so.", at)


def padding_is_never_read(case: Case) -> Advice | None:
    """Padding that rounding leaves unread: nothing is lost, but the windows do not stand in the middle."""
    rows = [row for row in case.rows(Windowed) if any(side.unread for side in meetings(row)) and not _loses(row)]
    if not rows:
        return None
    down, across = meetings(rows[0])
    at = {row.path: _trimmed(row) for row in rows}
    finding = (
        f"{said(rows[0])} never reads {lines(down.unread, across.unread)} of its padding: "
        f"{_division(down if down.unread else across)}.{further(rows)}"
    )
    remedy = f"No pixel is lost, but windows stand off centre. {at[rows[0].path]!r} computes the same and says so."
    return case.advice("padding is never read", rows, finding, remedy, at)


def _refused(case: Case) -> str:
    return ".".join(case.refusal.path) if case.refusal else ""


def _loses(row: Row) -> bool:
    return any(side.lost for side in meetings(row))


def _misfits(case: Case) -> list[Row]:
    """Windows that lose or exceed something, but for the one that sizing refused."""
    rows = [row for row in case.rows(Windowed) if row.path != _refused(case)]
    return [row for row in rows if any(side.lost or side.beyond for side in meetings(row))]


def _meets_odd(row: Row) -> bool:
    return any(side.window.stride == 2 and side.side % 2 and (side.lost or side.beyond) for side in meetings(row))


def _shrinking(row: Row) -> str:
    """What becomes of the maps, and what is lost or exceeded."""
    down, across = meetings(row)
    text = f"{shown(row.input[1:])} become {shown(row.output[1:])}"
    if _loses(row):
        places = down.side * across.side
        lost = places - (down.side - down.lost) * (across.side - across.lost)
        text += f", and {lines(down.lost, across.lost)} at the end are lost, {lost:,} of {places:,} places a map"
    if down.beyond or across.beyond:
        text += f", and the last windows stick out by {lines(down.beyond, across.beyond)}"
    return text


def _division(side: Meeting) -> str:
    """(224 - 7 + 6)/2 leaves a remainder of 1."""
    window = side.window
    divided = f"({side.side} - {window.span} + {window.before + window.after})/{window.stride}"
    return f"{divided} leaves a remainder of {window.unread(side.side)}"


def _trimmed(row: Row) -> Expression:
    """The layer without the padding that it never reads."""
    (top, bottom), (left, right) = sides(vars(row.part)["pad"])
    down, across = meetings(row)
    return replace(row.part, pad=((top, bottom - down.unread), (left, right - across.unread)))  # type: ignore[type-var]


def _widened(row: Row) -> MaxPool | None:
    """The max pool with padding for what its last windows read beyond, where a pool may be padded so much."""
    if not isinstance(row.part, MaxPool):
        return None
    (top, bottom), (left, right) = sides(row.part.pad)
    down, across = meetings(row)
    pads = ((top, bottom + down.beyond), (left, right + across.beyond))
    roomy = all(2 * after <= side.window.size for (_, after), side in zip(pads, (down, across)))
    return replace(row.part, pad=pads, fit="exact") if roomy else None


def _fitting(case: Case) -> str:
    """A sentence on which pictures fit, and the blank behind it."""
    shapes = [shown(shape) for shape in fitting_inputs(case.net, case.input)] if len(case.input) == 3 else []
    return f"Pictures of {' or '.join(shapes)} fit everywhere. " if shapes else ""
