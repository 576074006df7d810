"""The pictures on which a run validated, found again for its model: they are neither learned from nor the test."""

from __future__ import annotations

from hubel.errors import PictureError, RunError
from hubel.model import Model
from hubel.pictures.batches import Feed
from hubel.pictures.feeding import feed
from hubel.pictures.loader import Telling, divided
from hubel.pictures.sources import Source
from hubel.training.recipe import Recipe
from hubel.training.setup import cut_of


def reserved(model: Model, source: Source, strict: bool = False, told: Telling = None) -> Feed:
    """The part of a set's training pictures that the model's training held out. Raises PictureError where that cannot be known."""
    try:
        recipe = Recipe(**model.recipe)
    except (TypeError, RunError):
        raise _unknown(source, "the model does not say with which recipe it was trained") from None
    if source.classes != model.classes:
        raise _unknown(source, "its classes are not those that the model was trained on")
    pictures = feed(source.training(), model.pixels, recipe.keep, cut_of(recipe), recipe.seed, strict, told)
    if pictures.fingerprint() != model.data.get("fingerprint"):
        raise _unknown(source, "its training pictures are not those that the model was trained on")
    held = divided(pictures, recipe.validation, recipe.seed)[1]
    if len(held) != model.data.get("validation", len(held)):
        raise _unknown(source, "the model's training divided them otherwise")
    return held


def _unknown(source: Source, why: str) -> PictureError:
    return PictureError(
        f"{source.name} has no validation pictures of its own, and which of its training pictures were held out is not known: {why}. "
        f"Say with --split which to take; it has: {', '.join(source.openers)}."
    )
