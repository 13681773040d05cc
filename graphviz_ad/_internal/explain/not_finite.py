"""Graph + a result whose gradient holds NaN or infinity -> where that came up on its way back, and out of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.number_format import short_number

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
    where = elements_of(rise.edge)
    if any(has_nan(picked(port.value, where)) for port in rise.node.ports):
        first = first_nan(graph, rise.node)
        return (
            "its result is NaN already in the forward"
            f" pass{'' if first is rise.node else f', where NaN came up in {described(first)}'}."
        )
    local = picked(rise.edge.local, where)
    infinite = [i for i, port in enumerate(rise.node.ports) if has_infinity(picked(port.grad, where))]
    if has_nan(rise.edge.grad) and infinite:
        earlier = [
            described(before.node) for before in rises(graph, rise.node, infinite[0])[:1] if before.edge is not None
        ]
        return f"an infinite gradient arrives there{', which came up at ' + earlier[0] if earlier else ''}."
    if has_nan(rise.edge.grad) and has_infinity(local) and not has_nan(local):
        return f"a gradient of 0 arrives where its derivative is infinite, and 0 · ∞ is NaN. {AFTERWARDS}"
    if has_infinity(local):
        operand = picked(graph.nodes[rise.edge.tail].ports[rise.edge.port].value, where)
        return f"its derivative is {'NaN' if has_nan(local) else 'infinite'} {place_in(rise.edge, where, operand)}."
    return "a finite gradient arrives there, and what goes back is not."


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


def place_in(edge: Edge, where: Array | None, operand: Snapshot | None) -> str:
    """ "at element [0], where its operand is 0", if it is one of several; "there" for all, and for one number."""
    if where is None or where.all():
        return "there"
    first = [int(i) for i in np.argwhere(where)[0]]
    value = operand.array if operand is not None else None
    held = f", where its operand is {short_number(float(value[0]))}" if value is not None and value.ndim == 1 else ""
    more = int(where.sum()) - 1
    return f"at element {first}{held}{f', and at {more} more' if more else ''}"


def first_nan(graph: Graph, node: Node) -> Node:
    """The operation back from this one whose result is NaN although none of its operands is."""
    return first_with(graph, node, has_nan)


def first_with(graph: Graph, node: Node, is_bad: Callable[[Snapshot | None], bool]) -> Node:
    """The operation back from this one whose result is bad although none of its operands is."""
    seen = {node.key}
    while True:
        before = [
            graph.nodes[edge.tail]
            for edge in graph.in_edges(node.key)
            if is_bad(graph.nodes[edge.tail].ports[edge.port].value)
        ]
        fresh = [each for each in _distinct(before) if each.key not in seen]
        if not fresh:
            return node
        node = fresh[0]
        seen.add(node.key)


def value_not_finite(graph: Graph, node: Node, port: int, described: Callable[[Node], str]) -> str:
    """Where the NaN or the infinity in a value itself came from; "" where it has none."""
    value = node.ports[port].value
    if not has_infinity(value):
        return ""
    what, is_bad = ("NaN", has_nan) if has_nan(value) else (infinities_in(value), has_infinity)
    first = first_with(graph, node, is_bad)
    if first is node:
        return f"Its value holds {what}" + ("." if node.kind != "op" else ", which came up there.")
    return f"Its value holds {what}, which came {'from' if first.kind != 'op' else 'up in'} {described(first)}."


def infinities_in(snap: Snapshot | None) -> str:
    """ "∞", "−∞", or both."""
    signs = [text for text, found in (("∞", extreme(snap, 1)), ("−∞", extreme(snap, -1))) if found]
    return " and ".join(signs) or "∞"


def extreme(snap: Snapshot | None, sign: int) -> bool:
    """Whether a value holds the infinity of this sign."""
    bound = None if snap is None else snap.max if sign > 0 else snap.min
    return bound is not None and bool(np.isinf(bound)) and bool((bound > 0) == (sign > 0))


def _distinct(nodes: Iterable[Node]) -> list[Node]:
    return list({node.key: node for node in nodes}.values())
