"""Weights that others have published, in the networks of the casebook."""
