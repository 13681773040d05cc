"""Unit -> which of its operands is which edge of autograd, by identity of what both say that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphviz_ad._internal.operations.traits import MATERIALISES
from graphviz_ad._internal.tracing.assembly.units import Recorded, Unit, Units
from graphviz_ad._internal.tracing.tape.tape_entries import Edge, Use

NO_SLOTS: Mapping[int, int] = MappingProxyType({})
ONE_SLOT: Mapping[int, int] = MappingProxyType({0: 0})


def links_of(units: Units, unit: Unit) -> tuple[Edge | None, ...]:
    """Where the operands came from that autograd follows: a leaf has none."""
    i = units.links.node_of.get(unit)
    return () if i is None or unit.kind == "leaf" else units.recorded.autograd.links[i]


def slots_of(units: Units, unit: Unit) -> Mapping[int, int]:
    """Operand -> slot of the autograd node."""
    links, operands = links_of(units, unit), unit.operands
    if not links:
        return NO_SLOTS
    if len(links) == 1 and len(operands) == 1:  # the usual case
        operand = operands[0]
        is_it = links[0] is not None and type(operand) is tuple and origin_of(units.recorded, operand) == links[0]
        return ONE_SLOT if is_it else NO_SLOTS
    positions: dict[Edge | None, list[int]] = {}
    for position in range(len(operands) - 1, -1, -1):
        operand = operands[position]
        if type(operand) is tuple:
            positions.setdefault(origin_of(units.recorded, operand), []).append(position)
    return {positions[link].pop(): slot for slot, link in enumerate(links) if link is not None and positions.get(link)}


def origin_of(recorded: Recorded, use: Use) -> Edge | None:
    """The autograd node and output that an operand came from; None where it came from none that was reached."""
    _, number, wanted, edge = use
    if edge is not None:
        i = recorded.autograd.index.get(edge[0])
        return None if i is None else (i, edge[1])
    value = recorded.tape.values[number]
    if wanted:
        leaf = recorded.autograd.leaf_of_object.get(value.object_id)
        return (leaf, 0) if leaf is not None else None
    if value.maker is None:
        return None
    maker = recorded.tape.operations[value.maker]
    if maker.op in MATERIALISES and maker.grad_enabled and maker.uses and maker.uses[0][2]:
        return origin_of(recorded, maker.uses[0])
    return None
