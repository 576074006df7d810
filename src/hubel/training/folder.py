"""The files of a run folder: who holds it, how the run began, what it logged."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hubel.errors import PictureError, RunError
from hubel.pictures.pixels import Pixels
from hubel.placing import place
from hubel.training.recipe import Recipe

RECIPE, LOG, PICTURE, MODEL = "recipe.json", "log.jsonl", "log.png", "model.safetensors"

MEANINGS = {
    "fingerprint": "the training pictures have changed",
    "net": "the network is another one",
    "tensors": "the network has other layers",
    "weights": "the network begins with other weights (of a module, torch.manual_seed before it is made repeats fresh ones)",
    "warm": "the layers that it begins with (--warm-from) are other ones",
    "pixels": "the pictures are read otherwise",
}
VERSIONS = ("hubel", "torch", "processes")
"""With others a run goes on, aloud: sums may then be added up in another order."""
DIGEST = "sha256"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder and keep every other process out of it; the system lets go of it however this one ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"The run folder {folder} cannot be used: {error.strerror or error}. Choose another with --out.") from None
    LOCKS.add(lock)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another process is training in {folder}; wait for it, or choose another folder with --out.") from None
        except OSError as error:  # some network filesystems
            raise RunError(
                f"The run folder {folder} cannot be kept from other processes: {error.strerror}. Choose one on a local disk with --out."
            ) from None
        _sweep(folder)
        yield
    finally:
        if lock in LOCKS:
            LOCKS.remove(lock)
            os.close(lock)


LOCKS: set[int] = set()
"""Files that are open here and locked. A forked child would keep them locked after us, so it lets go of them."""


def _let_go() -> None:
    while LOCKS:
        os.close(LOCKS.pop())


os.register_at_fork(after_in_child=_let_go)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed had not finished writing; nobody else writes here now."""
    for name in (RECIPE, LOG, PICTURE, MODEL, "checkpoint-*"):
        for part in folder.glob(f".{name}.*.part"):
            part.unlink(missing_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what cannot be written, and what to do, where the disk is full or broken."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}. What was saved before is whole: make room, or mend "
            f"what is wrong, and the same command goes on from there."
        ) from None


def pixels(folder: Path) -> Pixels | None:
    """How the folder's run reads its pictures; None where there is none, or what it wrote down is damaged, which `began` says."""
    with suppress(OSError, ValueError, TypeError, KeyError, PictureError):
        return Pixels.from_json(json.loads((folder / RECIPE).read_text())["pixels"])
    return None


def began(folder: Path, said: Mapping[str, Any], asked: Recipe) -> tuple[Recipe | None, list[str]]:
    """The recipe, everything chosen, with which the folder's run began; None where none has. And what else has changed since, in sentences.

    Raises RunError, naming what differs, where that run was of something else than `said` and `asked`.
    """
    path = folder / RECIPE
    if not path.exists():
        if any(folder.glob("checkpoint-*")):
            raise RunError(f"{folder} holds checkpoints, but no {RECIPE}, which says of what. Choose another folder with --out.")
        return None, []
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict) or before.pop(DIGEST, None) not in (None, _digest(before)):
            raise ValueError  # earlier ones have no digest
        chosen = Recipe(**before.pop("recipe"))
        asked_before = before.pop("asked")
        earlier = {**asdict(Recipe()), **before, **asked_before}  # what a run could not say yet was as it is by default
    except (ValueError, TypeError, KeyError):
        raise RunError(f"{path} is damaged: it is no recipe of ours. Move {folder} away, or choose another folder with --out.") from None
    now = json.loads(json.dumps({**said, **asdict(asked)}))
    differing = [name for name in now if earlier.get(name) != now[name] and name not in VERSIONS]
    if differing and not any(folder.glob("checkpoint-*")):
        return None, []  # nothing was trained there that another run could spoil
    if differing:
        words = [MEANINGS.get(name) or f"{name} was {earlier.get(name)!r} and is {now[name]!r}" for name in differing]
        raise RunError(
            f"{folder} holds a run that began otherwise: {'; '.join(words)}. Say the same again to go on, or choose another folder with --out."
        )
    changed = [f"{name} was {earlier[name]!r} and is {now[name]!r}" for name in VERSIONS if earlier.get(name, now[name]) != now[name]]
    return chosen, [f"This run goes on, but not to the same bits as before: {'; '.join(changed)}."] if changed else []


def begin(folder: Path, said: Mapping[str, Any], asked: Recipe, chosen: Recipe) -> None:
    """Write down how a run begins."""
    says = json.loads(json.dumps({**said, "asked": asdict(asked), "recipe": asdict(chosen)}))
    place(folder / RECIPE, f"{json.dumps({**says, DIGEST: _digest(says)}, indent=1)}\n".encode())


def _digest(says: Mapping[str, Any]) -> str:
    """SHA-256 of what a recipe.json says, however it is laid out."""
    return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()


def log(folder: Path, record: Mapping[str, Any]) -> None:
    """Add a line with a single write, so that a kill leaves it whole or not there. Raises OSError where there is no room for all of it."""
    line = _line(record)
    with open(folder / LOG, "ab", buffering=0) as file:
        written = file.write(line)
        if written < len(line):
            file.write(line[written:])  # which says why


def logged(folder: Path, epochs: int) -> list[dict[str, Any]]:
    """What the log says of the first `epochs` epochs. Raises ValueError where it does not say it of all."""
    path = folder / LOG
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    if len(lines) < epochs:
        raise ValueError(f"{path} has {len(lines)} lines")
    return [json.loads(line) for line in lines[:epochs]]


def mend_log(folder: Path, history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Make the log what the checkpoint says of the epochs so far: what came after it will be done again.

    Gives a sentence where more was wrong with it.
    """
    path, lines = folder / LOG, b"".join(map(_line, history))
    found = path.read_bytes() if path.exists() else b""
    if found != lines:
        place(path, lines)
    return [] if found.startswith(lines) else [f"{path} was damaged, and was written again as the checkpoint tells it."]


def _line(record: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(record)}\n".encode()
