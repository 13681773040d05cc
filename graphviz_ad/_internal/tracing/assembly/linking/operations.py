"""Tape -> units of what ran: one for each operation, and one for each call of a custom Function."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.operations.traits import DETACHES, LIFTED, MATERIALISES
from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.naming.as_written import operands
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Use, Value
from graphviz_ad._internal.tracing.tape.torch_private import tells_node_count
from graphviz_ad._internal.tracing.trackable import label_of

PERHAPS_ARTEFACTS = DETACHES | MATERIALISES

Made = tuple[Unit, Sequence[int]]  # a unit and the numbers of its results


def with_operations(units: Units) -> Units:
    """The units of what ran.

    Before: nothing but what was recorded. After: every result of an operation belongs to exactly one unit in
    ``of_value``, or is in ``nobodys``, or in a custom Function that one of its operations broke; what ran inside a
    custom Function stands right behind it, and its results belong to the Function in ``of_value``, to itself in
    ``inner_of_value``.
    """
    tape = units.recorded.tape
    skipped = of_nobody(tape)
    made: list[Made] = []
    for run in runs_of(tape, skipped):
        made += units_of_run(run, tape)
    seen_as = [(unit if unit.function is None else unit.function, numbers) for unit, numbers in made]
    return replace(
        units,
        all=tuple([unit for unit, _ in made]),
        values={unit: values_by_port(tape, numbers) for unit, numbers in made},
        of_value={number: unit for unit, numbers in seen_as for number in numbers},
        inner_of_value={number: unit for unit, numbers in made if unit.function is not None for number in numbers},
        nobodys=frozenset(number for n in skipped for number in tape.operations[n].results),
    )


def values_by_port(tape: Tape, numbers: Sequence[int]) -> Mapping[int, Value]:
    """Port -> value."""
    if len(numbers) == 1:
        return {0: tape.values[numbers[0]]}
    return {port: tape.values[number] for port, number in enumerate(numbers)}


def of_nobody(tape: Tape) -> Collection[int]:
    """The operations that are no part of the program: torch's own, and how an optimizer counts its steps."""
    found = {operation.number for operation in tape.operations if is_artefact(operation, tape)}
    found |= saved_and_restored(tape, found)
    in_steps = [operation for operation in tape.operations if operation.place.step is not None]
    # An optimizer asks how often it has been called: bookkeeping, in a call of its own.
    counting = {tape.call(operation.call) for operation in in_steps if operation.op == "_local_scalar_dense"}
    return found | {operation.number for operation in in_steps if tape.call(operation.call) in counting}


def is_artefact(operation: Operation, tape: Tape) -> bool:
    """Whether torch ran an operation for itself: it detaches what it saves, and makes the gradient that it starts from.

    A lazy conjugate is made real by a clone that nobody wrote, below autograd.
    """
    op, place = operation.schema.name, operation.place
    if op not in PERHAPS_ARTEFACTS and not place.inner_names:  # the usual case
        return False
    wanted = operation.grad_enabled and operation.uses and operation.uses[0][2]
    if op in MATERIALISES and wanted and not place.functions:
        return not any(tape.values[number].requires_grad for number in operation.results)
    helps = op in DETACHES or (place.inner_names and "_make_grads" in place.inner_names)
    return bool(helps) and not any(tape.values[number].used for number in operation.results)


def saved_and_restored(tape: Tape, skipped: Collection[int]) -> set[int]:
    """The operations by which torch saves a result of its own and makes it again, to differentiate a backward pass:
    what it makes has the autograd node of that result.
    """
    saved = {
        operation.results[0]: operation.number
        for operation in tape.operations
        if operation.op in DETACHES and operation.results and is_part_of_its_maker(operation, tape)
    }
    if not saved:
        return set()
    readers: dict[int, list[Operation]] = {number: [] for number in saved}
    for operation in tape.operations:
        for use in operation.uses:
            if use[1] in readers and operation.number not in skipped:
                readers[use[1]].append(operation)
    restores = {number: [one.number for one in read if restored(one, tape)] for number, read in readers.items()}
    whole = {number for number, read in readers.items() if read and len(restores[number]) == len(read)}
    return {saved[number] for number in whole} | {one for number in whole for one in restores[number]}


def is_part_of_its_maker(operation: Operation, tape: Tape) -> bool:
    """Whether the very instruction that made an operand also detached it, which nobody can write."""
    maker = tape.values[operation.uses[0][1]].maker if operation.uses else None
    if maker is None:
        return False
    one, other = tape.operations[maker].place, operation.place
    return (one.site, one.depth, one.inner) == (other.site, other.depth, other.inner) and one.site is not None


