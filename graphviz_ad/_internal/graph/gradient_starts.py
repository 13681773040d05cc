"""Graph -> what its gradients start from: a loss, what backward() was called on, or an output that is neither."""

from __future__ import annotations

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import BACKWARD_CALLS
from graphviz_ad._internal.operations.training import LOSSES

LOSS, BACKWARD, NUMBER, TENSOR = STARTS = ("loss", "backward", "number", "tensor")


def start_of(graph: Graph) -> str | None:
    """One of `STARTS`; None where no gradient starts."""
    outputs = [node for node in graph.node_list if any(port.upstream is not None for port in node.ports)]
    if not outputs:
        return None
    if any(is_made_of_loss(graph, node) for node in outputs):
        return LOSS
    if any(note.kind == BACKWARD_CALLS for note in graph.notes):
        return BACKWARD
    whole = all(port.shape == () for node in outputs for port in node.ports if port.upstream is not None)
    return NUMBER if whole else TENSOR


def is_made_of_loss(graph: Graph, output: Node) -> bool:
    """Whether an operation that is a loss made this, or one of the single numbers that it is made of."""
    seen, waiting = {output.key}, [output]
    while waiting:
        node = waiting.pop()
        if node.op in LOSSES:
            return True
        if all(port.shape == () for port in node.ports):
            tails = dict.fromkeys(edge.tail for edge in graph.in_edges(node.key) if edge.tail not in seen)
            seen |= {*tails}
            waiting += [graph.nodes[tail] for tail in tails]
    return False
