"""Course -> findings about layers: modes they are in, batches too small for them, and what has no effect in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from graphviz_ad._internal.diagnosis.course import Course, argument, module_of, operation
from graphviz_ad._internal.diagnosis.findings import NOTE, WARNING, Finding, Severity
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.operations.training import BATCH_NORM, DROPOUT, NORMALISES_BATCHES, WITH_BIAS

CHANGES_WITH_MODE = ("Dropout", "BatchNorm", "AlphaDropout", "FeatureAlphaDropout", "SyncBatchNorm")
TOO_MUCH = 0.9  # of what dropout takes


def layers(course: Course) -> Iterator[Finding]:
    """All of them."""
    yield from _evaluating(course)
    yield from _norms(course)
    yield from _wasted(course)


def _evaluating(course: Course) -> Iterator[Finding]:
    """Layers that train as if they were being used."""
    if not course.stepped or not course.modules:
        return
    modes = {name: training for name, (kind, training) in course.modules.items() if kind.startswith(CHANGES_WITH_MODE)}
    resting = [name for name, training in modes.items() if not training]
    if not resting or any(course.leads_on(node) and trains(node) for node in course.computes(DROPOUT, BATCH_NORM)):
        return
    whole = not any(training for _, training in course.modules.values())
    line = list(course.lines_that("eval"))
    train = course.lines_that("train")
    yield Finding(
        "evaluating-while-training",
        WARNING if whole else NOTE,
        resting[0] if len(resting) == 1 else None,
        resting[0],
        line[0].source if line else next((node.source for node in course.graph.node_list if node.is_step), None),
        {"modules": tuple(resting), "of": len(modes), "whole": whole, "train": train[0].source if train else None},
        weight=33 if whole else 8,
    )


def trains(node: Node) -> bool:
    """Whether dropout, or a batch norm, ran as in training."""
    return operation(node) == DROPOUT or argument(node, "training") is True


def _norms(course: Course) -> Iterator[Finding]:
    for node in course.computes(*NORMALISES_BATCHES):
        shape = node.ports[0].shape or ()
        if not course.leads_on(node) or len(shape) < 2:
            continue
        count = 1
        for n in (shape[0], *shape[2:]):
            count *= n
        trains = argument(node, "training")
        if trains is True and (shape[0] == 1 or count <= 2):
            yield _about(course, node, "batch-of-one", NOTE, 31, rows=shape[0], values=count)
        made = course.operand(node)
        if made is not None and trains is True and operation(made) in WITH_BIAS and _has_bias(course, made):
            yield _about(course, node, "bias-before-norm", NOTE, 3, made=course.described(made), module=module_of(made))


def _has_bias(course: Course, node: Node) -> bool:
    leaves = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)]
    return any(leaf.kind == "leaf" and len(leaf.ports[0].shape or ()) == 1 for leaf in leaves)


def _about(course: Course, node: Node, kind: str, severity: Severity, weight: float, **facts: object) -> Finding:
    return Finding(
        kind, severity, node.name, module_of(node), node.source, {"at": course.described(node), **facts},
        weight=weight, key=node.key,
    )  # fmt: skip


def _wasted(course: Course) -> Iterator[Finding]:
    """Results with a graph that no gradient came back to, on lines of their own."""
    if not course.passes:
        return
    end = max(
        (i for i, node in enumerate(course.graph.node_list) if node.kind == "op" and course.leads_on(node)), default=0
    )
    idle = [  # not what came after the last pass, which a further one may have gone back through
        node
        for node in course.graph.node_list[:end]
        if node.kind == "op" and node.requires_grad and node.autograd and not course.leads_on(node) and not node.raised
    ]
    ran = [node for node in course.graph.node_list if node.kind == "op" and node.autograd]
    lines = [(source, list(group)) for source, group in groupby(idle, key=lambda node: node.source)]
    if idle and len(idle) >= max(3, len(ran) / 10) and not course.graph.failures:
        source, group = max(lines, key=lambda each: len(each[1]))
        yield Finding(
            "wasted-computation", NOTE, group[-1].name, module_of(group[-1]), source,
            {"operations": len(idle), "of": len(ran), "at": course.described(group[-1])}, weight=4, key=group[-1].key,
        )  # fmt: skip
