"""The files of a run folder: who holds it, how the run began, what it logged."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hubel.errors import PictureError, RunError
from hubel.pictures.pixels import Pixels
from hubel.placing import place
from hubel.training.recipe import Recipe

RECIPE, LOG, MODEL = "recipe.json", "log.jsonl", "model.safetensors"

MEANINGS = {
    "fingerprint": "the training pictures have changed",
    "net": "the network is another one",
    "tensors": "the network has other layers",
    "weights": "the network comes with other weights (torch.manual_seed before it is made repeats fresh ones)",
    "warm": "the layers that it begins with (--warm-from) are other ones",
    "pixels": "the pictures are read otherwise",
}
VERSIONS = ("hubel", "torch", "processes")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder and keep every other process out of it; the system lets go of it however this one ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"The run folder {folder} cannot be used: {error.strerror or error}. Choose another with --out.") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another process is training in {folder}; wait for it, or choose another folder with --out.") from None
        yield
    finally:
        os.close(lock)


def pixels(folder: Path) -> Pixels | None:
    """How the folder's run reads its pictures; None where there is none, or what it wrote down is damaged, which `began` says."""
    with suppress(OSError, ValueError, TypeError, KeyError, PictureError):
        return Pixels.from_json(json.loads((folder / RECIPE).read_text())["pixels"])
    return None


def began(folder: Path, said: Mapping[str, Any], asked: Recipe) -> Recipe | None:
    """The recipe, everything chosen, with which the folder's run began; None where none has.

    Raises RunError, naming what differs, where that run was of something else than `said` and `asked`.
    """
    path = folder / RECIPE
    if not path.exists():
        return None
    try:
        before = json.loads(path.read_text())
        chosen = Recipe(**before.pop("recipe"))
        asked_before = before.pop("asked")
        earlier = {**asdict(Recipe()), **before, **asked_before}  # what a run could not say yet was as it is by default
    except (ValueError, TypeError, KeyError):
        raise RunError(f"{path} is damaged: it is no recipe of ours. Move {folder} away, or choose another folder with --out.") from None
    now = json.loads(json.dumps({**said, **asdict(asked)}))
    differing = [name for name in now if earlier.get(name) != now[name] and name not in VERSIONS]
    if differing and not any(folder.glob("checkpoint-*")):
        return None  # nothing was trained there that another run could spoil
    if differing:
        words = [MEANINGS.get(name) or f"{name} was {earlier.get(name)!r} and is {now[name]!r}" for name in differing]
        raise RunError(
            f"{folder} holds a run that began otherwise: {'; '.join(words)}. Say the same again to go on, or choose another folder with --out."
        )
    return chosen


def begin(folder: Path, said: Mapping[str, Any], asked: Recipe, chosen: Recipe) -> None:
    """Write down how a run begins."""
    text = json.dumps({**said, "asked": asdict(asked), "recipe": asdict(chosen)}, indent=1)
    place(folder / RECIPE, f"{text}\n".encode())


def log(folder: Path, record: Mapping[str, Any]) -> None:
    """Add a line with a single write, so that a kill leaves it whole or not there."""
    file = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{json.dumps(record)}\n".encode())
    finally:
        os.close(file)


def trim_log(folder: Path, epochs: int) -> None:
    """Keep the lines of the first `epochs` epochs: what came after the checkpoint will be done again."""
    path = folder / LOG
    if path.exists():
        lines = path.read_bytes().split(b"\n")[:-1][:epochs]
        place(path, b"".join(line + b"\n" for line in lines))
