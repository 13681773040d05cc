"""Graph of the last of several backward passes -> the same with what the others began at, and their gradients.

A step of a GAN has a pass for each of its networks: both are to be seen. What a line began again, as in a loop, is seen
once, as it was the last time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.notices import PASSES_DRAWN, SEVERAL_PASSES, notice

MOST_PASSES = 12  # of which the graphs are made for a picture


def with_other_passes(graph: Graph) -> Graph:
    """The graph with the gradients of the last pass from each place in the program that one began at; the same one
    where there is but one such place.
    """
    others = dict(passes_from_elsewhere(graph)) if 1 < len(graph.passes) <= MOST_PASSES else {}
    if not others:
        return graph
    nodes, edges = dict(graph.nodes), {edge.key: edge for edge in graph.edges}
    for number, other in reversed(others.items()):  # a leaf of several passes shows the last, and what .grad held then
        there = same_nodes(graph, other)
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


def same_nodes(graph: Graph, other: Graph) -> dict[str, Node]:
    """Key of a node -> the same in the graph of another pass, which has other keys: calls by their numbers, and what
    these read.
    """
    here, there = nodes_of_calls(graph), nodes_of_calls(other)
    found = {node.key: there[call] for call, node in here.items() if call in there and there[call].op == node.op}
    for head in list(found):
        slots = {(edge.slot, edge.port): edge.tail for edge in other.in_edges(found[head].key)}
        for edge in graph.in_edges(head):
            tail, same = graph.nodes[edge.tail], other.nodes.get(slots.get((edge.slot, edge.port), ""))
            if same is not None and tail.kind == "leaf" and (same.kind, same.name) == (tail.kind, tail.name):
                found[tail.key] = same
    return found


def nodes_of_calls(graph: Graph) -> dict[int, Node]:
    """Number of a call -> its node, of those that are one."""
    found: dict[int, list[Node]] = {}
    for node in graph.node_list:
        if node.call is not None and node.kind == "op" and not node.is_step:
            found.setdefault(node.call, []).append(node)
    return {call: nodes[0] for call, nodes in found.items() if len(nodes) == 1}


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
