"""Loaded before every test: hubel settles how threads wait, which must come before torch."""

import hubel  # noqa: F401
