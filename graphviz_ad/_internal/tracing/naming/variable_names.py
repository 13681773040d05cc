"""Operations -> the variables from which the program read what they take, where the program's text leaves no doubt.

No running frame is asked, so that nothing is kept alive: the call site says which variables stand there, the operation
which of its arguments they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from types import CodeType, MappingProxyType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.operations.names import OPERATORS, public_name
from graphviz_ad._internal.operations.traits import GETITEM, LINEAR, LINEAR_RUNS_AS, SIDES
from graphviz_ad._internal.tracing.naming.as_written import is_operand, reflected
from graphviz_ad._internal.tracing.naming.variables_at_rest import at_rest
from graphviz_ad._internal.tracing.naming.written_statements import FOR_EACH
from graphviz_ad._internal.tracing.tape.call_sites import CallSite, Operand, numbers_in
from graphviz_ad._internal.tracing.tape.stack import ModuleCall
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value
from graphviz_ad._internal.tracing.tape.torch_private import gets_what_is_given

MODULES = {
    "torch",
    "F",
    "functional",
    "nn.functional",
    "torch.nn.functional",
    "linalg",
    "torch.linalg",
    "special",
    "torch.special",
    "torch.fft",
}
NOTHING_KNOWN: Mapping[CallSite, int] = MappingProxyType({})
# arguments that are called the same on all levels
TELLING = {"target", "weight", "bias", "running_mean", "running_var"}


def variables_read(tape: Tape, code: CodeType) -> dict[int, str]:
    """Number of a value that was there before -> the variable that the function of this code reads it from, or a
    function that stands in it, as a closure for an optimizer does; the first, where there are several.
    """
    found: dict[int, str] = {}
    codes = dict(_codes_within(code))
    sides = tensor_sides(tape, codes)
    for operation in tape.operations:
        call = _call_of_module(operation)
        site = call.site if call is not None else operation.place.site
        own = codes.get(site.code) if site is not None else None
        if own is None or not any(_is_nameless(tape.values[use[1]]) for use in operation.uses):
            continue
        if call is not None:
            names = _variables_given_to_module(tape, operation, call)
        else:
            names = (
                _variables_applied_to(tape, operation)
                or _variable_in_brackets(operation)
                or variables_of(operation, sides)
            )
        for use, name in zip(operation.uses, names, strict=True):
            if name is not None and name not in own and _is_nameless(tape.values[use[1]]):
                found.setdefault(use[1], name)
    return found


def results_read(tape: Tape, code: CodeType) -> dict[int, tuple[str, ...]]:
    """Number of a result -> the variables that the function of this code, or one that stands in it, reads it from."""
    found: dict[int, dict[str, None]] = {}
    known: dict[tuple[Any, ...], tuple[str | None, ...]] = {}
    codes = dict(_codes_within(code))
    for operation in tape.operations:
        site = operation.place.site
        own = codes.get(site.code) if site is not None else None
        if own is None or all(tape.values[use[1]].maker is None for use in operation.uses):
            continue
        # all that the names depend on, and the same each time round a loop
        arguments = (len(operation.uses), *[one[0] for one in (*operation.uses, *operation.constants)])
        key = (id(operation.place), id(operation.schema), arguments)
        names = known.get(key)
        if names is None:
            names = known[key] = _variables_with_subscripts(operation)
        for use, name in zip(operation.uses, names, strict=True):
            if name is not None and name.isidentifier() and name not in own and _is_from_elsewhere(tape, use[1], site):
                found.setdefault(use[1], {})[name] = None
    return {number: tuple(names) for number, names in found.items()}


def _is_from_elsewhere(tape: Tape, number: int, site: CallSite | None) -> bool:
    """Whether a value is a result of another call than the one at this site, which may be several operations."""
    maker = tape.values[number].maker
    return maker is not None and tape.operations[maker].place.site != site


def _variables_with_subscripts(operation: Operation) -> tuple[str | None, ...]:
    """As `variables_of`, and of ``x[:, 0]`` the x, which the first of several operations reads."""
    return _variable_in_brackets(operation) or variables_of(operation)


def _variable_in_brackets(operation: Operation) -> tuple[str | None, ...]:
    """The x of ``x[:, 0]``; nothing where no brackets stand, or where a collection of torch's reads what it has."""
    place, site = operation.place, operation.place.site
    if site is None or site.written != GETITEM or place.user is not site or place.inner or not operation.uses:
        return ()
    first, *others = operation.uses
    name = site.subscripted.variable if site.subscripted is not None else None
    return (name if first[0] == "self" else None, *[None] * len(others))


