"""A layer's arrays as our networks have them: what every origin's files are translated to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Unit:
    """The arrays of one layer by role: weight and bias, and of a batch norm running_mean and running_var too.

    A weight is (out, in / groups, height, width) or (out, in), the inputs of the latter in the order channel, row, column.
    A batch norm may leave out its weight (1 then) and its bias (0).
    """

    name: str
    """The layer's name in the file."""
    arrays: Mapping[str, Tensor]
    epsilon: float | None = None
    """What a batch norm adds to its variance; None: as our network has it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the file calls the arrays, by role, where it calls them otherwise."""

    @property
    def norm(self) -> bool:
        return "running_mean" in self.arrays

    def called(self, role: str) -> str:
        """What an array is called in the file, for errors."""
        return f"{self.name}.{self.names.get(role, role)}"
