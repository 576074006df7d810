"""What the training loop costs beside a bare loop that takes the same steps on tensors in memory.

    python benchmarks/loop_overhead.py CIFAR_FOLDER [--steps N] [--quick]      writes results/bench-loop-overhead.json

The loop is `hubel.train` with what it chooses by itself, without random changes: pictures are gathered from bytes, normalised, counted,
guarded, recorded. The bare loop: the same network (ResNet-20), batch of 128, optimiser, threads and precision, batches sliced from tensors that were
shuffled and normalised before, nothing told, nothing guarded. For comparison the loop with crop and flip. All are in one process and take steps
in turn; what is compared is the median step. --quick: a few steps, nothing written.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

from measuring import spread, write

NETWORK = "resnet20"
BATCH, STEPS, QUICK_STEPS, BLOCKS = 128, 105, 14, 7


def bare(network: Any, pictures: Any, labels: Any, recipe: Any) -> Iterator[None]:
    """The steps that a short script takes on tensors (N, C, H, W) in memory."""
    import torch

    from hubel.training.state import optimiser_of

    optimiser = optimiser_of(network, recipe)
    network.train()
    while True:
        for x, y in zip(pictures.split(BATCH), labels.split(BATCH)):
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
                scores = network(x)
            torch.nn.functional.cross_entropy(scores.float(), y).backward()
            optimiser.step()
            yield


def steps(folder: str, **changes: Any) -> tuple[Any, Iterator[Any]]:
    """What `hubel.train` chose, and its steps."""
    import hubel
    from hubel.training.records import Step

    recipe = hubel.Recipe(epochs=10_000, batch=BATCH, schedule="constant", lr=0.01, **changes)
    records = hubel.train(NETWORK, folder, recipe)
    return next(records).recipe, (record for record in records if isinstance(record, Step))


def main(folder: str, count: int, quick: bool) -> None:
    import hubel

    hubel.settle_waiting()  # before torch, as in every process that begins with hubel
    import torch

    from hubel.build import build
    from hubel.training import setup

    chosen, loop = steps(folder)
    settled = {"threads": chosen.threads, "lanes": chosen.lanes, "precision": chosen.precision}
    _, changing = steps(folder, **settled, flip=True, crop=4, fill="constant")
    design, material, _ = setup.prepared(NETWORK, folder, hubel.Recipe())
    order = torch.randperm(len(material.train))[: len(material.train) // BATCH * BATCH]
    dtype = torch.bfloat16 if chosen.precision == "bf16" else torch.float32
    pictures = material.pixels.tensor(material.train.pixels[order], dtype)
    loops = {
        "bare": bare(build(design.net, design.input), pictures, material.train.labels[order], chosen),
        "loop": loop,
        "changing": changing,
    }
    seconds: dict[str, list[float]] = {which: [] for which in loops}
    for step in range(count + 3):  # the first ones are slow
        for which in itertools.islice(itertools.cycle(loops), step % 3, step % 3 + 3):  # nobody always comes after the same one
            started = time.perf_counter()
            next(loops[which])
            if step >= 3:
                seconds[which].append(time.perf_counter() - started)
    blocks = {which: [spread(times[i::BLOCKS])["median"] for i in range(BLOCKS)] for which, times in seconds.items()}
    ratios = {which: spread([a / b for a, b in zip(blocks["bare"], blocks[which])]) for which in ("loop", "changing")}
    print(settled, ratios)
    rows = [
        {
            "job": f"training ResNet-20 on CIFAR-10, batch {BATCH}{words}",
            "peer": "bare loop over tensors in memory",
            "ratio": f"{100 * ratios[which]['median']:.1f}% of its rate",
            "goal": goal,
        }
        for which, words, goal in (("loop", "", "97%"), ("changing", ", crop and flip", "-"))
    ]
    if not quick:
        figures = {"chosen": settled, "ratios": ratios, "seconds_of_a_step": {which: spread(times) for which, times in seconds.items()}}
        write("bench-loop-overhead", (__doc__ or "").split("\n")[0], rows, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    main(given.folder, given.steps or (QUICK_STEPS if given.quick else STEPS), given.quick)
