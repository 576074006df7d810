"""Weights that are published for rows of the casebook: PUBLISHED has each file by its id.

What stands there is what publishers and their pages print; whether a link still answers is for whoever follows it to see.
"""

from __future__ import annotations

from hubel.pretrained.published.akamaster import AKAMASTER
from hubel.pretrained.published.carried import CARRIED
from hubel.pretrained.published.entry import Published as Published
from hubel.pretrained.published.graphs import CAFFE, ONNX
from hubel.pretrained.published.keras import KERAS
from hubel.pretrained.published.timm import TIMM
from hubel.pretrained.published.torchvision import TORCHVISION

PUBLISHED: dict[str, Published] = {entry.id: entry for entry in (*TORCHVISION, *TIMM, *KERAS, *CAFFE, *ONNX, *AKAMASTER, *CARRIED)}


def of_row(row: str) -> list[Published]:
    """A row's files, the best accuracy first; those that can be fetched before those that cannot."""
    return sorted((entry for entry in PUBLISHED.values() if entry.row == row), key=lambda entry: (not entry.file.urls, -entry.right))
