"""A study's arms are run one after another, each with every seed in a folder of its own. What is done already is not done again."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hubel import weights
from hubel.errors import RunError
from hubel.model import Model
from hubel.pictures.sources import Source
from hubel.pictures.told import Told as Telling
from hubel.placing import place
from hubel.studies.study import Arm, FromBase, FromScratch, Study
from hubel.training.folder import writing
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, Started, Stopped
from hubel.training.run import train
from hubel.transfer.comparing import tested
from hubel.transfer.records import Phase, Told, Transferred
from hubel.transfer.ways import recipe_of, transfer

ENDED, SPENT = "ended.json", "spent.json"
"""In the folder of a run: what it came to, and the seconds that it has taken so far."""


@dataclass(frozen=True)
class Curve:
    """A phase of a run: accuracy, of training and validation pictures, by epoch."""

    phase: str
    train: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True)
class Begun:
    """An arm begins, with a base ("" where there is none) and a seed."""

    arm: Arm
    base: str
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class Ran:
    """An arm has ended: what it came to with one base and one seed."""

    arm: str
    base: str
    seed: int
    recipe: Mapping[str, Any]
    """As it was asked for."""
    phase: str
    """Of the best epoch."""
    epoch: int
    """The best one, from 1 in its phase."""
    validation: float
    """Accuracy at the best epoch."""
    test: float
    """Accuracy of the best epoch's model on the test pictures."""
    interval: tuple[float, float]
    """Wilson's, of the test accuracy."""
    seconds: float
    """On the clock, over all starts; features that lay on the disk already took none."""
    curves: tuple[Curve, ...]


Running = Told | Begun | Ran


def run(
    study: Study,
    source: Source,
    bases: Mapping[str, Model],
    out: Path,
    seeds: Sequence[int] = (0,),
    epochs: int | None = None,
    told: Telling | None = None,
) -> Iterator[Running]:
    """Run every arm; yields Begun, the records of training and transfer, and Ran for each, or ends with Stopped.

    source: with train, validation and test splits. bases: trained models, by the names that they are to have; without one, arms that begin with a
    base are left out. epochs: of every arm, in the place of its recipe's. The same call goes on where it was stopped. Raises RunError where a
    folder holds the end of another run.
    """
    fingerprint = source.fingerprint(told)
    digests = {name: weights.digest(dict(base.network.state_dict())) for name, base in bases.items()}
    for arm in study.arms:
        for name in bases if isinstance(arm.how, FromBase) else ("",):
            for seed in seeds:
                recipe = replace(recipe_for(arm, bases.get(name)), seed=seed)
                recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
                yield Begun(arm, name, seed, recipe)
                folder = out / "-".join(f"{arm.name} {name}".split()) / str(seed)
                asked = {"how": repr(arm.how), "recipe": asdict(recipe), "base": digests.get(name, ""), "pictures": fingerprint}
                ran = ended(folder, asked)
                if ran is None:
                    ran = yield from _ran(arm, bases.get(name), name, source, recipe, folder, told)
                    if ran is None:
                        return
                    _write(folder / ENDED, {"asked": asked, "ran": asdict(ran)})
                yield ran


def recipe_for(arm: Arm, base: Model | None) -> Recipe:
    """What an arm is run with, seed and epochs aside."""
    if isinstance(arm.how, FromScratch):
        return arm.how.recipe
    assert base is not None
    return arm.how.recipe or recipe_of(arm.how.way, base)


def ended(folder: Path, asked: Mapping[str, Any]) -> Ran | None:
    """What the folder's run came to, None where it has not ended. Raises RunError where that was a run of something else, or cannot be read."""
    path = folder / ENDED
    if not path.exists():
        return None
    try:
        before = json.loads(path.read_text())
        ran = dict(before["ran"])
        curves = tuple(Curve(one["phase"], tuple(one["train"]), tuple(one["validation"])) for one in ran.pop("curves"))
        found, earlier = Ran(**{**ran, "interval": tuple(ran["interval"])}, curves=curves), before["asked"]
    except (OSError, ValueError, TypeError, KeyError):
        raise RunError(f"{path} is damaged. Remove it, and the same command makes it anew.") from None
    now = json.loads(json.dumps(asked))
    if earlier != now:
        differing = [name for name in now if earlier.get(name) != now[name]]
        raise RunError(
            f"{folder} holds a run that began otherwise: another {', another '.join(differing)}. "
            "Say the same again to go on, or choose another folder with --out."
        )
    return found


def _ran(
    arm: Arm, base: Model | None, name: str, source: Source, recipe: Recipe, folder: Path, told: Telling | None
) -> Generator[Running, None, Ran | None]:
    """Run an arm to its end, and test its model; gives None where it was stopped."""
    phases: dict[str, list[Epoch]] = {}
    phase, model = "training", None
    with _timed(folder):
        for record in _records(arm, base, source, recipe, folder, told):
            yield record
            if isinstance(record, Stopped):
                return None
            if isinstance(record, Phase):
                phase = record.name
            elif isinstance(record, Started):
                phases[phase] = list(record.earlier)
            elif isinstance(record, Epoch):
                phases.setdefault(phase, []).append(record)
            elif isinstance(record, Finished | Transferred):
                model = record.model
    assert model is not None
    report, epoch, validation = tested(model, source, told), model.results["epoch"], model.results["validation_accuracy"]
    curves = tuple(_curve(called, epochs) for called, epochs in phases.items())
    # of equals the first, as transfer has it
    best = next(curve.phase for curve in curves if curve.validation[epoch - 1 : epoch] == (validation,))
    ends = report.accuracy, report.interval, _spent(folder), curves
    return Ran(arm.name, name, recipe.seed, asdict(recipe), best, epoch, validation, *ends)


def _curve(phase: str, epochs: Sequence[Epoch]) -> Curve:
    return Curve(phase, tuple(one.train_accuracy for one in epochs), tuple(one.validation_accuracy for one in epochs))


def _records(arm: Arm, base: Model | None, source: Source, recipe: Recipe, folder: Path, told: Telling | None) -> Iterator[Told]:
    if isinstance(arm.how, FromScratch):
        return train(arm.how.net, source, recipe, folder, arm.how.input, told=told)
    assert base is not None
    return transfer(base, source, arm.how.way, recipe, out=folder, told=told)


@contextmanager
def _timed(folder: Path) -> Iterator[None]:
    """Add the seconds that the block takes to those that the folder's run has taken before, however the block ends."""
    since, before = time.perf_counter(), _spent(folder)
    try:
        yield
    finally:
        _write(folder / SPENT, {"seconds": before + time.perf_counter() - since})


def _spent(folder: Path) -> float:
    """Seconds that a run has taken so far, as far as they could be written down."""
    try:
        return float(json.loads((folder / SPENT).read_text())["seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0


def _write(path: Path, says: Mapping[str, Any]) -> None:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        place(path, f"{json.dumps(says)}\n".encode())
