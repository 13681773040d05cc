"""Graph + a result whose gradient holds NaN or infinity -> where that came up on its way back, and out of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot

AFTERWARDS = "A where() or a mask behind it comes too late: change the operand before, so that it never gets there."


@dataclass(frozen=True)
class Rise:
    """Where what is not finite came up: behind ``node``, on its way to an operand along ``edge``; without an edge,
    at the node itself.
    """

    node: Node
    edge: Edge | None


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


def cause(graph: Graph, rise: Rise, described: Callable[[Node], str]) -> str:
    """Out of what it came up, as a sentence that goes on after a colon, with what to do; "" if that is not known."""
    if rise.edge is None:
        if any(has_infinity(port.upstream) for port in rise.node.ports):
            return "it was fed in there."
        return (
            "∞ and −∞ came together in the sum."
            if any(has_nan(port.grad) for port in rise.node.ports)
            else "the sum is too large for its dtype."
        )
    if any(has_nan(port.value) for port in rise.node.ports):
        first = first_nan(graph, rise.node)
        return (
            "its result is NaN already in the forward"
            f" pass{'' if first is rise.node else f', where NaN came up in {described(first)}'}."
        )
    local = rise.edge.local
    infinite = [i for i, port in enumerate(rise.node.ports) if has_infinity(port.grad)]
    if has_nan(rise.edge.grad) and infinite:
        earlier = [
            described(before.node) for before in rises(graph, rise.node, infinite[0])[:1] if before.edge is not None
        ]
        return f"an infinite gradient arrives there{', which came up at ' + earlier[0] if earlier else ''}."
    if has_nan(rise.edge.grad) and has_infinity(local) and not has_nan(local):
        return f"a gradient of 0 arrives where its derivative is infinite, and 0 · ∞ is NaN. {AFTERWARDS}"
    if has_infinity(local):
        return f"its derivative is {'NaN' if has_nan(local) else 'infinite'} there."
    return "a finite gradient arrives there, and what goes back is not."


def first_nan(graph: Graph, node: Node) -> Node:
    """The operation back from this one whose result is NaN although none of its operands is."""
    seen = {node.key}
    while True:
        before = [
            graph.nodes[edge.tail]
            for edge in graph.in_edges(node.key)
            if has_nan(graph.nodes[edge.tail].ports[edge.port].value)
        ]
        fresh = [each for each in _distinct(before) if each.key not in seen]
        if not fresh:
            return node
        node = fresh[0]
        seen.add(node.key)


def _distinct(nodes: Iterable[Node]) -> list[Node]:
    return list({node.key: node for node in nodes}.values())
