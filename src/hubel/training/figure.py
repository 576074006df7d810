"""A run that is watched in a notebook: one figure, drawn anew in its place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from hubel.training.plot import Pace, plot, png
from hubel.training.records import Epoch, Record, Started

Show = Callable[[bytes], None]
"""Takes a PNG, and shows it in place of the one before."""


def watch(records: Iterable[Record], title: str = "") -> Iterator[Record]:
    """Pass the records of a run on, and show its losses, accuracies and learning rate in one figure, drawn anew after each epoch.

    `for record in hubel.watch(hubel.train(...))`. The figure is shown in a notebook (IPython with a kernel); elsewhere
    nothing is. What is found wrong stands below the figure.
    """
    show = _notebook()
    if show is None:
        yield from records
    else:
        yield from _watched(records, title, show)


def _watched(records: Iterable[Record], title: str, show: Show) -> Iterator[Record]:
    epochs: list[Epoch] = []
    pace, behind = Pace(), False
    try:
        for record in records:
            if isinstance(record, Started):
                epochs.extend(record.earlier)
                behind = bool(epochs)
            elif isinstance(record, Epoch):
                epochs.append(record)
                behind = True
            if behind and pace.due():
                pace.draw(lambda: show(png(plot(epochs, title))))
                behind = False
            yield record
    finally:
        if behind:
            show(png(plot(epochs, title)))


def _notebook() -> Show | None:
    """What shows a picture in the notebook that this runs in; None where it runs in none."""
    if "ipykernel" not in sys.modules:
        return None
    shell = import_module("IPython").get_ipython()
    if not isinstance(shell, import_module("ipykernel.zmqshell").ZMQInteractiveShell):
        return None
    display = import_module("IPython.display")
    handle = display.display(display_id=True)

    def show(picture: bytes) -> None:
        handle.update(display.Image(data=picture, format="png"))

    return show
