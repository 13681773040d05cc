"""Operation -> what the user wrote: its name, its operands in order, its other arguments."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.base.frozen import frozen
from graphviz_ad._internal.graph.arguments import Argument, Arguments, Word
from graphviz_ad._internal.graph.messages import Message
from graphviz_ad._internal.maths.autograd_names import DIFFER, names_verdict
from graphviz_ad._internal.operations.names import NUMBER_OF_TENSOR, OPERATORS, REFLECTED, SAME_THING, public_name
from graphviz_ad._internal.operations.traits import (
    CLAMPS,
    DUMMIES,
    GETITEM,
    NOT_REFLECTED,
    OPERAND_ARGUMENTS,
    SETITEM,
    SWAPPED,
    UNWRITTEN_NUMBER,
)
from graphviz_ad._internal.tracing.assembly.autograd_graph import elementwise
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Use
from graphviz_ad._internal.tracing.tape.torch_private import TRANSFORMS

NAMESPACES = (torch, Tensor, torch.nn.functional, torch.linalg, torch.special, torch.fft, torch.sparse, torch.nested)
# what a C function of one of these names calls is somebody else's
CALLERS = {*dir(builtins), "apply", "reduce", "partial"}


@frozen
class Number:
    """An operand that is a number written in the program."""

    argument: str
    number: Any


Operand = Use | Number


def operands(operation: Operation) -> Sequence[Operand]:
    """What the operation reads, in the order of its arguments; numbers that are operands of the formula included."""
    if operation.op in DUMMIES:
        return [use for use in operation.uses if use[0] != "dummy"]
    if not operation.constants:
        return operation.uses
    numbers = [Number(name, number) for name, number in operation.constants if is_operand(operation.op, name, number)]
    # runs as pow(x, 2), but nobody wrote that 2
    if not numbers or (known_name(operation), operation.op) in UNWRITTEN_NUMBER:
        return operation.uses
    place = operation.schema.places
    found: list[Operand] = [*operation.uses, *numbers]
    return sorted(
        found,
        key=lambda operand: place.get(
            (operand.argument if isinstance(operand, Number) else operand[0]).partition("[")[0], len(place)
        ),
    )


def is_operand(op: str, argument: str, number: Any) -> bool:
    """Whether a number in the program is an operand of the formula rather than a setting of the operation."""
    if type(number) not in (int, float, complex, bool):
        return False
    return argument in OPERAND_ARGUMENTS or (op in CLAMPS and argument in ("min", "max"))


def written_arguments(operation: Operation) -> Arguments:
    """The other arguments."""
    if not operation.constants:
        return ()
    others = [(name, value) for name, value in operation.constants if not is_operand(operation.op, name, value)]
    return tuple((name, plain_value(value)) for name, value in others if is_plain_value(value))


def messages(operation: Operation) -> tuple[Message, ...]:
    """What went to and came from other processes."""
    if not operation.constants:
        return ()
    return tuple(value for _, value in operation.constants if isinstance(value, Message))


WORDS = (torch.dtype, torch.device, torch.layout, torch.memory_format)
NUMBERS = (bool, int, float, complex)


def is_plain_value(value: Any) -> bool:
    """Whether a value is one that the graph keeps, rather than an object that lies somewhere in memory."""
    if isinstance(value, (list, tuple)):
        return all(is_plain_value(part) for part in value)
    return value is None or isinstance(value, (*NUMBERS, str, *WORDS))


def plain_value(value: Any) -> Argument:
    """A value without anything of torch's."""
    if isinstance(value, (list, tuple)):
        return tuple(plain_value(part) for part in value)
    if isinstance(value, WORDS):
        return Word(str(value).removeprefix("torch."))
    # of a number that is more than one, such as numpy's
    kind: Any = next((kind for kind in (*NUMBERS, str) if isinstance(value, kind)), None)
    return value if kind is None or type(value) is kind else kind(value)


def reflected(operation: Operation) -> bool:
    """Whether the user wrote the operands the other way round: ``10 - d`` runs as rsub(d, 10)."""
    if operation.op in NOT_REFLECTED and any(name == "self" for name, _ in operation.constants):
        return False  # pow(2, x) stands in the order written
    if operation.op in REFLECTED or operation.op in SWAPPED or set(operation.place.inner_names) & REFLECTED:
        return True
    return operation.place.site is not None and operation.place.site.number_first


def written_operation(operation: Operation) -> str | None:
    """The name that the user knows a single operation by; of synonyms the one that is written in the program."""
    if operation.place.transform:
        return call_in_program(operation)
    op = public_name(operation.op)
    written = known_name(operation)
    if written == SETITEM:
        return written
    if operation.op == "_local_scalar_dense":  # also where a tensor is given for a number, as in zeros(n)
        return written if written in NUMBER_OF_TENSOR else "item"
    # such as the unsqueeze in conv1d
    if written is None or operation.mutates or written == op or names_verdict(written, operation.op) == DIFFER:
        return op
    return written if (written, op) in SAME_THING or not (elementwise(written) or elementwise(op)) else op


def call_in_program(operation: Operation) -> str | None:
    """What the user's program calls here: an operator, a function of torch's, or, where torch knows it by no name,
    by the name that it has itself.
    """
    place = operation.place
    if place.transform:
        named = place.called.maker
        return named if named in TRANSFORMS.values() else place.transform
    written = name_at(place)
    own_code = place.inner_names[:1] == (written,)  # the function of that name is one of torch's, in whatever module
    if written is None or not own_code:
        known = known_name(operation)
        if known is not None or place.functions:
            return known
    return (
        None
        if written is None or written in CALLERS or not written.isidentifier() or written.startswith("_")
        else written
    )


def known_name(operation: Operation) -> str | None:
    """The operator or function that the user's program calls here, where torch has one of that name."""
    return _known_name(name_at(operation.place), operation.place.inner_names)


def name_at(place: Place) -> str | None:
    """The operator, or the name of the function, that runs at a place: its own, where the frame told it.

    What the program calls it counts where that could not be told and torch has something of that name.
    """
    site, name = place.site, place.called.name
    if site is None or name is not None:
        return name or None
    written = site.written
    return written if site.called_expression is None or _is_known(written) else None


@cache
def _is_known(name: str | None) -> bool:
    return name is not None and any(hasattr(home, name) for home in NAMESPACES)


@cache
def _known_name(written: str | None, inner_names: tuple[str, ...]) -> str | None:
    if written is not None and written in OPERATORS:
        return OPERATORS[written]
    for name in (written, *inner_names):
        if (
            name is not None
            and (name in (GETITEM, SETITEM) or any(hasattr(home, name) for home in NAMESPACES))
            and not name.startswith("__")
        ):
            return name
    return None
