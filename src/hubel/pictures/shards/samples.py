"""What a shard holds: the members of one key are a sample, of which one is the picture and one says the label."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from hubel.pictures.shards.headers import Damaged, Member, members

PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm")
LABELS = {"cls": 1 << 10, "json": 1 << 20}
"""What says a label, the first before the second where a sample has both; and how many bytes of it are read."""
KEYS = ("label", "class", "cls")
"""Under which of a .json's keys the label is, the first before the others."""

NO_PICTURE = f"no picture ({', '.join(PICTURES)})"
NO_LABEL = f"no label (.cls, or .json with {', '.join(KEYS[:-1])} or {KEYS[-1]})"
TWO_PICTURES = "two pictures of one key"
TWO_LABELS = "two labels of one key"
BAD_LABEL = "a label that is neither a whole number from 0 on nor a name"
NO_FILE = "a link, a device, or a file with holes"
NO_KEY = "a hidden file, or one without an extension"
SHOWN = 3
"""How many of those that were left out are named."""

Label = int | str


@dataclass
class Index:
    """The samples of one shard, in the order in which their pictures lie there."""

    keys: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """How many members or samples were left out, by why."""
    named: dict[str, list[str]] = field(default_factory=dict)
    """The first of them."""
    damage: str = ""
    """Why not all of the shard could be read; the samples before are used."""

    def leave_out(self, name: str, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1
        self.named.setdefault(why, []).extend([name] if self.left_out[why] <= SHOWN else [])


@dataclass
class _Sample:
    pictures: list[Member] = field(default_factory=list)
    labels: dict[str, list[Label | None]] = field(default_factory=dict)
    """By what says them; None where it says none that could be used."""


def samples(file: BinaryIO, size: int) -> Index:
    """The samples of a shard, of which the headers and the labels are read. The members of a sample need not be neighbours."""
    index, found = Index(), dict[str, _Sample]()
    try:
        for member in members(file, size):
            named = parted(member.name)
            if named is None or not member.is_file:
                index.leave_out(member.name, NO_FILE if named else NO_KEY)
            else:
                _put(file, member, found.setdefault(named[0], _Sample()), named[1])
    except Damaged as damage:
        index.damage = str(damage)
    whole = []
    for key, sample in found.items():
        label, fault = _labelled(sample)
        if fault:
            index.leave_out(key, fault)
        else:
            whole.append((sample.pictures[0].start, sample.pictures[0].length, key, label))
    for start, length, key, label in sorted(whole):
        index.starts.append(start)
        index.lengths.append(length)
        index.keys.append(key)
        index.labels.append(label)
    return index


def parted(name: str) -> tuple[str, str] | None:
    """Key and extension of a member: its path is parted at the first dot of the file's name. None where one of them is empty.

    (WebDataset File Format Specification, "Organization of Samples within Shards".)
    """
    folder, slash, file = name.rpartition("/")
    stem, _, extension = file.partition(".")
    return (folder + slash + stem, extension.lower()) if stem and extension else None


def _put(file: BinaryIO, member: Member, sample: _Sample, extension: str) -> None:
    kind = extension.rpartition(".")[2]
    if kind in PICTURES:
        sample.pictures.append(member)
    elif kind in LABELS:
        label: Label | None = None
        if member.length <= LABELS[kind]:
            file.seek(member.start)
            label = _said(file.read(member.length), kind)
        sample.labels.setdefault(kind, []).append(label)


def _said(data: bytes, kind: str) -> Label | None:
    """The label that a .cls or .json says: a number where it is one, else a name."""
    try:
        said: Any = data.decode("utf-8")
        if kind == "json":
            entries = json.loads(said)
            said = next(entries[key] for key in KEYS if key in entries)
    except (ValueError, RecursionError, TypeError, StopIteration):
        return None
    text = str(said).strip() if isinstance(said, str) or type(said) is int else ""
    if text.removeprefix("-").isdecimal():
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
    return text if text and text.isprintable() else None


def _labelled(sample: _Sample) -> tuple[Label, str]:
    """The label of a sample; or why the sample cannot be used."""
    kind = next((kind for kind in LABELS if kind in sample.labels), "")
    label = sample.labels[kind][0] if kind else None
    faults = {
        NO_PICTURE: not sample.pictures,
        TWO_PICTURES: len(sample.pictures) > 1,
        NO_LABEL: not kind,
        TWO_LABELS: bool(kind) and len(sample.labels[kind]) > 1,
        BAD_LABEL: label is None,
    }
    return label if label is not None else "", next((fault for fault, there in faults.items() if there), "")
