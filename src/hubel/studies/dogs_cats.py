"""Chollet 2017, "Deep learning with Python", sections 5.2 and 5.3: what a trained base is worth where photographs are few.

With 2,000 photographs a small convnet from scratch soon knows them by heart; random changes and dropout help; what a network has learned
of a million other photographs helps far more, and moving its last layers a little more still.

Departures: AdamW in 20 and 30 epochs stands in for RMSprop in 30 and 100, with smaller changes of the pictures, since there is less time to get used
to them (rotation of 15 degrees for 40, shifts of 0.1 for 0.2, no shear); the base is what --from names, where the source has VGG-16; fine-tuning
begins with the head that the features have taught, where the source's has been taught by changed pictures through the frozen base
(96% of the validation pictures).
"""

from dataclasses import replace

from hubel.joints import Chain
from hubel.layers import Dropout
from hubel.nets import NETS
from hubel.nets.lecture import CITATION
from hubel.studies.study import Arm, FromBase, FromScratch, Study
from hubel.training.recipe import Recipe

ROW = NETS["dogs_cats"]


def dropped() -> Chain:
    """The convnet with dropout before its classifier, sec. 5.2.5."""
    stages = dict(ROW.net(2).children())
    return Chain(**{**stages, "fc5": Dropout(0.5) >> stages["fc5"]})


PLAIN = Recipe(epochs=20, batch=32, optimiser="adamw", lr=0.001, weight_decay=0.01, initialisation=ROW.initialisation)
CHANGED = replace(PLAIN, epochs=30, flip=True, rotation=15, width_shift=0.1, height_shift=0.1, zoom=0.2)

DOGS_CATS = Study(
    "dogs-cats",
    "With 2,000 photographs, a trained base's features beat a network from scratch by far, and fine-tuning adds a little.",
    CITATION,
    "dogs-vs-cats",
    (2000, 1000, 1000),
    (
        Arm(
            "from scratch",
            "The small convnet learns from the photographs as they are, without dropout.",
            "70-72% of the validation pictures",
            "sec. 5.2.4",
            FromScratch("dogs_cats", PLAIN),
        ),
        Arm(
            "augmented",
            "The small convnet with dropout learns from photographs that are changed at random.",
            "82% of the validation pictures",
            "sec. 5.2.5",
            FromScratch(dropped(), CHANGED, ROW.input),
        ),
        Arm(
            "features",
            "A classifier with 256 hidden units learns from what a trained base makes of the photographs.",
            "about 90% of the validation pictures, with VGG-16",
            "sec. 5.3.1",
            FromBase("features"),
        ),
        Arm(
            "fine-tuned",
            "After the classifier, the base's last three convolutions learn too, slowly and from changed photographs.",
            "97% of the test pictures, with VGG-16",
            "sec. 5.3.2",
            FromBase("finetune"),
        ),
    ),
)
