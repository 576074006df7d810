"""Advice that saves parameters, multiply-adds or memory, with what it saves."""

from __future__ import annotations

import math
from dataclasses import replace

from hubel.advice.case import POINTWISE, Advice, Case, further, percent, said
from hubel.advice.fields import field_of, flattens, sees_too_little
from hubel.anatomy import Row, anatomy
from hubel.arguments import pair
from hubel.errors import HubelError
from hubel.joints import Chain, Expression, shown
from hubel.layers import FC, AdaptiveAvgPool, BatchNorm, ConnectedConv, Conv, Depthwise, Flatten, GlobalAvgPool, Identity, ReLU
from hubel.rewrite import stack_3x3
from hubel.rewrite.sites import MULTIPLYING, Site, in_line, is_head, taken_apart

FEW = 100_000
"""Parameters in fully-connected layers that are nobody's concern, whatever their share: 0.4 megabytes."""

HEAVY = 10_000_000
"""Bytes of a layer's maps that are worth a thought."""

LARGEST_STACKED = 11
"""The largest filter that is stacked, AlexNet's first: what replaces larger ones is so deep that it is another network."""

WORTH = 20
"""One part in so many of a network's parameters or MACs must be saved by other convolutions, or they are not spoken of."""


# --- fully-connected layers -------------------------------------------------------------------------------------------


def fully_connected_layers_dominate(case: Case) -> Advice | None:
    """Fully-connected layers that hold most parameters because they read maps of many places."""
    classifier = _classifier(case)
    rows = [row for row in classifier if isinstance(row.part, (FC, Conv))]
    held = sum(row.parameters for row in rows)
    if held < FEW or 2 * held <= case.sized.parameters:
        return None
    start, first, last = classifier[0], rows[0], rows[-1]
    averaged = _pool(last) >> _one_place(last)
    finding = (
        f"{held:,} of {case.sized.parameters:,} parameters ({percent(held, case.sized.parameters)}) are those of fully-connected layers: "
        f"{said(first)} reads all {math.prod(start.input):,} values of {shown(start.input)} maps and has {first.parameters:,} of them."
    )
    remedy = f"Average every map and classify the averages, as GoogLeNet and ResNet do: {averaged!r}."
    convolved = case.with_parts(_convolved(classifier, last)) if len(rows) > 1 else None
    if convolved:
        remedy += (
            " Or keep the layers as convolutions of 1x1 and average what they give (Lin, Chen, Yan 2013): "
            f"{convolved.parameters:,} parameters and {convolved.macs:,} MACs."
        )
    maps = case.before(start.path, ())
    if maps and sees_too_little(maps, case.input):
        remedy += f" These maps' units see {shown(field_of(maps))} pixels: let convolutions and pools go on before the average."
    gone = classifier[: classifier.index(last) + 1]
    at = {**{row.path: None for row in gone}, start.path: averaged}
    return case.advice("fully connected layers dominate", [start], finding, remedy, at)


def _classifier(case: Case) -> list[Row]:
    """What stands in line from the layer on that reads all places of its maps: FC, or a convolution as large as they are.

    Empty where there is none, where no convolution comes before it, or where branches follow.
    """
    trees = [tree for tree in in_line(taken_apart(case.net)) if not is_head(tree)]
    line = [case.places[tree.sources[0]].row if isinstance(tree, Site) else None for tree in trees]
    number = next((number for number, row in enumerate(line) if row and flattens(row)), len(line))
    tail = [row for row in line[number:] if row]
    learned = tail and any(isinstance(row.part, MULTIPLYING) for row in case.sized.rows[: case.sized.rows.index(tail[0])])
    return tail if learned and len(tail) == len(line) - number and isinstance(tail[0].part, (FC, Conv, Flatten)) else []


def _pool(row: Row) -> Expression:
    """The average of all places, in the form that the layer reads and gives."""
    return GlobalAvgPool() if isinstance(row.part, FC) else AdaptiveAvgPool(1)


def _one_place(row: Row) -> Expression:
    """The layer where it reads maps of one place."""
    return replace(row.part, size=1, stride=1, pad=0, dilation=1) if isinstance(row.part, Conv) else row.part


def _convolved(classifier: list[Row], last: Row) -> dict[str, Expression | None]:
    """What stands where if the layers of a classifier become convolutions of 1x1, averaged behind the last."""
    at: dict[str, Expression | None] = {}
    for row in classifier:
        if isinstance(row.part, Flatten):
            at[row.path] = None
        elif isinstance(row.part, (FC, Conv)):
            conv = Conv(row.part.outputs, 1, bias=row.part.bias) if isinstance(row.part, FC) else _one_place(row)
            at[row.path] = conv >> _pool(row) if row is last else conv
    return at


# --- convolutions -----------------------------------------------------------------------------------------------------


def missing_reduction(case: Case) -> Advice | None:
    """Large windows that read many maps and give few, with no convolution of 1x1 before them (GoogLeNet, DenseNet-BC)."""
    forms = {row.path: form for row in case.rows(Conv) if (form := _reduced(case, row))}
    return _cheaper(case, "missing reduction", forms, "Bring the maps down by a 1x1 first, as GoogLeNet and DenseNet-BC do")


