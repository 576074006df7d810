"""Tar shards made a set: their classes, their splits, and what was left out of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hubel.errors import PictureError, shortened
from hubel.pictures.sets import Source, Split, from_places
from hubel.pictures.shards import remote
from hubel.pictures.shards.classes import named
from hubel.pictures.shards.columns import Names, Places
from hubel.pictures.shards.index import indexed
from hubel.pictures.shards.kept import most
from hubel.pictures.shards.naming import shards, split_of
from hubel.pictures.shards.samples import SHOWN, Index, Label
from hubel.pictures.told import Told


@dataclass(frozen=True)
class Shard:
    """A shard as it was found."""

    name: str
    """Its file's name, or all of its path where another shard's file has the same name."""
    path: str
    version: str
    index: Index


def from_shards(said: str, told: Told | None = None) -> Source:
    """The set that shards hold: `said` is one of them, a folder of them, or a pattern with {000..146}, {a,b} or *; here or at a URL.

    Raises PictureError, in one sentence, where they make none.
    """
    paths, notes = shards(said)
    if any(map(remote.is_url, paths)):
        most()  # is refused here, not picture by picture, where the user says what cannot be
    whole = [remote.shown(path).replace(os.sep, "/") for path in paths]
    short = [path.rpartition("/")[2] for path in whole]
    names = short if len(set(short)) == len(short) else whole
    found = [Shard(name, path, *one) for name, path, one in zip(names, paths, indexed(paths, told))]
    by_split = _divided(said, found)
    notes += _left_out(found)
    for split, some in by_split.items():
        if not any(shard.index.keys for shard in some):
            why = f" ({'; '.join(note.rstrip('.') for note in notes[:SHOWN])})" if notes else ""
            what = f"{shortened(said)} holds no {'' if split == 'all' else split + ' '}samples"
            raise PictureError(f"{what}: a picture and a .cls or .json, named alike up to their first dot{why}.")
    labels = {label for shard in found for label in shard.index.labels}
    classes, numbers = named(labels, list(dict.fromkeys(path.rpartition("/")[0] for path in paths)), notes)
    if len(classes) == 1:
        raise PictureError(f"{shortened(said)} has the single class {classes[0]!r}; telling classes apart takes at least two.")
    damage = tuple(f"{shard.name} {shard.index.damage}." for shard in found if shard.index.damage)
    openers = {split: _opener(some, numbers) for split, some in by_split.items()}
    return Source(_name(found), classes, openers, (*damage, *notes), damage)


def _opener(some: Sequence[Shard], numbers: dict[Label, int]) -> Callable[[], Split]:
    def open_split() -> Split:
        indexes = [shard.index for shard in some]
        names = Names([shard.name for shard in some], indexes)
        places = Places([shard.path for shard in some], [shard.version for shard in some], indexes)
        labels = np.array([numbers[label] for index in indexes for label in index.labels], np.int64)
        return replace(from_places(names, places, labels), runs=tuple(len(index.keys) for index in indexes if index.keys))

    return open_split


def _divided(said: str, found: Sequence[Shard]) -> dict[str, list[Shard]]:
    """The shards of each split."""
    by_split: dict[str, list[Shard]] = {}
    for shard in found:
        by_split.setdefault(split_of(shard.path) or "all", []).append(shard)
    if "all" in by_split and len(by_split) > 1:
        divided = ", ".join(sorted(set(by_split) - {"all"}))
        raise PictureError(
            f"{shortened(said)} has shards of a split ({divided}) beside others ({by_split['all'][0].name}); leave these out."
        )
    return {split: by_split[split] for split in ("all", "train", "validation", "test") if split in by_split}


def _left_out(found: Sequence[Shard]) -> list[str]:
    """What was left out and why, one note for each reason, in which the first few are named."""
    counts: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    for shard in found:
        for why, count in shard.index.left_out.items():
            counts[why] = counts.get(why, 0) + count
            names.setdefault(why, []).extend(f"{shard.name}: {name}" for name in shard.index.named[why])
    notes = []
    for why, count in counts.items():
        others = count - len(names[why][:SHOWN])
        listed = ", ".join(names[why][:SHOWN]) + (f" and {others:,} more" if others else "")
        notes.append(f"{listed} {'was' if count == 1 else 'were'} left out: {why}.")
    return notes


def _name(found: Sequence[Shard]) -> str:
    """What the set is called: as its one shard, or as the folder that they lie in, in signs that a file's name may have."""
    path = remote.shown(found[0].path if remote.is_url(found[0].path) else os.path.abspath(found[0].path)).replace(os.sep, "/")
    folder, _, file = path.rpartition("/")
    said = file.removesuffix(".tar") if len(found) == 1 else folder.rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "-", said) or "shards"
