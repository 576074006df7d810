"""A trained network with all that it takes to use it: the model file alone predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hubel import weights
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.errors import HubelError, ModelError, PictureError
from hubel.joints import Expression, Shape, shown
from hubel.modules import Network
from hubel.pictures.decoding import upright
from hubel.pictures.pixels import Bytes, Pixels
from hubel.reading import read

FORMAT = 1
"""Of what the file says. A later format has a higher number."""

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

    net: Expression
    input: Shape
    classes: tuple[str, ...]
    pixels: Pixels
    network: Network
    recipe: dict[str, Any]
    data: dict[str, Any]
    """The set it was trained on: name and fingerprint."""
    results: dict[str, Any]

    def save(self, path: str | Path) -> str:
        """Write the model file, whole or not at all; its SHA-256."""
        says = {
            "format": FORMAT,
            "net": repr(self.net),
            "input": self.input,
            "classes": self.classes,
            "pixels": self.pixels.to_json(),
            "recipe": self.recipe,
            "data": self.data,
            "results": self.results,
        }
        return weights.write(Path(path), self.network.state_dict(), says)

    def refuse_other_classes(self, classes: tuple[str, ...], name: str) -> None:
        """Raise ModelError, with both lists, where a set's classes are not the model's."""
        if classes != self.classes:
            raise ModelError(
                f"The model tells apart {', '.join(self.classes)}; {name} has {', '.join(classes)}. They must be the same, in the same order."
            )

    @torch.no_grad()
    def scores(self, batch: Tensor) -> Tensor:
        """Scores (N, outputs) of uint8 pictures (N, H, W, C)."""
        self.network.eval()
        return self.network(self.pixels.tensor(batch)).float()  # type: ignore[no-any-return]

    def probabilities(self, batch: Tensor) -> Tensor:
        """Probabilities (N, classes) of uint8 pictures (N, H, W, C); one score means the second of two classes."""
        return probabilities(self.scores(batch))

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
            for picture, row in zip(some, self.probabilities(batch).tolist()):
                ranked = sorted(zip(self.classes, row), key=lambda entry: -entry[1])
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


def probabilities(scores: Tensor) -> Tensor:
    """Scores (N, outputs) to probabilities (N, classes)."""
    if scores.shape[1] == 1:
        second = scores.sigmoid()
        return torch.cat([1 - second, second], 1)
    return scores.softmax(1)


def load(path: str | Path) -> Model:
    """A model from its file, or from the run folder that it lies in. Raises ModelError, with the file's name, where it is damaged or says what cannot be."""
    path = Path(path) / IN_A_RUN if Path(path).is_dir() else Path(path)
    tensors, says = weights.read(path)
    try:
        if says["format"] != FORMAT:
            raise ModelError(
                f"{path} has format {says['format']}; this version reads format {FORMAT}. Use the version that wrote it, or a newer one."
            )
        net, shape = read(says["net"]), tuple(says["input"])
        story = [says[name] for name in ("recipe", "data", "results")]
        if not all(isinstance(part, dict) for part in story):
            raise ModelError(f"{path} does not tell the story of its training: recipe, data and results.")
        classes, pixels = _listed(says["classes"]), Pixels.from_json(says["pixels"])
        outputs = anatomy(net, shape).output
        if outputs != (len(classes),) and not (outputs == (1,) and len(classes) == 2):
            raise ModelError(f"{path} names {len(classes)} classes, but its network gives {shown(outputs)}.")
        if pixels.shape != shape:
            raise ModelError(f"{path} makes pictures of {shown(pixels.shape)}, but its network reads {shown(shape)}.")
        with torch.device("meta"):  # shapes alone: what does not match is refused before it takes memory
            weights.match(build(net, shape, None).state_dict(), tensors, path)
        network = build(net, shape, None)
        network.load_state_dict(tensors)
        return Model(net, shape, classes, pixels, network.eval(), *story)
    except ModelError:
        raise
    except (HubelError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} says what cannot be: {type(error).__name__}: {error}") from None


def _listed(classes: Any) -> tuple[str, ...]:
    if not isinstance(classes, list):
        raise ValueError("its classes are no list")
    return tuple(map(str, classes))
