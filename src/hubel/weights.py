"""Tensors and what is said of them in one safetensors file: whole or not there, and refused if a single bit is off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

from hubel.errors import ModelError
from hubel.placing import placed

SAYS, DIGEST = "hubel", "sha256"
"""The two entries of the file's metadata: a JSON text, and the SHA-256 of that text and every tensor."""

LONGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no longer one."""


def digest(tensors: Mapping[str, Tensor], says: str = "") -> str:
    """SHA-256 over the text and, by name, every tensor's name, type, shape and bytes."""
    total = hashlib.sha256(says.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def write(path: Path, tensors: Mapping[str, Tensor], says: Mapping[str, Any]) -> str:
    """Put the file there, whole or not at all, and give its digest. The same tensors and words make the same bytes."""
    text = json.dumps(says)
    plain = _apart({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    total = digest(plain, text)
    data = serialise(plain, {SAYS: text, DIGEST: total})
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(
        json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")
    ).encode()  # safetensors shuffles the metadata
    header += b" " * (-len(header) % 8)
    with placed(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(memoryview(data)[8 + length :])
    return total


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, each in memory of its own, as the format wants it: layers may share theirs."""
    places: set[int] = set()
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        if place in places:
            tensors[name] = tensor.clone()
        places.add(place)
    return tensors


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and what it says of them. Raises ModelError, with the file's name, where anything is off."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    try:
        tensors = parse(data)
        said = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    except (SafetensorError, ValueError, KeyError, RecursionError):
        raise ModelError(f"{path} is damaged, or no safetensors file of ours. Take another copy of it.") from None
    if not isinstance(said, dict) or SAYS not in said or DIGEST not in said:
        raise ModelError(f"{path} is a safetensors file, but not a model of ours: it does not say which network it holds.")
    if digest(tensors, said[SAYS]) != said[DIGEST]:
        raise ModelError(f"{path} is damaged: its SHA-256 is not the one it was written with. Take another copy of it.")
    try:
        says: dict[str, Any] = json.loads(said[SAYS])
    except (ValueError, RecursionError):
        raise ModelError(f"{path} was not written by us: what it says of its tensors cannot be read.") from None
    return tensors, says


def is_ours(path: Path) -> bool:
    """Whether a file is a model of ours by its header, whole or not."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            said = json.loads(file.read(length)) if length <= LONGEST_HEADER else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("__metadata__"), dict) and SAYS in said["__metadata__"]


def match(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise ModelError, with the file's name and the first tensor that differs, where a file's tensors are not those of the network."""
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found or name not in wanted:
            raise ModelError(f"{path}: the tensor {name!r} is {'missing' if name in wanted else 'more than the network has'}.")
        if wanted[name].shape != found[name].shape:
            raise ModelError(f"{path}: the tensor {name!r} is {tuple(found[name].shape)}; the network has {tuple(wanted[name].shape)}.")
        if wanted[name].dtype != found[name].dtype:
            raise ModelError(f"{path}: the tensor {name!r} is {found[name].dtype}; the network has {wanted[name].dtype}.")
