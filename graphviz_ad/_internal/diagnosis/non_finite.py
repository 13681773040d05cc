"""Course -> findings about NaN and infinities: where they came up, in values and on the way back, and out of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphviz_ad._internal.diagnosis.course import Course, argument, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, Finding
from graphviz_ad._internal.explain.consequences import is_root
from graphviz_ad._internal.explain.not_finite import (
    Rise,
    elements_of,
    has_infinity,
    has_nan,
    picked,
    rises,
)
from graphviz_ad._internal.graph.alarms import is_minus_infinity
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import HALVES, LARGEST, rounded_to_dtype
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.training import MOVES, NO_VALUE_THERE, OVERFLOWS, SOFTMAXES
from graphviz_ad._internal.operations.traits import BOUNDS, CLAMPS, UNINITIALISED

HALF = ("float16",)
MOST_BETWEEN = 3  # operations from a bound to what has no value there


def not_finite(course: Course) -> Iterator[Finding]:
    """What is not finite in values and in gradients, where that came up, else the loss itself; not what only came of
    it.
    """
    found = list(_where_it_came_up(course))
    yield from found
    if not found:
        yield from (_of_value(course, root) for root in list(filter(_bad_root, course.losses))[:1])


def _where_it_came_up(course: Course) -> Iterator[Finding]:
    births = list(_births(course))
    number = next((i for i, done in enumerate(course.passes) if any(map(_has_bad_gradient, done.node_list))), None)
    for node in births[:3]:
        if number is None or course.order[node.key] <= _began(course, number):
            yield _of_value(course, node)
    if number is not None and not any(_bad_root(root) for root in course.passes[number].node_list if is_root(root)):
        yield from _of_gradients(course)
    if not births and number is None:
        yield from _by_a_step(course)


def _began(course: Course, number: int) -> int:
    """Where in the order of the program a pass began."""
    return max((course.order.get(node.key, 0) for node in course.passes[number].node_list if is_root(node)), default=0)


def _has_bad_gradient(node: Node) -> bool:
    return node.kind == "leaf" and node.requires_grad and any(has_infinity(port.grad) for port in node.ports)


def _by_a_step(course: Course) -> Iterator[Finding]:
    """A parameter that a step took to where no number is."""
    for node in course.graph.node_list:
        if node.kind == "leaf" and course.is_of_steps(node) and has_infinity(node.ports[0].value):
            yield _of_value(course, node)
            return


def _births(course: Course) -> Iterator[Node]:
    """The results that are not finite although all that they were computed from is; not where −∞ was meant, and not
    what optimizers keep.
    """
    graph = course.graph
    for node in graph.node_list:
        values = [port.value for port in node.ports if port.value is not None and port.value.nonfinite]
        if not values or course.is_of_steps(node) or _is_for_steps(course, node) or _is_written_number(node):
            continue
        if _came_with_operand(graph, node) and not _worse(graph, node, values):
            continue
        if all(map(is_minus_infinity, values)) and (node.kind != "op" or not _is_computed(node)):
            continue
        if node.kind != "op" and _is_parameter_to_be(course, node):
            continue
        if operation(node) in MOVES and operation(course.made_of(node) or node) in UNINITIALISED:
            continue  # a part of memory that others write to, as of what FSDP gathers
        yield node


def _came_with_operand(graph: Graph, node: Node) -> bool:
    tails = ((graph.nodes[edge.tail], edge.port) for edge in graph.in_edges(node.key))
    return any(has_infinity(tail.ports[port].value) for tail, port in tails if not _is_written_number(tail))


def _is_written_number(node: Node) -> bool:
    """Whether it is a number that stands in the program, so that what is made of it is where it came up."""
    return node.kind == "data" and not node.name and node.op is None and node.ports[0].shape == ()


def _is_for_steps(course: Course, node: Node) -> bool:
    """Whether only optimizers, and what clips gradients, read it."""
    uses = [course.graph.nodes[edge.head] for edge in course.graph.out_edges(node.key)]
    return bool(uses) and all(course.is_of_steps(head) or operation(head).startswith("clip_grad") for head in uses)


def _is_parameter_to_be(course: Course, node: Node) -> bool:
    """Whether nothing reads it as it is: a parameter was made of it."""
    return node.kind == "data" and not course.graph.out_edges(node.key)


def _worse(graph: Graph, node: Node, values: list[Snapshot]) -> bool:
    """Whether NaN was made of infinities that were meant, as a row of a softmax that is masked altogether."""
    return any(map(has_nan, values)) and not any(
        has_nan(graph.nodes[edge.tail].ports[edge.port].value) for edge in graph.in_edges(node.key)
    )


def _is_computed(node: Node) -> bool:
    """Whether −∞ is what an operation made of numbers, and not what it was told to put there."""
    return operation(node) in NO_VALUE_THERE or operation(node) in OVERFLOWS


def _is_left_out(course: Course) -> bool:
    """Whether what is not finite came neither into a loss nor into a gradient, as what `where` does not choose."""
    told = [value for root in course.losses for port in root.ports if (value := port.value) is not None]
    reached = any(_has_bad_gradient(node) for done in course.passes for node in done.node_list)
    return bool(told) and not any(map(_bad_root, course.losses)) and not reached


def _of_value(course: Course, node: Node) -> Finding:
    port = next(port for port in node.ports if port.value is not None and port.value.nonfinite)
    value = port.value
    assert value is not None
    nan = has_nan(value)
    facts: dict[str, Any] = {
        "at": course.described(node),
        "count": value.nonfinite,
        "of": value.numel,
        "what": "NaN" if nan else "infinity",
        "why": NO_VALUE_THERE.get(operation(node)),
        "dtype": value.dtype,
        **first_element(value),
        **_operand_there(course, node, value),
        **rounded_bound(course, node),
        "operation": operation(node),
        "steps_before": sum(done_before(course, node)),
        "before_pass": 1 + sum(course.order.get(root.key, -1) < course.order[node.key] for root in course.roots),
    }
    kind = "nan-value" if nan else "infinite-value"
    if node.kind != "op":
        kind = "parameter-not-finite" if node.kind == "leaf" and node.requires_grad else "data-not-finite"
    elif value.dtype in HALF and not nan:
        kind = "half-overflow"
        facts["largest"] = LARGEST["float16"]
    severity = ERROR if kind == "half-overflow" or any(map(_bad_root, course.losses)) else NOTE
    if nan and (node.kind != "op" or not _is_left_out(course)):
        severity = ERROR
    if _is_mask_of_softmax(course, node):
        kind = "row-masked-altogether"
    return Finding(
        kind,
        severity,
        node.name,
        module_of(node),
        node.source or _line_made(course, node),
        facts,
        weight=100,
        key=node.key,
    )


def rounded_bound(course: Course, node: Node) -> dict[str, Any]:
    """What clamps an operand, or a step or two before it, if its dtype has no room for the bound: 1 - 1e-6 is 1 in
    bfloat16.
    """
    waiting = [(node, 0)]
    while waiting:
        one, far = waiting.pop()
        dtype = one.ports[0].dtype or ""
        if operation(one) in CLAMPS and dtype in HALVES:
            for bound in _bounds(course, one):
                held = float(rounded_to_dtype(np.asarray(bound), dtype))
                if held != bound and held in (0.0, 1.0, -1.0):
                    return {"bound": bound, "held": held, "dtype_of_bound": dtype, "clamped_at": course.described(one)}
        tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(one.key)] if far < MOST_BETWEEN else []
        waiting += [(tail, far + 1) for tail in tails if tail.ports[0].shape == one.ports[0].shape]
    return {}


def _bounds(course: Course, node: Node) -> list[float]:
    """The numbers that something is clamped to."""
    told = [argument(node, name) for name in BOUNDS]
    tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)]
    told += [tail.value.data for tail in tails if _is_written_number(tail) and tail.value is not None]
    return [float(one) for one in told if isinstance(one, int | float) and not isinstance(one, bool)]


def _is_mask_of_softmax(course: Course, node: Node) -> bool:
    """Whether a softmax was given nothing but −∞ in a row."""
    given = course.operand(node)
    value = given.value if given is not None else None
    return operation(node) in SOFTMAXES and value is not None and is_minus_infinity(value)


def done_before(course: Course, node: Node) -> Iterator[int]:
    """How many steps of an optimizer came before a result."""
    order = {one.key: i for i, one in enumerate(course.graph.node_list)}
    yield from (1 for one in course.graph.node_list if one.is_step and order[one.key] < order[node.key])


def _line_made(course: Course, node: Node) -> str | None:
    made = course.line_that_made(node.name) if node.name else None
    readers = (course.graph.nodes[edge.head].source for edge in course.graph.out_edges(node.key))
    return made or next(filter(None, readers), None)


def _bad_root(root: Node) -> bool:
    return any(port.value is not None and bool(port.value.nonfinite) for port in root.ports)


def first_element(value: Snapshot) -> dict[str, Any]:
    """The place of the first element that is not finite, and how many rows have one."""
    array = value.array
    if array is None or array.ndim == 0 or array.dtype.kind not in "fc":
        return {}
    bad = ~np.isfinite(array)
    return {"element": [int(i) for i in np.argwhere(bad)[0]], "rows": int(bad.reshape(len(array), -1).any(1).sum())}


def _operand_there(course: Course, node: Node, value: Snapshot) -> dict[str, Any]:
    """What the operands hold at the first element, where that is known."""
    array = value.array
    if array is None:
        return {}
    found = []
    for edge in course.graph.in_edges(node.key):
        tail = course.graph.nodes[edge.tail]
        held = tail.ports[edge.port].value
        numbers = held.array if held is not None else None
        if numbers is None or numbers.dtype.kind not in "fiu":
            continue
        if numbers.shape == array.shape and array.ndim:
            found.append((course.operand_name(tail), float(numbers[~np.isfinite(array)][0])))
        elif numbers.size == 1:
            found.append((course.operand_name(tail), float(numbers.reshape(-1)[0])))
    return {"operands": tuple(found)} if found else {}


def _of_gradients(course: Course) -> Iterator[Finding]:
    for number, done in enumerate(course.passes, 1):
        bad = [
            (node, i)
            for node in done.node_list
            for i, port in enumerate(node.ports)
            if node.kind == "leaf" and node.requires_grad and has_infinity(port.grad)
        ]
        found: dict[str, Rise] = {}
        for node, port in bad:
            for rise in rises(done, node, port):
                found.setdefault(rise.node.key, rise)
        names = tuple(dict.fromkeys(node.name or node.key for node, _ in bad))
        for rise in list(found.values())[:3]:
            yield _of_gradient(course, done, rise, names, number)
        if found:
            return


def _of_gradient(course: Course, done: Graph, rise: Rise, names: tuple[str, ...], number: int) -> Finding:
    node = rise.node
    kind, why = _why(done, rise)
    snap = rise.edge.grad if rise.edge is not None else node.ports[0].grad
    return Finding(
        kind,
        ERROR,
        names[0] if len(names) == 1 else node.name,
        module_of(node),
        node.source,
        {
            "at": course.described(node),
            "operand": course.operand_name(done.nodes[rise.edge.tail]) if rise.edge is not None else None,
            "count": snap.nonfinite if snap is not None else None,
            "of": snap.numel if snap is not None else None,
            "why": why,
            "pass": number,
            "parameters": len(names),
            "names": names,
            "operation": operation(node),
            **(first_element(snap) if snap is not None else {}),
        },
        names,
        weight=90,
        key=node.key,
    )


def _why(graph: Graph, rise: Rise) -> tuple[str, str]:
    """The kind of finding, and a word for what came together."""
    node, edge = rise.node, rise.edge
    nan: Callable[[Snapshot | None], bool] = has_nan
    if edge is None:
        fed = any(has_infinity(port.upstream) for port in node.ports)
        hooked = any(port.arrived is not None and not has_infinity(port.arrived) for port in node.ports)
        word = "hook" if hooked else "fed in" if fed else "total"
        return ("nan-gradient" if any(nan(port.grad) for port in node.ports) else "infinite-gradient"), word
    where = elements_of(edge)
    local = picked(edge.local, where)
    arrives = any(has_infinity(picked(port.grad, where)) for port in node.ports)
    if nan(edge.grad) and has_infinity(local) and not nan(local) and not arrives:
        return "zero-times-infinity", "zero times infinity"
    if edge.grad is not None and edge.grad.dtype in HALF and not has_infinity(local):
        return "half-overflow", "overflow"
    return ("nan-gradient" if nan(edge.grad) else "infinite-gradient"), "derivative" if has_infinity(
        local
    ) else "unknown"
