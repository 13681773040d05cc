"""Units -> with the place of each output: where it is shown, and where its gradient arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphviz_ad._internal.tracing.assembly.units import OutputPlace, Unit, Units, arrival_of
from graphviz_ad._internal.tracing.tape.tape_entries import Value


def with_outputs_placed(units: Units) -> Units:
    """The units with ``places``.

    Before: every autograd node has its unit. After: every output that has a unit is among its values, but where its
    gradient arrives at another result: what was written to behind autograd's back still is the result of another
    operation.
    """
    values, places = dict(units.values), {}
    for output in units.recorded.outputs:
        value = output.value
        place = places[value.number] = place_of_output(units, values, value)
        if place.shown is not None and lacks(units, values, place.shown, value):
            values[place.shown] = {
                **values[place.shown],
                value.port: value,
            }  # what wrote there saw only an alias or a part of it
    return replace(units, values=values, places=places)


def place_of_output(units: Units, values: Mapping[Unit, Mapping[int, Value]], value: Value) -> OutputPlace:
    """What a value that was returned is a result of, and where its gradient arrives if not there."""
    shown, arrival = units.of_value.get(value.number), arrival_of(units, value)
    if arrival is None:
        return OutputPlace(shown, None)
    if values[arrival.unit].get(arrival.port) is value:
        return OutputPlace(arrival.unit, None)
    return OutputPlace(shown, arrival if shown is not arrival.unit else None)


def lacks(units: Units, values: Mapping[Unit, Mapping[int, Value]], unit: Unit, value: Value) -> bool:
    """Whether a unit does not hold what it is shown to have returned, and no autograd node says what it holds."""
    is_free = unit not in units.links.node_of or unit in units.leaves or unit.kind == "leaf"
    return is_free and unit.label is None and value not in values[unit].values()
