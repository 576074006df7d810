"""A contact sheet: a row of pictures for each class, in equal cells, drawn with Pillow alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import PictureError
from hubel.pictures.flattening import flattened
from hubel.pictures.sets import Split

CELL, GAP, MARGIN, LINE = 64, 3, 16, 14
"""Pixels of a cell, between cells, around the sheet, and of a line of text."""
PAPER, EMPTY, INK, FAINT = (255, 255, 255), (240, 240, 238), (34, 34, 34), (128, 128, 128)
LONGEST = 26
"""Characters of a class name."""
WIDEST = 1.6
"""How many times wider than high a sheet becomes before its rows stand in fewer columns."""


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in pixels."""

    each: int
    """Pictures of a class."""
    names: int
    """Width of the names."""
    rows: int
    """Classes below one another; the others stand in columns to the right."""
    columns: int

    @property
    def block(self) -> int:
        """Width of a column: names and pictures."""
        return self.names + self.each * (CELL + GAP)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        width = 2 * MARGIN + self.columns * self.block + (self.columns - 1) * MARGIN
        return width, 2 * MARGIN + 2 * LINE + self.rows * (CELL + GAP)


def contact_sheet(split: Split, classes: tuple[str, ...], title: str) -> Image.Image:
    """Some pictures of each class, taken evenly over the split; a crossed cell stands for one that cannot be read."""
    font = ImageFont.load_default(LINE - 3)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in map(_drawable, classes)]
    layout = _laid_out(len(classes), 8 + int(max(font.getlength(name) for name in names)))
    sheet = Image.new("RGB", layout.size, PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), _drawable(title), INK, font)
    for number, name in enumerate(names):
        column, row = divmod(number, layout.rows)
        left = MARGIN + column * (layout.block + MARGIN)
        top = MARGIN + 2 * LINE + row * (CELL + GAP)
        pen.text((left, top + CELL // 2), name, INK, font, anchor="lm")
        for place, i in enumerate(_chosen(split.labels == number, layout.each)):
            corner = (left + layout.names + place * (CELL + GAP), top)
            pen.rectangle((*corner, corner[0] + CELL - 1, corner[1] + CELL - 1), EMPTY)
            try:
                picture = fitted(split.read(i))
            except PictureError:
                _cross(pen, corner)
                continue
            sheet.paste(picture, (corner[0] + (CELL - picture.width) // 2, corner[1] + (CELL - picture.height) // 2))
    return sheet


def _laid_out(classes: int, names: int) -> Layout:
    """Fewer pictures of each class the more there are, and as many columns as make the sheet about as wide as a page."""
    each = 12 if classes <= 20 else 6 if classes <= 200 else 3
    columns = 1
    while True:
        wider = Layout(each, names, math.ceil(classes / (columns + 1)), columns + 1)
        if columns == classes or wider.size[0] > WIDEST * wider.size[1]:
            return Layout(each, names, math.ceil(classes / columns), columns)
        columns += 1


def _chosen(belongs: np.ndarray, count: int) -> list[int]:
    """The places of up to `count` pictures of a class, evenly over all of them."""
    members = np.flatnonzero(belongs)
    if len(members) <= count:
        return [int(i) for i in members]
    return [int(members[i]) for i in np.linspace(0, len(members) - 1, count).round().astype(int)]


def fitted(picture: Image.Image, side: int = CELL) -> Image.Image:
    """The picture in RGB, as large as a cell takes it: small ones in whole multiples, so that their pixels stay square."""
    plain = flattened(picture, "RGB", 255)
    times = side / max(plain.size)
    if times >= 1:
        return plain.resize((plain.width * int(times), plain.height * int(times)), Image.Resampling.NEAREST)
    return plain.resize((max(1, round(plain.width * times)), max(1, round(plain.height * times))), Image.Resampling.LANCZOS)


def _cross(pen: ImageDraw.ImageDraw, corner: tuple[int, int]) -> None:
    left, top = corner[0] + CELL // 4, corner[1] + CELL // 4
    right, bottom = corner[0] + CELL - CELL // 4, corner[1] + CELL - CELL // 4
    pen.line((left, top, right, bottom), FAINT)
    pen.line((left, bottom, right, top), FAINT)


def _drawable(text: str) -> str:
    """The text without what a font cannot draw on one line."""
    return "".join(character if character.isprintable() else "?" for character in text)
