"""Graph -> which elements of a result a mask took out: those that `masked_fill`, `where` or a triangle replaced by one
number, those that a dropout made 0, and what becomes of −∞ among them.

They look different from a 0 or −∞ that was computed, and from NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.claims import Call, with_operands
from graphviz_ad._internal.operations.rules import ELEMENTWISE
from graphviz_ad._internal.operations.traits import CHOOSES, DROPS, FILLS_MASKED, SOFTMAX, TRIANGLES

MOST = 65_536  # elements of a tensor that is looked at


def masked_elements(graph: Graph) -> Mapping[str, Array]:
    """Key of a node -> truth values, of the shape of its only result: where a mask took something out."""
    found: dict[str, Array] = {}
    for node in graph.node_list:
        out = elements(node.value)
        if out is None or not 1 < out.size <= MOST:
            continue
        parts: list[Array | None]
        if node.kind == "data":
            parts = [np.isneginf(out)] if out.dtype.kind == "f" else []
        elif node.kind == "op":
            call = with_operands(graph, node)
            used = node.requires_grad or not graph.has_gradients  # a mask that is still being made masks nothing yet
            parts = [*([replaced(call, out)] if used else []), handed_on(call, found, out)]
        else:
            continue
        known = [part for part in parts if part is not None and part.any()]
        if known:
            found[node.key] = np.logical_or.reduce(known)
    return found


def elements(snap: Snapshot | None) -> Array | None:
    """The elements of a snapshot; None where they are not known."""
    return snap.array if snap is not None else None


def replaced(call: Call, out: Array) -> Array | None:
    """Where the operation itself replaces elements; None where it does not, or nobody knows where."""
    if call.name in TRIANGLES:
        return outside_triangle(call, out)
    if call.name == FILLS_MASKED:
        return filled(call, out)
    if call.name == CHOOSES:
        return chosen_numbers(call, out)
    return dropped(call, out) if call.name in DROPS else None


def outside_triangle(call: Call, out: Array) -> Array | None:
    """What a triangle leaves out."""
    diagonal = dict(call.node.arguments).get("diagonal", 0)
    if type(diagonal) is not int or out.ndim < 2:
        return None
    rows, columns = np.indices(out.shape[-2:])
    hidden = columns - rows < diagonal if TRIANGLES[call.name] else columns - rows > diagonal
    where = np.broadcast_to(hidden, out.shape)
    return where if not out[where].any() else None


def filled(call: Call, out: Array) -> Array | None:
    """Where a mask has another number filled in."""
    mask = elements(call.ports[1].value) if len(call.ports) > 1 else None
    value = dict(call.node.arguments).get("value") if len(call.ports) == 2 else number_of(call, 2)
    return where_told(mask, True, out, value)


def chosen_numbers(call: Call, out: Array) -> Array | None:
    """Where a choice between two takes the one that is a number; of two tensors neither is a mask."""
    mask = elements(call.ports[0].value) if len(call.ports) == 3 else None
    numbers = [number_of(call, slot) for slot in (1, 2)] if len(call.ports) == 3 else [None, None]
    if (numbers[0] is None) == (numbers[1] is None):
        return None
    kept = numbers[0] is not None
    return where_told(mask, kept, out, numbers[0 if kept else 1])


def number_of(call: Call, slot: int) -> Any:
    """The operand in a slot, where it is one number that takes no gradient; None of any other."""
    if slot >= len(call.ports) or call.shapes[slot] != () or call.graph.nodes[call.operands[slot].tail].requires_grad:
        return None
    value = call.ports[slot].value
    return value.item() if value is not None and value.known else None


def where_told(mask: Array | None, told: bool, out: Array, value: Any) -> Array | None:
    """The places of a result that a mask tells, where they hold that number."""
    if mask is None or mask.dtype.kind != "b" or value is None or mask.ndim > out.ndim:
        return None
    try:
        where = np.broadcast_to(mask == told, out.shape)
    except ValueError:
        return None
    held = out[where]
    return (
        where if np.array_equal(held, np.full(held.shape, value, out.dtype), equal_nan=out.dtype.kind == "f") else None
    )


def dropped(call: Call, out: Array) -> Array | None:
    """What a dropout made 0 that was not."""
    before = elements(call.ports[0].value) if call.ports else None
    return (out == 0) & (before != 0) if before is not None and before.shape == out.shape else None


# --- further on


def handed_on(call: Call, found: Mapping[str, Array], out: Array) -> Array | None:
    """Where −∞ of a mask is still −∞, or a softmax has made 0 of it."""
    if out.dtype.kind != "f":
        return None
    parts = [
        minus_infinity(port.value, found[edge.tail], out)
        for edge, port in zip(call.operands, call.ports, strict=True)
        if edge.tail in found
    ]
    known = [part for part in parts if part is not None and part.any()]
    if not known:
        return None
    before: Array = np.logical_or.reduce(known)
    gone: Array = before & np.isneginf(out)
    if call.name in SOFTMAX:
        lost: Array = gone | (before & (out == 0))
        return lost
    return gone if call.name in ELEMENTWISE or call.name in TRIANGLES else None


def minus_infinity(snap: Snapshot | None, mask: Array, out: Array) -> Array | None:
    """Where a mask has −∞ in an operand, as that is copied to fit a result."""
    array = elements(snap)
    if array is None or array.dtype.kind != "f" or mask.shape != array.shape:
        return None
    try:
        return np.broadcast_to(mask & np.isneginf(array), out.shape)
    except ValueError:
        return None
