"""Findings -> the same, what explains others before them: steps that are too large, of which later passes explode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import NOTE, SEVERITIES, Finding
from graphviz_ad._internal.diagnosis.magnitudes import LEAPS, TOO_FAR
from graphviz_ad._internal.graph.graph import Node

COMES_OF_LEAPS = ("infinite-value", "nan-value", "infinite-gradient", "nan-gradient", "half-overflow")
COMES_OF_STEPS = ("exploding", "vanishing", "saturated", "dead-units", "diverging")


def causes_first(course: Course, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings with steps that are too large before what came of them in later passes, and as heavy as that."""
    step = next((one for one in findings if one.kind == "step-too-large"), None)
    if step is None or not step.evidence["ratio"] > TOO_FAR:
        return tuple(findings)
    explained = [one for one in findings if one is not step and _comes_of(course, step, one)]
    if not explained:
        return tuple(findings)
    heaviest = min((one.severity for one in explained), key=SEVERITIES.index)
    cause = replace(
        step,
        severity=min(heaviest, step.severity, key=SEVERITIES.index),
        evidence={**step.evidence, "explains": tuple(dict.fromkeys(one.kind for one in explained))},
        weight=max(one.weight for one in (step, *explained)) + 0.5,
    )
    return tuple(cause if one is step else one for one in findings)


def _comes_of(course: Course, step: Finding, one: Finding) -> bool:
    """Whether a finding is of what came only after a step, and nothing but steps that large are needed for it."""
    leaps = step.evidence["ratio"] > LEAPS
    if one.severity == NOTE or one.kind not in (*COMES_OF_STEPS, *(COMES_OF_LEAPS if leaps else ())):
        return False
    if one.kind == "diverging":
        return True
    number = one.evidence.get("pass")
    if number is not None:
        return bool(number > 1)
    node = course.graph.nodes.get(one.key or "")
    return node is not None and course.order[node.key] > _first_step(course)


def _first_step(course: Course) -> int:
    """Where in the order of the program the first step was taken."""
    steps: list[Node] = [node for node in course.graph.node_list if node.is_step]
    return course.order[steps[0].key] if steps else len(course.order)
