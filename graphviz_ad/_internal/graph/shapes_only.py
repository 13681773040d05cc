"""Graph whose tensors have no numbers, all for the same reason -> the graph that says so once, not in each box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import SHAPES_ONLY, notice
from graphviz_ad._internal.graph.snapshot import SAID_ELSEWHERE, Snapshot

LEAST = 3  # results; where there are fewer, each says it itself
Holder = TypeVar("Holder", Port, Edge)


def with_reason_said_once(graph: Graph) -> Graph:
    """The graph with the reason as a notice; the same one where any number of it is known."""
    reasons = [snap.missing if snap.data is None and snap.stats is None else None for snap in values_in(graph)]
    why = reasons[0] if len(reasons) >= LEAST else None
    if not why or any(reason != why for reason in reasons):
        return graph
    nodes = tuple([silent_node(node, why) for node in graph.node_list])
    edges = tuple([silent(edge, why) for edge in graph.edges])
    return replace(graph, node_list=nodes, edges=edges).saying(notice(SHAPES_ONLY, [why]))


def values_in(graph: Graph) -> Iterator[Snapshot]:
    """What is noted of the results of operations and of leaves; numbers of the program are known in any case."""
    for node in graph.node_list:
        if node.kind != "data":
            yield from (port.value for port in node.ports if port.value is not None)


def silent_node(node: Node, why: str) -> Node:
    """The node whose ports do not say it."""
    ports = tuple([silent(port, why) for port in node.ports])
    return (
        node if all(one is other for one, other in zip(ports, node.ports, strict=True)) else replace(node, ports=ports)
    )


def silent(holder: Holder, why: str) -> Holder:
    """The port or edge none of whose snapshots says it."""
    changed: dict[str, Any] = {
        name: replace(snap, missing=SAID_ELSEWHERE)
        for name, snap in ((each.name, getattr(holder, each.name)) for each in fields(holder))
        if isinstance(snap, Snapshot) and snap.missing == why
    }
    return replace(holder, **changed) if changed else holder
