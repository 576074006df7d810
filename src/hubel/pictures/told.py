"""How long work says how far it is."""

from collections.abc import Callable

Told = Callable[[str, int, int], None]
"""Hears (what is being done, done, of how many)."""