def _codes_within(code: CodeType) -> Iterator[tuple[CodeType, Collection[str]]]:
    """The code and that of all functions that stand in it, each with the names that mean something else there."""
    waiting: list[tuple[CodeType, Collection[str]]] = [(code, ())]
    while waiting:
        within, own = waiting.pop()
        yield within, own
        for const in within.co_consts:
            if isinstance(const, CodeType):
                variables = {*const.co_varnames, *const.co_cellvars}
                if const.co_name in FOR_EACH:  # whose variables are read beside those around it
                    variables &= {*within.co_varnames, *within.co_cellvars, *within.co_freevars, *within.co_names}
                waiting.append((const, {*own, *variables}))


def _variables_applied_to(tape: Tape, operation: Operation) -> tuple[str | None, ...]:
    """The variables that a custom Function was applied to, of those tensors that an operation in it reads; none of an
    operation that runs in no such function, or where they cannot be told.
    """
    place, site = operation.place, operation.place.site
    if not place.functions or site is None or site.written != "apply" or site.operands is None:
        return ()
    given = site.operands
    if len(given) > len(place.arguments) or any(operand.keyword is not None for operand in given):
        return ()
    variable = {  # where torch tells of the function by its frame, what has its default is an argument, too
        number: operand.variable for number, operand in zip(place.arguments, given, strict=False)
    }
    return tuple([variable.get(tape.values[use[1]].object_id) for use in operation.uses])


def _call_of_module(operation: Operation) -> ModuleCall | None:
    """The line of the user's that calls a module of torch's own, in which none of the user's own code runs, where an
    operation is of such a call.
    """
    place = operation.place
    return next((call for call in place.module_calls if call.way and call.site == place.user), None)


def _variables_given_to_module(tape: Tape, operation: Operation, call: ModuleCall) -> tuple[str | None, ...]:
    """As `variables_of`, of the one tensor that a line gives to a module: an operation in it reads that where it is
    there before, and neither a parameter nor a buffer.
    """
    nothing, given = (None,) * len(operation.uses), call.site.operands
    modules = operation.place.modules
    if given is None or len(given) != 1 or not all(map(gets_what_is_given, modules)):
        return nothing
    held = {id(tensor) for module in modules for tensor in (*module.parameters(), *module.buffers())}
    values = [tape.values[use[1]] for use in operation.uses]
    found = [value.maker is None and value.object_id not in held for value in values]
    return tuple([given[0].variable if is_it else None for is_it in found]) if sum(found) == 1 else nothing


def _is_nameless(value: Value) -> bool:
    return value.maker is None and value.name is None


def variables_of(operation: Operation, known: Mapping[CallSite, int] = NOTHING_KNOWN) -> tuple[str | None, ...]:
    """The variable that each tensor was read from which an operation takes; None where that is not certain. ``known``:
    see `tensor_sides`.
    """
    place, site = operation.place, operation.place.site
    nothing = (None,) * len(operation.uses)
    if site is None or place.user is not site or place.functions or place.transform or site.operands is None:
        return nothing
    if place.called.name not in (None, site.written):  # what it is given goes to somewhere else, or through a partial
        return nothing
    if site.written in OPERATORS:
        places = _sides(operation, site.operands, known.get(site))
        given: Sequence[Operand] | None = site.operands
    else:
        given = _given_variables(operation, site, site.operands)
        places = _places_of_arguments(operation, site.written or "", given) if given is not None else {}
    if given is None:
        return nothing
    return tuple(_variable(given, places.get(use[0])) for use in operation.uses)


