"""Node -> its part in a communication between processes, and the marks of that on a picture."""

from __future__ import annotations

from collections.abc import Iterable

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.messages import PAIRS, Communication, Message

CUT = "communication"  # values go along such an edge, autograd does not
ALSO_IN_TORCH = ("gather", "scatter")  # where they are something else


def message_of(node: Node) -> Message | None:
    """What one process recorded of a communication here; None where it is none, or was joined of those of several."""
    return next((message for message in node.messages[:1] if isinstance(message, Message)), None)


def operation_name(kind: str) -> str:
    """What the operation of a Node is called."""
    return f"dist_{kind}" if kind in ALSO_IN_TORCH else kind


def glyph(node: Node) -> str:
    """The mark of what happens between all ranks of a group; "" for anything else."""
    return "⇄" if node.messages and node.messages[-1].kind not in PAIRS else ""


def rank_module(rank: int) -> str:
    """The module that everything of one rank is inside of, in a graph of several."""
    return f"rank {rank}"


def is_of(node: Node, ranks: Iterable[int]) -> bool:
    """Whether a node of a graph of several ranks is inside one of these; of a graph of one rank, every node is: give
    no ranks there.
    """
    wanted = [rank_module(rank) for rank in ranks]
    return not wanted or node.module[:1] in [(name,) for name in wanted]


def crossing(graph: Graph, edge: Edge) -> str:
    """ "⇢ rank 1" for an edge that brings something there from another rank, with "?" where only the order says so;
    "" for any other edge.
    """
    there, here = (graph.nodes[key].module[:1] for key in (edge.head, edge.tail))
    if edge.cut != CUT or not there or not here:
        return ""
    return f"⇢ {there[0]}{' ?' if edge.match == 'guess' else ''}"


def said_by(nodes: Iterable[Node]) -> tuple[Communication, ...]:
    """What these nodes say of their communication, of the one node that they become."""
    return tuple(dict.fromkeys(message for node in nodes for message in node.messages))
