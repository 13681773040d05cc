"""Nodes that take no gradient and are one box -> what it is called: "prepared data: cos, sin"; and by what name each of
its results is known to who looks at the box.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.graph.graph import Graph, Node

PREPARED, WITHOUT = "prepared data", "without gradient"
ROOM_OF_NAMES, ROOM_OF_ONE = 14, 24  # characters, of what several results are, or one


def title_of_data(graph: Graph, keys: Sequence[str]) -> str:
    """What stands on what takes no gradient: that data is prepared, or, of results and steps, its last result."""
    inside = {*keys}
    needs = [graph.nodes[edge.tail] for key in keys for edge in graph.in_edges(key) if edge.tail not in inside]
    if not any(node.is_step or (node.op is not None and node.requires_grad) for node in needs):
        return title_of_prepared(names_of_data(graph, keys))
    results = [node.name for node in map(graph.nodes.__getitem__, keys) if node.op is not None and node.name]
    return f"{results[-1]}, {WITHOUT}" if results else WITHOUT


def title_of_prepared(names: Sequence[str | None]) -> str:
    """That data is prepared, and what, where that is known of all of it, and short."""
    known = [name for name in names if name]
    text = ", ".join(known)
    room = ROOM_OF_NAMES if names[1:] else ROOM_OF_ONE
    return f"{PREPARED}: {text}" if text and len(known) == len(names) and len(text) <= room else PREPARED


def names_of_data(graph: Graph, keys: Sequence[str]) -> list[str | None]:
    """What the results are called that others read, each name once; None for those without one."""
    places = {key: place for place, key in enumerate(keys)}
    read = [edge for key in keys for edge in graph.out_edges(key) if edge.head not in places]
    results = sorted({(places[edge.tail], edge.port) for edge in read})
    nodes = [(graph.nodes[keys[place]], port) for place, port in results]
    return [*dict.fromkeys(node.ports[port].name or (None if node.ports[1:] else node.name) for node, port in nodes)]


def name_on_box(node: Node, place: int) -> str:
    """By what name a box of several nodes shows one of its results: of several its own, of prepared data that in its
    title; "" where the name of the box says it, as that of an optimizer's steps does.
    """
    if node.kind != "module" or node.copies is not None or node.is_of_steps:
        return ""
    port = node.ports[place]
    if node.ports[1:]:
        return port.name or port.made_by or ""
    name = port.name or node.name
    return name if name and node.op == title_of_prepared((name,)) else ""
