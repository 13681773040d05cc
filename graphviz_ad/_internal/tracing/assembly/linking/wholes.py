"""Units -> with the whole of what was written to in part, where somebody saw it; unknown where nobody did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.tape.tape_entries import Value


def with_wholes(units: Units) -> Units:
    """The units with the whole as the result of what wrote to a part of it unseen, where it was read as a whole.

    Before: every autograd node has its unit, so that those without are known. After: the writer holds at its port
    what was read last, not the part or the alias that it saw itself.
    """
    if not units.recorded.tape.has_writes:
        return units
    values = dict(units.values)
    for value in units.recorded.tape.values:
        writer = units.of_value.get(value.number) if is_seen_whole(value) else None
        if writer is None or writer.operation is None or writer.label is not None:
            continue
        if writer.operation.mutates and writer not in units.links.node_of:
            values[writer] = {**values[writer], value.port: value}
    return replace(units, values=values)


def is_seen_whole(value: Value) -> bool:
    """Whether somebody read a value that autograd follows, and that is no view."""
    return value.used and value.edge is not None and not value.is_view and value.maker is not None


def without_parts(units: Units) -> Units:
    """The units without the part that an operation wrote, where nobody saw more of it.

    Before: outputs are placed, so that whatever was seen has its port. After: a unit at whose whole a gradient
    arrives has that whole or nothing, since what the rest of it holds is not known.
    """
    reached = units.recorded.reached
    if not units.recorded.tape.has_writes or not reached:
        return units
    names = units.recorded.autograd.names
    parts: dict[Unit, Mapping[int, Value]] = {}
    for i, unit in units.links.of_node.items():
        held = units.values[unit].get(0)
        if i in reached and names[i] == "CopySlices" and held is not None and held.is_view:
            parts[unit] = {}
    return replace(units, values={**units.values, **parts})
