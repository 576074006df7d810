"""Event files that TensorBoard reads: numbers by name and step.

A file is a row of records (TFRecord): length, its checksum, bytes, their checksum. The bytes are TensorBoard's Event message
(tensorboard/compat/proto/event.proto, summary.proto), of which a handful of fields is written. Checksums are CRC-32C (RFC 3720,
appendix B.4), masked as TensorFlow's record_writer does.
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hubel.errors import RunError

FLUSH_EVERY = 2.0
"""Seconds: what is written reaches the file so often, for who looks on."""

NAME = re.compile(r"events\.out\.tfevents\.(\d{5})\.hubel")


class Events:
    """A folder's event files: earlier ones up to a step, and a new one for what comes.

    A file of its own for each start, as TensorBoard expects; what earlier ones have beyond `step` will be done again, so it is cut off.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            earlier = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
            for path in earlier:
                os.truncate(path, _end(path.read_bytes(), step))
            number = int(earlier[-1].name.split(".")[3]) + 1 if earlier else 1
            self.file = open(folder / f"events.out.tfevents.{number:05d}.hubel", "xb", buffering=1 << 16)  # noqa: SIM115
        except OSError as error:
            raise _refused(folder, error) from None
        self.folder, self.flushed = folder, time.monotonic()
        self._add(b"\x1a" + _sized(b"brain.Event:2"))
        if earlier:  # a TensorBoard that looks on takes back what it has read beyond it
            self._add(_whole(0x10, step + 1) + b"\x3a" + _sized(_whole(0x08, 1)))

    def close(self) -> None:
        try:
            self.file.close()
        except OSError as error:
            raise _refused(self.folder, error) from None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers by their names."""
        summary = b"".join(
            b"\x0a" + _sized(b"\x0a" + _sized(name.encode()) + b"\x15" + struct.pack("<f", _single(value)))
            for name, value in values.items()
        )
        self._add(_whole(0x10, step) + b"\x2a" + _sized(summary))

    def _add(self, fields: bytes) -> None:
        data = b"\x09" + struct.pack("<d", time.time()) + fields
        length = struct.pack("<Q", len(data))
        try:
            self.file.write(length + _checksum(length) + data + _checksum(data))
            if time.monotonic() - self.flushed > FLUSH_EVERY:
                self.file.flush()
                self.flushed = time.monotonic()
        except OSError as error:
            raise _refused(self.folder, error) from None


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each whole record of a file: where it ends, and its bytes."""
    place = 0
    while place + 12 <= len(data):
        length = data[place : place + 8]
        end = place + 16 + int.from_bytes(length, "little")
        body = data[place + 12 : end - 4]
        if data[place + 8 : place + 12] != _checksum(length) or end > len(data) or data[end - 4 : end] != _checksum(body):
            return
        yield end, body
        place = end


def _end(data: bytes, step: int) -> int:
    """Where the events up to a step end."""
    last = 0
    for end, body in records(data):
        if _step(body) > step:
            break
        last = end
    return last


def _step(body: bytes) -> int:
    """The step of an event as it is written here: behind the time, or not there where it is 0."""
    number = 0
    if body[9:10] == b"\x10":
        for place, byte in enumerate(body[10:]):
            number |= (byte & 127) << (7 * place)
            if byte < 128:
                break
    return number


def _whole(field: int, number: int) -> bytes:
    """A field that is a whole number, seven bits a byte, the lowest first."""
    written = bytearray([field])
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def _sized(data: bytes) -> bytes:
    """Bytes behind their length."""
    return _whole(0, len(data))[1:] + data


def _single(value: float) -> float:
    """The value, infinite where a 32-bit number cannot hold it."""
    return value if abs(value) < 3.4e38 or value != value else float("inf") * value


def _table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)  # Castagnoli's polynomial, its bits the other way round
        table.append(number)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C, a byte at a time."""
    state = 0xFFFFFFFF
    for byte in data:
        state = TABLE[(state ^ byte) & 255] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def _checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _refused(folder: Path, error: OSError) -> RunError:
    return RunError(f"TensorBoard's files in {folder} cannot be written: {error.strerror or error}. Go on without --tensorboard.")
