"""Unit -> Ports: its results with their values and the gradients that arrived at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.derivative_agreement import sum_of_seeds
from graphviz_ad._internal.operations.traits import UNBIND
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.tape.values import device_name, dtype_name

Ports = tuple[Port, ...]
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

DECOMPOSITIONS = {
    "_linalg_svd",
    "_linalg_eigh",
    "linalg_eig",
    "linalg_qr",
    "linalg_lu",
}  # whose results the user gets, all of them


def ports_of(draft: Draft, unit: Unit) -> Ports:
    """The results of a unit, up to the last that somebody used, that has a gradient, or that the user asked for."""
    units, recorded = draft.units, draft.units.recorded
    values, i = units.values[unit], units.links.node_of.get(unit)
    row = recorded.result.node_grads.get(i, ()) if i is not None else None
    is_single = row is not None and len(row) <= 1 and len(values) == 1 and 0 in values
    if is_single and i not in recorded.autograd.variables:  # the usual case
        return (port_with(units, unit, values[0], row[0] if row else None),)
    grads = arrived_at(units, unit)
    totals = recorded.result.leaf_totals
    held = {port: totals.get(leaf) for port, leaf in units.leaves.get(unit, {}).items()} if totals else {}
    # where a hook has put something else there, that is no gradient of this value
    held = {port: total for port, total in held.items() if total is None or total.shape == values[port].shape}
    last = max(last_port(draft, unit), max(grads, default=0))
    return tuple(port_with(units, unit, values.get(port), grads.get(port), held.get(port)) for port in range(last + 1))


def last_port(draft: Draft, unit: Unit) -> int:
    """The last result that is shown whether a gradient arrived there or not."""
    values, operation = draft.units.values[unit], unit.operation
    if unit in draft.units.unread:
        return max(len(values) - 1, 0)
    last = max((port for port, value in values.items() if value.used or value.edge is not None), default=0)
    if operation is None or unit.label is not None:
        return last
    is_asked_for = operation.op in DECOMPOSITIONS or draft.words[operation].call == operation.op
    return max(last, len(operation.results) - 1) if is_asked_for else last  # shown even where nobody used it


def arrived_at(units: Units, unit: Unit) -> Mapping[int, Snapshot | None]:
    """Port -> the gradient that arrived there."""
    result, values, i = units.recorded.result, units.values[unit], units.links.node_of.get(unit)
    if i is None:
        if unit.kind == "leaf" and values[0].object_id in result.other_leaves:
            return {0: result.other_leaves[values[0].object_id]}
        returned = units.recorded.returned
        outputs = [(port, -1 - n) for port, value in values.items() for n, _ in returned.get(value.number, ())]
        return {port: result.leaf_grads[n] for port, n in outputs if n in result.leaf_grads}
    if i in units.recorded.autograd.variables:
        return {port: result.leaf_grads.get(leaf) for port, leaf in units.leaves[unit].items()}
    ports = units.links.port_of_edge
    return {ports.get((i, n), n): grad for n, grad in enumerate(result.node_grads.get(i, ())) if grad is not None}


def port_with(
    units: Units,
    unit: Unit,
    value: Value | None,
    grad: Snapshot | None,
    grad_total: Snapshot | None = None,
) -> Port:
    """One result."""
    if value is None:
        return Port() if grad is None else Port(grad.shape, grad.dtype, grad=grad)
    shape, dtype, device = value.shape, dtype_name(value.dtype), device_name(value.device)
    outputs = units.recorded.returned.get(value.number) if unit.function is None else None
    tensor = units.recorded.tensors.get(id(value.reference))
    if outputs is None:
        return Port(shape, dtype, device, value.snapshot, grad, None, grad_total, value.name, tensor=tensor)
    name = value.name or next((output.name for _, output in outputs if output.name), None)
    place = units.places[value.number]
    is_shown = place.shown is unit
    upstream = sum_of_seeds([output.seed for _, output in outputs]) if is_shown and place.fed is None else None
    return Port(shape, dtype, device, value.snapshot, grad, upstream, grad_total, name, is_shown, tensor=tensor)


def named_ports(
    units: Units, unit: Unit, ports: Ports, names: tuple[str, ...], further: tuple[str, ...] = ()
) -> tuple[str | None, Ports]:
    """The name of a node and its ports by theirs: by the variables that take the results, or by those from which they
    are read; the others of these stand beside them, and so do those ``further`` out that take the one result.
    """
    name, ports = taken_by(units, unit, ports, names)
    read = read_from(units, unit)
    if further and len(ports) == 1:
        read = {0: tuple(dict.fromkeys([*further, *read.get(0, ())]))}
    if not read:
        return name, ports
    if len(ports) == 1:
        called = [each for each in read.get(0, ()) if each != name]
        name = name or next(iter(called), None)
        return name, (replace(ports[0], also=tuple([each for each in called if each != name])),)
    often = Counter([each for names in read.values() for each in names])  # as the x of ``for x in xs.unbind()``
    alone = {n: next((each for each in names if often[each] == 1), None) for n, names in read.items()}
    if unit.operation is not None and unit.operation.op == UNBIND:  # a loop over a tensor
        alone = {n: alone[n] or _of_round(names, n) for n, names in read.items()}
    named = [port.name or alone.get(n) for n, port in enumerate(ports)]
    return name, tuple(
        replace(port, name=own, also=tuple([each for each in read.get(n, ()) if each != own]))
        for n, (port, own) in enumerate(zip(ports, named, strict=True))
    )


def _of_round(names: Sequence[str], number: int) -> str | None:
    """The variable of a loop in the round of this number, as x₁ in the second, where the program has one name for it:
    no name of Python's ends so.
    """
    return names[0] + str(number).translate(LOWERED) if len(names) == 1 else None


def read_from(units: Units, unit: Unit) -> Mapping[int, tuple[str, ...]]:
    """Port -> the variables from which the program reads it, and the one that takes what a module returned."""
    tape = units.recorded.tape
    if not tape.read_names and not tape.returned_names:
        return {}
    found: dict[int, tuple[str, ...]] = {}
    for port, value in units.values[unit].items():
        taken = tape.returned_names.get(value.number)
        names: dict[str, None] = dict.fromkeys([*([taken] if taken else []), *tape.read_names.get(value.number, ())])
        if names and value.maker is not None:
            found[port] = tuple(names)
    return found


def taken_by(units: Units, unit: Unit, ports: Ports, names: tuple[str, ...]) -> tuple[str | None, Ports]:
    """The variable that takes the result; several variables that take one each name the ports instead."""
    returned = returned_as(units, unit)
    if len(ports) == 1:
        return ports[0].name or (names[0] if len(names) == 1 else None) or returned.get(0), ports
    if returned:
        ports = tuple(replace(port, name=port.name or returned.get(n)) for n, port in enumerate(ports))
    given = next((value.name for value in units.values[unit].values() if value.name), None)
    names = without_star(names, len(ports))
    if len(names) > 1 and len(names) >= len(ports) > 1:
        return given, tuple(replace(port, name=port.name or name) for port, name in zip(ports, names, strict=False))
    return given or (names[0] if names else None) or next((port.name for port in ports if port.name), None), ports


def without_star(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names of so many results, of which the last variable takes all that are left: of ``a, *b``, a, b[0], b[1]."""
    if not names or not names[-1].startswith("*"):
        return names
    single, rest = names[:-1], names[-1].removeprefix("*")
    return (*single, *[f"{rest}[{n}]" for n in range(max(count - len(single), 0))])


def returned_as(units: Units, unit: Unit) -> Mapping[int, str]:
    """Port -> what the program returned it as, though no gradient starts there."""
    known = units.recorded.tape.output_names
    if not known:
        return {}
    return {port: known[value.number] for port, value in units.values[unit].items() if value.number in known}


def with_every_port(draft: Draft) -> Draft:
    """The draft with a port for each result that something was made of, also where nobody saw it.

    Before: all nodes and edges are there. After: every edge begins at a port.
    """
    further: dict[str, int] = {}
    for edge in draft.edges:
        if edge.port:
            further[edge.tail] = max(edge.port, further.get(edge.tail, 0))
    if not further:
        return draft
    missing = [max(further.get(node.key, 0) + 1 - len(node.ports), 0) for node in draft.nodes]
    counted = zip(draft.nodes, missing, strict=True)
    grown = [replace(node, ports=(*node.ports, *[Port()] * count)) if count else node for node, count in counted]
    return replace(draft, nodes=tuple(grown))
