"""Sets that are lists: a CSV or JSON Lines file of paths, labels and, if there are any, splits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hubel.errors import PictureError, shortened
from hubel.pictures.folders import SPLITS
from hubel.pictures.sets import Source, Split, from_files

KINDS = (".csv", ".jsonl")

Row = tuple[int, str, str, str]
"""Line, path, label, split ("" where none is said)."""


def from_list(path: Path) -> Source:
    """The set that a file lists; paths are relative to the file's folder. Raises PictureError, naming the line, where it is no list."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise PictureError(f"{path} cannot be read as text: {getattr(error, 'strerror', None) or error}.") from None
    rows = list(_csv(text, path) if path.suffix.lower() == ".csv" else _jsonl(text, path))
    if not rows:
        raise PictureError(f"{path} lists no pictures.")
    classes = _ordered({label for _, _, label, _ in rows})
    if len(classes) < 2:
        raise PictureError(f"{path} has the single class {classes[0]!r}; telling classes apart takes at least two.")
    by_split: dict[str, list[Row]] = {}
    seen: dict[str, int] = {}
    for row in rows:
        line, place, _, said = row
        if place in seen:
            raise PictureError(f"{path} lists {place!r} twice, in line {seen[place]} and in line {line}; leave one of them.")
        seen[place] = line
        by_split.setdefault(_split(said, path, line), []).append(row)
    if "all" in by_split and len(by_split) > 1:
        raise PictureError(f"{path} gives a split for some pictures only; line {by_split['all'][0][0]} has none.")
    order = [split for split in ("all", "train", "validation", "test") if split in by_split]
    return Source(path.stem, classes, {split: _opener(path.parent, by_split[split], classes) for split in order})


def _opener(folder: Path, rows: list[Row], classes: tuple[str, ...]) -> Callable[[], Split]:
    numbers = {label: i for i, label in enumerate(classes)}
    return lambda: from_files([folder / place for _, place, _, _ in rows], np.array([numbers[label] for _, _, label, _ in rows], np.int64))


def _ordered(labels: set[str]) -> tuple[str, ...]:
    """The classes in order: numbers by their value, anything else by name."""
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if all(map(_is_number, labels)) else None))


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) < 20


def _split(said: str, path: Path, line: int) -> str:
    if not said:
        return "all"
    if said.lower() not in SPLITS:
        raise PictureError(f"{path} has the split {shortened(said)} in line {line}; a split is train, validation or test.")
    return SPLITS[said.lower()]


def _csv(text: str, path: Path) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        if not {"path", "label"} <= set(columns):
            raise PictureError(f"{path} has no columns called path and label; its first line must name them, such as: path,label,split.")
        for row in reader:
            yield _row(row.get("path"), row.get("label"), row.get("split"), path, reader.line_num)
    except csv.Error as error:
        raise PictureError(f"{path} is no CSV after line {reader.line_num}: {error}.") from None


def _jsonl(text: str, path: Path) -> Iterator[Row]:
    for line, entry in enumerate(text.split("\n"), 1):
        if not entry.strip():
            continue
        try:
            said = json.loads(entry)
        except (ValueError, RecursionError):
            raise PictureError(
                f"{path} is no JSON in line {line}; each line is an object, such as {{'path': ..., 'label': ...}}."
            ) from None
        if not isinstance(said, dict):
            raise PictureError(f"{path} has no object in line {line}; each line is one, such as {{'path': ..., 'label': ...}}.")
        label = said.get("label")
        yield _row(said.get("path"), str(label) if type(label) is int else label, said.get("split"), path, line)


def _row(place: object, label: object, split: object, path: Path, line: int) -> Row:
    if not (isinstance(place, str) and place and isinstance(label, str) and label):
        raise PictureError(f"{path} lacks a path or a label in line {line}; every picture has both.")
    if not isinstance(split, str | None):
        raise PictureError(f"{path} has the split {shortened(split)} in line {line}; a split is train, validation or test.")
    return line, place, label, split or ""
