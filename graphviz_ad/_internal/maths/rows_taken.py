"""An operation that takes rows or slices of a tensor + recorded numbers -> which elements of the operand it took.

That is known of slices by their settings and of rows by the indices that were given; what was recorded as the result,
and as what flowed back, has to be just these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.graph import Edge
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import consistent, rounding_share
from graphviz_ad._internal.maths.claims import Call
from graphviz_ad._internal.maths.element_moves import moved_result
from graphviz_ad._internal.operations.traits import GETITEM, PICKS_ROWS, SLICES

MOST_TAKEN = 4096  # elements of the operand, and of the result
TAKES_PARTS = SLICES | {GETITEM}


@dataclass(frozen=True)
class Taken:
    """What was taken of the operand along an edge: for each element of the result the place of its element in the
    operand, both counted through; ``rows`` are the rows of the operand that those of the result are, where whole rows
    were picked by index.
    """

    edge: Edge
    places: Array
    rows: tuple[int, ...] = ()


def taken_by(call: Call) -> Taken | None:
    """What an operation took of its operand; None where it does not take a part, or nobody knows which."""
    shape, out = call.node.ports[0].shape, call.node.ports[0].value
    if shape is None or out is None or math.prod(shape) > MOST_TAKEN or not call.shapes or not math.prod(shape):
        return None
    for found in (rows_picked(call), part_taken(call)):
        if found is not None and is_what_was_recorded(call, found):
            return found
    return None


def part_taken(call: Call) -> Taken | None:
    """A slice, or a range of them, by its settings."""
    if (
        call.name not in TAKES_PARTS
        or len(call.operands) != 1
        or len(call.node.autograd) > 1
        or not call.node.arguments
    ):
        return None
    own = call.shapes[0]
    if math.prod(own) > MOST_TAKEN:
        return None
    counted = np.arange(math.prod(own)).reshape(own)
    shape = call.node.ports[0].shape or ()
    found = moved_result(call.name, counted, shape, dict(call.node.arguments))
    return Taken(call.operands[0], found) if found is not None else None


def rows_picked(call: Call) -> Taken | None:
    """Whole rows, by the indices of the second operand."""
    if call.name not in PICKS_ROWS or len(call.operands) != 2 or dict(call.node.arguments).get("dim", 0) != 0:
        return None
    table, which = PICKS_ROWS[call.name]
    own, index = call.shapes[table], call.ports[which].value
    indices = index.array if index is not None else None
    if indices is None or indices.dtype.kind not in "iu" or not own or not 0 < math.prod(own) <= MOST_TAKEN:
        return None
    rows = np.where(indices < 0, indices + own[0], indices)
    if rows.size and not 0 <= rows.min() <= rows.max() < own[0]:
        return None
    counted = np.arange(math.prod(own)).reshape(own)
    return Taken(call.operands[table], counted[rows], tuple(rows.reshape(-1).tolist()))


def is_what_was_recorded(call: Call, taken: Taken) -> bool:
    """Whether the result is made of these very elements, of no others, and what flowed back went to them."""
    port = call.graph.nodes[taken.edge.tail].ports[taken.edge.port]
    values = [snap.array if snap is not None else None for snap in (port.value, call.node.ports[0].value)]
    own, out = values
    if own is None or out is None or taken.places.shape != out.shape or taken.edge.cut not in (None, "data"):
        return False
    if not np.array_equal(own.reshape(-1)[taken.places], out, equal_nan=out.dtype.kind == "f"):
        return False
    return not any(same_values(own, out, other, taken.places) for other in other_ways(call, own)) and is_what_flowed(
        call, taken, own.shape
    )


def other_ways(call: Call, own: Array) -> Iterator[Array]:
    """The elements that the same operands would give along other dimensions: x[:, i] is recorded as x[i] is."""
    index = call.ports[1].value if call.name == GETITEM and len(call.ports) == 2 else None
    indices = index.array if index is not None else None
    counted = np.arange(own.size).reshape(own.shape)
    for axis in range(1, own.ndim if indices is not None and indices.dtype.kind in "iu" else 0):
        if (
            indices is not None
            and indices.size
            and -own.shape[axis] <= indices.min() <= indices.max() < own.shape[axis]
        ):
            yield np.take(counted, indices, axis=axis)


def same_values(own: Array, out: Array, other: Array, places: Array) -> bool:
    """Whether other elements than these would give the same result."""
    return (
        other.shape == out.shape and not np.array_equal(other, places) and np.array_equal(own.reshape(-1)[other], out)
    )


def is_what_flowed(call: Call, taken: Taken, shape: tuple[int, ...]) -> bool:
    """Whether nothing speaks against it that the elements taken got the gradients of those of the result."""
    arrived, sent = call.node.ports[0].grad, taken.edge.grad
    if arrived is None or sent is None or arrived.array is None or sent.array is None:
        return True
    if np.iscomplexobj(arrived.array) or arrived.array.shape != taken.places.shape:
        return False
    made = np.zeros(math.prod(shape))
    np.add.at(made, taken.places.reshape(-1), arrived.array.reshape(-1).astype(np.float64))
    share = rounding_share(sent.dtype, 4) * float(np.sum(np.abs(arrived.array)))
    return consistent(made.reshape(shape), sent.array.astype(np.float64), share)
