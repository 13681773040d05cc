"""Graph -> Graph in which groups of nodes have become one node each: what merging calls and folding modules have in common."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from graphviz_ad.graph import Edge, Graph, Node

Ports = dict[tuple[str, int], int]
Build = Callable[[Graph, list[Node], list[Edge], Ports], tuple[Node, list[Edge]]]


def is_convex(graph: Graph, nodes: list[Node], position: dict[str, int]) -> bool:
    """Whether no path leaves the nodes and comes back: only then can they be one node."""
    inside = {node.key for node in nodes}
    first, last = position[nodes[0].key], position[nodes[-1].key]
    tainted: set[str] = set()  # outside, but depends on something inside
    for node in graph.node_list[first : last + 1]:
        reached = any(edge.tail in tainted or (edge.tail in inside and node.key not in inside) for edge in graph.in_edges(node.key))
        if reached and node.key in inside:
            return False
        if reached:
            tainted.add(node.key)
    return True


def contract(
    graph: Graph,
    groups: dict[str, list[Node]],
    owner: dict[str, str],
    build: Build,
) -> Graph:
    """Each group as the one node that `build` makes of it and its operands, in the place of the group's key."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    ports: Ports = {}
    for key, members in groups.items():
        for number, source in enumerate(results_of(graph, members)):
            ports[source] = number
        del key
    for node in graph.node_list:
        home = owner.get(node.key)
        if home is None:
            nodes.append(node)
            edges.extend(moved(edge, owner, ports) for edge in graph.in_edges(node.key))
        elif home == node.key:
            members = groups[home]
            inside = {member.key for member in members}
            operands = [edge for member in members for edge in graph.in_edges(member.key) if edge.tail not in inside]
            new, incoming = build(graph, members, operands, ports)
            nodes.append(replace(new, key=home))
            edges.extend(moved(replace(edge, head=home), owner, ports) for edge in incoming)
    return graph.with_parts(in_order(nodes, edges), edges)


def in_order(nodes: list[Node], edges: list[Edge]) -> list[Node]:
    """The nodes with every operand before its reader, otherwise as they stand."""
    place = {node.key: i for i, node in enumerate(nodes)}
    if all(place[edge.tail] < place[edge.head] for edge in edges):
        return nodes
    waiting = dict.fromkeys(place, 0)
    readers: dict[str, list[str]] = {key: [] for key in place}
    for edge in edges:
        waiting[edge.head] += 1
        readers[edge.tail].append(edge.head)
    ready = [i for key, i in place.items() if not waiting[key]]
    heapq.heapify(ready)
    result = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        result.append(node)
        for reader in readers[node.key]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, place[reader])
    return result


def results_of(graph: Graph, members: list[Node]) -> list[tuple[str, int]]:
    """The (node, port) of a group that somebody outside it reads or that are outputs."""
    inside = {member.key for member in members}
    read = {(edge.tail, edge.port) for member in members for edge in graph.out_edges(member.key) if edge.head not in inside}
    read |= {(member.key, i) for member in members for i, port in enumerate(member.ports) if port.is_output or port.upstream is not None}
    found = [(member.key, i) for member in members for i in range(len(member.ports)) if (member.key, i) in read]
    return found or [(members[-1].key, 0)]


def moved(edge: Edge, owner: dict[str, str], ports: Ports) -> Edge:
    """The edge with its tail and port in the contracted graph."""
    if edge.tail not in owner:
        return edge
    return replace(edge, tail=owner[edge.tail], port=ports[edge.tail, edge.port])


def renumbered(graph: Graph) -> Graph:
    """The same graph with keys n0, n1, … in forward order."""
    key = {node.key: f"n{i}" for i, node in enumerate(graph.node_list)}
    nodes = [replace(node, key=key[node.key]) for node in graph.node_list]
    edges = [replace(edge, tail=key[edge.tail], head=key[edge.head]) for edge in graph.edges]
    return graph.with_parts(nodes, edges)


def counted(count: int, noun: str) -> str:
    """ "1 module is", "3 modules are"."""
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
