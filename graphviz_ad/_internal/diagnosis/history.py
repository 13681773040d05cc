"""Summaries of steps, or a graph of several -> the history of a training run, with what was found at each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite, sqrt
from statistics import median
from typing import overload

from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import ERROR, WARNING, Finding, Severity
from graphviz_ad._internal.diagnosis.parameter_table import norm_of
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.training_history import ParameterSummary, StepSummary
from graphviz_ad._internal.maths.number_format import short_number

JUMP = 100.0  # times the usual gradient
GROWTH = 10.0  # times the loss of the first step
TOO_FAR = 0.9  # of a parameter, in one step
USUAL = 20  # steps that say what is usual


@dataclass(frozen=True)
class TrainingStep:
    """One backward pass: norms over all parameters, and of each; ``findings`` are what is wrong at this step."""

    number: int
    loss: float | None
    weight: float | None
    gradient: float | None
    update: float | None
    parameters: dict[str, ParameterSummary] = field(repr=False)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class History(Sequence[TrainingStep]):
    """The steps that were looked at, in their order; a sequence of `TrainingStep`."""

    steps: tuple[TrainingStep, ...]

    @overload
    def __getitem__(self, index: int) -> TrainingStep: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingStep]: ...
    def __getitem__(self, index: int | slice) -> TrainingStep | Sequence[TrainingStep]:
        """A step, by its place among those that were looked at."""
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def first_bad(self) -> TrainingStep | None:
        """The first step at which something was found; None where nothing was."""
        return next((step for step in self.steps if step.findings), None)

    def __str__(self) -> str:
        """A line for each step, with the kinds of what was found."""
        head = ("step", "loss", "gradient", "update", "weight", "found")
        return "\n".join(table_lines([head, *(tuple(cells(step)) for step in self.steps)]))


def cells(step: TrainingStep) -> Iterator[str]:
    """A step as a row of words."""
    yield str(step.number)
    for value in (step.loss, step.gradient, step.update, step.weight):
        yield "—" if value is None else short_number(value)
    yield ", ".join(dict.fromkeys(one.kind for one in step.findings))


def history_of_steps(summaries: Sequence[StepSummary]) -> History:
    """The history, judged."""
    made: list[TrainingStep] = []
    for one in summaries:
        found = tuple(judged(one, made))
        made.append(
            TrainingStep(
                one.number, one.loss, together([p.weight for p in one.parameters.values()]),
                together([p.gradient for p in one.parameters.values()]),
                together([p.update for p in one.parameters.values()]), one.parameters, found,
            )
        )  # fmt: skip
    return History(tuple(made))


def together(norms: Sequence[float | None]) -> float | None:
    """The norm of all of them, of those that are known."""
    known = [norm for norm in norms if norm is not None]
    return sqrt(sum(norm * norm for norm in known)) if known else None


def judged(step: StepSummary, before: Sequence[TrainingStep]) -> Iterator[Finding]:
    """What is wrong at a step, given those before it."""
    if step.loss is not None and not isfinite(step.loss):
        yield _found("loss-not-finite", ERROR, step, (), loss=step.loss)
    bad = tuple(name for name, p in step.parameters.items() if p.gradient is not None and not isfinite(p.gradient))
    if bad:
        yield _found("gradient-not-finite", ERROR, step, bad)
    lost = tuple(name for name, p in step.parameters.items() if not isfinite(p.weight))
    if lost:
        yield _found("weight-not-finite", ERROR, step, lost)
    gradient = together([p.gradient for p in step.parameters.values()])
    usual = [one.gradient for one in before[-USUAL:] if one.gradient is not None and isfinite(one.gradient)]
    if gradient is not None and isfinite(gradient) and len(usual) >= 3 and gradient > JUMP * median(usual) > 0:
        yield _found("gradient-jumps", WARNING, step, (), gradient=gradient, usual=median(usual))
    first = next((one.loss for one in before if one.loss is not None and isfinite(one.loss)), None)
    if step.loss is not None and first is not None and isfinite(step.loss) and step.loss > GROWTH * abs(first) > 0:
        yield _found("loss-grew", WARNING, step, (), loss=step.loss, first=first)
    moved = {name: p for name, p in step.parameters.items() if p.update is not None and isfinite(p.update)}
    far = tuple(name for name, p in moved.items() if (p.update or 0.0) > TOO_FAR * p.weight > 0)
    if far and len(far) * 2 >= len(step.parameters):
        yield _found("updates-too-large", WARNING, step, far)


def _found(kind: str, severity: Severity, step: StepSummary, names: tuple[str, ...], **facts: object) -> Finding:
    return Finding(
        kind, severity, names[0] if len(names) == 1 else None, None, step.source,
        {"step": step.number, "parameters": len(names), "of": len(step.parameters), "names": names, **facts}, names,
    )  # fmt: skip


def history_of_graph(graph: Graph) -> History:
    """The same of what was recorded whole: a step for each backward pass."""
    course = Course(graph)
    steps = []
    for number, done in enumerate(graph.passes, 1):
        roots = [node for node in done.outputs if node.value is not None and node.value.known and node.value.numel == 1]
        loss = roots[0].value.item() if roots and roots[0].value is not None else None
        parameters = dict(_of_pass(course, number))
        number_of_loss = float(loss) if isinstance(loss, float | int) else None
        steps.append(StepSummary(number, number_of_loss, roots[0].source if roots else None, parameters))
    return history_of_steps(steps)


def _of_pass(course: Course, number: int) -> Iterator[tuple[str, ParameterSummary]]:
    for p in course.trainable:
        events = p.history.events if p.history is not None else ()
        brought: Snapshot | None = next((e.brought for e in events if e.number == number), None)
        weight = norm_of(p.nodes[0].ports[0].value) if p.nodes else None
        if weight is not None:
            yield p.name, ParameterSummary(weight, norm_of(brought))
