"""The forecast of peak memory against what is measured, for five networks at three batches, in use and in training.

    python benchmarks/memory_forecast.py      writes results/bench-memory-forecast.json

Measured are the bytes of all tensors that are alive at once: over a forward pass, and over a step of training as `forecast`
has it (gradients freed, forward, cross-entropy of the scores and of each head's, backward, update), the optimiser having its
state. On a machine with CUDA the same is measured there too, and beside it what the allocator gave out: what that has more is
the libraries' workspace, and what the allocator rounds up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from hubel.build import build
from hubel.joints import shown
from hubel.memory import forecast
from hubel.nets import NETS
from hubel.nets.paper import Variant
from hubel.tracing import peak_bytes
from measuring import write

NETWORKS = ("alexnet", "vgg16", "googlenet", "resnet50", "densenet121")
BATCHES = (1, 4, 16)
GOAL = "10%"


def work(row: Variant, batch: int, training: bool, device: str) -> tuple[Callable[[], None], list[torch.Tensor]]:
    """One step of work, and all tensors that live before it."""
    _, height, width = row.input
    pictures = torch.rand(batch, height, width, row.input[0], device=device).permute(0, 3, 1, 2)
    classes = torch.zeros(batch, dtype=torch.long, device=device)
    network = build(row.net(), row.input).to(device).train(training)
    alive = [*network.parameters(), *network.buffers(), pictures]
    if not training:

        def use() -> None:
            with torch.no_grad():
                network(pictures)

        return use, alive
    optimiser = torch.optim.SGD(network.parameters(), 1e-3, 0.9, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        outputs = network(pictures)
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        torch.stack([F.cross_entropy(scores, classes) for scores in parts]).sum().backward()
        optimiser.step()

    step()  # leaves the optimiser's state, and gradients that the next step frees
    state = [values["momentum_buffer"] for values in optimiser.state.values()]
    return step, [*alive, *state]


def live(row: Variant, batch: int, training: bool, device: str) -> int:
    """The most bytes of tensors alive at once."""
    return peak_bytes(*work(row, batch, training, device))


def allocated(row: Variant, batch: int, training: bool) -> int:
    """The most bytes that CUDA's allocator has given out at once, workspace included."""
    before = torch.cuda.memory_allocated()
    step, _ = work(row, batch, training, "cuda")
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def measured(row: Variant, batch: int, training: bool) -> dict[str, Any]:
    expected = forecast(row.net(), row.input, batch, training).peak
    found: dict[str, Any] = {"forecast": expected}
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        found[device] = peak = live(row, batch, training, device)
        found[f"{device} error"] = expected / peak - 1
    if "cuda" in found:
        found["cuda allocated"] = allocated(row, batch, training)
        found["cuda workspace"] = found["cuda allocated"] - found["cuda"]
        found["cuda allocated error"] = expected / found["cuda allocated"] - 1
    return found


def largest(cases: list[dict[str, Any]], error: str) -> str:
    return f"{100 * max(abs(case[error]) for case in cases):.1f}%"


def main() -> None:
    figures = {}
    for name in NETWORKS:
        row = NETS[name]
        for batch in BATCHES:
            for training in (False, True):
                case = f"{name}, {shown((batch, *row.input))}, {'training' if training else 'use'}"
                figures[case] = found = measured(row, batch, training)
                print(
                    f"{case}: " + ", ".join(f"{key} {value:+.2%}" if "error" in key else f"{key} {value:,}" for key, value in found.items())
                )
    cases = list(figures.values())
    job = "forecast of peak memory, five networks at batches 1, 4 and 16: largest error"
    peers = {"cpu error": "measured live bytes"}
    if torch.cuda.is_available():
        peers |= {
            "cuda error": "measured live bytes on CUDA",
            "cuda allocated error": "`torch.cuda.max_memory_allocated`, workspace included",
        }
    rows = [{"job": job, "peer": peer, "ratio": largest(cases, error), "goal": GOAL} for error, peer in peers.items()]
    write("bench-memory-forecast", __doc__.splitlines()[0], rows, figures)


if __name__ == "__main__":
    main()
