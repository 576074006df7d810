"""A file is there whole or not at all: written under a name of its own in the same folder, brought to the disk, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def place(path: Path, data: bytes) -> None:
    """Write a file: a reader sees the old one or the new one."""
    with placed(path) as file:
        file.write(data)


@contextmanager
def placed(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the name when the block has ended, and is gone where it has raised.

    A link is followed. Raises OSError where a folder, a device or a pipe has the name: they are not replaced.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "Is a directory" if path.is_dir() else "Is no file", str(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            yield file
        settle(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def settle(part: Path, path: Path) -> None:
    """Give a file that is finished its name, file and name on the disk when this returns."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
