"""A split decoded once into a file, which later runs read instead of the pictures: pixels, then an index of them.

It is made whole or not at all, belongs to one pixel policy and one list of pictures, and is made anew where one of them has changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hubel.errors import PictureError
from hubel.fetching import cache
from hubel.pictures.loader import Telling, each
from hubel.pictures.pixels import Pixels
from hubel.pictures.sets import Split
from hubel.pictures.slots import Done
from hubel.placing import placed

LIMIT = 20 * 10**9
"""Bytes that all such files may have together; those that were not used for longest make room."""

FORMAT = 1
MAGIC = b"hubel pictures\n"
ENDING = ".pictures"


@dataclass(frozen=True)
class Index:
    """What lies where in the file. Every array has an entry for each picture of the split; one that is refused has height 0."""

    starts: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    sizes: NDArray[np.int64]
    """(N, 2): height and width of the picture in its file."""
    sums: NDArray[np.int64]
    """CRC-32 of the pixels."""
    digests: NDArray[np.uint8]
    """(N, 16): BLAKE2 of the picture's file."""
    stamps: NDArray[np.int64]
    """(N, 2): its size and time of change."""
    reasons: list[str]
    """Of each picture: why it is refused, or nothing."""
    lost: dict[str, int]


def kept(split: Split, pixels: Pixels, shorter: int = 0, strict: bool = False, told: Telling = None) -> tuple[Path, Index]:
    """The file of a split and its index: as it lies in the cache folder, or made now.

    shorter: see Decoder; 0: pictures as the policy has them. Raises PictureError where there is no room for it, and as `each` does.
    """
    path = _path(split, pixels, shorter)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            index = _usable(path, split)
            if index is None:
                for dead in (path, *path.parent.glob(f".{path.name}.*.part")):  # stale, or left by a process that was killed
                    dead.unlink(missing_ok=True)
                _refuse_without_room(path.parent, split, pixels, shorter)
                index = _made(path, split, pixels, shorter, strict, told)
                make_room(path, LIMIT)
    except OSError as error:
        raise PictureError(
            f"{path} cannot be written: {error.strerror or error}. Say --keep nothing to do without it, or set HUBEL_DATA to a folder that can be written."
        ) from None
    if strict and any(index.reasons):
        i = next(i for i, reason in enumerate(index.reasons) if reason)
        raise PictureError(f"{split.names[i]}: {index.reasons[i]}. Mend or remove it, or leave --strict out to go on without it.")
    return path, index


def _path(split: Split, pixels: Pixels, shorter: int) -> Path:
    """Its name says what it holds: which pictures, and how they are read."""
    geometry = replace(pixels, mean=(0.0,), deviation=(1.0,)).to_json()
    total = hashlib.blake2b(json.dumps([FORMAT, geometry, shorter], sort_keys=True).encode(), digest_size=16)
    for name in split.names:
        total.update(f"\0{name}".encode(errors="surrogateescape"))
    return cache() / "decoded" / f"{total.hexdigest()}{ENDING}"


def _usable(path: Path, split: Split) -> Index | None:
    """The index of a file that is whole, and whose pictures are as they were; None of any other."""
    try:
        index = read_index(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for i, place in enumerate(split.places or ()):
        stamp = place.stamp() or (-1, -1)
        if stamp != tuple(index.stamps[i].tolist()):
            if _digest(split, i) != index.digests[i].tobytes():  # another time alone means nothing
                return None
            index.stamps[i] = stamp
    os.utime(path)
    return index


def _digest(split: Split, i: int) -> bytes:
    try:
        return hashlib.blake2b(split.stored(i), digest_size=16).digest()
    except PictureError:
        return bytes(16)


def _refuse_without_room(folder: Path, split: Split, pixels: Pixels, shorter: int) -> None:
    a_picture = (shorter**2 * 4 // 3 or pixels.height * pixels.width) * pixels.channels
    needed, free = len(split.labels) * a_picture, shutil.disk_usage(folder).free
    if needed > 0.9 * free:
        raise PictureError(
            f"{len(split.labels):,} decoded pictures take about {needed / 1e9:.1f} GB in {folder}, which has {free / 1e9:.1f} GB left; "
            f"say --keep nothing to decode them anew in every epoch, or set HUBEL_DATA to a folder with more room."
        )


def _made(path: Path, split: Split, pixels: Pixels, shorter: int, strict: bool, told: Telling) -> Index:
    count = len(split.labels)
    starts, heights, widths, sums = (np.zeros(count, np.int64) for _ in range(4))
    places = split.places or ()
    stamps = np.array([place.stamp() or (-1, -1) for place in places], np.int64).reshape(count, 2)
    sizes, digests = np.zeros((count, 2), np.int64), np.zeros((count, 16), np.uint8)
    reasons, lost = [""] * count, dict[str, int]()
    with placed(path) as file:
        file.write(MAGIC)
        for i, (done, array) in enumerate(each(split, pixels, shorter, strict, told)):
            digests[i] = np.frombuffer(_digest(split, i), np.uint8)
            if (places[i].stamp() or (-1, -1)) != tuple(stamps[i].tolist()):  # pixels and digest may be of different files
                done, array, digests[i] = Done("it has changed while it was read"), None, 0
            reasons[i], sizes[i] = done.refused or "", done.size
            for what in done.lost:
                lost[what] = lost.get(what, 0) + 1
            if array is not None:
                starts[i], (heights[i], widths[i]), sums[i] = file.tell(), array.shape[:2], zlib.crc32(array.data)
                file.write(array.data)
        index = Index(starts, heights, widths, sizes, sums, digests, stamps, reasons, lost)
        packed = _packed(index)
        file.write(packed + hashlib.sha256(packed).digest() + len(packed).to_bytes(8, "little") + MAGIC)
    return index


def make_room(new: Path, limit: int) -> None:
    """Remove those beside a new file that were not used for longest, until all take `limit` bytes; who reads one just now can go on."""
    files = sorted((path for path in new.parent.glob(f"*{new.suffix}") if path != new), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in (new, *files))
    for path in files:
        if total <= limit:
            return
        total -= path.stat().st_size
        path.unlink()


def _packed(index: Index) -> bytes:
    said = {**vars(index), "reasons": _bytes(index.reasons), "lost": _bytes(index.lost)}
    file = io.BytesIO()
    np.savez(file, **said)
    return file.getvalue()


def _bytes(said: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(said).encode(), np.uint8)


def read_index(path: Path) -> Index:
    """The index of a file. Raises OSError or ValueError where the file is not there, or not whole."""
    tail = 32 + 8 + len(MAGIC)
    with path.open("rb") as file:
        file.seek(-tail, os.SEEK_END)
        end = file.tell()
        digest, length, magic = file.read(32), int.from_bytes(file.read(8), "little"), file.read()
        if magic != MAGIC or length > end:
            raise ValueError("it does not end as such a file does")
        file.seek(end - length)
        packed = file.read(length)
    if hashlib.sha256(packed).digest() != digest:
        raise ValueError("its index is damaged")
    with np.load(io.BytesIO(packed), allow_pickle=False) as found:
        said = dict(found)
    texts = {name: json.loads(said.pop(name).tobytes()) for name in ("reasons", "lost")}
    return Index(**said, **texts)
