"""Course -> findings about a program that raised, or whose backward pass did."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.diagnosis.course import Course, module_of, operation
from graphviz_ad._internal.diagnosis.findings import ERROR, Finding
from graphviz_ad._internal.diagnosis.missing_gradients import nothing_to_go_back_from
from graphviz_ad._internal.diagnosis.replicas_apart import unused_finding, waited_for
from graphviz_ad._internal.explain.freed_graph import carriers, freed_by
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.notices import Failure
from graphviz_ad._internal.scene.annotations import stopped_at, writers


def stopped(course: Course) -> Iterator[Finding]:
    """Why it stopped."""
    failures = [note.failure for note in course.graph.failures if note.failure is not None]
    if not failures:
        return
    failure = next((one for one in failures if one.overwritten or one.freed), failures[0])
    where = next(iter(stopped_at(course.graph)), None)
    if waited_for(course):
        yield unused_finding(course, waited_for(course))
        return
    if failure.overwritten and where is not None:
        yield _overwritten(course, failure, where)
        return
    if failure.freed:
        yield _freed(course, failure, where)
        return
    rootless = [root for root in course.roots[-1:] if not root.requires_grad]
    found = list(nothing_to_go_back_from(course, rootless[0])) if rootless else []
    if rootless and not found and not course.trainable:
        found = [_frozen_root(course, rootless[0])]
    yield from found
    if not found:
        yield Finding(
            "raised", ERROR, where.name if where is not None else None, module_of(where) if where is not None else None,
            (where.source if where is not None else None) or failure.line or course.raised_at or _last_call(course),
            {"exception": failure.exception, "message": failure.message,
             "at": course.described(where) if where is not None else None}, weight=200,
            key=where.key if where is not None else None,
        )  # fmt: skip


def _last_call(course: Course) -> str | None:
    """The line that called backward() last."""
    return course.calls[-1][0] if course.calls else None


def _frozen_root(course: Course, root: Node) -> Finding:
    line = next(iter(course.lines_that("freezes", "requires_grad_", "may_freeze")), None)
    return Finding(
        "nothing-requires-grad", ERROR, root.name, module_of(root), line.source if line is not None else root.source,
        {"at": course.described(root), "parameters": len(course.parameters)}, weight=200, key=root.key,
    )  # fmt: skip


def _overwritten(course: Course, failure: Failure, where: Node) -> Finding:
    wrote = writers(course.graph, where)
    first = wrote[0] if wrote else None
    if wrote and all(course.is_of_steps(node) for node in wrote):
        return _of_earlier_step(course, failure, where, wrote)
    return Finding(
        "in-place-conflict", ERROR, first.name if first is not None else where.name,
        module_of(first if first is not None else where), (first if first is not None else where).source,
        {"needs": course.described(where), "needs_source": where.source, "operation": operation(where),
         "writers": tuple(course.described(node) for node in wrote), "exception": failure.exception,
         "parameter": bool(wrote) and all(_is_of_a_parameter(course, node) for node in wrote)},
        weight=210, key=(first if first is not None else where).key,
    )  # fmt: skip


def _is_of_a_parameter(course: Course, node: Node) -> bool:
    """Whether a parameter was written to."""
    values = {one.ports[0].tensor for p in course.parameters for one in p.nodes} - {None}
    return node.ports[0].tensor in values


def _of_earlier_step(course: Course, failure: Failure, where: Node, wrote: list[Node]) -> Finding:
    number = freed_by(course.graph, where)
    found = carriers(course.graph, number) if number is not None else []
    tail = course.graph.nodes[found[0].tail] if found else where
    return Finding(
        "graph-of-earlier-step", ERROR, tail.name, module_of(tail), tail.source,
        {"needs": course.described(where), "writers": tuple(course.described(node) for node in wrote),
         "carrier": course.described(tail) if found else None,
         "read_at": course.described(course.graph.nodes[found[0].head]) if found else None,
         "exception": failure.exception},
        weight=210, key=tail.key,
    )  # fmt: skip


def _freed(course: Course, failure: Failure, where: Node | None) -> Finding:
    number = freed_by(course.graph, where) if where is not None else None
    found = carriers(course.graph, number) if number is not None else []
    tail = course.graph.nodes[found[0].tail] if found else None
    head = course.graph.nodes[found[0].head] if found else None
    source = tail.source if tail is not None else course.calls[-1][0] if course.calls else None
    return Finding(
        "backward-twice", ERROR, tail.name if tail is not None else None, module_of(tail) if tail is not None else None,
        source or (where.source if where is not None else None),
        {"freed_in_pass": number, "carrier": course.described(tail) if tail is not None else None,
         "read_at": course.described(head) if head is not None else None,
         "stopped": course.described(where) if where is not None else None,
         "line": course.calls[-1][0] if course.calls else None, "exception": failure.exception},
        weight=210, key=tail.key if tail is not None else where.key if where is not None else None,
    )  # fmt: skip
