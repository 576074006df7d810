"""Randomness that is counted, not consumed: every draw is a function of what it is for.

So order and augmentation do not depend on batch size, workers, processes, or where a run was interrupted.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # decoding processes draw too, and have no torch: it would cost each of them seconds and 270 MB
    import torch
    from torch import Tensor

# Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators": SplitMix64's increment and multipliers.
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
WORD = 1 << 64


class Purpose(IntEnum):
    """What a draw is for. A number here is never used again for something else."""

    DROPOUT = -1
    ORDER = 0
    SHIFT_DOWN = 1
    SHIFT_ACROSS = 2
    FLIP = 3
    VERTICAL_FLIP = 4
    CROP_DOWN = 5
    CROP_ACROSS = 6
    ROTATION = 7
    HEIGHT_SHIFT = 8
    WIDTH_SHIFT = 9
    SHEAR = 10
    ZOOM_DOWN = 11
    ZOOM_ACROSS = 12
    CUTOUT_DOWN = 13
    CUTOUT_ACROSS = 14
    BRIGHTNESS = 15
    CONTRAST = 16
    SATURATION = 17
    COLOUR_1 = 18
    COLOUR_2 = 19
    COLOUR_3 = 20
    CUT_AREA = 21
    CUT_RATIO = 22
    CUT_DOWN = 23
    CUT_ACROSS = 24
    SCALE = 25
    SHARDS = 26


@lru_cache(maxsize=4096)
def key(*counts: int) -> int:
    """One 64-bit number from several: equal counts give equal keys, any difference an unrelated one."""
    state = 0
    for count in counts:
        state = ((state ^ (count % WORD)) + GOLDEN) % WORD
        state = ((state ^ (state >> 30)) * FIRST) % WORD
        state = ((state ^ (state >> 27)) * SECOND) % WORD
        state ^= state >> 31
    return state


def share(index: int, *counts: int) -> float:
    """What `uniform` gives for one index."""
    state = (index * GOLDEN + key(*counts)) % WORD
    state = ((state ^ (state >> 30)) * FIRST) % WORD
    state = ((state ^ (state >> 27)) * SECOND) % WORD
    return ((state ^ (state >> 31)) >> 40) * 2.0**-24


def uniform(indices: Tensor, *counts: int) -> Tensor:
    """A float32 in [0, 1) for each of the int64 `indices`, a function of the index and `counts` alone, on any device."""
    import torch

    state = indices * _signed(GOLDEN) + _signed(key(*counts))
    state = (state ^ _shifted(state, 30)) * _signed(FIRST)
    state = (state ^ _shifted(state, 27)) * _signed(SECOND)
    return _shifted(state ^ _shifted(state, 31), 40).to(torch.float32) * 2.0**-24


def whole(indices: Tensor, least: int, most: int, *counts: int) -> Tensor:
    """An int64 from `least` to `most`, both included, for each index."""
    import torch

    return least + (uniform(indices, *counts) * (most - least + 1)).to(torch.int64)


def order(length: int, *counts: int) -> Tensor:
    """The numbers 0 to length - 1 in a shuffled order, int64, on the CPU."""
    import torch

    return torch.randperm(length, generator=torch.Generator().manual_seed(key(*counts) >> 1))


def seed_torch(device: torch.device, *counts: int) -> None:
    """Set the generators that torch's own random layers draw from on the CPU and on `device`."""
    import torch

    torch.default_generator.manual_seed(key(*counts) >> 1)
    if device.type == "cuda":
        torch.cuda.manual_seed(key(*counts) >> 1)


def _signed(word: int) -> int:
    """The same 64 bits as torch's int64 reads them."""
    return word - WORD if word >= WORD // 2 else word


def _shifted(state: Tensor, bits: int) -> Tensor:
    """A shift to the right that brings in zeros; torch's own repeats the sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
