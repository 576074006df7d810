"""Files of weights, each format read by a parser that executes nothing of it and follows no path out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from hubel.errors import ModelError
from hubel.pretrained.contents import Contents, Entry
from hubel.pretrained.files import caffe, keras, listed, onnx, pickled

FORMATS: dict[str, Callable[[Path], tuple[Entry, ...]]] = {
    "torch": pickled.entries,
    "safetensors": listed.of_safetensors,
    "npz": listed.of_npz,
    "keras": keras.entries,
    "onnx": onnx.entries,
    "caffe": caffe.entries,
}
"""How each is read. Each raises ModelError, without the path, in words that follow it."""


def contents(path: Path) -> Contents:
    """What a file holds, by its first bytes and not by its name. Raises ModelError, with the path, where it cannot be read."""
    try:
        with path.open("rb") as file:
            total = hashlib.file_digest(file, "sha256").hexdigest()
        size, found = path.stat().st_size, format_of(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not size:
        raise ModelError(f"{path} is empty.")
    if found is None:
        raise ModelError(f"{path} is no file of weights that is known here: {', '.join(FORMATS)}.")
    try:
        return Contents(path, found, FORMATS[found](path), total)
    except ModelError as error:
        raise ModelError(f"{path} {error}") from error


def format_of(path: Path) -> str | None:
    """The format of a file, by its content; None where it is none of those."""
    with path.open("rb") as file:
        first = file.read(16)
    if first.startswith(b"PK\x03\x04"):
        return "npz" if listed.is_npz(path) else "torch"
    if first[4:9] == b"\0\0\0\0{":  # behind a length, whose first byte may be any
        return "safetensors"
    if first.startswith(b"\x80"):  # torch's, before it packed them
        return "torch"
    if first.startswith(keras.SIGNATURE):
        return "keras"
    if onnx.looks_so(path):  # last, as neither format has first bytes of its own
        return "onnx"
    return "caffe" if caffe.looks_so(path) else None
