"""What was noted of the passes of a recording -> the Graph of each, made when somebody asks for it.

All of them are graphs of the same program, and share the tape and what is known of autograd's nodes; those themselves,
and the tensors, have gone by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import Notice
from graphviz_ad._internal.graph.transforms import merge_calls
from graphviz_ad._internal.tracing.assembly.assemble import assembled
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, BackwardPass, node_name
from graphviz_ad._internal.tracing.assembly.said import Said
from graphviz_ad._internal.tracing.assembly.site_words import what_is_said
from graphviz_ad._internal.tracing.assembly.units import Output, Recorded
from graphviz_ad._internal.tracing.eager import NOT_ASKED
from graphviz_ad._internal.tracing.tape.applied_unseen import place_in_functions
from graphviz_ad._internal.tracing.tape.collector import at_rest
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.tape.torch_private import unseen_by_functions


@dataclass(frozen=True, eq=False)
class Program:
    """What all passes share: the tape, autograd's graph, names of modules and of the whole, numbers of tensors."""

    tape: Tape
    whole: AutogradGraph
    names: Mapping[int, str]
    title: str
    tensors: Mapping[int, int]
    leaves: Mapping[int, Value]  # what each leaf held at the end
    said: Said


@dataclass(frozen=True, eq=False)
class NotedPass:
    """What was noted of one pass, by the numbers that nodes have in the graph of all; ``memory`` are the bytes that it
    keeps, and whether that is all.
    """

    result: BackwardPass
    outputs: Sequence[Output]
    leaves: Mapping[int, Value]
    inside: Sequence[Output]
    notices: Sequence[Notice]
    memory: tuple[int, bool] | None


def program_of(
    tape: Tape, whole: AutogradGraph, names: Mapping[int, str], title: str, tensors: Mapping[int, int]
) -> Program:
    """What the passes share, while nodes and leaves are there to be asked."""
    leaves = {i: tape.value_of(variable) for i, variable in whole.variables.items()}
    for value in tape.values:
        if value.edge is not None and value.edge[0] not in whole.index and value.edge[0] in tape.nodes:
            whole.unwalked.setdefault(value.edge[0], node_name(tape.nodes[value.edge[0]]))
    place_in_functions(tape, whole)
    said = what_is_said(Recorded(tape, whole, BackwardPass(), module_names=names))
    return Program(tape, whole, names, title, tensors, leaves, said)


def graph_of_pass(program: Program, noted: NotedPass) -> Graph:
    """The graph of one pass."""
    result, notices = noted.result, list(noted.notices)
    if result.problem is not None:
        notices.append(result.problem)
        result = result if result.problem == NOT_ASKED else replace(result, problem=None)
    recorded = Recorded(
        program.tape,
        program.whole,
        result,
        noted.outputs,
        program.names,
        {**program.leaves, **noted.leaves},
        noted.inside,
        program.tensors,
        program.said,
    )
    with unseen_by_functions(), at_rest():
        graph = assembled(recorded, program.title, notices)
        if graph.memory is not None and noted.memory is not None:
            saved, exact = noted.memory
            graph = replace(graph, memory=replace(graph.memory, saved=saved, exact=exact))
        return merge_calls(graph)
