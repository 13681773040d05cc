"""Units -> with the autograd nodes that no tensor named: of what nobody read, and of what nothing explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from graphviz_ad._internal.tracing.assembly.autograd_graph import aten_stem
from graphviz_ad._internal.tracing.assembly.units import Links, Recorded, Unit, Units, is_only_data
from graphviz_ad._internal.tracing.trackable import label_of


def with_nodes_by_moment(units: Units) -> Units:
    """The units with the nodes of operations whose result nobody read.

    Each is known by how many nodes there were when it ran, and by its name. Before: the nodes of results and leaves
    are linked. After: so are these, where no other operation ran at the same moment.
    """
    autograd, links = units.recorded.autograd, units.links
    if len(links.of_node) == len(autograd.nodes):
        return units
    candidates = [unit for unit in units.all if may_own_a_node(units, unit)]
    at = {unit.operation.moment: unit for unit in candidates if unit.operation is not None}
    alone = Counter(unit.operation.moment for unit in candidates if unit.operation is not None)
    found = {}
    for i in range(len(autograd.nodes)):
        before = autograd.made_at(i) if i not in links.of_node and i not in autograd.custom else None
        unit = at.get(before + 1) if before is not None else None
        if unit is None or unit.operation is None or alone[unit.operation.moment] != 1:
            continue
        if aten_stem(autograd.names[i]) == unit.operation.op.rstrip("_"):
            found[i] = unit
    return replace(units, links=replace(links, of_node={**links.of_node, **found}))


def may_own_a_node(units: Units, unit: Unit) -> bool:
    """Whether autograd made a node for an operation that is not linked to any yet."""
    operation = unit.operation
    if unit in units.links.node_of or unit.label is not None or unit.function is not None or operation is None:
        return False
    return operation.grad_enabled and any(use[2] for use in operation.uses)


def with_unexplained_nodes(units: Units) -> Units:
    """The units with one for each autograd node that no recorded operation explains.

    Such are made before the trace, by another thread, or make a view anew. Before: all nodes are linked that can be.
    After: every autograd node has a unit, and what such a node made, where somebody read it, belongs to it.
    """
    recorded, links = units.recorded, units.links
    if len(links.of_node) == len(recorded.autograd.nodes):
        return units
    first = first_reads(units)
    custom = recorded.autograd.custom
    new = {
        i: Unit((first[i], -i - 1), "op", label=label_of(custom[i]) if i in custom else None)
        for i in range(len(recorded.autograd.nodes))
        if i not in links.of_node
    }
    grown = Links({**links.of_node, **new}, links.port_of_edge)
    return with_values_of_unexplained(
        replace(
            units,
            all=(*units.all, *new.values()),
            values={**units.values, **{unit: {} for unit in new.values()}},
            links=grown,
        )
    )


def first_reads(units: Units) -> Mapping[int, int]:
    """Autograd node -> where what it made stands at the latest: before what first read it, or leads to that."""
    recorded, linked = units.recorded, units.links.of_node
    before = first_values(recorded)
    first: dict[int, int] = {}
    for i, links in enumerate(recorded.autograd.links):
        first[i] = linked[i].order[0] if i in linked else before.get(i, len(recorded.tape.values) + 1)
        for link in links:
            if link is not None:
                before[link[0]] = min(before.get(link[0], first[i]), first[i])
    return first


def first_values(recorded: Recorded) -> dict[int, int]:
    """Autograd node -> the first value with it that no recorded operation made."""
    found: dict[int, int] = {}
    for value in recorded.tape.values:
        i = recorded.autograd.index.get(value.edge[0]) if value.edge is not None and value.maker is None else None
        if i is not None:
            found[i] = min(found.get(i, value.number), value.number)
    return found


def with_values_of_unexplained(units: Units) -> Units:
    """The units with what somebody read of that which was made where nobody saw it."""
    recorded, of_node = units.recorded, units.links.of_node
    values, of_value = dict(units.values), dict(units.of_value)
    for value in recorded.tape.values:
        if value.edge is not None and value.edge[0] in recorded.autograd.index and not is_only_data(recorded, value):
            unit = of_node[recorded.autograd.index[value.edge[0]]]
            if unit.operation is None and unit.kind == "op":
                values[unit] = {**values[unit], value.edge[1]: values[unit].get(value.edge[1], value)}
                of_value.setdefault(value.number, unit)
    return replace(units, values=values, of_value=of_value)
