"""Which part of a photograph is seen, where that is drawn anew each time it is decoded. Nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel import chance
from hubel.chance import Purpose

RATIO = 4 / 3
"""Of a part's longer to its shorter side, at most (Szegedy et al. 2014, sec. 6)."""

TRIES = 10
"""A drawn part that does not fit into the picture is drawn again so often."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the upright picture."""


def on_pixels(box: Box) -> tuple[int, int, int, int]:
    """The whole pixels that a box comes to, one at least."""
    left, top, right, bottom = map(round, box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


@dataclass(frozen=True)
class Cut:
    """A part of a picture that is resized to the network's input: of random area and shape, or of random scale and place."""

    area: float = 0.0
    """Inception's: the part has this share of the picture's area at least, evenly drawn up to all of it, and sides of 3:4 to 4:3."""
    scales: tuple[int, int] | None = None
    """VGG's: the picture's shorter side is brought to a number of pixels between these two, and the part is as large as the input."""

    def box(self, width: int, height: int, input: tuple[int, int], index: int, seed: int, epoch: int) -> Box:
        """The part of picture number `index`, of that size, which becomes the (height, width) `input` in that epoch."""
        if self.scales:
            return self._scaled(width, height, *input, (index, seed, epoch))
        return self._of_area(width, height, (index, seed, epoch))

    def _of_area(self, width: int, height: int, counts: tuple[int, int, int]) -> Box:
        for attempt in range(TRIES):
            area = width * height * (self.area + (1 - self.area) * chance.share(*counts, Purpose.CUT_AREA, attempt))
            ratio = RATIO ** (2 * chance.share(*counts, Purpose.CUT_RATIO, attempt) - 1)  # as likely high as wide
            across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < across <= width and 0 < down <= height:
                left = int(chance.share(*counts, Purpose.CUT_ACROSS, attempt) * (width - across + 1))
                top = int(chance.share(*counts, Purpose.CUT_DOWN, attempt) * (height - down + 1))
                return left, top, left + across, top + down
        across, down = min(width, round(height * RATIO)), min(height, round(width * RATIO))  # the middle of a very long picture
        left, top = (width - across) // 2, (height - down) // 2
        return left, top, left + across, top + down

    def _scaled(self, width: int, height: int, down: int, across: int, counts: tuple[int, int, int]) -> Box:
        least, most = self.scales or (0, 0)
        shorter = least + int(chance.share(*counts, Purpose.SCALE) * (most - least + 1))
        scale = min(width, height) / shorter
        wide, high = max(across, round(width / scale)), max(down, round(height / scale))
        left = int(chance.share(*counts, Purpose.CUT_ACROSS) * (wide - across + 1)) * width / wide
        top = int(chance.share(*counts, Purpose.CUT_DOWN) * (high - down + 1)) * height / high
        return left, top, min(width, left + across * width / wide), min(height, top + down * height / high)
