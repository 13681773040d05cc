"""Units -> Units in which everything stands after what it reads, where the order of the values was another."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.base.stable_order import stable_order
from graphviz_ad._internal.tracing.assembly.linking import Units
from graphviz_ad._internal.tracing.assembly.unit import Unit


def put_operands_first(units: Units) -> None:
    """Every unit after all that it reads, otherwise as they stand; their keys are no longer right."""
    place = {id(unit): i for i, unit in enumerate(units.all)}
    needs = [{place[id(unit)] for unit in read_by(units, reader)} - {i} for i, reader in enumerate(units.all)]
    units.all = [units.all[i] for i in stable_order(needs)]
    for unit in units.all:
        unit.key = ""


def read_by(units: Units, unit: Unit) -> Iterator[Unit]:
    """What a unit reads, as autograd says and as its operation does; of a custom Function also what made its results inside."""
    yield from (units.of_node[link[0]] for link in units.links(unit) if link is not None)
    numbers = [operand[1] for operand in unit.operands if type(operand) is tuple]
    for number in numbers:
        inner = units.inner_of_value.get(number)
        source = inner if inner is not None and inner.function is unit.function and unit.function is not None else units.of_value.get(number)
        if source is not None and source is not unit.function:
            yield source
    if unit.label is not None:
        yield from (inner for value in unit.values.values() if (inner := units.inner_of_value.get(value.number)) is not None and inner.function is unit)
