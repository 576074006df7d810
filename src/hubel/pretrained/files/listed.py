"""Files that are mere lists of named arrays: safetensors, and NumPy's npz."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from hubel.errors import ModelError
from hubel.pretrained.contents import LARGEST, Entry, grouped


def of_safetensors(path: Path) -> tuple[Entry, ...]:
    """Its layers in the alphabet's order: the one in which they were saved is not in the file."""
    try:
        with safe_open(path, "pt") as file:
            return grouped((name, file.get_tensor(name)) for name in sorted(file.keys()))
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelError(f"is damaged, or no safetensors file ({error}).") from None


def is_npz(path: Path) -> bool:
    """Whether a zip file is NumPy's: all that it packs are arrays."""
    try:
        with zipfile.ZipFile(path) as file:
            return all(name.endswith(".npy") for name in file.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def of_npz(path: Path) -> tuple[Entry, ...]:
    """Its layers in the file's order; arrays of Python objects are refused."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > LARGEST:
            raise ModelError(f"unpacks to {size:,} bytes; no more than {LARGEST:,} are read.")
        with np.load(path, allow_pickle=False) as file:
            return grouped((name, torch.from_numpy(file[name])) for name in file.files)
    except ModelError:
        raise
    except Exception as error:  # NumPy's reader has it parsed as Python, unpacked and allocated: each has errors of its own
        raise ModelError(f"is damaged, or holds more than arrays ({type(error).__name__}: {error}).") from None
