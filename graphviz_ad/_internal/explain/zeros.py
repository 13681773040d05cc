"""Graph + a result whose gradient is 0 -> where on its way back it became 0, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from graphviz_ad._internal.explain.not_finite import Rise
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.claims import base_name
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations.training import SOFTMAX_ITSELF
from graphviz_ad._internal.operations.traits import (
    BY_ROWS,
    FLAT,
    GATES,
    LETS_PARTS_THROUGH,
    MULTIPLIES,
    SATURATES,
    WRITTEN_LAST,
)
from graphviz_ad._internal.scene.words.short_text import is_constant


def is_zero(snap: Snapshot | None) -> bool:
    """Whether all elements are known to be 0, and there are some."""
    if snap is None:
        return False
    array = snap.array
    if array is not None:
        return array.size > 0 and not np.any(array)
    return snap.nonfinite == 0 and snap.min == snap.max == 0


def is_not_zero(snap: Snapshot | None) -> bool:
    """Whether some element is known not to be 0."""
    if snap is None:
        return False
    array = snap.array
    return bool(np.any(array)) if array is not None else snap.min is not None and not is_zero(snap)


def falls(graph: Graph, node: Node, port: int) -> list[Rise]:
    """Where the gradient of a result became 0, each place once; nothing where it is not 0."""
    if not is_zero(node.ports[port].grad):
        return []
    return list({fall.node.key: fall for fall in _falls(graph, node, port)}.values())


def _falls(graph: Graph, node: Node, port: int) -> Iterator[Rise]:
    seen, waiting = {(node.key, port)}, [(node, port)]
    while waiting:
        node, port = waiting.pop()
        edges = [edge for edge in graph.out_edges(node.key) if edge.port == port and edge.grad is not None]
        if not edges or any(is_not_zero(edge.grad) for edge in edges):
            yield Rise(node, None)
            continue
        for edge in edges:
            head = graph.nodes[edge.head]
            known = [i for i, result in enumerate(head.ports) if result.grad is not None]
            if any(not is_zero(head.ports[i].grad) for i in known):
                yield Rise(head, edge)
                continue
            fresh = [(head, i) for i in known if (head.key, i) not in seen]
            seen |= {(each.key, i) for each, i in fresh}
            waiting += fresh


def cause_of_zero(graph: Graph, fall: Rise, described: Callable[[str], str]) -> str:
    """Why it is 0 from there on, as a sentence that goes on after a colon."""
    node, edge = fall.node, fall.edge
    if edge is None and any(is_not_zero(port.arrived) for port in node.ports):
        return "a hook made it 0."
    if edge is None:
        fed = any(port.upstream is not None for port in node.ports)
        return "a gradient of 0 was fed in there." if fed else "what came there cancels out."
    gate = zero_operand(graph, node, edge)
    if gate is not None:
        if is_constant(gate):
            return "the gradient is multiplied by 0."
        return f"{described(gate.key)} is 0, and the gradient is multiplied by it."
    name, operand = base_name(node), graph.nodes[edge.tail].ports[edge.port]
    if name in FLAT:
        return "its derivative is 0 everywhere."
    if name in LETS_PARTS_THROUGH:
        return "nothing of this operand goes through it."
    if is_zero(edge.local):
        saturated = "it is saturated: " if name in SATURATES else ""
        return f"{saturated}its derivative is 0 at {extent(operand.value)} of its operand."
    if edge.grad is not None and unit(edge.grad.dtype) > unit("float32"):
        return f"what goes back from there is 0, or too small for {edge.grad.dtype}."
    if name in GATES:
        return "its derivative is 0 wherever a gradient arrives."
    return "what arrives there is not 0, but what goes back is."


def extent(value: Snapshot | None) -> str:
    """Which numbers it is that an operand holds: "all elements, 3 to 5,"."""
    if value is None or value.min is None or value.max is None or not np.isfinite([value.min, value.max]).all():
        return "all elements"
    if value.min == value.max:
        return f"{short_number(value.min)}, all elements"
    return f"all elements, {short_number(value.min)} to {short_number(value.max)},"


def zero_operand(graph: Graph, node: Node, along: Edge) -> Node | None:
    """The operand that holds nothing but 0 and that this one is multiplied with, or what that was a view of."""
    name = base_name(node)
    if name not in MULTIPLIES:
        return None
    added = WRITTEN_LAST.get(name, 2)
    for edge in graph.in_edges(node.key):
        tail = graph.nodes[edge.tail]
        if along.slot != edge.slot != added and is_zero(tail.ports[edge.port].value):
            return origin(graph, tail)
    return None


def rows_of_zero(graph: Graph, node: Node, along: Edge) -> Edge | None:
    """The operand whose rows hold nothing but 0 wherever a gradient arrives, of what multiplies row by row."""
    if base_name(node) not in BY_ROWS or along.slot == 0 or len(node.ports) != 1:
        return None
    edge = next((edge for edge in graph.in_edges(node.key) if edge.slot == 0), None)
    rows = known_array(graph.nodes[edge.tail].ports[edge.port].value) if edge is not None else None
    grad = known_array(node.ports[0].grad)
    if rows is None or grad is None or rows.ndim < 2 or rows.shape[:-1] != grad.shape[:-1]:
        return None
    return edge if not np.any(rows.any(-1) & grad.any(-1)) else None


def known_array(snap: Snapshot | None) -> Array | None:
    """All elements, where they are known."""
    return snap.array if snap is not None else None


def has_rows_of_zero(snap: Snapshot | None) -> bool:
    """Whether a whole row is known to hold nothing but 0."""
    array = known_array(snap)
    return array is not None and array.size > 0 and not (array.any(-1) if array.ndim else array).all()


def chosen_for_certain(graph: Graph, node: Node) -> int | None:
    """Of how many rows it is sure that a softmax which an operation reads has chosen one and left out all others, so
    that its derivative is 0; None where it has not.
    """
    for edge in graph.in_edges(node.key):
        tail = graph.nodes[edge.tail]
        array = known_array(tail.ports[edge.port].value) if base_name(tail) == SOFTMAX_ITSELF else None
        if array is not None and array.ndim and array.size and bool(np.isin(array, (0, 1)).all()):
            return int(array.size // array.shape[-1])
    return None


def origin(graph: Graph, node: Node) -> Node:
    """What a nameless value of one operand was made of."""
    while node.name is None and len(before := graph.in_edges(node.key)) == 1:
        node = graph.nodes[before[0].tail]
    return node
