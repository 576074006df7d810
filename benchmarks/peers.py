"""Peers, imported in a way that works with CPU builds of torch."""

from __future__ import annotations

from typing import Any

import torch

_declared: list[torch.library.Library] = []


def _declare() -> None:
    """torchvision's wheels are CUDA builds, whose operators a CPU build of torch does not find: they are declared first."""
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
