"""What a user says, made a list of shards: braces as WebDataset has them, patterns, folders and URLs."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from hubel.errors import PictureError, shortened
from hubel.pictures.folders import SPLITS
from hubel.pictures.listing import holds
from hubel.pictures.shards import remote
from hubel.pictures.shards.samples import PICTURES

MOST = 1_000_000
"""Shards of one set."""
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
CLASSES = ("classes.txt", "classes.json")
JOINED = re.compile(r"::(?![^/\[]*\])")
"""What WebDataset writes between two patterns; an address such as [::1] has it too."""
RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(-?\d{1,18}))?|([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,18}))?")


def meant(said: str) -> bool:
    """Whether this speaks of shards: by its ending, as a URL, or as a folder that holds them and neither folders nor pictures."""
    if holds(Path(said).is_dir):
        return bool(_in_folder(Path(said))[0])
    return remote.is_url(said) or _plain(said).endswith((".tar", *PACKED))


def shards(said: str) -> tuple[list[str], list[str]]:
    """Paths and URLs, in the order in which they are said, those of a pattern or a folder by name; and notes of what was left out.

    Raises PictureError where there are none, or where one of them cannot be a shard.
    """
    notes: list[str] = []
    if holds(Path(said).is_dir):
        found, others = _in_folder(Path(said))
        notes += [f"{path} was left out: it is no shard." for path in others]
    elif holds(Path(said).is_file):
        found = [said]
    else:
        several = list(islice((one for part in JOINED.split(said) for one in expanded(part)), MOST + 1))
        if len(several) > MOST:
            raise PictureError(f"{shortened(said)} stands for more than {MOST:,} shards.")
        found = [path for one in several for path in _matching(one)]
    for path in found:
        if _plain(path).endswith(PACKED):
            raise PictureError(f"{remote.shown(path)} is compressed; shards are plain .tar, since each picture is read at its place.")
        if not _plain(path).endswith(".tar"):
            raise PictureError(f"{remote.shown(path)} is no shard; the name of a shard ends in .tar.")
    twice = next((path for path, count in Counter(found).items() if count > 1), None)
    if twice is not None:
        raise PictureError(f"{shortened(said)} stands for {remote.shown(twice)} twice.")
    return found, notes


def expanded(said: str) -> Iterator[str]:
    """The words that braces stand for, as a shell has them: {a,b} for each part, {00..12} for each number, one within another."""
    start, end = _first_braces(said)
    if start < 0:
        yield said
        return
    head, inside = said[:start], said[start + 1 : end]
    parts = _parts(inside)
    words = (word for part in parts for word in expanded(part)) if len(parts) > 1 else _counted(inside)
    for word in words:
        for tail in expanded(said[end + 1 :]):
            yield head + word + tail


def _first_braces(said: str) -> tuple[int, int]:
    """Where the first braces that stand for something open and close; -1 where there are none."""
    for start in (i for i, sign in enumerate(said) if sign == "{"):
        depth = 0
        for end in range(start, len(said)):
            depth += (said[end] == "{") - (said[end] == "}")
            if depth == 0:
                if len(_parts(said[start + 1 : end])) > 1 or RANGE.fullmatch(said[start + 1 : end]):
                    return start, end
                break
    return -1, -1


def _parts(inside: str) -> list[str]:
    """What commas part, but not those within braces."""
    parts, depth = [""], 0
    for sign in inside:
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _counted(inside: str) -> Iterator[str]:
    """The numbers or letters of a range, as wide as its ends where one has a leading zero."""
    found = RANGE.fullmatch(inside)
    assert found is not None
    first, last, by, *letters = found.groups()
    if letters[0]:
        by = letters[2]
    start, end = (ord(letters[0]), ord(letters[1])) if letters[0] else (int(first), int(last))
    step = max(1, abs(int(by or 1)))
    padded = not letters[0] and any(len(number.lstrip("-")) > 1 and number.lstrip("-")[0] == "0" for number in (first, last))
    width = max(len(first), len(last)) if padded else 0
    for number in range(start, end + 1, step) if end >= start else range(start, end - 1, -step):
        yield chr(number) if letters[0] else f"{number:0{width}d}"


def _matching(said: str) -> list[str]:
    """The files that one word stands for: itself, or those that match its * ? [ ]."""
    if said.lower().startswith("file://"):
        said = unquote(said[len("file://") :].removeprefix("localhost"))
    if remote.is_url(said):
        found = remote.matching(said) if re.search(r"://[^/]*/[^?]*[*\[]", said) else [said]
    elif glob.has_magic(said) and not holds(Path(said).exists):
        found = sorted(glob.glob(said))
    else:
        found = [said]
    if not found:
        raise PictureError(f"There is no shard that matches {remote.shown(said)}.")
    return found


def _in_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The shards in a folder, and the other files that are not hidden; no shards where it holds folders or pictures too."""
    try:
        entries = sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError:
        return [], []
    names = [entry.name.lower() for entry in entries]
    if any(name.endswith(tuple(f".{ending}" for ending in PICTURES)) for name in names) or any(holds(entry.is_dir) for entry in entries):
        return [], []
    parted: dict[bool, list[str]] = {True: [], False: []}
    for entry in entries:
        if entry.name not in CLASSES:
            parted[entry.name.lower().endswith((".tar", *PACKED))].append(entry.path)
    return parted[True], parted[False]


def split_of(path: str) -> str:
    """The split that a shard's name speaks of, or else its folder's: train of imagenet-train-000012.tar; "" for none."""
    folder, _, name = path.partition("?")[0].replace(os.sep, "/").rpartition("/")
    words = [word for word in re.findall("[a-z]+", name.lower().removesuffix(".tar")) if word in SPLITS]
    return SPLITS[words[-1]] if words else SPLITS.get(folder.rpartition("/")[2].lower(), "")


def _plain(path: str) -> str:
    """A path or URL in lower case, without its query."""
    return (path.partition("?")[0] if remote.is_url(path) else path).lower()
