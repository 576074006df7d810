"""What a good engineer would say about a network on paper."""

from hubel.advice.advising import RULES, advise
from hubel.advice.case import Advice

__all__ = ["RULES", "Advice", "advise"]
