"""A run as TensorBoard shows it: training and validation over one another, by steps."""

from __future__ import annotations

from pathlib import Path

from hubel.training.events import Events
from hubel.training.records import Epoch, Step


class Board:
    """Event files of a run in two folders, train and validation, whose numbers of one name share a chart.

    steps: of an epoch. done: steps that the run stands at; what is written of later ones is cut off.
    """

    def __init__(self, folder: Path, steps: int, done: int) -> None:
        self.steps = steps
        self.train, self.validation = (Events(folder / name, done) for name in ("train", "validation"))

    def close(self) -> None:
        self.train.close()
        self.validation.close()

    def step(self, record: Step) -> None:
        """The rate of a step, and the loss since the last step that said one."""
        known = {} if record.loss is None else {"step/loss": record.loss}
        self.train.add((record.epoch - 1) * self.steps + record.step, {"step/lr": record.lr, **known})

    def epoch(self, record: Epoch) -> None:
        """An epoch's figures, and those by stage."""
        at, look = record.epoch * self.steps, record.look
        by_stage: dict[str, float] = {}
        for name, figures in (("gradient", look.gradients), ("silent", look.silent), ("drift", look.drift)) if look else ():
            by_stage |= {f"{name}/{stage}": figure for stage, figure in figures.items()}
        whole = {
            "loss": record.train_loss,
            "accuracy": record.train_accuracy,
            "lr": record.lr,
            "images_per_second": record.images_per_second,
        }
        self.train.add(at, whole | by_stage)
        self.validation.add(at, {"loss": record.validation_loss, "accuracy": record.validation_accuracy})
