"""Keras's files of weights (HDF5): the legacy ones, as Keras Applications publishes them, and Keras 3's own, `.weights.h5`.

Names and arrays are read; models written as JSON, and layers of code in them, are never looked at. Links out of the file, arrays
that lie elsewhere or are packed, and references are refused, and sizes are compared with the file's own before anything is read.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.errors import ModelError
from hubel.pretrained.contents import LARGEST, Entry

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAP = b"GCOL\1\0\0\0"
"""How HDF5 marks a heap of strings; its size in eight bytes follows. From "HDF5 File Format Specification", III.E."""

MOST, LONGEST = 10_000, 2**30
"""Names in a list, and bytes in all of them: where they are of any length, each may be the longest string in the file, a model's JSON."""

VARIABLES = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
"""What Keras 3 numbers, by the class of a layer. A batch norm of three has no gamma."""

LEGACY = "Load it in Keras and save it as the legacy format: model.save('name.h5')."

Named = tuple[str, str, dict[str, Any]]
"""A layer's name, its class where the file says it, and its arrays, not read yet."""


def entries(path: Path) -> tuple[Entry, ...]:
    """The layers that have arrays, in the file's order. Raises ModelError for what is damaged, or is not Keras's."""
    h5py = _h5py()
    try:
        longest = _longest(path)
        with h5py.File(path, "r") as file:
            root = file if (nested := _inside(file, "model_weights")) is None else nested
            layers = list(_named(root, longest) if _parts(root, "layer_names") else _numbered(root, longest))
            _refuse_too_large(layers, path.stat().st_size)
            return tuple(Entry(name, {own: _read(array) for own, array in arrays.items()}, kind) for name, kind, arrays in layers)
    except ModelError:
        raise
    except Exception as error:  # HDF5's words for a damaged file are of many kinds
        raise ModelError(f"is damaged, or no file of Keras's ({type(error).__name__}: {str(error)[:200]}).") from None


def _h5py() -> Any:
    try:
        import h5py  # type: ignore[import-untyped]  # late, because it is optional
    except ImportError:
        raise ModelError("is an HDF5 file, as Keras writes them, which h5py reads: pip install 'hubel[keras]'.") from None
    return h5py


def _named(root: Any, longest: int) -> Iterator[Named]:
    """The legacy format: lists of the layers' names and of the names of each one's arrays."""
    total = 0
    for layer in _names(root, "layer_names", longest):
        group = _group(root, layer)
        names = _names(group, "weight_names", longest)
        total += len(names)
        if total > MOST:
            raise ModelError(f"lists more than {MOST:,} arrays: no file of Keras's does.")
        shortened = [name.rpartition("/")[2].removesuffix(":0") for name in names]
        own = shortened if len(set(shortened)) == len(names) else names
        if names:
            yield layer, "", {short: _array(group, name) for short, name in zip(own, names)}


def _numbered(root: Any, longest: int) -> Iterator[Named]:
    """Keras 3's format: a group for each layer, numbered within its class, with numbered arrays and the layer's name beside them."""
    layers = _inside(root, "layers")
    if layers is None or len(layers) > MOST:
        raise ModelError("is an HDF5 file, but has no list of layers as Keras writes them.")
    for part in sorted(layers, key=_class_and_number):
        group = _group(layers, part)
        if _inside(group, "layers") is not None:
            raise ModelError(f"holds a network within the network, {part}, and does not say in which order that goes. {LEGACY}")
        variables, kind = _inside(group, "vars"), _class_and_number(part)[0]
        if variables is None or not len(variables):
            continue
        said, roles = _names(variables, "name", longest), VARIABLES.get(kind, ())
        if len(said) != 1 or len(variables) > len(roles):
            raise ModelError(f"does not say what its {part} is, as early files of Keras 3 do not, or has more than is known here. {LEGACY}")
        found = roles[1:] if kind == "batch_normalization" and len(variables) == 3 else roles[: len(variables)]
        yield said[0], kind, {role: _array(variables, str(number)) for number, role in enumerate(found)}


def _class_and_number(part: str) -> tuple[str, int]:
    kind, _, number = part.rpartition("_")
    return (kind, int(number)) if number.isdecimal() else (part, 0)


