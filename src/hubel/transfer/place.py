"""The folder of a way: what it is of is written down in it, so that nothing else is put over it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubel.errors import TransferError
from hubel.placing import place
from hubel.training import folder

FILE = "transfer.json"


@contextmanager
def kept(out: Path, said: Mapping[str, Any]) -> Iterator[None]:
    """Keep other processes out of the folder, and what it says there in it. Raises TransferError where it holds something else."""
    now = json.loads(json.dumps(said))
    with folder.held(out):
        path = out / FILE
        if path.exists():
            _refuse_other(path, now)
        elif any((out / name).exists() for name in (folder.RECIPE, folder.MODEL)):
            raise TransferError(f"{out} holds a run of training already. Choose another folder with --out.")
        else:
            with folder.writing(out):
                place(path, f"{json.dumps(now, indent=1)}\n".encode())
        yield


def _refuse_other(path: Path, now: Mapping[str, Any]) -> None:
    try:
        before = json.loads(path.read_text())
        differing = [name for name in now if before[name] != now[name]]
    except (ValueError, TypeError, KeyError):
        raise TransferError(f"{path} is damaged, or of another version. Move its folder away, or choose another with --out.") from None
    if differing:
        raise TransferError(
            f"{path.parent} holds a run that began otherwise: another {', '.join(differing)}. Say the same again to go on, or choose another "
            "folder with --out."
        )
