"""The row: what builds a network, beside what its paper prints of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hubel.anatomy import Anatomy, anatomy
from hubel.errors import HubelError
from hubel.joints import Chain, Shape, shown

QUANTITIES: dict[str, Callable[[Anatomy], Any]] = {
    "parameters": lambda sized: sized.parameters,
    "weights": lambda sized: sized.weights,
    "biases": lambda sized: sized.biases,
    "connections": lambda sized: sized.connections,
    "macs": lambda sized: sized.macs,
    "parameters_with_heads": lambda sized: anatomy(sized.net, sized.input, heads=True).parameters,
    "weight_layers": lambda sized: sized.weight_layers,
    "neurons": lambda sized: sum(math.prod(row.output) for row in sized.rows if row.macs),
    "input": lambda sized: sized.input,
    "output": lambda sized: sized.output,
    "field": lambda sized: (sized.field.down.size, sized.field.across.size),
}

THOUSANDS = {"": 0, "K": 1, "thousand": 1, "M": 2, "million": 2, "G": 3, "billion": 3}
"""What stands behind a printed number, as a power of a thousand."""


@dataclass(frozen=True)
class Figure:
    """A number as printed: what it counts, the text, where it stands, and of which stage it speaks ("" is the whole)."""

    quantity: str
    printed: str
    place: str
    at: str = ""
    why: str = ""
    """For an erratum: the sentence that says why the paper's own architecture contradicts it."""
    kilo: int = 1000
    """What the paper means by K; GoogLeNet's is 1024."""

    def agrees(self, value: Any) -> bool:
        """Whether our value is what is printed, to less than one unit of the last printed digit."""
        if isinstance(value, tuple):
            return shown(value) == self.printed
        number, unit = parsed(self.printed, self.kilo)
        return abs(Decimal(str(value)) - number) < unit


def parsed(printed: str, kilo: int = 1000) -> tuple[Decimal, Decimal]:
    """A printed number and the unit of its last digit: "3.8e9" is 3.8e9 and 1e8. Raises HubelError for other text."""
    found = re.fullmatch(r"([0-9][0-9,]*)(\.[0-9]+)?(?:e([0-9]+))? ?([A-Za-z]*|%)", printed)
    if not found or found[4] not in (*THOUSANDS, "%"):
        raise HubelError(f"{printed!r} is not a number as papers print them, such as 60,000 or 3.8e9 or 61M or 0.95%.")
    scale = Decimal(10) ** int(found[3] or 0) * (Decimal("0.01") if found[4] == "%" else Decimal(kilo) ** THOUSANDS[found[4]])
    digits = found[1].replace(",", "") + (found[2] or "")
    return Decimal(digits) * scale, Decimal(10) ** -len((found[2] or ".")[1:]) * scale


@dataclass(frozen=True)
class Variant:
    """One network of the casebook."""

    name: str
    title: str
    citation: str
    build: Callable[..., Chain]
    """Takes `classes` and gives the network."""
    input: Shape
    initialisation: str = "he"
    """A name in hubel.build.INITIALISATIONS."""
    says: tuple[Figure, ...] = ()
    """What the paper prints and arithmetic checks."""
    exact: tuple[tuple[str, str, Any], ...] = ()
    """(quantity, stage, value): what follows from the published architecture, compared with ==."""
    reports: tuple[Figure, ...] = ()
    """What only training shows."""
    errata: tuple[Figure, ...] = ()

    def net(self, classes: int | None = None) -> Chain:
        """The network, with the paper's classes unless told otherwise."""
        return self.build() if classes is None else self.build(classes=classes)

    def anatomy(self) -> Anatomy:
        """As the paper has it, training heads left out."""
        return anatomy(self.net(), self.input)


@dataclass(frozen=True)
class Check:
    """A figure of a paper beside ours."""

    kind: str
    quantity: str
    at: str
    printed: str
    place: str
    ours: str
    agrees: bool | None
    """None where there is nothing of ours to compare yet."""
    why: str = ""


def checked(variant: Variant, recorded: dict[str, float] | None = None) -> list[Check]:
    """Every published figure of a network beside ours; `recorded` has the results of our own runs, by quantity."""
    sized, with_heads = variant.anatomy(), anatomy(variant.net(), variant.input, heads=True)

    def ours(quantity: str, at: str) -> Any:
        return QUANTITIES[quantity](with_heads.within(at) if at else sized)

    checks = []
    for figure in (*variant.says, *variant.errata):
        value = ours(figure.quantity, figure.at)
        kind = "erratum" if figure.why else "says"
        checks.append(
            Check(kind, figure.quantity, figure.at, figure.printed, figure.place, _written(value), figure.agrees(value), figure.why)
        )
    for quantity, at, expected in variant.exact:
        value = ours(quantity, at)
        checks.append(Check("exact", quantity, at, _written(expected), "by arithmetic", _written(value), value == expected))
    for figure in variant.reports:
        result = (recorded or {}).get(figure.quantity)
        shown_result = "not run" if result is None else f"{100 * result:.2f}%" if figure.printed.endswith("%") else str(result)
        checks.append(Check("reports", figure.quantity, figure.at, figure.printed, figure.place, shown_result, None))
    return checks


def _written(value: Any) -> str:
    return shown(value) if isinstance(value, tuple) else f"{value:,}"
