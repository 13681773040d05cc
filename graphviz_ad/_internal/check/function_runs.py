"""Calls of custom Functions in a run -> what differences say of the backward of each, and in what way it is wrong."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.check.backward_faults import Fault, fault_of
from graphviz_ad._internal.check.slopes import Walk, compared, direction, rise
from graphviz_ad._internal.check.verdicts import (
    AGREES,
    BESIDE,
    DIFFERS,
    ELSEWHERE,
    FAILED,
    KINK,
    NOT_FINITE,
    STEPS,
    UNKNOWN,
    Slope,
)
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.graph.target import AppliedFunction, Arrays
from graphviz_ad._internal.maths.agreement import allowed, equal

MOST_AT_A_LINE = 8  # calls, as those of a loop
ASIDE = 1e-2  # how far beside a kink the Function is looked at
ROUNDINGS = 8  # in a Function
NOT_REACHED = "not reached"  # no gradient came to it
DRAWN = "drawn"  # numbers by what it is given: its gradient is that of the distribution


@dataclass(frozen=True)
class InputOfFunction:
    """What is said of the gradient for one input of a custom Function; ``fault`` where it is wrong."""

    name: str
    slope: Slope
    fault: Fault | None = None


@dataclass(frozen=True)
class FunctionFinding:
    """What is said of a custom Function where it is called.

    ``source`` is the line of the call, ``defined`` that of the backward, ``calls`` how often it was called there;
    ``why`` says why nothing was looked at.
    """

    name: str
    source: str | None
    defined: str | None
    calls: int
    inputs: tuple[InputOfFunction, ...] = ()
    why: str = ""

    @property
    def verdict(self) -> str:
        """The worst of its inputs'."""
        found = {each.slope.verdict for each in self.inputs}
        return next((verdict for verdict in (DIFFERS, UNKNOWN, KINK, AGREES) if verdict in found), UNKNOWN)

    @property
    def examined(self) -> bool:
        """Whether numbers say something of it."""
        return any(each.slope.verdict in (AGREES, DIFFERS) for each in self.inputs)

    @property
    def has_steps(self) -> bool:
        """Whether its forward climbs in steps, so that its backward is not meant to be its derivative."""
        return any(each.slope.why == STEPS for each in self.inputs)


def functions_examined(calls: Sequence[AppliedFunction], drawing: Container[str] = ()) -> tuple[FunctionFinding, ...]:
    """A finding for each line that calls a custom Function; of several calls there, of the first that is wrong.

    Those that are ``drawing`` numbers by what they are given have another gradient than that of the draw.
    """
    places: dict[tuple[str, str | None, str | None], list[AppliedFunction]] = {}
    for call in calls:
        places.setdefault((call.name, call.source, call.defined), []).append(call)
    return tuple(
        FunctionFinding(*place, len(those), why=DRAWN)
        if place[0] in drawing
        else worst([finding_of(call, len(those)) for call in those[:MOST_AT_A_LINE]])
        for place, those in places.items()
    )


def worst(findings: Iterable[FunctionFinding]) -> FunctionFinding:
    """The finding that says most against a Function, or most at all."""
    order = (DIFFERS, KINK, AGREES, UNKNOWN)
    return min(findings, key=lambda finding: order.index(finding.verdict))


def finding_of(call: AppliedFunction, calls: int) -> FunctionFinding:
    """What is said of one call."""
    place = (call.name, call.source, call.defined, calls)
    if call.problem:
        return FunctionFinding(*place, why=call.problem)
    if call.sent is None or all(part is None for part in call.arrived):
        return FunctionFinding(*place, why=NOT_REACHED)
    try:
        return FunctionFinding(*place, tuple(_input(call, number) for number in range(len(call.inputs))))
    except RerunError:
        return FunctionFinding(*place, why=FAILED)


def _input(call: AppliedFunction, place: int) -> InputOfFunction:
    assert call.sent is not None
    slope = slope_at(call, call.values, call.sent, place)
    if slope.verdict in (KINK, DIFFERS):
        slope = seen_from_beside(call, place, slope)
    if slope.verdict == DIFFERS and is_read_elsewhere(call, place):
        slope = replace(slope, verdict=UNKNOWN, why=ELSEWHERE)
    return InputOfFunction(call.inputs[place], slope, fault_of(call, place) if slope.verdict == DIFFERS else None)


def seen_from_beside(call: AppliedFunction, place: int, here: Slope) -> Slope:
    """What is said of a slope that may be at a kink, after a look at the Function alone, beside it."""
    beside = [array + ASIDE * direction(array, None, (place, 2, i)) for i, array in enumerate(call.values)]
    there = slope_at(call, beside, call.gradients(beside, call.arrived), place)
    if there.verdict == DIFFERS:
        return replace(here, verdict=DIFFERS)
    if there.verdict == AGREES and (here.verdict == KINK or is_its_own(call, place)):
        return replace(here, verdict=KINK, why=BESIDE)
    return here


def is_its_own(call: AppliedFunction, place: int) -> bool:
    """Whether the backward alone makes of what arrived what it made of it in the run."""
    assert call.sent is not None
    ran, alone = call.sent[place], call.gradients(call.values, call.arrived)[place]
    if ran is None or alone is None:
        return ran is alone
    near = allowed(call.precision, ROUNDINGS, np.max(np.abs(ran), initial=0.0))
    return equal(alone, ran, near, call.precision) is not False


def is_read_elsewhere(call: AppliedFunction, place: int) -> bool:
    """Whether a Function alone makes nothing of an input of which its backward made something in the run: it is given
    what it reads from somewhere else, as the parameters of a module are.
    """
    assert call.sent is not None
    ran, alone = call.sent[place], call.gradients(call.values, call.arrived)[place]
    return ran is not None and bool(np.any(ran)) and (alone is None or not np.any(alone))


def slope_at(call: AppliedFunction, values: Sequence[Array], sent: Arrays, place: int) -> Slope:
    """What differences of the Function alone say of what its backward sent to an input."""
    way = direction(values[place], sent[place], (place, 1))
    claimed, size = rise(sent[place], way)

    def line(step: float) -> Arrays:
        return call.results([*values[:place], values[place] + step * way, *values[place + 1 :]])

    here = call.results(values)
    seeds = [*call.arrived, *[None] * len(here)][: len(here)]
    if any(
        part is not None and seed is not None and part.shape != seed.shape
        for part, seed in zip(here, seeds, strict=True)
    ):
        return Slope(UNKNOWN, claimed, None, NOT_FINITE)
    return compared(Walk(line, here, seeds, call.precision), claimed, size, call.precision, ROUNDINGS)
