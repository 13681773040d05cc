"""Summaries of steps, or a graph of several -> the history of a training run, with what was found at each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, isfinite, sqrt
from statistics import median
from typing import TYPE_CHECKING, overload

import numpy as np

from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.diagnosis.findings import ERROR, WARNING, Finding, Severity
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notice_sentences import texts
from graphviz_ad._internal.graph.notices import Notice
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.training_history import ParameterSummary, StepSummary
from graphviz_ad._internal.maths.number_format import short_number

if TYPE_CHECKING:
    from graphviz_ad._internal.base.checked_calls import takes
    from graphviz_ad._internal.diagnosis.course import Course
    from graphviz_ad._internal.output.call_options import ThemeOptions
    from graphviz_ad._internal.output.chart import Chart

JUMP = 100.0  # times the usual gradient
GROWTH = 10.0  # times the loss of the first step
TOO_FAR = 0.9  # of a parameter, in one step
USUAL = 20  # steps that say what is usual
NOTABLE = 3.0  # times as large or as small as usual
MOST_CHANGES = 5  # that are written out
NAMES_ITS_LINE = ("graph-held",)
RECORD_WHOLE = (
    "To see where it comes up, record three steps whole, {}: with gad.record(model) as rec: …, then"
    " print(rec.graph.diagnose()). If it is so at every step by now, do that now."
)


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
class Change:
    """``what`` of ``name`` (a parameter, or "" for the loss), at a step: ``now``, which usually was ``before``."""

    step: int
    name: str
    what: str
    before: float
    now: float

    @property
    def times(self) -> float:
        """How many times as large, or as small, it became; infinite where it is not finite."""
        if not isfinite(self.now) or not self.now or not self.before:
            return inf
        return max(abs(self.now / self.before), abs(self.before / self.now))

    def __str__(self) -> str:
        """ "step 7: the gradient of a.weight went from 0.2 to 31"."""
        whose = f"the {self.what} of {self.name}" if self.name else f"the {self.what}"
        return f"step {self.step}: {whose} went from {short_number(self.before)} to {short_number(self.now)}"


@dataclass(frozen=True)
class History(Sequence[TrainingStep]):
    """The steps that were looked at, in their order; a sequence of `TrainingStep`. ``notes`` are what could not be
    looked at, written or logged.
    """

    steps: tuple[TrainingStep, ...]
    notes: tuple[Notice, ...] = ()
    whole: bool = False  # made of a recording of everything

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
        """The first step at which something was found; None where nothing was. That graphs are held is no matter of one
        step, and counts where there is nothing else.
        """
        found = [step for step in self.steps if step.findings]
        return next((step for step in found if not _names_its_line(step)), found[0] if found else None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What changed before the first bad step, and most: of each parameter, and of the loss, what was no longer as
        usual at that step or the one before; the earliest first.
        """
        bad = self.first_bad
        place = self.steps.index(bad) if bad is not None and not _names_its_line(bad) else None
        return tuple(changes_before(self.steps[: place + 1])) if place is not None else ()

    def __str__(self) -> str:
        """A line for each step, with the kinds of what was found; below, what changed before the first bad one."""
        head = ("step", "loss", "gradient", "update", "weight", "found")
        lines = table_lines([head, *(tuple(cells(step)) for step in self.steps)])
        told = [self.advice] if self.advice else []
        return "\n".join([*lines, *change_lines(self.changes), *told, *self.notices])

    @property
    def advice(self) -> str:
        """How more could be known of the first bad step; empty where there is none, or its finding names its line."""
        bad = self.first_bad
        if bad is None or _names_its_line(bad):
            return ""
        if self.whole:
            return f"All of step {bad.number} was recorded: print(rec.graph.diagnose()) says where it comes up."
        before = max((step.number for step in self.steps if step.number < bad.number), default=0)
        if bad.number - before > 1:
            return (
                f"It came up after step {before}, at step {bad.number} at the latest: record(model, every=1) from step"
                f" {before} on says when. {RECORD_WHOLE.format('where that is')}"
            )
        first = max(before, 1)
        return RECORD_WHOLE.format(f"steps {first} to {first + 2}")

    @property
    def notices(self) -> tuple[str, ...]:
        """What went wrong with watching the training, in words."""
        return texts(self.notes)

    if TYPE_CHECKING:  # what is above this room can do with a history; `api.methods` puts it here

        @takes(ThemeOptions)
        def plot(self, asked: ThemeOptions) -> Chart:
            """Loss, gradient and update as curves over the steps."""
            ...


def _names_its_line(step: TrainingStep) -> bool:
    """Whether no more is to be known of what was found."""
    return all(one.kind in NAMES_ITS_LINE for one in step.findings)


