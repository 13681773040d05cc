"""Edge -> the derivative of every element of the result by every element of the operand, as a matrix: Aᵀ in blocks for
a product, diag(cos x) for a sine, diag(p) − p pᵀ for a softmax.

It is what the recorded numbers make it: of elementwise operations the recorded derivative, of windows and rows where
they were found to be, of others what the rule of the operation sends back for each element of the result. What does not
make of the gradient that arrived the one that flowed back is dropped.
"""

from __future__ import annotations

import math

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import summed_to
from graphviz_ad._internal.maths.box_derivatives import is_what_flowed, sent_on
from graphviz_ad._internal.maths.chain_rule import shape_before
from graphviz_ad._internal.maths.claims import Call, Claims, with_operands
from graphviz_ad._internal.maths.rows_taken import taken_by
from graphviz_ad._internal.maths.windows import MOST_PRODUCTS, windowed, windows_of, winners_of
from graphviz_ad._internal.operations.traits import CONVOLUTIONS

MOST = 16  # rows and columns of a matrix that is made

Shape = tuple[int, ...]


def local_jacobian(graph: Graph, edge: Edge, claims: Claims | None = None) -> Array | None:
    """The derivative of the result of an edge's head by what the edge carries: one row for each element of the one,
    one column for each of the other, in their order; None where it is not known, or too large.
    """
    node = graph.nodes[edge.head]
    before, after = shape_before(graph, edge), node.ports[0].shape
    if before is None or after is None or node.ports[1:] or edge.cut is not None:
        return None
    if not 0 < math.prod(before) <= MOST or not 0 < math.prod(after) <= MOST:
        return None
    found = recorded(edge, before, after)
    if found is None:
        call = with_operands(graph, node)
        found = of_windows(call, edge)
        found = of_rows(call, edge) if found is None else found
    if found is None:
        rows = np.eye(math.prod(after)).reshape(-1, *after)
        sent = sent_on(graph, claims or Claims(graph), edge, rows)
        found = None if sent is None else sent.reshape(math.prod(after), math.prod(before))
    return found if found is not None and flows(graph, edge, found, before, after) else None


def recorded(edge: Edge, before: Shape, after: Shape) -> Array | None:
    """What was recorded, as a matrix."""
    jacobian = edge.jacobian.array if edge.jacobian is not None else None
    if jacobian is not None:
        return jacobian.reshape(math.prod(after), math.prod(before)) if jacobian.shape == after + before else None
    local = edge.local.array if edge.local is not None else None
    if local is None or np.iscomplexobj(local):
        return None
    if math.prod(after) == 1 and local.size == math.prod(before):
        return local.reshape(1, -1)
    if local.shape != after:
        return None
    rows = np.eye(local.size).reshape(-1, *after) * local
    summed = [summed_to(row, before) for row in rows]
    return np.stack([np.reshape(row, -1) for row in summed]) if all(row is not None for row in summed) else None


def of_windows(call: Call, edge: Edge) -> Array | None:
    """Of a convolution the weights below each window, or the elements; of a max-pooling 1 at each winner."""
    windows = windows_of(call)
    if windows is None or edge not in call.operands:
        return None
    winners = winners_of(call, windows)
    slot, out = call.operands.index(edge), call.node.ports[0].shape or ()
    found = np.zeros((*out, *call.shapes[slot]))
    if winners is not None:
        space = len(windows.spans)
        for place in np.ndindex(*out):
            at = np.unravel_index(int(winners[place]), call.shapes[0][-space:])
            found[(*place, *place[:-space], *at)] = 1
    elif not (call.name in CONVOLUTIONS and slot < 3 and found.size <= MOST_PRODUCTS and filled(call, slot, found)):
        return None
    return found.reshape(math.prod(out), -1)


def filled(call: Call, slot: int, found: Array) -> bool:
    """Whether the derivative of a convolution by one of its operands could be filled in."""
    windows, values = windows_of(call), [port.value.array if port.value is not None else None for port in call.ports]
    x, weight = values[:2]
    if windows is None or x is None or weight is None or np.iscomplexobj(x):
        return False
    for place in np.ndindex(*(call.node.ports[0].shape or ())):
        on, of = windowed(x.shape, weight.shape, windows, place)
        if slot == 2:
            found[(*place, place[-len(windows.spans) - 1])] = 1
        for a, b in zip(on, of, strict=True) if slot < 2 else ():
            found[(*place, *((a, b)[slot]))] = (weight[b], x[a])[slot]
    return True


def of_rows(call: Call, edge: Edge) -> Array | None:
    """Of rows or slices 1 where each was taken."""
    taken = taken_by(call)
    if taken is None or taken.edge != edge:
        return None
    places = taken.places.reshape(-1)
    found = np.zeros((places.size, math.prod(call.shapes[call.operands.index(edge)])))
    found[np.arange(places.size), places] = 1
    return found


def flows(graph: Graph, edge: Edge, matrix: Array, before: Shape, after: Shape) -> bool:
    """Whether nothing speaks against it that this derivative made what flowed back of what arrived."""
    snap = Snapshot(after + before, "float64", matrix.astype(np.float64).reshape(after + before))
    return is_what_flowed(graph, [graph.nodes[edge.head]], (edge.head, 0), [edge], (None, snap))
