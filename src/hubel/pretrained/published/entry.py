"""A file of weights as whoever published it describes it."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.fetching import Remote
from hubel.pictures.pixels import Pixels
from hubel.pretrained.origins import ORIGINS, Trained


@dataclass(frozen=True)
class Published:
    """One public file. Figures are texts as they are printed; nothing stands where nothing is printed."""

    id: str
    """The row of the casebook that it is, a dot, and what tells it apart from the row's other files."""
    origin: str
    """A name in hubel.pretrained.origins.ORIGINS."""
    file: Remote
    """Without URLs where nobody is known to offer this very file: it is recognised when it is given."""
    source: str
    """Where all this is printed."""
    licence: str = "not stated"
    size: str = ""
    """As printed, where that is not a number of bytes."""
    top1: str = ""
    """Percent of pictures right at the first guess."""
    top5: str = ""
    error: str = ""
    """Percent wrong, where that is what is printed."""
    trained: Trained | None = None
    """How pictures are read; None: as the origin reads them for the row."""

    @property
    def row(self) -> str:
        return self.id.partition(".")[0]

    @property
    def pixels(self) -> Pixels:
        """How pictures are read."""
        return (self.trained or ORIGINS[self.origin].rows[self.row]).pixels

    @property
    def accuracy(self) -> str:
        """As printed, with what it is of."""
        right = ", ".join(f"{share}% {name}" for share, name in ((self.top1, "top-1"), (self.top5, "top-5")) if share)
        return f"{self.error}% error" if self.error else right

    @property
    def right(self) -> float:
        """Percent right by what is printed, which orders the files of a row; 0 where nothing is."""
        return 100 - float(self.error) if self.error else float(self.top1 or 0)
