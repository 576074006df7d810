"""The claims of the papers as runs with error bars. Nothing here needs torch."""

from hubel.errors import RunError, choices
from hubel.studies.dogs_cats import DOGS_CATS
from hubel.studies.study import Arm, FromBase, FromScratch, Study

__all__ = ["STUDIES", "Arm", "FromBase", "FromScratch", "Study", "study"]

STUDIES = {one.name: one for one in (DOGS_CATS,)}
"""By name."""


def study(name: str) -> Study:
    """A study by its name. Raises RunError, with the names there are, where there is none."""
    if name not in STUDIES:
        raise RunError(choices(name, STUDIES, "study"))
    return STUDIES[name]
