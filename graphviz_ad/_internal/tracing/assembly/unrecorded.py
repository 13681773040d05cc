"""Unit without a gradient -> why: autograd did not record it, or nobody went back to it."""

from __future__ import annotations

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.operations.traits import DETACHES, SHAPE_ONLY, is_detach
from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


def wanted_gradient(units: Units, unit: Unit) -> bool:
    """Whether the result of an operation that no output depends on requires grad: as its readers saw it, else as
    torch's rules say.
    """
    operation, read = unit.operation, [value for value in units.values[unit].values() if value.used]
    wanted = operation is not None and any(wanted for _, _, wanted, _ in operation.uses)
    if operation is not None and unit.label is None:
        if wanted and not operation.grad_enabled and (operation.mutates or any(value.edge is None for value in read)):
            return False  # what was written to, and a view, requires grad all the same, because of what it was before
        if operation.mutates and not wanted and not any(value.is_leaf for value in read):
            return False  # likewise, where it was written to through .data
    if operation is None or read:
        return any(value.requires_grad for value in read)
    wanted = wanted and ran_with_grad(units.recorded.tape, operation)
    if unit in units.unread or operation.number in units.recorded.tape.raised:
        return wanted
    return (
        wanted
        and any(value.differentiable for value in units.values[unit].values())
        and not (is_detach(operation.op) or operation.op in SHAPE_ONLY)
    )


def why_unrecorded(units: Units, unit: Unit) -> str | None:
    """The cut mark of what autograd did not record although an operand required grad; None where none did."""
    operation = unit.operation
    if operation is None or not any(wanted for _, _, wanted, _ in operation.uses):
        return None
    if operation.op in DETACHES:
        return DETACHED
    if operation.inference:
        return "inference"
    if not ran_with_grad(units.recorded.tape, operation):
        return "no_grad"
    return (
        "shape-only"
        if operation.op in SHAPE_ONLY
        else DETACHED
        if was_detached(units, unit, operation)
        else "non-differentiable"
    )


def ran_with_grad(tape: Tape, operation: Operation) -> bool:
    """Whether autograd recorded where a unit ran. Inside a custom Function it never does: there, what ran before and
    after outside of it tells.
    """
    if not operation.place.functions:
        return operation.grad_enabled
    ran = tape.operations
    before = next((ran[n] for n in range(operation.number, -1, -1) if not ran[n].place.functions), None)
    after = next((ran[n] for n in range(operation.number, len(ran)) if not ran[n].place.functions), None)
    return any(other.grad_enabled for other in (before, after) if other is not None) or before is after


def was_detached(units: Units, unit: Unit, operation: Operation) -> bool:
    """Whether autograd made a node for a result and the program let go of it, as detach_() does, which no mode sees;
    not where it reads another result, as the indices of a maximum, which none was made for.
    """
    tape = units.recorded.tape
    results = units.values[unit].values()
    read = [value for value in results if value.used] or list(results)
    before = tape.operations[operation.number - 1].moment if operation.number else tape.moment
    return unit.label is None and operation.moment > before and any(value.differentiable for value in read)