def cells(step: TrainingStep) -> Iterator[str]:
    """A step as a row of words."""
    yield str(step.number)
    for value in (step.loss, step.gradient, step.update, step.weight):
        yield "—" if value is None else short_number(value)
    yield ", ".join(dict.fromkeys(one.kind for one in step.findings))


def history_of_steps(summaries: Sequence[StepSummary], notes: Sequence[Notice] = ()) -> History:
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
    return History(tuple(made), tuple(notes))


def found_in(summaries: Sequence[StepSummary]) -> set[int]:
    """The numbers of the steps at which something is found."""
    return {step.number for step in history_of_steps(summaries) if step.findings}


def changes_before(steps: Sequence[TrainingStep]) -> Iterator[Change]:
    """What the last of these steps, or the one before, has that is far from usual, by step and then by how far."""
    found: list[Change] = []
    for place in range(max(len(steps) - 2, 1), len(steps)):
        for (name, what), now in facts_of(steps[place]).items():
            known = [facts_of(step).get((name, what)) for step in steps[max(0, place - USUAL) : place]]
            usual = [value for value in known if value is not None and isfinite(value)]
            if not usual:
                continue
            change = Change(steps[place].number, name, what, median(usual), now)
            is_news = (name, what) not in {(one.name, one.what) for one in found}
            if is_news and change.times > NOTABLE and out_of_course(now, usual):
                found.append(change)
    yield from sorted(found, key=lambda one: (one.step, -one.times))


def out_of_course(now: float, before: Sequence[float]) -> bool:
    """Whether a norm went much further than it ever did from one step to the next: what grows steadily, as a bias that
    began at 0, is no news.
    """
    if not isfinite(now):
        return True
    moves = [abs(after - value) for value, after in pairwise(before)]
    return bool(moves) and abs(now - before[-1]) > NOTABLE * max(moves)


def change_lines(changes: Sequence[Change]) -> Iterator[str]:
    """The first changes, of each step and kind one, with how many more parameters have it."""
    groups: dict[tuple[int, str, bool], list[Change]] = {}
    for one in changes:
        groups.setdefault((one.step, one.what, isfinite(one.now)), []).append(one)
    for first, *more in list(groups.values())[:MOST_CHANGES]:
        yield str(first) + (f", and of {len(more)} more" if more else "")


def facts_of(step: TrainingStep) -> dict[tuple[str, str], float]:
    """(parameter or "", what) -> norm."""
    found = {("", "loss"): step.loss} if step.loss is not None else {}
    for name, p in step.parameters.items():
        for what, norm in (("gradient", p.gradient), ("update", p.update), ("weight", p.weight)):
            if norm is not None:
                found[name, what] = norm
    return found


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
    if step.held is not None:
        from graphviz_ad._internal.diagnosis.steps import facts_of_held

        held = facts_of_held(step.held)
        yield replace(_found("graph-held", WARNING, step, (), **held), source=step.held.source or step.source)
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
    from graphviz_ad._internal.diagnosis.course import Course

    course = Course(graph)
    held = [held_at(done) for done in graph.passes]
    steps = []
    for number, done in enumerate(graph.passes, 1):
        roots = [node for node in done.outputs if node.value is not None and node.value.known and node.value.numel == 1]
        loss = roots[0].value.item() if roots and roots[0].value is not None else None
        parameters = dict(_of_pass(course, number, held[number - 1], held[number] if number < len(held) else {}))
        number_of_loss = float(loss) if isinstance(loss, float | int) else None
        steps.append(StepSummary(number, number_of_loss, roots[0].source if roots else None, parameters))
    return replace(history_of_steps(steps), whole=True)


def held_at(done: Graph) -> dict[str, Snapshot]:
    """Parameter -> what it held when this pass went back: what was computed with it last."""
    return {node.name: node.value for node in done.node_list if node.kind == "leaf" and node.name and node.value}


def _of_pass(
    course: Course, number: int, held: Mapping[str, Snapshot], then: Mapping[str, Snapshot]
) -> Iterator[tuple[str, ParameterSummary]]:
    """The parameters of which it is known what they held; ``then`` is what they held at the next pass."""
    from graphviz_ad._internal.diagnosis.parameter_table import norm_of

    for p in course.trainable:
        events = p.history.events if p.history is not None else ()
        brought: Snapshot | None = next((e.brought for e in events if e.number == number), None)
        weight = norm_of(held.get(p.name))
        if weight is not None:
            yield p.name, ParameterSummary(weight, norm_of(brought), way(held[p.name], then.get(p.name)))


def way(before: Snapshot, after: Snapshot | None) -> float | None:
    """How far it is from one value to another; None where their elements are not known."""
    if after is None or before.array is None or after.array is None or before.shape != after.shape:
        return None
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.sum(np.abs(after.array.astype(complex) - before.array.astype(complex)) ** 2)))
