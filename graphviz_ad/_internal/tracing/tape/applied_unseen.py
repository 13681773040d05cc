"""Operations that a custom Function ran where no frame of Python shows it -> the Function: autograd says whose
results they are.

C++ makes views of what a Function returns as it got it, and a ``forward`` need not be written in Python.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


def place_in_functions(tape: Tape, autograd: AutogradGraph) -> None:
    """Note at each of these operations which custom Function it ran in, and what that was applied to."""
    for operation, function in list(_found(tape, autograd)):
        arguments = tuple(tape.values[use[1]].object_id for use in operation.uses)
        operation.place = operation.place._replace(functions=(function,), arguments=arguments)


def _found(tape: Tape, autograd: AutogradGraph) -> Iterator[tuple[Operation, type]]:
    """An operation makes no autograd node while no gradient is wanted: its result got that of the Function that had
    just begun.
    """
    for value in tape.values if autograd.custom else ():
        i = autograd.index.get(value.edge[0]) if value.edge is not None and value.maker is not None else None
        if i is None or i not in autograd.custom or value.maker is None:
            continue
        operation, before = tape.operations[value.maker], autograd.made_at(i)
        if (
            not operation.place.functions
            and not operation.grad_enabled
            and before is not None
            and before + 1 == operation.moment
        ):
            yield operation, autograd.custom[i]
