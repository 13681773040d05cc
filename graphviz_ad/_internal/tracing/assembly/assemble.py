"""Recorded run -> Graph, as finely as it was recorded: three lists of passes, each from a value to a new one.

`LINKING` finds out what is going to be one node each, and which autograd node is which of them; `DRAFTING` makes the
nodes and edges; `FINISHING` says on them what only the whole shows. What has to hold before and after a pass stands
in its docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from graphviz_ad._internal.base.frozen import changed
from graphviz_ad._internal.graph.graph import Graph, Memory, Node
from graphviz_ad._internal.graph.notices import Notice
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.graph.statements import Statement, only_used
from graphviz_ad._internal.tracing.assembly.draft import Draft, empty_draft
from graphviz_ad._internal.tracing.assembly.drawing import with_nodes_and_edges
from graphviz_ad._internal.tracing.assembly.fed_in import with_what_is_fed_in
from graphviz_ad._internal.tracing.assembly.gaps import gaps_of
from graphviz_ad._internal.tracing.assembly.held_memory import with_holders
from graphviz_ad._internal.tracing.assembly.hooks import with_hooks_said
from graphviz_ad._internal.tracing.assembly.leaf_versions import with_versions_apart
from graphviz_ad._internal.tracing.assembly.linking.calls_of_units import units_in_order, with_calls
from graphviz_ad._internal.tracing.assembly.linking.function_results import (
    with_results_without_gradient,
    with_unread_results,
)
from graphviz_ad._internal.tracing.assembly.linking.leaf_values import with_leaves
from graphviz_ad._internal.tracing.assembly.linking.operations import with_operations
from graphviz_ad._internal.tracing.assembly.linking.output_places import with_outputs_placed
from graphviz_ad._internal.tracing.assembly.linking.results import with_nodes_of_results
from graphviz_ad._internal.tracing.assembly.linking.sources import with_sources
from graphviz_ad._internal.tracing.assembly.linking.unseen_nodes import with_nodes_by_moment, with_unexplained_nodes
from graphviz_ad._internal.tracing.assembly.linking.wholes import with_wholes, without_parts
from graphviz_ad._internal.tracing.assembly.missing_gradients import with_none_gradients_said
from graphviz_ad._internal.tracing.assembly.ports import with_every_port
from graphviz_ad._internal.tracing.assembly.stopped import with_stop_said
from graphviz_ad._internal.tracing.assembly.units import Recorded, Units, note_on_tape

LINKING: tuple[Callable[[Units], Units], ...] = (
    with_operations,  # what ran
    with_sources,  # what was there: leaves and data
    with_nodes_of_results,  # the autograd nodes that tensors named
    with_leaves,  # those of leaves, and what each leaf held when it was used
    with_results_without_gradient,  # what custom Functions returned besides
    with_nodes_by_moment,  # the nodes of operations whose result nobody read
    with_unexplained_nodes,  # and those that nobody saw being made
    with_wholes,  # what was written to in part, and seen whole
    with_outputs_placed,  # where outputs are shown, and where their gradients arrive
    without_parts,  # what was written to in part, and not seen whole
    with_unread_results,  # what custom Functions returned that nobody read
    units_in_order,
    with_calls,  # the call in the program that each is part of
)
DRAFTING: tuple[Callable[[Draft], Draft], ...] = (
    with_nodes_and_edges,
    with_every_port,
    with_what_is_fed_in,
    with_versions_apart,
)
FINISHING: tuple[Callable[[Graph], Graph], ...] = (with_hooks_said, with_none_gradients_said, with_stop_said)

Stage = TypeVar("Stage")


def assembled(recorded: Recorded, name: str, notices: Iterable[Notice] = ()) -> Graph:
    """The finished Graph."""
    note_on_tape(recorded)
    units = through(LINKING, Units(recorded))
    draft = through(DRAFTING, empty_draft(units))
    nodes, statements = with_statements(draft)
    has_gradients = recorded.result.problem is None
    notes = (*draft.said.doubts, *notices, *gaps_of(draft))
    return through(
        FINISHING,
        Graph(
            nodes,
            draft.edges,
            name,
            notes,
            has_gradients=has_gradients,
            memory=with_holders(memory_of_leaves(draft.units), replace(draft, nodes=nodes)),
            statements=statements,
            program=draft.program,
            module_classes=draft.said.classes,
        ),
    )


def through(passes: Sequence[Callable[[Stage], Stage]], value: Stage) -> Stage:
    """The value after all passes."""
    for one in passes:
        value = one(value)
    return value


def with_statements(draft: Draft) -> tuple[tuple[Node, ...], tuple[Statement, ...]]:
    """The nodes, and the statements that they ran in, by the places that these have there."""
    used = [node.statement for node in draft.nodes if node.statement is not None]
    new, statements = only_used(draft.statements, used)
    if len(new) == len(draft.statements):
        return draft.nodes, statements
    return tuple(
        [node if node.statement is None else changed(node, statement=new[node.statement]) for node in draft.nodes]
    ), statements


def memory_of_leaves(units: Units) -> Memory:
    """How many bytes the leaves take, one that was updated counted once, and what autograd keeps besides."""
    leaves = [unit for unit in units.all if unit.kind == "leaf" or unit in units.leaves]
    # A tensor has one weak reference for life; its identity goes on to another tensor when it dies.
    held = {id(value.reference): value for unit in leaves for value in units.values[unit].values()}
    parameters = sum(numel_of_shape(value.shape) * value.dtype.itemsize for value in held.values())
    return Memory(parameters, *units.recorded.autograd.kept)
