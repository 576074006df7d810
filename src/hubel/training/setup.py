"""From what a user says to a job that is settled: network, pictures, pixel policy, recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import nn

from hubel import foreign
from hubel.cluster import ALONE, Ranks
from hubel.errors import LayerError, RunError
from hubel.joints import Expression, Shape, shown
from hubel.model import Model
from hubel.nets import Said, said
from hubel.pictures.augment import colour_axes
from hubel.pictures.batches import Feed, Refused
from hubel.pictures.cutting import Cut
from hubel.pictures.feeding import SPARE, feed, sampled
from hubel.pictures.held import chunks, statistics
from hubel.pictures.loader import divided
from hubel.pictures.pixels import Pixels
from hubel.pictures.sources import Source, open_source
from hubel.pictures.told import Told
from hubel.training.loop import Job
from hubel.training.recipe import Recipe
from hubel.training.recipes import FURTHER, Preset, preset


@dataclass(frozen=True)
class Design:
    """The network that a user names, writes or brings, as it will be trained."""

    name: str
    net: Expression | nn.Module
    """A module is a copy of the user's, and trained from the weights that it has."""
    input: Shape
    initialisation: str
    preset: Preset
    begins: Model | None = None
    """The model that is trained on, from its weights and with its pixel policy."""

    @property
    def trained(self) -> bool:
        """Whether it comes with weights."""
        return self.begins is not None or isinstance(self.net, nn.Module)


@dataclass(frozen=True)
class Material:
    """The pictures of a run: those to learn from, those to validate on, and what was kept out."""

    source: Source
    pixels: Pixels
    train: Feed
    validation: Feed
    refused: tuple[Refused, ...]
    lost: Mapping[str, int]
    """Of how many pictures something was lost in reading them, by what that was."""
    fingerprint: str
    """Of all the pictures that there were to learn from, before a validation part was taken."""


def designed(net: str | Expression | nn.Module | Model, source: Source, input: Shape | None = None) -> Design:
    """The network for the classes of a set. Raises an error of ours where it cannot tell them apart, or its input is not known."""
    classes = len(source.classes)
    if isinstance(net, Model):
        net.refuse_other_classes(source.classes, source.name)
        if input not in (None, net.input):
            raise RunError(f"The model reads {shown(net.input)}, and the input is said to be {shown(input or ())}. Leave --input out.")
        return Design("a trained model", net.expression, net.input, "auto", FURTHER, net)
    if isinstance(net, nn.Module):
        return _brought(net, classes, _shape(input))
    if not isinstance(net, (str, Expression)):
        raise RunError(
            f"A {type(net).__name__} came as the network; a name, an expression or a model, or a torch module (itself, not its class) was expected."
        )
    found = said(net, classes) if isinstance(net, str) else Said("net", net, None)
    shape = _shape(input or found.input)
    outputs = found.net.output(shape)
    if outputs != (classes,) and not (outputs == (1,) and classes == 2):
        raise LayerError(f"The network gives {shown(outputs)}, but the pictures have {classes} classes; end it with FC({classes}).")
    return Design(found.name, found.net, shape, found.row.initialisation if found.row else "he", preset(found.name))


def _brought(module: nn.Module, classes: int, shape: Shape) -> Design:
    """A network of the user's own: any torch module."""
    foreign.refuse_untrainable(module)
    network = foreign.copied(module)
    foreign.refuse_without_scores(network, shape, classes, (False, True))
    return Design(type(module).__name__, network, shape, "auto", FURTHER)


def _shape(input: Shape | None) -> Shape:
    if input is None:
        raise RunError("An expression or a module holds no input shape: say it with --input (or input=), such as 1x28x28.")
    if len(input) != 3 or input[0] not in (1, 3):
        raise RunError(f"The input is {shown(input)}; pictures are 1xHxW (grey) or 3xHxW (colour).")
    return input


def prepared(
    net: str | Expression | nn.Module | Model,
    data: str | Path | Source,
    recipe: Recipe | Preset | None,
    input: Shape | None = None,
    strict: bool = False,
    told: Told | None = None,
    before: Pixels | None = None,
) -> tuple[Design, Material, Recipe]:
    """Open and decode the pictures, and settle the network and its recipe for them. recipe: one, or a preset, whose pixels are then
    taken too; None: the network's own. before: how a run that is gone on with reads them."""
    source = data if isinstance(data, Source) else open_source(data, told)
    design = designed(net, source, input)
    if isinstance(recipe, Preset):
        design = replace(design, preset=recipe)
    settled = recipe if isinstance(recipe, Recipe) else design.preset.recipe
    if settled.initialisation == "auto":
        settled = replace(settled, initialisation=design.initialisation)
    elif design.trained:
        raise RunError(
            f"The recipe has initialisation={settled.initialisation!r}; a module or a model is trained from the weights that it has: leave it out."
        )
    refuse_impossible(settled, design.input)
    return design, _decoded(source, design, settled, strict, told, before), settled


