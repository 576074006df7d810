"""Recipes as the papers print them, by the network's name. What a paper leaves open, or does and we do not, stands in `departs`."""

from dataclasses import replace
from fnmatch import fnmatch

from hubel.nets import NETS, allcnn, densenet, resnet, resnet_cifar
from hubel.training.recipe import Recipe
from hubel.training.recipes.fast import FAST
from hubel.training.recipes.preset import Preset, Shallower

SGD = Recipe(momentum=0.9, nesterov=False, step_factor=0.1)
"""What all of these but LeNet-5 and the DenseNets start from: the momentum of Krizhevsky et al. 2012."""

CENTRED = (1 / 255,)
"""Of every colour: pixels from 0 to 255 with the mean subtracted, not divided by their deviation."""

MEAN = "one mean a colour is subtracted where the paper has one a pixel"
HELD_OUT = "the paper's last run learns from all 50,000 pictures; here a tenth is held out, on which the best epoch is chosen"
PLATEAU = "how long validation must stand still is not printed; 5 epochs here"
GREY = "what is padded is not printed; the grey 121 here, which is nearly CIFAR-10's mean"
WHITENED = "the paper's pictures had their contrast normalised and were whitened; here mean and deviation are made 0 and 1"


def published(name: str, recipe: Recipe, source: str, figures: str, *departs: str, deviation: tuple[float, ...] | None = None) -> Preset:
    """A recipe with what the paper reports of the network: the figures whose names match that pattern."""
    found = [figure for figure in NETS[name].reports if fnmatch(figure.quantity, figures)]
    told = "; ".join(f"{figure.quantity.replace('_', ' ')} {figure.printed} ({figure.place})" for figure in found)
    return Preset(recipe, told or "the paper prints no number for this one", source, departs, deviation=deviation)


LENET = {
    "lenet5": replace(
        FAST["lenet5"],
        source="LeCun et al. 1998, sec. III.A and III.B: inputs, loss, initialisation, 20 passes",
        departs=("the paper's second-order rates for each weight, with a schedule of their own: here momentum and onecycle",),
    )
}

ALEXNET = {
    "alexnet": published(
        "alexnet",
        replace(SGD, epochs=90, batch=128, lr=0.01, weight_decay=5e-4, schedule="plateau", flip=True, scale_jitter="256", colour_noise=0.1),
        "Krizhevsky et al. 2012: sec. 5 (batch, momentum, decay, rate, 90 cycles), sec. 4.1 (parts, reflections, colours), sec. 2 (mean)",
        "imagenet_val_*",
        PLATEAU,
        MEAN,
        "parts are of 227x227, from all of the picture at 256; the paper's are of 224x224, from its central 256x256",
        deviation=CENTRED,
    )
}


def vgg(name: str, scales: str, figures: str, *departs: str) -> Preset:
    """Sec. 3.1, at one scale or at many."""
    return published(
        name,
        replace(
            SGD, epochs=74, batch=256, lr=0.01, weight_decay=5e-4, schedule="plateau", flip=True, scale_jitter=scales, colour_noise=0.1
        ),
        "Simonyan, Zisserman 2014: sec. 3.1 (batch, momentum, decay, rate, 74 epochs; scales, flips, colours), sec. 2.1 (mean)",
        figures,
        PLATEAU,
        *departs,
        deviation=CENTRED,
    )


FROM_A = Shallower("vgg11", ("conv1.0", "conv2.0", "conv3.0", "conv3.2", "fc6", "fc7", "fc8"))
"""Sec. 3.1: "the first four convolutional layers and the last three fully-connected layers" of A; they stand where they do in A."""
GLOROT = (
    "the paper's deeper networks began with the first four convolutions and the last three layers of a trained A, which --warm-from does; "
    "without it they begin by Glorot's procedure, which it found later to do as well"
)
PLACES = "where A's layers go is not printed; here to those of their block that read and give as many maps, as they do by their places in A"
BETWEEN = "beside A's layers the paper drew the others with a variance of 0.01, as --initialisation simonyan_2014 does; here by Glorot's procedure"
COLD = (GLOROT, PLACES, BETWEEN)
TUNED = "the paper's networks for S in [256; 512] were tuned from those for S = 384; here they learn from the start"
VGG = {
    "vgg11": vgg("vgg11", "256", "*_dense_256"),
    "vgg11_lrn": vgg("vgg11_lrn", "256", "*_dense_256"),
    "vgg13": replace(vgg("vgg13", "256", "*_dense_256", *COLD), warm=FROM_A),
    **{name: replace(vgg(name, "256-512", "*_384_jittered", *COLD, TUNED), warm=FROM_A) for name in ("vgg16_c", "vgg16", "vgg19")},
}

CAFFE = "batch, first rate, weight decay and length are not printed; here those of Caffe's bvlc_googlenet/solver.prototxt, batches of 32"
GOOGLENET = {
    "googlenet": published(
        "googlenet",
        replace(
            SGD, epochs=250, batch=32, lr=0.01, weight_decay=2e-4, schedule="step", step_every=8.0, step_factor=0.96, ema=0.9999,
            flip=True, random_resized_crop=0.08, brightness=0.5, contrast=0.5, saturation=0.5,
        ),
        "Szegedy et al. 2014, sec. 6: momentum, 4% less every 8 epochs, averaged weights, parts of 8% to 100%; sec. 5: the auxiliary losses",
        "imagenet_val_top5_error_one_crop",
        CAFFE,
        "how the weights are averaged is not printed; the share kept is 0.9999 here",
        "the strength of the photometric distortions is not printed, nor whether pictures are mirrored; here 0.5, and they are",
        "the paper trains asynchronously on many machines",
        "the mean is subtracted as sec. 5 says; the scale of the pixels is not printed: here their deviation is made 1",
    )
}  # fmt: skip

