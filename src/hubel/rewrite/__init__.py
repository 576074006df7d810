"""Network to network, weights carried along: what another form of it is, or another network made of its parts."""

from hubel.rewrite.classifiers import headless, judged, with_head
from hubel.rewrite.filters import grouped, stack_3x3
from hubel.rewrite.forms import convolutional, fitted, folded, plain, without
from hubel.rewrite.sites import Rewritten

__all__ = ["Rewritten", "convolutional", "fitted", "folded", "grouped", "headless", "judged", "plain", "stack_3x3", "with_head", "without"]
