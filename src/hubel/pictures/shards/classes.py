"""The classes that the labels of shards speak of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hubel.errors import PictureError, shortened
from hubel.pictures.listing import holds
from hubel.pictures.shards import remote
from hubel.pictures.shards.naming import CLASSES
from hubel.pictures.shards.samples import SHOWN, Label


def named(labels: set[Label], folders: Sequence[str], notes: list[str]) -> tuple[tuple[str, ...], dict[Label, int]]:
    """The classes in order, and which of them each label means.

    Labels that are names are classes by name. Numbers are the lines of classes.txt, or the entries of classes.json, from 0 on, if
    a folder has one; else each number that there is is a class, by value.
    """
    if not all(isinstance(label, int) for label in labels):
        classes = tuple(sorted({str(label) for label in labels}))
        order = {name: i for i, name in enumerate(classes)}
        return classes, {label: order[str(label)] for label in labels}
    numbers = sorted(int(label) for label in labels)
    place, said = next(filter(None, map(_beside, folders)), ("", None))
    if said is not None:
        classes = _listed(place, said)
        if numbers[-1] >= len(classes):
            raise PictureError(
                f"A label is {numbers[-1]}, but {place} has {len(classes):,} classes, whose numbers are 0 to {len(classes) - 1}."
            )
        without = [classes[i] for i in sorted(set(range(len(classes))) - set(numbers))]
        if without:
            notes.append(f"No sample is of {_some(without)}, which {place} names.")
        return classes, {number: number for number in numbers}
    if numbers[-1] >= len(numbers):
        notes.append(f"The labels are {len(numbers):,} of the numbers from 0 to {numbers[-1]:,}; those that are missing are no classes.")
    return tuple(map(str, numbers)), {number: i for i, number in enumerate(numbers)}


def _beside(folder: str) -> tuple[str, bytes] | None:
    """The file that names the classes, if the folder has one, and what it holds."""
    for file in CLASSES:
        place = f"{folder}/{file}" if folder else file
        if remote.is_url(place):
            said = remote.small(place)
            if said is not None:
                return remote.shown(place), said
        elif holds(Path(place).is_file):
            try:
                return place, Path(place).read_bytes()
            except OSError as error:
                raise PictureError(f"{place} cannot be read: {error.strerror or error}.") from None
    return None


def _listed(place: str, said: bytes) -> tuple[str, ...]:
    try:
        text = said.decode("utf-8-sig")
        found = json.loads(text) if place.endswith(".json") else [line.strip() for line in text.rstrip().split("\n")]
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise PictureError(f"{place} does not name the classes: it holds one a line, or is a JSON list of them, and none is empty.")
    twice = next((name for name in found if found.count(name) > 1), None) if len(set(found)) < len(found) else None
    if twice is not None:
        raise PictureError(f"{place} names the class {shortened(twice)} twice.")
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
