"""Graph + a tensor -> the custom Functions that read it inside, where autograd records nothing, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.traits import REENTRANT


def functions_that_read(graph: Graph, places: Iterable[tuple[Node, int]]) -> list[Node]:
    """The custom Functions in which something read one of these results without being given it."""
    found: dict[str, Node] = {}
    for node, port in places:
        seen, waiting = set(), [edge for edge in graph.out_edges(node.key) if edge.port == port and edge.cut == "inner"]
        while waiting:
            head = graph.nodes[waiting.pop().head]
            if head.cut != "inner":
                found[head.key] = head
            elif head.key not in seen:
                seen.add(head.key)
                waiting += graph.out_edges(head.key)
    return [node for node in graph.node_list if node.key in found]


def read_inside(graph: Graph, functions: list[Node], name: str, described: Callable[[str], str]) -> Iterator[str]:
    """Why no gradient comes out of there, and what to do."""
    for function in functions:
        yield f"{described(function.key)} reads {name} inside, where autograd records nothing."
        given = [graph.nodes[edge.tail] for edge in graph.in_edges(function.key) if edge.cut != "inner"]
        if function.op == REENTRANT and not any(node.requires_grad for node in given):
            yield (
                "A checkpoint with use_reentrant=True computes gradients only if something that it is given requires"
                " grad, and nothing does."
            )
        elif function.op != REENTRANT:
            yield "Its backward method gives gradients to its arguments only."
    if any(function.op == REENTRANT for function in functions):
        yield "Call checkpoint with use_reentrant=False, or requires_grad_() on what it is given."
    else:
        yield f"Give it {name} as an argument, and return a gradient for it."
