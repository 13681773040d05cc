"""Graph -> Graph that says where hooks of the user changed a gradient on its way.

Autograd adds up what the edges bring, then calls the hooks, and only what these return goes on. So where a node's gradient is not the sum of
its edges, something stood between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.fact_texts import GRADIENT
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.tape.torch_private import hooks_after_accumulation, hooks_of

CLOSE = {"bfloat16": 2e-2, "float16": 4e-3, "float32": 1e-5, "complex64": 1e-5}  # how exact sums are in each precision
EXACT = 1e-12


def hook_names(values: Iterable[Value]) -> tuple[str, ...]:
    """The names of the hooks that hang on those of the tensors that still live."""
    hooks: list[Any] = []
    for value in values:
        tensor = value.reference()
        if tensor is not None:
            hooks += hooks_of(tensor)
            if value.is_leaf:
                hooks += hooks_after_accumulation(tensor)
    return () if not hooks else tuple([str(getattr(hook, "__name__", type(hook).__name__)) for hook in hooks])


def with_hooks_said(graph: Graph) -> Graph:
    """The graph with what arrived at a node, where that is not the gradient that went on from there."""
    changed = {}
    for node in graph.node_list if graph.has_gradients else ():
        uses = graph.out_edges(node.key)
        if len(uses) == 1 == len(node.ports) and uses[0].grad is node.ports[0].grad:  # the very same: by far the usual case
            continue
        ports = _checked(uses, node)
        if ports is not None:
            changed[node.key] = replace(node, ports=ports, hook_effects=(*node.hook_effects, GRADIENT))
    if not changed:
        return graph
    names = [node.name or node.op or node.key for node in changed.values()]
    return graph.with_parts([changed.get(node.key, node) for node in graph.node_list], graph.edges, (notice("hook changed", names),))


def _checked(uses: list[Edge], node: Node) -> tuple[Port, ...] | None:
    """The ports with what arrived, if that is not the gradient at one of them."""
    ports = list(node.ports)
    for n, port in enumerate(node.ports):
        if port.grad is None or (len(uses) == 1 and uses[0].grad is port.grad):
            continue
        arrived = _sum([edge for edge in uses if edge.port == n and edge.cut is None], port)
        if arrived is not None and not _agree(arrived, port.grad):
            ports[n] = replace(port, arrived=replace(port.grad, data=arrived if arrived.ndim else arrived.item(), shape=arrived.shape, stats=None))
    return None if all(new is old for new, old in zip(ports, node.ports, strict=True)) else tuple(ports)


def _sum(edges: list[Edge], port: Port) -> Any:
    """What the edges bring together, and what was fed in; None unless all of it is known element by element."""
    parts = [edge.grad for edge in edges] + ([port.upstream] if port.upstream is not None else [])
    arrays = [part.array for part in parts if part is not None]
    known = [array for array in arrays if array is not None]
    if not known or len(known) < len(parts) or any(array.shape != known[0].shape for array in known):
        return None
    with np.errstate(all="ignore"):
        return np.sum(known, axis=0)


def _agree(arrived: Any, grad: Snapshot) -> bool:
    array = grad.array
    if array is None or array.shape != arrived.shape:
        return True  # not known well enough to say anything
    if np.array_equal(arrived, array):  # nearly always, and the quicker question
        return True
    with np.errstate(all="ignore"):
        scale = float(np.max(np.abs(arrived), initial=0.0, where=np.isfinite(arrived)))
        return bool(np.allclose(arrived, array, rtol=0, atol=CLOSE.get(grad.dtype, EXACT) * scale, equal_nan=True))
