"""Graph of the last of several backward passes -> the same with what the others began at, and their gradients.

A step of a GAN has a pass for each of its networks: both are to be seen. What a line began again, as in a loop, is seen
once, as it was the last time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.notices import PASSES_DRAWN, SEVERAL_PASSES, notice
from graphviz_ad._internal.graph.pass_keys import same_nodes

MOST_PASSES = 12  # of which the graphs are made for a picture


def with_other_passes(graph: Graph) -> Graph:
    """The graph with the gradients of the last pass from each place in the program that one began at; the same one
    where there is but one such place.
    """
    others = dict(passes_from_elsewhere(graph)) if 1 < len(graph.passes) <= MOST_PASSES else {}
    if not others:
        return graph
    for other in others.values():
        graph = with_values_apart(graph, other)
    nodes, edges = dict(graph.nodes), {edge.key: edge for edge in graph.edges}
    for number, other in reversed(others.items()):  # a leaf of several passes shows the last, and what .grad held then
        there = same_nodes(graph, other) | values_apart(graph, other)
        for key in [key for key, node in there.items() if has_gradient(node) and not has_gradient(nodes[key])]:
            nodes[key] = replace(as_in_pass(there[key], number), key=key)
            edges |= edges_as_in_pass(graph, other, key, there)
    numbers = {**others, len(graph.passes): graph}
    starts = [(number, node) for number, each in numbers.items() for node in starts_of(each)]
    for node in filter(has_gradient, graph.node_list):
        nodes[node.key] = beginning(replace(node, in_passes=(len(graph.passes),)), len(graph.passes))
    told = notice(
        PASSES_DRAWN,
        [node.name or node.op or "" for _, node in starts],
        count=len(graph.passes),
        numbers=tuple(i for i, _ in starts),
        sources=tuple(node.source for _, node in starts),
        reached=tuple(dict.fromkeys(tensor for other in others.values() for tensor in reached_in(other))),
    )
    notes = [told if note.kind == SEVERAL_PASSES else note for note in graph.notes]
    return replace(graph, node_list=tuple(nodes.values()), edges=tuple(edges.values()), notes=tuple(notes))


def passes_from_elsewhere(graph: Graph) -> Iterator[tuple[int, Graph]]:
    """The last pass from each place that one began at, but that of the last of all; each with its number, from 1 on."""
    found: dict[object, tuple[int, Graph]] = {}
    for number, each in enumerate(graph.passes[:-1], 1):
        found[places_of_starts(each)] = number, each
    found.pop(places_of_starts(graph), None)
    yield from sorted(found.values(), key=lambda pair: pair[0])


def with_values_apart(graph: Graph, other: Graph) -> Graph:
    """The graph with a leaf of its own for each parameter that another pass came to as what a step had made of it,
    where it is a result of that step among others.
    """
    made: dict[tuple[str, int], str] = {}
    nodes: list[Node] = []
    wanted = dict(leaves_of_steps(other))
    for node in graph.node_list:
        nodes.append(node)
        for i, port in enumerate(node.ports if node.is_step and len(node.ports) > 1 else ()):
            leaf, key = wanted.get((node.module[:1], node.call, port.tensor)), f"{node.key}p{i}"
            if leaf is not None and key not in graph.nodes:
                made[node.key, i] = key
                nodes.append(replace(as_unreached(leaf), key=key))
    if not made:
        return graph
    read = [
        replace(edge, tail=made[edge.tail, edge.port], port=0) if (edge.tail, edge.port) in made else edge
        for edge in graph.edges
    ]
    given = [Edge(step, key, 0, i, cut="data") for (step, i), key in made.items()]
    return replace(graph, node_list=tuple(nodes), edges=(*read, *given))


def leaves_of_steps(graph: Graph) -> Iterator[tuple[Hashable, Node]]:
    """Rank or module, call and tensor -> the leaf that a pass came to as what a step had made of it."""
    for node in graph.node_list:
        tensor = node.ports[0].tensor
        if node.kind == "leaf" and node.call is not None and tensor is not None and has_gradient(node):
            yield (node.module[:1], node.call, tensor), node


def as_unreached(leaf: Node) -> Node:
    """A value of a parameter, without what a pass brought there."""
    port = replace(leaf.ports[0], grad=None, grad_total=None, upstream=None, arrived=None)
    return replace(leaf, op=None, call_op=None, arguments=(), ports=(port,), cut="unreached", backward_order=None)


def values_apart(graph: Graph, other: Graph) -> dict[str, Node]:
    """Key of such a leaf -> the same in the pass that came to it."""
    wanted = dict(leaves_of_steps(other))
    own = [node for node in graph.node_list if node.kind == "leaf" and node.op is None and node.call is not None]
    found = {node.key: wanted.get((node.module[:1], node.call, node.ports[0].tensor)) for node in own}
    return {key: leaf for key, leaf in found.items() if leaf is not None}


def edges_as_in_pass(graph: Graph, other: Graph, key: str, there: Mapping[str, Node]) -> dict[str, Edge]:
    """The edges out of a node, with what flows back along them in another pass."""
    flowing = {(edge.head, edge.slot): edge for edge in other.out_edges(there[key].key)}
    return {
        edge.key: replace(flowing[there[edge.head].key, edge.slot], tail=key, head=edge.head)
        for edge in graph.out_edges(key)
        if edge.head in there and (there[edge.head].key, edge.slot) in flowing
    }


def reached_in(graph: Graph) -> Iterator[int]:
    """The numbers of the tensors of leaves that a gradient came to."""
    for node in graph.node_list:
        if node.kind == "leaf":
            yield from (port.tensor for port in node.ports if port.tensor is not None and port.grad is not None)


def starts_of(graph: Graph) -> list[Node]:
    """What the gradients of a pass start from."""
    return [node for node in graph.node_list if any(port.upstream is not None for port in node.ports)]


def places_of_starts(graph: Graph) -> tuple[object, ...]:
    """The lines of these."""
    return tuple((node.source, node.op) for node in starts_of(graph))


def has_gradient(node: Node) -> bool:
    """Whether a gradient came to a node."""
    return any(port.grad is not None for port in node.ports)


def as_in_pass(node: Node, number: int) -> Node:
    """A node with the gradients of a pass, which begins there, where it does; it is no output of the last."""
    begun = beginning(node, number)
    ports = tuple([replace(port, upstream=None, is_output=False) for port in begun.ports])
    return replace(begun, ports=ports, in_passes=(number,))


def beginning(node: Node, number: int) -> Node:
    """A node that says which pass begins at it, if one does."""
    ports = [replace(port, begins=number) if port.upstream is not None else port for port in node.ports]
    return replace(node, ports=tuple(ports))
