"""Findings -> the same, what comes of others put with it: a table of which kinds explain which, and by what facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, SEVERITIES, Finding
from graphviz_ad._internal.diagnosis.magnitudes import FAR, LEAPS, TOO_FAR, first_ratio
from graphviz_ad._internal.graph.graph import Node

Test = Callable[[Course, Finding, Finding], bool]  # of a cause, and of what may come of it


@dataclass(frozen=True)
class Explains:
    """Findings of the kinds ``causes`` explain those of the kinds ``effects`` of which ``by`` holds."""

    causes: tuple[str, ...]
    effects: tuple[str, ...]
    by: Test


COMES_OF_LEAPS = ("infinite-value", "nan-value", "infinite-gradient", "nan-gradient", "half-overflow")
NOT_FINITE = (
    *COMES_OF_LEAPS,
    *("zero-times-infinity", "row-masked-altogether", "parameter-not-finite", "data-not-finite"),
)
NEAR = 4  # operations, within which an infinity becomes NaN
COMES_OF_STEPS = ("exploding", "vanishing", "saturated", "dead-units", "diverging")
# what keeps gradients away from parameters, or steps from using them
KEEPS_AWAY = (
    *("detached", "data-attribute", "no-grad", "inference-mode", "not-differentiable", "sampled", "taken-as-number"),
    *("none-from-backward", "reentrant-checkpoint", "written-over", "result-unused", "never-read", "not-asked"),
    *("cut-between-ranks", "frozen", "zero-gradient", "hook-changed", "cleared-before-step", "not-registered"),
    "loss-is-a-leaf",
)


def of_later_passes(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether steps that are too large came before, and nothing but steps that large are needed for it."""
    ratio = cause.evidence["ratio"]
    if one.severity == NOTE or not ratio > TOO_FAR or (one.kind in COMES_OF_LEAPS and not ratio > LEAPS):
        return False
    if one.kind == "diverging":
        return True
    number = one.evidence.get("pass")
    if number is not None:
        return bool(number > 1)
    node = course.graph.nodes.get(one.key or "")
    return node is not None and course.order[node.key] > _first_step(course)


def began_small(course: Course, _: Finding, __: Finding) -> bool:
    """Whether the first step, before gradients of several had added up, was of no such size."""
    ratio = first_ratio(course)
    return ratio is not None and ratio <= FAR


def twice_as_far(_: Course, cause: Finding, one: Finding) -> bool:
    """Whether one of two steps on each gradient would not have gone so far."""
    return one.evidence["ratio"] / 2 <= FAR and one.evidence["largest"] in cause.names


