"""Graph -> a short text that is the same for the same computation: for a test that says when a model has changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from graphviz_ad._internal.graph.graph import Graph, Node, Port

DIGITS = 3  # of values that are taken in; fewer than any dtype has, so that only what is new counts


def fingerprint_of(graph: Graph, *, values: bool = False) -> str:
    """ "24 ops, 8 leaves, 30 edges: 9f2c4a1be07d5613"."""
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    nodes = [_node(node, values=values) for node in graph.node_list]
    edges = sorted([place[edge.tail], edge.port, place[edge.head], edge.slot, edge.cut or ""] for edge in graph.edges)
    text = json.dumps([nodes, edges], ensure_ascii=True, separators=(",", ":"))
    ops, leaves = (sum(node.kind == kind for node in graph.node_list) for kind in ("op", "leaf"))
    return f"{ops} ops, {leaves} leaves, {len(edges)} edges: {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _node(node: Node, *, values: bool) -> list[Any]:
    """What is taken in of a node: what it does and of which shape, and not what a variable or a line is called."""
    name = node.name if node.kind == "leaf" else None
    return [node.kind, node.op, name, list(node.module), node.cut, [_port(port, values=values) for port in node.ports]]


def _port(port: Port, *, values: bool) -> list[Any]:
    numbers = [_rounded(snap.norm) if snap is not None else None for snap in (port.value, port.grad)] if values else []
    return [list(port.shape) if port.shape is not None else None, port.dtype, *numbers]


def _rounded(norm: float | None) -> str | None:
    return None if norm is None else f"{norm:.{DIGITS - 1}e}"
