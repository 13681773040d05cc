"""A graph as it is shown -> the operations in it, also those inside lines and calls of the program, and where each of
their operands and results is seen.

A result that is only seen as another shape of itself, as ``x[None]`` inside of a line, is seen there: its elements
stand in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.program_boxes import result_inside
from graphviz_ad._internal.maths.claims import base_name
from graphviz_ad._internal.operations.traits import BEHIND_AUTOGRADS_BACK, GETITEM, UNSQUEEZES, VIEWS_IN_ORDER

Result = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Shown:
    """A graph as it is shown."""

    graph: Graph

    @property
    def finest(self) -> Graph:
        """The graph of single operations."""
        return self.graph.finer or self.graph

    def operations(self) -> Iterator[tuple[Graph, Node, str]]:
        """Every single operation: the graph that it is a node of, the node, and the key of the box that it is in."""
        finest = self.finest
        for node in self.graph.node_list:
            for key in node.members or (node.key,):
                if key in finest.nodes and finest.nodes[key].kind == "op":
                    yield finest, finest.nodes[key], node.key

    @cached_property
    def _seen(self) -> dict[Result, Result]:
        """Result of an operation inside a box -> the result of the box that it is."""
        return {
            result_inside(self.graph, node.key, port): (node.key, port)
            for node in self.graph.node_list
            if node.kind != "module"
            for port in range(len(node.ports))
        }

    def operand(self, graph: Graph, edge: Edge) -> Result | None:
        """Where what an edge carries is seen, it or what it is another shape of; None where it is not."""
        key, port = edge.tail, edge.port
        while (seen := self.result_here(graph, key, port)) is None:
            before = graph.in_edges(key)
            if len(before) != 1 or not only_shapes(graph.nodes[key]):
                return None
            key, port = before[0].tail, before[0].port
        return seen

    def result(self, graph: Graph, node: Node, port: int = 0) -> Result | None:
        """Where a result of an operation is seen, it or the only other shape of it; None where it is not."""
        key = node.key
        while (seen := self.result_here(graph, key, port)) is None:
            after = [edge for edge in graph.out_edges(key) if edge.port == port]
            if len(after) != 1 or not only_shapes(graph.nodes[after[0].head]):
                return None
            key, port = after[0].head, 0
        return seen

    def result_here(self, graph: Graph, key: str, port: int) -> Result | None:
        """Where a result itself is seen."""
        return (key, port) if graph is self.graph else self._seen.get((key, port))


def only_shapes(node: Node) -> bool:
    """Whether the elements of a result are those of the one operand, in the same order, and so are their gradients."""
    name = base_name(node)
    if name == GETITEM:
        return bool(node.autograd) and all(part in UNSQUEEZES for part in node.autograd)
    return node.kind == "op" and name in VIEWS_IN_ORDER - BEHIND_AUTOGRADS_BACK
