"""The lectures' notation: text to network, and back. docs/notation.md has its grammar and the table of defaults.

Arrows (CS231n) say every layer: INPUT 3x32x32 -> [[CONV3-32 -> RELU]*2 -> POOL2]*3 -> [FC128 -> RELU] -> FC10
Columns (Simonyan, Zisserman 2014, table 1) leave ReLU out: conv3-64 conv3-64 maxpool FC-4096 FC-1000 soft-max
"""

from hubel.notation.reader import Notated, is_notation, parse
from hubel.notation.writer import arrows, columns

__all__ = ["Notated", "arrows", "columns", "is_notation", "parse"]
