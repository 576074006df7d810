"""Peers, imported in a way that works with CPU builds of torch."""

from __future__ import annotations

from typing import Any

import torch


def torchvision_transforms() -> Any:
    """torchvision.transforms. Its wheels are CUDA builds, whose operators a CPU build of torch does not find: they are declared first."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import transforms

    return transforms
