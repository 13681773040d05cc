"""Graph -> the same, whose steps of optimizers say which parameter each of them changes."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node


def with_updates(graph: Graph) -> Graph:
    """The graph; the same one where no optimizer took a step."""
    if not any(node.is_step for node in graph.node_list):
        return graph
    nodes = [replace(node, updates=parameters_of(graph, node)) if node.is_step else node for node in graph.node_list]
    return replace(graph, node_list=tuple(nodes))


def parameters_of(graph: Graph, step: Node) -> tuple[str, ...]:
    """The names of the leaves that a step reads: gradients and buffers are none."""
    tails = [graph.nodes[edge.tail] for edge in graph.in_edges(step.key)]
    return tuple(dict.fromkeys(tail.name for tail in tails if tail.kind == "leaf" and tail.name is not None))
