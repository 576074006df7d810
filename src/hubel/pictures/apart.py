"""Picture files opened by other processes: one that crashes its decoder, or never ends, costs itself alone. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from hubel.errors import PictureError
from hubel.machine import processors
from hubel.pictures.decoding import reason
from hubel.pictures.pixels import Bytes, Pixels
from hubel.pictures.pool import Died, Pool

FEW = 64
"""Pictures that a process is started for."""


def opened_apart(paths: Sequence[Path], pixels: Pixels) -> Iterator[Image.Image | PictureError]:
    """Each file's picture as 8-bit grey or RGB, as large as the policy opens it, or why there is none; in their order."""
    processes = min(processors(), 1 + len(paths) // FEW)
    with Pool[Path, Bytes | str](partial(_opened, pixels), processes) as pool:
        for found in pool.results(paths, 2 * processes):  # which may be large
            if isinstance(found, np.ndarray):
                yield Image.fromarray(found)
            else:
                yield PictureError(found.reason if isinstance(found, Died) else found)


def _opened(pixels: Pixels, path: Path) -> Bytes | str:
    """Its pixels, or why there are none."""
    try:
        return np.asarray(pixels.plain(pixels.opened(path)))
    except Exception as error:
        return reason(error)
