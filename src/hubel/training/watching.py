"""What is wrong with a run, in plain words: sentences made of what was measured, and of nothing else.

A finding is a function of the epochs so far, so a run that was interrupted says the same as one that was not. Each is said once, in the
epoch in which it begins. A false alarm is worse than a late one: every bound here lies far from what healthy runs show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hubel.training.recipe import Recipe
from hubel.training.records import Epoch, Finding

SOON = 100
"""Steps before which a loss may stand still or a statistic lag: batch norm with momentum 0.1 has then forgotten how it began, 0.9^100 = 3e-5."""

WORSE = 1.2
"""How many times what guessing costs, and the epoch's mean, the loss may be after it: fresh weights give more than guessing, and stay there
where the rate is too low."""

RISEN = 1.25
"""How many times its first epoch's training loss may be: a healthy run's falls, and a noisy one's rises by some hundredths."""

SWING, SWINGS, SPAN = 0.25, 2, 5
"""A rise of the training loss from one epoch to the next counts from this share of the first epoch's on; so many, in so many epochs, are a
swing. Epochs of a few dozen augmented pictures differ by up to 0.2."""

DEAD = 0.5
"""Share of a stage's units: healthy networks had up to 0.3 silent on 128 pictures, in fully-connected stages; a step too large silences
nearly all."""

VANISHED = 1e-3
"""The first stage's relative gradient over the last's: fresh networks of the casebook have 0.02 (LeNet with sigmoids, SqueezeNet) and more,
eight layers of sigmoids 1e-4."""

LEARNED = 0.9
"""Accuracy on training pictures from which no gradient has to reach anything: what is left comes from a few pictures."""

ADRIFT = 0.2
"""Share of the pictures that are recognised with their own statistics and not with the running ones, in two epochs one after the other."""

STILL = 0.98
"""Share of the loss of guessing, or of the first epoch's, that a loss which has not moved still has."""

GAINED = 0.1
"""Share of what guessing gets wrong that a network which learns anything has put right, whatever its loss."""

LATER, FELL = 3, 0.9
"""Epochs since the best validation loss, and the share of that epoch's training loss that is left: both, and the rise, make overfitting."""

ROSE, ROSE_OF_FIRST = 0.1, 0.03
"""The rise of each of the last LATER epochs' validation losses above the best: this share of the best, and this of the first epoch's, at
least. Their mean would not do: with batch norm and a high rate, single epochs of a healthy run lie far above."""

APART = 1.2
"""How many times the loss of training pictures, unchanged, validation's is at least: where both rise, nothing was learned by heart."""

LISTED = 10
"""Stages that a sentence lists, about."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run before it begins."""

    steps: int
    """Of an epoch."""
    commonest: float
    """Share of the training pictures that are of the commonest class: what guessing gets right."""
    guessing: float | None
    """The loss of guessing by the classes' shares, ln(classes) where they are even; None where the recipe's loss has no such."""


def facts(recipe: Recipe, steps: int, counts: Sequence[int]) -> Facts:
    """counts: training pictures of each class."""
    shares = [count / sum(counts) for count in counts if count]
    plain = recipe.loss == "cross_entropy" and recipe.class_weights == "none" and not recipe.label_smoothing
    return Facts(steps, max(shares), -sum(share * math.log(share) for share in shares) if plain else None)


def watched(earlier: Sequence[Epoch], now: Epoch, known: Facts) -> Epoch:
    """The epoch with what is found wrong in it that was not said before."""
    epochs = [*earlier, now]
    found = [rule(epochs, known) for rule in RULES]
    return replace(now, findings=tuple(finding for finding in found if finding and not _said(finding, epochs)))


def _said(finding: Finding, epochs: Sequence[Epoch]) -> bool:
    """Whether it has been said: for overfitting, since the best epoch; of stages, of every one of these."""
    since = _best(epochs).epoch if finding.kind == "overfitting" else 0
    before = [one for epoch in epochs[:-1] if epoch.epoch > since for one in epoch.findings if one.kind == finding.kind]
    told = {stage for one in before for stage in one.stages}
    return bool(before) and told >= set(finding.stages)


# --- the rules --------------------------------------------------------------------------------------------------------


