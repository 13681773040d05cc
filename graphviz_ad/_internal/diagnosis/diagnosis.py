"""Graph -> Diagnosis: every look for faults, in the order in which they explain each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.attention import attention
from graphviz_ad._internal.diagnosis.calls_apart import waits_alone
from graphviz_ad._internal.diagnosis.causes import causes_first
from graphviz_ad._internal.diagnosis.course import Course, Optimizer, Parameter
from graphviz_ad._internal.diagnosis.diagnosis_text import NO_COPIES, PIECES
from graphviz_ad._internal.diagnosis.finding_sentences import few
from graphviz_ad._internal.diagnosis.findings import (
    ERROR,
    NOTE,
    Diagnosis,
    Finding,
    Looked,
    in_order,
)
from graphviz_ad._internal.diagnosis.layers import layers
from graphviz_ad._internal.diagnosis.losses import losses
from graphviz_ad._internal.diagnosis.lost_terms import lost_terms
from graphviz_ad._internal.diagnosis.magnitudes import lost_in_half, sizes_along_depth, step_sizes
from graphviz_ad._internal.diagnosis.missing_gradients import missing_gradients
from graphviz_ad._internal.diagnosis.non_finite import not_finite
from graphviz_ad._internal.diagnosis.of_ranks import findings_of_ranks
from graphviz_ad._internal.diagnosis.replicas_apart import Replicas, is_in_pieces
from graphviz_ad._internal.diagnosis.steps import kept_graphs, training_steps
from graphviz_ad._internal.diagnosis.stopped import stopped
from graphviz_ad._internal.diagnosis.units import changed_by_hooks, idle_units, zero_gradients
from graphviz_ad._internal.diagnosis.watched import watched_steps
from graphviz_ad._internal.graph.graph import Graph

LOOKS: tuple[Callable[[Course], Iterator[Finding]], ...] = (
    stopped,
    not_finite,
    lost_terms,
    missing_gradients,
    losses,
    attention,
    training_steps,
    kept_graphs,
    zero_gradients,
    changed_by_hooks,
    idle_units,
    sizes_along_depth,
    step_sizes,
    lost_in_half,
    layers,
    watched_steps,
)


def diagnose(
    graph: Graph,
    budget: int | None = None,
    *,
    stopped_early: bool = False,
    title: str | None = None,
    as_written: bool = False,
) -> Diagnosis:
    """What is wrong with the program that was recorded, which is called ``title``, and ran ``as_written`` what it
    compiles; see `graphviz_ad.Graph.diagnose`.
    """
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
        raise OptionError(
            f"budget={budget!r} is how many tokens the text may have; give a whole number from 1 on, or None"
        )
    if graph.of_ranks:
        return _of_ranks(graph, budget)
    course = Course(graph, stopped_early=stopped_early)
    found = _found(course, chain(_looks(course), waits_alone(course)))
    return Diagnosis(graph, found, replace(looked(course), as_written=as_written), budget, title)


def _looks(course: Course) -> Iterator[Finding]:
    return (finding for look in LOOKS for finding in look(course))


def _found(course: Course, findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """By weight, causes before what comes of them."""
    return in_order(causes_first(course, without_consequences(in_order(findings))))


def _of_ranks(graph: Graph, budget: int | None) -> Diagnosis:
    """The diagnosis of each rank, and what only shows between them."""
    courses = {rank: Course(part) for rank, part in zip(graph.ranks, graph.of_ranks, strict=True)}
    found = {rank: _found(course, _looks(course)) for rank, course in courses.items()}
    return Diagnosis(
        graph,
        in_order(findings_of_ranks(graph, courses, found)),
        looked_together(list(courses.values())),
        budget,
    )


def without_consequences(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Where values are not finite, what is said of sizes and units says nothing more."""
    broken = any(one.severity == ERROR and one.weight in (100, 90) for one in findings)
    if not broken:
        return findings
    return tuple(one for one in findings if one.kind not in OF_SIZES or one.severity == NOTE)


OF_SIZES = ("vanishing", "exploding", "diverging")


def looked(course: Course) -> Looked:
    """What was examined, and what could not be."""
    results = [node for node in course.graph.node_list if node.kind == "op"]
    blank = sum(
        all(port.value is None or (port.value.data is None and port.value.stats is None) for port in node.ports)
        for node in results
    )
    seen = sum(was_seen(course, p) for p in course.parameters)
    return Looked(
        seen, len(course.parameters), len(results), blank, len(course.passes), course.stepped,
        course.parameters_known, bool(course.lines or course.graph.program), course.stopped_early, len(course.calls),
        step_line=_step_called(course),
        watched=(course.watched["every"], course.watched["number"]) if course.watched is not None else None,
        waited_for=tuple(_told(one) for one in course.waited_for),
        left_alone=PIECES if is_in_pieces(course) else None,
    )  # fmt: skip


def _told(optimizer: Optimizer) -> str:
    """ "Adam, which holds G.0.weight and 3 more"."""
    return f"{optimizer.kind}, which holds {few(optimizer.names)}"


def _not_compared(courses: Sequence[Course]) -> str | None:
    """Why ranks are not held against each other, where they are not."""
    copies = Replicas(dict(enumerate(courses)))
    return PIECES if copies.in_pieces else None if copies.are_copies else NO_COPIES


def _step_called(course: Course) -> str | None:
    """Where the program calls step() of an optimizer, as far as its lines tell."""
    known = not course.graph.failures and (course.optimizers or course.lines_that("optimizer"))
    lines = course.in_the_loop("step") if known else []  # of a program that raised, it may not have come so far
    return lines[0].source if lines else None


def was_seen(course: Course, p: Parameter) -> bool:
    """Whether it is known what became of a parameter."""
    return p.read or not course.passes or not p.came


def looked_together(courses: Sequence[Course]) -> Looked:
    """What was examined of all ranks: parameters by their names, and the passes that all have."""
    each = [looked(course) for course in courses]
    names = {p.name for course in courses for p in course.parameters}
    missing = {p.name for course in courses for p in course.parameters if not was_seen(course, p)}
    return Looked(
        len(names - missing), len(names), sum(one.results for one in each), sum(one.without_values for one in each),
        min(one.passes for one in each), all(one.steps for one in each), all(one.model_known for one in each),
        all(one.program_known for one in each), ranks=len(each), left_alone=_not_compared(courses),
    )  # fmt: skip
