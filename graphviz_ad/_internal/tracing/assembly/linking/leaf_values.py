"""Units -> with the autograd nodes of the leaves, each at what the leaf held when it was used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from graphviz_ad._internal.tracing.assembly.linking.slots import links_of
from graphviz_ad._internal.tracing.assembly.units import Arrival, Links, Recorded, Unit, Units, port_of
from graphviz_ad._internal.tracing.tape.tape_entries import Value


def with_leaves(units: Units) -> Units:
    """The units with every leaf that autograd knows.

    Before: results have their autograd nodes. After: every node that accumulates into a leaf has a unit, a new one
    where nobody read the leaf, and the unit has at its port what the leaf held; ``versions`` has the leaves that were
    written to between their uses.
    """
    recorded, known = units.recorded, dict(units.of_value)
    read = leaves_as_read(units) if recorded.tape.has_writes and not recorded.written_late else {}
    values, of_node, ports = dict(units.values), dict(units.links.of_node), dict(units.links.port_of_edge)
    new: list[Unit] = []
    for i, variable in recorded.autograd.variables.items():
        held = read.get(i) or [leaf_value(recorded, i, variable)]
        if held[-1].number not in known:  # nobody read it here: it was there before everything
            new.append(unit := Unit((-1, i), "leaf"))
            known[held[-1].number], values[unit] = unit, {0: held[-1]}
        of_node[i], ports[i, 0] = result_of(known, values, held[-1])
        for value in held:  # all of a leaf, also where what wrote there saw only a part of it
            unit, port = result_of(known, values, value)
            if values[unit].get(port) is not value:
                values[unit] = {**values[unit], port: value}
    versions = {i: [result_of(known, values, value) for value in held] for i, held in read.items() if len(held) > 1}
    links = Links(of_node, ports)
    return replace(units, all=(*units.all, *new), values=values, of_value=known, links=links, versions=versions)


def leaf_value(recorded: Recorded, i: int, variable: Tensor) -> Value:
    """What a leaf held when the pass ran, if that was noted; what it holds now, if it was not written to since."""
    return recorded.leaf_values.get(i) or recorded.tape.value_of(variable)


def result_of(of_value: Mapping[int, Unit], values: Mapping[Unit, Mapping[int, Value]], value: Value) -> Arrival:
    """The result that a value is."""
    unit = of_value[value.number]
    return Arrival(unit, port_of(values[unit], value))


def leaves_as_read(units: Units) -> Mapping[int, Sequence[Value]]:
    """What each leaf held when it was an output, or when an operation read it that the pass came back through."""
    recorded = units.recorded
    leaf_of, reached, node_of = recorded.autograd.leaf_of_object, recorded.reached, units.links.node_of
    found: dict[int, dict[int, Value]] = {}
    for output in recorded.outputs:
        if output.value.is_leaf and output.value.object_id in leaf_of:
            found.setdefault(leaf_of[output.value.object_id], {})[output.value.number] = output.value
    for unit in units.all:
        if unit in node_of and (reached is None or node_of[unit] in reached):
            for i, value in leaves_read_by(units, unit):
                found.setdefault(i, {})[value.number] = value
    return {i: [values[number] for number in sorted(values)] for i, values in found.items()}


def leaves_read_by(units: Units, unit: Unit) -> list[tuple[int, Value]]:
    """The leaves among the operands of a unit to which its autograd node leads, with what they held then."""
    links, recorded = links_of(units, unit), units.recorded
    found = []
    for operand in unit.operands if links else ():
        if type(operand) is tuple and operand[2] and operand[3] is None and operand[1] in units.of_value:
            value = recorded.tape.values[operand[1]]
            i = recorded.autograd.leaf_of_object.get(value.object_id)
            if i is not None and (i, 0) in links:
                found.append((i, value))
    return found