def _rate(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    first, now = epochs[0], epochs[-1]
    mend = "Try a --lr several times smaller; `hubel lr` suggests one."
    if now.train_loss > RISEN * first.train_loss:
        what = f"training loss was {first.train_loss:.4g} in epoch {first.epoch} and is {now.train_loss:.4g} in epoch {now.epoch}"
        return Finding("rate", f"the learning rate is too high: {what}. {mend}")
    worst = WORSE * max(known.guessing or math.inf, now.train_loss)
    if now.look and now.epoch * known.steps >= SOON and now.look.loss > worst:
        what = f"after epoch {now.epoch} the loss of {now.look.pictures} training pictures is {now.look.loss:.4g}"
        beside = f"its mean in the epoch was {now.train_loss:.4g}, and guessing costs {known.guessing:.4g}"
        return Finding("rate", f"the learning rate is too high: {what}, {beside}. {mend}")
    last = epochs[-SPAN - 1 :]
    rises = [later.epoch for before, later in pairwise(last) if later.train_loss - before.train_loss > SWING * first.train_loss]
    if len(rises) >= SWINGS and rises[-1] == now.epoch:
        losses = ", ".join(f"{epoch.train_loss:.4g}" for epoch in last)
        return Finding(
            "rate", f"the learning rate is too high: training loss swings, {losses} in epochs {last[0].epoch} to {now.epoch}. {mend}"
        )
    return None


def _dead(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    look = epochs[-1].look
    stages = {name: share for name, share in look.silent.items() if share >= DEAD} if look else {}
    if not look or not stages:
        return None
    says = (
        f"dead ReLUs: for {look.pictures} training pictures, {_listed(stages, lambda share: f'{100 * share:.0f}%')} of the units never fire"
    )
    return Finding("dead", f"{says}. They learn no more: start anew with a smaller --lr, or with batch norm before them.", tuple(stages))


def _vanishing(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    look = epochs[-1].look
    if look is None or len(look.gradients) < 2 or look.accuracy >= LEARNED:
        return None
    if any(share >= DEAD for share in look.silent.values()):  # dead units pass nothing back, and are said to be dead
        return None
    figures = list(look.gradients.values())
    if figures[0] >= VANISHED * figures[-1]:
        return None
    by_depth = _listed(look.gradients, lambda figure: f"{figure:.2g}")
    return Finding(
        "vanishing",
        f"gradients vanish by depth: their norm over the weights' is {by_depth}. The first stages learn nothing: "
        "use ReLU in place of sigmoid or tanh, batch norm, shortcuts (a Sum), or --initialisation he.",
    )


def _adrift(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    last = [epoch.look for epoch in epochs[-2:] if epoch.epoch * known.steps >= SOON]
    looks = [look for look in last if look and look.evaluated is not None and look.accuracy - look.evaluated >= ADRIFT]
    if len(looks) < 2:
        return None
    look = looks[-1]
    furthest = max(look.drift.items(), key=lambda entry: entry[1], default=None)
    where = f"; furthest in {furthest[0]}, whose means are off by {furthest[1]:.2g} deviations" if furthest else ""
    return Finding(
        "adrift",
        f"batch norm's statistics are adrift: of {look.pictures} training pictures, {100 * look.accuracy:.0f}% are recognised with "
        f"their own statistics and {100 * (look.evaluated or 0):.0f}% with the running ones, which validation and prediction use{where}. "
        "Use a larger --batch or a smaller --lr.",
    )


def _still(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    first, now = epochs[0], epochs[-1]
    start = known.guessing or (first.train_loss if now is not first else None)
    learned = now.train_accuracy > known.commonest + GAINED * (1 - known.commonest)
    if start is None or learned or now.epoch * known.steps < SOON or now.train_loss < STILL * start:
        return None
    compared = f"and guessing costs {start:.4g}" if known.guessing else f"and was {start:.4g} in epoch {first.epoch}"
    return Finding(
        "still",
        f"the loss does not move: training loss is {now.train_loss:.4g} in epoch {now.epoch}, {compared}. "
        "Try another --lr (`hubel lr` suggests one), and let `hubel data` examine whether labels and pictures belong together.",
    )


def _overfitting(epochs: Sequence[Epoch], known: Facts) -> Finding | None:
    best, now = _best(epochs), epochs[-1]
    if now.epoch - best.epoch < LATER:
        return None
    rise = min(epoch.validation_loss for epoch in epochs[-LATER:]) - best.validation_loss
    first = max(epochs[0].validation_loss, epochs[0].train_loss)
    if rise < max(ROSE * best.validation_loss, ROSE_OF_FIRST * first) or now.train_loss > FELL * best.train_loss:
        return None
    if now.validation_loss < APART * (now.look.loss if now.look else now.train_loss):
        return None
    return Finding(
        "overfitting",
        f"overfitting since epoch {best.epoch}: validation loss rose from {best.validation_loss:.4g} to {now.validation_loss:.4g} while "
        f"training loss fell from {best.train_loss:.4g} to {now.train_loss:.4g}. More pictures help, or more augmentation, --weight-decay "
        "or dropout; --patience ends training when validation gets no better.",
    )


RULES = (_rate, _dead, _vanishing, _adrift, _still, _overfitting)


def _best(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch of the least validation loss."""
    return min(epochs, key=lambda epoch: (not math.isfinite(epoch.validation_loss), epoch.validation_loss))


def _listed(figures: Mapping[str, float], shown: Callable[[float], str]) -> str:
    """Each stage's figure in order: all of them, or of many the first and the last."""
    words = [f"{shown(figure)} in {stage}" for stage, figure in figures.items()]
    if len(words) > LISTED + 2:
        ends = LISTED // 2
        words = [*words[:ends], f"({len(words) - 2 * ends} stages between)", *words[-ends:]]
    return ", ".join(words)
