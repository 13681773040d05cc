"""Operation -> what the program calls it at the place where it ran, the same for each time that it runs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.tracing.assembly.units import Recorded
from graphviz_ad._internal.tracing.naming.as_written import call_in_program, messages, reflected, written_operation
from graphviz_ad._internal.tracing.naming.returned_names import names_further_out
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


@dataclass(frozen=True, slots=True)
class SiteWords:
    """``op`` is its own name, ``alone`` the one as it is written, ``call`` that of the call.

    ``names`` are the variables that take the result, ``also`` those further out.
    """

    op: str | None = None
    alone: str | None = None
    call: str | None = None
    reflected: bool = False
    names: tuple[str, ...] = ()
    module: tuple[str, ...] = ()
    source: str | None = None
    also: tuple[str, ...] = ()


NO_WORDS = SiteWords()


def words_of(recorded: Recorded, operations: Iterable[Operation]) -> Mapping[Operation, SiteWords]:
    """The words for each of the operations, found once for each place."""
    known: dict[tuple[str, int], SiteWords] = {}
    found: dict[Operation, SiteWords] = {}
    for operation in operations:
        key = (operation.schema.name, id(operation.place))
        words = known.get(key)
        if words is None:
            words = known[key] = words_at(recorded, operation)
        found[operation] = words
    return found


def words_at(recorded: Recorded, operation: Operation) -> SiteWords:
    """What the program calls an operation where it ran."""
    place = operation.place
    modules = [recorded.module_names.get(id(module), type(module).__name__) for module in place.modules]
    own = place.step[0] if place.step is not None else operation.schema.library_name
    return SiteWords(
        operation.schema.library_name or public_name(operation.op),
        own or written_operation(operation),
        call_between_ranks(operation) or own or call_in_program(operation),
        reflected(operation),
        place.namer.names if place.namer is not None else (),
        tuple(name for name in modules if name),
        place.user.source if place.user is not None and recorded.tape.capture.source else None,
        names_further_out(place.namer, place.path),
    )


def classes_of_modules(recorded: Recorded) -> tuple[tuple[str, str], ...]:
    """What each module is that ran, by its name, in the order in which they ran."""
    places = {id(operation.place): operation.place for operation in recorded.tape.operations}
    modules = {id(module): module for place in places.values() for module in place.modules}
    named = {recorded.module_names.get(key, type(module).__name__): module for key, module in modules.items()}
    return tuple([(name, type(module).__name__) for name, module in named.items() if name])


def call_between_ranks(operation: Operation) -> str | None:
    """The function for messages between processes that the program calls; where torch sends something of its own
    accord, what that does; None for anything else.
    """
    if not messages(operation):
        return None
    written = operation.place.called.name
    return written if written and hasattr(torch.distributed, written) else operation.op
