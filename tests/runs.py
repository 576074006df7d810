"""Small sets and runs for the tests of training."""

import json
import multiprocessing
import os
import signal
import sys

import numpy as np
from PIL import Image
from torch import nn

import hubel
import hubel.cli
from hubel import weights
from hubel.pictures.sources import Source, Split
from hubel.training.recipe import Recipe

NET = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> Dropout(0.2) >> FC(3)"
RECIPE = Recipe(epochs=3, batch=16, lr=0.05, shift=0.2, flip=True, threads=1, lanes=1, precision="fp32", validation=0.2)


class Twice(nn.Module):
    """One batch norm under two names."""

    def __init__(self):
        super().__init__()
        self.conv, self.again = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm = self.same = nn.BatchNorm2d(4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        x = self.same(self.again(self.norm(self.conv(x)).relu())).relu()
        return self.out(x.mean((2, 3)))


class Tied(nn.Module):
    """One matrix in two modules, of which one stands under two names."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(64, 64)
        self.third, self.out = nn.Linear(64, 64), nn.Linear(64, 3)
        self.third.weight = self.first.weight

    def forward(self, x):
        return self.out(self.third(self.second(self.first(x.flatten(1)).relu()).relu()).relu())


def drawings(count=90, classes=3, seed=0):
    """Noisy 8x8 pictures, a bright bar in the row of their class: (n, 8, 8) and labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pictures = draw.integers(0, 120, (count, 8, 8))
    pictures[np.arange(count), 2 + labels] += 130
    return pictures.astype(np.uint8), labels


def source(count=90, classes=3, seed=0, validation=False):
    """A set of drawings whose test split must not be touched."""

    def opener(seed):
        pictures, labels = drawings(count, classes, seed)
        return lambda: Split([f"drawing {i}" for i in range(count)], labels, lambda i: Image.fromarray(pictures[i]))

    def forbidden():
        raise AssertionError("training opened the test split")

    openers = {"train": opener(seed), "test": forbidden}
    if validation:
        openers["validation"] = opener(seed + 1)
    return Source("drawings", tuple("abcdefgh"[:classes]), openers)


def folder(place, count=90, classes=3):
    """The drawings as PNG files in class folders."""
    pictures, labels = drawings(count, classes)
    for i, (picture, label) in enumerate(zip(pictures, labels)):
        path = place / "abcdefgh"[label] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return place


def train(out=None, net=NET, data=None, recipe=RECIPE, **others):
    return hubel.train(net, data or source(), recipe, out, input=(1, 8, 8), **others)


def ended(out):
    """What a run came to, its clock left out: the digests of the last checkpoint and the model, and the log."""
    last = sorted(out.glob("checkpoint-*.safetensors"))[-1]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    clocks = ("seconds", "images_per_second")
    return (
        weights.digest(weights.read(last)[0]),
        weights.digest(weights.read(out / "model.safetensors")[0]),
        [{name: value for name, value in line.items() if name not in clocks} for line in log],
    )


FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["hubel.cli", "hubel.training.run", "torch._dynamo"])


class Process:
    """A process of its own that does work(*given), which is its exit status: forked from one that has imported torch, it starts at once.

    As much of subprocess.Popen as the tests use; `stdout` has both of its outputs. Its environment is that of the test.
    """

    def __init__(self, work, *given):
        reader, writer = FORKING.Pipe(duplex=False)
        self.process = FORKING.Process(target=_forked, args=(writer, dict(os.environ), work, given))
        self.process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()))
        reader.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wait()
        self.stdout.close()

    @property
    def returncode(self):
        return self.process.exitcode

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()

    def wait(self):
        self.process.join()
        return self.returncode

    def communicate(self):
        with self.stdout:
            said = self.stdout.read()
        self.wait()
        return said, None


def _forked(output, environment, work, given):
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    sys.exit(work(*given))


def hubel_process(*words, seconds=0.0):
    """A process that runs the command line; after so many `seconds` of processor time, if any, it is killed."""
    return Process(_command_line, [str(word) for word in words], seconds)


def _command_line(words, seconds):
    signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF, which nobody handles, ends a process as SIGKILL does: at once
    return hubel.cli.main(words)
