"""The folder in which fetched files are kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from hubel.errors import FetchError


def cache() -> Path:
    """The folder of data sets and weights: $HUBEL_DATA, or the platform's folder for what can be had again."""
    said = os.environ.get("HUBEL_DATA")
    if said:
        return Path(said).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "hubel"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "hubel"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubel"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a cache folder, which is made where it is not there. Raises FetchError where it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as error:
        raise FetchError(f"{folder} cannot be used to keep files: {error.strerror or error}; HUBEL_DATA names another folder.") from None
    try:
        yield
    finally:
        lock.release()
