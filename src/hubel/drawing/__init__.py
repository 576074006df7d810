"""A network as a figure, in the manner of the papers' own: SVG, from the expression alone."""

from hubel.drawing.page import drawn

__all__ = ["drawn"]
