"""A head learns from features: the loop of training, whose pictures are features."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import torch

from hubel.pictures.held import Pictures
from hubel.training import folder, probe
from hubel.training.best import Best
from hubel.training.book import Book
from hubel.training.loop import Job, records
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, Record, Stopped
from hubel.training.state import State
from hubel.training.stopping import asked_to_stop
from hubel.transfer.features import AsTheyAre
from hubel.transfer.grafting import Graft, with_head_of


def learned(graft: Graft, train: Pictures, validation: Pictures, recipe: Recipe, title: str, out: Path | None) -> Iterator[Record]:
    """Train the head on features; yields Step and Epoch records, then Finished with the whole model as it was in the best epoch.

    It takes seconds, so it is not saved on the way: the features are. Ctrl-C or SIGTERM gives Stopped. out: where the log is written.
    """
    head = copy.deepcopy(graft.head)
    job = Job(recipe, AsTheyAre(tuple(train.pixels.shape[1:])), train, validation)
    before = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, before)
        settled = probe.settled(head, job)
        probe.Way(settled.threads, settled.lanes, settled.precision).settle()
        job = replace(job, recipe=settled)
        state = State(head, settled)
        best = Best(replace(graft.model, network=state.judged), None)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            (out / folder.LOG).unlink(missing_ok=True)
        book = stack.enter_context(Book(out, title, (), job, state, False))
        stop = stack.enter_context(asked_to_stop())
        for record in records(state, job):
            record = book.heard(record)
            if isinstance(record, Epoch):
                best.hear(record)
                state.history.append(asdict(record))
                if out:
                    with folder.writing(out):
                        folder.log(out, state.history[-1])
            yield record
            if stop.is_set():
                yield Stopped(state.epoch + 1, state.step, out)
                return
        found = best.model()
    whole = replace(with_head_of(graft, found.network).model, results=found.results)
    yield Finished(whole, None, early=state.epoch < settled.epochs)
