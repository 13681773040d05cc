"""Graph -> paths, and a check of every gradient against what its edges say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from graphviz_ad.graph import Edge, Graph, Node

MOST_COLORED_PATHS = 4


def paths(graph: Graph, wrt: str) -> Iterator[tuple[Edge, ...]]:
    """Every path along which a gradient flows from an output back to the node called `wrt`, edges in forward order; lazily."""
    start = graph.find(wrt).key
    leads_out = reaching_outputs(graph)
    stack: list[tuple[Edge, ...]] = [(edge,) for edge in reversed(graph.out_edges(start)) if edge.cut is None and edge.head in leads_out]
    while stack:
        path = stack.pop()
        node = graph.nodes[path[-1].head]
        if node.is_output:
            yield path
        stack.extend((*path, edge) for edge in reversed(graph.out_edges(node.key)) if edge.cut is None and edge.head in leads_out)


def reaching_outputs(graph: Graph) -> set[str]:
    """Nodes from which a gradient path leads on to an output."""
    found: set[str] = set()
    stack = [node.key for node in graph.outputs]
    while stack:
        key = stack.pop()
        if key not in found:
            found.add(key)
            stack.extend(edge.tail for edge in graph.in_edges(key) if edge.cut is None)
    return found


def path_colors(graph: Graph, wrt: str) -> dict[str, int]:
    """Edge key -> number of the first path to `wrt` that it is on; all are 0 where there are too many paths to tell apart."""
    few = list(islice(paths(graph, wrt), MOST_COLORED_PATHS + 1))
    if len(few) <= MOST_COLORED_PATHS:
        colors: dict[str, int] = {}
        for number, path in enumerate(few):
            for edge in path:
                colors.setdefault(edge.key, number)
        return colors
    start, leads_out = graph.find(wrt).key, reaching_outputs(graph)
    reached = {start}
    for node in graph.node_list:
        if any(edge.tail in reached and edge.cut is None for edge in graph.in_edges(node.key)):
            reached.add(node.key)
    return {edge.key: 0 for edge in graph.edges if edge.cut is None and edge.tail in reached and edge.head in reached & leads_out}


@dataclass(frozen=True)
class Row:
    """One node of a report: its gradient, the sum over its edges, and how far they are apart."""

    key: str
    name: str
    error: float
    ok: bool


@dataclass(frozen=True)
class Report:
    """The outcome of `check`; prints as a table."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether every gradient agrees."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        """The table."""
        lines = [f"{'node':<20} {'largest difference':>20}  agrees"]
        lines += [f"{row.name[:20]:<20} {row.error:>20.3g}  {'yes' if row.ok else 'NO'}" for row in self.rows]
        return "\n".join(lines)


def check(graph: Graph, tolerance: float = 1e-9) -> Report:
    """Compare each gradient that is kept whole with the sum of what flowed back along the node's edges and what was fed in there."""
    rows = [checked(graph, node, tolerance) for node in graph.node_list]
    return Report(tuple(row for row in rows if row is not None))


def checked(graph: Graph, node: Node, tolerance: float) -> Row | None:
    """The row of a node; None where not all numbers are kept."""
    grad = node.grad.array if node.grad is not None else None
    edges = [edge for edge in graph.out_edges(node.key) if edge.cut is None]
    if grad is None or len(node.ports) > 1 or any(edge.grad is not None and edge.grad.array is None for edge in edges):
        return None
    upstream = node.ports[0].upstream
    found = [edge.grad.array for edge in edges if edge.grad is not None] + ([upstream.array] if upstream is not None else [])
    arrays = [array for array in found if array is not None]
    if not arrays or len(arrays) < len(found):
        return None
    total = np.sum([np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64) for array in arrays], axis=0)
    with np.errstate(all="ignore"):
        difference = np.abs(total - grad)
        error = float(np.max(difference, initial=0.0, where=np.isfinite(difference)))
    scale = 1.0 if grad.dtype.itemsize >= 8 else 1e5
    ok = bool(np.allclose(total, grad, rtol=tolerance * scale, atol=tolerance * scale, equal_nan=True))
    return Row(node.key, node.name or node.op or node.key, error, ok)
