"""The pictures of a study: a set that is divided already, or as many of one that is not as the study takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from hubel.errors import PictureError
from hubel.pictures.sources import Source, Split

SPLITS = ("train", "validation", "test")
"""What a study takes."""


def cut(source: Source, sizes: tuple[int, int, int], seed: int = 0) -> Source:
    """The set with train, validation and test splits: its own, or as many pictures of each as `sizes` says, alike of every class; `seed` draws them.

    Raises PictureError where it has some of the splits only, or too few pictures.
    """
    if all(name in source.openers for name in SPLITS):
        return source
    if len(source.openers) > 1:
        raise PictureError(
            f"{source.name} has {' and '.join(source.openers)}; a study takes {', '.join(SPLITS)}, or pictures that are not divided yet."
        )
    whole = source.training()
    counts = [size // len(source.classes) for size in sizes]
    draw = np.random.default_rng(seed)
    chosen: dict[str, list[int]] = {name: [] for name in SPLITS}
    for label, name in enumerate(source.classes):
        members = draw.permutation(np.flatnonzero(whole.labels == label))
        if len(members) < sum(counts):
            raise PictureError(f"{source.name} has {len(members):,} pictures of {name}; the study takes {sum(counts):,} of each class.")
        for split, part in zip(SPLITS, np.split(members[: sum(counts)], np.cumsum(counts)[:-1])):
            chosen[split] += part.tolist()
    openers: dict[str, Callable[[], Split]] = {split: partial(whole.subset, sorted(numbers)) for split, numbers in chosen.items()}
    note = f"Of {len(whole.labels):,} pictures {', '.join(f'{len(numbers):,} are the {split} split' for split, numbers in chosen.items())}."
    return replace(source, openers=openers, notes=(*source.notes, note))
