"""Processes that meet as torchrun's do and stay, so that many tests pay once for their start; and what they do there."""

import multiprocessing
import os
import socket
import traceback
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn

import runs
from hubel import cli
from hubel.build import build
from hubel.cluster import joined
from hubel.evaluation import scored
from hubel.nets import NETS
from hubel.pictures.loader import decoded
from hubel.pictures.pixels import Pixels
from hubel.reading import read
from hubel.training import largest, run
from hubel.training.probe import Way
from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finished, LeftOut, Started, Step
from hubel.training.syncing import synchronised


class Processes:
    """`size` processes, each of which does what it is told when all are."""

    def __init__(self, size):
        spawning = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for rank in range(size):
            ours, theirs = spawning.Pipe()
            self.processes.append(spawning.Process(target=_serve, args=(rank, size, theirs), daemon=True))
            self.pipes.append(ours)
        for process in self.processes:
            process.start()

    def do(self, task, *words, each=()):
        """What `task` gives in each process; words: what all are told, each: a list of what each is told besides."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank, pipe in enumerate(self.pipes):
            pipe.send((port, task, (*words, *(each[rank : rank + 1]))))
        answers = [pipe.recv() for pipe in self.pipes]
        for answer in answers:
            if isinstance(answer, str):
                raise AssertionError(answer)
        return [answer[0] for answer in answers]

    def end(self):
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(20)
            process.kill()


def _serve(rank, size, pipe):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), LOCAL_WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1")
    run.SAVE_EVERY = 0.0  # in this process alone
    while said := pipe.recv():
        port, task, words = said
        os.environ["MASTER_PORT"] = str(port)
        try:
            pipe.send((task(*words),))
        except BaseException:
            pipe.send(traceback.format_exc())
        if distributed.is_initialized():
            distributed.destroy_process_group()


def train(net, recipe, data, leave_after, out):
    """Train there; gives what the records said, the weights as lists, and whether there is a folder. data: for runs.source."""
    heard, steps = [], 0
    going = runs.train(out, net, runs.source(**data), recipe)
    weights_there = {}
    for record in going:
        if isinstance(record, Started):
            heard.append(("started", record.epoch, record.step))
        elif isinstance(record, Step):
            steps += 1
            heard.append((record.epoch, record.step, record.images, record.lr))
            if steps == leave_after:
                going.close()
        elif isinstance(record, Epoch):
            heard.append((record.train_loss, record.train_accuracy, record.validation_loss, record.validation_accuracy, record.left_out))
        elif isinstance(record, LeftOut):
            heard.append(tuple(sorted(refused.name for refused in record.pictures)))
        elif isinstance(record, Finished):
            weights_there = {name: tensor.numpy() for name, tensor in record.model.network.state_dict().items()}
    return heard, weights_there


class Spare(nn.Module):
    """A module that has more than it uses."""

    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Linear(64, 3), nn.Linear(64, 3)

    def forward(self, x):
        return self.used(x.flatten(1))


def score(count, net="Conv(4, 3) >> ReLU() >> GlobalAvgPool() >> FC(3)"):
    """Scores and labels of so many pictures by a network of fixed weights."""
    pictures = decoded(runs.source(count).training(), Pixels(1, 8, 8))
    with joined() as ranks:
        scores, labels = scored(build(read(net), (1, 8, 8), "he", 0), pictures, Pixels(1, 8, 8), ranks=ranks)
    return scores.numpy(), labels.numpy()


class Pictures:
    """So many training pictures, on a processor."""

    def __init__(self, count):
        self.count, self.labels = count, torch.zeros(1)

    def __len__(self):
        return self.count


def batch(name, free):
    """The batch that is chosen for a network of the casebook where so many bytes are free on this process's machine."""
    with pytest.MonkeyPatch.context() as patch, joined() as ranks:
        patch.setattr(largest, "free_memory", lambda: free)
        job = SimpleNamespace(recipe=Recipe(batch=0), train=Pictures(10**7), ranks=ranks)
        return largest.settled(NETS[name].net(), NETS[name].input, job, [Way(1, 1, "fp32")]).batch


def command(words):
    """The exit status of a command line."""
    return cli.main([str(word) for word in words])


def normed(maps):
    """A batch norm in training whose weights are not 1 and 0."""
    norm = nn.BatchNorm2d(maps)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, maps))
        norm.bias.copy_(torch.linspace(-1, 1, maps))
    return norm


def normalise(each):
    """The process's part of the pictures through a synchronised batch norm, and back: y, dx, dweight, dbias, mean, variance."""
    x, dy = each
    with joined() as ranks:
        norm = synchronised(normed(x.shape[1]), ranks)
        x.requires_grad_(True)
        y = norm(x)
        y.backward(dy)
        return y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var
