"""AlexNet over two devices, as it was trained in 2012, on your own pictures:

    torchrun --nproc-per-node 2 examples/two_towers.py FOLDER --epochs 90 --out alexnet.safetensors

FOLDER is whatever `hubel train` takes. Each process holds one tower: on a GPU of its own where there are two, on the processor
otherwise. The model file that is written holds the whole network, for `hubel test` and `hubel predict`.
"""

import argparse
import sys
from dataclasses import asdict, replace

import torch
from torch import distributed as dist

from hubel.build import build
from hubel.cluster import joined
from hubel.errors import HubelError
from hubel.model import Model
from hubel.training import setup
from hubel.training.loop import records
from hubel.training.recipes import PAPER
from hubel.training.records import Epoch, Step
from hubel.training.state import State
from hubel.training.towers import Wire, bytes_exchanged, collected, exchanges, split, tower


def arguments() -> argparse.Namespace:
    recipe = PAPER["alexnet"].recipe
    parser = argparse.ArgumentParser(description="Trains AlexNet with one tower in each of two processes.")
    parser.add_argument("data", metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--batch", type=int, default=recipe.batch)
    parser.add_argument("--lr", type=float, default=recipe.lr)
    parser.add_argument("--out", default="alexnet.safetensors")
    return parser.parse_args()


def train(said: argparse.Namespace, wire: Wire, device: torch.device) -> None:
    paper = PAPER["alexnet"]
    chosen = {
        "epochs": said.epochs,
        "batch": said.batch,
        "lr": said.lr,
        "precision": "fp32",
        "threads": torch.get_num_threads(),
        "lanes": 1,
    }
    design, material, recipe = setup.prepared("alexnet", said.data, replace(paper, recipe=replace(paper.recipe, **chosen)))
    net, input = design.net, design.input
    whole = build(net, input, recipe.initialisation, recipe.seed)
    network = tower(net, input, wire)
    network.load_state_dict(split(whole.state_dict(), wire.towers)[wire.rank])
    job, state = setup.job(material, recipe, device), State(network.to(device), recipe)
    tell = print if wire.rank == 0 else lambda *words: None
    for exchange in exchanges(net, input, wire.towers):
        tell(f"before {exchange.path}: {exchange.forward:,} bytes a picture forward, {exchange.backward:,} back")
    before = wire.sent
    for record in records(state, job):
        if isinstance(record, Step):
            sent = torch.tensor(wire.sent - before, device=device)
            dist.all_reduce(sent)
            formula = bytes_exchanged(net, input, record.images, wire.towers)
            tell(f"epoch {record.epoch}, step {record.step} of {record.steps}: {int(sent):,} bytes exchanged, {formula:,} by the formula")
        if isinstance(record, Epoch):
            tell(f"epoch {record.epoch}: loss {record.train_loss:.3f}, validation accuracy {record.validation_accuracy:.1%}")
            if record.best:
                whole.load_state_dict(collected(network, net, input, wire))
            if record.best and wire.rank == 0:
                data = {"name": material.source.name, "fingerprint": material.fingerprint}
                found = {"epoch": record.epoch, "validation_accuracy": record.validation_accuracy}
                Model(net, input, material.source.classes, material.pixels, whole, asdict(recipe), data, found).save(said.out)
        before = wire.sent
    tell(f"The whole network, of the best epoch: {said.out}")


def main() -> None:
    said = arguments()
    try:
        with joined() as ranks:
            if ranks.size != 2:
                sys.exit(f"Start two processes: torchrun --nproc-per-node 2 {' '.join(sys.argv)}")
            train(said, Wire(ranks.rank, ranks.size), ranks.device)
    except HubelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
