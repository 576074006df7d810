"""Advice on what was probably not meant: parts added or repeated alone, activations that are missing or stand where they harm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from hubel.advice.case import ACTIVATIONS, PICTURE, POINTWISE, Advice, Case, further, leaves, said
from hubel.anatomy import Row
from hubel.arguments import pair
from hubel.joints import Chain, Concat, Expression, Sum
from hubel.layers import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    L2Pool,
    Layer,
    MaxPool,
    PadMaps,
    ReLU,
    Scale,
    Sigmoid,
    Softmax,
    Subsample,
)
from hubel.rewrite.sites import MULTIPLYING

LINEAR = (AdaptiveAvgPool, AvgPool, BatchNorm, Concat, Dropout, Flatten, GlobalAvgPool, Identity, PadMaps, Scale, Subsample)
"""What leaves two linear layers one linear layer, in use. Sum is not among them: what goes along a shortcut is meant to be linear."""

LARGEST_OF = (MaxPool, L2Pool)

OF_LOSS = (Softmax, Sigmoid)
"""What turns scores into probabilities, in loss and prediction."""

ONCE = (*ACTIVATIONS, BatchNorm, Dropout, LRN, Softmax)
"""Layers that stand once in a place."""


# --- what + and * bind ------------------------------------------------------------------------------------------------


def layer_added_alone(case: Case) -> Advice | None:
    """A Sum of the input with a single layer, as `a >> b + x` makes it."""
    rows = [row for row in case.rows(Sum) if _single(row.part)]
    if not rows:
        return None
    layer = _single(rows[0].part)
    finding = (
        f"The Sum at {rows[0].path} adds {layer!r} alone to its input: + binds before >>, so that a >> b + x is a >> (b + x)."
        f"{further(rows)}"
    )
    at = {path: part for row in rows for path, part in _with_branch(case, row)}
    remedy = "Where a longer branch was meant, write Sum(a >> b, Identity())."
    return case.advice("layer added alone", rows, finding, remedy, at if all(row.path in at for row in rows) else None)


def _single(part: Expression) -> Layer | None:
    """The layer that a Sum adds alone to its input, if that is what it does."""
    parts = [inside for _, inside in part.children()]
    others = [inside for inside in parts if inside != Identity()]
    return others[0] if len(parts) == 2 and len(others) == 1 and isinstance(others[0], Layer) else None


def _with_branch(case: Case, row: Row) -> Iterator[tuple[str, Expression | None]]:
    """(path, part) of a Sum with all that stands before it in its block as its branch, and of that, which goes; nothing where it is unsure.

    A block begins where its chain does, or behind the Sum before and its activation.
    """
    path, _, name = row.path.rpartition(".")
    chain = case.part(path)
    if not isinstance(chain, Chain) or chain.names is not None:
        return
    siblings = list(chain.children())
    here = next(number for number, (other, _) in enumerate(siblings) if other == name)
    start = max((number + 1 for number, (_, part) in enumerate(siblings[:here]) if isinstance(part, Sum)), default=0)
    while start < here and isinstance(siblings[start][1], ACTIVATIONS):
        start += 1
    branch = siblings[start:here]
    before = [f"{path}.{other}" if path else other for other, _ in branch]
    if branch and case.entering(before[0]) == row.output:
        yield from ((other, None) for other in before)
        yield row.path, Sum(Chain(*(part for _, part in branch), _single(row.part) or Identity()), Identity())


def layer_repeated(case: Case) -> Advice | None:
    """A layer that does again what the one before it did, as `a >> b * 3` makes it."""
    rows = [row for row in case.rows(*ONCE) if _repeats(row, case.before(row.path, ()))]
    if not rows:
        return None
    before = case.before(rows[0].path, ())
    assert before is not None
    finding = f"{said(rows[0])} comes right behind {said(before)}, and adds little or nothing to it.{further(rows)}"
    remedy = "Once is enough; and where a * was meant for more, write (a >> b) * 3, for a >> b * 3 repeats b alone."
    return case.advice("layer repeated", rows, finding, remedy, {row.path: None for row in rows})


def _repeats(row: Row, before: Row | None) -> bool:
    if before is None:
        return False
    if isinstance(row.part, ACTIVATIONS):
        return isinstance(before.part, ACTIVATIONS)
    return row.part == before.part


# --- activations ------------------------------------------------------------------------------------------------------


def no_activation_between(case: Case) -> Advice | None:
    """Two layers with weights in a row, which are one linear layer, or have only a pool's maximum between them."""
    shortcuts = _linear_branches(case)
    pairs = []
    for row in case.multiplying():
        behind = case.behind(row.path, (*LINEAR, *LARGEST_OF))
        later = [other for other in behind if isinstance(other.part, MULTIPLYING) and other.path not in shortcuts]
        pairs += [(row, other) for other in later if not _factorised(row, other)][:1]
    if not pairs:
        return None
    first, second = pairs[0]
    together = f"{first.parameters + second.parameters:,} parameters"
    if second in case.behind(first.path, LINEAR):
        between = f"nothing nonlinear between, so that their {together} do what one linear layer can"
    else:
        between = f"nothing nonlinear but a pool's maximum between, for all their {together}"
    finding = f"{said(first)} goes into {said(second)} with {between}.{further([row for row, _ in pairs])}"
    used = Counter(row.part for row in case.rows(*ACTIVATIONS)).most_common(1)
    activation = used[0][0] if used else ReLU()
    ends = [_normed(case, row) for row, _ in pairs]
    at = {end.path: end.part >> activation for end in ends}
    return case.advice("no activation between", ends, finding, f"Put {activation!r} behind it.", at)


