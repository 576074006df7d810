"""How long work says how far it is."""

from hubel.fetching import Told as Told
