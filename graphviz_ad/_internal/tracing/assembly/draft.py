"""Units -> Draft: the nodes and edges of a graph while they are made, with all that it takes to make one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.graph.statements import Statement
from graphviz_ad._internal.graph.written_program import WrittenPart
from graphviz_ad._internal.tracing.assembly.executed_statements import statements_run
from graphviz_ad._internal.tracing.assembly.said import NOTHING_SAID, Said, SiteWords
from graphviz_ad._internal.tracing.assembly.site_words import what_is_said, words_of
from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.naming.as_written import Number
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


@dataclass(frozen=True)
class Draft:
    """A graph in the making.

    ``keys`` are those of the units' nodes; ``words`` what the program calls an operation; ``last_of_call``: the
    operation that ends a call, with ``call_sizes`` of them in it; ``backward_order``: when the engine ran an autograd
    node; ``statement_of``: number of an operation -> the place of its statement among the ``statements``, which
    stand in the ``program``. ``odd`` are
    the keys of nodes from which went on something else than their derivative makes of what arrived, one for each edge;
    ``left_out`` counts units that stand in a circle.
    """

    units: Units
    keys: Mapping[Unit, str]
    words: Mapping[Operation, SiteWords]
    last_of_call: Mapping[int | None, Unit]
    call_sizes: Mapping[int | None, int]
    backward_order: Mapping[int | None, int]
    statements: Sequence[Statement] = ()
    statement_of: Mapping[int, int] = field(default_factory=dict)
    program: tuple[WrittenPart, ...] = ()
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    odd: tuple[str, ...] = ()
    left_out: int = 0
    said: Said = NOTHING_SAID


def empty_draft(units: Units) -> Draft:
    """The draft without a node yet.

    Before: the units are complete and in order. After: every unit has the key that its node will have, and every
    operation its words.
    """
    tape, calls = units.recorded.tape, units.calls
    said = units.recorded.said or what_is_said(units.recorded)
    ran = [(unit, unit.operation) for unit in units.all if unit.operation is not None]
    return Draft(
        units,
        keys_of(units),
        words_of(
            said,
            [*(operation for _, operation in ran), *(tape.operations[number] for number in sorted(tape.raised))],
        ),
        {calls[unit]: unit for unit, _ in ran},
        Counter([calls[unit] for unit, _ in ran]),
        {i: n for n, i in enumerate(units.recorded.result.order)},
        *statements_run(tape, said.written),
        said=said,
    )


def keys_of(units: Units) -> Mapping[Unit, str]:
    """The keys of the nodes: they are numbered as they stand, each behind the numbers of the program that it reads."""
    keys: dict[Unit, str] = {}
    count = 0
    for unit in units.all:
        if unit.operation is not None and unit.operation.constants:
            count += sum(isinstance(operand, Number) for operand in unit.operands)
        keys[unit] = f"n{count}"
        count += 1
    return keys
