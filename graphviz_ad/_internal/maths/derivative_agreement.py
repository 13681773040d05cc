"""Local derivative × upstream gradient against what really flowed: an edge keeps only a derivative that agrees."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import sum_of_snapshots
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import coarsest, dtype_around, is_near, reproduces
from graphviz_ad._internal.maths.gradient_sums import known


def sum_of_seeds(seeds: list[Snapshot | None]) -> Snapshot | None:
    """The sum of what is fed in at one result that was returned several times; the engine adds in the order in which
    they were returned.
    """
    known = [seed for seed in seeds if seed is not None]
    if len(known) < 2:
        return known[0] if known else None
    return sum_of_snapshots(known) or Snapshot(known[0].shape, known[0].dtype, missing=f"sum of {len(known)} gradients")


def fits_flow(graph: Graph, edge: Edge, local: Array) -> bool | None:
    """Whether a local derivative makes of the gradient that arrived what really went on along an edge; None where that
    is not known, or cannot be told.
    """
    head = graph.nodes[edge.head]
    grad, arrived = known(edge.grad), known(head.grad)
    if edge.grad is None or grad is None or arrived is None:
        return None
    return reproduces(local, arrived, grad, coarsest((dtype_around(graph, head), edge.grad.dtype)), head.inside)


def verified_edge(edge: Edge, head: Node, operands: Iterable[Node] = ()) -> Edge:
    """The edge without its local derivative, if that does not reproduce the gradient that really flowed; ``operands``
    are the nodes that its head reads, whose dtypes may be coarser.
    """
    came = [port.grad for port in head.ports if port.grad is not None]
    if edge.local is None or edge.grad is None or not came:
        return edge
    factor, arriving, leaving = edge.local.data, came[0].data, edge.grad.data
    if (
        type(factor) is float
        and type(arriving) is float
        and type(leaving) is float
        and is_near(factor * arriving, leaving, edge.grad.dtype)
    ):
        return edge  # nearly always, and the quicker question
    local, upstream, grad = edge.local.array, came[0].array, edge.grad.array
    if (
        local is None
        or upstream is None
        or grad is None
        or not (len(came) == 1 and fits_together(local.shape, upstream.shape))
    ):
        return replace(edge, local=None)
    read = [port.dtype for node in operands for port in node.ports]
    dtype = coarsest((edge.grad.dtype, edge.local.dtype, came[0].dtype, head.ports[0].dtype, *read))
    return replace(edge, local=None) if reproduces(local, upstream, grad, dtype) is False else edge


def fits_together(local: tuple[int, ...], upstream: tuple[int, ...]) -> bool:
    """Whether a derivative may be elementwise, or that of a single number; that of a maximum along a dimension is
    neither.
    """
    return local == upstream or math.prod(upstream) == 1


def disagrees(edge: Edge, head: Node) -> bool:
    """Whether all three numbers are known in full precision, real and finite, and one for each element, so that a
    wrong product is more than rounding.
    """
    if edge.local is None or head.grad is None or not fits_together(edge.local.shape, head.grad.shape):
        return False
    snapshots = (edge.local, head.grad, edge.grad)
    arrays = [
        snapshot.array for snapshot in snapshots if snapshot is not None and snapshot.dtype in ("float64", "float32")
    ]
    known = [array for array in arrays if array is not None and array.size and np.isfinite(array).all()]
    return len(known) == len(snapshots)
