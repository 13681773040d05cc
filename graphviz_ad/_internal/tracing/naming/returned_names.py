"""Calls of torch's own modules -> the variable that takes what they return, where one result alone can be it.

Inside of the module the result has passed through variables of torch's. What none of its operations read any more is
what it returned.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import CodeType

from graphviz_ad._internal.operations.traits import DETACHES
from graphviz_ad._internal.tracing.naming.unpacked_results import results_unpacked
from graphviz_ad._internal.tracing.naming.variable_names import results_read
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.stack import ModuleCall, PathStep
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value


def name_returned(tape: Tape) -> None:
    """Note under which names the program takes what modules return, and from which variables it reads results: what
    is called otherwise where it is computed has both names.
    """
    if tape.program is not None:
        tape.read_names = results_read(tape, tape.program)
    for call, operations in _runs_of_modules(tape):
        for number, name in results_unpacked(tape, call, operations):
            tape.read_names[number] = tuple(dict.fromkeys([name, *tape.read_names.get(number, ())]))
        names = [name for name in call.namer.names if name != "_"] if call.namer is not None else []
        found = _left_over(tape, operations) if len(names) == 1 else []
        if len(found) == 1 and _is_returned(tape, found[0], call):
            number, maker = found[0].number, found[0].maker
            tape.returned_names.setdefault(number, names[0])
            further = names_further_out(call.namer, tape.operations[maker].place.path) if maker is not None else ()
            tape.read_names[number] = (*further, *tape.read_names.get(number, ()))


def names_further_out(namer: CallSite | None, path: Sequence[PathStep]) -> tuple[str, ...]:
    """The variables that take a result in the callers of the function that has one for it: the "fake" of
    ``fake = net(z)``, where net ends on ``return output``; ``namer`` is the site that the variable stands at, ``path``
    are the frames that lead to the operation. Each with what the same function sets to it, as in ``second = fake``.
    """
    found: list[str] = list(namer.aliases) if namer is not None else []
    steps = list(reversed(path))
    if namer is None or namer not in steps:
        return tuple(found)
    for step in steps[steps.index(namer) + 1 :]:
        if isinstance(step, int):  # a module
            continue
        site = step if isinstance(step, CallSite) else CallSite(*step)
        if namer is not None and not namer.is_returned:
            break
        if site.returned:
            continue
        if not isinstance(step, CallSite) or len(site.names) != 1:
            break
        found += [site.names[0], *site.aliases]
        namer = site
    return tuple(dict.fromkeys(found))


def _is_returned(tape: Tape, value: Value, call: ModuleCall) -> bool:
    """Whether nothing of the user's own took the result inside of the call: a module with a variable for it, or a
    hook that looked at what passed.
    """
    place = tape.operations[value.maker].place if value.maker is not None else None
    return place is not None and any(each.handed_on for each in place.module_calls if each == call)


def _runs_of_modules(tape: Tape) -> Iterator[tuple[ModuleCall, list[Operation]]]:
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
