"""Changes of colour, in place on float32 planes (B, C, H, W) of values from 0 to 255; each picture has its own factor (B,).

Brightness, contrast and saturation are torchvision's ColorJitter: the picture is blended with black, with its mean grey, with its
grey picture, and what leaves 0 to 255 is cut off.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

RED, GREEN, BLUE = 0.2989, 0.587, 0.114
"""Of grey, as torchvision has it (ITU-R BT.601)."""

Axes = tuple[tuple[float, ...], ...]
"""For each of three axes of colour, the widest first: its eigenvalue, of values from 0 to 1, and its red, green and blue."""


def planes(pictures: Tensor) -> Tensor:
    """Pictures (B, H, W, C) as float32 (B, C, H, W), each channel in one piece; float32 ones that are so already are not copied."""
    if pictures.dtype == torch.float32:
        return pictures.permute(0, 3, 1, 2).contiguous()
    return torch.stack([pictures[..., channel] for channel in range(pictures.shape[3])], 1).to(torch.float32)


def brighten(planes: Tensor, factors: Tensor) -> None:
    planes.mul_(_each(factors)).clamp_(0, 255)


def change_contrast(planes: Tensor, factors: Tensor) -> None:
    # Whole multiples of 1/4096 add up to the same float64 in whatever order the device adds them.
    mean = (_grey(planes) * 4096).round_().sum((1, 2, 3), dtype=torch.float64) / (4096 * planes[0, 0].numel())
    planes.mul_(_each(factors)).add_(_each((1 - factors) * mean)).clamp_(0, 255)


def saturate(planes: Tensor, factors: Tensor) -> None:
    grey = _grey(planes).mul_(_each(1 - factors))
    planes.mul_(_each(factors)).add_(grey).clamp_(0, 255)


def noise(axes: Axes, alphas: Tensor) -> Tensor:
    """Krizhevsky et al. 2012, sec. 4.1: [p1, p2, p3] [alpha1 lambda1, alpha2 lambda2, alpha3 lambda3]^T, (B, 3) of (B, 3), in levels.

    The paper does not say on which scale its pixels are; lambda is that of values from 0 to 1.
    """
    first, second, third = (
        255 * size * alphas[:, i, None] * torch.tensor(colours, dtype=torch.float64, device=alphas.device)
        for i, (size, *colours) in enumerate(axes)
    )
    return first + second + third


def add_noise(planes: Tensor, noise: Tensor) -> None:
    """Add its (B, 3) to every pixel of a picture; nothing is cut off."""
    planes.add_(noise.to(torch.float32)[:, :, None, None])


def _each(values: Tensor) -> Tensor:
    return values.to(torch.float32)[:, None, None, None]


def _grey(planes: Tensor) -> Tensor:
    """(B, 1, H, W), which grey pictures are already; never the same memory."""
    if planes.shape[1] == 1:
        return planes.clone()
    red, green, blue = (planes[:, channel : channel + 1] for channel in range(3))
    return (red * RED).add_(green * GREEN).add_(blue * BLUE)


def colour_axes(chunks: Iterable[Tensor]) -> Axes:
    """Eigenvalues and eigenvectors of the covariance of all pixels of uint8 (N, H, W, 3) pictures, some at a time, in one pass over them."""
    total, products = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    count = 0
    for some in (few for chunk in chunks for few in torch.split(chunk, 64)):  # whole numbers, so exact in whatever order
        pixels = some.reshape(-1, 3).to(torch.float64)
        total += pixels.sum(0).cpu()
        products += (pixels.T @ pixels).cpu()
        count += len(pixels)
    mean = (total / count).numpy()
    sizes, vectors = np.linalg.eigh((products.numpy() / count - np.outer(mean, mean)) / 255**2)
    found = []
    for size, vector in sorted(zip(sizes.tolist(), vectors.T), key=lambda pair: -pair[0]):
        turned = vector if vector[np.abs(vector).argmax()] > 0 else -vector  # an eigenvector's sign is anyone's choice
        found.append((max(0.0, size), *turned.tolist()))
    return tuple(found)
