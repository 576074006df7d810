"""ONNX: a graph whose nodes name the arrays that they read. Numbers of fields are those of onnx.proto, onnx/onnx.

Nothing is executed. Arrays in other files are refused by name: no path out of a file is followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubel.errors import ModelError
from hubel.pretrained.contents import Entry
from hubel.pretrained.files import wire

KINDS = {1: ("<f4", torch.float32), 10: ("<f2", torch.float16), 11: ("<f8", torch.float64), 16: ("<i2", torch.bfloat16)}
"""TensorProto.DataType of weights: NumPy's type of the raw bytes, and torch's of what they are."""

ENDINGS = (".weight", "_weight", "_gamma", "_w_0", "_w")
"""What exporters put behind a layer's name to name its first array: torch, MXNet, Caffe2."""


@dataclass(frozen=True)
class Node:
    """An operation: what it reads and gives, by name; its attributes as they lie in the file."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, memoryview]

    def number(self, name: str, otherwise: float) -> float:
        """An attribute f or i."""
        if name not in self.attributes:
            return otherwise
        found = wire.gathered(self.attributes[name], (2, 3))
        return wire.decimal(found[2]) if found[2] else wire.number(found[3], 0)


def entries(path: Path) -> tuple[Entry, ...]:
    """The nodes that have weights, in the order of `walked`. Raises ModelError for weights in nodes that no network here has."""
    model = wire.gathered(wire.opened(path), (7,))
    graphs = list(wire.messages(model[7]))
    if not graphs:
        raise ModelError("is no ONNX file: it has no graph.")
    graph = wire.gathered(graphs[-1], (1, 5, 12, 15))
    if graph[15]:
        raise ModelError("keeps arrays sparsely, which is not read.")
    nodes = list(_nodes(wire.messages(graph[1])))
    arrays = dict(_arrays(nodes, wire.messages(graph[5])))
    layers = _layers(nodes, arrays)
    outputs = [wire.text(wire.gathered(output, (1,))[1]) for output in wire.messages(graph[12])]
    return tuple(layers[index] for index in walked(nodes, layers, outputs) if index in layers)


def looks_so(path: Path) -> bool:
    """Whether the file's fields are those of a model: a version, a graph with nodes. The format has no mark of its own."""
    try:
        model = wire.gathered(wire.opened(path), (1, 7))
        graphs = [wire.gathered(graph, (1,)) for graph in wire.messages(model[7][-1:])]
        kinds = [wire.gathered(node, (4,))[4] for graph in graphs for node in wire.messages(graph[1][:1])]
        return wire.number(model[1]) > 0 and bool(kinds) and all(kinds)
    except ModelError:
        return False


def walked(nodes: Sequence[Node], weighted: Iterable[int], outputs: Sequence[str]) -> Iterator[int]:
    """The nodes in the order of our networks, whatever order they lie in: each behind what it reads, of a sum the deepest branch first.

    Branches that are put beside one another come in the order in which they stand there. What leads to no output is left out.
    """
    weighted = set(weighted)
    maker = {output: index for index, node in enumerate(nodes) for output in node.outputs}
    depth: dict[str, int] = {}
    for index, node in enumerate(nodes):  # a file has them in an order in which they can be computed
        below = max((depth.get(name, 0) for name in node.inputs), default=0)
        depth |= dict.fromkeys(node.outputs, below + (index in weighted))
    entered: set[int] = set()
    left = [(maker[name], False) for name in reversed(outputs) if name in maker]
    while left:
        index, done = left.pop()
        if done:
            yield index
            continue
        if index in entered:
            continue
        entered.add(index)
        node = nodes[index]
        names = sorted(node.inputs, key=lambda name: -depth.get(name, 0)) if node.kind in ("Add", "Sum") else node.inputs
        left.append((index, True))
        left += [(maker[name], False) for name in reversed(names) if name in maker]


def _layers(nodes: Sequence[Node], arrays: Mapping[str, Tensor]) -> dict[int, Entry]:
    """The layer of each node that has weights. A product or sum with an array right behind a layer belongs to that layer.

    A lone number is no weight: what a picture is multiplied by, the end of a range.
    """
    maker = {output: index for index, node in enumerate(nodes) for output in node.outputs}
    readers = Counter(name for node in nodes for name in node.inputs)
    layers: dict[int, Entry] = {}
    owner: dict[int, int] = {}  # of a node that belongs to another's layer: that other
    for index, node in enumerate(nodes):
        known = {place: arrays[name] for place, name in enumerate(node.inputs) if name in arrays}
        if node.kind in READ and (1 in known or node.kind != "MatMul"):
            layers[index] = _layer(node, arrays)
        elif node.kind not in MOVES and any(array.dim() for array in known.values()):
            before = [maker[name] for name in node.inputs if name in maker and name not in arrays and readers[name] == 1]
            first = owner.get(before[0], before[0]) if len(before) == 1 else -1
            if first not in layers or len(known) != 1:
                raise ModelError(f"has weights in {_called(node)}, a {node.kind}, which no network here has in that place.")
            layers[first] = _joined(layers[first], node, next(iter(known.values())).flatten())
            owner[index] = first
    return layers


READ = {"Conv": ("weight", "bias"), "Gemm": ("weight", "bias"), "MatMul": ("weight",),
        "BatchNormalization": ("weight", "bias", "running_mean", "running_var")}  # fmt: skip
"""What the arrays are that a node of each kind reads behind its input."""

