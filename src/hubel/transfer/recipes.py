"""What the three ways start from. Nothing here needs torch."""

from __future__ import annotations

from hubel.training.recipe import Recipe

WAYS = ("features", "frozen", "finetune")

HEADS = ("notes", "linear")
"""notes: 256 units, ReLU, dropout 0.5, then the scores (Chollet 2017, sec. 5.3; the lecture notes); linear: the scores alone."""

RECIPES: dict[str, Recipe] = {
    "features": Recipe(epochs=20, batch=64, optimiser="adamw", lr=0.001, weight_decay=0.01, schedule="cosine"),
    "frozen": Recipe(
        epochs=10, batch=32, optimiser="adamw", lr=0.001, weight_decay=0.01, schedule="cosine", flip=True, rotation=10, zoom=0.1, width_shift=0.1, height_shift=0.1
    ),
    "finetune": Recipe(
        epochs=10, batch=32, optimiser="adamw", lr=1e-5, weight_decay=0.01, schedule="cosine", statistics="none",
        flip=True, rotation=10, zoom=0.1, width_shift=0.1, height_shift=0.1,
    ),
}  # fmt: skip
"""The rate of finetune is the notes' for a network without batch norm; with it, NORMED is taken."""

NORMED = 1e-4
"""Batch norm keeps a layer's outputs in place while its weights move, so they may move faster."""