def _parts(group: Any, name: str) -> list[str]:
    """What a list of names is called: HDF5 has no room for more than 64 kB in one, so that a longer one stands in several, numbered."""
    return [name] if name in group.attrs else list(takewhile(group.attrs.__contains__, (f"{name}{number}" for number in range(100))))


def _names(group: Any, name: str, longest: int) -> list[str]:
    """An attribute that is a string, or a list of them; nothing where there is none."""
    parts = _parts(group, name)
    lists = [held for held in map(group.attrs.get_id, parts) if math.prod(held.shape)]  # an empty one is of numbers
    kinds = [_h5py().check_string_dtype(held.dtype) for held in lists]
    counts = [math.prod(held.shape) for held in lists]
    if None in kinds or sum(counts) > MOST or sum(many * (kind.length or longest) for many, kind in zip(counts, kinds)) > LONGEST:
        raise ModelError(f"has in {name} no list of names, or one that is too long: no file of Keras's is so.")
    texts = [text for part in parts for text in np.ravel(group.attrs[part])]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def _longest(path: Path) -> int:
    """How many bytes a string of any length may have: the longest that is kept in the file.

    Each of its heaps is gone through here first, because HDF5's library never comes to the end of one that is damaged.
    """
    longest = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        sizes = view[9:11] if view[8] >= 2 else view[13:15]
        if sizes != b"\x08\x08":
            raise ModelError("has addresses of other than eight bytes, or is damaged: Keras writes no such HDF5 files.")
        place = view.find(HEAP)
        while place >= 0:
            longest = max(longest, _longest_of_heap(view, place))
            place = view.find(HEAP, place + len(HEAP))
    return longest


def _longest_of_heap(view: mmap.mmap, start: int) -> int:
    """Of its strings: each has a head of 16 bytes, with its number and length, and is filled up to eights. What is free has number 0."""
    place, longest = start + 16, 0
    end = start + int.from_bytes(view[start + 8 : place], "little")
    while place + 16 <= min(end, len(view)):
        number, length = int.from_bytes(view[place : place + 2], "little"), int.from_bytes(view[place + 8 : place + 16], "little")
        if number == 0:
            place += length  # with its head, and to the end
            break
        place, longest = place + 16 + (length + 7) // 8 * 8, max(longest, length)
    if end > len(view) or not end - 16 < place <= end:
        raise ModelError("is damaged: what it keeps its names in does not come to its end.")
    return longest


def _inside(group: Any, name: str) -> Any:
    """What hangs under a name in a group itself; None where nothing does. Links that lead elsewhere are refused, and not followed."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, _h5py().HardLink):
        raise ModelError(f"has a link in place of {name!r}, to somewhere else; links are not followed.")
    return group[name]


def _at(group: Any, path: str) -> Any:
    found = group
    for part in filter(None, path.split("/")):
        found = _inside(found, part) if isinstance(found, _h5py().Group) else None
    if found is None:
        raise ModelError(f"is cut short, or was put together wrongly: it names {path!r}, and has nothing of that name.")
    return found


def _group(group: Any, path: str) -> Any:
    found = _at(group, path)
    if not isinstance(found, _h5py().Group):
        raise ModelError(f"has no group {path!r}, where a layer was expected.")
    return found


def _array(group: Any, path: str) -> Any:
    """A data set of floating-point numbers that lie in the file as they are."""
    h5py, found = _h5py(), _at(group, path)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise ModelError(f"has no array {path!r}, where a layer's weights were expected.")
    made = found.id.get_create_plist()
    if made.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS) or made.get_external_count():
        raise ModelError(f"keeps {path!r} packed, in pieces or in another file; Keras writes arrays whole, and only such are read.")
    if found.dtype.kind != "f" or found.dtype.itemsize not in (2, 4, 8):
        raise ModelError(f"has {path!r} of {found.dtype}; weights are floating-point numbers.")
    return found


def _refuse_too_large(layers: list[Named], size: int) -> None:
    """What is not packed is no larger than the file: an array that is was never written."""
    total = sum(math.prod(array.shape) * array.dtype.itemsize for _, _, arrays in layers for array in arrays.values())
    if total > min(size, LARGEST):
        raise ModelError(f"speaks of {total:,} bytes of arrays, and has {size:,} in all; no more than {LARGEST:,} are read.")


def _read(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array[()], dtype=array.dtype.newbyteorder("=")))
