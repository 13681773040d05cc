"""One result of a Graph -> whether its gradient is the sum of what flowed back along its edges and of what was fed
in there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import LEAST, sums_up


@dataclass(frozen=True)
class Sum:
    """How far a gradient is from the sum, at most, and whether rounding explains that."""

    off: float
    ok: bool


def sum_of_flows(graph: Graph, node: Node, number: int, *, hidden: float, least: float = LEAST) -> Sum | None:
    """The verdict on one result; None where not all numbers are kept. Where a hook changed the gradient, what
    arrived before it counts.

    ``hidden`` is the largest number that may have flowed inside of merged calls, where one edge is a sum whose terms
    may have cancelled; below ``least``, as a part of the numbers, nothing is wrong.
    """
    port = node.ports[number]
    kept, edges = (
        port.arrived or port.grad,
        [edge for edge in graph.out_edges(node.key) if edge.port == number and edge.cut is None],
    )
    parts = [edge.grad for edge in edges if edge.grad is not None] + (
        [port.upstream] if port.upstream is not None else []
    )
    grad, arrays = known(kept), [array for part in parts if (array := known(part)) is not None]
    if kept is None or grad is None or not arrays or len(arrays) < len(parts):
        return None
    if port.shape not in (None, kept.shape):  # where a part was written to, the gradient is that of the whole
        return None
    if any(array.shape != grad.shape for array in arrays):
        return Sum(math.inf, False)
    inside = sum(graph.nodes[edge.head].inside for edge in edges)
    with np.errstate(all="ignore"):
        off = np.abs(np.sum(arrays, axis=0) - grad)
    ok = sums_up(grad, arrays, kept.dtype, len(parts) + 2 * inside, least=least, hidden=hidden if inside else 0.0)
    return Sum(float(np.max(off, initial=0.0, where=np.isfinite(off))), ok)


def largest_flow(graph: Graph) -> float:
    """The largest number that flowed along any edge."""
    arrays = [np.abs(edge.grad.array) for edge in graph.edges if edge.grad is not None and edge.grad.array is not None]
    return max((float(np.max(array, initial=0.0, where=np.isfinite(array))) for array in arrays), default=0.0)


def known(snap: Snapshot | None) -> Array | None:
    """The numbers of a snapshot in full precision; None where they are not kept."""
    array = snap.array if snap is not None else None
    return wide(array) if array is not None and array.dtype.kind in "fiubc" else None


def wide(array: Array) -> Array:
    """Numbers in full precision."""
    with np.errstate(invalid="ignore"):  # a signalling NaN, as uninitialised memory may hold, warns
        return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
