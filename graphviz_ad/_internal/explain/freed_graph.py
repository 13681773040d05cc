"""Graph of a pass that went back through what an earlier pass had freed -> which pass that was, and which tensor led
there.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.pass_keys import same_nodes
from graphviz_ad._internal.scene.words.names import graph_names


def reached_in(graph: Graph, done: Graph) -> dict[str, Node]:
    """Key of a node -> the same in the graph of another pass, of those that had a gradient there."""
    return {
        key: same
        for key, same in same_nodes(graph, done).items()
        if len(same.ports) == len(graph.nodes[key].ports) and any(port.grad is not None for port in same.ports)
    }


def freed_by(graph: Graph, stopped: Node) -> int | None:
    """The number of the last pass before that came by the operation, and freed what it keeps."""
    before = range(len(graph.passes) - 1, 0, -1)
    return next((number for number in before if stopped.key in reached_in(graph, graph.passes[number - 1])), None)


def carriers(graph: Graph, number: int) -> list[Edge]:
    """The edges on which this pass came from what was computed since into what that pass had freed."""
    reached = reached_in(graph, graph.passes[number - 1])
    return [
        edge
        for edge in graph.edges
        if edge.grad is not None
        and graph.nodes[edge.tail].kind == "op"
        and edge.tail in reached
        and edge.head not in reached
    ]


def who_freed(graph: Graph, stopped: Node) -> Iterator[str]:
    """Which pass freed the graph, what led into it, and what to do."""
    number = freed_by(graph, stopped)
    if number is None:
        return
    names = graph_names(graph)
    yield f"Pass {number} had freed what {names.of[stopped.key]} keeps for the backward pass."
    found = carriers(graph, number)
    if found:
        tails = list(dict.fromkeys(names.carried(edge) for edge in found))
        several = len(tails) > 1
        yield (
            f"{' and '.join(tails)} {'carry' if several else 'carries'} the graph of that pass over into this one:"
            f" detach {'them' if several else 'it'} in between, or call backward(retain_graph=True) first."
        )
    else:
        yield "Call backward(retain_graph=True) there, or compute the result anew before you go back from it again."
