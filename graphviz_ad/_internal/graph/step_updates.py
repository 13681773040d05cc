"""Graph -> the same, whose steps of optimizers say which parameter each of them changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node


def with_updates(graph: Graph) -> Graph:
    """The graph; the same one where no optimizer took a step."""
    if not any(node.is_step for node in graph.node_list):
        return graph
    updates: dict[str, tuple[str, ...]] = {}
    for node in graph.node_list:
        if node.is_step:
            tails = [graph.nodes[edge.tail] for edge in graph.in_edges(node.key)]
            updates[node.key] = tuple(dict.fromkeys(name for tail in tails for name in names_at(tail, updates)))
    nodes = [replace(node, updates=updates[node.key]) if node.is_step else node for node in graph.node_list]
    return replace(graph, node_list=tuple(nodes))


def names_at(tail: Node, updates: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of the parameters that an operand of a step is: a leaf, or what a step before made of it; gradients
    and buffers are none.
    """
    return (tail.name,) if tail.kind == "leaf" and tail.name is not None else updates.get(tail.key, ())
