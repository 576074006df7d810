"""The networks of the casebook as parameters of tests."""

from collections.abc import Callable

import pytest

from hubel.anatomy import Anatomy
from hubel.nets import NETS

SIZED = {name: variant.anatomy() for name, variant in NETS.items()}


def every_network(parameter: str, heavy: Callable[[Anatomy], bool]) -> pytest.MarkDecorator:
    """A test of every network, given to its `parameter`; those that are heavy, which take seconds, wait for `make slow`."""
    rows = [pytest.param(row, id=name, marks=[pytest.mark.slow] * heavy(SIZED[name])) for name, row in NETS.items()]
    return pytest.mark.parametrize(parameter, rows)
