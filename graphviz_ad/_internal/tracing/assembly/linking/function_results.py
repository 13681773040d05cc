"""Units -> with the results of custom Functions that no autograd node tells of."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.tape.tape_entries import Value


def with_results_without_gradient(units: Units) -> Units:
    """The units with what custom Functions returned without a gradient, at the numbers that are left free.

    Before: autograd nodes of results and leaves are linked, so that those numbers are known. After: whatever ran
    inside a custom Function and is read outside of it is a result of the Function.
    """
    if not units.inner_of_value:
        return units
    values = dict(units.values)
    for number in sorted(seen_outside(units)):
        function, value = units.inner_of_value[number].function, units.recorded.tape.values[number]
        if function is not None and value not in values[function].values():
            held = values[function]
            values[function] = {**held, next(port for port in range(len(held) + 1) if port not in held): value}
    return replace(units, values=values)


def seen_outside(units: Units) -> set[int]:
    """The values that were made inside a custom Function and are read by what is not part of it."""
    plain, inner = [unit for unit in units.all if unit.label is None], units.inner_of_value
    readers = {operand[1]: unit for unit in plain for operand in unit.operands if type(operand) is tuple}
    read = [number for number in readers if number in inner]
    wanted = {number for number in read if inner[number].function is not readers[number].function}
    return wanted | {output.value.number for output in units.recorded.outputs if output.value.number in inner}


def with_unread_results(units: Units) -> Units:
    """The units with what custom Functions that nobody read most likely returned: what they did not use themselves.

    Before: every result that somebody saw has its place. After: ``unread`` are the Functions of which this is said,
    and no more than said.
    """
    if not units.inner_of_value:
        return units
    made: dict[Unit, list[Value]] = {}
    for unit in units.all:
        if unit.label is not None and unit.operation is not None and not units.values[unit]:
            made[unit] = []
    for number, inner in units.inner_of_value.items():
        value = units.recorded.tape.values[number]
        if inner.function in made and not value.used:
            made[inner.function].append(value)
    likely = {unit: dict(enumerate(sorted(values, key=likely_place))) for unit, values in made.items()}
    return replace(units, values={**units.values, **likely}, unread=tuple(made))


def likely_place(value: Value) -> tuple[bool, int]:
    """First what can have a gradient."""
    return (not value.differentiable, value.number)
