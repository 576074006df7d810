"""What towers do in tests, each in a process of its own: python tests/meeting.py NET INPUT BATCH PRECISION PLACE TOWERS RANK."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import distributed as dist
from torch.nn import functional as F

import hubel
from hubel.anatomy import anatomy
from hubel.build import build
from hubel.training.towers import Wire, collected, split, tower

STEPS, RATE = 3, 1e-5


def material(net, input, batch, precision):
    """The whole network with fresh weights, and labelled pictures large enough for a response norm to count."""
    dtype = {"float32": torch.float32, "float64": torch.float64}[precision]
    pictures = torch.randn(batch, *input, generator=torch.Generator().manual_seed(1)) * 20
    return build(net, input, "he", seed=3).to(dtype), pictures.to(dtype), torch.arange(batch) % anatomy(net, input).output[0]


def exercised(network, pictures, labels, heard=lambda: 0):
    """Scores and gradients in use, then weights after some steps of training with dropout, and what is heard before and after each pass."""
    counts = [heard()]
    with torch.no_grad():
        network.eval()(pictures)
    counts.append(heard())
    scores = network(pictures)
    F.cross_entropy(scores, labels).backward()
    counts.append(heard())
    gradients = {name: weight.grad.clone() for name, weight in network.named_parameters()}
    for step in range(STEPS):  # by hand: torch's optimisers import for seconds
        torch.manual_seed(step)
        network.zero_grad()
        F.cross_entropy(network.train()(pictures), labels).backward()
        for weight in network.parameters():
            weight.data.sub_(weight.grad, alpha=RATE)
        counts.append(heard())
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return {"scores": scores.detach(), "gradients": gradients, "weights": weights, "counts": counts}


def met(place, net, input, batch, precision, towers):
    """What each tower came to, all of them run at once."""
    words = [repr(net), "x".join(map(str, input)), str(batch), precision, str(place), str(towers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    going = [subprocess.Popen([sys.executable, __file__, *words, str(rank)], env=environment) for rank in range(towers)]
    try:
        assert [process.wait(300) for process in going] == [0] * towers
    finally:
        for process in going:
            process.kill()
            process.wait()
    return [torch.load(place / f"{rank}.pt", weights_only=True) for rank in range(towers)]


def main(text, shape, batch, precision, place, towers, rank):
    net, input, rank, towers = hubel.read(text), tuple(map(int, shape.split("x"))), int(rank), int(towers)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=towers)
    whole, pictures, labels = material(net, input, int(batch), precision)
    wire = Wire(rank, towers)
    network = tower(net, input, wire).to(pictures.dtype)
    network.load_state_dict(split(whole.state_dict(), towers)[rank])
    found = exercised(network, pictures, labels, lambda: wire.sent)
    found["collected"] = collected(network, net, input, wire)
    torch.save(found, Path(place) / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
