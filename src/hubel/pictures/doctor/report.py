"""The whole examination: what every picture is, which are copies, and what was found, the most serious first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hubel.pictures.doctor.copies import Copies, find
from hubel.pictures.doctor.duplicates import duplicates
from hubel.pictures.doctor.findings import Finding, absent, converted, damaged, grey_among_colour, imbalance, odd_sizes, unreadable
from hubel.pictures.doctor.inventory import Inventory, examine
from hubel.pictures.doctor.shortcuts import shortcuts
from hubel.pictures.doctor.splitting import Proposal
from hubel.pictures.sets import Source
from hubel.pictures.told import Told

WEIGHTS = ("error", "warning", "note")
KINDS = (
    "damage", "label conflict", "leak", "absent", "unreadable",
    "shortcut by grey", "shortcut by format", "shortcut by size", "shortcut by shape", "shortcut by compression",
    "imbalance", "conversion", "repeat", "odd size", "grey",
)  # fmt: skip
"""Of findings, the most serious first among those of one weight."""


@dataclass(frozen=True)
class Report:
    """A set examined."""

    inventory: Inventory
    copies: Copies
    findings: tuple[Finding, ...]

    def weighing(self, weight: str) -> list[Finding]:
        """The findings of one weight."""
        return [finding for finding in self.findings if finding.weight == weight]

    @property
    def verdict(self) -> str:
        """How many findings there are of each weight, or that there are none."""
        counts = {weight: len(self.weighing(weight)) for weight in WEIGHTS}
        said = [f"{count} {weight}{'' if count == 1 else 's'}" for weight, count in counts.items() if count]
        whole = len(self.inventory.pictures)
        return ", ".join(said) if said else f"No trouble found: all {whole:,} pictures can be read, and none is a copy of another."


def reported(source: Source, processes: int | None = None, told: Told | None = None) -> Report:
    """Examine every picture of a set, in so many processes (unless said, one a processor)."""
    inventory = examine(source, processes, told)
    files, seen = [picture.digest for picture in inventory.pictures], [picture.seen for picture in inventory.pictures]
    copies = find(files, seen, told)
    return Report(inventory, copies, found(inventory, copies))


def found(inventory: Inventory, copies: Copies) -> tuple[Finding, ...]:
    """Everything that is to be said of a set, the most serious first."""
    everything = [*shortcuts(inventory), *duplicates(inventory, copies)]
    for look in (damaged, unreadable, converted, absent, imbalance, odd_sizes):
        everything += look(inventory)
    if "shortcut by grey" not in {finding.kind for finding in everything}:  # which says as much, and more
        everything += grey_among_colour(inventory)
    return tuple(sorted(everything, key=lambda finding: (WEIGHTS.index(finding.weight), KINDS.index(finding.kind))))


def as_values(report: Report, proposal: Proposal | None = None) -> dict[str, Any]:
    """Everything, for JSON."""
    inventory, copies = report.inventory, report.copies
    said: dict[str, Any] = {
        "counts": {name: dict(zip(inventory.splits, row)) for name, row in zip(inventory.classes, inventory.counts().tolist())},
        "formats": dict(Counter(picture.form for picture in inventory.pictures if not picture.reason)),
        "modes": dict(Counter(picture.mode for picture in inventory.pictures if not picture.reason)),
        "conversions": dict(Counter(said for picture in inventory.pictures for said in picture.conversions)),
        "turned": sum(picture.orientation not in (1, None) for picture in inventory.pictures),
        "bytes": sum(picture.stored for picture in inventory.pictures),
        "findings": [_finding(inventory, finding) for finding in report.findings],
        "copies": {
            "exact": [_names(inventory, group) for group in copies.exact],
            "same_pixels": [_names(inventory, group) for group in copies.same_pixels],
            "near": [
                {"pictures": _names(inventory, (near.one, near.other)), "similarity": round(near.similarity, 4), "turn": near.turn}
                for near in copies.near
            ],
        },
    }
    if proposal is not None:
        left_out = {inventory.names[i]: reason for i, reason in proposal.left_out.items()}
        said["proposal"] = {"shares": proposal.shares, "seed": proposal.seed, "counts": proposal.counts(inventory), "left_out": left_out}
    return said


def _finding(inventory: Inventory, finding: Finding) -> dict[str, Any]:
    examples = [
        {
            "pictures": [
                {"name": inventory.names[i], "split": inventory.split_name(i), "class": inventory.label(i)} for i in example.pictures
            ],
            **({"remark": example.remark} if example.remark else {}),
        }
        for example in finding.examples
    ]
    return {"kind": finding.kind, "weight": finding.weight, "says": finding.says, "advice": finding.advice, "examples": examples}


def _names(inventory: Inventory, members: Iterable[int]) -> list[str]:
    return [inventory.names[i] for i in members]
