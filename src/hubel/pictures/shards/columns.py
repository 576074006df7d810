"""The names and places of millions of pictures in shards, kept as arrays: each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from hubel.pictures.places import Place
from hubel.pictures.shards.samples import Index


class Names(Sequence[str]):
    """Shard and key of each picture: "train-000003.tar: n01440764_10026"."""

    def __init__(self, shards: Sequence[str], indexes: Sequence[Index]) -> None:
        keys = [key.encode(errors="surrogateescape") for index in indexes for key in index.keys]
        self.shards = list(shards)
        self.shard_ends = _ends([len(index.keys) for index in indexes])
        self.keys = b"".join(keys)
        self.key_ends = _ends([len(key) for key in keys])

    def __len__(self) -> int:
        return len(self.key_ends) - 1

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        key = self.keys[self.key_ends[i] : self.key_ends[i + 1]].decode(errors="surrogateescape")
        return f"{self.shards[_holder(self.shard_ends, i)]}: {key}"

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))


class Places(Sequence[Place]):
    """Where each picture lies in its shard."""

    def __init__(self, paths: Sequence[str], versions: Sequence[str], indexes: Sequence[Index]) -> None:
        self.paths, self.versions = list(paths), list(versions)
        self.shard_ends = _ends([len(index.keys) for index in indexes])
        self.starts = np.array([start for index in indexes for start in index.starts], np.int64)
        self.lengths = np.array([length for index in indexes for length in index.lengths], np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, i: int) -> Place: ...
    @overload
    def __getitem__(self, i: slice) -> list[Place]: ...
    def __getitem__(self, i: int | slice) -> Place | list[Place]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        shard = _holder(self.shard_ends, i)
        return Place(self.paths[shard], int(self.starts[i]), int(self.lengths[i]), self.versions[shard])

    def __iter__(self) -> Iterator[Place]:
        return (self[i] for i in range(len(self)))


def _ends(lengths: list[int]) -> NDArray[np.int64]:
    """Where each part begins in what they are together, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _holder(ends: NDArray[np.int64], i: int) -> int:
    """Which part holds number i; an empty one holds none."""
    return int(np.searchsorted(ends, i, side="right")) - 1
