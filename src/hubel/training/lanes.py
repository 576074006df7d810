"""A step's batch in parts, computed side by side, a processor each: small networks gain far more by it than by
splitting every operation over the processors. The gradients are added in a fixed order, so a run still equals itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch
from torch import Tensor, nn

from hubel.modules import Network
from hubel.pictures.batches import Batch

Part = Callable[[nn.Module, Batch], Tensor]
"""Takes the network and some pictures, runs forward and backward, and gives what is to be summed."""


def splittable(network: nn.Module) -> bool:
    """Whether parts of a batch can be computed apart: batch norm looks at all of it, and dropout draws from one stream.

    Of a network that is no expression it is not known what it does.
    """
    return isinstance(network, Network) and not any(
        isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)) for module in network.modules()
    )


class Lanes:
    """`count` copies of a network that share its weights but have gradients of their own."""

    def __init__(self, network: nn.Module, count: int) -> None:
        self.network = network
        self.copies = [copy.deepcopy(network) for _ in range(count - 1)]
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        for other in self.copies:
            for own, shared in zip(other.parameters(), network.parameters()):
                own.data = shared.data
        self.others = [[weight for weight in other.parameters() if weight.requires_grad] for other in self.copies]
        self.threads = ThreadPoolExecutor(max(1, count - 1), "lane", _settle, (torch.get_num_threads(),))

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.threads.shutdown()

    def train(self) -> None:
        """Put the network and its copies into training mode."""
        for network in (self.network, *self.copies):
            network.train()

    def run(self, part: Part, batch: Batch) -> Tensor:
        """What `part` gives, summed over the lanes; the network's own weights then have the sum of all gradients."""
        if not self.copies or len(batch) <= len(self.copies):
            return part(self.network, batch)
        mine, *theirs = batch.parts(len(self.copies) + 1)
        going = [self.threads.submit(self._clean, part, *lane) for lane in zip(self.copies, self.others, theirs)]
        total = part(self.network, mine)
        for other, done in zip(self.others, going):
            total = total + done.result()
            torch._foreach_add_(_gradients(self.weights), _gradients(other))
        return total

    @staticmethod
    def _clean(part: Part, network: nn.Module, weights: list[nn.Parameter], batch: Batch) -> Tensor:
        for weight in weights:
            weight.grad = None
        return part(network, batch)


def _settle(threads: int) -> None:
    """Give this thread its number of torch's threads, whatever else begins at the same moment."""
    torch.get_num_threads()  # torch settles it when it is first needed, over what was set before
    torch.set_num_threads(threads)


def _gradients(weights: list[nn.Parameter]) -> list[Tensor]:
    return [weight.grad for weight in weights if weight.grad is not None]