def refuse_impossible(recipe: Recipe, input: Shape) -> None:
    """Raise RunError where pictures of that shape (C, H, W) cannot be changed as the recipe says."""
    channels, *sides = input
    for name, pixels in (("crop", recipe.crop), ("cutout", recipe.cutout)):
        if pixels >= min(sides):
            raise RunError(f"The recipe has {name}={pixels}; for pictures of {shown(input)} it must be below {min(sides)}.")
    if recipe.scales and recipe.scales[0] < max(sides):
        raise RunError(
            f"The recipe has scale_jitter={recipe.scale_jitter}; for pictures of {shown(input)} it must start at {max(sides)} or more."
        )
    for name, strength in (("saturation", recipe.saturation), ("colour_noise", recipe.colour_noise)):
        if strength and channels == 1:
            raise RunError(f"The recipe has {name}={strength}, which is for colour pictures; these are {shown(input)}. Leave it out.")


def _decoded(source: Source, design: Design, recipe: Recipe, strict: bool, told: Told | None, before: Pixels | None) -> Material:
    def telling(what: str) -> Callable[[int, int], None] | None:
        return None if told is None else lambda done, count: told(what, done, count)

    split, cut = source.training(), cut_of(recipe)
    channels, height, width = design.input
    pixels = Pixels(channels, height, width, "crop" if cut else _fit(split.read, len(split.labels), design.preset), reduced=True)
    if cut:
        pixels = replace(pixels, resized=round(SPARE * max(height, width)))
    if design.begins:
        pixels = design.begins.pixels
    elif before:  # runs began before pictures were decoded so, and end as they began
        pixels = replace(pixels, reduced=before.reduced, colour_managed=before.colour_managed)
    train = feed(split, pixels, recipe.keep, cut, recipe.seed, strict, telling("decoding"))
    fingerprint, refused, lost = train.fingerprint(), tuple(train.refused), Counter(train.lost)
    missing = sorted(set(range(len(source.classes))) - set(train.labels.tolist()))
    if missing:
        raise RunError(f"No picture of {', '.join(source.classes[i] for i in missing)} can be read; training needs some of every class.")
    if "validation" in source.openers:
        validation = feed(source.split("validation"), pixels, recipe.keep, None, 0, strict, telling("decoding validation"))
        refused += tuple(validation.refused)
        lost.update(validation.lost)
    else:
        train, validation = divided(train, recipe.validation, recipe.seed)
    if design.begins:
        return Material(source, pixels, train, validation, refused, lost, fingerprint)
    mean, deviation = design.preset.mean, design.preset.deviation
    if mean is None or deviation is None:
        measured = statistics(sampled(train))
        mean, deviation = mean or measured[0], deviation or measured[1]
    pixels = replace(pixels, mean=mean, deviation=deviation)
    return Material(source, pixels, train, validation, refused, lost, fingerprint)


def cut_of(recipe: Recipe) -> Cut | None:
    """What the recipe draws from each picture before it is resized, if it does."""
    if recipe.random_resized_crop:
        return Cut(area=recipe.random_resized_crop)
    return Cut(scales=recipe.scales) if recipe.scales else None


def _fit(picture: Callable[[int], Image.Image], count: int, chosen: Preset) -> Literal["squash", "pad"]:
    """Whether pictures are padded to the input, as the preset wants for pictures of one size, or resized to it."""
    if chosen.padded is None or not count:
        return "squash"
    first = picture(0)
    return "pad" if (first.height, first.width) == chosen.padded else "squash"


def job(material: Material, recipe: Recipe, device: torch.device, ranks: Ranks = ALONE) -> Job:
    """The job, its pictures on the device. Raises RunError where the recipe wants half precision and the device is a processor."""
    if recipe.precision == "fp16" and device.type == "cpu":
        raise RunError("The recipe has precision='fp16', which is for GPUs, and there is none here. Say --precision bf16, or leave it out.")
    return Job(with_axes(recipe, material.train), material.pixels, material.train.to(device), material.validation.to(device), ranks)


def with_axes(recipe: Recipe, pictures: Feed) -> Recipe:
    """The recipe with the colours' axes of the pictures to learn from, where it needs some and leaves them open."""
    if not recipe.colour_noise or recipe.colour_axes != "auto":
        return recipe
    return replace(recipe, colour_axes=" ".join(repr(number) for axis in colour_axes(chunks(pictures)) for number in axis))
