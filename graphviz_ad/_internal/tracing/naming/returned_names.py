"""Calls of torch's own modules -> the variable that takes what they return, where one result alone can be it.

Inside of the module the result has passed through variables of torch's. What none of its operations read any more is
what it returned.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

from graphviz_ad._internal.operations.traits import DETACHES
from graphviz_ad._internal.tracing.tape.stack import ModuleCall
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value


def name_returned(tape: Tape) -> None:
    """Note under which names the program takes what modules return, unless those results have names of their own."""
    for call, operations in _runs(tape):
        names = [name for name in call.namer.names if name != "_"] if call.namer is not None else []
        found = _left_over(tape, operations) if len(names) == 1 else []
        if len(found) == 1 and _is_returned(tape, found[0], call):
            tape.returned_names.setdefault(found[0].number, names[0])


def _is_returned(tape: Tape, value: Value, call: ModuleCall) -> bool:
    """Whether nothing of the user's own took the result inside of the call: a module with a variable for it, or a
    hook that looked at what passed.
    """
    place = tape.operations[value.maker].place if value.maker is not None else None
    return place is not None and any(each.handed_on for each in place.module_calls if each == call)


def _runs(tape: Tape) -> Iterator[tuple[ModuleCall, list[Operation]]]:
    """Each call of a module with the operations that ran in it, without anything between."""
    going: dict[ModuleCall, list[Operation]] = {}
    for operation in tape.operations:
        now = operation.place.module_calls
        ended = [call for call, run in going.items() if call not in now or _begins_anew(call, run, operation)]
        for call in ended:
            yield call, going.pop(call)
        for call in now:
            going.setdefault(call, []).append(operation)
    yield from going.items()


def _begins_anew(call: ModuleCall, run: list[Operation], operation: Operation) -> bool:
    """Whether an operation is the first of the same module's next call: where no code has loops, nothing comes by
    one instruction twice with the same.
    """
    first = run[0]
    if (operation.op, _numbers(operation)) != (first.op, _numbers(first)):
        return False
    ways = [next(each.way for each in at.place.module_calls if each == call) for at in (first, operation)]
    return bool(ways[0]) and ways[0] == ways[1] and not any(_has_loop(code) for code, _ in ways[0])


def _numbers(operation: Operation) -> list[int]:
    return [use[1] for use in operation.uses]


@lru_cache(maxsize=4096)
def _has_loop(code: CodeType) -> bool:
    return any("JUMP_BACKWARD" in step.opname for step in dis.get_instructions(code))


def _left_over(tape: Tape, operations: list[Operation]) -> list[Value]:
    """What was computed and not read by another of the operations; with a gradient to come, if anything has."""
    operations = [
        operation
        for operation in operations
        if operation.op not in DETACHES or any(tape.values[number].used for number in operation.results)
    ]
    read = {number for operation in operations for number in _numbers(operation)}
    left = [tape.values[number] for operation in operations for number in operation.results if number not in read]
    wanted = [value for value in left if value.requires_grad]
    makers = {operation.number: operation for operation in operations}
    return wanted or [
        value
        for value in left
        if value.port == 0 and not makers[value.maker if value.maker is not None else -1].mutates
    ]
