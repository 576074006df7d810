"""The index of each shard: what samples lie where. Made once from the headers, then kept beside the data sets."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from hubel import placing
from hubel.errors import PictureError
from hubel.fetching import cache
from hubel.pictures.shards import kept, remote
from hubel.pictures.shards.samples import Index, samples
from hubel.pictures.told import Told

FORMAT = 1
"""Of the files of indexes: one of another format is made anew."""
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""What gzip, bzip2, xz and zstd files begin with."""
AT_ONCE = 8
"""Shards that are looked at together, since most of it is waiting."""


def indexed(paths: list[str], told: Told | None = None) -> list[tuple[str, Index]]:
    """Of each shard: its version, and its index. Raises PictureError, naming the shard, where one cannot be read."""
    found = []
    threads = ThreadPoolExecutor(AT_ONCE)
    try:
        for done, one in enumerate(threads.map(_indexed, paths), 1):
            found.append(one)
            if told is not None:
                told("indexing", done, len(paths))
    finally:
        threads.shutdown(cancel_futures=True)
    return found


def version_of(path: str) -> str:
    """The size of a shard in bytes, a hyphen, and what else changes when it does: here, the time of its last change."""
    if remote.is_url(path):
        return remote.version(path)
    found = os.stat(path)
    return f"{found.st_size}-{found.st_mtime_ns}"


def _indexed(path: str) -> tuple[str, Index]:
    whole = path if remote.is_url(path) else os.path.abspath(path)
    place = cache() / "indexes" / f"{hashlib.sha256(whole.encode(errors='surrogateescape')).hexdigest()[:32]}.json"
    try:
        version = version_of(path)
        index = _lying(place, version)
        if index is None:
            with _opened(path, version) as file:
                if file.read(6).startswith(COMPRESSED):
                    raise PictureError(
                        f"{remote.shown(path)} is compressed; shards are plain .tar, since each picture is read at its place"
                    )
                index = samples(file, kept.size_of(version))
            _store(place, version, index)
        return version, index
    except FileNotFoundError:
        raise PictureError(f"There is no shard {path}.") from None
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}.") from None
    except PictureError as error:
        raise PictureError(f"{str(error).rstrip('.')}.") from None


@contextmanager
def _opened(path: str, version: str) -> Iterator[BinaryIO]:
    if not remote.is_url(path):
        with open(path, "rb") as file:
            yield file
    elif kept.size_of(version) > kept.most():
        with remote.seekable(path, kept.size_of(version)) as file:
            yield file
    else:
        with kept.opened(path, version) as file:
            yield file


def _lying(place: Path, version: str) -> Index | None:
    """The index that was kept, if it is one of this version of the shard."""
    try:
        said = json.loads(place.read_bytes())
        return Index(**said["index"]) if (said["format"], said["version"]) == (FORMAT, version) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _store(place: Path, version: str, index: Index) -> None:
    """Keep an index. Where that cannot be, it is made again the next time."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        placing.place(place, json.dumps({"format": FORMAT, "version": version, "index": asdict(index)}).encode())
