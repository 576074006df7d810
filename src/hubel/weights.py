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
from hubel.placing import place

SAYS, DIGEST = "hubel", "sha256"
"""The two entries of the file's metadata: a JSON text, and the SHA-256 of that text and every tensor."""


def digest(tensors: Mapping[str, Tensor], says: str = "") -> str:
    """SHA-256 over the text and, by name, every tensor's name, type, shape and bytes."""
    total = hashlib.sha256(says.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def write(path: Path, tensors: Mapping[str, Tensor], says: Mapping[str, Any]) -> str:
    """Put the file there, whole or not at all, and give its digest."""
    text = json.dumps(says)
    plain = _apart({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    total = digest(plain, text)
    place(path, serialise(plain, {SAYS: text, DIGEST: total}))
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
