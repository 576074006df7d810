"""Published files brought from the network: from one of several places, whole and with the right SHA-256, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from filelock import FileLock

from hubel.errors import PictureError
from hubel.pictures.told import Told
from hubel.placing import settle

CHUNK = 1 << 20
ATTEMPTS = 3
"""How often a mirror may break off before the next is asked."""


@dataclass(frozen=True)
class Remote:
    """A file as it is published: its name, what it must be, and where it is offered, the first being asked first."""

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Patience:
    """How long a mirror is waited for."""

    silence: float = 30.0
    """Seconds without a byte."""
    slowest: float = 1000.0
    """Bytes a second, over as many seconds."""
    pause: float = 1.0
    """Seconds before it is asked again."""


USUAL = Patience()


class _Refused(Exception):
    """Why a mirror is given up."""


class _BrokenOff(Exception):
    """Why a mirror may be asked for the rest."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a cache folder, which is made where it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as error:
        raise PictureError(f"{folder} cannot be used for data sets: {error.strerror or error}; HUBEL_DATA names another folder.") from None
    try:
        yield
    finally:
        lock.release()


class Unreached(PictureError):
    """No mirror gave a file; `reasons` says why, mirror by mirror."""

    def __init__(self, missing: Sequence[Remote], folder: Path, reasons: Sequence[str]) -> None:
        files = ", ".join(f"{remote.name} (SHA-256 {remote.sha256})" for remote in missing)
        super().__init__(
            f"{missing[0].name} could not be fetched ({'; '.join(reasons)}); take {files} from "
            f"{missing[0].urls[0].rpartition('/')[0]}/ by other means and put {'it' if len(missing) == 1 else 'them'} into {folder}."
        )
        self.reasons = tuple(reasons)


def fetched(remote: Remote, folder: Path, told: Told | None = None, patience: Patience = USUAL) -> Path:
    """The file in the folder, brought there if it is not; what came of it before an interruption is used.

    Raises PictureError, in a sentence that says what to put where, if no mirror gives it. Whoever calls it holds the lock.
    """
    place = folder / remote.name
    if place.exists():
        if not _is_right(place, remote, told):
            raise PictureError(f"{place} is not the file that is published: its SHA-256 is not {remote.sha256}; remove it.")
        return place
    reasons = []
    for url in remote.urls:
        try:
            _from_mirror(url, remote, place, told, patience)
            return place
        except _Refused as error:
            reasons.append(f"{urlsplit(url).netloc} {error}")
    raise Unreached([remote], folder, reasons)


def _from_mirror(url: str, remote: Remote, place: Path, told: Told | None, patience: Patience) -> None:
    part = place.with_name(f".{remote.name}.part")
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _download(url, remote, part, told, patience)
        except _BrokenOff as error:
            failures += 1
            if failures == ATTEMPTS:
                raise _Refused(f"{error}, {ATTEMPTS} times") from None
            time.sleep(patience.pause)
            continue
        if _is_right(part, remote, told):
            settle(part, place)
            return
        part.unlink()
        if not before:
            raise _Refused("has another file, whose SHA-256 differs")
        # What was there before may have been the wrong part: once more, from the start.


def _download(url: str, remote: Remote, part: Path, told: Told | None, patience: Patience) -> None:
    """Bring the rest of the file, or all of it. What came stays if the connection breaks."""
    start = part.stat().st_size if part.exists() else 0
    if start > remote.size:
        part.unlink()
        start = 0
    if start == remote.size:
        return
    free = shutil.disk_usage(part.parent).free
    if free < remote.size - start:
        raise PictureError(f"{remote.name} needs {remote.size - start:,} bytes in {part.parent}, but only {free:,} are free; make room.")
    headers = {"User-Agent": "hubel", "Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=patience.silence) as answer:
            start = _begins(answer, start, remote.size)
            _copied(answer, part, start, remote, told, patience)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # it has no such part: another file, or the part is not of this one
            part.unlink(missing_ok=True)
            raise _BrokenOff("has not the rest of it") from None
        if error.code in (301, 302, 303, 307, 308):
            raise _Refused(f"redirects in a loop, more than {_Redirects.max_redirections} times, or to what is no web page") from None
        raise _Refused(f"answers {error.code} {' '.join(str(error.reason).split())}") from None
    except TimeoutError:
        raise _BrokenOff(f"says nothing for {patience.silence:g} s") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _BrokenOff(f"says nothing for {patience.silence:g} s") from None
        raise _Refused(f"cannot be reached: {getattr(error.reason, 'strerror', None) or error.reason}") from None
    except (http.client.HTTPException, ConnectionError) as error:
        raise _BrokenOff(f"breaks off: {error or type(error).__name__}") from None
    except (OSError, ValueError) as error:
        raise _Refused(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _begins(answer: Any, asked: int, size: int) -> int:
    """From which byte on the answer is, having checked the lengths that it claims."""
    start = asked if answer.status == 206 else 0
    if answer.status == 206 and answer.headers.get("Content-Range", "").split("/")[0].strip() != f"bytes {start}-{size - 1}":
        raise _Refused(f"offers another part than was asked for ({answer.headers.get('Content-Range', 'it does not say which')})")
    if answer.status not in (200, 206):
        raise _Refused(f"answers {answer.status}")
    length = answer.headers.get("Content-Length")
    if length is not None and length.isdigit() and int(length) != size - start:
        raise _Refused(f"offers {int(length):,} bytes instead of {size - start:,}")
    return start


def _copied(answer: Any, part: Path, start: int, remote: Remote, told: Told | None, patience: Patience) -> None:
    done = start
    since, then = time.monotonic(), done
    with open(part, "r+b" if start else "wb", buffering=0) as file:
        file.seek(start)
        while data := answer.read1(CHUNK):
            done += len(data)
            if done > remote.size:
                raise _Refused(f"sends more than its {remote.size:,} bytes")
            _write(file, data, part)
            if told is not None:
                told(f"fetching {remote.name}", done, remote.size)
            if time.monotonic() - since > patience.silence:
                if done - then < patience.slowest * patience.silence:
                    raise _Refused(f"sends fewer than {patience.slowest:,.0f} bytes a second")
                since, then = time.monotonic(), done
    if done < remote.size:
        raise _BrokenOff(f"breaks off after {done:,} of {remote.size:,} bytes")


def _write(file: IO[bytes], data: bytes, part: Path) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise PictureError(
            f"{part} cannot be written: {error.strerror or error}; what came so far is kept, so make room and try again."
        ) from None


def _is_right(path: Path, remote: Remote, told: Told | None) -> bool:
    if path.stat().st_size != remote.size:
        return False
    total, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            total.update(data)
            done += len(data)
            if told is not None:
                told(f"checking {remote.name}", done, remote.size)
    return total.hexdigest() == remote.sha256


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5
    max_repeats = 2

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """A client of http and https alone, by the proxies that the environment names."""
    return urllib.request.build_opener(_Redirects)
