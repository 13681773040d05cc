"""One result of a Graph -> whether its gradient is the sum of what flowed back along its edges and of what was fed
in there.

`trace` suspects a hook where it is not, `check` and `explain` say so: it is one question, asked here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.precision import full_precision
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import LEAST, sums_up


@dataclass(frozen=True)
class Sum:
    """How far a gradient is from the sum, at most, where both are finite, and whether rounding explains that; None
    where that cannot be told.
    """

    off: float
    ok: bool | None


def sum_of_flows(graph: Graph, node: Node, number: int, *, hidden: float, least: float = LEAST) -> Sum | None:
    """The verdict on one result; None where not all numbers are kept. Where a hook changed the gradient, what
    arrived before it counts.

    ``hidden`` is the largest number that may have flowed inside of merged calls, where one edge is a sum whose terms
    may have cancelled; below ``least``, as a part of the numbers, nothing is wrong.
    """
    edges = [edge for edge in graph.out_edges(node.key) if edge.port == number and edge.cut is None]
    inside = sum(graph.nodes[edge.head].inside for edge in edges)
    return sum_of_edges(edges, node.ports[number], inside, hidden=hidden if inside else None, least=least)


def sum_of_edges(
    edges: Sequence[Edge], port: Port, inside: int = 0, *, hidden: float | None = None, least: float = LEAST
) -> Sum | None:
    """The same of a result with its edges, into so many merged operations."""
    kept = port.arrived or port.grad
    parts = parts_of_gradient(edges, port)
    grad, arrays = known(kept), [array for part in parts if (array := known(part)) is not None]
    if kept is None or grad is None or not arrays or len(arrays) < len(parts):
        return None
    if port.shape not in (None, kept.shape):  # where a part was written to, the gradient is that of the whole
        return None
    if any(array.shape != grad.shape for array in arrays):
        return Sum(math.inf, False)
    with np.errstate(all="ignore"):
        off = np.abs(np.sum(arrays, axis=0) - grad)
    ok = sums_up(grad, arrays, kept.dtype, len(parts) + 2 * inside, least=least, hidden=hidden)
    return Sum(float(np.max(off, initial=0.0, where=np.isfinite(off))), ok)


def is_plainly_the_sum(total: Snapshot, parts: Sequence[Snapshot]) -> bool:
    """Whether a gradient is the very array that arrived, or the sum of arrays to the last bit; asked before anything is
    made wider, since it nearly always is.
    """
    arrays = [part.data for part in parts]
    if not isinstance(total.data, np.ndarray) or not all(isinstance(array, np.ndarray) for array in arrays):
        return False
    if len(arrays) == 1 and arrays[0] is total.data:
        return True
    with np.errstate(all="ignore"):
        found = arrays[0]
        for array in arrays[1:]:
            found = found + array  # type: ignore[operator]
        return bool(np.array_equal(found, total.data) and np.isfinite(total.data).all())  # type: ignore[arg-type]


def parts_of_gradient(edges: Sequence[Edge], port: Port) -> list[Snapshot | None]:
    """What is added up to the gradient of a result with these edges; None where that is not known."""
    return [*(edge.grad for edge in edges), *([port.upstream] if port.upstream is not None else [])]


def largest_flow(graph: Graph) -> float:
    """The largest number that flowed along any edge."""
    arrays = [np.abs(edge.grad.array) for edge in graph.edges if edge.grad is not None and edge.grad.array is not None]
    return max((float(np.max(array, initial=0.0, where=np.isfinite(array))) for array in arrays), default=0.0)


def known(snap: Snapshot | None) -> Array | None:
    """The numbers of a snapshot in full precision; None where they are not kept."""
    array = snap.array if snap is not None else None
    return full_precision(array) if array is not None and array.dtype.kind in "fiubc" else None
