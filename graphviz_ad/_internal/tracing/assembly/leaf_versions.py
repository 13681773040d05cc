"""Draft -> with each value of a leaf that was written to between uses as a leaf with its own part of the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.derivative_agreement import sum_of_seeds
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.units import Arrival

Flowing = Mapping[tuple[str, int], list[Snapshot | None]]


def with_versions_apart(draft: Draft) -> Draft:
    """The draft with what torch adds up taken apart.

    Before: the whole gradient stands at one version of the leaf. After: at each stands what its own uses brought, and
    the whole as the total.
    """
    found = list(versions_in(draft))
    if not found:
        return draft
    changed, flowing = {node.key: node for node in draft.nodes}, gradients_by_result(draft)
    for unit, port in found:
        key = draft.keys[unit]
        changed[key] = with_own_part(changed[key], port, flowing)
    return replace(draft, nodes=tuple(changed.values()))


def versions_in(draft: Draft) -> Iterator[Arrival]:
    """The results that leaves were when they were used, where a pass went back to them."""
    if draft.units.recorded.result.problem is None:
        for results in draft.units.versions.values():
            yield from (result for result in results if result.unit in draft.keys)


def gradients_by_result(draft: Draft) -> Flowing:
    """Node and port -> the gradients that its uses sent there."""
    flowing: dict[tuple[str, int], list[Snapshot | None]] = {}
    for edge in draft.edges:
        if edge.cut is None:
            flowing.setdefault((edge.tail, edge.port), []).append(edge.grad)
    return flowing


def with_own_part(node: Node, port: int, flowing: Flowing) -> Node:
    """The node as a leaf with what arrived at this version of it."""
    held = node.ports[port]
    parts = [*flowing.get((node.key, port), ()), held.upstream]
    own = replace(held, grad=sum_of_seeds(parts), grad_total=held.grad_total or held.grad)
    return replace(node, kind="leaf", cut=None, ports=(*node.ports[:port], own, *node.ports[port + 1 :]))
