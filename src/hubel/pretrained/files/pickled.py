"""torch's own files, read by its loader of weights alone: tensors and containers, and no code of the file's."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel.errors import ModelError, shortened
from hubel.pretrained.contents import LARGEST, Entry, grouped

NESTS = ("state_dict", "model", "net", "state_dict_ema")
"""Under which scripts put the weights beside what else they saved."""

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning's modules put before every name."""


def entries(path: Path) -> tuple[Entry, ...]:
    """The layers of a state dict, as it lies or under one of the usual names; torch.save must have written tensors, not a module."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of, such as a program that it holds, it refuses too
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"holds more than tensors, and nothing else of it is read ({_reason(error)}). Save the module's state_dict() alone, where you trust it."
        ) from None
    except Exception as error:  # the loader's words for a damaged file are of many kinds
        raise ModelError(f"is damaged, or no file of torch's ({_reason(error)}).") from None
    return grouped(_plain(found))


def _plain(found: Any) -> list[tuple[str, Tensor]]:
    for nest in NESTS:
        if isinstance(found, dict) and isinstance(found.get(nest), dict):
            found = found[nest]
            break
    if not isinstance(found, dict) or not found:
        raise ModelError(f"holds a {type(found).__name__}, where a state dict was expected: tensors by their names.")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ModelError(f"has {shortened(name)}, which is a {type(tensor).__name__} and no tensor: a state dict was expected.")
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_nested:
            raise ModelError(f"has {shortened(name)}, which is sparse, quantised or empty: plain tensors are read.")
    size = sum(tensor.numel() * tensor.element_size() for tensor in found.values())
    if size > LARGEST:
        raise ModelError(f"unpacks to {size:,} bytes; no more than {LARGEST:,} are read.")
    return [(name, tensor.detach()) for name, tensor in _unwrapped(found).items()]


def _unwrapped(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the network itself, with the names that its author gave."""
    while wrapper := next((wrapper for wrapper in WRAPPERS if all(name.startswith(wrapper) for name in found)), ""):
        found = {name.removeprefix(wrapper): tensor for name, tensor in found.items()}
    return found


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200].rstrip(". ")
