"""Units of what ran -> with those of what was there: leaves and data, values that no recorded operation made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.tracing.assembly.units import Unit, Units, is_only_data
from graphviz_ad._internal.tracing.tape.tape_entries import Value


def with_sources(units: Units) -> Units:
    """The units with leaves and data.

    Before: every operation has its unit. After: every value that an operation outside of custom Functions reads, or
    that is an output, belongs to a unit in ``of_value``, if it is neither in ``nobodys`` nor made by something that
    was not seen; a value that only what ran inside a custom Function reads, and that was made there unseen, does so
    in ``inner_of_value``. An alias of what an operation wrote belongs to the writer, or is a view of it.
    """
    known, used = units.of_value, [value for value in units.recorded.tape.values if value.used]
    unknown = [value for value in used if value.number not in known and value.number not in units.nobodys]
    if not unknown:
        return units
    read, inside = readers_of(units)
    owners = dict(owners_of_written(units, followed(units, unknown)))
    sources = [
        (value, unit_of_value(units, value, value.number in read, inside.get(value.number), owners))
        for value in unknown
    ]
    found = [(value, unit) for value, unit in sources if unit is not None]
    new = {unit: {0: value} for value, unit in found if unit not in units.values}
    return replace(
        units,
        all=(*units.all, *new),
        values={**units.values, **new},
        of_value={**known, **{value.number: unit for value, unit in found if unit.function is None}},
        inner_of_value={
            **units.inner_of_value,
            **{value.number: unit for value, unit in found if unit.function is not None},
        },
    )


def readers_of(units: Units) -> tuple[set[int], Mapping[int, Unit]]:
    """The values that are read outside of custom Functions, outputs among them; those read inside, with where."""
    outer = [unit.operands for unit in units.all if unit.function is None]
    inner = [(unit.operands, unit.function) for unit in units.all if unit.function is not None]
    read = {operand[1] for operands in outer for operand in operands if type(operand) is tuple}
    read.update(output.value.number for output in units.recorded.outputs)
    return read, {one[1]: function for operands, function in inner for one in operands if type(one) is tuple}


def followed(units: Units, aliases: Sequence[Value]) -> Sequence[Value]:
    """Those of leaves, written to by an operation, that autograd follows from there."""
    found = [value for value in aliases if value.maker is not None and is_leaf_with_gradient(value)]
    if not found:
        return ()
    read = {use[1] for one in units.recorded.tape.operations if one.grad_enabled for use in one.uses if use[2]}
    read.update(output.value.number for output in units.recorded.outputs)
    return [value for value in found if value.number in read]


def owners_of_written(units: Units, aliases: Sequence[Value]) -> Iterator[tuple[int, Value]]:
    """Number of what a leaf holds since an operation wrote there -> the leaf that the box of that operation stands for:
    the one it wrote to, else the first that was read there, as where it was written through ``.data``. Others may share
    its memory, with a gradient of their own.
    """
    tape = units.recorded.tape
    first: dict[int, Value] = {}
    for value in aliases:
        assert value.maker is not None
        number = tape.operations[value.maker].results[value.port]
        written = tape.values[number]
        yield value.number, written if is_leaf_with_gradient(written) else first.setdefault(number, value)


def is_leaf_with_gradient(value: Value) -> bool:
    """Whether a pass adds to ``.grad`` of the tensor."""
    return value.requires_grad and value.edge is None


def unit_of_value(
    units: Units, value: Value, is_read: bool, inside: Unit | None, owners: Mapping[int, Value]
) -> Unit | None:
    """The unit of a value that no operation returned, which may be a new one; None for what nobody sees."""
    place = (value.number, 0)
    if not is_read and value.name is None:
        if value.requires_grad:
            return Unit(place, "leaf")
        # made inside a custom Function unseen, as by numpy
        return Unit(place, "data", function=inside) if inside is not None else None
    if value.maker is not None:
        return part_of_written(units, value, owners)
    if value.edge is None or is_only_data(units.recorded, value):
        return Unit(place, "leaf" if value.requires_grad and value.edge is None else "data")
    return None


def part_of_written(units: Units, value: Value, owners: Mapping[int, Value]) -> Unit:
    """What wrote to the memory where a value lies; a unit of its own where the value shows something else of it, or is
    of another leaf.
    """
    tape = units.recorded.tape
    assert value.maker is not None
    number = tape.operations[value.maker].results[value.port]
    writer = units.of_value.get(number)
    if writer is None:
        return Unit((value.number, 0), "data")
    if owners.get(value.number, value).reference is not value.reference:
        same = shows_the_same(value, tape.values[number])  # else another part of the memory
        return Unit((value.number, 0), "leaf", operands=[("self", number, False, None)] if same else ())
    if value.requires_grad or shows_the_same(value, tape.values[number]):
        return writer
    return Unit((value.number, 0), "op", operands=[("self", number, False, None)])


def shows_the_same(one: Value, other: Value) -> bool:
    """Whether two values of the same memory show the same of it, as far as is known."""
    return one.shape == other.shape and (one.held is None or other.held is None or one.snapshot == other.snapshot)