def large_filter(case: Case) -> Advice | None:
    """Square filters of 5x5 or more that stacks of 3x3 replace for less (Simonyan, Zisserman 2014, sec. 2.3).

    Not so where many more maps leave than enter, as at a picture's three colours: all but the first of a stack read as many as leave.
    """
    forms = {row.path: form for row in case.rows(Conv) if (form := _stacked(row)) and not _reduced(case, row)}
    return _cheaper(case, "large filter", forms, "Filters of 3x3 see as much together, and have activations between them")


def _cheaper(case: Case, rule: str, forms: dict[str, Chain], remedy: str) -> Advice | None:
    """An advice to write convolutions in other forms, where that saves enough."""
    rows, then = [], {}
    for path, form in forms.items():
        row = case.places[path].row
        try:
            then[path] = anatomy(form, row.input)
        except HubelError:
            continue
        if then[path].parameters < row.parameters and then[path].macs < row.macs and then[path].output == row.output:
            rows.append(row)
    if not rows:
        return None
    first, *_ = by_worth = sorted(rows, key=lambda row: then[row.path].macs - row.macs)
    finding = (
        f"{said(first)} reads {shown(first.input)} maps at {first.parameters:,} parameters and {first.macs:,} MACs; "
        f"{then[first.path].parameters:,} and {then[first.path].macs:,} would do.{further(rows, f'the first at {rows[0].path}')}"
    )
    advice = case.advice(rule, by_worth, finding, f"{remedy}: {forms[first.path]!r}.", {row.path: forms[row.path] for row in rows})
    return advice if any((now - later) * WORTH >= now for _, now, later in advice.saves) else None


def _reduced(case: Case, row: Row) -> Chain | None:
    """The convolution behind one of 1x1, where that is called for; not where it gives the scores, or has such a one before it."""
    conv = row.part
    assert isinstance(conv, Conv)
    width = _width(conv, row.input[0])
    averaged = any(isinstance(reader.part, (GlobalAvgPool, AdaptiveAvgPool)) for reader in case.behind(row.path, POINTWISE))
    if not width or averaged or flattens(row) or _is_reduction(case.before(row.path, POINTWISE)):
        return None
    between = (ReLU(),) if conv.bias else (BatchNorm(), ReLU())
    return Chain(Conv(width, 1, bias=conv.bias), *between, conv)


def _width(conv: Conv, maps: int) -> int:
    """To how many maps a 1x1 should bring those that a convolution reads; 0 where it should not."""
    smaller = min(pair(conv.size))
    if conv.groups == 1 and smaller >= 5 and maps >= 2 * conv.maps:
        return conv.maps // 2  # GoogLeNet's table 1 has a quarter to a half
    if conv.groups == 1 and smaller >= 3 and maps >= 8 * conv.maps:
        return 4 * conv.maps  # DenseNet-BC, sec. 3
    return 0


def _is_reduction(row: Row | None) -> bool:
    return row is not None and isinstance(row.part, Conv) and row.part.area() == 1 and row.part.maps < row.input[0]


def _stacked(row: Row) -> Chain | None:
    """The convolution as a stack of 3x3, where it has one."""
    assert isinstance(row.part, Conv)
    stack = stack_3x3(row.part).net.parts[0] if max(pair(row.part.size)) <= LARGEST_STACKED else row.part
    return stack if isinstance(stack, Chain) and not flattens(row) else None


def bias_before_batch_norm(case: Case) -> Advice | None:
    """Biases that batch norm subtracts again (Ioffe, Szegedy 2015, sec. 3.2)."""
    rows = []
    for row in case.rows(Conv, Depthwise, ConnectedConv, FC):
        readers = case.behind(row.path, (Identity,))
        if row.biases and readers and all(isinstance(reader.part, BatchNorm) for reader in readers):
            rows.append(row)
    if not rows:
        return None
    at = {row.path: replace(row.part, bias=False) for row in rows}  # type: ignore[type-var]
    largest = max(rows, key=lambda row: row.biases)
    finding = (
        f"Batch norm subtracts the biases of {said(rows[0])} again and adds its own.{further(rows, f'the largest {said(largest)}')} "
        f"{sum(row.biases for row in rows):,} parameters do nothing."
    )
    return case.advice("bias before batch norm", rows, finding, f"Leave them out: {at[rows[0].path]!r}.", at)


# --- memory -----------------------------------------------------------------------------------------------------------


def memory_at_full_size(case: Case) -> Advice | None:
    """Classifiers of which a third of the memory or more is that of large maps, as wide and high as the picture."""
    rows = [row for row in case.sized.rows if len(case.input) == 3 and row.output[1:] == case.input[1:]]
    held, total = sum(row.activation_bytes for row in rows), case.sized.activation_bytes
    classifies = case.sized.output[1:] in ((), (1, 1))
    if not classifies or 3 * held <= total or max(row.activation_bytes for row in rows) < HEAVY:
        return None
    finding = (
        f"{held:,} of {total:,} bytes of activations ({percent(held, total)}) are maps as large as the picture, from {said(rows[0])} "
        f"to {said(rows[-1])}. Training holds them for every picture of a batch."
    )
    remedy = "Take a stride of 2 in the first convolution, as AlexNet, GoogLeNet and ResNet do, or pool right behind it."
    return case.advice("memory at full size", rows, finding, remedy)
