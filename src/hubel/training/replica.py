"""A network of which every process has a copy: each runs its part of a batch, and all take the step of the whole."""

from __future__ import annotations

import re
import warnings
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hubel.cluster import Ranks
from hubel.errors import RunError
from hubel.joints import Shape
from hubel.pictures.batches import Batch
from hubel.training.lanes import Part
from hubel.training.recipe import Recipe
from hubel.training.syncing import synchronised


class Replica:
    """This process's copy. What `run` gives is of its own part of a batch; the gradients are those of all parts."""

    def __init__(self, network: nn.Module, input: Shape, recipe: Recipe, ranks: Ranks) -> None:
        self.apart = _batch_norms(network) if recipe.sync_batch_norm else []
        for parent, name, norm in self.apart:
            setattr(parent, name, synchronised(norm, ranks))
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of kernels of one map, where both are right
        self.replica = DistributedDataParallel(network, gradient_as_bucket_view=True)
        self._settle(torch.zeros((1, *input), device=ranks.device))

    def _settle(self, picture: Tensor) -> None:
        """Let torch put the gradients into the order that it keeps, which is that of its first step.

        A run that is gone on with would otherwise add up its first gradients in another order than one that was not stopped.
        """
        network = self.replica.module
        modes = [(module, module.training) for module in network.modules()]
        network.eval()  # so that nothing but gradients comes of it
        network.training = True  # with the heads of training
        for _ in range(2):
            try:
                outputs = self.replica(picture)
            except RuntimeError as error:
                raise _unused(network, error) or error from None
            sum(scores.sum() for scores in (outputs if isinstance(outputs, tuple) else (outputs,))).backward()
        for module, training in modes:
            module.training = training
        network.zero_grad()

    def __enter__(self) -> Replica:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for parent, name, norm in self.apart:
            setattr(parent, name, norm)

    def train(self) -> None:
        """Put the network into training mode."""
        self.replica.train()  # type: ignore[no-untyped-call]

    def run(self, part: Part, batch: Batch) -> Tensor:
        """What `part` gives of this process's pictures; the weights then have the gradients of everybody's."""
        return part(self.replica, batch)


def _unused(network: nn.Module, error: RuntimeError) -> RunError | None:
    """What a user is told where torch has waited in vain for the gradients of some weights; None where it is something else."""
    found = re.search(r"did not receive grad for rank \d+: ([\d ]+)", str(error))
    if not found:
        return None
    names = [name for name, weight in network.named_parameters() if weight.requires_grad]
    unused = ", ".join(names[int(number)] for number in found[1].split())
    return RunError(
        f"Several processes train a network together where each step uses all its weights; of this one it does not use {unused}. "
        "Take them out of the module or freeze them (requires_grad_(False)), or train it in one process."
    )


def _batch_norms(network: nn.Module) -> list[tuple[nn.Module, str, nn.modules.batchnorm._BatchNorm]]:
    """Every batch norm, with each module that has it and each of its names there."""
    return [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent._modules.items()
        if isinstance(child, nn.modules.batchnorm._BatchNorm)
    ]
