"""What training starts from where nothing is said."""

from hubel.training.recipe import Recipe
from hubel.training.recipes.preset import Preset

GENERAL = Preset(Recipe(), "a sound start for small pictures", "measured here")

# LeCun et al. 1998, sec. III.A: "background level (white) -0.1 and foreground (black) 1.175"
BACKGROUND, FOREGROUND = -0.1, 1.175

RESIDUAL = Preset(
    Recipe(epochs=30, batch=128, lr=0.1, crop=4, flip=True),
    "resnet20: 90.2% of CIFAR-10's test pictures",
    "measured here, on CIFAR-10; crop and flip of He et al. 2015, sec. 4.2; onecycle in 30 epochs stands in for their 182",
)

FAST: dict[str, Preset] = {
    "lenet5": Preset(
        Recipe(epochs=20, batch=32, lr=0.003, weight_decay=0.0, loss="map"),
        "0.95% test error on MNIST, as the paper reports",
        "LeCun et al. 1998: inputs, loss and initialisation; momentum and onecycle stand in for its second-order steps",
        mean=(-BACKGROUND / (FOREGROUND - BACKGROUND),),
        deviation=(1 / (FOREGROUND - BACKGROUND),),
        padded=(28, 28),
    ),
    "dogs_cats": Preset(
        Recipe(epochs=15, batch=32, optimiser="adamw", lr=0.001, weight_decay=0.01, flip=True, shift=0.1),
        "72% on the 1,000 validation photographs without augmentation, 82% with it and dropout, in 100 epochs",
        "Chollet 2017, sec. 5.2: the network, 2,000 photographs; AdamW and onecycle stand in for RMSprop",
    ),
    **dict.fromkeys(("resnet20", "resnet32", "resnet44", "resnet56", "resnet110"), RESIDUAL),
}
"""By the network's name; every other network starts from GENERAL."""
