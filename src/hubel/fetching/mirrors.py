"""Published files brought from the network: from one of several places, whole and as their publishers state them, or not at all."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from hubel.errors import FetchError
from hubel.fetching.remote import CHUNK, Remote, Told, note, wrong
from hubel.placing import settle

ATTEMPTS = 3
"""How often a mirror may break off before the next is asked."""

LARGEST = 2**32
"""Bytes that are taken of a file whose size its publisher does not say."""


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


class Unreached(FetchError):
    """No mirror gave a file; `reasons` says why, mirror by mirror."""

    def __init__(self, missing: Sequence[Remote], folder: Path, reasons: Sequence[str]) -> None:
        files = ", ".join(f"{remote.name} ({remote.stated})" for remote in missing)
        url, _, last = missing[0].urls[0].rpartition("/")
        what = f"{files} from {url}/" if last == missing[0].name else f"{url}/{last} ({missing[0].stated})"
        super().__init__(
            f"{missing[0].name} could not be fetched ({'; '.join(reasons)}); take {what} by other means and put "
            f"{'it' if len(missing) == 1 else 'them'} into {folder}{'' if last == missing[0].name else f' as {missing[0].name}'}."
        )
        self.reasons = tuple(reasons)


def fetched(remote: Remote, folder: Path, told: Told | None = None, patience: Patience = USUAL) -> Path:
    """The file in the folder, brought there if it is not; what came of it before an interruption is used.

    Raises FetchError, in a sentence that says what to put where, if no mirror gives it. Whoever calls it holds the lock.
    """
    place = folder / remote.name
    if place.exists():
        return checked(remote, place, told)
    reasons = []
    for url in remote.urls:
        try:
            _from_mirror(url, remote, place, told, patience)
            note(place, remote)
            return place
        except _Refused as error:
            reasons.append(f"{urlsplit(url).netloc} {error}")
    raise Unreached([remote], folder, reasons)


def checked(remote: Remote, place: Path, told: Told | None = None) -> Path:
    """A file that lies here already. Raises FetchError where it is not the published one, or no longer the one that it was."""
    try:
        reason = wrong(place, remote, place, told)
    except OSError as error:
        raise FetchError(f"{place} cannot be read: {error.strerror or error}.") from None
    if reason:
        raise FetchError(f"{place} is not the file that is published: {reason}; remove it.")
    with suppress(OSError):  # a folder that cannot be written to is read as it is
        note(place, remote)
    return place


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
        reason = wrong(part, remote, place, told)
        if not reason:
            settle(part, place)
            return
        part.unlink()
        if not before:
            raise _Refused(f"has another file: {reason}")
        # What was there before may have been the wrong part: once more, from the start.


def _download(url: str, remote: Remote, part: Path, told: Told | None, patience: Patience) -> None:
    """Bring the rest of the file, or all of it. What came stays if the connection breaks."""
    start = part.stat().st_size if part.exists() else 0
    if start > (remote.size or LARGEST) or (start and remote.digest is None):  # nothing would tell halves of two files from one
        part.unlink()
        start = 0
    if start == remote.size:
        return
    _refuse_without_room(part.parent, remote, (remote.size or 0) - start)
    headers = {"User-Agent": "hubel", "Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=patience.silence) as answer:
            start, size = _offered(answer, start, remote)
            _refuse_without_room(part.parent, remote, (size or 0) - start)
            _copied(answer, part, start, size, remote.name, told, patience)
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


def _refuse_without_room(folder: Path, remote: Remote, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise FetchError(f"{remote.name} needs {missing:,} bytes in {folder}, but only {free:,} are free; make room.")


def _offered(answer: Any, asked: int, remote: Remote) -> tuple[int, int | None]:
    """From which byte on the answer is, and of how many the file, having checked the lengths that it claims; None where nobody says."""
    start = asked if answer.status == 206 else 0
    length = answer.headers.get("Content-Length")
    said = start + int(length) if length is not None and length.isdigit() else None
    whole = said if remote.size is None else remote.size
    part = answer.headers.get("Content-Range", "it does not say which")
    if answer.status == 206 and not part.startswith(f"bytes {start}-{'' if whole is None else f'{whole - 1}/'}"):
        raise _Refused(f"offers another part than was asked for ({part})")
    if answer.status not in (200, 206):
        raise _Refused(f"answers {answer.status}")
    if said is not None and whole is not None and said != whole:
        raise _Refused(f"offers {said - start:,} bytes instead of {whole - start:,}")
    if whole is None and remote.digest is None:
        raise _Refused("does not say how long the file is, and no digest is published by which it could be told to be whole")
    return start, whole


def _copied(answer: Any, part: Path, start: int, size: int | None, name: str, told: Told | None, patience: Patience) -> None:
    done = start
    since, then = time.monotonic(), done
    with open(part, "r+b" if start else "wb", buffering=0) as file:
        file.seek(start)
        while data := answer.read1(CHUNK):
            done += len(data)
            if done > (size or LARGEST):
                raise _Refused(f"sends more than its {size or LARGEST:,} bytes")
            _write(file, data, part)
            if told is not None:
                told(f"fetching {name}", done, size or LARGEST)
            if time.monotonic() - since > patience.silence:
                if done - then < patience.slowest * patience.silence:
                    raise _Refused(f"sends fewer than {patience.slowest:,.0f} bytes a second")
                since, then = time.monotonic(), done
    if size is not None and done < size:
        raise _BrokenOff(f"breaks off after {done:,} of {size:,} bytes")


def _write(file: IO[bytes], data: bytes, part: Path) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise FetchError(
            f"{part} cannot be written: {error.strerror or error}; what came so far is kept, so make room and try again."
        ) from None


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
