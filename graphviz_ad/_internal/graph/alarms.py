"""Graph + node -> whether its box is to alarm: NaN and infinities do, but not the −∞ of a mask, which is meant."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot


def alarms(graph: Graph, node: Node) -> bool:
    """Whether a value or a gradient of a node, or of what is folded in it, is NaN or infinite and nobody meant it to
    be.
    """
    if node.not_finite is not None:
        return node.not_finite.spreads
    if any(port.grad is not None and port.grad.nonfinite for port in node.ports):
        return True
    return alarming_values(graph, node)


def alarming_values(graph: Graph, node: Node) -> bool:
    """Whether a value of a node is NaN or infinite and nobody meant it to be."""
    if not any(port.value is not None and port.value.nonfinite for port in node.ports):
        return False
    values = [port.value for port in node.ports if port.value is not None and port.value.nonfinite]
    return not all(map(is_minus_infinity, values)) or any(map(came_up, origins(graph, node)))


def is_minus_infinity(snap: Snapshot) -> bool:
    """Whether −∞ is all that is not finite in a value."""
    if snap.min is None or snap.max is None or not np.isneginf(snap.min):
        return False
    array = snap.array
    return not np.isposinf(snap.max) and (array is None or not np.isnan(array).any())


def origins(graph: Graph, node: Node) -> Iterator[Node]:
    """The nodes back from this one that hold −∞ while none of their operands does."""
    seen, waiting = {node.key}, [node]
    while waiting:
        node = waiting.pop()
        before = [
            graph.nodes[edge.tail]
            for edge in graph.in_edges(node.key)
            if (value := graph.nodes[edge.tail].ports[edge.port].value) is not None and value.nonfinite
        ]
        if not before:
            yield node
        fresh = [each for each in before if each.key not in seen]
        seen |= {each.key for each in fresh}
        waiting += fresh


def came_up(node: Node) -> bool:
    """Whether −∞ was computed of what is finite; not where it was written there, or given."""
    if node.not_finite is not None:
        return node.not_finite.born is not None
    return node.kind == "op" and not any(map(is_infinite, (value for _, value in node.arguments)))


def is_infinite(argument: Argument) -> bool:
    """Whether an argument is an infinity."""
    return isinstance(argument, float) and math.isinf(argument)
