"""Unit -> Edges: each of its operands, as autograd has it, or with the reason why nothing flows there.

Edges that autograd follows are taken from autograd itself, so that they are exact; which operand of the call an edge
is, is found by identity, and marked as a guess where it is only a position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.linking.slots import ONE_SLOT, links_of, slots_of
from graphviz_ad._internal.tracing.assembly.missing_gradients import cut_of_link, cut_of_operand
from graphviz_ad._internal.tracing.assembly.units import Unit, Units, is_only_data, port_of
from graphviz_ad._internal.tracing.assembly.unrecorded import why_unrecorded
from graphviz_ad._internal.tracing.naming.as_written import Number, Operand
from graphviz_ad._internal.tracing.tape.tape_entries import Use


def edges_of(draft: Draft, unit: Unit, constants: Sequence[Node]) -> list[Edge]:
    """All that leads to a unit; ``constants`` are the nodes of the numbers that it reads."""
    units = draft.units
    slots, has_writes = slots_of(units, unit), units.recorded.tape.has_writes
    if slots is ONE_SLOT and unit.label is None and not has_writes:  # the usual case
        return [autograd_edge(draft, unit, 0, 0, "exact", *leaf_as_read(units, unit.operands[0]))]
    edges = operand_edges(draft, unit, slots, constants)
    edges += further_edges(draft, unit, slots)
    if len(edges) == 2 and unit.operation is not None and unit.label is None and draft.words[unit.operation].reflected:
        edges = [replace(edges[1], slot=0), replace(edges[0], slot=1)]
    if unit.label is not None:
        edges += inner_edges(draft, unit, len(edges))
    if has_writes:
        edges += edges_of_writers(draft, unit, slots, len(edges))
    return edges


def operand_edges(draft: Draft, unit: Unit, slots: Mapping[int, int], constants: Sequence[Node]) -> list[Edge]:
    """The operands of the operation."""
    numbers = iter(constants)
    edges = []
    for position, operand in enumerate(unit.operands):
        slot = slots.get(position)
        if isinstance(operand, Number):
            edges.append(Edge(next(numbers).key, draft.keys[unit], position, cut="data"))
        elif slot is not None:
            edges.append(autograd_edge(draft, unit, slot, position, "exact", *leaf_as_read(draft.units, operand)))
        elif (plain := plain_edge(draft, unit, operand, position)) is not None:
            edges.append(plain)
    return edges


def further_edges(draft: Draft, unit: Unit, slots: Mapping[int, int]) -> Iterator[Edge]:
    """The operands that only autograd knows of."""
    links = links_of(draft.units, unit)
    if len(slots) == len(links):
        return
    names, taken = draft.units.recorded.autograd.names, set(slots.values())
    certain = unit.operation is None or unit.label is not None or names[draft.units.links.node_of[unit]] == "CopySlices"
    more = [slot for slot, link in enumerate(links) if link is not None and slot not in taken]
    for position, slot in enumerate(more, start=len(unit.operands)):
        yield autograd_edge(draft, unit, slot, position, "exact" if certain else "guess")


def leaf_as_read(units: Units, operand: Operand) -> tuple[Unit | None, int | None]:
    """The leaf that an operand is, and its port, as it was read: it may have been written to since, by an optimizer.

    Nothing for what was computed.
    """
    if type(operand) is not tuple or not operand[2] or operand[3] is not None:
        return None, None
    tail = units.of_value.get(operand[1])
    if tail is None:
        return None, None
    values = units.values[tail]
    return tail, port_of(values, units.recorded.tape.values[operand[1]]) if len(values) > 1 else 0


def autograd_edge(
    draft: Draft,
    unit: Unit,
    slot: int,
    position: int,
    match: str,
    tail: Unit | None = None,
    port: int | None = None,
) -> Edge:
    """An edge of autograd's; ``tail`` and ``port``, where the operand itself says better what it was."""
    units, result = draft.units, draft.units.recorded.result
    i = units.links.node_of[unit]
    link = units.recorded.autograd.links[i][slot]
    assert link is not None
    grads, locals_ = result.edge_grads.get(i, ()), result.locals.get(i, ())
    grad = grads[slot] if slot < len(grads) else None
    local = locals_[slot] if slot < len(locals_) else None
    if tail is None:
        tail = units.links.of_node[link[0]]
    if port is None:
        port = units.links.port_of_edge.get(link, link[1])
    cut = cut_of_link(units.recorded, i) if grad is None else None
    made = result.made.get(i, ())[slot : slot + 1]
    return Edge(
        draft.keys[tail], draft.keys[unit], position, port, local, grad, cut, match, made=next(iter(made), None)
    )


def plain_edge(draft: Draft, unit: Unit, use: Use, position: int) -> Edge | None:
    """An edge along which autograd sends nothing, with the reason."""
    units = draft.units
    value = units.recorded.tape.values[use[1]]
    tail = units.of_value.get(value.number)
    if unit.function is not None and (tail is unit.function or tail is None):
        tail = units.inner_of_value.get(value.number)
    if tail is None or tail is unit:
        return None
    return Edge(
        draft.keys[tail],
        draft.keys[unit],
        position,
        port_of(units.values[tail], value),
        cut=cut_of_operand(units, unit, use),
    )


def inner_edges(draft: Draft, unit: Unit, position: int) -> list[Edge]:
    """What ran inside a custom Function leads to its results, but no gradient goes that way."""
    units = draft.units
    makers = [units.inner_of_value.get(value.number) for value in units.values[unit].values()]
    inner = list(dict.fromkeys(draft.keys[maker] for maker in makers if maker is not None and maker.function is unit))
    match = "guess" if unit in units.unread else "exact"
    return [Edge(key, draft.keys[unit], position + n, cut="inner", match=match) for n, key in enumerate(inner)]


def edges_of_writers(draft: Draft, unit: Unit, slots: Mapping[int, int], position: int) -> list[Edge]:
    """What was written behind autograd's back, as through ``.data``.

    The value came from the writer, the gradient goes where it always went.
    """
    units, tape = draft.units, draft.units.recorded.tape
    edges: list[Edge] = []
    for n, operand in enumerate(unit.operands):
        if n not in slots or type(operand) is not tuple or operand[3] is None or operand[1] not in units.of_value:
            continue
        value, writer = tape.values[operand[1]], units.of_value[operand[1]]
        if writer is not unit and (is_only_data(units.recorded, value) or writes_unseen(units, writer)):
            cut = why_unrecorded(units, writer) or DETACHED
            edges.append(Edge(draft.keys[writer], draft.keys[unit], position + len(edges), cut=cut))
    return edges


def writes_unseen(units: Units, unit: Unit) -> bool:
    """Whether autograd knows nothing of what an operation wrote."""
    return unit not in units.links.node_of and unit.operation is not None and unit.operation.mutates
