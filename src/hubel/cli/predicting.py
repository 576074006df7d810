"""hubel predict: what stands in pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.cli import models
from hubel.cli.tables import as_json, as_table
from hubel.cli.writing import plain
from hubel.errors import HubelError, PictureError

if TYPE_CHECKING:
    from PIL import Image

    from hubel.model import Model

Asked = tuple[str, Any, str | None]
"""A picture that the user named: its name, its path or itself, and its true class if that is known."""

SHADES = " ░▒▓█"


def declare(verbs: Any) -> None:
    predict = verbs.add_parser("predict", allow_abbrev=False, help="what stands in pictures")
    models.declare(predict)
    predict.add_argument(
        "pictures", nargs="+", metavar="FILE", help="picture files, folders of them, or a set with a test split, such as digits"
    )
    predict.add_argument("--sample", type=int, metavar="N", help="only N of them, drawn by --seed")
    predict.add_argument("--seed", type=int, default=0, metavar="N", help="decides the sample (default 0)")
    predict.add_argument("--top", type=int, default=1, metavar="K", help="the K likeliest classes of each (default 1)")
    predict.add_argument("--draw", action="store_true", help="draw each picture in the terminal")
    predict.add_argument("--json", action="store_true", help="print JSON")
    predict.set_defaults(run=run_predict)


def run_predict(given: argparse.Namespace) -> int:
    from hubel.cluster import joined

    if given.top < 1 or (given.sample is not None and given.sample < 1):
        raise HubelError("--top and --sample take whole numbers from 1 on.")
    model = models.opened(given)
    asked = _sampled(_gathered(given.pictures), given.sample, given.seed)
    with joined() as ranks:
        answers: Iterable[Answer] = _answers(model, asked[ranks.rank :: ranks.size], given.top, given.draw and not given.json)
        if not ranks.alone:
            answers = [one for some in zip_longest(*ranks.gathered(list(answers))) for one in some if one]
    if not ranks.first:
        return 0
    rows, failed = [], 0
    for answer in answers:
        if answer.error:
            print(plain(f"hubel: {answer.name}: {answer.error}"), file=sys.stderr)
            failed += 1
            continue
        if answer.drawing:
            print(answer.drawing)
            said = ", ".join(f"{label} {100 * share:.1f}%" for label, share in answer.ranked)
            print(plain(f"{answer.name}: {said}{f' (it is {answer.truth})' if answer.truth else ''}"), end="\n\n")
        label, probability = answer.ranked[0]
        found: dict[str, Any] = {"picture": answer.name, "label": label, "probability": probability, "top": dict(answer.ranked)}
        rows.append({**found, "truth": answer.truth} if answer.truth else found)
    if given.json:
        as_json(rows)
    elif rows and not given.draw:
        table = [{**row, "probability": f"{100 * row['probability']:.1f}%", "then": _rest(row["top"])} for row in rows]
        as_table(
            table, ["picture", "label", "probability", *(["truth"] if "truth" in rows[0] else []), *(["then"] if given.top > 1 else [])]
        )
    return 1 if failed else 0


@dataclass(frozen=True)
class Answer:
    """What a model says of a picture that the user named, or why it can say nothing."""

    name: str
    truth: str | None
    ranked: tuple[tuple[str, float], ...] = ()
    drawing: str = ""
    error: str = ""


def _answers(model: Model, asked: list[Asked], top: int, draw: bool) -> Iterator[Answer]:
    from hubel.pictures.apart import opened_apart

    opened = opened_apart([picture for _, picture, _ in asked if isinstance(picture, Path)], model.pixels)
    for name, picture, truth in asked:
        try:
            image = next(opened) if isinstance(picture, Path) else picture
            if isinstance(image, PictureError):
                raise image
            yield Answer(name, truth, model.predict(image).ranked[:top], drawn(image) if draw else "")
        except PictureError as error:
            yield Answer(name, truth, error=str(error))


def _rest(top: dict[str, float]) -> str:
    return ", ".join(f"{label} {100 * share:.1f}%" for label, share in list(top.items())[1:])


def _gathered(places: list[str]) -> list[Asked]:
    """Every picture that the user named."""
    from hubel.pictures.sources import is_packed, open_source

    found: list[Asked] = []
    for place in places:
        path = Path(place)
        if is_packed(place):
            source = open_source(place)
            split = source.testing()
            found += [(split.names[i], split.read(i), source.classes[label]) for i, label in enumerate(split.labels)]
        elif path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if entry.is_file() and not entry.name.startswith("."))
            if not inside:
                raise PictureError(f"There are no pictures in {place}.")
            found += [(str(entry), entry, None) for entry in inside]
        else:
            found.append((place, path, None))
    return found


def _sampled(pictures: list[Any], count: int | None, seed: int) -> list[Any]:
    import random

    return pictures if count is None or count >= len(pictures) else random.Random(seed).sample(pictures, count)


def drawn(picture: Image.Image, widest: int = 40) -> str:
    """The picture in shades of grey, two characters a pixel."""
    from hubel.pictures.flattening import flattened

    grey = flattened(picture, "L", 0)
    if grey.width > widest:
        grey = grey.resize((widest, max(1, grey.height * widest // grey.width)))
    values = list(grey.tobytes())
    rows = [values[start : start + grey.width] for start in range(0, len(values), grey.width)]
    return "\n".join("".join(SHADES[value * len(SHADES) // 256] * 2 for value in row) for row in rows)