def tensor_sides(tape: Tape, codes: Mapping[CodeType, Collection[str]]) -> dict[CallSite, int]:
    """Operator between a tensor and a number, each in a variable -> the side of the tensor, where it shows in what
    changes from one time to the next: in ``for x in (1.0, 2.0): loss = loss + w * x`` the number does, and nothing is
    ever put into w, which thus is the tensor.
    """
    numbers, tensors = dict[CallSite, set[str]](), dict[CallSite, set[int]]()
    for operation in tape.operations:
        site = operation.place.site
        if site is None or site.code not in codes or len(operation.uses) != 1 or operation.place.user is not site:
            continue
        given = [repr(number) for name, number in operation.constants if is_operand(operation.op, name, number)]
        if len(given) == 1:
            numbers.setdefault(site, set()).update(given)
            tensors.setdefault(site, set()).add(tape.values[operation.uses[0][1]].object_id)
    found: dict[CallSite, int] = {}
    for site, seen in numbers.items():
        operands = site.operands if len(seen) > 1 or len(tensors[site]) > 1 else None
        if operands is None or len(operands) != 2 or site.written not in OPERATORS:
            continue
        still = [each.local and each.variable in at_rest(tuple(codes)) - set(codes[site.code]) for each in operands]
        # what stays is not what changes
        if still.count(True) == 1 and (len(seen) > 1) != (len(tensors[site]) > 1):
            found[site] = still.index(True) if len(seen) > 1 else still.index(False)
    return found


def _variable(given: Sequence[Operand], place: int | None) -> str | None:
    return given[place].variable if place is not None and place < len(given) else None


def _sides(operation: Operation, operands: Sequence[Operand], of_tensor: int | None = None) -> Mapping[str, int]:
    """Argument -> side of the operator that it stands on; ``of_tensor`` is that of the one tensor, where that shows."""
    site = operation.place.site
    sides = SIDES.get((OPERATORS.get(site.written or "", "") if site is not None else "", operation.op), {})
    if len(operation.uses) == 2 and len(operands) == 2:
        return {name: 1 - side for name, side in sides.items()} if reflected(operation) else sides
    variables = [side for side, operand in enumerate(operands) if not _is_number(operand, site)]
    if len(operation.uses) == 1 and len(variables) == 2 and of_tensor is not None:
        variables = [of_tensor]
    # the other is a number
    return {"self": variables[0]} if len(operation.uses) == len(variables) == 1 and "self" in sides else {}


def _is_number(operand: Operand, site: CallSite | None) -> bool:
    """Whether an operand is a number, or a variable that the function only ever sets to numbers."""
    if operand.constant:
        return True
    return operand.local and site is not None and operand.variable in numbers_in(site.code)


def _given_variables(operation: Operation, site: CallSite, operands: Sequence[Operand]) -> Sequence[Operand] | None:
    """What the function is given, with what stands before the point where that is a tensor; None where the two
    cannot be told apart.
    """
    receiver, name = site.receiver, site.written or ""
    if receiver is None:
        return operands
    passed = len(operation.uses) + len(operation.constants)
    is_module = not hasattr(Tensor, name) or (receiver.variable in MODULES and not receiver.local)
    if is_module:
        return operands
    positional = [operand for operand in operands if operand.keyword is None]
    is_method = not positional or positional[0].constant or passed > len(operands)
    return [receiver, *operands] if is_method else None


def _places_of_arguments(operation: Operation, name: str, given: Sequence[Operand]) -> Mapping[str, int]:
    """Argument of the operation -> which of the things given it is."""
    if name == LINEAR:
        return LINEAR_RUNS_AS.get(operation.op, {})
    if len(given) == len(operation.uses) == 1 and not operation.place.inner and hasattr(Tensor, name):
        return {operation.uses[0][0]: 0}  # whatever it runs as, as ``x.square()`` does as a power
    parameters = (
        _parameters(name)
        if operation.place.inner
        else [_python_name(argument) for argument in operation.schema.arguments]
    )
    same = operation.op.rstrip("_") == name.rstrip("_") or (
        bool(operation.place.inner) and public_name(operation.op) == name
    )
    by_keyword = {operand.keyword: place for place, operand in enumerate(given) if operand.keyword is not None}
    places = {}
    for use in operation.uses:
        argument = _python_name(use[0])
        if not same and argument not in TELLING:
            continue
        if argument in by_keyword:
            places[use[0]] = by_keyword[argument]
        elif argument in parameters and parameters.index(argument) < len(given) - len(by_keyword):
            places[use[0]] = parameters.index(argument)
    return places


def _python_name(argument: str) -> str:
    return "input" if argument == "self" else argument


@cache
def _parameters(name: str) -> list[str]:
    """The parameters of one of torch's functions in Python, in order."""
    function: Any = getattr(torch.nn.functional, name, None)
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
