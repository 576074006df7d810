"""The rules, and what they say of a network."""

from __future__ import annotations

from collections.abc import Callable

from hubel.advice import costs, fields, fitting, mistakes, waste
from hubel.advice.case import Advice, Case, opened
from hubel.joints import Expression, Shape

RULES: tuple[Callable[[Case], Advice | None], ...] = (
    # It cannot be computed, or hardly does what was meant.
    fitting.window_does_not_fit,
    mistakes.layer_added_alone,
    mistakes.layer_repeated,
    mistakes.no_activation_between,
    mistakes.scores_are_changed,
    mistakes.dropout_before_batch_norm,
    # It computes in vain.
    waste.units_see_only_padding,
    waste.weights_see_only_padding,
    waste.values_are_never_read,
    costs.bias_before_batch_norm,
    # It costs more than it must.
    costs.fully_connected_layers_dominate,
    costs.missing_reduction,
    costs.large_filter,
    costs.memory_at_full_size,
    # It may learn less than it could.
    fields.deep_without_shortcuts,
    fields.field_outgrows_the_picture,
    fields.field_is_smaller_than_the_picture,
    fields.branches_are_not_aligned,
    mistakes.pool_before_convolutions,
    # Borders.
    fitting.sides_do_not_halve,
    fitting.pixels_are_lost,
    fitting.windows_read_beyond,
    fitting.padding_is_never_read,
)
"""In the order of importance. Each says one thing at most, of all places where it holds; the rule's name is its function's."""


def advise(net: Expression, input: Shape) -> tuple[Advice, ...]:
    """What a good engineer would say of a network for pictures of shape `input`, the most important first; heads of training aside.

    A network with windows that do not fit is told so, and advised as if they were rounded down. Raises ShapeError where it
    cannot be sized even then.
    """
    case = opened(net, input)
    return tuple(advice for rule in RULES if (advice := rule(case)))
