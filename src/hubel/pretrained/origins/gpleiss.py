"""The memory-saving DenseNets for CIFAR-10 by Geoff Pleiss: https://github.com/gpleiss/efficient_densenet_pytorch. Licence MIT.

Pictures are read as his demo.py last had it; before, it took the means and deviations of CIFAR-100's pictures.
"""

from __future__ import annotations

import re

from hubel.pictures.pixels import Pixels
from hubel.pretrained.origins import order
from hubel.pretrained.origins.origin import Origin, Trained

MEAN, DEVIATION = (0.49139968, 0.48215841, 0.44653091), (0.24703223, 0.24348513, 0.26158784)

ORIGIN = Origin(
    "gpleiss",
    ("torch",),
    re.compile(r"features\.norm_final"),
    dict.fromkeys(
        ("densenet_bc100_k12", "densenet_bc250_k24", "densenet_bc190_k40"),
        Trained(Pixels(3, 32, 32, mean=MEAN, deviation=DEVIATION, colour_managed=False), "cifar10"),
    ),
    order.units,
)
