"""Unit or operand -> its cut mark: why no gradient arrived there, None where it is not known or where one did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.graph import Graph, Port
from graphviz_ad._internal.tracing.assembly.units import Recorded, Unit, Units
from graphviz_ad._internal.tracing.assembly.unrecorded import wanted_gradient, why_unrecorded
from graphviz_ad._internal.tracing.tape.tape_entries import Use

NONE_GRADIENT = "none-gradient"


def cut_of_unit(units: Units, unit: Unit, ports: Sequence[Port], requires_grad: bool) -> str | None:
    """Why no gradient arrived at a unit."""
    if unit.function is not None:
        return "inner"
    for port in ports:
        if port.grad is not None:
            return None
    if not requires_grad:
        return why_unrecorded(units, unit) or "data"
    return "unreached" if units.recorded.result.problem is None else None


def cut_of_operand(units: Units, unit: Unit, use: Use) -> str | None:
    """Why autograd sends nothing to an operand."""
    if unit.function is not None:
        return "inner"
    if not use[2]:
        return cut_of_plain(units, use[1])
    if is_leaf(units, unit):
        return why_unrecorded(units, unit) or "non-differentiable"
    i = units.links.node_of.get(unit)
    if i is not None:
        return "inplace_view" if units.recorded.autograd.names[i] == "CopySlices" else "non-differentiable"
    if wanted_gradient(units, unit):
        return None if units.recorded.result.problem else "unreached"
    return why_unrecorded(units, unit) or "non-differentiable"


def cut_of_plain(units: Units, number: int) -> str:
    """Why a value that an operation read did not require grad then."""
    if units.recorded.tape.values[number].edge is not None:
        return DETACHED  # it had an autograd node before: detach_() took that away
    tail = units.of_value.get(number)
    is_of_node = tail is not None and tail in units.links.node_of and tail.kind == "op" and not is_leaf(units, tail)
    return "non-differentiable" if is_of_node else "data"


def is_leaf(units: Units, unit: Unit) -> bool:
    """Whether a unit is a leaf, or what wrote to one."""
    return unit.kind == "leaf" or unit in units.leaves


def cut_of_link(recorded: Recorded, i: int) -> str | None:
    """Why an autograd node that ran sent nothing to an operand; torch runs one even if nothing arrives there."""
    if i not in recorded.result.edge_grads or recorded.result.partial:
        return None
    return NONE_GRADIENT if any(grad is not None for grad in recorded.result.node_grads.get(i, ())) else "unreached"


def with_none_gradients_said(graph: Graph) -> Graph:
    """The graph with the reason at each node that got no gradient because a backward function returned None for it.

    Before: edges have their cut marks. After: a node that was not reached for that reason says so.
    """
    given_none = {edge.tail for edge in graph.edges if edge.cut == NONE_GRADIENT}
    if not given_none:
        return graph
    silent = {node.key for node in graph.node_list if node.key in given_none and node.cut == "unreached"}
    nodes = [replace(node, cut=NONE_GRADIENT) if node.key in silent else node for node in graph.node_list]
    return graph.with_parts(nodes, graph.edges)
