"""Units -> with the autograd nodes that the tensors themselves named when somebody read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphviz_ad._internal.operations.traits import is_detach
from graphviz_ad._internal.tracing.assembly.units import Links, Recorded, Unit, Units, is_only_data, port_of
from graphviz_ad._internal.tracing.tape.tape_entries import Edge, Value


def with_nodes_of_results(units: Units) -> Units:
    """The units with the autograd node of every result that was seen to have one.

    Before: every value that was read has its unit, and nothing is linked. After: a node is of one unit at most, a
    unit of one node; an operation has no node of a custom Function and the other way round; what a node's unit holds
    at the port of an output number is the value that had that number, the whole where a part of it was written to.
    """
    recorded, autograd = units.recorded, units.recorded.autograd
    index, names, custom = autograd.index, autograd.names, autograd.custom
    found = [(value.edge, value) for value in recorded.tape.values if value.edge is not None and value.edge[0] in index]
    growing = _Growing({}, {}, {}, dict(units.values))
    for edge, value in sorted(found, key=output_number):
        unit = units.of_value.get(value.number)
        if unit is None or is_of_another(recorded, unit, value):
            continue
        i: int | None = index[edge[0]]
        if value.is_view:
            i = node_of_view(units, unit, value, index[edge[0]], growing.of_node)
        if i is not None and (unit.label is None) != (i in custom):
            take_in(growing, unit, value, (i, edge[1]), names[i] == "CopySlices" and not value.is_view)
    return replace(units, links=Links(growing.of_node, growing.port_of_edge), values=growing.values)


@dataclass(slots=True)
class _Growing:
    """The tables that the pass is making, before anybody else sees them."""

    of_node: dict[int, Unit]
    node_of: dict[Unit, int]
    port_of_edge: dict[Edge, int]
    values: dict[Unit, Mapping[int, Value]]


def output_number(found: tuple[Edge, Value]) -> int:
    """First results first: compiled TorchScript gives its node also to what it keeps, but after what it returns."""
    return found[0][1]


def is_of_another(recorded: Recorded, unit: Unit, value: Value) -> bool:
    """Whether the autograd node of a value is that of an operation before this one."""
    if is_only_data(recorded, value):
        return True
    # detach makes no node; compiled TorchScript hands on what it detached
    return unit.label is None and unit.operation is not None and is_detach(unit.operation.op)


def node_of_view(units: Units, unit: Unit, value: Value, i: int, linked: Mapping[int, Unit]) -> int | None:
    """The node of the unit, by the one that made a view; None where that only makes it anew after a write."""
    behind = copy_behind(units, unit, value, i, linked)
    if behind is not None:
        return behind
    operation = unit.operation
    makes_anew = operation is not None and operation.mutates and value.number not in operation.results
    return None if makes_anew and units.recorded.autograd.names[i] != "CopySlices" else i


def copy_behind(units: Units, unit: Unit, value: Value, i: int, linked: Mapping[int, Unit]) -> int | None:
    """The CopySlices behind a view whose base was written to through it: that is the node of the writing operation."""
    # A lazy conjugate or negative is no stride of its base: autograd makes such a view anew step by step, each with
    # a node of its own.
    operation, autograd = unit.operation, units.recorded.autograd
    wrote = operation is not None and operation.mutates and operation.grad_enabled and value.number in operation.results
    links, first = autograd.links[i], True
    while links and links[0] is not None and (first or (wrote and len(links) == 1 and links[0][0] not in linked)):
        behind = links[0][0]
        if autograd.names[behind] == "CopySlices":
            return behind
        links, first = autograd.links[behind], False
    return None


def take_in(growing: _Growing, unit: Unit, value: Value, edge: tuple[int, int], is_whole: bool) -> None:
    """Note that a value is that output of that node; the first node that a unit is seen with is its own."""
    i, number = edge
    if unit not in growing.node_of and i not in growing.of_node:
        growing.node_of[unit] = i
        growing.of_node[i] = unit
    if growing.node_of.get(unit) != i:
        return
    held = growing.values[unit]
    if unit.label is not None:
        growing.values[unit] = {**held, number: held.get(number, value)}
        growing.port_of_edge[i, number] = number
        return
    if is_whole and held.get(0) is not value:
        held = growing.values[unit] = {**held, 0: value}  # the result is the whole that was written to, not the view
    growing.port_of_edge.setdefault((i, number), port_of(held, value))
