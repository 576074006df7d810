"""MATLAB files, through SciPy's reader, which makes arrays and executes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubel.errors import PictureError


def declared(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """The shape and the kind of each variable, without reading any."""
    return {name: (shape, kind) for name, shape, kind in _asked(path, lambda matlab: matlab.whosmat(path))}


def variables(path: Path, *names: str) -> dict[str, Any]:
    """Some variables. Raises PictureError where the file is damaged or has not all of them."""
    found = _asked(path, lambda matlab: matlab.loadmat(path, variable_names=names, squeeze_me=True))
    missing = [name for name in names if name not in found]
    if missing:
        raise PictureError(f"{path} has no {missing[0]}; it is not the file that is published under this name.")
    return {name: found[name] for name in names}


def _asked(path: Path, read: Callable[[Any], Any]) -> Any:
    import scipy.io  # type: ignore[import-untyped]  # here: it takes half a second

    try:
        return read(scipy.io)
    except Exception as error:  # its parsers raise whatever the damage leads them to
        raise PictureError(f"{path} cannot be read as a MATLAB file: {' '.join(str(error).split()) or type(error).__name__}.") from None
