"""Operation -> what the program calls it at the place where it ran, the same for each time that it runs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch

from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.tracing.assembly.executed_statements import NOTHING_WRITTEN, apart, written_at
from graphviz_ad._internal.tracing.assembly.said import NameOfModule, Said, SiteWords, Words, word_key
from graphviz_ad._internal.tracing.assembly.units import Recorded
from graphviz_ad._internal.tracing.assembly.unrecorded import ran_with_grad
from graphviz_ad._internal.tracing.naming.as_written import call_in_program, messages, reflected, written_operation
from graphviz_ad._internal.tracing.naming.returned_names import names_further_out
from graphviz_ad._internal.tracing.naming.switched_off import switched_off_at
from graphviz_ad._internal.tracing.tape.doubts import doubts
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


def what_is_said(recorded: Recorded, *, is_settled: bool = False) -> Said:
    """All that the program's text and its modules say of what was recorded; where all that is on the tape is plain
    values, the words for operations are made when asked for, of those and of the text as it is read now.
    """
    tape, source = recorded.tape, recorded.tape.capture.source
    read_sites(tape)
    return Said(
        partial(words_at, recorded.module_names, bool(source)) if is_settled else words_now(recorded),
        classes_of_modules(recorded),
        switches_at(tape) if source else {},
        written_at(tape) if source else NOTHING_WRITTEN,
        doubts(),
    )


def words_now(recorded: Recorded) -> Words:
    """Those for all operations, read at once."""
    names, source = recorded.module_names, bool(recorded.tape.capture.source)
    found = {word_key(one): words_at(names, source, one) for one in of_all_kinds(recorded.tape)}
    return lambda operation: found[word_key(operation)]


def of_all_kinds(tape: Tape) -> Iterable[Operation]:
    """An operation of each kind at each place."""
    plain = {(id(one.schema), id(one.place)): one for one in tape.operations if not one.constants}
    set_up = {word_key(one): one for one in tape.operations if one.constants}
    return (*plain.values(), *set_up.values())


def read_sites(tape: Tape) -> None:
    """Have all sites read what is written there: they remember it, and the text may change."""
    places = apart(tape)
    steps = {id(step): step for place in places for step in (place.site, place.namer, place.user, *place.lines)}
    calls = {id(call): call for place in places for call in place.module_calls}.values()
    steps.update((id(site), site) for call in calls for site in (call.site, call.namer))
    for site in steps.values():
        if site is not None:
            _ = site.text, site.written, site.names, site.targets
    for site in {id(place.site): place.site for place in places}.values():
        if site is not None:
            _ = site.operands, site.receiver, site.subscripted


def words_of(said: Said, operations: Iterable[Operation]) -> Mapping[Operation, SiteWords]:
    """The words for each of the operations, the same for each place."""
    known: dict[tuple[str, int], SiteWords] = {}
    found: dict[Operation, SiteWords] = {}
    for operation in operations:
        key = (operation.schema.name, id(operation.place))
        words = known.get(key)
        if words is None:
            words = known[key] = said.words(operation)
        found[operation] = words
    return found


def switches_at(tape: Tape) -> Mapping[int, tuple[str, ...]]:
    """Identity of a place -> what the program called so that autograd recorded nothing of an operation there, though
    it read what wanted a gradient.
    """
    places: dict[int, Place] = {}
    inside = recorded = False  # of a custom Function all has the same answer
    for operation in tape.operations:
        goes_on, inside = inside, bool(operation.place.functions)
        if not inside:
            recorded = operation.grad_enabled
        elif not goes_on:
            recorded = ran_with_grad(tape, operation)
        if (operation.inference or not recorded) and any(use[2] for use in operation.uses):
            places[id(operation.place)] = operation.place
    return {key: switched_off_at(place.path) for key, place in places.items()}


def words_at(names: Mapping[int, str], source: bool, operation: Operation) -> SiteWords:
    """What the program calls an operation where it ran; ``names`` are those of modules, by identity."""
    place = operation.place
    modules = [name_and_class(names, module)[0] for module in place.modules]
    own = place.step[0] if place.step is not None else operation.schema.library_name
    return SiteWords(
        operation.schema.library_name or public_name(operation.op),
        own or written_operation(operation),
        call_between_ranks(operation) or own or call_in_program(operation),
        reflected(operation),
        place.namer.names if place.namer is not None else (),
        tuple(name for name in modules if name),
        place.user.source if place.user is not None and source else None,
        names_further_out(place.namer, place.path),
    )


def classes_of_modules(recorded: Recorded) -> tuple[tuple[str, str], ...]:
    """What each module is that ran, by its name, in the order in which they ran."""
    places = {id(operation.place): operation.place for operation in recorded.tape.operations}
    modules = {id(module): module for place in places.values() for module in place.modules}
    named = dict([name_and_class(recorded.module_names, module) for module in modules.values()])
    return tuple([(name, kind) for name, kind in named.items() if name])


def name_and_class(names: Mapping[int, str], module: Any) -> tuple[str, str]:
    """What the program calls a module, and what it is."""
    if isinstance(module, NameOfModule):
        return module.name, module.kind
    kind = type(module).__name__
    return names.get(id(module), kind), kind


def call_between_ranks(operation: Operation) -> str | None:
    """The function for messages between processes that the program calls; where torch sends something of its own
    accord, what that does; None for anything else.
    """
    if not messages(operation):
        return None
    written = operation.place.called.name
    return written if written and hasattr(torch.distributed, written) else operation.op
