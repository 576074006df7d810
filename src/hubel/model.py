"""A trained network with all that it takes to use it: the model file alone predicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hubel import foreign, weights
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ModelError, PictureError, shortened
from hubel.joints import Expression, Shape, shown
from hubel.pictures.decoding import upright
from hubel.pictures.pixels import Bytes, Pixels
from hubel.reading import read

FORMAT = 1
"""Of what the file says. A later format has a higher number."""

Module = nn.Module | Callable[[], nn.Module] | None
"""A network that a user gives, or what makes one."""

HOTTEST = 1e6
"""No temperature is higher, or lower than its reciprocal: of a single-precision score it would leave 0 or infinity."""

WORDNET = re.compile(r"n\d{8}( |$)")
"""How the name of an ImageNet class begins."""

IN_A_RUN = "model.safetensors"
"""The model's name in a run folder."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture: the class, its probability, and every class with its own, likeliest first."""

    name: str
    label: str
    probability: float
    ranked: tuple[tuple[str, float], ...]


@dataclass
class Model:
    """A built network, its expression and input (C, H, W), classes in order, pixel policy, and the story of its training."""

    net: Expression | str
    """The name of its class, package.module:Class, where the network is no expression."""
    input: Shape
    classes: tuple[str, ...]
    pixels: Pixels
    network: nn.Module
    recipe: dict[str, Any]
    data: dict[str, Any]
    """The set it was trained on: name and fingerprint."""
    results: dict[str, Any]
    temperature: float = 1.0
    """By which scores are divided before they become probabilities, so that these mean what they say (hubel.evaluation.calibration)."""

    def save(self, path: str | Path) -> str:
        """Write the model file, whole or not at all; its SHA-256."""
        says = {
            "format": FORMAT,
            **({"class": self.net} if isinstance(self.net, str) else {"net": repr(self.net)}),
            "input": self.input,
            "classes": self.classes,
            "pixels": self.pixels.to_json(),
            "recipe": self.recipe,
            "data": self.data,
            "results": self.results,
            **({} if self.temperature == 1 else {"temperature": _temperature(self.temperature, "The model")}),
        }
        return weights.write(Path(path), self.network.state_dict(), says)

    def refuse_other_classes(self, classes: tuple[str, ...], name: str) -> None:
        """Raise ModelError, with both lists, where a set's classes are not the model's."""
        if classes != self.classes:
            raise ModelError(
                f"The model tells apart {', '.join(self.classes)}; {name} has {', '.join(classes)}. They must be the same, in the same order."
            )

    def numbers_of(self, classes: tuple[str, ...], name: str) -> list[int]:
        """The model's number of each of a set's classes, by their names, or by the WordNet id before a name, as ImageNet's folders are called.

        Raises ModelError, with both lists, where it has one of them not.
        """
        if classes == self.classes:
            return list(range(len(classes)))
        own = [one.partition(" ")[0] if WORDNET.match(one) else one for one in self.classes]
        asked = [one.partition(" ")[0] if WORDNET.match(one) else one for one in classes]
        strange = [one for one, key in zip(classes, asked) if own.count(key) != 1]
        if strange:
            raise ModelError(
                f"The model tells apart {_some(self.classes)}; {name} has {_some(classes)}. Every class of the set must be one of the model's, "
                f"by the same name; {_some(strange)} {'is' if len(strange) == 1 else 'are'} not."
            )
        return [own.index(key) for key in asked]

    @property
    def expression(self) -> Expression:
        """The network on paper. Raises ModelError where it is none."""
        if isinstance(self.net, str):
            raise ModelError(f"The model's network is a {self.net}, which is no expression: this is for networks that are.")
        return self.net

    @torch.no_grad()
    def scores(self, batch: Tensor) -> Tensor:
        """Scores (N, outputs) of uint8 pictures (N, H, W, C)."""
        self.network.eval()
        return self.network(self.pixels.tensor(batch)).float()  # type: ignore[no-any-return]

    def probabilities(self, batch: Tensor) -> Tensor:
        """Probabilities (N, classes) of uint8 pictures (N, H, W, C); one score means the second of two classes."""
        return probabilities(self.scores(batch), self.temperature)

    def predict(self, picture: str | Path | Bytes | Image.Image) -> Prediction:
        """What stands in a picture file, a PIL image, or a uint8 array (H, W) or (H, W, 3).

        Raises PictureError, with the path and the reason, where it cannot be read.
        """
        return self.predict_all([picture])[0]

    def predict_all(self, pictures: Sequence[str | Path | Bytes | Image.Image]) -> list[Prediction]:
        """`predict` for many, a batch at a time."""
        found: list[Prediction] = []
        for start in range(0, len(pictures), 64):
            some = pictures[start : start + 64]
            batch = torch.from_numpy(np.stack([self._array(picture) for picture in some]))
            scores = self.scores(batch)
            for picture, own, row in zip(some, by_class(scores).tolist(), probabilities(scores, self.temperature).tolist()):
                order = sorted(range(len(row)), key=lambda i: (-row[i], -own[i]))  # equal probabilities may come of scores that are not
                ranked = [(self.classes[i], row[i]) for i in order]
                name = str(picture) if isinstance(picture, (str, Path)) else ""
                found.append(Prediction(name, *ranked[0], tuple(ranked)))
        return found

    def _array(self, picture: str | Path | Bytes | Image.Image) -> Bytes:
        if not isinstance(picture, (str, Path, np.ndarray, Image.Image)):
            raise PictureError(f"A {type(picture).__name__} came, where a path, a PIL image or a uint8 array was expected.")
        try:
            if isinstance(picture, (str, Path)):
                return self.pixels.array(self.pixels.opened(picture))
            return self.pixels.array(_imaged(picture) if isinstance(picture, np.ndarray) else upright(picture))
        except PictureError as error:
            raise PictureError(
                f"{picture}: {error}." if isinstance(picture, (str, Path)) else f"The picture cannot be used: {error}."
            ) from None


