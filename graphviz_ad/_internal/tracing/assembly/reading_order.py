"""Units -> Units in which everything stands after what it reads, where the order of the values was another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphviz_ad._internal.base.stable_order import stable_order
from graphviz_ad._internal.tracing.assembly.linking.slots import links_of
from graphviz_ad._internal.tracing.assembly.units import Unit, Units


def in_reading_order(units: Units) -> Units:
    """Every unit after all that it reads, otherwise as they stand.

    Before: some unit stands before one that it reads. After: none does; those that read each other in a ring are left
    out, with all that reads them.
    """
    place = {unit: i for i, unit in enumerate(units.all)}
    needs = [{place[unit] for unit in read_by(units, reader)} - {i} for i, reader in enumerate(units.all)]
    return replace(units, all=tuple(units.all[i] for i in stable_order(needs)))


def read_by(units: Units, unit: Unit) -> Iterator[Unit]:
    """What a unit reads, as autograd and its operation say; a custom Function also what made its results inside."""
    yield from (units.links.of_node[link[0]] for link in links_of(units, unit) if link is not None)
    numbers = [operand[1] for operand in unit.operands if type(operand) is tuple]
    for number in numbers:
        inner = units.inner_of_value.get(number)
        is_beside = inner is not None and unit.function is not None and inner.function is unit.function
        source = inner if is_beside else units.of_value.get(number)
        if source is not None and source is not unit.function:
            yield source
    if unit.label is not None:
        makers = [units.inner_of_value.get(value.number) for value in units.values[unit].values()]
        yield from (maker for maker in makers if maker is not None and maker.function is unit)
