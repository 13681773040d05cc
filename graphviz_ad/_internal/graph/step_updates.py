"""Graph -> the same, whose steps of optimizers say which parameter each of them changes, and by which backward passes
the gradients came that it does so with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.grad_history import EMPTIED, PASS, STEP, UPDATED, WRITTEN, GradHistory
from graphviz_ad._internal.graph.graph import Graph, Node


def with_updates(graph: Graph) -> Graph:
    """The graph; the same one where no optimizer took a step."""
    if not any(node.is_step for node in graph.node_list):
        return graph
    updates: dict[str, tuple[str, ...]] = {}
    for node in graph.node_list:
        if node.is_step:
            tails = [graph.nodes[edge.tail] for edge in graph.in_edges(node.key)]
            updates[node.key] = tuple(dict.fromkeys(name for tail in tails for name in names_at(tail, updates)))
    passes = passes_used(graph, updates)
    nodes = [
        replace(node, updates=updates[node.key], uses_passes=passes[node.key]) if node.is_step else node
        for node in graph.node_list
    ]
    return replace(graph, node_list=tuple(nodes))


def names_at(tail: Node, updates: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of the parameters that an operand of a step is: a leaf, or what a step before made of it; gradients
    and buffers are none.
    """
    return (tail.name,) if tail.kind == "leaf" and tail.name is not None else updates.get(tail.key, ())


def passes_used(graph: Graph, updates: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Key of a step -> the numbers of the passes that its gradients came by; none where one of them is not known."""
    steps: dict[str, list[str]] = {}
    for key, names in updates.items():
        for name in names:
            steps.setdefault(name, []).append(key)
    histories: dict[str, list[GradHistory]] = {}
    for one in graph.grad_histories:
        histories.setdefault(one.name or "", []).append(one)
    found: dict[str, set[int] | None] = {key: set() for key in updates}
    for name, keys in steps.items():
        told = passes_at_steps(histories[name][0]) if len(histories.get(name, ())) == 1 else []
        for i, key in enumerate(keys):
            known, here = found[key], told[i] if len(told) == len(keys) else None
            found[key] = None if known is None or here is None else known | {*here}
    return {key: tuple(sorted(numbers or ())) for key, numbers in found.items()}


def passes_at_steps(history: GradHistory) -> list[tuple[int, ...] | None]:
    """Of each step that read ``.grad``, the passes that had brought what it held; None where that is not certain."""
    held: tuple[int, ...] | None = ()
    found: list[tuple[int, ...] | None] = []
    for event in history.events:
        if event.what == STEP:
            found.append(held)
        elif event.what == PASS:
            held = (*held, event.number) if held is not None and event.number is not None else None
        elif event.what == EMPTIED:
            held = ()
        elif event.what == WRITTEN and event.holds is not None:
            held = () if event.holds.norm == 0 else held
        elif event.what != UPDATED:  # it held something before, or another tensor was put there
            held = None
    return found
