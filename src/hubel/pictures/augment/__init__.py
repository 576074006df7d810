"""Changes of pictures that keep their class, made in batches on the device, each a function of (seed, epoch, index, purpose)."""

from hubel.pictures.augment.augmentation import Augmentation, rounded
from hubel.pictures.augment.colour import colour_axes
from hubel.pictures.augment.draws import Purpose

__all__ = ["Augmentation", "Purpose", "colour_axes", "rounded"]
