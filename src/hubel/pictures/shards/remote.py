"""Shards at URLs: their sizes and versions, and their bytes, asked for again where a connection breaks. fsspec does the talking."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, BinaryIO, TypeVar

from hubel.errors import PictureError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
ATTEMPTS = 5
PAUSE = 0.25
"""Seconds before the second attempt; each further pause is twice as long."""
SILENCE = 60.0
"""Seconds without a byte over HTTP."""
AHEAD = 1 << 14
"""Bytes that are asked for together where headers are read one by one."""
PIECE = 8 << 20
"""Bytes that are asked for together where a shard is fetched whole."""
AT_ONCE = 4
"""Pieces that are asked for at a time."""
VALIDATORS = ("etag", "contentmd5", "md5hash", "generation", "lastmodified", "mtime", "modified", "updated", "created")
"""By which file systems tell that a file was changed, the surest first; written without capitals, hyphens and underlines."""

Answer = TypeVar("Answer")


class Missing(PictureError):
    """There is no such file."""


def is_url(path: str) -> bool:
    return URL.match(path) is not None


def is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def shown(path: str) -> str:
    """A path, or a URL as it may be shown: without a password, and without a query, which may be one."""
    return path if not is_url(path) else re.sub(r"(?<=://)[^/@]*@", "", path.partition("?")[0])


def version(url: str) -> str:
    """The size of a file in bytes, a hyphen, and what else changes when the file does, if its server says it."""
    filesystem, path = _opened(url)
    info = _asked(url, lambda: filesystem.info(path))
    if not isinstance(info.get("size"), int):
        raise PictureError(f"{shown(url)} cannot be used: its server does not say how large it is")
    said = {re.sub("[-_]", "", key.lower()): value for key, value in info.items()}
    return f"{info['size']}-{next((said[name] for name in VALIDATORS if said.get(name)), '')}"


def matching(pattern: str) -> list[str]:
    """The URLs that a pattern stands for, by name."""
    filesystem, path = _opened(pattern)
    return sorted(map(filesystem.unstrip_protocol, _asked(pattern, lambda: filesystem.glob(path))))


def part(url: str, start: int, end: int) -> bytes:
    """Bytes start to end of a file, or to where it ends. Raises PictureError where its server gives the whole file only."""
    filesystem, path = _opened(url)
    data: bytes = _asked(url, lambda: filesystem.cat_file(path, start, end))
    if len(data) > end - start:
        raise PictureError(f"{shown(url)} is too large to be kept, and its server gives no parts of it; let HUBEL_SHARDS_GB be more")
    return data


def small(url: str) -> bytes | None:
    """A whole file, or None where there is none."""
    filesystem, path = _opened(url)
    try:
        return bytes(_asked(url, lambda: filesystem.cat_file(path)))
    except Missing:
        return None


def seekable(url: str, size: int) -> BinaryIO:
    """A file of that size, of which what is read is asked for, and AHEAD bytes with it."""
    return io.BufferedReader(_Remote(url, size), AHEAD)


def fetched(url: str, size: int, target: BinaryIO) -> None:
    """Write a file of that size into another, in pieces of which several are asked for at a time."""
    filesystem, path = _opened(url)
    writing = Lock()

    def piece(start: int) -> bool:
        wanted = min(PIECE, size - start)
        with filesystem.open(path, "rb", block_size=PIECE, cache_type="none") as file:
            file.seek(start)
            try:
                data = file.read(wanted)
            except ValueError:  # its server gives no parts
                return False
        if len(data) < wanted:
            raise ConnectionError(f"it ends after {start + len(data):,} of {size:,} bytes")
        with writing:
            target.seek(start)
            target.write(data)
        return True

    def everything() -> None:
        target.seek(0)
        filesystem.get_file(path, target)
        if target.tell() != size:
            raise ConnectionError(f"it ends after {target.tell():,} of {size:,} bytes")

    threads = ThreadPoolExecutor(AT_ONCE)
    try:
        there = all(threads.map(lambda start: _asked(url, lambda: piece(start)), range(0, size, PIECE)))
    finally:
        threads.shutdown(cancel_futures=True)
    if not there:
        _asked(url, everything)


class _Remote(io.RawIOBase):
    """A file at a URL that is asked for the parts that are read."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size, self.place = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def readinto(self, buffer: Any) -> int:
        end = min(self.place + len(buffer), self.size)
        data = part(self.url, self.place, end) if self.place < end else b""
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, of which fsspec keeps one for a process, and the path there."""
    protocol = url.partition("://")[0].lower()
    try:
        import fsspec  # type: ignore[import-untyped]

        settings = {}
        if is_http(url):
            import aiohttp

            patience = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
            settings = {"client_kwargs": {"timeout": patience, "trust_env": True}}
        filesystem, path = fsspec.core.url_to_fs(url, **settings)
    except ImportError as error:
        raise PictureError(f'{shown(url)} cannot be read ({error}); pip install "hubel[shards]"{_besides(protocol)}.') from None
    except ValueError as error:
        raise PictureError(f"{shown(url)} cannot be read: {error}.") from None
    return filesystem, path


def _besides(protocol: str) -> str:
    """The package that a protocol needs besides fsspec."""
    try:
        from fsspec.registry import known_implementations  # type: ignore[import-untyped]
    except ImportError:
        return ""
    package = known_implementations.get(protocol, {"class": "fsspec"})["class"].partition(".")[0]
    return "" if package == "fsspec" else f" {package}"


def _asked(url: str, question: Callable[[], Answer]) -> Answer:
    """The answer to a question, which is put again where a connection fails.

    Raises PictureError where it is no use, Missing where there is no such file.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return question()
        except Exception as said:  # each file system has errors of its own
            error = (is_http(url) and isinstance(said, FileNotFoundError) and said.__cause__) or said  # so it calls all errors of HTTP
            status = getattr(error, "status", 0)
            if isinstance(error, FileNotFoundError) or status in (404, 410):
                raise Missing(f"{shown(url)} is not there") from None
            hopeless = isinstance(error, (PermissionError, ValueError, NotImplementedError, TypeError))
            if hopeless or attempt == ATTEMPTS or (400 <= status < 500 and status not in (408, 429)):
                raise PictureError(f"{shown(url)} cannot be read: {_reason(error)}") from None
        time.sleep(PAUSE * 2 ** (attempt - 1))
    raise AssertionError


def _reason(error: BaseException) -> str:
    """What an error says, in one line, without URLs."""
    status = getattr(error, "status", 0)
    said = f"the server answers {status}" if status else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(re.sub(r"\S+://\S+", "", str(said)).split())
