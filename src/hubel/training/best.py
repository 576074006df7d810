"""The model of the best epoch so far: in the run folder or, where there is none, in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from hubel import weights
from hubel.cluster import ALONE, Ranks
from hubel.errors import ModelError, RunError
from hubel.model import Model, load
from hubel.training import checkpoint, folder
from hubel.training.records import Epoch
from hubel.training.state import State


class Best:
    """`training` is the model as it is trained; its weights move on. Of several processes the first keeps them."""

    def __init__(self, training: Model, place: Path | None, ranks: Ranks = ALONE) -> None:
        self.training = training
        self.place = place
        self.ranks = ranks
        self.path = place / folder.MODEL if place else None
        self.weights: dict[str, Tensor] = {}

    def hear(self, record: Epoch) -> None:
        """Keep this epoch's weights if it is the best."""
        if not record.best:
            return
        self.training.results = _results(asdict(record))
        if self.path:
            self.training.save(self.path)
        elif self.ranks.first:
            self.weights = {name: tensor.clone() for name, tensor in self.training.network.state_dict().items()}

    def model(self) -> Model:
        """The best epoch's, ready to predict, in every process."""
        if self.path:
            best = load(self.path, self.training.network if isinstance(self.training.net, str) else None)
            self.ranks.told((best.network.state_dict(), best.results))
            return best
        found, self.training.results = self.ranks.told((self.weights, self.training.results))
        self.training.network.load_state_dict(found)
        self.training.network.eval()
        return self.training

    def mend(self, state: State) -> list[str]:
        """See that the file holds the best epoch up to `state`, or a later one that will be done again; if not, write it again.

        Gives a sentence where that was needed. Raises RunError where that epoch's checkpoint is not whole either.
        """
        best = state.best
        if self.place is None or self.path is None or not best:
            return []
        try:
            found = weights.read(self.path)[1]["results"]["epoch"]
            if found == best or found > state.epoch:
                return []
            wrong = f"{self.path} is not of epoch {best}, the best."
        except (ModelError, KeyError, TypeError) as error:
            wrong = str(error) if isinstance(error, ModelError) else f"{self.path} is no model of this run."
        source = checkpoint.of(self.place, best, 0)
        try:
            network = copy.deepcopy(self.training.network)
            network.load_state_dict(checkpoint.judged(source))
        except ModelError as error:
            raise RunError(
                f"{wrong} So epoch {best}, the best one, is lost, for its checkpoint cannot be used: {error} "
                f"Start anew in another folder with --out."
            ) from None
        replace(self.training, network=network, results=_results(state.history[best - 1])).save(self.path)
        return [f"{wrong} It was written again from {source.name}."]


def _results(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("epoch", "validation_accuracy", "validation_loss")}
