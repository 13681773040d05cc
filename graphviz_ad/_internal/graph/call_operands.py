"""Operations of one call -> its operands: each once, in the order in which the user writes them, with what flows
back along them.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import sum_of_snapshots
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.traits import (
    ADDED_MASKS,
    AS_LOOKED_AT,
    FORMULA_ORDER,
    MASKS,
    READ_ONCE,
    TRANSPOSITION,
    WRITTEN_LAST,
)

Flows = Mapping[tuple[str, int], int]

WEIGHT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?$")  # parameters of recurrent layers


def flows_of(graph: Graph) -> Flows:
    """How many gradients flow back to each result."""
    return Counter((edge.tail, edge.port) for edge in graph.edges if edge.cut is None)


def written_operands(
    flows: Flows,
    graph: Graph,
    members: list[Node],
    operands: list[Edge],
    op: str | None,
    locals_: Mapping[str, Snapshot],
) -> list[Edge]:
    """The operands of a call as edges in their order, with their slots; ``locals_`` are the local derivatives of the
    edges before they are merged.
    """
    edges = [
        replace(edge, local=locals_.get(edge.key))
        for edge in in_formula_order(graph, members, operands, op)
        if edge.cut != "inner"
    ]
    if op in READ_ONCE:
        whole = {(edge.tail, edge.port) for edge in edges if edge.cut != "shape-only"}
        edges = [edge for edge in edges if edge.cut != "shape-only" or (edge.tail, edge.port) not in whole]
    else:
        edges = each_once(flows, graph, edges)
    order = FORMULA_ORDER.get((op or "", len(edges)))
    if order is not None:
        edges = [edges[place] for place in order]
    owner = members[-1].module
    if owner:
        # what a module owns comes after what it is given
        edges.sort(key=lambda edge: (graph.nodes[edge.tail].name or "").startswith(f"{owner[-1]}."))
    if any(WEIGHT.search(graph.nodes[edge.tail].name or "") for edge in edges):
        edges = recurrent_order(graph, {member.key for member in members}, edges)
    return [replace(edge, slot=slot) for slot, edge in enumerate(edges)]


# --- order


def in_formula_order(graph: Graph, members: list[Node], operands: list[Edge], op: str | None) -> list[Edge]:
    """The operands of a call in the order in which its last operation, read as a formula, mentions them.

    torch may look at them in another order: linear transposes the weight before it touches the input.
    """
    if op in AS_LOOKED_AT:
        return operands
    inside = {member.key: member for member in members}
    later = ADDED_MASKS.get(op or "", MASKS)
    order: dict[str, Edge] = {}
    waiting: deque[Edge | str] = deque()
    stack: list[Edge | str] = [members[-1].key]
    seen: set[str] = set()
    while stack or waiting:
        step = stack.pop() if stack else waiting.popleft()
        if isinstance(step, Edge) and step.tail not in inside:
            order.setdefault(step.key, step)
            continue
        key = step.tail if isinstance(step, Edge) else step
        if key in seen:
            continue
        seen.add(key)
        edges = graph.in_edges(key)
        member = inside[key].op or ""
        last = WRITTEN_LAST.get(member)
        if last is not None and last < len(edges):
            edges = [*edges[:last], *edges[last + 1 :], edges[last]]
        if member in later and later[member] < len(edges):
            waiting.append(edges[later[member]])
            edges = [edge for edge in edges if edge is not waiting[-1]]
        stack.extend(reversed(edges))
    return [*order.values(), *(edge for edge in operands if edge.key not in order)]


def recurrent_order(graph: Graph, inside: set[str], edges: list[Edge]) -> list[Edge]:
    """Input, state, then the parameters of each layer in the order in which the layer has them."""

    def place(edge: Edge) -> tuple[int, ...]:
        weight = WEIGHT.search(graph.nodes[edge.tail].name or "")
        if weight is None:
            return (0, *_nearest_weight(graph, inside, edge))
        kind, which, layer, reverse = weight.groups()
        return (1, int(layer or 0), reverse is not None, which == "hr", kind == "bias", which == "hh")

    return sorted(edges, key=place)


def _nearest_weight(graph: Graph, inside: set[str], edge: Edge) -> tuple[int, int]:
    """What kind of weight an operand meets first, that of the input (0) or that of the state (1), and how far from
    here.
    """
    steps, seen = deque([(edge.head, 0)]), {edge.head}
    while steps:
        key, distance = steps.popleft()
        kinds = {found[2] for name in _weights_read(graph, inside, key) if (found := WEIGHT.search(name))}
        if kinds & {"ih", "hh"}:
            return ("ih" not in kinds, distance)
        for use in graph.out_edges(key):
            if use.head in inside and use.head not in seen:
                seen.add(use.head)
                steps.append((use.head, distance + 1))
    return (2, 0)


def _weights_read(graph: Graph, inside: set[str], key: str) -> list[str]:
    """The names of what an operation reads from outside, directly or transposed."""
    tails = [graph.nodes[edge.tail] for edge in graph.in_edges(key)]
    turned = [graph.in_edges(tail.key) for tail in tails if tail.key in inside and tail.op == TRANSPOSITION]
    return [node.name for node in (*tails, *(graph.nodes[edges[0].tail] for edges in turned if edges)) if node.name]


# --- each operand once


def each_once(flows: Flows, graph: Graph, edges: Sequence[Edge]) -> list[Edge]:
    """The edges with those that carry the same result as one."""
    found: dict[tuple[str, int], list[Edge]] = {}
    for edge in edges:
        found.setdefault((edge.tail, edge.port), []).append(edge)
    return [same[0] if len(same) == 1 else one_edge(flows, graph, same) for same in found.values()]


def one_edge(flows: Flows, graph: Graph, edges: list[Edge]) -> Edge:
    """One edge for several uses of a result in one call: what flows back along them, added up."""
    open_edges = [edge for edge in edges if edge.cut is None]
    if not open_edges:
        # the last to be believed: others read the elements
        reasons = sorted(edges, key=lambda edge: edge.cut == "shape-only")
        return replace(edges[0], cut=reasons[0].cut, local=None)
    all_of_it = len(open_edges) == flows[edges[0].tail, edges[0].port]
    return replace(
        open_edges[0],
        grad=sum_from_one_result(graph, open_edges, all_of_it),
        local=sum_of_snapshots([edge.local for edge in open_edges]),
        match="exact",
        made=None,
    )


def sum_from_one_result(graph: Graph, edges: list[Edge], all_of_it: bool) -> Snapshot | None:
    """The sum of what flows back along edges from one result; ``all_of_it``: nothing else flows back there."""
    port = graph.nodes[edges[0].tail].ports[edges[0].port]
    given = [edge.grad for edge in edges if edge.grad is not None]
    if len(given) < 2:
        return given[0] if given else None
    if all_of_it and port.upstream is None and port.grad is not None:
        return port.arrived or port.grad
    return sum_of_snapshots(given) or Snapshot(
        given[0].shape, given[0].dtype, missing=f"sum of {len(given)} contributions"
    )


# --- local derivatives


def chain_derivatives(graph: Graph, members: list[Node], results: list[tuple[str, int]]) -> dict[str, Snapshot]:
    """∂result/∂operand for the operands of a chain of elementwise operations: products of the inner ones, summed.

    Not where an operation inside reduces and another broadcasts again: then an element of the result depends on all
    elements of the operand.
    """
    inside = {member.key for member in members}
    total: dict[str, Any] = {results[0][0]: 1.0}
    found: dict[str, Snapshot] = {}
    for member in reversed(members):
        factor = total.get(member.key)
        for edge in graph.in_edges(member.key):
            if factor is None or edge.local is None or edge.local.array is None:
                if edge.tail in inside:
                    total[edge.tail] = None
                continue
            product = np.asarray(factor * edge.local.array)
            if edge.tail not in inside:
                found[edge.key] = replace(
                    edge.local, data=product if product.ndim else product.item(), shape=product.shape, stats=None
                )
            elif product.shape != (graph.nodes[edge.tail].ports[edge.port].shape or ()):
                total[edge.tail] = None
            elif total.get(edge.tail, 0.0) is not None:
                total[edge.tail] = total.get(edge.tail, 0.0) + product
        own = {edge.key: edge.local for edge in graph.in_edges(member.key)}
        # without the shape of the operation's own derivative, broadcasting came in between
        for key in own.keys() & found.keys():
            local = own[key]
            if local is None or local.shape != found[key].shape:
                del found[key]
    return {key: snap for key, snap in found.items() if uses_are_known(graph, key, members, found)}


def uses_are_known(graph: Graph, key: str, members: list[Node], found: dict[str, Snapshot]) -> bool:
    """Whether the derivative is known along every edge by which the call reads the same operand."""
    inside = {member.key for member in members}
    tail, port = next(
        (edge.tail, edge.port) for member in members for edge in graph.in_edges(member.key) if edge.key == key
    )
    return all(
        edge.key in found
        for edge in graph.out_edges(tail)
        if edge.port == port and edge.head in inside and edge.cut is None
    )
