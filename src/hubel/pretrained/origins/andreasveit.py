"""The DenseNets for CIFAR-10 by Andreas Veit: https://github.com/andreasveit/densenet-pytorch. Licence BSD-3.

Of his networks those with bottlenecks are the paper's; without them his start with more maps and halve them in transitions.
"""

from __future__ import annotations

import re

from hubel.pictures.pixels import Pixels
from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained

PIXELS = Pixels(3, 32, 32, mean=(125.3 / 255, 123 / 255, 113.9 / 255), deviation=(63 / 255, 62.1 / 255, 66.7 / 255), colour_managed=False)
"""train.py."""

ORIGIN = Origin(
    "andreasveit",
    ("torch",),
    re.compile(r"trans1\.conv1"),
    dict.fromkeys(("densenet_bc100_k12", "densenet_bc250_k24", "densenet_bc190_k40"), Trained(PIXELS, "cifar10")),
    order.units,
)
