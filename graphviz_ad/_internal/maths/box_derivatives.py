"""Operations of one box -> the derivative of their result by each operand, composed of the recorded local derivatives.

Of elementwise operations, and of a result of one number, that is an array like any other local derivative. Of others it
is the Jacobian, row by row: each row is what comes back where only one element of the result is wanted. What is not
known is left out, and so is what would not make of the gradient that arrived what really flowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from graphviz_ad._internal.graph.call_operands import chain_derivatives
from graphviz_ad._internal.graph.contraction import seen_from_outside
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import rounded_to_dtype, sum_of_snapshots
from graphviz_ad._internal.graph.program_boxes import Derivative, Result
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import coarsest, is_what_came, roundings_along, summed_to
from graphviz_ad._internal.maths.chain_rule import carried, shape_before, times_jacobian
from graphviz_ad._internal.maths.claims import Claims, base_name
from graphviz_ad._internal.maths.element_moves import joined_tangent, moved_result
from graphviz_ad._internal.maths.passing_back import by_rule, verified_formula

MOST_DIMENSIONS = 64  # that an array of numpy has; rows of gradients have one more than the gradients
MOST_ROWS = 64  # elements of a result of which Jacobians are made
MOST_ELEMENTS = 1024  # of a Jacobian that is kept

Rows = Array  # gradients of the elements of a result, one after the other along the first dimension


def derivatives_of_box(graph: Graph, members: list[Node], result: Result) -> Mapping[Result, Derivative]:
    """The derivative of the one result of some operations by each of their operands, as far as it is known."""
    operands = operands_of_box(graph, members)
    shape = graph.nodes[result[0]].ports[result[1]].shape
    if shape is None or not operands:
        return {}
    found: dict[Result, Derivative] = {}
    if math.prod(shape) != 1:
        found = elementwise_derivatives(graph, members, result, operands)
    if len(found) < len(operands) and 0 < math.prod(shape) <= MOST_ROWS and len(shape) < MOST_DIMENSIONS:
        eye = np.eye(math.prod(shape)).reshape(-1, *shape)
        rows = carried_through(graph, members, result, eye)
        for operand in operands:
            if operand not in found and (row := rows.get(operand)) is not None:
                found[operand] = as_derivative(row, shape, dtype_of(graph, operands[operand]))
    return {
        operand: derivative
        for operand, derivative in found.items()
        if is_what_flowed(graph, members, result, operands[operand], derivative)
    }


def operands_of_box(graph: Graph, members: Sequence[Node]) -> dict[Result, list[Edge]]:
    """What the operations read from outside, with the edges along which gradients flow there."""
    inside = {member.key for member in members}
    found: dict[Result, list[Edge]] = {}
    for member in members:
        for edge in graph.in_edges(member.key):
            if edge.tail not in inside and edge.cut is None:
                found.setdefault((edge.tail, edge.port), []).append(edge)
    return found


def dtype_of(graph: Graph, edges: Sequence[Edge]) -> str:
    """The dtype of the gradient of an operand."""
    first = edges[0]
    return (
        first.grad.dtype if first.grad is not None else graph.nodes[first.tail].ports[first.port].dtype
    ) or "float64"


# --- elementwise


def elementwise_derivatives(
    graph: Graph, members: list[Node], result: Result, operands: Mapping[Result, Sequence[Edge]]
) -> dict[Result, Derivative]:
    """Of a chain of elementwise operations: the products of the inner derivatives, summed over the ways."""
    known = chain_derivatives(graph, members, [result])
    found: dict[Result, Derivative] = {}
    for operand, edges in operands.items():
        total = sum_of_snapshots([known.get(edge.key) for edge in edges])
        if total is not None:
            found[operand] = (total, None)
    return found


# --- row by row


def carried_through(graph: Graph, members: Sequence[Node], result: Result, rows: Rows) -> Mapping[Result, Rows | None]:
    """What comes back to each operand of a box, and to each result inside, for gradients that arrive at its result;
    None where it is not known.
    """
    claims = Claims(graph)
    found: dict[Result, Rows | None] = {result: rows}
    for member in reversed(members):
        arrived = [found[member.key, port] for port in range(len(member.ports)) if (member.key, port) in found]
        if not arrived:
            continue
        for edge in graph.in_edges(member.key):
            if edge.cut is not None:
                continue
            known = arrived[0] if len(member.ports) == 1 else None
            sent = sent_on(graph, claims, edge, known) if known is not None else None
            before = found.get((edge.tail, edge.port), 0.0)
            found[edge.tail, edge.port] = None if sent is None or before is None else before + sent
    return found


def sent_on(graph: Graph, claims: Claims, edge: Edge, rows: Rows) -> Rows | None:
    """What an edge makes of each of these gradients."""
    formula = ""
    if edge.jacobian is None and (edge.local is None or edge.local.array is None):
        formula = verified_formula(graph, edge, claims.along(edge).backward)
        if not formula:
            return by_movement(graph, edge, rows)
    sent = [sent_on_once(graph, edge, formula, row) for row in rows]
    known = [row for row in sent if row is not None]
    fits = all(row.ndim < MOST_DIMENSIONS for row in known)
    return np.stack(known) if fits and len(known) == len(sent) else None


def sent_on_once(graph: Graph, edge: Edge, formula: str, arriving: Array) -> Array | None:
    """What an edge makes of one gradient: by what is recorded, or by a rule that is known to hold."""
    if edge.jacobian is not None:
        return times_jacobian(graph, edge, arriving)
    if formula:
        return by_rule(graph, edge, formula, arriving)
    local = edge.local.array if edge.local is not None else None
    if local is None or not (local.shape == arriving.shape or arriving.size == 1):
        return None
    return carried(graph, edge, local, arriving)


def by_movement(graph: Graph, edge: Edge, rows: Rows) -> Rows | None:
    """The same of an operation that only moves elements about, or adds them up: what each element of the operand
    becomes says where gradients go.
    """
    node, before = graph.nodes[edge.head], shape_before(graph, edge)
    shape = node.ports[0].shape
    if before is None or shape is None or math.prod(before) * math.prod(shape) > MOST_ELEMENTS:
        return None
    if len(before) >= MOST_DIMENSIONS:
        return None
    if len(node.autograd) > 1:  # the settings of a call of several operations are not known
        return None
    columns = [moved(graph, node, edge, unit.reshape(before), shape) for unit in np.eye(math.prod(before))]
    if any(column is None for column in columns) or not columns:
        return None
    matrix = np.stack([np.reshape(column, -1) for column in columns if column is not None], axis=1)
    sent: Rows = (rows.reshape(len(rows), -1) @ matrix).reshape(len(rows), *before)
    return sent


def moved(graph: Graph, node: Node, edge: Edge, tangent: Array, shape: tuple[int, ...]) -> Array | None:
    """What an operation does to a tangent of one of its operands."""
    name, settings, operands = base_name(node), dict(node.arguments), graph.in_edges(node.key)
    if len(operands) > 1:
        shapes = [graph.nodes[each.tail].ports[each.port].shape or () for each in operands]
        return joined_tangent(name, tangent, edge.slot, shapes, settings)
    value = node.ports[0].value
    out = value.array if value is not None else None
    return moved_result(name, tangent, shape, settings, None if out is None else out.astype(np.float64))


def as_derivative(rows: Rows, shape: tuple[int, ...], dtype: str) -> Derivative:
    """The derivative that these rows are: an array like the operand, or like the result, where that says it all."""
    before = rows.shape[1:]
    if math.prod(shape) == 1:
        return snapshot_of(rows[0], dtype), None
    if math.prod(before) == 1:
        return snapshot_of(rows.reshape(shape), dtype), None
    return None, snapshot_of(rows.reshape(*shape, *before), dtype) if rows.size <= MOST_ELEMENTS else None


def snapshot_of(array: Array, dtype: str) -> Snapshot:
    """An array as the graph keeps it."""
    kept = rounded_to_dtype(array, dtype)
    return Snapshot(array.shape, dtype, kept if array.ndim else kept.item())


# --- evidence


def is_what_flowed(
    graph: Graph, members: Sequence[Node], result: Result, edges: Sequence[Edge], derivative: Derivative
) -> bool:
    """Whether a derivative is known, and makes of the gradient that arrived at the box the one that flowed back."""
    local, jacobian = ((snap.array if snap is not None else None) for snap in derivative)
    if local is None and jacobian is None:
        return False
    port = seen_from_outside(graph, *result, {member.key for member in members})
    arrived = port.arrived or port.grad
    grad = sum_of_snapshots([edge.grad for edge in edges])
    if arrived is None or grad is None or arrived.array is None or grad.array is None:
        return True
    dtype = coarsest((grad.dtype, arrived.dtype, *(member.ports[0].dtype for member in members)))
    known = local if local is not None else jacobian
    if known is None or np.iscomplexobj(known) or np.iscomplexobj(arrived.array):
        return known is not None
    numbers = known.astype(np.float64), arrived.array.astype(np.float64)
    made, size = (
        product_of(derived, arriving, grad.shape, whole=local is None)
        for derived, arriving in (numbers, (np.abs(numbers[0]), np.abs(numbers[1])))
    )
    if made is None or size is None:
        return False
    operations = sum(max(member.inside, 1) for member in members)
    roundings = roundings_along(operations, math.prod(arrived.shape))
    flows = [edge.grad.array for member in members for edge in graph.in_edges(member.key) if edge.grad is not None]
    hidden = max((float(np.max(np.abs(flow), initial=0.0)) for flow in flows if flow is not None), default=0.0)
    return is_what_came(made, size, grad.array, dtype, roundings, hidden if math.isfinite(hidden) else 0.0) is True


def product_of(known: Array, arrived: Array, shape: tuple[int, ...], *, whole: bool) -> Array | None:
    """What a derivative, elementwise or ``whole``, makes of a gradient, for an operand of a shape; None where they do
    not go together.
    """
    with np.errstate(all="ignore"):
        if whole:
            fits = known.shape == arrived.shape + shape
            return np.asarray(np.tensordot(arrived, known, axes=arrived.ndim)) if fits else None
        found: Array | None = summed_to(np.asarray(known * arrived), shape)
        return found
