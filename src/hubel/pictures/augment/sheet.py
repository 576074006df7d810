"""A sheet to look at: one picture as many epochs show it, and many pictures beside what one epoch makes of them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from hubel.pictures.augment.augmentation import Augmentation, rounded
from hubel.pictures.batches import Feed

COLUMNS, SHOWN = 8, 24
"""Pictures in a row, and how many there are of each kind."""
CELL, LARGEST = 96, 160
"""Pixels of a shown picture's longer side: small ones are enlarged in whole multiples up to the one, large ones shrunk to the other."""
GAP, MARGIN, FRAME = 6, 16, 2
PAPER, INK, FAINT, MARK = (255, 255, 255), (34, 34, 34), (110, 110, 110), (214, 96, 24)
FONT = 12


def sheet(pictures: Feed, classes: tuple[str, ...], augmentation: Augmentation, seed: int, title: str) -> Image.Image:
    """The sheet of some pictures, the first of which stands alone in the upper part. Pictures as they are have a frame."""
    everybody = torch.arange(len(pictures))

    def seen(numbers: Tensor, epoch: int) -> Tensor:
        (batch,) = pictures.dealt([numbers], epoch)
        return augmentation.batch(batch.pixels, batch.indices, seed, epoch, batch.rows)

    epochs = [seen(everybody[:1], epoch)[0] for epoch in range(SHOWN - 1)]
    changed = seen(everybody, 0)
    (before,) = pictures.dealt([everybody], None)
    plain = [ImageOps.expand(_shown(picture), FRAME, MARK) for picture in before.pictures()]
    one = [plain[0], *(ImageOps.expand(_shown(picture), FRAME, PAPER) for picture in epochs)]
    labels = [classes[label] for label in pictures.labels.tolist()]
    many = [
        _stacked([before, ImageOps.expand(_shown(after), FRAME, PAPER), _line(label, before.width, FAINT)], 0)
        for before, after, label in zip(plain, changed, labels)
    ]
    width = _grid(one).width
    parts = [
        *(_line(line, width, INK) for line in textwrap.wrap(title, width // 7)),
        _line(f"One picture of {labels[0]}, framed, and what {len(epochs)} epochs make of it", width, FAINT),
        _grid(one),
        _line("", width, FAINT),
        _line(f"{len(many)} pictures, framed, and below each what one epoch makes of it", width, FAINT),
        _grid(many),
    ]
    return ImageOps.expand(_stacked(parts, GAP), MARGIN, PAPER)


def _shown(picture: Tensor) -> Image.Image:
    """A picture (H, W, C) in RGB, at the size at which it is looked at."""
    pixels = rounded(picture).expand(-1, -1, 3).contiguous().numpy()
    image = Image.fromarray(pixels)
    longer = max(image.size)
    if longer > LARGEST:
        return image.resize((max(1, image.width * LARGEST // longer), max(1, image.height * LARGEST // longer)), Image.Resampling.LANCZOS)
    times = max(1, CELL // longer)
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _line(text: str, width: int, colour: tuple[int, int, int]) -> Image.Image:
    """One line of text; what is too wide is cut off."""
    image = Image.new("RGB", (width, FONT + 5), PAPER)
    printable = "".join(character if character.isprintable() else "?" for character in text)
    ImageDraw.Draw(image).text((FRAME, 0), printable, colour, ImageFont.load_default(FONT))
    return image


def _grid(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size, in rows."""
    width, height = images[0].width + GAP, images[0].height + GAP
    page = Image.new("RGB", (COLUMNS * width - GAP, -(-len(images) // COLUMNS) * height - GAP), PAPER)
    for number, image in enumerate(images):
        page.paste(image, (number % COLUMNS * width, number // COLUMNS * height))
    return page


def _stacked(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """Images below one another, the widest giving the width."""
    page = Image.new("RGB", (max(image.width for image in images), sum(image.height + gap for image in images) - gap), PAPER)
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height + gap
    return page
