"""torch's own files, read by its loader of weights alone: tensors and containers, and no code of the file's."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry, grouped

NESTS = ("state_dict", "model", "net", "state_dict_ema")
"""Under which scripts put the weights beside what else they saved."""


def entries(path: Path) -> tuple[Entry, ...]:
    """The layers of a state dict, as it lies or under one of the usual names; torch.save must have written tensors, not a module."""
    try:
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
            raise ModelError(f"has {name!r}, which is a {type(tensor).__name__} and no tensor: a state dict was expected.")
    return [(name, tensor.detach()) for name, tensor in found.items()]


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200].rstrip(". ")
