"""Archives unpacked into a folder that is there whole or not at all, with nothing of them anywhere else."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hubel.errors import PictureError, shortened
from hubel.pictures.told import Told

CHUNK = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """What an archive may come to."""

    members: int = 200_000
    size: int = 64 << 30
    """Bytes of all its files."""
    ratio: int = 100
    """How many times the archive's own size they may be; photographs hardly shrink, bitmaps some ten times."""


USUAL = Bounds()


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive."""

    name: str
    is_folder: bool
    size: int
    opened: Callable[[], IO[bytes] | None]


def unpacked(archive: Path, folder: Path, bounds: Bounds = USUAL, told: Told | None = None) -> Path:
    """Unpack a .tar, .tar.gz or .zip into a folder that is not there yet.

    Raises PictureError, and leaves nothing behind, for links, devices, names that lead out of the folder or stand twice, and
    archives that are damaged or come to more than the bounds. Whoever calls it holds the lock of the folder above.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of one that was killed
        part.mkdir()
        with _members(archive, bounds) as members:
            _written(archive, members, part, bounds, told)
        os.rename(part, folder)
        return folder
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise PictureError(f"{archive} is damaged, or packed in another way than .tar, .tar.gz or .zip: {error}.") from None
    except (OSError, ValueError) as error:
        raise PictureError(f"{archive} cannot be unpacked into {folder}: {getattr(error, 'strerror', None) or error}.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _written(archive: Path, members: Iterator[Member], part: Path, bounds: Bounds, told: Told | None) -> None:
    most = min(bounds.size, bounds.ratio * archive.stat().st_size)
    seen: set[PurePosixPath] = set()
    total = 0
    for number, member in enumerate(members):
        name = _inside(member, archive)
        total += member.size
        if name in seen and not member.is_folder:
            raise PictureError(f"{archive} is not unpacked: {shortened(member.name)} is in it twice.")
        if number >= bounds.members or total > most:
            raise PictureError(f"{archive} is not unpacked: it comes to more than {bounds.members:,} files, or {most:,} bytes.")
        seen.add(name)
        target = part / name
        (target if member.is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        if not member.is_folder:
            _copied(member, target, archive)
        if told is not None:
            told(f"unpacking {archive.name}", total, most)


def _copied(member: Member, target: Path, archive: Path) -> None:
    source, left = member.opened(), member.size
    if source is None:
        raise PictureError(f"{archive} is not unpacked: {shortened(member.name)} is no file.")
    with source, open(target, "xb") as file:
        while left and (data := source.read(min(CHUNK, left))):
            file.write(data)
            left -= len(data)
        file.flush()
        os.fsync(file.fileno())
    if left:
        raise PictureError(f"{archive} is damaged: {shortened(member.name)} ends {left:,} bytes too early.")


def _inside(member: Member, archive: Path) -> PurePosixPath:
    """The member's name, if it leads nowhere but into the folder."""
    name = PurePosixPath(member.name)
    parts = member.name.split("/")
    if (
        name.is_absolute()
        or (not name.parts and not member.is_folder)
        or ".." in parts
        or any(c in member.name for c in "\\\0")
        or ":" in parts[0]
    ):
        raise PictureError(f"{archive} is not unpacked: {shortened(member.name)} leads out of the folder.")
    return name


@contextmanager
def _members(archive: Path, bounds: Bounds) -> Iterator[Iterator[Member]]:
    with open(archive, "rb") as file:
        magic = file.read(4)
    if magic.startswith(b"PK"):
        with zipfile.ZipFile(archive) as packed:
            yield (_of_zip(packed, info, archive) for info in packed.infolist())
        return
    with open(archive, "rb") as file, gzip.GzipFile(fileobj=file) if magic.startswith(b"\x1f\x8b") else file as plain:
        most = min(bounds.size, bounds.ratio * archive.stat().st_size) + 1024 * bounds.members  # two blocks beside each file
        bounded: Any = _Bounded(plain, most, archive)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            yield (_of_tar(tar, info, archive) for info in tar)


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise PictureError(f"{archive} is not unpacked: {shortened(info.filename)} is a link or a device.")
    return Member(info.filename, info.is_dir(), info.file_size, lambda: packed.open(info))


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo, archive: Path) -> Member:
    if not (info.isreg() or info.isdir()) or info.issparse() or info.size < 0:
        raise PictureError(f"{archive} is not unpacked: {shortened(info.name)} is a link, a device, or a file with holes.")
    return Member(info.name, info.isdir(), 0 if info.isdir() else info.size, lambda: tar.extractfile(info))


class _Bounded:
    """A tar archive being read: tarfile reads a header whole, whatever size it claims, and skips what it is not asked for."""

    def __init__(self, file: Any, most: int, archive: Path) -> None:
        self.file, self.most, self.archive = file, most, archive

    def read(self, count: int = -1, /) -> bytes:
        self._refuse(count < 0 or count > CHUNK or self.file.tell() + count > self.most)
        return bytes(self.file.read(count))

    def seek(self, place: int, whence: int = 0, /) -> int:
        self._refuse(whence != 0 or place > self.most)
        return int(self.file.seek(place))

    def tell(self) -> int:
        return int(self.file.tell())

    def _refuse(self, beyond: bool) -> None:
        if beyond:
            raise PictureError(f"{self.archive} is not unpacked: it claims {self.most:,} bytes or more, or a header that is too long.")
