"""An operation that makes weights of scores + what the scores are products of -> whose rows its rows and columns are.

An attention matrix is a softmax along the last dimension of q @ kᵀ, whatever scales or masks them in between: each row
is one of q, each column one of k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.maths.claims import Call, base_name, with_operands
from graphviz_ad._internal.operations.rules import ELEMENTWISE
from graphviz_ad._internal.operations.traits import DROPS, MATRIX_PRODUCTS, REORDERED, SOFTMAX


@dataclass(frozen=True)
class Attention:
    """The weights, the scores that became them, last first, and the edges that carry q and k."""

    weights: Node
    scores: tuple[Node, ...]
    queries: Edge
    keys: Edge


def attention_of(call: Call) -> Attention | None:
    """What an operation attends to; None where it is no softmax of products of rows with rows."""
    shape = call.node.ports[0].shape
    if call.name not in SOFTMAX or not shape or len(shape) < 2 or len(call.operands) != 1:
        return None
    if dict(call.node.arguments).get("dim") not in (-1, len(shape) - 1):
        return None
    scores = list(back_to_product(call.graph, call.operands[0], shape))
    if not scores or base_name(scores[-1]) not in MATRIX_PRODUCTS:
        return None
    product = with_operands(call.graph, scores[-1])
    if len(product.operands) != 2 or min(map(len, product.shapes)) < 2:
        return None
    keys = turned(call.graph, product.operands[1])
    return Attention(call.node, tuple(scores), product.operands[0], keys) if keys is not None else None


def back_to_product(graph: Graph, edge: Edge, shape: tuple[int, ...]) -> Iterator[Node]:
    """The operations between a product and what is made of it, back from that edge to the product."""
    while True:
        node = graph.nodes[edge.tail]
        yield node
        name, before = base_name(node), graph.in_edges(node.key)
        same = [
            each for each in before if graph.nodes[each.tail].ports[each.port].shape == shape and follows(graph, each)
        ]
        if (name not in ELEMENTWISE and name not in DROPS) or len(same) != 1:
            return
        edge = same[0]


def follows(graph: Graph, edge: Edge) -> bool:
    """Whether an operand may be scores: it takes a gradient, or there is none to take."""
    return edge.cut is None or (not graph.has_gradients and graph.nodes[edge.tail].kind == "op")


def turned(graph: Graph, edge: Edge) -> Edge | None:
    """What the last two dimensions of an operand were swapped of; None where they were not."""
    node = graph.nodes[edge.tail]
    before = graph.in_edges(node.key)
    if base_name(node) not in REORDERED or len(before) != 1 or len(node.autograd) > 1:
        return None
    shape = graph.nodes[before[0].tail].ports[before[0].port].shape
    return before[0] if shape and swaps_last_two(dict(node.arguments), len(shape)) else None


def swaps_last_two(settings: dict[str, object], count: int) -> bool:
    """Whether these settings swap the last two of so many dimensions, and no others; without any, two are swapped."""
    dims = settings.get("dims")
    if isinstance(dims, tuple):
        return dims == (*range(count - 2), count - 1, count - 2)
    pair = [settings.get("dim0", 0), settings.get("dim1", 1)]
    numbers = [dim % count for dim in pair if type(dim) is int]
    return sorted(numbers) == [count - 2, count - 1] and count >= 2
