"""Shards at URLs, fetched whole into a folder that holds the latest used, never more than a given number of bytes.

Whole, since a request for each picture takes longer: on 2 cores, from a server that takes 5 ms and sends 100 MB/s a connection, 8 threads
read 2,470 photographs of 14 KB a second in this way and 720 by requests of their own; of 110 KB 1,100 and 590; only of 1 MB 155 and 230.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from hubel.errors import PictureError
from hubel.fetching import cache
from hubel.pictures.shards import remote

USUAL_GB = 8.0
WAIT = 0.05
"""Seconds until it is looked again whether there is room."""


def most() -> int:
    """Bytes that the folder may hold: $HUBEL_SHARDS_GB, or 8 GB."""
    said = os.environ.get("HUBEL_SHARDS_GB") or str(USUAL_GB)
    try:
        size = float(said)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise PictureError(f"HUBEL_SHARDS_GB is {said!r}; it says how many GB of shards may be kept, such as {USUAL_GB:g}.")
    return int(size * 1e9)


def size_of(version: str) -> int:
    """The bytes of a shard, which its version begins with."""
    return int(version.partition("-")[0])


def read(url: str, version: str, start: int, length: int) -> bytes:
    """Bytes of a shard that has that version. One that is larger than all that may be kept is asked for these bytes alone."""
    if size_of(version) > most():
        return remote.part(url, start, start + length)
    with opened(url, version) as file:
        file.seek(start)
        return file.read(length)


@contextmanager
def opened(url: str, version: str) -> Iterator[BinaryIO]:
    """The shard's file, fetched if it is not kept. Raises PictureError where the shard has another version by now."""
    folder = cache() / "shards"
    path = folder / f"{hashlib.sha256(' '.join([url, version]).encode()).hexdigest()[:32]}.tar"
    try:
        file = _there(path) or _fetched(url, version, path)
    except OSError as error:
        raise PictureError(f"{folder} cannot be used for shards: {error.strerror or error}; HUBEL_DATA names another folder") from None
    with file:
        yield file


def _there(path: Path) -> BinaryIO | None:
    """The file, if it is kept; it is now the latest used."""
    try:
        with suppress(PermissionError):
            os.utime(path)
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _fetched(url: str, version: str, path: Path) -> BinaryIO:
    """Fetch a shard. Other processes that want it wait; it is open before any may remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with _lock(path):
        file = _there(path)
        if file is not None:
            return file
        for dead in path.parent.glob(f".{path.name[:2]}*.part"):  # whoever fetches one of these holds this lock
            dead.unlink(missing_ok=True)
        while not _reserved(part, size_of(version)):
            time.sleep(WAIT)
        try:
            with open(part, "r+b") as target:
                remote.fetched(url, size_of(version), target)
            if remote.version(url) != version:
                raise PictureError(f"{remote.shown(url)} has changed since the set was opened; open it again")
            with FileLock(path.parent / ".lock"):
                os.replace(part, path)
                return open(path, "rb")
        finally:
            part.unlink(missing_ok=True)


def _reserved(part: Path, size: int) -> bool:
    """Whether there is room, for which the shards that were not used for longest are removed; the part then takes it up."""
    folder, bound = part.parent, most()
    with FileLock(folder / ".lock"):
        kept, parts = _stats(folder.glob("*.tar")), _stats(folder.glob(".*.part"))
        total = sum(found.st_size for found in (*kept.values(), *parts.values()))
        for oldest in sorted(kept, key=lambda path: kept[path].st_mtime_ns):
            if total + size <= bound and shutil.disk_usage(folder).free >= size:
                break
            with suppress(PermissionError):  # Windows removes no file that is open
                oldest.unlink()
                total -= kept[oldest].st_size
        if total + size > bound:
            _forget_dead(parts)
            return False
        free = shutil.disk_usage(folder).free
        if free < size:
            raise PictureError(f"a shard needs {size:,} bytes in {folder}, but only {free:,} are free; make room")
        with open(part, "wb") as file:
            file.truncate(size)
        return True


def _stats(paths: Iterable[Path]) -> dict[Path, os.stat_result]:
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):  # a part may have come to its end meanwhile
            found[path] = path.stat()
    return found


def _forget_dead(parts: Iterable[Path]) -> None:
    """Remove the parts that nobody is fetching any more."""
    for part in parts:
        with suppress(Timeout), _lock(part.with_name(part.name[1:].removesuffix(".part")), timeout=0):
            part.unlink(missing_ok=True)


def _lock(path: Path, timeout: float = -1) -> FileLock:
    """The lock of a shard, which it shares with others, so that there are never more than 256 files of locks."""
    return FileLock(path.with_name(f".{path.name[:2]}.lock"), timeout=timeout)
