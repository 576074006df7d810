"""How good a network is on labelled pictures, and whether its probabilities mean what they say."""

from hubel.evaluation.reporting import Report as Report
from hubel.evaluation.reporting import report as report
from hubel.evaluation.reporting import taken_for as taken_for
from hubel.evaluation.scoring import numbered as numbered
from hubel.evaluation.scoring import precise as precise
from hubel.evaluation.scoring import predicted as predicted
from hubel.evaluation.scoring import scored as scored
