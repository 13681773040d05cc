"""Course -> findings about units that pass nothing on: dead, saturated, multiplied by 0, or changed by a hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphviz_ad._internal.diagnosis.course import Course, Parameter, argument, had_gradient, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding, Severity
from graphviz_ad._internal.explain.not_finite import Rise
from graphviz_ad._internal.explain.zeros import (
    chosen_for_certain,
    falls,
    has_rows_of_zero,
    is_not_zero,
    is_zero,
    rows_of_zero,
    zero_operand,
)
from graphviz_ad._internal.graph.fact_texts import FLOW, GRADIENT
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import HALVES
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.training import (
    BY_CHANCE,
    BY_CHANNEL,
    LEAVES_OUT,
    RECTIFIES,
    SIGMOID,
    SOFTMAX_ITSELF,
    SQUASHES,
    TANH,
)
from graphviz_ad._internal.operations.traits import FLAT, PASSES_ON, RECURRENT

FEWEST = 8  # rows, before a unit that never fires is called dead
MOSTLY, ALMOST_ALL = 0.5, 0.9
CLOSELY = 12  # operations before a mask that are looked at
FEW, SURELY = 0.05, ("hook", "flat")  # of all numbers that are trained; reasons that never pass
FLATTENED = 0.02  # of the greatest derivative there is, on the average
HOOKS = ("register_hook", "register_full_backward_hook", "register_post_accumulate_grad_hook")


def idle_units(course: Course) -> Iterator[Finding]:
    """Units that are dead or saturated."""
    for node in course.computes(*RECTIFIES):
        if course.leads_on(node):
            yield from _dead(course, node)
    for node in course.computes(*SQUASHES):
        if course.leads_on(node):
            yield from _saturated(course, node)


def _dead(course: Course, node: Node) -> Iterator[Finding]:
    value = node.ports[0].value
    share = dead_share(value, (made := course.made_of(node)) is not None and operation(made) in BY_CHANNEL)
    if share is None or share < MOSTLY:
        return
    whole = share == 1.0
    yield Finding(
        "dead-units",
        ERROR if whole else WARNING if share >= ALMOST_ALL else NOTE,
        node.name,
        module_of(node),
        node.source,
        {"at": course.described(node), "share": share, "operand": _extent(course, node), "operation": operation(node)},
        weight=20 + 10 * share,
        key=node.key,
    )


def dead_share(value: Snapshot | None, by_channel: bool) -> float | None:
    """Which part of the units is 0 in every row; None where that is not known, or there are too few rows to tell."""
    if value is None or not value.shape:
        return None
    if is_zero(value) and value.numel >= FEWEST:
        return 1.0
    array = value.array
    if array is None or array.ndim < 2:
        return None
    axis = 1 if by_channel and array.ndim > 2 else array.ndim - 1
    rows = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
    return float((rows == 0).all(0).mean()) if len(rows) >= FEWEST and rows.shape[1] > 1 else None


def _extent(course: Course, node: Node) -> tuple[float, float] | None:
    given = course.edge_to(node)
    value = course.graph.nodes[given.tail].ports[given.port].value if given is not None else None
    return (value.min, value.max) if value is not None and value.min is not None and value.max is not None else None


def _saturated(course: Course, node: Node) -> Iterator[Finding]:
    flat = flatness(node)
    if flat is None or flat > FLATTENED:
        return
    alone = operation(node) == SOFTMAX_ITSELF and _of_one(node)
    yield Finding(
        "softmax-of-one" if alone else "saturated",
        ERROR if alone else WARNING,
        node.name,
        module_of(node),
        node.source,
        {
            "at": course.described(node),
            "derivative": flat,
            "operand": _extent(course, node),
            "operation": operation(node),
            "dim": argument(node, "dim"),
        },
        weight=25 if alone else 15,
        key=node.key,
    )


def flatness(node: Node) -> float | None:
    """The mean derivative of a function that squashes, as a part of the greatest that it can have."""
    value = node.ports[0].value
    if value is None or value.norm is None or value.mean is None or value.nonfinite or value.numel < FEWEST:
        return None
    squares = value.norm**2 / value.numel
    if operation(node) == TANH:
        return 1 - squares
    if operation(node) == SIGMOID:
        return 4 * (value.mean - squares)
    return (value.mean - squares) / value.mean if value.mean and _of_one(node) else None


def _of_one(node: Node) -> bool:
    dim, shape = argument(node, "dim"), node.ports[0].shape
    return isinstance(dim, int) and bool(shape) and shape is not None and shape[dim] == 1


# --- gradients of 0


def zero_gradients(course: Course) -> Iterator[Finding]:
    """Parameters whose gradient was 0 in every pass, by the place where it became 0."""
    groups: dict[str, list[tuple[Parameter, Rise]]] = {}
    for p in course.trainable:
        if p.came and all(map(is_zero, p.came)) and p.nodes:
            for done in course.passes[::-1]:
                found = [
                    fall
                    for node in done.node_list
                    if node.name == p.name and node.kind == "leaf"
                    for fall in falls(done, node, 0)
                ]
                if found:
                    groups.setdefault(found[0].node.key, []).append((p, found[0]))
                    break
    for group in groups.values():
        yield _zero(course, group)


def _zero(course: Course, group: list[tuple[Parameter, Rise]]) -> Finding:
    names = tuple(p.name for p, _ in group)
    fall = group[0][1]
    why, about = _why_zero(course, fall)
    waits = about is not None and begins_at_zero(course, about)
    share = course.share(names)
    joined = _where_ways_join(course, fall.node) if why == "cancels" else None
    meant = (
        waits
        or (why == "left out" and share < MOSTLY)
        or (why == "cancels" and share <= FEW)  # as the bias of a critic, of which differences are taken
        or (why == "multiplied by 0" and is_by_chance(course, about))
        or (why == "certain" and (chosen_for_certain(course.graph, fall.node) or 0) < FEWEST)
    )
    return Finding(
        "zero-gradient",
        NOTE if meant else ERROR if share > FEW or why in SURELY else WARNING,
        names[0] if len(names) == 1 else fall.node.name,
        module_of(fall.node),
        joined.source if joined is not None else fall.node.source,
        {
            "at": course.described(fall.node),
            "why": why,
            "joined": course.described(joined) if joined is not None else None,
            "about": course.described(about) if about is not None else None,
            "waits": waits,
            "parameters": len(names),
            "of": course.out_of(names),
            "names": names,
            "operation": operation(fall.node),
        },
        names,
        weight=30 + share,
        key=fall.node.key,
    )


def _where_ways_join(course: Course, node: Node) -> Node | None:
    """The first result that all ways from a node to the loss lead through, where it has several."""
    found = (done for done in course.last_passes if node.key in done.nodes and had_gradient(done.nodes[node.key]))
    graph = next(found, None)
    if graph is None:
        return None
    heads = _heads(graph, node)
    places = {one.key: i for i, one in enumerate(graph.node_list)}
    while len(heads) > 1:
        first = min(heads, key=places.__getitem__)
        heads = (heads - {first}) | _heads(graph, graph.nodes[first])
    return graph.nodes[next(iter(heads))] if heads and len(_heads(graph, node)) > 1 else None


def _heads(graph: Graph, node: Node) -> set[str]:
    return {edge.head for edge in graph.out_edges(node.key) if edge.grad is not None}


def begins_at_zero(course: Course, node: Node) -> bool:
    """Whether something is 0, or rows of it are, because a parameter begins at 0 that gets a gradient: then it is 0
    for no longer than that. Nothing but 0 may lie on the way there.
    """
    graph = course.passes[-1] if course.passes else course.graph
    waiting, seen = [graph.nodes.get(node.key, node)], {node.key}
    while waiting:
        one = waiting.pop()
        if one.kind == "leaf" and one.name in course.moving and is_zero(one.ports[0].value):
            return True
        for edge in graph.in_edges(one.key):
            tail = graph.nodes[edge.tail]
            if tail.key not in seen and tail.requires_grad and has_rows_of_zero(tail.ports[edge.port].value):
                seen.add(tail.key)
                waiting.append(tail)
    return False


def is_by_chance(course: Course, node: Node | None) -> bool:
    """Whether something was drawn at random, or made of nothing else, as the mask of a branch that is left out in some
    steps.
    """
    waiting, seen = [node] if node is not None else [], 0
    while waiting and seen < CLOSELY:
        one = waiting.pop()
        seen += 1
        if operation(one) in BY_CHANCE:
            return True
        if not one.requires_grad:
            waiting += [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(one.key)]
    return False


def _why_zero(course: Course, fall: Rise) -> tuple[str, Node | None]:
    node, edge = fall.node, fall.edge
    if edge is None:
        if any(is_not_zero(port.arrived) for port in node.ports):
            return "hook", None
        return ("fed in" if any(port.upstream is not None for port in node.ports) else "cancels"), None
    gate = zero_operand(course.graph, node, edge)
    if gate is not None:
        return "multiplied by 0", gate
    rows = rows_of_zero(course.graph, node, edge)
    if rows is not None:
        return "rows of 0", course.graph.nodes[rows.tail]
    if operation(node) in FLAT:
        return "flat", None
    if any(0 in (course.graph.nodes[one.tail].ports[one.port].shape or ()) for one in course.graph.in_edges(node.key)):
        return "left out", None
    if operation(node) in LEAVES_OUT:
        return "left out", None
    if chosen_for_certain(course.graph, node) is not None:
        return "certain", None
    given = course.operand(node)
    if operation(node) in RECURRENT and given is not None and is_zero(given.ports[0].value):
        return "multiplied by 0", given
    if is_zero(edge.local) or (operation(node) in RECTIFIES and is_zero(node.ports[0].value)):
        return "closed", course.graph.nodes[edge.tail]
    return ("underflow", None) if edge.grad is not None and edge.grad.dtype in HALVES else ("unknown", None)


# --- hooks


def changed_by_hooks(course: Course) -> Iterator[Finding]:
    """Gradients that a hook of the user's made something else of."""
    lines = course.lines_that(*HOOKS)
    groups: dict[tuple[str | None, Severity, tuple[str, ...]], list[tuple[Node, float, float]]] = {}
    for done in course.last_passes:
        for node in done.node_list:
            told = _change(course, node)
            if told is not None and (node.hooks or lines or not course.lines):  # else nobody made any
                line = lines[0].source if len(lines) == 1 else node.source or (lines[0].source if lines else None)
                groups.setdefault((line, _how_bad(*told), tuple(node.hooks)), []).append((node, *told))
    for (line, severity, hooks), found in groups.items():
        node, before, after = found[0]
        yield Finding(
            "hook-changed",
            severity,
            node.name if len(found) == 1 else None,
            module_of(node) if len({module_of(one) for one, *_ in found}) == 1 else None,
            line,
            {"at": course.described(node), "hooks": hooks, "before": before, "after": after,
             "ratio": after / before if before else None, "others": len(found) - 1},
            tuple(one.name for one, *_ in found if one.name),
            weight=12 if severity == NOTE else 40,
            key=node.key,
        )  # fmt: skip


def _how_bad(before: float, after: float) -> Severity:
    """Of what a hook makes of a gradient of this norm."""
    ratio = after / before if before else None
    return ERROR if ratio == 0 else NOTE if ratio is None or 1e-2 <= ratio <= 1e2 else WARNING


def _change(course: Course, node: Node) -> tuple[float, float] | None:
    """The norms of what arrived and of what went on, where a hook stood between."""
    if GRADIENT in node.hook_effects:
        for port in node.ports:
            if port.arrived is not None and port.grad is not None and port.arrived.norm is not None:
                return port.arrived.norm, port.grad.norm or 0.0
    if FLOW in node.hook_effects and node.op == PASSES_ON:
        edges: list[Any] = [edge.grad for edge in course.graph.in_edges(node.key) if edge.grad is not None]
        arrived = [port.grad for port in node.ports if port.grad is not None]
        if edges and arrived and arrived[0].norm is not None:
            return arrived[0].norm, edges[0].norm or 0.0
    return None
