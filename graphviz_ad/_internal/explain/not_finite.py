"""Graph + a result whose gradient holds NaN or infinity -> where that came up on its way back, and out of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Array, Snapshot


@dataclass(frozen=True)
class Rise:
    """Where what is not finite came up: behind ``node``, on its way to an operand along ``edge``; without an edge,
    at the node itself.
    """

    node: Node
    edge: Edge | None


IsBad = Callable[["Snapshot | None"], bool]


def has_nan(snap: Snapshot | None) -> bool:
    """Whether an element is known to be NaN."""
    if snap is None:
        return False
    array = snap.array
    return (
        bool(np.isnan(array).any())
        if array is not None and array.dtype.kind in "fc"
        else snap.min is not None and bool(np.isnan(snap.min))
    )


def has_infinity(snap: Snapshot | None) -> bool:
    """Whether an element is known to be NaN or infinite."""
    return snap is not None and bool(snap.nonfinite)


def rises(graph: Graph, node: Node, port: int) -> list[Rise]:
    """Where the NaN in the gradient of a result came up, or the infinity if it has no NaN, the first in the backward
    pass first.
    """
    is_bad = has_nan if has_nan(node.ports[port].grad) else has_infinity
    found = {rise.node.key: rise for rise in _rises(graph, node, port, is_bad)} if is_bad(node.ports[port].grad) else {}
    return sorted(
        found.values(), key=lambda rise: rise.node.backward_order if rise.node.backward_order is not None else -1
    )


def _rises(graph: Graph, node: Node, port: int, is_bad: Callable[[Snapshot | None], bool]) -> Iterator[Rise]:
    seen, waiting = {(node.key, port)}, [(node, port)]
    while waiting:
        node, port = waiting.pop()
        bad = [edge for edge in graph.out_edges(node.key) if edge.port == port and is_bad(edge.grad)]
        if not bad:
            yield Rise(node, None)  # fed in, or a sum such as ∞ − ∞
        for edge in bad:
            head = graph.nodes[edge.head]
            worse = [i for i, result in enumerate(head.ports) if is_bad(result.grad)]
            if not worse:
                yield Rise(head, edge)
            fresh = [(head, i) for i in worse if (head.key, i) not in seen]
            seen |= {(each.key, i) for each, i in fresh}
            waiting += fresh


def elements_of(edge: Edge) -> Array | None:
    """Which elements of what goes back are NaN, or infinite if none is; None where they are not known."""
    array = edge.grad.array if edge.grad is not None else None
    if array is None or array.dtype.kind not in "fc" or not array.ndim:
        return None
    with np.errstate(invalid="ignore"):
        return np.isnan(array) if np.isnan(array).any() else ~np.isfinite(array)


def picked(snap: Snapshot | None, where: Array | None) -> Snapshot | None:
    """Of a snapshot those elements, if it has as many and they are known; else all of it."""
    array = snap.array if snap is not None else None
    if snap is None or where is None or array is None or array.shape != where.shape:
        return snap
    return Snapshot((int(where.sum()),), snap.dtype, array[where])


def first_with(graph: Graph, node: Node, is_bad: IsBad) -> Node:
    """The operation back from this one whose result is bad although none of its operands is; the first of several in
    the order of the program.
    """
    first, seen, waiting = [], {node.key}, [node]
    while waiting:
        node = waiting.pop()
        before = [
            graph.nodes[edge.tail]
            for edge in graph.in_edges(node.key)
            if is_bad(graph.nodes[edge.tail].ports[edge.port].value)
        ]
        if not before:
            first.append(node)
        fresh = [each for each in _distinct(before) if each.key not in seen]
        seen.update(each.key for each in fresh)
        waiting += fresh
    found = {each.key for each in first}
    return next((each for each in graph.node_list if each.key in found), node)


def _distinct(nodes: Iterable[Node]) -> list[Node]:
    return list({node.key: node for node in nodes}.values())