def _factorised(first: Row, second: Row) -> bool:
    """Whether two layers in a row are meant as one that is factorised, with fewer weights than it would have.

    A window over each map and a 1x1 over all (Xception), 1xn and nx1, and two 1x1 through fewer maps (MobileNet v2).
    """
    kinds = {type(first.part), type(second.part)}
    if not kinds <= {Conv, Depthwise}:
        return False
    sizes, later = (pair(vars(row.part)["size"]) for row in (first, second))
    if kinds == {Conv, Depthwise}:
        return (1, 1) in (sizes, later)
    if sizes == later == (1, 1):
        return first.output[0] < min(first.input[0], second.output[0])
    wide = [tuple(side > 1 for side in size) for size in (sizes, later)]
    return sorted(wide) == [(False, True), (True, False)]


def _linear_branches(case: Case) -> set[str]:
    """The paths of all layers in branches of sums that are linear while another is not: projections on shortcuts."""
    found = set()
    for row in case.rows(Sum):
        branches = [dict(leaves(branch, f"{row.path}.{name}")) for name, branch in row.part.children()]
        linear = [all(isinstance(layer, (*LINEAR, *MULTIPLYING)) for layer in branch.values()) for branch in branches]
        if not all(linear):
            found |= {path for branch, is_linear in zip(branches, linear) if is_linear for path in branch}
    return found


def _normed(case: Case, row: Row) -> Row:
    """The row itself, or that of the batch norm which alone reads it."""
    readers = case.behind(row.path, ())
    return readers[0] if len(readers) == 1 and isinstance(readers[0].part, BatchNorm) else row


def scores_are_changed(case: Case) -> Advice | None:
    """What stands behind the last weights and belongs to the loss, or bends the scores."""
    tail: list[Row] = []
    row: Row | None = case.sized.last
    while row is not None and isinstance(row.part, (*POINTWISE, Softmax)):
        tail.insert(0, row)
        row = case.before(row.path, ())
    rows = [other for other in tail if isinstance(other.part, OF_LOSS)] if case.multiplying() else []
    if row is not None and isinstance(row.part, MULTIPLYING) and math.prod(row.output[1:]) == 1:
        rows = [other for other in tail if isinstance(other.part, (*ACTIVATIONS, Dropout, Softmax))]
    if not rows:
        return None
    why = (
        "loss and prediction apply it themselves"
        if isinstance(rows[0].part, OF_LOSS)
        else "the loss wants them of either sign and any size"
    )
    finding = f"{said(rows[0])} changes the {math.prod(rows[0].output):,} scores, but {why}.{further(rows)}"
    return case.advice("scores are changed", rows, finding, "End the network in its scores.", {other.path: None for other in rows})


# --- what stands in the wrong place -----------------------------------------------------------------------------------


def dropout_before_batch_norm(case: Case) -> Advice | None:
    """Batch norm that keeps the variance of thinned-out maps and meets whole ones in use (Li, Chen, Hu, Yang 2019)."""
    dropouts = [row for row in case.rows(Dropout) if vars(row.part)["rate"]]
    behind = {row.path: case.behind(row.path, (Identity, Dropout)) for row in dropouts}
    norms = {path: [row for row in rows if isinstance(row.part, BatchNorm)] for path, rows in behind.items()}
    rows = [row for row in dropouts if norms[row.path]]
    if not rows:
        return None
    first = rows[0]
    larger = 1 / (1 - vars(first.part)["rate"])
    finding = (
        f"{said(first)} comes before {said(norms[first.path][0])}: it makes mean squares {larger:.3g} times as large in training as in use, "
        f"and batch norm keeps them.{further(rows)}"
    )
    remedy = "Leave it out, or put it behind all batch norms."
    return case.advice("dropout before batch norm", rows, finding, remedy, {row.path: None for row in rows})


def pool_before_convolutions(case: Case) -> Advice | None:
    """Pictures that are pooled before anything has looked at them."""
    first = [place.row for place in case.places.values() if PICTURE in place.sources]
    if not case.multiplying() or not all(isinstance(row.part, LARGEST_OF) for row in first):
        return None
    pixels, left = math.prod(first[0].input[1:]), math.prod(first[0].output[1:])
    if left >= pixels:
        return None
    finding = f"{said(first[0])} leaves {left:,} of the picture's {pixels:,} pixels, before any layer can learn which of them matter."
    return case.advice("pool before convolutions", first, finding, "Put it behind the first convolution, or take smaller pictures.")
