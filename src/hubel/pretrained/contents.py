"""What a file of weights holds, as its format tells it: layers in the file's order, each with its arrays. Nothing of it is trusted yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

LARGEST = 4 * 2**30
"""Bytes of arrays in a file, unpacked: the largest published network of the casebook has 0.6 GB."""


@dataclass(frozen=True)
class Entry:
    """A layer of a file: its name there, its arrays by their names within it, and what else the format says of it."""

    name: str
    arrays: Mapping[str, Tensor]
    kind: str = ""
    """As the format says it (Convolution, Conv, Gemm, ...); nothing where it is a mere list of arrays."""
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """A file: its format (torch, safetensors, npz, keras, onnx or caffe) and its layers."""

    path: Path
    format: str
    entries: tuple[Entry, ...]
    sha256: str = ""


def grouped(arrays: Iterable[tuple[str, Tensor]]) -> tuple[Entry, ...]:
    """Named arrays as layers: what stands before a name's last dot is the layer's, what stands behind it the array's own."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, array in arrays:
        layer, _, own = name.rpartition(".")
        layers.setdefault(layer, {})[own] = array
    return tuple(Entry(layer, found) for layer, found in layers.items())
