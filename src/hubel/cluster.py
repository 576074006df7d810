"""Several processes that work on one network together, as torchrun starts them: which this one is, and what they tell one another.

A process that was not started so is alone: it is the first of one, and nothing here does anything.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from hubel.errors import RunError

T = TypeVar("T")

PREPARING = timedelta(days=1)
"""How long one may wait for another that decodes a large set. One that has died is not waited for."""

WORKING = timedelta(minutes=5)
"""How long one may wait for another within a step: a machine that is cut off sends nothing, not even that it is gone."""

PAUSE = 0.05
"""Seconds before one looks again whether it was heard."""

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl.h."""


@dataclass(frozen=True)
class Ranks:
    """Which process this is, counted from 0, and of how many."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """Which of those on this machine."""
    here: int = 1
    """How many those are."""
    patient: dist.ProcessGroup | None = None
    """Through which they speak where one may have long to do before it does; while they work, it is torch's default."""

    @property
    def alone(self) -> bool:
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks to the user."""
        return self.rank == 0

    @property
    def counts(self) -> tuple[int, ...]:
        """What tells this process's random draws from the others': nothing in the first, which draws as one alone."""
        return () if self.first else (self.rank,)

    @property
    def device(self) -> torch.device:
        """Where this process computes: a GPU of its own, where the machine has some."""
        return torch.device("cuda", self.local) if torch.cuda.is_available() else torch.device("cpu")

    def part(self, numbers: Tensor) -> Tensor:
        """This process's part of some numbers (N,), one part after another as the processes are; empty where there are too few."""
        return numbers.tensor_split(self.size)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same bits on each; written over the values."""
        if not self.alone:
            dist.all_reduce(values)
        return values

    def any(self, holds: bool) -> bool:
        """Whether it holds for any of them."""
        return holds if self.alone else bool(self.total(torch.tensor(int(holds))))

    def told(self, what: T) -> T:
        """What the first process has to say, on every one of them."""
        if self.alone:
            return what
        said = [what]
        dist.broadcast_object_list(said, group=self.patient, device=torch.device("cpu"))
        return said[0]

    def gathered(self, what: T) -> list[T]:
        """What each has to say, in their order, on every one of them."""
        if self.alone:
            return [what]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, what)
        return found

    def as_first(self, tensors: Iterable[Tensor]) -> None:
        """Make tensors what they are in the first process."""
        if not self.alone:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started, until the block ends; within another such block, the same ones.

    Raises RunError where they cannot meet, or one of them goes away.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1":
        yield ALONE
        return
    if dist.is_initialized():
        yield _here()
        return
    try:
        yield _met()
    except RuntimeError as error:
        if not _of_the_others(error):
            raise
        raise RunError(
            f"Process {os.environ['RANK']} of {size} has lost the others: one of them has ended, or cannot be reached any more. "
            "What was saved last is whole; the same command goes on from there."
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _met() -> Ranks:
    """Wait for the others, as torchrun's environment says. Raises RunError where they cannot meet."""
    numbers = [name for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT") if not os.environ.get(name, "").isdecimal()]
    wrong = numbers + ([] if "MASTER_ADDR" in os.environ else ["MASTER_ADDR"])
    if wrong:
        said = ", ".join(f"{name} is {os.environ.get(name, 'not set')}" for name in wrong)
        raise RunError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, so there are others to meet, but {said}. Start with torchrun, or unset WORLD_SIZE."
        )
    cuda, local = torch.cuda.is_available(), int(os.environ["LOCAL_RANK"])
    if cuda and local >= torch.cuda.device_count():
        raise RunError(f"This machine has {torch.cuda.device_count()} GPUs; start no more processes than that, with --nproc-per-node.")
    if cuda:
        torch.cuda.set_device(local)
    with suppress(OSError, AttributeError):  # another system has no such call
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # where torchrun itself is killed, stop as if it had said so
    try:
        store, rank, size = next(rendezvous("env://", timeout=WORKING))
        mine = PrefixStore(attempt(store, rank, size), store)
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", store=mine, rank=rank, world_size=size, timeout=WORKING)
        return _here()
    except RuntimeError as error:
        raise RunError(
            f"Process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} cannot meet the others at {os.environ['MASTER_ADDR']}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def attempt(store: Store, rank: int, size: int) -> str:
    """A name for this attempt of these processes to meet, the same on each and never used before.

    torchrun keeps one store for all its attempts: who looked for the others there would find where they were before they died.
    Its count of restarts is no such name: each machine has its own.
    """
    mine = uuid4().hex
    if rank == 0:
        store.set("offer", mine)
        for other in range(1, size):
            heard = store.get(f"answer to {mine} of {other}").decode()
            store.set(f"heard {heard}", "")
        return mine
    while not store.check([f"heard {mine}"]):  # what is offered may still be the name of an attempt that failed
        offered: str = store.get("offer").decode()
        store.set(f"answer to {offered} of {rank}", mine)
        time.sleep(PAUSE)
    return offered


def _here() -> Ranks:
    patient = dist.new_group(timeout=PREPARING)
    local, here = (int(os.environ.get(name, default)) for name, default in (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1")))
    return Ranks(dist.get_rank(), dist.get_world_size(), local, here, patient)


def _of_the_others(error: RuntimeError) -> bool:
    """Whether torch says so because another process is gone."""
    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in ("gloo", "NCCL", "Connection closed", "connection"))
