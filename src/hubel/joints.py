"""Expressions and what joins them: Chain (`>>`), Sum (`+`), Concat (`|`), and Head, which exists only in training.

Every expression is a frozen value: it compares, hashes, and prints as the code that makes it.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Any, final

from hubel.errors import LayerError, ShapeError, placed, shortened

Shape = tuple[int, ...]
"""(C, H, W) for maps, (N,) for vectors; the batch is not part of it."""

DEEPEST = 50
"""How many joints may stand inside one another; no published network needs ten."""

MOST_LAYERS = 20_000
"""How many layers a network may have, repeats counted; ResNet-1202 has about 6,000."""

LONGEST_RUN = 500
"""Parts that are written with operators; Python's parser nests one level an operator, so longer chains are written as a call."""

# The public attributes of torch.nn.Sequential: a stage of that name would hide one. A test holds the list against torch.
TAKEN = frozenset(
    """T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half
    insert ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters pop
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
    train training type xpu zero_grad""".split()
)


def shown(shape: Shape) -> str:
    """A shape as people write it: 3x227x227."""
    return "x".join(map(str, shape))


class Expression:
    """A network or a part of one."""

    depth: int = 0
    """How many joints stand inside one another."""

    layers: int = 1
    """How many layers it has, repeats counted."""

    @property
    def bare(self) -> bool:
        """Whether the text needs no parentheses beside an operator."""
        return True

    def output(self, shape: Shape) -> Shape:
        """The shape that leaves when `shape` enters. Raises ShapeError, with the path of the part that refuses."""
        raise NotImplementedError

    def children(self) -> Iterator[tuple[str, Expression]]:
        """The parts, each with its name: a stage's own, or its position."""
        return iter(())

    def __rshift__(self, other: Expression) -> Chain:
        if not isinstance(other, Expression):
            return NotImplemented
        return Chain(*_spliced(Chain, self), *_spliced(Chain, other))

    def __add__(self, other: Expression) -> Sum:
        return Sum(self, other) if isinstance(other, Expression) else NotImplemented

    def __or__(self, other: Expression) -> Concat:
        return Concat(self, other) if isinstance(other, Expression) else NotImplemented

    def __mul__(self, times: int) -> Chain:
        if type(times) is not int:
            return NotImplemented
        if times * self.layers > MOST_LAYERS:
            raise LayerError(
                f"A part of {self.layers:,} layers was repeated {times:,} times; a network has at most {MOST_LAYERS:,} layers."
            )
        if times < 1:
            raise LayerError(f"A part was repeated {times} times; it can stand once or more often, so write `part * 1` or leave it out.")
        return Chain(*[self] * times)


class _Joint(Expression):
    """What the joints share: parts that are values, compared and hashed by what they are."""

    parts: tuple[Expression, ...]
    names: tuple[str, ...] | None
    _hash: int

    def _set(self, parts: tuple[Expression, ...], names: tuple[str, ...] | None) -> None:
        kind = type(self).__name__
        for part in parts:
            if not isinstance(part, Expression):
                raise LayerError(f"{kind} was given {shortened(part)}; its parts are layers and joints, such as Conv(6, 5) or ReLU().")
        depth = 1 + max(part.depth for part in parts)
        if depth > DEEPEST:
            raise LayerError(f"{kind} would stand {depth} joints deep; at most {DEEPEST} may stand inside one another.")
        layers = sum(part.layers for part in parts)
        if layers > MOST_LAYERS:
            raise LayerError(f"{kind} would have {layers:,} layers; a network has at most {MOST_LAYERS:,}.")
        made = {"parts": parts, "names": names, "depth": depth, "layers": layers, "_hash": hash((kind, parts, names))}
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A {type(self).__name__} is a value and does not change: make a new one.")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.names is not None:
            return _named, (dict(zip(self.names, self.parts, strict=True)),)
        return type(self), self.parts

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or (self._hash == other._hash and self.names == other.names and self.parts == other.parts)

    def __hash__(self) -> int:
        return self._hash

    def children(self) -> Iterator[tuple[str, Expression]]:
        return iter(zip(self.names or map(str, range(len(self.parts))), self.parts))


def _named(stages: dict[str, Expression]) -> Chain:
    return Chain(**stages)


def _spliced(kind: type[_Joint], part: Expression) -> tuple[Expression, ...]:
    return part.parts if isinstance(part, kind) and part.names is None else (part,)


