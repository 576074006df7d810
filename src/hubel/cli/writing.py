"""What verbs leave behind: files that are there whole or not at all, and lines that cannot do anything to a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import HubelError
from hubel.placing import place

if TYPE_CHECKING:
    from PIL import Image


def write(path: Path, what: str | Image.Image) -> None:
    """Write a text, or a picture as PNG. Raises HubelError where that cannot be."""
    try:
        place(path, what.encode(errors="surrogateescape") if isinstance(what, str) else _png(what))
    except OSError as error:
        raise HubelError(f"{path} cannot be written: {error.strerror or error}.") from None


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def plain(text: str) -> str:
    """A line as a terminal may have it: names of files and classes can hold line breaks and commands."""
    return "".join(character if character.isprintable() else " " for character in text)
