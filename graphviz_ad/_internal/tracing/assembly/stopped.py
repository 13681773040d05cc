"""Graph of a program that raised -> the same with the node marked at which it, or its backward pass, stopped."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import FAILED, RAISED, located


def with_stop_said(graph: Graph) -> Graph:
    """The graph that says where it stopped, if it did and that can be told."""
    kinds = {note.kind for note in graph.notes}
    found = (
        [node for node in graph.node_list if (is_begun(graph, node) if FAILED in kinds else is_without_result(node))]
        if kinds & {RAISED, FAILED}
        else []
    )
    if not found:
        return graph
    stopped = found[-1]  # the engine takes what was computed last first
    nodes = tuple(replace(node, raised=True) if node is stopped else node for node in graph.node_list)
    return replace(graph, node_list=nodes, notes=located(graph.notes, stopped.source))


def is_begun(graph: Graph, node: Node) -> bool:
    """Whether a failed backward pass had come to an operation, and no further."""
    begun = any(port.upstream is not None for port in node.ports)
    arrived = begun or any(edge.grad is not None for edge in graph.out_edges(node.key))
    return node.kind == "op" and node.backward_order is None and arrived


def is_without_result(node: Node) -> bool:
    """Whether an operation never returned; one that only sends has no result either."""
    return node.kind == "op" and not node.messages and not any(port.shape is not None for port in node.ports)
