"""Pictures made small enough to stand on a page, as data URLs."""

from __future__ import annotations

import base64
import io

from PIL import Image

from hubel.errors import PictureError
from hubel.pictures.doctor.inventory import Inventory
from hubel.pictures.flattening import flattened

LARGEST, SMALL = 144, 48
"""Pixels of the longer side: of a thumbnail, and of pictures that are kept as they are."""

ROOM = 4_000_000
"""Bytes that all thumbnails of a page take together."""


class Thumbnails:
    """Each picture of a set made small once, as long as there is room."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.made: dict[int, str] = {}
        self.room = ROOM

    def url(self, i: int) -> str:
        """Picture i as a data URL; empty where it cannot be read, or there is no room left."""
        if i not in self.made:
            self.made[i] = self._made(i) if self.room > 0 else ""
            self.room -= len(self.made[i])
        return self.made[i]

    def is_small(self, i: int) -> bool:
        """Whether picture i stands on the page as it is, so that its pixels can be shown as squares."""
        picture = self.inventory.pictures[i]
        return max(picture.height, picture.width) <= SMALL

    def _made(self, i: int) -> str:
        if self.inventory.pictures[i].reason:  # decoding it again might end this process
            return ""
        try:
            plain = flattened(self.inventory.read(i), "RGB", 255)
        except PictureError:
            return ""
        file = io.BytesIO()
        if self.is_small(i):
            plain.save(file, "PNG")
            return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        plain.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        plain.save(file, "JPEG", quality=80)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
