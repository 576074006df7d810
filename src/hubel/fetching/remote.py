"""A file as it is published, and whether a file here is that one.

A publisher may state less than a whole SHA-256. Then the SHA-256 of the file that first came, and agreed with what is stated, is
noted beside it, and the file must stay that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hubel.placing import place

CHUNK = 1 << 20
NAMES = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}
LENGTHS = {algorithm: 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size for algorithm in NAMES}

Told = Callable[[str, int, int], None]
"""How long work says how far it is: hears (what is being done, done, of how many)."""


@dataclass(frozen=True)
class Digest:
    """What a publisher states of a file's bytes: a hash of them, or as many of its first hexadecimal digits as are stated."""

    algorithm: str
    """sha256, sha1 or md5."""
    hex: str

    def __str__(self) -> str:
        return f"{NAMES[self.algorithm]} {self.hex}{'' if self.is_whole else '...'}"

    @property
    def is_whole(self) -> bool:
        return len(self.hex) == LENGTHS[self.algorithm]

    @property
    def is_all(self) -> bool:
        """Whether it is a whole SHA-256: anything else leaves room for a second file that agrees with it."""
        return self.algorithm == "sha256" and self.is_whole


@dataclass(frozen=True)
class Remote:
    """A file as it is published: its name, what it must be, and where it is offered, the first being asked first."""

    name: str
    """Under which it is kept here."""
    size: int | None
    """In bytes; None where the publisher does not say."""
    digest: Digest | None
    """None where the publisher states none."""
    urls: tuple[str, ...]

    @property
    def stated(self) -> str:
        """The digest in words."""
        return str(self.digest) if self.digest else "no digest is published"


def digests(path: Path, algorithms: set[str], heard: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """The hashes of a file, read once."""
    totals = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    done, size = 0, path.stat().st_size
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            for total in totals.values():
                total.update(data)
            done += len(data)
            if heard is not None:
                heard(done, size)
    return {algorithm: total.hexdigest() for algorithm, total in totals.items()}


def wrong(path: Path, remote: Remote, kept: Path, told: Told | None = None) -> str:
    """What of a file is not as published, or as noted beside the place where it is kept; nothing where all is right."""
    size, stated = path.stat().st_size, remote.digest
    if remote.size is not None and size != remote.size:
        return f"it has {size:,} bytes, not {remote.size:,}"
    heard = None if told is None else partial(told, f"checking {remote.name}")
    found = digests(path, {stated.algorithm if stated else "sha256", "sha256"}, heard)
    if stated and not found[stated.algorithm].startswith(stated.hex):
        return f"its {NAMES[stated.algorithm]} is {found[stated.algorithm]}, and not {stated.hex}{'' if stated.is_whole else '...'}"
    noted = "" if stated and stated.is_all else _noted(kept)
    if noted and found["sha256"] != noted:
        return f"its SHA-256 is {found['sha256']}, and not {noted}, which {_beside(kept).name} has noted of the file that came first"
    return ""


def note(kept: Path, remote: Remote) -> None:
    """Write the SHA-256 of a file beside it, where its publisher states less and it is not noted yet. Raises OSError."""
    if not (remote.digest and remote.digest.is_all) and not _noted(kept):
        place(_beside(kept), f"{digests(kept, {'sha256'})['sha256']}  {kept.name}\n".encode())


def _noted(kept: Path) -> str:
    try:
        return _beside(kept).read_text(errors="replace").partition(" ")[0].strip()
    except FileNotFoundError:
        return ""


def _beside(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.sha256")
