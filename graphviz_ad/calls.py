"""Graph as torch ran it -> Graph as the user wrote it: the operations of one call as one node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphviz_ad.contraction import Ports, contract, is_convex, renumbered, results_of
from graphviz_ad.graph import Edge, Graph, Node
from graphviz_ad.snapshot import Snapshot

WRITTEN_LAST = {"addmm": 0, "baddbmm": 0, "addmv": 0}  # operations that take first what linear(x, W, b) is given last


def merge_calls(graph: Graph) -> Graph:
    """Show each call of the user's program as one node, where torch ran several operations for it."""
    groups: dict[int, list[Node]] = {}
    for node in graph.node_list:
        if node.call is not None and node.kind == "op":
            groups.setdefault(node.call, []).append(node)
    several = {call for call, nodes in groups.items() if len(nodes) > 1}
    for node in graph.node_list:  # what such a call makes for itself, such as zeros
        readers = {graph.nodes[edge.head].call for edge in graph.out_edges(node.key)} if node.kind == "data" and node.call in several else set()
        if readers == {node.call} and node.call is not None and not node.is_output:
            groups[node.call].append(node)
    position = {node.key: i for i, node in enumerate(graph.node_list)}
    for nodes in groups.values():
        nodes.sort(key=lambda node: position[node.key])
    merged = {call: nodes for call, nodes in groups.items() if len(nodes) > 1 and is_convex(graph, nodes, position)}
    if not merged:
        return replace(graph, detail=graph)
    owner = {node.key: nodes[-1].key for nodes in merged.values() for node in nodes}
    result = contract(graph, {nodes[-1].key: nodes for nodes in merged.values()}, owner, merged_call)
    return replace(renumbered(result), detail=graph)


def merged_call(graph: Graph, members: list[Node], operands: list[Edge], ports: Ports) -> tuple[Node, list[Edge]]:
    """One node for the operations of one call."""
    last = members[-1]
    results = results_of(graph, members)
    shown = tuple(graph.nodes[key].ports[i] for key, i in results)
    name = next((node.name for node in reversed(members) if node.name), None)
    if len(shown) > 1 and not any(port.name for port in shown):
        name = last.name
    node = replace(
        last,
        op=last.call_op or last.op,
        name=name,
        ports=tuple(replace(port, name=port.name or (name if len(shown) == 1 else None)) for port in shown),
        autograd=tuple(label for member in members for label in member.autograd),
        requires_grad=any(member.requires_grad for member in members),
        cut=None if any(port.grad is not None for port in shown) else last.cut,
        settings=(),
        inside=len(members),
        backward_order=min((m.backward_order for m in members if m.backward_order is not None), default=None),
    )
    locals_ = through(graph, members, results) if len(results) == 1 else {}
    edges = [replace(edge, local=locals_.get(edge.key)) for edge in as_written(graph, members, operands)]
    return node, [replace(edge, slot=slot) for slot, edge in enumerate(edges)]


def as_written(graph: Graph, members: list[Node], operands: list[Edge]) -> list[Edge]:
    """The operands of a call in the order in which its last operation, read as a formula, mentions them.

    torch may look at them in another order: linear transposes the weight before it touches the input.
    """
    if members[-1].call_op == "einsum":  # multiplies in an order of its own, but looks at its operands in theirs
        return operands
    inside = {member.key: member for member in members}
    order: dict[str, Edge] = {}
    stack: list[Edge | str] = [members[-1].key]
    seen: set[str] = set()
    while stack:
        step = stack.pop()
        if isinstance(step, Edge) and step.tail not in inside:
            order.setdefault(step.key, step)
            continue
        key = step.tail if isinstance(step, Edge) else step
        if key in seen:
            continue
        seen.add(key)
        edges = graph.in_edges(key)
        last = WRITTEN_LAST.get(inside[key].op or "")
        if last is not None and last < len(edges):
            edges = [*edges[:last], *edges[last + 1 :], edges[last]]
        stack.extend(reversed(edges))
    rest = [edge for edge in operands if edge.key not in order]
    whole = {(edge.tail, edge.port) for edge in operands if edge.cut != "shape-only"}
    return [edge for edge in (*order.values(), *rest) if edge.cut != "shape-only" or (edge.tail, edge.port) not in whole]


def through(graph: Graph, members: list[Node], results: list[tuple[str, int]]) -> dict[str, Snapshot]:
    """∂result/∂operand for the operands of a chain of elementwise operations: products of the inner ones, summed."""
    inside = {member.key for member in members}
    total: dict[str, Any] = {results[0][0]: 1.0}
    found: dict[str, Snapshot] = {}
    for member in reversed(members):
        factor = total.get(member.key)
        for edge in graph.in_edges(member.key):
            if factor is None or edge.local is None or edge.local.array is None:
                if edge.tail in inside:
                    total[edge.tail] = None
                continue
            product = np.asarray(factor * edge.local.array)
            if edge.tail not in inside:
                found[edge.key] = replace(edge.local, data=product if product.ndim else product.item(), shape=product.shape, stats=None)
            elif total.get(edge.tail, 0.0) is not None:
                total[edge.tail] = total.get(edge.tail, 0.0) + product
    return {key: snap for key, snap in found.items() if same_shape(graph, key, snap)}


def same_shape(graph: Graph, key: str, snap: Snapshot) -> bool:
    """Whether a product kept the shape of the operation's own derivative: only then no broadcasting came in between."""
    edge = next(edge for edge in graph.in_edges(key.partition(">")[2].partition("#")[0]) if edge.key == key)
    return edge.local is not None and edge.local.shape == snap.shape
