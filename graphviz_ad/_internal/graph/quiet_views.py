"""Graph of boxes + views that nobody asked for -> Graph in which these are inside of a box that they stand next to.

A view makes nothing: what it is given, in another shape. Beside boxes that stand for many operations it would take the
room of one of these. It joins the one box that reads it, or else the box of whose result it is all that is read.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from math import prod

from graphviz_ad._internal.graph.contraction import Ports, contract, shown_ports
from graphviz_ad._internal.graph.folding import summed_edges
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.open_copies import call_of
from graphviz_ad._internal.operations.traits import (
    COPIES_ALL,
    GETITEM,
    REORDERED,
    SHAPE_ONLY,
    SLICES,
    VIEWS_IN_ORDER,
)

TAKES_PARTS = SLICES | {GETITEM}  # the same elements where these take all of them
KNOWN = VIEWS_IN_ORDER | REORDERED | COPIES_ALL | TAKES_PARTS | SHAPE_ONLY
WITH_READERS = REORDERED | COPIES_ALL | SHAPE_ONLY  # give other elements, or in another order: no box before says these


def is_quiet_view(graph: Graph, node: Node) -> bool:
    """Whether a node does no more than to show the elements of one tensor in another shape, or to make a constant of
    its shape, and nothing is to be said of it: no gradient starts, stops or is changed there.
    """
    edges = graph.in_edges(node.key)
    if node.kind != "op" or node.op not in KNOWN or len(edges) != 1 or len(node.ports) != 1:
        return False
    tail = graph.nodes[edges[0].tail]
    stops = node.requires_grad if node.op in SHAPE_ONLY else edges[0].cut is not None and tail.requires_grad
    told = node.raised or node.hooks or node.hook_effects or node.bounds or node.messages or node.not_finite
    return not (stops or told or is_end(node.ports[0])) and (
        node.op not in TAKES_PARTS or numel(node.ports[0]) == numel(tail.ports[edges[0].port])
    )


def is_end(port: Port) -> bool:
    """Whether gradients start at a result, or it is one of the program."""
    return port.is_output or port.upstream is not None or port.begins is not None or port.arrived is not None


def numel(port: Port) -> int | None:
    """How many elements a result has."""
    return None if port.shape is None else prod(port.shape)


def with_quiet_views_inside(graph: Graph, views: Container[str]) -> Graph:
    """The graph with those of the ``views``, by their keys, in boxes that stand next to a box."""
    quiet = {node.key for node in graph.node_list if node.key in views and is_quiet_view(graph, node)}
    homes = homes_of(graph, quiet)
    groups: dict[str, list[Node]] = {}
    for node in graph.node_list:
        home = homes.get(node.key, node.key)
        groups.setdefault(home, []).append(node)
    groups = {key: nodes for key, nodes in groups.items() if nodes[1:]}
    if not groups:
        return graph
    owner = {node.key: key for key, nodes in groups.items() for node in nodes}
    return contract(graph, groups, owner, box_with_views)


def homes_of(graph: Graph, quiet: Container[str]) -> Mapping[str, str]:
    """Key of a view -> key of the box that it joins."""
    homes: dict[str, str] = {}
    for node in reversed(graph.node_list):
        readers = {homes.get(edge.head, edge.head) for edge in graph.out_edges(node.key)}
        if node.key in quiet and len(readers) == 1:
            (reader,) = readers
            if takes_views(graph.nodes[reader]):
                homes[node.key] = reader
    for node in graph.node_list:
        if node.key in quiet and node.key not in homes and node.op not in WITH_READERS:
            (edge,) = graph.in_edges(node.key)
            maker = homes.get(edge.tail, edge.tail)
            if takes_views(graph.nodes[maker]) and is_all_that_is_read(graph, edge):
                homes[node.key] = maker
    return homes


def takes_views(node: Node) -> bool:
    """Whether a node is a box of something computed of which no words say what it was given."""
    return node.kind == "module" and node.inside > 0 and not node.is_of_steps and call_of(node) is None


def is_all_that_is_read(graph: Graph, edge: Edge) -> bool:
    """Whether nobody else reads what an edge carries."""
    readers = [other for other in graph.out_edges(edge.tail) if other.port == edge.port]
    return len(readers) == 1 and not is_end(graph.nodes[edge.tail].ports[edge.port])


def box_with_views(graph: Graph, members: list[Node], operands: list[Edge], ports: Ports) -> tuple[Node, list[Edge]]:
    """A box with the views before and behind it inside: what it says of itself stays."""
    del ports
    (box,) = [node for node in members if node.kind == "module"]
    labels = tuple([label for node in members for label in node.autograd])
    return replace(box, ports=shown_ports(graph, members), autograd=labels), summed_edges(graph, operands)
