"""Pictures that lie decoded in a file (see keeping.py), read from it batch by batch, so that memory does not grow with their number."""

from __future__ import annotations

import hashlib
import mmap
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hubel.errors import PictureError
from hubel.machine import processors
from hubel.pictures.batches import Batch, Refused
from hubel.pictures.cutting import Cut, on_pixels
from hubel.pictures.keeping import Index
from hubel.pictures.picked import Picked
from hubel.pictures.pixels import Bytes, Pixels
from hubel.pictures.resizing import resized
from hubel.pictures.sets import Split

AHEAD = 2
"""Batches that are made ready beyond the one in use."""

READ = 2**26
"""Bytes of the file that count as this process's memory, at most."""


class Mapped(Picked):
    """A feed of the pictures of a file. Those that were refused when it was made are left out.

    cut: what is drawn from each picture, in threads, where it is; `seed` decides that.
    """

    def __init__(self, path: Path, index: Index, split: Split, pixels: Pixels, cut: Cut | None = None, seed: int = 0) -> None:
        super().__init__(split, torch.from_numpy((index.heights > 0).nonzero()[0]))
        self.path, self.index, self.pixels, self.cut, self.seed = path, index, pixels, cut, seed
        with path.open("rb") as file:
            self.file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.bytes = np.frombuffer(self.file, np.uint8)
        self.longest, self.read = int((index.heights * index.widths).max(initial=0)) * pixels.channels, 0
        """Bytes of the largest picture, and how many were read since they were last given back."""
        self.checked = np.zeros(len(split.labels), bool)
        """Pictures whose pixels were found to be what was written."""
        self.refused = tuple(Refused(name, reason) for name, reason in zip(split.names, index.reasons) if reason)
        self.lost: Mapping[str, int] = index.lost
        self.runs: tuple[int, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 of the labels and of what is known of the pictures' files."""
        total = hashlib.sha256(self.labels.cpu().numpy().data)
        total.update(self.index.digests[self.places.numpy()].tobytes())
        return total.hexdigest()

    def dealt(self, numbers: Iterable[Tensor], epoch: int | None) -> Iterator[Batch]:
        """See Feed."""
        waiting: deque[tuple[Tensor, Bytes, list[Future[None]]]] = deque()
        threads = processors()
        stores: deque[Bytes] = deque()
        with ThreadPoolExecutor(threads) as pool:
            try:
                for chosen in numbers:
                    store = self._store(stores, len(chosen))
                    parts = [pool.submit(self._fill, store, chosen[lane::threads], lane, threads, epoch) for lane in range(threads)]
                    waiting.append((chosen, store, parts))
                    if len(waiting) > AHEAD:
                        yield self._batch(*waiting[0][:2], waiting[0][2])
                        stores.append(waiting.popleft()[1])
                while waiting:
                    yield self._batch(*waiting[0][:2], waiting[0][2])
                    waiting.popleft()
            finally:
                pool.shutdown(cancel_futures=True)

    def _store(self, stores: deque[Bytes], count: int) -> Bytes:
        """Memory for a batch, used again where there is some that is large enough."""
        store = stores.popleft() if stores else None
        if store is None or len(store) < count:
            return np.empty((count, self.pixels.height, self.pixels.width, self.pixels.channels), np.uint8)
        return store

    def _fill(self, store: Bytes, chosen: Tensor, first: int, every: int, epoch: int | None) -> None:
        """Every so many pictures of a batch, from the first one on."""
        for row, (number, i) in enumerate(zip(chosen.tolist(), self.places[chosen].tolist())):
            store[first + row * every] = self._seen(i, number, epoch)

    def _picture(self, i: int) -> Bytes:
        """Picture number i of the file. Raises PictureError where it is not what was written."""
        index = self.index
        start, height, width = int(index.starts[i]), int(index.heights[i]), int(index.widths[i])
        found = self.bytes[start : start + height * width * self.pixels.channels]
        if not self.checked[i]:
            if zlib.crc32(found.data) != index.sums[i]:
                self.path.unlink(missing_ok=True)
                raise PictureError(
                    f"{self.path}, where decoded pictures were kept, was damaged and is removed; say the same again to go on."
                )
            self.checked[i] = True
        return found.reshape(height, width, self.pixels.channels)

    def _seen(self, i: int, number: int, epoch: int | None) -> Bytes:
        """What the network sees of picture number i of the file, which is that number here."""
        picture = self._picture(i)
        if self.cut is None:
            return picture  # it was brought to size before
        height, width, channels = picture.shape
        if epoch is None:
            return self.pixels.array(Image.fromarray(picture[..., 0] if channels == 1 else picture))
        high, wide = self.index.sizes[i].tolist()
        box = self.cut.box(wide, high, (self.pixels.height, self.pixels.width), number, self.seed, epoch)
        x, y = width / wide, height / high
        left, top, right, bottom = on_pixels((box[0] * x, box[1] * y, box[2] * x, box[3] * y))
        return resized(picture[top:bottom, left:right], self.pixels)

    def _batch(self, chosen: Tensor, store: Bytes, parts: list[Future[None]]) -> Batch:
        for part in parts:
            part.result()
        self.read += len(chosen) * self.longest
        if self.read > READ:
            self.file.madvise(mmap.MADV_DONTNEED)  # what was read stays with the system, no longer with this process
            self.read = 0
        there = chosen.to(self.device)
        pixels = torch.from_numpy(store[: len(chosen)]).to(self.device)
        return Batch(pixels, torch.arange(len(chosen), device=self.device), there, self.labels.index_select(0, there), own=True)
