"""Graph + result -> whether it would have mattered: whether it leads on to what a backward pass began at."""

from __future__ import annotations

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.scene.annotations import is_write


def leads_to_a_loss(graph: Graph, key: str) -> bool:
    """Whether something that a gradient was fed in at in this pass was computed from a node, in whatever way; an
    update of a parameter is no part of a computation.
    """
    seen, waiting = {key}, [key]
    while waiting:
        node = graph.nodes[waiting.pop()]
        if is_root(node):
            return True
        for edge in graph.out_edges(node.key):
            if edge.head not in seen and not is_update(graph, edge):
                seen.add(edge.head)
                waiting.append(edge.head)
    return False


def is_root(node: Node) -> bool:
    """Whether a pass began there."""
    return node.is_output or any(port.upstream is not None for port in node.ports)


def is_update(graph: Graph, edge: Edge) -> bool:
    """Whether an edge leads into the next value of a leaf, as an optimizer writes it: nobody expects a gradient
    through that.
    """
    head = graph.nodes[edge.head]
    return edge.cut is not None and is_write(head) and (head.is_step or head.ports[0].tensor is not None)
