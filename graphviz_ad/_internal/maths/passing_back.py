"""Edge + the gradient that arrives at its head -> what the rule of the operation sends on, where recorded gradients
show that the rule is true of this call.
"""

from __future__ import annotations

from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import summed_to
from graphviz_ad._internal.maths.chain_rule import shape_before
from graphviz_ad._internal.maths.claims import gives, recorded_value


def verified_formula(graph: Graph, edge: Edge, formula: str) -> str:
    """A backward formula, if it turns the gradient that arrived at the head into the one that autograd sent on along
    the edge; else "".
    """
    grad, arrived = edge.grad, graph.nodes[edge.head].grad
    if not formula or grad is None or grad.array is None or arrived is None or arrived.array is None:
        return ""
    return formula if gives(graph, graph.nodes[edge.head], formula, grad, arrived.array) else ""


def by_rule(graph: Graph, edge: Edge, formula: str, arriving: Array) -> Array | None:
    """What a backward formula makes of a gradient; None where it cannot be computed."""
    shape, found = shape_before(graph, edge), recorded_value(graph, graph.nodes[edge.head], formula, arriving)
    return summed_to(found, shape) if found is not None and shape is not None else None
