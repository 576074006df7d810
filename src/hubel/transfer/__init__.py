"""A trained network put to other classes: its features, the frozen base, fine-tuning."""

from hubel.transfer.records import Phase, Transferred
from hubel.transfer.ways import Wish, recipe_of, transfer

__all__ = ["Phase", "Transferred", "Wish", "recipe_of", "transfer"]
