"""Unit: one node to be, before it is known how autograd looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.naming.as_written import Operand
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value


@dataclass(frozen=True)
class Output:
    """A tensor that the program returned, and the gradient that is fed in there."""

    value: Value
    seed: Snapshot | None
    name: str | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """One node to be; ``function`` is the custom Function inside which it ran, ``call`` the call in the program that it is part of."""

    order: tuple[int, int]
    kind: str
    operation: Operation | None = None
    label: str | None = None
    operands: Sequence[Operand] = ()
    values: dict[int, Value] = field(default_factory=dict)
    autograd: int | None = None
    function: Unit | None = None
    key: str = ""
    call: int | None = None


def port_of(unit: Unit, value: Value) -> int:
    """Which of its results a value is."""
    return next((port for port, held in unit.values.items() if held is value), value.port)
