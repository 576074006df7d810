"""The few opcodes of Python 2's pickles that CIFAR's python version is made of, read as data: nothing is imported or called."""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError

ARRAY, DTYPE = "numpy.core.multiarray _reconstruct", "numpy dtype"
GLOBALS = (ARRAY, DTYPE, "numpy ndarray")
"""The names that the files mention. Here they are texts, and stay so."""

OPCODES = {
    # byte: name, and what its argument is
    b"\x80": ("PROTO", "1"), b".": ("STOP", ""), b"(": ("MARK", ""), b"}": ("EMPTY_DICT", ""), b"]": ("EMPTY_LIST", ""),
    b"q": ("BINPUT", "1"), b"r": ("LONG_BINPUT", "4"), b"h": ("BINGET", "1"), b"j": ("LONG_BINGET", "4"),
    b"U": ("SHORT_BINSTRING", "text 1"), b"T": ("BINSTRING", "text 4"),
    b"K": ("BININT1", "1"), b"M": ("BININT2", "2"), b"J": ("BININT", "signed 4"),
    b"N": ("NONE", ""), b"\x88": ("NEWTRUE", ""), b"\x89": ("NEWFALSE", ""),
    b"\x85": ("TUPLE1", ""), b"\x86": ("TUPLE2", ""), b"\x87": ("TUPLE3", ""), b"t": ("TUPLE", ""),
    b"a": ("APPEND", ""), b"e": ("APPENDS", ""), b"s": ("SETITEM", ""), b"u": ("SETITEMS", ""),
    b"c": ("GLOBAL", "lines"), b"R": ("REDUCE", ""), b"b": ("BUILD", ""),
}  # fmt: skip

VALUES = ("SHORT_BINSTRING", "BINSTRING", "BININT", "BININT1", "BININT2")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class Made:
    """What a file says to make: the name of what would make it, and what it would be told."""

    by: str
    state: tuple[Any, ...] = field(default=())


class _Mark:
    """Where a list of arguments begins on the stack."""


class _NotOurs(Exception):
    """What stands in a file, but not in CIFAR's."""


def unpickled(data: bytes, where: Path) -> Any:
    """The dicts, lists, numbers, texts (Latin-1) and arrays of a file. Raises PictureError at anything else."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    file, place = io.BytesIO(data), 0
    try:
        while (opcode := _opcode(file.read(1)))[0] != "STOP":
            _step(opcode[0], _argument(file, opcode[1]), stack, memo)
            place = file.tell()
        (whole,) = stack
        return whole
    except _NotOurs as error:
        raise PictureError(f"{where} is not read: at byte {place} it has {error}, which CIFAR's files have not.") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration, OverflowError):
        raise PictureError(f"{where} is damaged: at byte {place} it breaks off, or goes on in a way that makes no sense.") from None


def _opcode(byte: bytes) -> tuple[str, str]:
    if not byte:
        raise ValueError
    if byte not in OPCODES:
        names = {opcode.code: opcode.name for opcode in pickletools.opcodes}
        code = byte.decode("latin-1")
        raise _NotOurs(f"the opcode {names[code]}" if code in names else f"the byte {byte.hex()}, which is no opcode")
    return OPCODES[byte]


def _argument(file: io.BytesIO, kind: str) -> Any:
    if kind.startswith("text"):
        length = int.from_bytes(_exactly(file, int(kind[-1])), "little")
        return _exactly(file, length).decode("latin-1")
    if kind == "lines":
        return " ".join(file.readline().decode("ascii").rstrip("\n") for _ in range(2))
    return int.from_bytes(_exactly(file, int(kind[-1])), "little", signed=kind.startswith("signed")) if kind else None


def _exactly(file: io.BytesIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ValueError
    return data


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in VALUES:
        stack.append(argument)
    elif name in CONSTANTS:
        stack.append(CONSTANTS[name])
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in ("EMPTY_DICT", "EMPTY_LIST", "MARK"):
        stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "MARK": _Mark}[name]())
    elif name in TUPLES:
        count = TUPLES[name]
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "TUPLE":
        stack.append(tuple(_since_mark(stack)))
    elif name in ("APPENDS", "SETITEMS"):
        _fill(stack, _since_mark(stack))
    elif name == "APPEND":
        _fill(stack, [stack.pop()])
    elif name == "SETITEM":
        value, key = stack.pop(), stack.pop()
        _fill(stack, [key, value])
    elif name == "GLOBAL":
        if argument not in GLOBALS:
            raise _NotOurs(f"the name {argument.replace(' ', '.')!r}")
        stack.append(argument)
    elif name == "REDUCE":
        told, by = stack.pop(), stack.pop()
        if by not in (ARRAY, DTYPE):
            raise _NotOurs("the opcode REDUCE for something that is no array")
        stack.append(Made(by, told))
    elif name == "BUILD":
        state = stack.pop()
        stack[-1] = _built(stack[-1], state)
    elif name != "PROTO":
        raise _NotOurs(f"the opcode {name}")


def _since_mark(stack: list[Any]) -> list[Any]:
    place = next(i for i in range(len(stack) - 1, -1, -1) if isinstance(stack[i], _Mark))
    values = stack[place + 1 :]
    del stack[place:]
    return values


def _fill(stack: list[Any], values: list[Any]) -> None:
    into = stack[-1]
    if type(into) is list:
        into.extend(values)
    elif type(into) is dict and len(values) % 2 == 0 and all(type(key) is str for key in values[::2]):
        into.update(zip(values[::2], values[1::2]))
    else:
        raise TypeError


def _built(made: Made, state: Any) -> Made | NDArray[np.uint8]:
    """A type as it was named, or an array of bytes from (version, shape, type, whether columns come first, its bytes)."""
    if made.by == DTYPE:
        return made
    _, shape, kind, by_columns, text = state
    if not isinstance(kind, Made) or kind.by != DTYPE or kind.state[0] != "u1":
        raise _NotOurs("an array of something other than bytes")
    return np.frombuffer(text.encode("latin-1"), np.uint8).reshape(shape, order="F" if by_columns else "C")
