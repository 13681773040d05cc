"""Unit -> Node: its name, its results, what autograd calls it and keeps for it, where it stands in the program."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from graphviz_ad._internal.graph.graph import Node, Port
from graphviz_ad._internal.graph.snapshot import snapshot_of_number
from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.operations.traits import LIFTED, NEVER_SEEN
from graphviz_ad._internal.tracing.assembly.autograd_graph import aten_stem, node_name
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.hooks import hook_names
from graphviz_ad._internal.tracing.assembly.missing_gradients import cut_of_unit, is_leaf
from graphviz_ad._internal.tracing.assembly.ports import named_ports, ports_of
from graphviz_ad._internal.tracing.assembly.said import NO_WORDS, SiteWords
from graphviz_ad._internal.tracing.assembly.units import Unit, Units
from graphviz_ad._internal.tracing.assembly.unrecorded import wanted_gradient
from graphviz_ad._internal.tracing.naming.as_written import Number, messages, written_arguments

NUMBERS = {LIFTED: "tensor", "scalar_tensor": None}  # what torch.tensor(…) runs as, and a number in an operand's place


def node_of_unit(draft: Draft, unit: Unit) -> Node:
    """The node of a unit."""
    units, operation, i = draft.units, unit.operation, draft.units.links.node_of.get(unit)
    words = draft.words[operation] if operation is not None else NO_WORDS
    kind = kind_of_node(units, unit)
    autograd = None if kind == "leaf" else i
    requires_grad = kind == "leaf" or autograd is not None or (unit.function is None and wanted_gradient(units, unit))
    name, ports = named_ports(
        units,
        unit,
        ports_of(draft, unit),
        names_of_result(draft, unit, words),
        words.also if draft.last_of_call.get(units.calls[unit]) is unit else (),
    )
    if autograd is not None:
        called: tuple[str, ...] = shared((units.recorded.autograd.names[autograd],))
    else:
        called = unreached_names(units, unit) if kind == "op" else ()
    hooks_on_node = units.recorded.result.hooks.get(autograd, ()) if autograd is not None else ()
    cut = cut_of_unit(units, unit, ports, requires_grad)
    kept, kept_bytes = ((), None) if autograd is None else units.recorded.autograd.keeps.names_and_bytes(autograd)
    settings = operation if operation is not None and unit.label is None and operation.constants else None
    return Node(
        draft.keys[unit],
        kind,
        op_of(draft, unit, words),
        name,
        ports,
        called,
        requires_grad,
        cut,
        words.module if kind != "leaf" else (),
        words.source,
        shared(kept),
        written_arguments(settings) if settings is not None else (),
        units.calls[unit],
        (unit.label or words.call) if operation is not None else None,
        draft.backward_order.get(i),
        saved_bytes=kept_bytes,
        hooks=(*hook_names(units.values[unit].values(), units.recorded.tape.hooks_seen), *hooks_on_node),
        messages=messages(settings) if settings is not None else (),
        statement=draft.statement_of.get(operation.number) if operation is not None else None,
        switched_off=switched_off(draft, unit, cut),
    )


@cache
def shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same names as one thing, of which a long graph has thousands."""
    return names


def switched_off(draft: Draft, unit: Unit, cut: str | None) -> tuple[str, ...]:
    """What the program called so that autograd recorded nothing where a unit ran."""
    operation, capture = unit.operation, draft.units.recorded.tape.capture
    asked = operation is not None and capture.source and cut in ("no_grad", "inference")
    return draft.said.switches.get(id(operation.place), ()) if operation is not None and asked else ()


def kind_of_node(units: Units, unit: Unit) -> str:
    """ "op", "leaf" or "data": of what reads nothing, one of the last two."""
    if unit.kind == "leaf" or unit in units.leaves:
        return "leaf"
    if unit.kind == "op" and unit.operation is not None and not unit.operands:
        # made here, and then required to have a gradient
        return "leaf" if any(value.is_leaf for value in units.values[unit].values()) else "data"
    return unit.kind


def op_of(draft: Draft, unit: Unit, words: SiteWords) -> str | None:
    """As it is written in the program, where the call is this one operation; else ATen's name."""
    if unit.label is not None:
        return unit.label
    if unit.operation is not None:
        if unit.operation.op in NUMBERS:
            return NUMBERS[unit.operation.op]
        return words.alone if draft.call_sizes[draft.units.calls[unit]] == 1 else words.op
    if is_leaf(draft.units, unit) or unit.kind != "op":
        return None
    i = draft.units.links.node_of.get(unit)
    return NEVER_SEEN if i is None else public_name(aten_stem(draft.units.recorded.autograd.names[i]))


def names_of_result(draft: Draft, unit: Unit, words: SiteWords) -> tuple[str, ...]:
    """The variables that take what a call returned, at the last of its operations, or what a module returned."""
    if words.names and draft.last_of_call[draft.units.calls[unit]] is unit:
        return words.names
    known = draft.units.recorded.tape.returned_names
    if not known:
        return ()
    return tuple(known[value.number] for value in draft.units.values[unit].values() if value.number in known)[:1]


def unreached_names(units: Units, unit: Unit) -> tuple[str, ...]:
    """The autograd node of an operation that leads to no output; nobody walked there, but somebody read its result."""
    recorded = units.recorded
    if unit.function is not None:
        return ()
    # The node of a view that was written to only makes the view anew.
    writes = unit.operation is not None and unit.operation.mutates
    made = [value.edge for value in units.values[unit].values() if not (writes and value.is_view)]
    unreached = [edge[0] for edge in made if edge is not None and edge[0] not in recorded.autograd.index]
    known = recorded.autograd.unwalked
    return tuple(known[i] if i in known else node_name(recorded.tape.nodes[i]) for i in unreached[:1])


def constants_of(draft: Draft, unit: Unit, first: int) -> Sequence[Node]:
    """The nodes of the numbers in the program that a unit reads; ``first`` is the number of the first."""
    operation = unit.operation
    numbers = [operand.number for operand in unit.operands if isinstance(operand, Number)]
    if operation is None or not numbers:
        return ()
    source = draft.words[operation].source
    call = draft.units.calls[unit] if unit.function is not None else None
    statement = draft.statement_of.get(operation.number)
    return [
        Node(
            f"n{first + i}",
            "data",
            cut="data",
            ports=(Port((), type(number).__name__, value=snapshot_of_number(number)),),
            source=source,
            call=call,
            statement=statement,
        )
        for i, number in enumerate(numbers)
    ]