RESNET_IMAGENET = replace(
    SGD, epochs=120, batch=256, lr=0.1, weight_decay=1e-4, schedule="plateau", flip=True, scale_jitter="256-480", colour_noise=0.1
)
RESNET_CIFAR = replace(
    SGD, epochs=182, batch=128, lr=0.1, weight_decay=1e-4, schedule="milestones", milestones="0.5 0.75",
    flip=True, crop=4, fill="constant", fill_value=121,
)  # fmt: skip
WARMED = replace(RESNET_CIFAR, warmup_steps=400, warmup_lr=0.01)
UNTIL = "the warm-up ends after 400 steps, the paper's when the training error is below 80%, which it says is about then"


def residual(name: str) -> Preset:
    """Sec. 3.4."""
    return published(
        name,
        RESNET_IMAGENET,
        "He et al. 2015, sec. 3.4: batch, rate, decay, 600,000 steps (120 epochs), scales of 256 to 480, flips, colours, mean",
        "imagenet_val_*",
        PLATEAU,
        MEAN,
        deviation=CENTRED,
    )


def residual_cifar(name: str) -> Preset:
    """Sec. 4.2."""
    depth = int(name.removeprefix("resnet").removeprefix("plain"))
    return published(
        name,
        WARMED if depth >= 110 else RESNET_CIFAR,
        "He et al. 2015, sec. 4.2: batch, rate, decay, 64,000 steps on 45,000 pictures (182 epochs), marks at 32,000 and 48,000, crops, flips",
        "cifar10_*",
        MEAN,
        GREY,
        *([UNTIL] if depth >= 110 else []),
        *(["the warm-up is printed for resnet110; whether this one has it too is not"] if depth >= 110 and name != "resnet110" else []),
        deviation=CENTRED,
    )


RESNET = {
    **{row.name: residual(row.name) for row in resnet.VARIANTS if not row.name.endswith("_v15")},
    **{row.name: residual_cifar(row.name) for row in resnet_cifar.VARIANTS},
}

DENSE = replace(SGD, nesterov=True, lr=0.1, weight_decay=1e-4, schedule="milestones", flip=True)
DENSE_CIFAR = replace(DENSE, epochs=300, batch=64, milestones="0.5 0.75", crop=4, fill="constant", fill_value=121)
DENSE_IMAGENET = replace(
    DENSE,
    epochs=90,
    batch=256,
    milestones="30 60",
    random_resized_crop=0.08,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    colour_noise=0.1,
)


def dense(name: str) -> Preset:
    """Sec. 4.2, for 3x32x32 or for 3x224x224."""
    if NETS[name].input == (3, 32, 32):
        source = "Huang et al. 2016: sec. 4.2 (batch, rate, marks, decay, Nesterov's momentum, 300 epochs), sec. 4.1 (shifts, mirroring)"
        return published(name, DENSE_CIFAR, source, "cifar10_*", HELD_OUT, GREY)
    source = "Huang et al. 2016: sec. 4.2 (batch, rate, marks at epochs 30 and 60, decay, Nesterov's momentum, 90 epochs)"
    augmented = "the paper names the augmentation by reference alone (sec. 4.1); here that of fb.resnet.torch, on which its code stands"
    return published(name, DENSE_IMAGENET, source, "imagenet_val_*_one_crop", augmented)


DENSENET = {row.name: dense(row.name) for row in densenet.VARIANTS}

NIN = {
    "nin_cifar10": published(
        "nin_cifar10",
        replace(
            SGD, epochs=300, batch=128, lr=0.01, weight_decay=5e-4, schedule="plateau", plateau=10, patience=30,
            flip=True, crop=4, fill="constant", fill_value=121,
        ),
        "Lin et al. 2013, sec. 4: batches of 128, the rate lowered twice by 10 when accuracy stops improving; sec. 4.2: shift and flip",
        "cifar10_test_error_augmented",
        "first rate, momentum and decay are not printed; here those of Krizhevsky et al. 2012, whose procedure sec. 4.1 adopts",
        "it is the accuracy on the training pictures that lowers the paper's rate, here that on the validation pictures",
        "how far pictures are shifted is not printed; 4 pixels here",
        "how long is trained is not printed, nor how long accuracy must stand still; here 10 epochs lower the rate, 30 end it, 300 at most",
        WHITENED,
        GREY,
    )
}  # fmt: skip

ALL_CNN = {
    row.name: published(
        row.name,
        replace(SGD, epochs=350, batch=128, lr=0.05, weight_decay=1e-3, schedule="milestones", milestones="200 250 300"),
        "Springenberg et al. 2014, sec. 3.1: momentum, decay, 350 epochs, marks at 200, 250 and 300; no augmentation",
        "cifar10_test_error",
        "the rate was chosen for each network from 0.25, 0.1, 0.05 and 0.01, which of them is not printed; 0.05 here",
        "the size of a batch is not printed; 128 here",
        WHITENED,
        HELD_OUT,
    )
    for row in allcnn.VARIANTS
}

PAPER: dict[str, Preset] = {**LENET, **ALEXNET, **NIN, **VGG, **GOOGLENET, **ALL_CNN, **RESNET, **DENSENET}
"""In the order of their years."""
