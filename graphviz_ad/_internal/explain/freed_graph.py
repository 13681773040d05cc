"""Graph of a pass that went back through what an earlier pass had freed -> which pass that was, and which tensor led
there.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.pass_keys import with_shared_keys
from graphviz_ad._internal.scene.words.names import graph_names


def had_gradient(graph: Graph, node: Node) -> bool:
    """Whether the same node had a gradient in the graph of another pass; calls are joined in each as its gradients
    allow.
    """
    same = graph.nodes.get(node.key)
    return (
        same is not None
        and (same.op, same.name, same.source, len(same.ports)) == (node.op, node.name, node.source, len(node.ports))
        and any(port.grad is not None for port in same.ports)
    )


def freed_by(graph: Graph, stopped: Node) -> int | None:
    """The number of the last pass before that came by the operation, and freed what it keeps."""
    passes = with_shared_keys(graph).passes[:-1]
    before = [number for number, done in enumerate(passes, 1) if had_gradient(done, stopped)]
    return before[-1] if before else None


def carriers(graph: Graph, number: int) -> list[Edge]:
    """The edges on which this pass came from what was computed since into what that pass had freed."""
    done = with_shared_keys(graph).passes[number - 1]
    return [
        edge
        for edge in graph.edges
        if edge.grad is not None
        and graph.nodes[edge.tail].kind == "op"
        and had_gradient(done, graph.nodes[edge.tail])
        and not had_gradient(done, graph.nodes[edge.head])
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