def of_these_parameters(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether all parameters of the model that it is about are among those of the cause."""
    names = set(one.names) or {p.name for p in course.trainable}
    names = names & course.of_model or names  # and not a tensor that the program made of a number
    return bool(names) and names <= set(cause.names)


def ends_there(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether what was computed goes on to where the cause is, in this pass or another."""
    at = course.graph.nodes.get(cause.key or "")
    there = {node.key for node in course.graph.node_list if at and (node.source, node.op) == (at.source, at.op)}
    waiting, seen = [one.key or ""], {one.key}
    while waiting:
        key = waiting.pop()
        if key in there:
            return True
        if key in course.graph.nodes:
            heads = [edge.head for edge in course.graph.out_edges(key) if edge.head not in seen]
            seen.update(heads)
            waiting += heads
    return False


def reads_it(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether one is about what computes with the result that the cause is about, in any pass."""
    about, reader = course.graph.nodes.get(cause.key or ""), course.graph.nodes.get(one.key or "")
    tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(reader.key)] if reader is not None else []
    return about is not None and any(_is_alike(tail, about) for tail in tails)


def _is_alike(node: Node, other: Node) -> bool:
    """Whether one line computed both, each in its pass."""
    return (node.source, node.op, node.module) == (other.source, other.op, other.module)


def came_from_it(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether NaN was made of the infinity that the cause is about, a few operations later."""
    waiting, seen = [(cause.key or "", 0)], {cause.key}
    while waiting:
        key, far = waiting.pop()
        if key == one.key:
            return True
        heads = course.graph.out_edges(key) if far < NEAR and key in course.graph.nodes else ()
        waiting += [(edge.head, far + 1) for edge in heads if edge.head not in seen]
        seen.update(edge.head for edge in heads)
    return False


def in_a_loss(_: Course, cause: Finding, one: Finding) -> bool:
    """Whether what is not finite was an error already when a program raised, as checks of values do."""
    return cause.severity == ERROR and one.evidence["exception"] in ("ValueError", "RuntimeError", "AssertionError")


def of_the_same_layers(_: Course, cause: Finding, one: Finding) -> bool:
    """Whether the weights that layers read, and those that were seen being made, are the same."""
    return "made" in one.evidence and "made" not in cause.evidence and cause.evidence["count"] == one.evidence["count"]


def at_the_same(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether both are about one result, or what one line computed in several passes."""
    nodes = [course.graph.nodes.get(each.key or "") for each in (cause, one)]
    if nodes[0] is None or nodes[1] is None:
        return cause.key is not None and cause.key == one.key
    return _is_alike(nodes[0], nodes[1])


def by_a_hook(course: Course, cause: Finding, one: Finding) -> bool:
    """Whether a hook made it 0."""
    return one.evidence["why"] == "hook" and of_these_parameters(course, cause, one)


def by_underflow(_: Course, __: Finding, one: Finding) -> bool:
    """Whether it became 0 for want of small numbers."""
    return bool(one.evidence["why"] == "underflow")


def clipped_to_nothing(_: Course, cause: Finding, __: Finding) -> bool:
    """Whether clipping left nothing."""
    return bool(cause.evidence["largest"] == 0)


def all_frozen(course: Course, _: Finding, __: Finding) -> bool:
    """Whether nothing is left that is trained."""
    return not course.trainable


def always(_: Course, __: Finding, ___: Finding) -> bool:
    """Where one is there, the other comes of it."""
    return True


def in_one_line(_: Course, cause: Finding, one: Finding) -> bool:
    """Whether both are about one line of the program."""
    return cause.source is not None and cause.source == one.source


# a cause stands before what comes of it in all rows
TABLE: tuple[Explains, ...] = (
    Explains(("not-cleared",), ("step-too-large", "diverging", "exploding"), began_small),
    Explains(("not-cleared",), ("left-by-another-loss",), of_these_parameters),
    Explains(("in-two-optimizers", "stepped-twice"), ("step-too-large",), twice_as_far),
    Explains(("step-too-large",), (*COMES_OF_STEPS, *COMES_OF_LEAPS), of_later_passes),
    Explains(("frozen",), ("nothing-requires-grad",), all_frozen),
    Explains(("hook-changed",), ("zero-gradient",), by_a_hook),
    Explains(("dead-units", "softmax-of-one", "saturated"), ("zero-gradient",), at_the_same),
    Explains(("dead-units",), ("zero-gradient",), reads_it),
    Explains(("infinite-value",), ("nan-value",), came_from_it),
    Explains(NOT_FINITE, ("raised",), in_a_loss),
    Explains(("not-registered",), ("not-registered",), of_the_same_layers),
    Explains(("half-underflow",), ("zero-gradient",), by_underflow),
    Explains(("log-of-softmax", "row-masked-altogether"), ("infinite-value", "nan-value"), at_the_same),
    Explains(KEEPS_AWAY, ("optimizer-holds-others", "never-stepped", "step-too-small"), of_these_parameters),
    Explains(KEEPS_AWAY, ("wasted-computation",), ends_there),
    Explains(("clips-always",), ("step-too-small", "update-lost"), clipped_to_nothing),
    Explains(("graph-grows",), ("graph-held",), in_one_line),
    Explains(("backward-behind-the-loop",), ("wasted-computation",), always),
    Explains(("graph-held",), ("wasted-computation",), in_one_line),
)


def causes_first(course: Course, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The causes, each as heavy as what comes of it, which is kept with it and is no finding of its own."""
    comes_of: dict[int, int] = {}
    for row in TABLE:
        for i, cause in enumerate(findings):
            if cause.kind in row.causes:
                for j, one in enumerate(findings):
                    if i != j and j not in comes_of and one.kind in row.effects and row.by(course, cause, one):
                        comes_of[j] = i
    effects: dict[int, list[Finding]] = {}
    for j in sorted(comes_of):
        effects.setdefault(_root(comes_of, j), []).append(findings[j])
    return tuple(_with(one, effects.get(i, [])) for i, one in enumerate(findings) if i not in comes_of)


def _root(comes_of: dict[int, int], place: int) -> int:
    """The cause that has no cause."""
    seen = {place}
    while place in comes_of and comes_of[place] not in seen:
        place = comes_of[place]
        seen.add(place)
    return place


def _with(cause: Finding, effects: Sequence[Finding]) -> Finding:
    if not effects:
        return cause
    together = (cause, *effects)
    return replace(
        cause,
        severity=min((one.severity for one in together), key=SEVERITIES.index),
        evidence={**cause.evidence, "explains": tuple(dict.fromkeys(one.kind for one in effects))},
        weight=max(one.weight for one in together) + 0.5,
        consequences=tuple(effects),
    )


def _first_step(course: Course) -> int:
    """Where in the order of the program the first step was taken."""
    steps: list[Node] = [node for node in course.graph.node_list if node.is_step]
    return course.order[steps[0].key] if steps else len(course.order)
