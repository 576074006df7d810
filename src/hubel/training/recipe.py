"""How a network is trained, as one frozen value; the command line's flags are made from its fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from hubel.errors import RunError


def setting(default: Any, says: str, choices: tuple[str, ...] = (), changes: bool = False) -> Any:
    """A field with the sentence that help shows."""
    return field(default=default, metadata={"says": says, "choices": choices, "changes": changes})


def change(default: Any, says: str, choices: tuple[str, ...] = ()) -> Any:
    """A field that says how pictures are changed: hubel.pictures.augment.Augmentation has one of that name, or it says what is cut out."""
    return setting(default, says, choices, changes=True)


@dataclass(frozen=True)
class Recipe:
    epochs: int = setting(10, "how often every training picture is seen")
    batch: int = setting(128, "pictures in one step")
    optimiser: str = setting("sgd", "what takes the steps", ("sgd", "adamw"))
    lr: float = setting(0.02, "learning rate at its highest")
    momentum: float = setting(0.9, "of sgd")
    nesterov: bool = setting(True, "whether sgd's momentum looks ahead")
    weight_decay: float = setting(5e-4, "pull of the weights towards zero")
    schedule: str = setting(
        "onecycle", "how the learning rate moves: up and down to zero, by steps, or not", ("onecycle", "step", "constant")
    )
    warmup: float = setting(0.2, "share of the steps in which onecycle rises")
    step_every: float = setting(0.3, "share of the steps after which step multiplies the rate by step_factor, again and again")
    step_factor: float = setting(0.1, "what step multiplies the rate by")
    loss: str = setting(
        "cross_entropy",
        "cross_entropy (binary, where the network has one output), or LeNet's of 1998: map, its equation 9, or mse, its equation 8",
        ("cross_entropy", "map", "mse"),
    )
    label_smoothing: float = setting(0.0, "share of the label's weight that is spread over all classes")
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
    initialisation: str = setting(
        "auto",
        "fresh weights; auto: as the network's paper states",
        ("auto", "he", "glorot", "lecun_1998", "krizhevsky_2012", "simonyan_2014"),
    )
    validation: float = setting(
        0.1, "share of the training pictures of each class to validate on, where the set brings no validation split"
    )
    precision: str = setting("auto", "of the arithmetic; auto: bf16 where this machine is clearly faster with it", ("auto", "fp32", "bf16"))
    threads: int = setting(0, "processor threads; 0: as many as are fastest, measured at the start")
    lanes: int = setting(0, "parts of each batch that are computed side by side, sharing the threads; 0: measured at the start")
    seed: int = setting(0, "decides fresh weights, order, augmentation and the validation part")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if type(value).__name__ != entry.type and not (entry.type == "float" and type(value) is int):
                raise RunError(f"The recipe has {entry.name}={value!r}; it must be of type {entry.type}.")
        for name, holds, words in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch", self.batch >= 1, "1 or more"),
            ("lr", 0 < self.lr < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "from 0 to below 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", 0 <= self.warmup < 1, "from 0 to below 1"),
            ("step_every", 0 < self.step_every <= 1, "above 0, at most 1"),
            ("step_factor", 0 < self.step_factor <= 1, "above 0, at most 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
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

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step number `step`, from 0, of `steps` in all."""
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "step":
            return self.lr * self.step_factor ** int(step / (self.step_every * steps) + 1e-9)
        rising = self.warmup * steps
        if step < rising:
            return self.lr * (step + 1) / (rising + 1)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


@dataclass(frozen=True)
class Preset:
    """A recipe for one network, the pictures it wants, and what to expect of it."""

    recipe: Recipe
    expect: str
    source: str
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None
    """Of values from 0 to 1; None: those of the training pictures."""
    padded: tuple[int, int] | None = None
    """Pictures of this (height, width) are padded to the input; others are resized to it."""


GENERAL = Preset(Recipe(), "a sound start for small pictures", "measured here")

# LeCun et al. 1998, sec. III.A: "background level (white) -0.1 and foreground (black) 1.175"
BACKGROUND, FOREGROUND = -0.1, 1.175

PRESETS: dict[str, Preset] = {
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
}
"""By the network's name; every other network starts from GENERAL."""


def preset(name: str) -> Preset:
    """What a network of that name is trained with unless told otherwise."""
    return PRESETS.get(name, GENERAL)
