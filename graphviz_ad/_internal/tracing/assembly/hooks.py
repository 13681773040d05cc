"""Graph -> Graph that says where hooks of the user changed a gradient on its way.

Autograd adds up what the edges bring, then calls the hooks, and only what these return goes on. So where a node's
gradient is not the sum of its edges, something stood between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphviz_ad._internal.graph.fact_texts import FLOW, GRADIENT
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.precision import sum_of_snapshots
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import means_add_up
from graphviz_ad._internal.maths.gradient_sums import is_plainly_the_sum, parts_of_gradient, sum_of_edges
from graphviz_ad._internal.operations.traits import PASSES_ON
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.tape.torch_private import HOOKS, hooks_after_accumulation, hooks_of


def hook_names(values: Iterable[Value], seen: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of the hooks that hang on those of the tensors that still live; ``seen`` are those that were read when
    the program ended.
    """
    found: tuple[str, ...] = ()
    for value in values:
        known = seen.get(value.number)
        if known is None:
            if value.reference() is None:  # nor will it ever have any
                continue
            known = seen[value.number] = tuple(hooks_on(value))
        found += known
    return found


def those_with_hooks(values: Iterable[Value]) -> list[Value]:
    """Those of tensors that may have hooks: of most a look is enough to see that they have none."""
    return [value for value in values if value.is_leaf or getattr(value.reference(), HOOKS, None)]


def hooks_on(value: Value) -> list[str]:
    """The names of the hooks on the tensor with a value."""
    tensor = value.reference()
    if tensor is None:
        return []
    hooks = hooks_of(tensor)
    if value.is_leaf:
        hooks += hooks_after_accumulation(tensor)
    return hooks and [str(getattr(hook, "__name__", type(hook).__name__)) for hook in hooks]


def with_hooks_said(graph: Graph) -> Graph:
    """The graph with what arrived at a node, where that is not the gradient that went on from there."""
    return with_module_hooks_said(with_hooks_on_results_said(graph))


def with_module_hooks_said(graph: Graph) -> Graph:
    """The graph with what hooks of modules changed: torch hangs them on a Function that else hands on what it gets."""
    changed = [
        replace(node, hook_effects=(*node.hook_effects, FLOW))
        for node in graph.node_list
        if node.op == PASSES_ON and not hands_on(graph, node)
    ]
    if not changed:
        return graph
    found = {node.key: node for node in changed}
    names = [node.module[-1] if node.module else node.name or node.op or node.key for node in changed]
    nodes = [found.get(node.key, node) for node in graph.node_list]
    return graph.with_parts(nodes, graph.edges, (notice("module hook changed", names),))


def hands_on(graph: Graph, node: Node) -> bool:
    """Whether what goes back from a node is what arrived there, as far as can be told."""
    edges = [edge for edge in graph.in_edges(node.key) if edge.grad is not None]
    arrived = [port for port in node.ports if port.grad is not None]
    pairs = zip(edges, arrived, strict=True) if len(edges) == len(arrived) else ()
    return all(_changed([edge], port) is None for edge, port in pairs)


def with_hooks_on_results_said(graph: Graph) -> Graph:
    """The same where hooks hang on results."""
    changed = {}
    for node in graph.node_list if graph.has_gradients else ():
        uses = graph.out_edges(node.key)
        # the very same: by far the usual case
        if len(uses) == 1 == len(node.ports) and uses[0].grad is node.ports[0].grad:
            continue
        ports = _told_arrivals(uses, node)
        if ports is not None:
            changed[node.key] = replace(node, ports=ports, hook_effects=(*node.hook_effects, GRADIENT))
    if not changed:
        return graph
    names = [node.name or node.op or node.key for node in changed.values()]
    return graph.with_parts(
        [changed.get(node.key, node) for node in graph.node_list], graph.edges, (notice("hook changed", names),)
    )


def _told_arrivals(uses: list[Edge], node: Node) -> tuple[Port, ...] | None:
    """The ports with what arrived, if that is not the gradient at one of them."""
    ports = list(node.ports)
    for n, port in enumerate(node.ports):
        if port.grad is None or (len(uses) == 1 and uses[0].grad is port.grad):
            continue
        arrived = _changed([edge for edge in uses if edge.port == n and edge.cut is None], port)
        if arrived is not None:
            ports[n] = replace(port, arrived=arrived)
    return None if all(new is old for new, old in zip(ports, node.ports, strict=True)) else tuple(ports)


def _changed(edges: list[Edge], port: Port) -> Snapshot | None:
    """What the edges bring together, and what was fed in, where that is certainly not the gradient; None unless that is
    known, element by element, or by the statistics of large ones.
    """
    parts = parts_of_gradient(edges, port)
    known = [part for part in parts if part is not None]
    total = port.grad
    if total is None or not known or len(known) < len(parts) or any(part.shape != total.shape for part in known):
        return None
    if is_plainly_the_sum(total, known):
        return None
    if total.array is None or any(part.array is None for part in known):
        return _changed_as_a_whole(total, known)
    found = sum_of_edges(edges, port)
    return sum_of_snapshots(parts) if found is not None and found.ok is False else None


def _changed_as_a_whole(total: Snapshot, parts: list[Snapshot]) -> Snapshot | None:
    """The same of tensors of which only statistics were kept: what adds up has the mean of all of them, and where one
    alone arrived, all else is the same, too.
    """
    if total.stats is None or total.array is not None or any(part.stats is None for part in parts):
        return None
    if means_add_up(total, parts):
        return None
    return parts[0] if len(parts) == 1 else Snapshot(total.shape, total.dtype, missing=f"sum of {len(parts)} gradients")
