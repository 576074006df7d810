"""What training starts from where nothing is said: by the network's family, and by whether it reads small pictures or photographs.

What was measured was so on two processor cores, and thus in short runs: `results/recipes-NETWORK.json` holds what was tried, and what came
of it. Networks of a family that are not named there take its recipe as it is.
"""

from dataclasses import replace

from hubel.nets import (
    alexnet,
    allcnn,
    densenet,
    googlenet,
    inception_resnet_v2,
    inception_v3,
    mobilenet_v1,
    mobilenet_v2,
    nin,
    resnet,
    resnet_cifar,
    squeezenet,
    vgg,
    xception,
)
from hubel.training.recipe import Recipe
from hubel.training.recipes.preset import Preset

GENERAL = Preset(
    Recipe(optimiser="adamw", lr=0.002, weight_decay=0.05, clip=1.0),
    "lenet_relu: 99% of MNIST's test pictures; pattern_double_conv: 58% of CIFAR-10's validation pictures after 4 epochs on a fifth of it",
    "measured here: results/bench-lenet-mnist.json, recipes-lenet_relu.json, -lenet_sigmoid.json, -pattern_double_conv.json; AdamW learned more than SGD in all, "
    "and by far where sigmoids or depth without batch norm need another rate than ReLU",
)

FURTHER = Preset(
    Recipe(),
    "no figure: it depends on what the weights were trained for; `hubel train NET DATA --from WEIGHTS` has measured ways",
    "our choice: SGD at a rate that moves trained weights by little",
)
"""Of a network that comes with weights."""

# LeCun et al. 1998, sec. III.A: "background level (white) -0.1 and foreground (black) 1.175"
BACKGROUND, FOREGROUND = -0.1, 1.175

LENET = Preset(
    Recipe(epochs=20, batch=32, lr=0.003, weight_decay=0.0, loss="map"),
    "0.95% test error on MNIST, as the paper reports",
    "LeCun et al. 1998: inputs, loss and initialisation; momentum and onecycle stand in for its second-order steps",
    mean=(-BACKGROUND / (FOREGROUND - BACKGROUND),),
    deviation=(1 / (FOREGROUND - BACKGROUND),),
    padded=(28, 28),
)

DOGS_CATS = Preset(
    Recipe(epochs=15, batch=32, optimiser="adamw", lr=0.001, weight_decay=0.01, flip=True, shift=0.1),
    "72% on the 1,000 validation photographs without augmentation, 82% with it and dropout, in 100 epochs",
    "Chollet 2017, sec. 5.2: the network, 2,000 photographs; AdamW and onecycle stand in for RMSprop",
)

# --- small pictures ---

NORMALISED = Preset(
    Recipe(epochs=30, batch=128, lr=0.1, crop=4, flip=True),
    "resnet20: 90.2% of CIFAR-10's test pictures",
    "measured here: results/run-resnet20-cifar-10-batches-bin.json; crop and flip of He et al. 2015, sec. 4.2; onecycle in 30 epochs stands in "
    "for their 182",
)

DENSE = Preset(
    replace(NORMALISED.recipe, batch=64),
    "densenet40_k12: 61% of CIFAR-10's validation pictures after 3 epochs on a fifth of it",
    "measured here: results/recipes-densenet40_k12.json; batches, crop and flip of Huang et al. 2016, sec. 4; onecycle in 30 epochs stands in "
    "for their 300",
)

PLAIN = Preset(
    replace(NORMALISED.recipe, optimiser="adamw", lr=0.002, weight_decay=0.05, clip=1.0),
    "strided_cnn_a: 67% of CIFAR-10's validation pictures after 12 epochs; the papers train for 300 and 350",
    "measured here: results/recipes-strided_cnn_a.json, -nin_cifar10.json; SGD at 0.1, clipped too, does as well in 12 epochs, and worse in fewer",
)
"""Deep, without batch norm: unless its steps are clipped, SGD at rates above 0.02 breaks them at the start."""

# --- photographs ---

BEGUN = "begun with public weights (--from) squeezenet_1_1 reaches 96% there"

PHOTOGRAPHS = Preset(
    Recipe(epochs=30, batch=32, optimiser="adamw", lr=0.001, weight_decay=0.05, random_resized_crop=0.25, flip=True),
    f"resnet18 at 3x128x128: 79% of dogs-vs-cats' 1,000 validation photographs after 12 epochs on 2,000; {BEGUN}",
    "measured here: results/recipes-resnet18.json; AdamW learned more than SGD in so few steps; parts and flips as Szegedy et al. 2014, sec. 6, "
    "but of a quarter of the picture at least, our choice",
)

PLAIN_PHOTOGRAPHS = Preset(
    replace(PHOTOGRAPHS.recipe, lr=0.0003, clip=1.0),
    f"alexnet_owt: 70% of dogs-vs-cats' 1,000 validation photographs after 8 epochs on 2,000; {BEGUN}",
    "measured here: results/recipes-alexnet_owt.json; without batch norm the rate is lower, and gradients are clipped",
)

FAMILIES = (
    (NORMALISED, resnet_cifar.VARIANTS),
    (DENSE, [row for row in densenet.VARIANTS if row.input == (3, 32, 32)]),
    (PLAIN, [*allcnn.VARIANTS, *(row for row in nin.VARIANTS if row.input == (3, 32, 32))]),
    (PHOTOGRAPHS, [*resnet.VARIANTS, *(row for row in densenet.VARIANTS if row.input == (3, 224, 224))]),
    (PHOTOGRAPHS, [*inception_v3.VARIANTS, *inception_resnet_v2.VARIANTS, *xception.VARIANTS]),
    (PHOTOGRAPHS, [*mobilenet_v1.VARIANTS, *mobilenet_v2.VARIANTS, *(row for row in googlenet.VARIANTS if row.name == "googlenet_bn")]),
    (PLAIN_PHOTOGRAPHS, [*alexnet.VARIANTS, *vgg.VARIANTS, *squeezenet.VARIANTS]),
    (
        PLAIN_PHOTOGRAPHS,
        [row for row in (*nin.VARIANTS, *googlenet.VARIANTS) if row.name in ("nin_imagenet", "googlenet", "googlenet_caffe")],
    ),
)

FAST: dict[str, Preset] = {
    "lenet5": LENET,
    "dogs_cats": DOGS_CATS,
    **{row.name: chosen for chosen, rows in FAMILIES for row in rows},
}
"""By the network's name; every other network starts from GENERAL."""
