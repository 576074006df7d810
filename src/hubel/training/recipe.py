"""How a network is trained, as one frozen value; the command line's flags are made from its fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from hubel.errors import RunError
from hubel.training.schedules import SCHEDULES


def setting(default: Any, says: str, choices: tuple[str, ...] = (), changes: bool = False, auto: bool = False) -> Any:
    """A field with the sentence that help shows. auto: whether 0 leaves it to be chosen at the first start."""
    return field(default=default, metadata={"says": says, "choices": choices, "changes": changes, "auto": auto})


def change(default: Any, says: str, choices: tuple[str, ...] = ()) -> Any:
    """A field that says how pictures are changed: hubel.pictures.augment.Augmentation has one of that name, or it says what is cut out."""
    return setting(default, says, choices, changes=True)


@dataclass(frozen=True)
class Recipe:
    epochs: int = setting(10, "how often every training picture is seen")
    batch: int = setting(
        128,
        "pictures that are computed at once; auto (0 in Python): the most, in powers of two, that the forecast of memory allows and that leave "
        "an epoch 50 steps; the learning rate stays as it is",
        auto=True,
    )
    accumulate: int = setting(
        1, "batches in one step: the gradients are those of all their pictures together, but batch norm sees each batch by itself"
    )
    optimiser: str = setting("sgd", "what takes the steps", ("sgd", "adamw"))
    lr: float = setting(0.02, "learning rate at its highest")
    momentum: float = setting(0.9, "of sgd")
    nesterov: bool = setting(True, "whether sgd's momentum looks ahead")
    weight_decay: float = setting(5e-4, "pull of the weights towards zero")
    clip: float = setting(0.0, "scale the gradients of a step down to this norm, of all of them together, where it is larger; 0: do not")
    ema: float = setting(
        0.0,
        "validate and save a moving average of the weights, of which each step keeps this share (batch norm's statistics likewise); 0: do not",
    )
    schedule: str = setting(
        "onecycle",
        "how the learning rate moves: up and down to zero (onecycle), down to zero (cosine), by step_factor after every step_every, "
        "at once (step) or smoothly (exponential), at the milestones, when validation has got no better for a while (plateau), or not",
        SCHEDULES,
    )
    warmup: float = setting(0.2, "share of the steps in which onecycle rises")
    warmup_steps: int = setting(0, "steps at the start, of any other schedule, in which the rate rises to the schedule's")
    warmup_lr: float = setting(0.0, "a rate for all of those steps instead; 0: rise in a straight line")
    step_every: float = setting(
        0.3, "when step and exponential multiply the rate: up to 1 a share of all steps, above 1 a number of epochs"
    )
    step_factor: float = setting(0.1, "what step, exponential, milestones and plateau multiply the rate by")
    milestones: str = setting(
        "0.5 0.75", "when milestones multiplies the rate: shares of all steps, or above 1 epochs, with blanks between them"
    )
    plateau: int = setting(5, "epochs without a better validation after which plateau multiplies the rate")
    patience: int = setting(0, "end training after so many epochs without a better validation; 0: never")
    judged_by: str = setting(
        "accuracy", "what makes a validation better, for the best epoch, plateau and patience: accuracy, or loss", ("accuracy", "loss")
    )
    loss: str = setting(
        "cross_entropy",
        "cross_entropy (binary, where the network has one output), hinge (a support vector machine's, whose scores give no true probabilities), "
        "or LeNet's of 1998: map, its equation 9, or mse, its equation 8",
        ("cross_entropy", "hinge", "map", "mse"),
    )
    label_smoothing: float = setting(0.0, "share of the label's weight that is spread over all classes, in cross_entropy")
    class_weights: str = setting(
        "none",
        "what a training picture counts; balanced: the less the more there are of its class, 1 on average; validation counts all alike",
        ("none", "balanced"),
    )
    shift: float = change(0.0, "shift pictures at random, at most by this share of the side")
    flip: bool = change(False, "mirror half of the pictures left to right")
    vertical_flip: bool = change(False, "turn half of the pictures upside down, as a mirror does")
    crop: int = change(0, "pad pictures on all sides by so many pixels, and cut their old size out at random")
    rotation: float = change(0.0, "turn pictures at random, at most by so many degrees either way")
    width_shift: float = change(0.0, "shift pictures left or right, between pixels too, at most by this share of the width")
    height_shift: float = change(0.0, "shift pictures up or down, between pixels too, at most by this share of the height")
    shear: float = change(0.0, "slant pictures at random, at most by so many degrees either way")
    zoom: float = change(0.0, "show 1 - zoom to 1 + zoom of each side, the two drawn apart")
    fill: str = change(
        "nearest",
        "what is seen where a picture ends: its nearest pixel, fill_value, or itself, mirrored (reflect) or again (wrap)",
        ("nearest", "constant", "reflect", "wrap"),
    )
    fill_value: int = change(0, "the grey of fill constant, 0 to 255")
    brightness: float = change(0.0, "multiply pictures by 1 - brightness to 1 + brightness")
    contrast: float = change(0.0, "multiply how far pixels are from the picture's mean grey by 1 - contrast to 1 + contrast")
    saturation: float = change(0.0, "multiply how far pixels are from their own grey by 1 - saturation to 1 + saturation")
    colour_noise: float = change(0.0, "AlexNet's noise along the colours' axes: the deviation of its alpha, 0.1 in the paper")
    colour_axes: str = change(
        "auto", "those axes: eigenvalue, red, green and blue of each, twelve numbers; auto: of the pictures to learn from"
    )
    cutout: int = change(0, "blot out a square of so many pixels a side, its centre anywhere")
    cutout_fill: str = change("zero", "what the square shows: black, or the mean level, which the network reads as 0", ("zero", "mean"))
    random_resized_crop: float = change(
        0.0,
        "train on random parts of each picture, of this share of its area at least (0.08 in Inception), resized to the input; 0: do not",
    )
    scale_jitter: str = change(
        "",
        "train on random places of each picture, its shorter side brought to so many pixels, or drawn between two numbers (VGG's 256-512)",
    )
    keep: str = setting(
        "auto",
        "where decoded pictures are kept: in memory, on the disk for this run and later ones, or nowhere; auto: by how large they are in all",
        ("auto", "memory", "disk", "nothing"),
    )
    frozen: str = setting(
        "",
        "stages that stay as they are, or parts of them, by their paths with blanks between them (conv1 conv2_x.0); for trained networks",
    )
    statistics: str = setting(
        "trained",
        "whose batch norm goes by the pictures of training, and learns from them: of what is not frozen, of all, or of none",
        ("trained", "all", "none"),
    )
    layer_decay: float = setting(
        1.0, "what the rate of each stage is multiplied by for every stage that learns behind it; 1: all learn alike"
    )
    initialisation: str = setting(
        "auto",
        "fresh weights; auto: as the network's paper states",
        ("auto", "he", "glorot", "lecun_1998", "krizhevsky_2012", "simonyan_2014"),
    )
    validation: float = setting(
        0.1, "share of the training pictures of each class to validate on, where the set brings no validation split"
    )
    precision: str = setting(
        "auto",
        "of the arithmetic; auto: bf16 where this machine is clearly faster with it; fp16, on GPUs alone, scales the loss",
        ("auto", "fp32", "bf16", "fp16"),
    )
    threads: int = setting(0, "processor threads; auto (0): as many as are fastest, measured at the start", auto=True)
    lanes: int = setting(
        0, "parts of each batch that are computed side by side, sharing the threads; auto (0): measured at the start", auto=True
    )
    sync_batch_norm: bool = setting(
        True, "where several processes share a batch: whether batch norm sees all of it, or each process its own part"
    )
    seed: int = setting(0, "decides fresh weights, order, augmentation and the validation part")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if type(value).__name__ != entry.type and not (entry.type == "float" and type(value) is int):
                raise RunError(f"The recipe has {entry.name}={value!r}; it must be of type {entry.type}.")
        for name, holds, words in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch", self.batch >= 0, "1 or more, or 0 for as many as fit"),
            ("accumulate", self.accumulate >= 1, "1 or more"),
            ("lr", 0 < self.lr < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "from 0 to below 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", 0 <= self.warmup < 1, "from 0 to below 1"),
            ("clip", 0 <= self.clip < math.inf, "0 or more"),
            ("ema", 0 <= self.ema < 1, "from 0 to below 1"),
            ("warmup_steps", self.warmup_steps >= 0, "0 or more"),
            ("warmup_steps", not (self.warmup_steps and self.schedule == "onecycle"), "0 with onecycle, which rises by itself: see warmup"),
            ("warmup_lr", 0 <= self.warmup_lr < math.inf, "0 or more"),
            ("warmup_lr", not self.warmup_lr or self.warmup_steps, "0 where there are no warmup_steps"),
            ("step_every", 0 < self.step_every < math.inf, "above 0"),
            ("step_factor", 0 < self.step_factor <= 1, "above 0, at most 1"),
            ("milestones", bool(self.marks), "growing numbers above 0 with blanks between them, such as 0.5 0.75"),
            ("plateau", self.plateau >= 1, "1 or more"),
            ("patience", self.patience >= 0, "0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("label_smoothing", not (self.label_smoothing and self.loss == "hinge"), "0 with hinge, whose labels have no weight"),
            ("shift", 0 <= self.shift < 1, "from 0 to below 1"),
            ("crop", self.crop >= 0, "0 or more"),
            ("rotation", 0 <= self.rotation <= 180, "from 0 to 180"),
            ("width_shift", 0 <= self.width_shift < 1, "from 0 to below 1"),
            ("height_shift", 0 <= self.height_shift < 1, "from 0 to below 1"),
            ("shear", 0 <= self.shear < 90, "from 0 to below 90"),
            ("zoom", 0 <= self.zoom < 1, "from 0 to below 1"),
            ("fill_value", 0 <= self.fill_value <= 255, "from 0 to 255"),
            ("brightness", 0 <= self.brightness < math.inf, "0 or more"),
            ("contrast", 0 <= self.contrast < math.inf, "0 or more"),
            ("saturation", 0 <= self.saturation < math.inf, "0 or more"),
            ("colour_noise", 0 <= self.colour_noise < math.inf, "0 or more"),
            ("colour_axes", self.colour_axes == "auto" or len(self.axes) == 3, "auto, or twelve finite numbers with blanks between them"),
            ("cutout", self.cutout >= 0, "0 or more"),
            ("random_resized_crop", 0 <= self.random_resized_crop <= 1, "from 0 to 1"),
            ("scale_jitter", not self.scale_jitter or self.scales is not None, "two whole numbers such as 256-512, or one"),
            ("scale_jitter", not (self.scale_jitter and self.random_resized_crop), "left out where random_resized_crop is said"),
            ("validation", 0 < self.validation < 1, "between 0 and 1: the best epoch is chosen on that part"),
            ("threads", 0 <= self.threads <= 1024, "from 0 to 1024"),
            ("lanes", 0 <= self.lanes <= 1024, "from 0 to 1024"),
            ("layer_decay", 0 < self.layer_decay <= 1, "above 0, at most 1"),
            ("seed", 0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
        ):
            if not holds:
                raise RunError(f"The recipe has {name}={getattr(self, name)}; it must be {words}.")
        for entry in fields(self):
            value, allowed = getattr(self, entry.name), entry.metadata["choices"]
            if allowed and value not in allowed:
                raise RunError(f"The recipe has {entry.name}={value!r}; it must be one of: {', '.join(allowed)}.")

    @property
    def axes(self) -> tuple[tuple[float, ...], ...]:
        """The three colour_axes, each with its eigenvalue, red, green and blue; none where they are auto, or no such numbers."""
        try:
            numbers = tuple(map(float, self.colour_axes.split()))
        except ValueError:
            return ()
        if len(numbers) != 12 or not all(map(math.isfinite, numbers)):
            return ()
        return numbers[:4], numbers[4:8], numbers[8:]

    @property
    def scales(self) -> tuple[int, int] | None:
        """What scale_jitter says: the least and the most pixels of the shorter side; None where it says nothing, or no such numbers."""
        least, _, most = self.scale_jitter.partition("-")
        if not (least.isdecimal() and (most or least).isdecimal()) or not 0 < int(least) <= int(most or least) <= 65535:
            return None
        return int(least), int(most or least)

    @property
    def marks(self) -> tuple[float, ...]:
        """What milestones says, as numbers; none where it says nothing, or no such numbers."""
        try:
            numbers = tuple(map(float, self.milestones.split()))
        except ValueError:
            return ()
        rising = all(before < after for before, after in zip((0.0, *numbers), numbers))
        return numbers if rising and all(map(math.isfinite, numbers)) else ()
