"""Where the bytes of one picture lie: a file, or a part of one, here or at a URL."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from hubel.errors import PictureError

LONGEST_FILE = 750_000_000
"""Bytes of a picture's file: room for as many pixels as are decoded, of four samples of 16 bits, not packed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or `length` bytes of it from `start` on. A small value, so that it can be told to another process."""

    path: str
    start: int = 0
    length: int | None = None
    version: str = ""
    """Of a part: what the file was when the set was opened, "size-changed"; a changed file has other bytes there."""

    def read(self) -> bytes:
        """The bytes. Raises PictureError with the reason, without the path."""
        try:
            if self.length is None:
                with _opened(self.path) as file:
                    return file.read(_refuse_long(os.fstat(file.fileno()).st_size))
            data = self._part(_refuse_long(self.length))
        except (OSError, ValueError) as error:
            raise PictureError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if len(data) < self.length:
            raise PictureError(f"it ends after {len(data):,} of {self.length:,} bytes")
        return data

    def stamp(self) -> tuple[int, int] | None:
        """The file's size in bytes and the time of its last change in nanoseconds, by which a change is noticed; None where it is gone.

        Of a file at a URL: its size, and a number that stands for the version that it had when the set was opened.
        """
        if "://" in self.path:
            return int(self.version.partition("-")[0]), zlib.crc32(self.version.encode())
        try:
            found = os.stat(self.path)
        except (OSError, ValueError):
            return None
        return found.st_size, found.st_mtime_ns

    def _part(self, length: int) -> bytes:
        if "://" in self.path:
            from hubel.pictures.shards import kept  # only where it is needed: other processes read places too

            return kept.read(self.path, self.version, self.start, length)
        with _opened(self.path) as file:
            found = os.fstat(file.fileno())
            if self.version not in ("", f"{found.st_size}-{found.st_mtime_ns}"):
                raise PictureError("its file has changed since the set was opened")
            file.seek(self.start)
            return file.read(length)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """A file to be read. Raises PictureError where the path leads to something else: a pipe would be waited for, a device has no end."""
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise PictureError("it is no file of its own (but a pipe, a device or the like)")
        yield file


def _refuse_long(size: int) -> int:
    """That number of bytes. Raises PictureError where it is too large."""
    if size > LONGEST_FILE:
        raise PictureError(f"it has {size:,} bytes; at most {LONGEST_FILE:,} are read")
    return size
