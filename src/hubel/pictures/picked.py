"""What feeds that do not hold their pictures have alike: which pictures of a split they are, and where batches of them are wanted."""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np
import torch
from torch import Tensor

from hubel.pictures.sets import Split


class Picked:
    """Some pictures of a split, by their numbers in it. Parts of them share everything else."""

    def __init__(self, split: Split, places: Tensor) -> None:
        self.split = split
        self.places = places
        self.labels = torch.from_numpy(np.array(split.labels))[places]
        self.device = self.labels.device

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        return [self.split.names[i] for i in self.places.tolist()]

    def subset(self, chosen: Tensor) -> Self:
        """The pictures with those numbers."""
        some = copy(self)
        some.places, some.labels = self.places[chosen], self.labels[chosen]
        return some

    def to(self, device: torch.device) -> Self:
        """The same, its batches dealt to that device."""
        there = copy(self)
        there.labels, there.device = self.labels.to(device), device
        return there
