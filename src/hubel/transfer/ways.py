"""The three ways to use a trained base: its features, the frozen base, and fine-tuning. Each is a generator of records.

An untrained head never sends gradients into the base: fine-tuning begins with the head that the features have taught.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel.errors import TransferError, choices
from hubel.evaluation import scored
from hubel.evaluation.calibration import fitted
from hubel.joints import Chain, Shape
from hubel.model import Model
from hubel.pictures.feeding import feed
from hubel.pictures.held import Pictures
from hubel.pictures.loader import parted
from hubel.pictures.sources import Source, open_source
from hubel.pictures.told import Told as Telling
from hubel.training import folder
from hubel.training.loop import augmentation_of
from hubel.training.recipe import Recipe
from hubel.training.records import Finished, LeftOut
from hubel.training.reserved import reserved
from hubel.training.run import train
from hubel.transfer.features import AsTheyAre, Cost, Views, features
from hubel.transfer.grafting import HEAD, Graft, base_digest, drifted, frozen_but, grafted, last_convolutions, moved
from hubel.transfer.head import learned
from hubel.transfer.place import kept
from hubel.transfer.recipes import NORMED, RECIPES, WAYS
from hubel.transfer.records import Phase, Told, Transferred


@dataclass(frozen=True)
class Wish:
    """What a user wants of a way, beside its recipe."""

    head: str = "notes"
    views: int = 0
    """Of features: changed views of each picture, beside the picture itself."""
    release: tuple[str, ...] = ()
    """Of finetune: the stages that learn; none: the last three convolutions."""
    all: bool = False
    """Of finetune: whether all of the base learns at the end."""
    input: Shape | None = None
    strict: bool = False


PLAIN = Wish()

UNCHANGED: dict[str, Any] = {field.name: field.default for field in fields(Recipe) if field.metadata["changes"]}
"""What a recipe says where pictures are left as they are."""


def transfer(
    base: Model,
    data: str | Path | Source,
    way: str,
    recipe: Recipe | None = None,
    wish: Wish = PLAIN,
    out: str | Path | None = None,
    told: Telling | None = None,
) -> Iterator[Told]:
    """Put a trained network to other classes; yields Phase and the records of training, then Transferred (or Stopped).

    base: a trained model. way: features, frozen or finetune. recipe: None for the way's own. out: the folder of the run, each phase in
    a folder of its own within; the model of the last in it. The same call goes on where it was stopped. Without it nothing is
    written but features, into the cache. Raises TransferError where the network cannot be used so.
    """
    if way not in WAYS:
        raise TransferError(choices(way, WAYS, "way"))
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise TransferError("Trained weights are put to other classes by one process; train(model, ...) is what several processes can do.")
    source = data if isinstance(data, Source) else open_source(data, told)
    chosen = recipe or recipe_of(way, base)
    graft = grafted(base, source.classes, wish.head, wish.input, chosen.seed)
    place = None if out is None else Path(out)
    _refuse_unheeded(way, chosen, wish)
    said = {"way": way, "base": graft.digest, "wish": asdict(wish), "recipe": asdict(chosen), "classes": source.classes}
    with kept(place, said) if place else nullcontext():
        going = {"features": _features, "frozen": _frozen, "finetune": _finetune}[way](graft, source, chosen, wish, place, told)
        for record in going:
            if isinstance(record, Transferred) and place:
                with folder.writing(place):
                    record.model.save(place / folder.MODEL)
            yield record


def _refuse_unheeded(way: str, recipe: Recipe, wish: Wish) -> None:
    """Raise TransferError for what is asked and would not be done."""
    if recipe.frozen:
        raise TransferError(f"The recipe has frozen={recipe.frozen!r}; here the way says what stays as it is, and release what learns.")
    if wish.views < 0:
        raise TransferError(f"{wish.views} views of each picture are asked for; it must be 0 or more.")
    changed = [name for name, value in UNCHANGED.items() if getattr(recipe, name) != value]
    if way == "features" and changed and not wish.views:
        raise TransferError(
            f"The recipe has {changed[0]}={getattr(recipe, changed[0])!r}, but features are of pictures as they are: say how many changed views "
            "of each are wanted with --views (views=), or leave it out."
        )
    whole = (("batch", recipe.batch > 0), ("precision", recipe.precision != "fp16"), ("initialisation", recipe.initialisation == "auto"))
    for name, holds in whole if way == "features" else ():
        if not holds:
            raise TransferError(
                f"The recipe has {name}={getattr(recipe, name)!r}, which is not for features: leave it out, or say another."
            )
    if wish.views and (recipe.random_resized_crop or recipe.scale_jitter):
        raise TransferError("Views are of whole pictures: parts drawn at random are for the ways frozen and finetune.")
    if wish.views and recipe.colour_noise and not recipe.axes:
        raise TransferError("Views with colour_noise need the colours' axes: say --colour-axes, twelve numbers, or leave the noise out.")
    if way != "finetune" and (wish.release or wish.all):
        raise TransferError(f"Nothing of the base is released on the way {way}: leave --release and --then-all out, or say --way finetune.")


def recipe_of(way: str, base: Model) -> Recipe:
    """What a way starts from: fine-tuning takes larger steps where batch norm keeps a network in place."""
    normed = any(path.endswith("running_mean") for path in base.network.state_dict())
    return replace(RECIPES[way], lr=NORMED) if way == "finetune" and normed else RECIPES[way]


def unchanged(recipe: Recipe) -> Recipe:
    """The recipe for pictures as they are."""
    return replace(recipe, **UNCHANGED)


@dataclass
class Clock:
    """Seconds by phase."""

    seconds: dict[str, float]

    def timed(self, name: str, records: Iterator[Told]) -> Iterator[Told]:
        """The records, with the time that they took put down under a name."""
        since = time.perf_counter()
        yield from records
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - since


# --- features ---------------------------------------------------------------------------------------------------------


def _features(graft: Graft, source: Source, recipe: Recipe, wish: Wish, out: Path | None, told: Telling | None) -> Iterator[Told]:
    clock = Clock({})
    taught = yield from _taught(graft, source, recipe, wish, out, told, clock)
    if taught:
        yield _come(graft, taught, "features", clock)


def _taught(
    graft: Graft, source: Source, recipe: Recipe, wish: Wish, out: Path | None, told: Telling | None, clock: Clock
) -> Generator[Told, None, Model | None]:
    """Teach the head from features; gives the whole model, or None where it was stopped."""
    augmentation = augmentation_of(recipe, graft.model.pixels)
    if wish.views and augmentation.leaves_alone:
        augmentation = augmentation_of(RECIPES["frozen"], graft.model.pixels)
    drawn = Views(wish.views, augmentation, recipe.seed)
    held = replace(unchanged(recipe), precision="fp32", threads=recipe.threads or 1, lanes=recipe.lanes or 1)
    yield Phase("features", "the base runs once over the pictures")
    train, validation, cost = _divided(graft, source, drawn, recipe, wish.strict, told)
    clock.seconds |= {"decoding": cost.decoding, "base": cost.base}
    shape = "x".join(map(str, train.pixels.shape[1:]))
    yield Phase(
        "features",
        f"{len(train) + len(validation):,} of {shape}, "
        + (
            f"computed in {cost.decoding + cost.base:.1f} s ({cost.pictures / (cost.decoding + cost.base):,.0f} images/s)"
            if cost.pictures
            else "as they lay on the disk"
        ),
    )
    yield from _odd(source, train, validation)
    yield Phase("head", f"learns from the features of {len(train):,}, judged by {len(validation):,}", held.epochs)
    finished = None
    for record in clock.timed("head", learned(graft, train, validation, held, f"head on {source.name}", out and out / "head")):
        yield record
        finished = record if isinstance(record, Finished) else finished
    if finished is None:
        return None
    model = replace(finished.model, recipe=asdict(recipe), data={"name": source.name})
    found = AsTheyAre(tuple(validation.pixels.shape[1:]))
    return _calibrated(model, *scored(model.network.get_submodule(HEAD), validation, found))


def _odd(source: Source, train: Pictures, validation: Pictures) -> Iterator[Told]:
    """What was left out of the set, or lost in reading its pictures."""
    for note in source.notes:
        yield Phase("note", note)
    refused = tuple({one.name: one for one in (*train.refused, *validation.refused)}.values())
    if refused:
        yield LeftOut(refused)
    parts = (train, validation) if "validation" in source.openers else (train,)
    for what, count in sum((Counter(part.lost) for part in parts), Counter()).items():
        yield Phase("note", f"of {count:,} picture{'s' if count > 1 else ''} something was lost: {what}.")


def _divided(
    graft: Graft, source: Source, drawn: Views, recipe: Recipe, strict: bool, told: Telling | None
) -> tuple[Pictures, Pictures, Cost]:
    """Features to learn from and to validate on, as training divides the pictures, and what they cost."""
    found, cost = features(graft, source.training(), drawn, recipe.precision, strict, told)
    if "validation" in source.openers:
        validation, more = features(graft, source.split("validation"), Views(), recipe.precision, strict, told)
        return found, validation, cost + more
    count = len(found) // (drawn.count + 1)
    learn, validate = parted(found.labels[:count], recipe.validation, recipe.seed)
    every = torch.cat([learn + view * count for view in range(drawn.count + 1)])
    return found.subset(every), found.subset(validate), cost


# --- the frozen base, and fine-tuning ---------------------------------------------------------------------------------


def _frozen(graft: Graft, source: Source, recipe: Recipe, wish: Wish, out: Path | None, told: Telling | None) -> Iterator[Told]:
    clock = Clock({})
    yield Phase("frozen", "the head learns from changed pictures, the base stays as it is", recipe.epochs)
    held = replace(recipe, frozen=" ".join(graft.stages))
    finished = yield from _run("frozen", graft.model, source, held, wish, out, told, clock)
    if finished:
        yield _come(graft, _judged(finished.model, source, wish, told), "frozen", clock)


def _finetune(graft: Graft, source: Source, recipe: Recipe, wish: Wish, out: Path | None, told: Telling | None) -> Iterator[Told]:
    clock = Clock({})
    first = replace(RECIPES["features"], seed=recipe.seed, validation=recipe.validation, keep=recipe.keep)
    taught = yield from _taught(graft, source, first, wish, out, told, clock)
    if taught is None:
        return
    models = [taught]
    net = graft.model.expression
    assert isinstance(net, Chain)
    parts = [("stages", frozen_but(net, wish.release or last_convolutions(net)))]
    for name, frozen in parts + ([("all", "")] if wish.all else []):
        yield Phase(
            name, f"{_released(net, wish) if frozen else 'all stages of the base'} learn too, at a rate of {recipe.lr:g}", recipe.epochs
        )
        finished = yield from _run(name, models[-1], source, replace(recipe, frozen=frozen), wish, out, told, clock)
        if finished is None:
            return
        models.append(finished.model)
    best = max(models, key=_worth)
    if best is taught:
        yield Phase(
            "finetune", "moving the base made nothing better on the validation pictures, so the head's model on the base as it was is kept"
        )
    yield _come(graft, best if best is taught else _judged(best, source, wish, told), "finetune", clock)


def _released(net: Chain, wish: Wish) -> str:
    return " ".join(wish.release) if wish.release else f"the last convolutions ({', '.join(last_convolutions(net))})"


def _worth(model: Model) -> tuple[float, float]:
    """What a model is chosen by: the first of equals stays."""
    return model.results["validation_accuracy"], -model.results["validation_loss"]


def _run(
    name: str, model: Model, source: Source, recipe: Recipe, wish: Wish, out: Path | None, told: Telling | None, clock: Clock
) -> Generator[Told, None, Finished | None]:
    """Train a model on, in a folder of its own; gives its Finished, or None where it was stopped."""
    finished = None
    for record in clock.timed(name, train(model, source, recipe, out and out / name, None, wish.strict, told)):
        yield record
        finished = record if isinstance(record, Finished) else finished
    if finished:
        finished.model.network.cpu()
    return finished


def _come(graft: Graft, model: Model, way: str, clock: Clock) -> Transferred:
    """The end of a way: its model, and what has become of the base."""
    model, before = replace(model, data={**model.data, "way": way}), graft.model
    return Transferred(way, model, clock.seconds, (graft.digest, base_digest(model.network)), moved(before, model), drifted(before, model))


def _judged(model: Model, source: Source, wish: Wish, told: Telling | None) -> Model:
    """A model of a run of training, with the temperature that the pictures on which it was validated tell of."""
    telling = None if told is None else lambda done, count: told("calibrating", done, count)
    if "validation" in source.openers:
        held = feed(source.split("validation"), model.pixels, strict=wish.strict)
    else:
        held = reserved(model, source, wish.strict)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scores, labels = scored(model.network.to(device), held.to(device), model.pixels, told=telling)
    model.network.cpu()
    return _calibrated(model, scores.cpu(), labels.cpu())


def _calibrated(model: Model, scores: Tensor, labels: Tensor) -> Model:
    """The model at the temperature that scores (N, outputs) and labels (N,) tell of; as it is where they do not tell it from 1."""
    fit = fitted(scores, labels)
    low, high = fit.interval
    return model if fit.bounded or low <= 1 <= high else replace(model, temperature=fit.temperature)
