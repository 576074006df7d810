"""hubel augment: what a recipe's changes make of a set's pictures, to be looked at before training with them."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import recipes
from hubel.cli.networks import shape_of
from hubel.cli.progress import Progress
from hubel.cli.tables import as_json
from hubel.cli.writing import plain, write
from hubel.errors import HubelError, PictureError
from hubel.training.recipe import Recipe

if TYPE_CHECKING:
    from hubel.pictures.batches import Feed
    from hubel.pictures.sources import Split

CHANGES = [field for field in fields(Recipe) if field.metadata["changes"] or field.name == "seed"]
LARGEST = 150
"""Pixels of the longer side that pictures are brought to where --input says nothing."""
MEASURED = 1000
"""Changes over which the share of fill is averaged."""
GREY = ("1", "L", "LA", "La", "I", "I;16", "F")
"""Pillow's modes without colour."""
SIGNS = re.compile(r"[0-9A-Za-z]|zero|one|two|three|four|five|six|seven|eight|nine", re.IGNORECASE)
"""Names of classes that are digits or letters."""


def declare(verbs: Any) -> None:
    augment = verbs.add_parser("augment", allow_abbrev=False, help="what random changes make of pictures, on a sheet to look at")
    augment.add_argument("data", help="a set, as for train; its training pictures are shown")
    augment.add_argument("-o", "--out", metavar="FILE", default="augmented.png", help="where to write the sheet (default augmented.png)")
    augment.add_argument(
        "--input", metavar="CxHxW", help=f"what pictures are resized to (default: as the first one is, at most {LARGEST} pixels a side)"
    )
    augment.add_argument("--json", action="store_true", help="print JSON")
    recipes.declare(augment.add_argument_group("recipe", "The flags of train that change pictures."), CHANGES)
    augment.set_defaults(run=run_augment)


def run_augment(given: argparse.Namespace) -> int:
    import torch

    from hubel.pictures.augment.sheet import SHOWN, sheet
    from hubel.pictures.feeding import feed
    from hubel.pictures.held import statistics
    from hubel.pictures.loader import decoded
    from hubel.pictures.pixels import Pixels
    from hubel.pictures.sources import open_source
    from hubel.training.loop import augmentation_of
    from hubel.training.setup import cut_of, refuse_impossible, with_axes

    said = recipes.said(given, CHANGES)
    recipe, out = Recipe(**said), Path(given.out)
    cut = cut_of(recipe)
    if augmentation_of(recipe, Pixels(1, 1, 1)).leaves_alone and not cut:
        raise HubelError("Nothing is to be changed: say what, such as --flip or --rotation 15; `hubel augment --help` lists all changes.")
    if out.suffix.lower() != ".png":
        raise HubelError(f"--out is {given.out!r}; sheets are PNG, so name it something.png.")
    with Progress(shown=not given.json) as progress:
        source = open_source(given.data, progress.told)
        split = source.training()
        channels, height, width = _asked(given.input) if given.input else _as_first(split)
        pixels = Pixels(channels, height, width)
        refuse_impossible(recipe, pixels.shape)
        whole = bool(recipe.colour_noise or (recipe.cutout and recipe.cutout_fill == "mean"))  # these look at all pictures
        split = split if whole else _some(split, 2 * SHOWN)
        read = decoded(split, pixels, told=lambda done, count: progress.told("decoding", done, count))
    pixels = replace(pixels, mean=statistics(read)[0])
    augmentation = augmentation_of(with_axes(recipe, read), pixels)
    shown: Feed = read.subset(torch.linspace(0, len(read) - 1, min(SHOWN, len(read))).round().long())
    if cut:  # which is drawn before pictures are resized
        shown = feed(split.subset([split.names.index(name) for name in shown.names]), pixels, "nothing", cut, recipe.seed)
    title = f"{source.name}: {', '.join(name if value is True else f'{name} {value}' for name, value in said.items())}"
    write(out, sheet(shown, source.classes, augmentation, recipe.seed, title))
    bare = augmentation.laid_bare(pixels.height, pixels.width, torch.arange(MEASURED), recipe.seed, 0)
    warnings = _warnings(recipe, source.classes)
    for refused in read.refused:
        print(plain(f"left out: {refused.name}: {refused.reason}"), file=sys.stderr)
    if given.json:
        as_json({"sheet": str(out), "fill": float(bare.mean()), "most_fill": float(bare.max()), "warnings": warnings})
        return 0
    for warning in warnings:
        print(plain(f"note: {warning}"))
    filled = 100 * float(bare.mean()), 100 * float(bare.max())
    print(f"fill ({recipe.fill}): {filled[0]:.1f}% of the pixels, at most {filled[1]:.1f}% of a picture, in {MEASURED:,} changes")
    print(f"sheet: {out}")
    return 0


def _asked(text: str) -> tuple[int, int, int]:
    shape = shape_of(text)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise HubelError(f"--input is {text}; pictures are 1xHxW (grey) or 3xHxW (colour).")
    return shape[0], shape[1], shape[2]


def _as_first(split: Split) -> tuple[int, int, int]:
    """(C, H, W) of the first picture that can be read, shrunk to LARGEST."""
    for i in range(len(split.labels)):
        try:
            picture = split.read(i)
        except PictureError:
            continue
        scale = min(1.0, LARGEST / max(picture.size))
        return 1 if picture.mode in GREY else 3, max(1, round(picture.height * scale)), max(1, round(picture.width * scale))
    raise PictureError("None of the pictures can be read.")


def _some(split: Split, count: int) -> Split:
    """Some pictures of a split, evenly over all of them."""
    total = len(split.labels)
    return split.subset(sorted({round(i * (total - 1) / max(1, count - 1)) for i in range(count)}))


def _warnings(recipe: Recipe, classes: tuple[str, ...]) -> list[str]:
    """What may make another class of a digit or a letter."""
    signs = [name for name in classes if SIGNS.fullmatch(name)]
    if not signs:
        return []
    named = ", ".join(signs[:5]) + (", ..." if len(signs) > 5 else "")
    doing = {
        "flip mirrors them": recipe.flip,
        "vertical_flip turns them upside down": recipe.vertical_flip,
        f"rotation turns them by up to {recipe.rotation:g} degrees": recipe.rotation > 90,
    }
    return [
        f"classes are digits or letters ({named}), and {what}: a picture may then show another class, or none."
        for what, done in doing.items()
        if done
    ]
