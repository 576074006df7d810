"""The headers of a tar file, read one by one over the data between them; whatever a header claims, little is read and it ends.

(Python's tarfile reads a header of whatever length it claims, and ends without a word where a later one is damaged.)
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hubel.errors import shortened

BLOCK = tarfile.BLOCKSIZE
LONGEST = 1 << 16
"""Bytes of a name, or of an extended header, that are read; real ones have some hundred."""
MOST = 1_000_000
"""Headers of one shard; real ones have thousands."""
PADDING = 1 << 20
"""Bytes after the end mark that are looked at; tar fills its last 10,240."""

FOLDERS = (tarfile.DIRTYPE,)
EMPTY = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
"""Links and devices: no data follows, whatever size they claim."""
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
GLOBAL = (tarfile.XGLTYPE,)
HOLES = "holes"
"""Stands for all that a PAX header says of a file with holes."""


class Damaged(Exception):
    """Why a shard cannot be read further."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a tar file, and where its bytes lie."""

    name: str
    start: int
    length: int
    is_file: bool
    """And not a link, a device, or a file with holes."""


def members(file: BinaryIO, size: int) -> Iterator[Member]:
    """Every member that is no folder. Raises Damaged where the file goes on, or ends, in another way than a tar file does."""
    place, everywhere, own = 0, dict[str, str](), dict[str, str]()
    for _ in range(MOST):
        header = _header(file, place, size)
        if header is None:
            return
        name, kind, length = header
        said = {} if kind in LONG + EXTENDED + GLOBAL else everywhere | own
        start = _after_map(file, place) if kind == tarfile.GNUTYPE_SPARSE else place + BLOCK
        length = 0 if kind in FOLDERS + EMPTY else _number(said.get("size"), length)
        if length < 0 or start + length > size:
            raise Damaged(f"says at byte {place:,} that {length:,} bytes follow, but there are {max(size - start, 0):,}")
        place = start + -(-length // BLOCK) * BLOCK
        if kind in EXTENDED:
            own |= _records(_long(file, start, length))
        elif kind in GLOBAL:
            everywhere |= _records(_long(file, start, length))
        elif kind == tarfile.GNUTYPE_LONGNAME:
            own["path"] = _text(_long(file, start, length).split(b"\0")[0])
        elif kind not in LONG:
            own = {}
            if kind not in FOLDERS:
                whole = kind in FILES and HOLES not in said
                yield Member(said.get("path") or name, start, length, whole)
    raise Damaged(f"has more than {MOST:,} headers, where a shard has thousands")


def _header(file: BinaryIO, place: int, size: int) -> tuple[str, bytes, int] | None:
    """Name, kind and length of the member whose header is at a place (POSIX.1-1988, and GNU's numbers); None where the end mark is."""
    block = _read(file, place, BLOCK)
    if not block:
        raise Damaged(f"ends after {size:,} bytes without an end mark, as if it were cut off")
    if len(block) == BLOCK and not any(block):
        if size - place > PADDING or any(_read(file, place, PADDING)):
            raise Damaged(f"goes on after its end mark at byte {place:,}, as if two were joined; what follows is not read")
        return None
    try:
        if len(block) < BLOCK or _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            raise ValueError("the checksum is wrong")
        length = _octal(block[124:136])
    except ValueError:
        raise Damaged(f"has no header at byte {place:,}, where one should be") from None
    name, kind = _text(block[:100].split(b"\0", 1)[0]), block[156:157]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    if kind == tarfile.AREGTYPE and name.endswith("/"):  # so were folders written before they had a kind
        kind = tarfile.DIRTYPE
    return f"{_text(prefix)}/{name}" if prefix else name, kind, length


def _octal(field: bytes) -> int:
    """A number in octal; or in base 256 and two's complement after a first byte of 128 or 255, as GNU writes what would not fit."""
    if field[0] in (128, 255):
        return int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[0] == 255 else 0)
    return int(field.split(b"\0", 1)[0].strip() or b"0", 8)


def _after_map(file: BinaryIO, place: int) -> int:
    """Where the data of a file with holes begin: after its header, and the blocks that go on with the map of the holes."""
    block, flag = _read(file, place, BLOCK), 482
    while len(block) == BLOCK and block[flag]:
        place += BLOCK
        block, flag = _read(file, place, BLOCK), 504
    return place + BLOCK


def _long(file: BinaryIO, place: int, length: int) -> bytes:
    if length > LONGEST:
        raise Damaged(f"has a header of {length:,} bytes at byte {place:,}; at most {LONGEST:,} are read")
    return _read(file, place, length)


def _records(data: bytes) -> dict[str, str]:
    """What is of use in a PAX header: records of "length key=value\\n", one after another."""
    found, place = {}, 0
    while place < len(data) and data[place]:
        said, _, _ = data[place : place + 8].partition(b" ")
        length = _number(_text(said), 0)
        record = data[place + len(said) + 1 : place + length]
        if not record.endswith(b"\n") or b"=" not in record:
            raise Damaged(f"has an extended header that is none: {shortened(data[place : place + 20])}")
        key, _, value = record[:-1].partition(b"=")
        if key.startswith(b"GNU.sparse."):
            found[HOLES] = ""
        if key in (b"path", b"size", b"GNU.sparse.name"):
            found["size" if key == b"size" else "path"] = _text(value)
        place += length
    return found


def _number(said: str | None, otherwise: int) -> int:
    return int(said) if said is not None and said.isascii() and said.isdigit() and len(said) < 20 else otherwise


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)
