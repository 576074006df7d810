"""Peers: torchvision, imported in a way that works with CPU builds of torch, and what the usual script has beside it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

_declared: list[torch.library.Library] = []


def _declare() -> None:
    """torchvision's wheels are CUDA builds, whose operators a CPU build of torch does not find: they are declared first."""
    if _declared:
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)  # operators vanish with their library


def torchvision_transforms() -> Any:
    _declare()
    from torchvision import transforms

    return transforms


def torchvision_models() -> Any:
    _declare()
    from torchvision import models

    return models


class Cifar10(Dataset):  # type: ignore[type-arg]
    """The training pictures of CIFAR-10 as torchvision's data set deals them out: arrays in memory, a PIL image at a time, transformed."""

    def __init__(self, folder: Path, change: Any) -> None:
        records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in sorted(folder.glob("data_batch_*.bin"))])
        self.labels = records[:, 0].astype(int).tolist()
        self.pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
        self.change = change

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.change(Image.fromarray(self.pictures[i])), self.labels[i]


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which where the maps grow takes every second place and adds maps of zeros (option A)."""

    def __init__(self, inputs: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, maps, 3, stride, 1, bias=False), nn.BatchNorm2d(maps)
        self.conv2, self.bn2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False), nn.BatchNorm2d(maps)
        self.stride, self.added = stride, maps - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.added:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return F.relu(y + x)


def resnet20() -> nn.Module:
    """As it is written everywhere; torchvision has none."""
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    wide = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [Block(before, maps, 1 if before == maps else 2) for before, maps in itertools.pairwise(wide)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet18() -> nn.Module:
    """torchvision's for pictures of 32x32: a 3x3 stem, and no pool behind it."""
    network = torchvision_models().resnet18(num_classes=10)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return network  # type: ignore[no-any-return]


def vgg16() -> nn.Module:
    """torchvision's convolutions with batch norm, and one layer behind them."""
    return nn.Sequential(torchvision_models().vgg16_bn().features, nn.Flatten(), nn.Linear(512, 10))


def resnet50() -> nn.Module:
    """torchvision's, for two classes."""
    return torchvision_models().resnet50(num_classes=2)  # type: ignore[no-any-return]