def restored(operation: Operation, tape: Tape) -> bool:
    """Whether what was detached has an autograd node all the same."""
    return operation.op in DETACHES and any(tape.values[number].edge is not None for number in operation.results)


def runs_of(tape: Tape, skipped: Collection[int]) -> list[list[Operation]]:
    """The operations of one call of a custom Function together, any other alone; no call in which one raised."""
    caught = tape.raised - {tape.stopped}  # it has no result, and the program went on without
    found: list[list[Operation]] = []
    broken: set[int] = set()
    is_open = False
    for operation in tape.operations:
        goes_on = is_open and bool(operation.place.functions) and is_same_function_call(found[-1][-1], operation)
        if caught and operation.number in caught:
            if goes_on:
                broken.add(len(found) - 1)
        elif operation.number not in skipped:
            if goes_on:
                found[-1].append(operation)
            else:
                found.append([operation])
                is_open = bool(operation.place.functions)
    return [run for n, run in enumerate(found) if n not in broken] if broken else found


def is_same_function_call(last: Operation, now: Operation) -> bool:
    """Whether the same call of a custom Function still runs; inside, autograd makes nodes only if it asks for that."""
    one, other = last.place, now.place
    if one.functions[:1] != other.functions[:1] or one.site is not other.site or one.depth != other.depth:
        return False
    if (
        not tells_node_count()
    ):  # then two calls with the same arguments, one right after the other, cannot be told apart
        return one.arguments == other.arguments
    # the node that the operation itself has just been given
    own = 1 if now.grad_enabled and any(use[2] for use in now.uses) else 0
    return last.moment in (now.moment, now.moment - own) or (last.grad_enabled and one.arguments == other.arguments)


def units_of_run(run: Sequence[Operation], tape: Tape) -> Sequence[Made]:
    """The units of a run of operations, in the order in which they began."""
    operation = run[0]
    if operation.place.functions:
        return units_of_function(run, tape)
    if operation.mutates and writes_to_each(operation):
        return list(units_of_each(operation))
    read = () if operation.op == LIFTED else operands(operation)  # torch.tensor(…): what it lifts is nobody's variable
    return ((Unit(place_of_operation(operation), "op", operation, None, read), operation.results),)


def writes_to_each(operation: Operation) -> bool:
    """Whether an operation writes to many tensors and autograd records that."""
    return operation.op.startswith("_foreach_") and operation.grad_enabled and any(use[2] for use in operation.uses)


def units_of_each(operation: Operation) -> Iterator[Made]:
    """An operation on many tensors in place: autograd has a node for each, as if it had been computed alone."""
    for n, number in enumerate(operation.results):
        own = ("", f"{n}]")
        read = [one for one in operands(operation) if type(one) is not tuple or one[0].partition("[")[2] in own]
        yield Unit((number, 0), "op", operation, None, read), [number]


def units_of_function(run: Sequence[Operation], tape: Tape) -> list[Made]:
    """The unit of a call of a custom Function, its results not known yet, and behind it those of what ran inside."""
    order = max(place_of_operation(run[0]), *((place_of_operation(operation)[0], 2) for operation in run))
    function = Unit(order, "op", run[0], label_of(run[0].place.functions[0]), read_from_outside(run, tape))
    inner = [(place_of_operation(operation, inside=True), operation) for operation in run]
    made = [(Unit(place, "op", one, None, operands(one), function), one.results) for place, one in inner]
    return [(function, ()), *made]


def read_from_outside(run: Sequence[Operation], tape: Tape) -> list[Use]:
    """What a call of a custom Function reads that was not made in it."""
    found: dict[int, Use] = {}
    made: set[int] = set()
    for operation in run:
        for use in operation.uses:
            number = use[1]
            if number in found or number in made:
                continue
            # not made inside unseen, as by numpy
            if number < run[0].clock or tape.values[number].object_id in operation.place.arguments:
                found[number] = use
        made.update(operation.results)
    return list(found.values())


def place_of_operation(operation: Operation, *, inside: bool = False) -> tuple[int, int]:
    """What makes a value stands where that does, what only reads behind what it reads, a Function behind all in it."""
    if operation.results:
        return (operation.results[0], 0)
    return (max(operation.clock - 1, *(use[1] for use in operation.uses), 0), 1 if inside else 3)
