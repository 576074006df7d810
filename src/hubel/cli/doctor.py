"""The examination of a set, as hubel data prints and writes it."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli.tables import as_table, cell, heading
from hubel.cli.writing import write
from hubel.errors import PictureError

if TYPE_CHECKING:
    from hubel.pictures.doctor.findings import Example
    from hubel.pictures.doctor.report import Report
    from hubel.pictures.doctor.splitting import Proposal
    from hubel.pictures.sets import Source
    from hubel.pictures.told import Told

LISTED = 5
"""Examples of a finding, and pictures that a proposal leaves out, are named up to so many."""


def declare(data: argparse.ArgumentParser) -> None:
    """The flags of the examination."""
    data.add_argument("--page", metavar="FILE", help="write what was found as one HTML page, with pictures")
    data.add_argument("--propose", metavar="FILE", help="write a division without leaks as a list (CSV), which hubel train reads")
    data.add_argument("--shares", metavar="A,B,C", help="of train, validation and test in that division (default: 0.8,0.1,0.1)")
    data.add_argument("--seed", type=int, metavar="N", help="that draws the division (default: 0)")
    data.add_argument("--one-of-each", action="store_true", help="leave all but one of the same pictures out of the division")


def check(given: argparse.Namespace) -> None:
    """Raises PictureError where flags contradict one another."""
    if given.quick and (given.page or given.propose):
        raise PictureError(
            f"{'--page' if given.page else '--propose'} needs every picture examined, and --quick reads headers alone; leave one of them out."
        )
    without = [flag for flag, value in {"--shares": given.shares, "--one-of-each": given.one_of_each}.items() if value]
    if (without or given.seed is not None) and not given.propose:
        raise PictureError(f"{(without or ['--seed'])[0]} says how --propose FILE.csv divides the set; give that too.")
    if given.propose and Path(given.propose).suffix.lower() != ".csv":
        raise PictureError(f"--propose writes a list that is read by its ending, .csv; {given.propose!r} has another.")
    if (given.page or given.propose) and given.data is None:
        raise PictureError("Name the set to be examined: a set's name, its folder, or a list of it.")


@dataclass(frozen=True)
class Examined:
    """A report, what was proposed, and where both were written."""

    report: Report
    proposal: Proposal | None
    written: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        return bool(self.report.weighing("error"))

    def values(self) -> dict[str, Any]:
        from hubel.pictures.doctor.report import as_values

        return as_values(self.report, self.proposal)

    def print(self) -> None:
        """Findings, the most serious first, and the proposal."""
        print()
        if not self.report.findings:
            print(self.report.verdict)
        for finding in self.report.findings:
            heading(cell(f"{finding.weight}: {finding.says}"))
            for example in finding.examples[:LISTED]:
                print(f"  {self._said(example)}")
            if len(finding.examples) > LISTED:
                print(f"  and {len(finding.examples) - LISTED:,} more")
            print(f"  {finding.advice}")
        if self.proposal is not None:
            self._print_proposal(self.proposal)
        for line in self.written:
            print(line)

    def _said(self, example: Example) -> str:
        names = " = ".join(self.report.inventory.names[i] for i in example.pictures)
        return cell(f"{names}: {example.remark}" if example.remark else names)

    def _print_proposal(self, proposal: Proposal) -> None:
        inventory = self.report.inventory
        counts = {split: by_class for split, by_class in proposal.counts(inventory).items() if any(by_class)}
        print()
        as_table(
            [
                {"split": split, "pictures": sum(by_class), "a class": f"{min(by_class):,} to {max(by_class):,}"}
                for split, by_class in counts.items()
            ],
            ["split", "pictures", "a class"],
        )
        for i, reason in list(proposal.left_out.items())[:LISTED]:
            print(cell(f"left out: {inventory.names[i]}: {reason}"))
        if len(proposal.left_out) > LISTED:
            more = len(proposal.left_out) - LISTED
            print(f"left out: {more:,} other{'s' if more > 1 else ''}")


def examined(source: Source, given: argparse.Namespace, told: Told) -> Examined:
    """The set examined, and what was asked for written."""
    from hubel.pictures.doctor.page import page
    from hubel.pictures.doctor.report import reported
    from hubel.pictures.doctor.splitting import as_list, check_listable, checked, proposed

    for path in filter(None, (given.page, given.propose)):
        _check_folder(Path(path))
    shares = checked(_shares(given.shares))
    if given.propose:
        check_listable(source.name, (source.split(name) for name in source.openers))
    report = reported(source, told=told)
    proposal, written = None, []
    if given.propose:
        place = Path(given.propose)
        proposal = proposed(report.inventory, report.copies, shares, given.seed or 0, given.one_of_each)
        write(place, as_list(report.inventory, proposal, place.parent))
        written.append(f"division: {place}")
    if given.page:
        write(Path(given.page), page(report, proposal))
        written.append(f"page: {given.page}")
    return Examined(report, proposal, tuple(written))


def _shares(said: str | None) -> tuple[float, ...]:
    from hubel.pictures.doctor.splitting import SHARES

    if said is None:
        return SHARES
    try:
        return tuple(float(part) for part in said.split(","))
    except ValueError:
        raise PictureError(f"--shares are three numbers such as 0.8,0.1,0.1, not {said!r}.") from None


def _check_folder(path: Path) -> None:
    """Before long work rather than after it."""
    if not path.parent.is_dir():
        raise PictureError(f"{path} cannot be written: there is no folder {str(path.parent)!r}.")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not path.is_file()):
        raise PictureError(f"{path} cannot be written there; choose another place.")
