"""Where the bytes of one picture lie: a file, or a part of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hubel.errors import PictureError


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or `length` bytes of it from `start` on. A small value, so that it can be told to another process."""

    path: str
    start: int = 0
    length: int | None = None

    def read(self) -> bytes:
        """The bytes. Raises PictureError with the reason, without the path."""
        try:
            if self.length is None:
                return Path(self.path).read_bytes()
            with open(self.path, "rb") as file:
                file.seek(self.start)
                data = file.read(self.length)
        except (OSError, ValueError) as error:
            raise PictureError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if len(data) < self.length:
            raise PictureError(f"it ends after {len(data):,} of {self.length:,} bytes")
        return data

    def stamp(self) -> tuple[int, int] | None:
        """The file's size in bytes and the time of its last change in nanoseconds, by which a change is noticed; None where it is gone."""
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            return None
        return found.st_size, found.st_mtime_ns
