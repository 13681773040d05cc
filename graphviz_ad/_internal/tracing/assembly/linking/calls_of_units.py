"""Units -> in the order in which they ran, each with the call in the program that it is part of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from operator import attrgetter

from graphviz_ad._internal.tracing.assembly.units import Unit, Units


def units_in_order(units: Units) -> Units:
    """The units as they ran.

    Before: there will be no more of them. After: they stand in the order of what they made, a custom Function behind
    what ran inside it.
    """
    return replace(units, all=tuple(sorted(units.all, key=attrgetter("order"))))


def with_calls(units: Units) -> Units:
    """The units with ``calls``.

    Before: all units are there. After: each has its call, or None; all that runs inside a custom Function is part of
    its call, and a view of what was written in part is part of the call that wrote, where nobody else reads it.
    """
    call = units.recorded.tape.call
    calls: dict[Unit, int | None] = {}
    for unit in units.all:
        operation = unit.operation if unit.function is None else unit.function.operation
        calls[unit] = call(operation.call) if operation is not None else None
    views = [unit for unit in units.all if unit.operation is None and unit.operands]
    return replace(units, calls={**calls, **calls_of_views(units, calls, views)} if views else calls)


def calls_of_views(units: Units, calls: Mapping[Unit, int | None], views: Iterable[Unit]) -> Mapping[Unit, int | None]:
    """The views that belong to the call that wrote what they show, with that call."""
    readers = calls_that_read(units, calls)
    found: dict[Unit, int | None] = {}
    for view in views:
        (operand,) = view.operands
        writer = calls[units.of_value[operand[1]]] if type(operand) is tuple else None
        if readers.get(units.values[view][0].number, set()) <= {writer}:
            found[view] = writer
    return found


def calls_that_read(units: Units, calls: Mapping[Unit, int | None]) -> Mapping[int, AbstractSet[int | None]]:
    """Number of a value -> the calls that read it, None among them where something outside of all calls does."""
    readers: dict[int, set[int | None]] = {}
    for unit in units.all:
        for operand in unit.operands:
            if type(operand) is tuple:
                readers.setdefault(operand[1], set()).add(calls[unit])
    for output in units.recorded.outputs:
        readers.setdefault(output.value.number, set()).add(None)
    return readers
