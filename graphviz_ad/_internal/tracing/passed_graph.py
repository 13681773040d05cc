"""A backward pass of a model in training, seen from the engine's entry -> Graph of its structure: operations as
autograd knows them, parameters by name, and what was kept; no values, since nobody saw the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.transforms import merge_calls
from graphviz_ad._internal.tracing.assembly.assemble import assembled
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, BackwardPass, node_of, walk
from graphviz_ad._internal.tracing.assembly.units import Output, Recorded
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.eager import NOT_ASKED
from graphviz_ad._internal.tracing.inputs import module_names, name_parameters
from graphviz_ad._internal.tracing.tape.collector import at_rest
from graphviz_ad._internal.tracing.tape.stack_depth import safe_depth
from graphviz_ad._internal.tracing.tape.tape import Tape

STRUCTURE = Capture(values="none", gradients="none")


def walked_before(outputs: Sequence[Any]) -> AutogradGraph:
    """The autograd nodes of a pass that is about to run, with what they keep, which it will let go of; TraceError
    where there are too many to be touched.
    """
    graph = walk(
        [node_of(output) if isinstance(output, Tensor) else output.node for output in outputs], limit=safe_depth()
    )
    _ = graph.keeps
    return graph


def graph_of_pass(model: torch.nn.Module, walked: AutogradGraph, outputs: Sequence[Any]) -> Graph:
    """The graph of a pass that has run; lets go of its autograd nodes."""
    tape = Tape(STRUCTURE, graph_of_pass.__code__)
    try:
        with at_rest():
            name_parameters(tape, model, "")
            starts = [output for output in outputs if isinstance(output, Tensor)]
            for tensor in starts:
                tape.edge_of(tensor, tape.value_of(tensor))
            leaves = {i: tape.value_of(variable) for i, variable in walked.variables.items()}
            recorded = Recorded(
                tape,
                walked,
                BackwardPass(problem=NOT_ASKED),
                [Output(tape.value_of(tensor), None) for tensor in starts],
                module_names(model, {}),
                leaves,
            )
            return merge_calls(assembled(recorded, type(model).__name__, [notice("finished tensors"), NOT_ASKED]))
    finally:
        tape.nodes.clear()
        walked.release()
