"""Protobuf's wire format, of which Caffe and ONNX make their files: numbered fields, and nothing of what they mean.

https://protobuf.dev/programming-guides/encoding/. A message within a message is bytes until somebody asks for its fields, so the
file decides neither how deep reading goes nor how often; only arrays are copied.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hubel.errors import ModelError
from hubel.pretrained.contents import LARGEST

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
"""The types on the wire; 3 and 4 were groups."""

MOST = 2**16
"""Fields of one message, or numbers in a list: the largest published networks have some thousand."""

MOST_SIDES = 8
"""Of an array; a filter has four."""

Value = int | memoryview
"""A varint's number; the bytes of anything else, in place."""


def opened(path: Path) -> memoryview:
    """A file's bytes, in place. Raises ModelError where there are too many."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size > LARGEST:
            raise ModelError(f"has {size:,} bytes; no more than {LARGEST:,} are read.")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The numbers and values of a message's fields, as they come. Raises ModelError for what is no message."""
    place, count = 0, 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        count += 1
        if number == 0 or count > MOST:
            raise ModelError(
                f"is damaged, or no such file: {'a field has the number 0' if number == 0 else f'a message of {MOST:,} fields'}."
            )
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == LENGTH:
            size, place = _varint(message, place)
        elif kind in (FOUR_BYTES, EIGHT_BYTES):
            size = 4 if kind == FOUR_BYTES else 8
        else:
            raise ModelError(f"is damaged, or no such file: a field of type {kind}.")
        if size > len(message) - place:
            raise ModelError("is damaged, or no such file: a field is longer than what holds it.")
        yield number, message[place : place + size]
        place += size


def gathered(message: memoryview, numbers: Iterable[int]) -> dict[int, list[Value]]:
    """The values of the fields of those numbers, in their order; all others are passed over."""
    found: dict[int, list[Value]] = {number: [] for number in numbers}
    for number, value in fields(message):
        if number in found:
            found[number].append(value)
    return found


def messages(values: Iterable[Value]) -> Iterator[memoryview]:
    """Values that must be bytes."""
    for value in values:
        if isinstance(value, int):
            raise ModelError("is damaged, or no such file: a number stands where a message should.")
        yield value


def text(values: Sequence[Value]) -> str:
    """The last of the values of a string's field, which is the one that counts, on one line; empty without one."""
    found = bytes(list(messages(values))[-1]).decode(errors="replace") if values else ""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in found)


def number(values: Sequence[Value], otherwise: int = 0) -> int:
    """The last of the values of a number's field, as signed 64 bits."""
    return integers(values)[-1] if values else otherwise


def integers(values: Iterable[Value]) -> list[int]:
    """Repeated numbers, packed or each by itself, as signed 64 bits."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        place = 0
        while place < len(value):
            one, place = _varint(value, place)
            found.append(one)
            if len(found) > MOST:
                raise ModelError(f"is damaged, or no such file: {MOST:,} numbers in a row.")
    return [value - 2**64 if value >= 2**63 else value for value in found]


def decimal(values: Sequence[Value]) -> float:
    """The last of the values of a float's field, as the decimal number that was meant: 0.00001, not the nearest of 32 bits to it."""
    row = array(values, "<f4")
    if not len(row) or not row[-1].isfinite():
        raise ModelError("is damaged, or no such file: a setting is no number.")
    return float(str(np.float32(row[-1].item())))


def array(values: Iterable[Value], kind: str) -> Tensor:
    """Repeated numbers of a fixed size, packed or each by itself, as one row of NumPy's `kind` (little-endian)."""
    parts = [part for part in messages(values) if len(part)]
    size = np.dtype(kind).itemsize
    if any(len(part) % size for part in parts):
        raise ModelError("is damaged: the bytes of an array are no whole number of values.")
    native = np.dtype(kind).newbyteorder("=")
    found = np.empty(sum(map(len, parts)) // size, native)
    place = 0
    for part in parts:
        found[place : place + len(part) // size] = np.frombuffer(part, kind)
        place += len(part) // size
    return torch.from_numpy(found)


def shaped(row: Tensor, sides: Sequence[int], name: str) -> Tensor:
    """The row in that shape. Raises ModelError, with the array's name, where it is not so many numbers."""
    count = prod(sides) if len(sides) <= MOST_SIDES and all(0 < side <= LARGEST for side in sides) else -1
    if count != len(row):
        raise ModelError(f"is damaged: {name} has {len(row):,} numbers and should have the shape {tuple(sides[:MOST_SIDES])}.")
    return row.reshape(tuple(sides))


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    found = 0
    for index, byte in enumerate(message[place : place + 10]):
        found |= (byte & 127) << (7 * index)
        if byte < 128:
            return found & (2**64 - 1), place + index + 1
    raise ModelError("is damaged, or no such file: a number does not end.")
