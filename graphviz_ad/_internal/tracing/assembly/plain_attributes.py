"""Finished tensors and their graph -> the numbers and texts that autograd keeps beside tensors, such as an exponent
or a dimension; no tensor is unpacked.

The graph has a node for each autograd node, and an edge of slot i for its i-th next function, so that both are walked
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.tape.torch_private import RAW_SAVED, unseen_by_functions
from graphviz_ad._internal.tracing.tensor_contents import tensors_in

SAVED = RAW_SAVED.removeprefix("_raw")  # where autograd has anything that it keeps
Attributes = tuple[tuple[str, str], ...]


def plain_attributes(finished: Any, graph: Graph) -> Mapping[str, Attributes]:
    """Key of a node -> names and values; only of nodes whose place in autograd's graph is certain."""
    with unseen_by_functions():
        functions = [part.thing.grad_fn for part in tensors_in(finished).parts]
    found: dict[str, Attributes] = {}
    pairs: list[tuple[str, Any]] = []
    for function in functions:
        ends = [node.key for node in graph.outputs if is_node(graph, node.key, function)]
        pairs += [(ends[0], function)] if len(ends) == 1 else []
    while pairs:
        key, function = pairs.pop()
        if key in found or not is_node(graph, key, function):
            continue
        found[key] = attributes_of(function)
        after = [following for following, _ in function.next_functions]
        pairs += [(edge.tail, after[edge.slot]) for edge in graph.in_edges(key) if edge.slot < len(after)]
    return found


def is_node(graph: Graph, key: str, function: Any) -> bool:
    """Whether a node of the graph stands for this autograd node alone, as far as names tell."""
    return function is not None and graph.nodes[key].autograd == (function.name(),)


def attributes_of(function: Any) -> Attributes:
    """What an autograd node keeps that is no tensor; nothing of one that has been freed."""
    names = dir(function)
    raw = {name.removeprefix(RAW_SAVED) for name in names if name.startswith(RAW_SAVED)}
    found = []
    for name in names:
        short = name.removeprefix(SAVED)
        if name.startswith(SAVED) and short not in raw:
            try:
                value = getattr(function, name)
            except RuntimeError:
                continue
            if not isinstance(value, Tensor):
                found.append((short, str(value)))
    return tuple(found)
