"""Weights, and how pictures are read for them, in words."""

from __future__ import annotations

from hubel.model import Model
from hubel.pictures.pixels import Pixels
from hubel.pretrained.policies import IMAGENET_DEVIATION, IMAGENET_MEAN


def in_words(pixels: Pixels) -> str:
    """How a picture becomes what a network reads, in a line."""
    side = str(pixels.height) if pixels.height == pixels.width else f"{pixels.height} x {pixels.width}"
    cut = {"crop": f"middle {side}", "squash": f"resized to {side}", "pad": f"padded to {side}"}[pixels.fit]
    resized = f" of {pixels.resized}" if pixels.resized else ""
    kernel = "" if pixels.kernel == "bilinear" else f", {pixels.kernel}"
    return f"{cut}{resized}{kernel}, {'grey, ' if pixels.channels == 1 else ''}{_values(pixels)}"


def _values(pixels: Pixels) -> str:
    if (pixels.mean, pixels.deviation) == (IMAGENET_MEAN, IMAGENET_DEVIATION):
        return "ImageNet's mean and deviation"
    low, high = (tuple((value - mean) / deviation for mean, deviation in zip(pixels.mean, pixels.deviation)) for value in (0, 1))
    if len(set(low)) == len(set(high)) == 1:
        return f"values from {low[0]:g} to {high[0]:g}"
    if set(pixels.deviation) == {1 / 255}:
        return f"values of 0 to 255, less ({', '.join(f'{255 * mean:g}' for mean in pixels.mean)})"
    return f"less {pixels.mean}, by {pixels.deviation}"


def described(model: Model) -> str:
    """Which weights a model has, how that is known, how pictures are read, and what is printed of them: a line."""
    said = model.data
    if "row" not in said:
        return f"weights: a model of ours, trained on {said.get('name', 'an unnamed set')}; pictures: {in_words(model.pixels)}"
    whose = said["weights"] or f"{said['row']}, by {said['origin']}"
    printed = f"published: {said['published']}" if said["published"] else "no accuracy is published"
    return f"weights: {whose}, {said['known_by']}; pictures: {in_words(model.pixels)}; {printed}; licence: {said['licence']}"
