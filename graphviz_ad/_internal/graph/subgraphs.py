"""Graph -> Graph of some of its nodes, in which each operation knows which operands it has lost."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from graphviz_ad._internal.graph.arguments import LEFT_OUT, Argument, hidden_operand
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import Notice


def keep_only(graph: Graph, wanted: Iterable[str], notice: str | Notice = "") -> Graph:
    """The subgraph of the wanted nodes, where each operation knows which operands it has lost; ``notice`` is what
    readers will miss.
    """
    keys = set(wanted)
    nodes = [with_lost_operands(graph, node, keys) for node in graph.node_list if node.key in keys]
    edges = [edge for edge in graph.edges if edge.tail in keys and edge.head in keys]
    return graph.with_parts(nodes, edges, (notice,) if notice else ())


def with_lost_operands(graph: Graph, node: Node, keys: Set[str]) -> Node:
    """The node with the numbers that it reads and that are not among the keys as arguments, and a mark for other
    operands that are not.
    """
    lost = tuple(
        [
            (hidden_operand(edge.slot), number_of(graph.nodes[edge.tail]))
            for edge in graph.in_edges(node.key)
            if edge.tail not in keys
        ]
    )
    return replace(node, arguments=(*node.arguments, *lost)) if lost else node


def number_of(node: Node) -> Argument:
    """The number that a node is; a mark where it is none."""
    value = node.value
    known = node.kind == "data" and node.op is None and value is not None and value.shape == () and value.known
    return value.item() if known and value is not None else LEFT_OUT
