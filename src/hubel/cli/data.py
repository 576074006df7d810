"""hubel data: what a set of pictures holds, beside what it is published to hold, and what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import doctor
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json, as_table
from hubel.cli.writing import plain, write
from hubel.errors import HubelError

if TYPE_CHECKING:
    from hubel.pictures.census import Counted, Size
    from hubel.pictures.sets import Source

LISTED = 5
"""Pictures that cannot be read are named up to so many."""

STATUS = """The exit status is 0, or 1 where the set is not as published or something in it is an error: pictures that cannot be read,
copies under two classes, copies in two splits, a class without pictures to learn from."""


def declare(verbs: Any) -> None:
    data = verbs.add_parser("data", allow_abbrev=False, help="what a set of pictures holds, and what is wrong with it", epilog=STATUS)
    data.add_argument(
        "data", nargs="?", help="a set's name, its folder, or a list of it; without one, the sets that have a name are listed"
    )
    data.add_argument("--quick", action="store_true", help="read headers alone: counts and sizes, but no examination")
    doctor.declare(data)
    data.add_argument("--sheet", metavar="FILE", help="write a contact sheet, a row of pictures for each class, as PNG")
    data.add_argument("--split", metavar="NAME", help="which split the sheet shows (default: the first)")
    data.add_argument("--fingerprint", action="store_true", help="read every picture, and print the SHA-256 of all of them")
    data.add_argument("--json", action="store_true", help="print JSON")
    data.set_defaults(run=run_data)


def run_data(given: argparse.Namespace) -> int:
    from hubel.pictures.census import census, headers
    from hubel.pictures.published.table import SETS
    from hubel.pictures.sources import open_source

    doctor.check(given)
    if given.sheet and Path(given.sheet).suffix.lower() != ".png":
        raise HubelError(f"--sheet is {given.sheet!r}; sheets are PNG, so name it something.png.")
    if given.split and not given.sheet:
        raise HubelError("--split says what --sheet FILE.png shows; give that too.")
    if given.data is None:
        return _listed(given.json)
    with Progress(shown=not given.json) as progress:
        source = open_source(given.data, progress.told)
        if given.sheet:
            _sheet(source, given.split or next(iter(source.openers)), Path(given.sheet))
        named = SETS.get(given.data)
        examined = None if given.quick else doctor.examined(source, given, progress.told)
        splits = examined.report.inventory.splits if examined else {name: source.split(name) for name in source.openers}
        sizes = examined.report.inventory.sizes() if examined else headers(splits, progress.told)
        rows = census(splits, len(source.classes), sizes, named.counts if named else {})
        fingerprint = source.fingerprint(progress.told) if given.fingerprint else None
    if given.json:
        said = {"data": source.name, "classes": source.classes, "notes": source.notes, "splits": [_as_json(row) for row in rows]}
        said |= {"fingerprint": fingerprint} if fingerprint else {}
        as_json(said | (examined.values() if examined else {}))
    else:
        _print(source, rows, bool(named), fingerprint, unreadable=examined is None)
        if examined:
            examined.print()
        if given.sheet:
            print(f"contact sheet: {given.sheet}")
    wrong = examined is not None and examined.is_wrong
    return 1 if wrong or any(row.differs or row.unreadable for row in rows) else 0


def _listed(json: bool) -> int:
    from hubel.pictures.names import lying
    from hubel.pictures.published.table import SETS

    rows = []
    for name, row in SETS.items():
        place = lying(name)
        lies = "in scikit-learn" if not row.places else str(place) if place else "not here; is fetched" if row.files else "not here"
        rows.append({"set": name, **{split: count.pictures for split, count in row.counts.items()}, "lies": lies})
    if json:
        as_json(rows)
    else:
        as_table(rows, ["set", "all", "train", "validation", "test", "extra", "lies"])
    return 0


def _as_json(row: Counted) -> dict[str, Any]:
    counted = {"split": row.split, "pictures": row.pictures, "by_class": (row.rarest, row.commonest)}
    counted |= {"smallest": row.smallest, "largest": row.largest, "unreadable": row.unreadable}
    return counted if row.published is None else {**counted, "published": row.published.pictures, "differs": row.differs}


def _print(source: Source, rows: list[Counted], published: bool, fingerprint: str | None, unreadable: bool) -> None:
    table = [
        {
            "split": row.split,
            "pictures": row.pictures,
            "size": _sizes(row.smallest, row.largest),
            "a class": f"{row.rarest:,}" if row.rarest == row.commonest else f"{row.rarest:,} to {row.commonest:,}",
            "published": None if row.published is None else row.published.pictures,
            "that": "" if row.published is None else f"differs in {', '.join(row.differs)}" if row.differs else "agrees",
        }
        for row in rows
    ]
    as_table(table, ["split", "pictures", "size", "a class", *(["published", "that"] if published else [])])
    print()
    print(plain(f"{source.name}: {len(source.classes):,} classes: {_some(source.classes)}"))
    if fingerprint:
        print(f"fingerprint: {fingerprint}")
    for row in rows if unreadable else ():
        for line in row.unreadable[:LISTED]:
            print(plain(f"cannot be read: {line}"))
        if len(row.unreadable) > LISTED:
            print(f"cannot be read: {len(row.unreadable) - LISTED:,} others of {row.split}")
    for note in source.notes:
        print(plain(f"note: {note}"))


def _sizes(smallest: Size | None, largest: Size | None) -> str:
    if smallest is None or largest is None:
        return "-"
    height, width, channels = smallest
    if smallest == largest:
        return f"{channels}x{height}x{width}"
    return f"{channels}x{height}x{width} to {channels}x{largest[0]}x{largest[1]}"


def _some(classes: tuple[str, ...], most: int = 10) -> str:
    return ", ".join(classes) if len(classes) <= most else f"{', '.join(classes[: most - 2])}, ... {classes[-1]}"


def _sheet(source: Source, name: str, path: Path) -> None:
    from hubel.pictures.sheet import contact_sheet

    split = source.split(name)
    drawn = contact_sheet(split, source.classes, f"{source.name}, {name}: {len(split.labels):,} pictures, {len(source.classes):,} classes")
    write(path, drawn)