MOVES = ("Constant", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Shape", "Pad", "Resize")
"""Kinds that bring arrays from place to place, or read sizes from them."""


def _layer(node: Node, arrays: Mapping[str, Tensor]) -> Entry:
    found = {}
    for role, name in zip(READ[node.kind], node.inputs[1:]):
        if name and name not in arrays:
            raise ModelError(f"has a {role} in {_called(node)} that is computed, or is no row of floating-point numbers ({name!r}).")
        if name:
            found[role] = arrays[name]
    said: dict[str, Any] = {}
    if node.kind == "BatchNormalization":
        said["epsilon"] = node.number("epsilon", 1e-5)
    if node.kind == "Gemm" and (node.number("alpha", 1), node.number("beta", 1), node.number("transA", 0)) != (1, 1, 0):
        raise ModelError(f"multiplies in {_called(node)} by more than its weights: alpha, beta or transA is set.")
    if node.kind in ("Gemm", "MatMul") and "weight" in found and not node.number("transB", 0):
        found["weight"] = found["weight"].mT if found["weight"].dim() == 2 else found["weight"]
    if "bias" in found:
        found["bias"] = found["bias"].flatten()
    return Entry(_called(node), found, node.kind, said)


def _joined(layer: Entry, node: Node, array: Tensor) -> Entry:
    """The layer with what follows it: the bias of a product, or the scale and shift that Caffe2 has behind a batch norm."""
    norm = layer.kind == "BatchNormalization"
    bias = layer.arrays.get("bias", torch.zeros_like(array)).double()  # halves would be rounded again
    changed = {}
    if node.kind == "Add" and bias.shape == array.shape and (norm or "bias" not in layer.arrays):
        changed = {"bias": bias + array}
    elif node.kind == "Mul" and norm and bias.shape == array.shape == layer.arrays["weight"].shape:
        changed = {"weight": layer.arrays["weight"].double() * array, "bias": bias * array}
    if not changed or layer.said.get("joined") in ("Add", node.kind):
        raise ModelError(f"has weights in {_called(node)}, a {node.kind} behind {layer.name}, which no network here has in that place.")
    return Entry(layer.name, {**layer.arrays, **changed}, layer.kind, {**layer.said, "joined": node.kind})


def _called(node: Node) -> str:
    """A layer's name: that of its first array without its ending; where an exporter made that up, the scopes in the node's name."""
    weight = node.inputs[1] if len(node.inputs) > 1 else ""
    for ending in ENDINGS:
        if weight.endswith(ending):
            return weight.removesuffix(ending)
    if not node.name.startswith("/"):
        return node.name or "".join(node.outputs[:1])
    scopes: list[str] = []  # torch's: /layer1/layer1.0/conv1/Conv
    for scope in node.name.split("/")[1:-1]:
        if scopes and scope.startswith(f"{scopes[-1]}."):
            scopes.pop()
        scopes.append(scope)
    return ".".join(scopes) or node.name


def _nodes(messages: Iterable[memoryview]) -> Iterator[Node]:
    names = 0
    for node in map(_node, messages):
        names += len(node.inputs) + len(node.outputs) + len(node.attributes)
        if names > 16 * wire.MOST:
            raise ModelError(f"is damaged: its nodes name more than {16 * wire.MOST:,} inputs, outputs and attributes.")
        yield node


def _node(message: memoryview) -> Node:
    node = wire.gathered(message, (1, 2, 3, 4, 5))
    inputs, outputs = (tuple(wire.text([name]) for name in node[number]) for number in (1, 2))
    attributes = {wire.text(wire.gathered(one, (1,))[1]): one for one in wire.messages(node[5])}
    return Node(wire.text(node[3]), wire.text(node[4]), inputs, outputs, attributes)


def _arrays(nodes: Sequence[Node], initializers: Iterable[memoryview]) -> Iterator[tuple[str, Tensor]]:
    """The floating-point arrays by every name that the graph has for them: initializers, constants, and copies of these."""
    found: dict[str, Tensor] = {}
    for message in initializers:
        name = wire.text(wire.gathered(message, (8,))[8])
        found |= {name: array} if (array := _array(message, name)) is not None else {}
    for node in nodes:
        if node.kind == "Constant" and "value" in node.attributes:
            values = list(wire.messages(wire.gathered(node.attributes["value"], (5,))[5]))
            array = _array(values[-1], node.outputs[0]) if values and node.outputs else None
            found |= {node.outputs[0]: array} if array is not None else {}
        elif node.kind in ("Identity", "Unsqueeze") and node.inputs and node.inputs[0] in found:
            found |= dict.fromkeys(node.outputs, found[node.inputs[0]])
    yield from found.items()


def _array(message: memoryview, name: str) -> Tensor | None:
    """A TensorProto's numbers; None where they are no floating-point numbers."""
    tensor = wire.gathered(message, (1, 2, 4, 5, 9, 10, 13, 14))
    if tensor[13] or wire.number(tensor[14]) == 1:
        raise ModelError(
            f"keeps {name} in another file, and no other file is opened. Export it whole (torch.onnx.export: external_data=False)."
        )
    if (kind := wire.number(tensor[2])) not in KINDS:
        return None
    stored, meant = KINDS[kind]
    if tensor[9]:
        row = wire.array(tensor[9][-1:], stored)
    elif meant in (torch.float16, torch.bfloat16):  # the bits of each, as a number
        row = torch.tensor(wire.integers(tensor[5])).to(torch.int16)
    else:
        row = wire.array(tensor[10 if meant == torch.float64 else 4], stored)
    return wire.shaped(row if row.is_floating_point() else row.view(meant), wire.integers(tensor[1]), name)
