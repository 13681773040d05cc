"""Graph + a leaf whose gradient is not its derivative -> what on the way makes it so, where that is known: a hook, a
custom Function whose backward is so many times its derivative, a derivative that torch could not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.check.backward_faults import FACTOR, SIGN
from graphviz_ad._internal.check.function_runs import FunctionFinding
from graphviz_ad._internal.graph.fact_texts import GRADIENT, SENT
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import SMALLEST
from graphviz_ad._internal.maths.claims import Claims, doubt
from graphviz_ad._internal.maths.gradient_sums import known

HOOK, FUNCTION, UNDERFLOW = "hook", "function", "underflow"


@dataclass(frozen=True)
class Departure:
    """One cause: its kind, the name of the result, Function or operation, where it stands, and what belongs to the
    kind: the ``factor`` of a backward, the ``dtype`` in which a derivative of that ``size`` is 0.
    """

    kind: str
    name: str
    source: str | None = None
    factor: float = 1.0
    dtype: str = ""
    size: float = 0.0


def departures(graph: Graph, key: str, functions: Sequence[FunctionFinding]) -> tuple[Departure, ...]:
    """All that is known, in the order in which values go on from the leaf."""
    claims = Claims(graph)
    found = (each for edge in onward(graph, key) for each in at_edge(graph, claims, edge, functions))
    own = hook_at(graph.nodes[key])
    once: dict[tuple[str, str, str | None], Departure] = {}
    for each in [*([own] if own is not None else []), *found]:
        once.setdefault((each.kind, each.name, each.source), each)
    return tuple(once.values())


def loses_a_derivative(graph: Graph, key: str) -> bool:
    """Whether torch made a derivative 0 on the way back to a leaf because its dtype has none so small."""
    claims = Claims(graph)
    return any(lost_derivative(graph, claims, edge) for edge in onward(graph, key))


def onward(graph: Graph, key: str) -> Iterator[Edge]:
    """Every edge along which a gradient came back to a node, near ones first."""
    seen, waiting = {key}, [key]
    while waiting:
        for edge in graph.out_edges(waiting.pop(0)):
            if edge.cut is None:
                yield edge
                if edge.head not in seen:
                    seen.add(edge.head)
                    waiting.append(edge.head)


def at_edge(graph: Graph, claims: Claims, edge: Edge, functions: Sequence[FunctionFinding]) -> Iterator[Departure]:
    """What stands between what arrives at the head of an edge and what goes back along it."""
    head = graph.nodes[edge.head]
    hook = hook_at(head)
    if hook is not None:
        yield hook
    for function in functions:
        factor = (
            factor_along(graph, edge, function) if (head.op, head.source) == (function.name, function.source) else 1
        )
        if factor != 1:
            yield Departure(FUNCTION, function.name, function.source, factor)
    lost = lost_derivative(graph, claims, edge)
    if lost:
        yield Departure(UNDERFLOW, head.op or head.key, head.source, dtype=head.ports[0].dtype or "", size=lost)


def factor_along(graph: Graph, edge: Edge, function: FunctionFinding) -> float:
    """How many times the derivative a backward gives for the operand that an edge is; 1 where it is something else, or
    not known which operand that is.
    """
    flowing = [each.key for each in graph.in_edges(edge.head) if each.cut is None]
    if len(flowing) != len(function.inputs):
        return 1.0
    fault = function.inputs[flowing.index(edge.key)].fault
    return -1.0 if fault is not None and fault.kind == SIGN else fault.factor if fault and fault.kind == FACTOR else 1.0


def hook_at(node: Node) -> Departure | None:
    """A hook that changed what flows back through a node."""
    changed = {GRADIENT, SENT} & {*node.hook_effects}
    return Departure(HOOK, node.name or node.op or node.key, node.source) if changed else None


def lost_derivative(graph: Graph, claims: Claims, edge: Edge) -> float:
    """The largest local derivative of an edge that torch made 0 because its dtype has none so small; 0 where it made
    none.
    """
    head, local = graph.nodes[edge.head], known(edge.local)
    least = SMALLEST.get(head.ports[0].dtype or "", 0.0)
    if local is None or not least or np.all(local):
        return 0.0
    found = doubt(graph, head, claims.along(edge).local, 1.0, 0.0)  # in full precision
    if found is None or np.shape(found.value) != local.shape:
        return 0.0
    with np.errstate(all="ignore"):
        true = np.asarray(found.value)
        lost = np.where((local == 0) & (np.abs(true) < least), np.abs(true), 0.0)
    return float(np.max(np.nan_to_num(lost), initial=0.0))