def _imaged(array: Bytes) -> Image.Image:
    grey, colour = array.ndim == 2, array.ndim == 3 and array.shape[2] == 3
    if array.dtype != np.uint8 or not (grey or colour) or not array.size:
        raise PictureError(
            f"a {array.dtype} array of shape {array.shape} came, where uint8 of (height, width) or (height, width, 3) was expected"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def probabilities(scores: Tensor, temperature: float = 1.0) -> Tensor:
    """Scores (N, outputs) to probabilities (N, classes). The class with the most stays the same at every temperature."""
    if scores.shape[1] == 1:
        second = (scores / temperature).sigmoid()
        return torch.cat([1 - second, second], 1)
    return (scores / temperature).softmax(1)


def by_class(scores: Tensor) -> Tensor:
    """Scores (N, outputs) as scores (N, classes): one output stands beside 0, which is the first of two classes'."""
    return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores


def load(path: str | Path, module: Module = None) -> Model:
    """A model from its file, or from the run folder that it lies in.

    module: where the network is no expression, one of its class, which is copied, or what makes one: the class itself, or a function
    without arguments. Nothing is imported because a file names it: a file must not decide which code runs.
    Raises ModelError, with the file's name, where it is damaged or says what cannot be, or such a network is not given.
    """
    path = Path(path) / IN_A_RUN if Path(path).is_dir() else Path(path)
    tensors, says = weights.read(path)
    try:
        if says["format"] != FORMAT:
            raise ModelError(
                f"{path} has format {says['format']}; this version reads format {FORMAT}. Use the version that wrote it, or a newer one."
            )
        shape = tuple(says["input"])
        recipe, data, results = says["recipe"], says["data"], says["results"]
        if not all(isinstance(part, dict) for part in (recipe, data, results)):
            raise ModelError(f"{path} does not tell the story of its training: recipe, data and results.")
        classes, pixels = _listed(says["classes"]), Pixels.from_json(says["pixels"])
        temperature = _temperature(says.get("temperature", 1.0), path)
        net = str(says["class"]) if "class" in says else read(says["net"])
        network = _given(net, module, shape, classes, path) if isinstance(net, str) else _outlined(net, module, shape, classes, path)
        if pixels.shape != shape:
            raise ModelError(f"{path} makes pictures of {shown(pixels.shape)}, but its network reads {shown(shape)}.")
        weights.match(network.state_dict(), tensors, path)
        if isinstance(net, Expression):
            network = build(net, shape, None)
        network.load_state_dict(tensors)
        return Model(net, shape, classes, pixels, network.eval(), recipe, data, results, temperature)
    except ModelError:
        raise
    except (HubelError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} says what cannot be: {type(error).__name__}: {error}") from None


def _outlined(net: Expression, module: Module, shape: Shape, classes: tuple[str, ...], path: Path) -> nn.Module:
    """The network of an expression as shapes alone: what does not match is refused before it takes memory."""
    if module is not None:
        raise ModelError(f"{path} holds an expression, which says all of its network: it is loaded without a module.")
    outputs = anatomy(net, shape).output
    if outputs != (len(classes),) and not (outputs == (1,) and len(classes) == 2):
        raise ModelError(f"{path} names {len(classes)} classes, but its network gives {shown(outputs)}.")
    with torch.device("meta"):
        return build(net, shape, None)


def _given(name: str, module: Module, shape: Shape, classes: tuple[str, ...], path: Path) -> nn.Module:
    """The network of a class that the user gives, without the file's weights."""
    place, _, kind = name.partition(":")
    if module is None:
        where = "the script or notebook that trained it" if place == foreign.MAIN else place
        raise ModelError(
            f"{path} holds the weights of {kind} from {where}, which is no expression, and no code is run because a file names it. Say it "
            f"yourself: load(path, module={kind}), or on the command line --module {'FILE' if place == foreign.MAIN else place}:{kind}; where "
            "it takes arguments, give an instance, or name a function that makes one."
        )
    try:
        network = foreign.made(module, name).cpu()
        foreign.refuse_without_scores(network, shape, len(classes), (False,))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return network


def _temperature(value: Any, where: str | Path) -> float:
    """Raises ModelError, with what has it, where it is no number by which scores can be divided."""
    if type(value) not in (int, float) or not 1 / HOTTEST <= value <= HOTTEST:
        raise ModelError(f"{where} has the temperature {shortened(value)}; it must be a number from {1 / HOTTEST:g} to {HOTTEST:g}.")
    return float(value)


def _some(names: Sequence[str], most: int = 12) -> str:
    """The names, or the first of them and how many more there are."""
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most:,} more"


def _listed(classes: Any) -> tuple[str, ...]:
    if not isinstance(classes, list):
        raise ValueError("its classes are no list")
    return tuple(map(str, classes))
