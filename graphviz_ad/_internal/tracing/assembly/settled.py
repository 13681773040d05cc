"""What was recorded, while the program's tensors and autograd's nodes are there -> the same as plain values, of which
a graph can be made at any time.

Whatever can change or go is read now: names of nodes, hooks, moments, leaves, the text of the program. What is kept
holds no tensor, node, module, frame or Function of the user's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from graphviz_ad._internal.graph.messages import Message
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, node_name
from graphviz_ad._internal.tracing.assembly.hooks import hooks_on, those_with_hooks
from graphviz_ad._internal.tracing.assembly.said import NameOfModule
from graphviz_ad._internal.tracing.assembly.site_words import name_and_class, what_is_said
from graphviz_ad._internal.tracing.assembly.units import Recorded
from graphviz_ad._internal.tracing.naming.as_written import is_plain_value
from graphviz_ad._internal.tracing.tape.applied_unseen import place_in_functions
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.trackable import NameOfFunction, label_of

IMMUTABLE = frozenset((int, float, bool, complex, str, torch.dtype, torch.device, Message))
NOT_KEPT = object()  # what stands for a setting that no graph says


def settled(recorded: Recorded) -> tuple[Recorded, FinishedTape]:
    """The same, of plain values, and its tape.

    Before: the backward pass has run, and nodes and leaves are there. After: they may go, and nobody may write on the
    tape any more; the graph that is made of either is the same.
    """
    tape, autograd = recorded.tape, recorded.autograd
    place_in_functions(tape, autograd)
    was_written = tape.has_writes
    leaves = {i: tape.value_of(variable) for i, variable in autograd.variables.items()}
    note_unwalked(tape, autograd)
    alive = [value for value in tape.values if value.reference() is not None]
    hooks = ((value.number, tuple(hooks_on(value))) for value in those_with_hooks(alive))
    tape.hooks_seen.update((number, found) for number, found in hooks if found)
    let_modules_and_functions_go(recorded)
    let_settings_go(tape)
    autograd.note_moments()
    known = autograd.remembered()
    known.custom = {i: NameOfFunction(label_of(function)) for i, function in autograd.custom.items()}
    finished = FinishedTape(tape, alive)
    plain = replace(
        recorded,
        tape=finished,
        autograd=known,
        leaf_values=leaves,
        said=what_is_said(recorded, is_settled=True),
        written_late=tape.has_writes and not was_written,
    )
    return plain, finished


class FinishedTape(Tape):
    """A tape on which nobody writes any more: what was recorded, without what recorded it."""

    def __init__(self, tape: Tape, alive: list[Value]) -> None:
        """Of a tape whose entries are plain values by now; ``alive`` are those of tensors that live."""
        self.alive = alive
        self.capture, self.program, self.moment = tape.capture, tape.program, tape.moment
        self.operations, self.values, self.calls, self.nodes = tape.operations, tape.values, tape.calls, {}
        self.raised, self.stopped = tape.raised, tape.stopped
        self.has_writes, self.replaced = tape.has_writes, tape.replaced
        self.hooks_seen, self.output_names = tape.hooks_seen, tape.output_names
        self.read_names, self.returned_names = tape.read_names, tape.returned_names
        self.unsaid_reductions, self.wrappers = tape.unsaid_reductions, tape.wrappers

    def let_references_go(self) -> None:
        """Something else for the weak references to tensors that live: torch refuses to swap a tensor that has any.

        Before: nobody asks any more which tensors live.
        """
        alike: dict[int, Gone] = {}
        for value in self.alive:
            value.reference = alike.setdefault(id(value.reference), Gone())  # type: ignore[assignment]
        self.alive = []


def note_unwalked(tape: Tape, autograd: AutogradGraph) -> None:
    """The names of the nodes that results have and that lead to no output."""
    if tape.nodes.keys() <= autograd.index.keys():
        return
    for value in tape.values:
        key = value.edge[0] if value.edge is not None else None
        if key is not None and key not in autograd.index and key in tape.nodes:
            autograd.unwalked.setdefault(key, node_name(tape.nodes[key]))


class Gone:
    """What stands for a weak reference to a tensor: one thing for each tensor."""

    __slots__ = ()

    def __call__(self) -> None:
        """There is no tensor to be had."""


def let_modules_and_functions_go(recorded: Recorded) -> None:
    """Names of modules and custom Functions for these themselves, at all places of the tape."""
    names: dict[int, tuple[Any, NameOfModule | NameOfFunction]] = {}  # by identity, each beside what it is of
    places: dict[int, tuple[Place, Place]] = {}
    for operation in recorded.tape.operations:
        place = operation.place
        if place.modules or place.functions:
            found = places.get(id(place))
            if found is None:
                found = places[id(place)] = place, nameless(recorded, place, names)
            operation.place = found[1]


def nameless(recorded: Recorded, place: Place, names: dict[int, tuple[Any, Any]]) -> Place:
    """A place with names for what is there."""
    for module in place.modules:
        if id(module) not in names:
            names[id(module)] = module, NameOfModule(*name_and_class(recorded.module_names, module))
    for function in place.functions:
        if id(function) not in names:
            names[id(function)] = function, NameOfFunction(label_of(function))
    modules = tuple([names[id(module)][1] for module in place.modules])
    named = place.with_modules(modules, place.module_calls, place.numbers)
    if not place.functions:  # the usual case
        return named
    return named._replace(functions=tuple([names[id(function)][1] for function in place.functions]))


def let_settings_go(tape: Tape) -> None:
    """Plain values for the arguments of operations; of what is no such value no graph says anything."""
    for operation in tape.operations:
        if operation.constants and not all(type(value) in IMMUTABLE for _, value in operation.constants):
            operation.constants = tuple([(name, as_setting(value)) for name, value in operation.constants])


def as_setting(value: Any) -> Any:
    """A value that nobody can write to, and that holds nothing of the user's."""
    if type(value) is list and all(type(part) is int for part in value):  # the usual case
        return tuple(value)
    if isinstance(value, Message):
        return value
    if not is_plain_value(value):
        return NOT_KEPT
    return tuple(map(as_setting, value)) if isinstance(value, (list, tuple)) else value
