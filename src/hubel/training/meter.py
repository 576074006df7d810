"""What pictures cost in training, a few steps at a time, read off the sums of the epoch."""

from __future__ import annotations

from hubel.training.state import State


class Meter:
    """Means over the pictures of an epoch since they were last read."""

    def __init__(self, state: State) -> None:
        self.state, self.images = state, 0
        self.loss, self.right, _ = state.sums.tolist()

    def read(self) -> tuple[float | None, float | None]:
        """Mean loss and accuracy; None where there were no pictures. Waits for the device."""
        loss, right, _ = self.state.sums.tolist()
        means = ((loss - self.loss) / self.images, (right - self.right) / self.images) if self.images else (None, None)
        self.loss, self.right, self.images = loss, right, 0
        return means