@final
class Chain(_Joint):
    """One part after another: `a >> b`, `a * 3`, `Chain(conv1=a, fc8=b)`.

    Either all parts are named (stages) or none; each part given to the constructor stays whole.
    """

    def __init__(self, /, *parts: Expression, **stages: Expression) -> None:
        if parts and stages:
            raise LayerError("A Chain has either named stages or unnamed parts, not both: name them all, or none.")
        if not parts and not stages:
            raise LayerError("A Chain needs at least one part.")
        for name in stages:
            if (
                not name.isidentifier()
                or unicodedata.normalize("NFKC", name) != name
                or keyword.iskeyword(name)
                or name.startswith("_")
                or name in TAKEN
            ):
                raise LayerError(
                    f"{name!r} cannot name a stage: it must be a Python identifier, no keyword, without a leading underscore, "
                    "and not an attribute of torch.nn.Sequential."
                )
        self._set(parts or tuple(stages.values()), tuple(stages) or None)

    @property
    def bare(self) -> bool:
        return self.names is not None or len(self.parts) == 1

    def output(self, shape: Shape) -> Shape:
        for name, part in self.children():
            with placed(name):
                shape = part.output(shape)
        return shape

    def __repr__(self) -> str:
        if self.names is not None:
            return f"Chain({', '.join(f'{name}={part!r}' for name, part in self.children())})"
        if len(self.parts) == 1:
            return f"Chain({self.parts[0]!r})"
        runs = [(part, len(list(run))) for part, run in groupby(self.parts)]
        if len(runs) > LONGEST_RUN:
            return _called(self)
        return " >> ".join(f"{_atom(part)} * {times}" if times > 1 else _link(part) for part, times in runs)


class _Branches(_Joint):
    """Parts that all read the same input."""

    def __init__(self, *parts: Expression) -> None:
        parts = tuple(leaf for part in parts for leaf in _spliced(type(self), part))
        if len(parts) < 2:
            raise LayerError(f"A {type(self).__name__} needs two parts or more; it was given {len(parts)}.")
        self._set(parts, None)

    def joined(self, shapes: list[Shape]) -> Shape:
        """The shape of the join of branches that give `shapes`. Raises ShapeError if they cannot be joined."""
        raise NotImplementedError

    def output(self, shape: Shape) -> Shape:
        shapes = []
        for name, part in self.children():
            with placed(name):
                shapes.append(part.output(shape))
        return self.joined(shapes)


@final
class Sum(_Branches):
    """The same input to all parts, their outputs added: `a + b` (ResNet, 2015). Nested sums become one."""

    def joined(self, shapes: list[Shape]) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"Sum adds equal shapes, but its branches give {_listed(shapes)}; make them equal (a 1x1 Conv or PadMaps on the shortcut)."
            )
        return shapes[0]

    def __repr__(self) -> str:
        return _called(self) if self.bare else " + ".join(map(_atom, self.parts))

    @property
    def bare(self) -> bool:
        return len(self.parts) > LONGEST_RUN or any(isinstance(part, Chain) and part.names is None for part in self.parts)


@final
class Concat(_Branches):
    """The same input to all parts, their maps stacked: `a | b` (Inception, DenseNet). Nested concats become one."""

    @property
    def bare(self) -> bool:
        return len(self.parts) > LONGEST_RUN

    def joined(self, shapes: list[Shape]) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1 or len({len(shape) for shape in shapes}) > 1:
            raise ShapeError(
                f"Concat stacks maps of one size, but its branches give {_listed(shapes)}; pad or stride them to the same height and width."
            )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def __repr__(self) -> str:
        return _called(self) if self.bare else " | ".join(map(repr, self.parts))


@final
class Head(_Joint):
    """A classifier that exists only in training: passes its input on, and adds its scores to the loss with `weight`.

    Stands as a top-level stage (GoogLeNet's auxiliary classifiers, 2014).
    """

    weight: float

    def __init__(self, net: Expression, weight: float) -> None:
        if type(weight) not in (int, float) or not 0 < weight <= 1e9:
            raise LayerError(f"Head: weight is {shortened(weight)}; it must be a positive number, such as 0.3.")
        object.__setattr__(self, "weight", float(weight))
        self._set((net,), None)

    @property
    def net(self) -> Expression:
        return self.parts[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Head, (self.net, self.weight)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Head) and (self.net, self.weight) == (other.net, other.weight)

    def __hash__(self) -> int:
        return hash((self.net, self.weight))

    def output(self, shape: Shape) -> Shape:
        with placed("0"):
            self.net.output(shape)
        return shape

    def __repr__(self) -> str:
        return f"Head({self.net!r}, {self.weight!r})"


def _called(joint: _Joint) -> str:
    """The joint's text as a call of its constructor."""
    return f"{type(joint).__name__}({', '.join(map(repr, joint.parts))})"


def _atom(part: Expression) -> str:
    return repr(part) if part.bare else f"({part!r})"


def _link(part: Expression) -> str:
    """The part's text as one link of a chain: an unnamed chain is wrapped, so that reading does not splice it."""
    return f"Chain({part!r})" if isinstance(part, Chain) and part.names is None else _atom(part)


def _listed(shapes: list[Shape]) -> str:
    return " and ".join(map(shown, shapes))


def chained(net: Expression) -> Chain:
    """The expression as a Chain: itself, or a chain of it alone, so that every layer of a network has a path."""
    return net if isinstance(net, Chain) else Chain(net)
