"""What was examined by numbers, and what was found -> coverage and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.check import backward_faults as faults
from graphviz_ad._internal.check import function_runs, target_check
from graphviz_ad._internal.check.backward_faults import Fault
from graphviz_ad._internal.check.departures import FUNCTION, HOOK, Departure
from graphviz_ad._internal.check.function_runs import FunctionFinding
from graphviz_ad._internal.check.target_check import TargetFindings
from graphviz_ad._internal.check.verdicts import (
    ABSENT,
    AGREES,
    BESIDE,
    CUT,
    DIFFERS,
    ELSEWHERE,
    FAILED,
    HELD,
    HOOKED,
    KINK,
    MEANT,
    NOT_FINITE,
    ROUNDING,
    STEPS,
    TOO_MANY,
    TURNS,
    Coverage,
    Slope,
)
from graphviz_ad._internal.graph.target import NOT_PLAIN, TOO_LARGE
from graphviz_ad._internal.maths.number_format import MINUS

NOTHING_RUN = TargetFindings()
MOST_LISTED = 24  # of each kind
MOST_CAUSES = 2  # of one gradient


@dataclass(frozen=True)
class LeafFinding:
    """What differences say of the gradient of one parameter or input; ``key`` is that of its node, ``causes`` are what
    on its way makes another thing of it than the derivative.
    """

    key: str
    name: str
    slope: Slope
    causes: tuple[Departure, ...] = ()

    @property
    def verdict(self) -> str:
        """ "yes", "NO", "kink", "cut", "—": see `graphviz_ad._internal.check.gradient_check.Row`."""
        return self.slope.verdict

    @property
    def examined(self) -> bool:
        """Whether numbers say whether it is right."""
        return self.slope.verdict in (AGREES, DIFFERS) or self.slope.why in (BESIDE, HELD)


@dataclass(frozen=True)
class NumericReport:
    """What was examined by numbers: the parameters and inputs that require grad, and the custom Functions.

    ``formulas`` says why formulas of the recorded operations did not do, ``target`` what runs of the target said.
    """

    leaves: tuple[LeafFinding, ...] = ()
    target: TargetFindings = NOTHING_RUN
    formulas: str = ""

    @property
    def functions(self) -> tuple[FunctionFinding, ...]:
        """What was found of custom Functions, one finding for each line that calls one."""
        return self.target.functions

    @property
    def coverage(self) -> Coverage:
        """How many of the parameters and inputs were examined."""
        return Coverage(sum(leaf.examined for leaf in self.leaves), len(self.leaves))

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong."""
        verdicts = [*(leaf.verdict for leaf in self.leaves), *(function.verdict for function in self.functions)]
        return DIFFERS in verdicts

    def lines(self) -> Iterator[str]:
        """All of it in sentences."""
        for function in self.functions:
            yield from function_lines(function)
        yield from listed([leaf_line(leaf) for leaf in self.leaves if leaf.verdict == DIFFERS])
        yield self._coverage_line()
        yield from listed([leaf_line(leaf) for leaf in self.leaves if not leaf.examined and leaf.slope.why != ABSENT])
        absent = [leaf.name for leaf in self.leaves if leaf.slope.why == ABSENT]
        if absent:
            shown = ", ".join(absent[:MOST_LISTED]) + (", …" if len(absent) > MOST_LISTED else "")
            yield f"not examined: {shown}: made while the target runs, or out of reach of a copy of it"
        if self.target.unseen:
            yield f"not examined: custom Functions one by one: {self.target.unseen}"

    def _coverage_line(self) -> str:
        examined, of = self.coverage
        again = f"the target was run again {counted_noun(self.target.runs, 'time')} in {self.target.precision}"
        how = f"; {again}" if self.target.runs and self.target.precision else ""
        reasons = [text for text in (self._why_not(), self.formulas) if text] if examined < of else []
        return " ".join([f"{examined:,} of {of:,} parameters and inputs examined by numbers{how}.", *reasons])

    def _why_not(self) -> str:
        text = PROBLEMS.get(self.target.problem, "")
        return f"{text}{f': {self.target.said}' if self.target.said else ''}." if text else ""


PROBLEMS: Mapping[str, str] = {
    target_check.NO_TARGET: "There is no target to run again: only the graph of trace(function, …) keeps one, as long"
    " as it is not written to a file or copied",
    target_check.NO_GRADIENTS: "No gradients were recorded",
    target_check.TALKS: "The target was not run again, since it talks to other processes",
    target_check.RANDOM: "Two runs of the target from the same state give different results, so that there are no"
    " differences to take",
    target_check.OTHER_NOW: "The target gives other gradients now than when it was traced: it, its parameters or its"
    " inputs have changed, or it draws random numbers that are not torch's",
    target_check.TOO_LARGE: "The target is large, and was not run again; check(numeric=True) does so",
    target_check.NOT_ASKED: "The target was not run again, since numeric=False",
    target_check.OUT_OF_REACH: "None of the parameters and inputs is in reach of a copy of the target",
    target_check.FAILED: "The target could not be run again",
}

REASONS: Mapping[str, str] = {
    ROUNDING: "rounding leaves no verdict",
    NOT_FINITE: "not finite there",
    STEPS: "the function climbs in steps, so that its gradient is not meant to be its derivative",
    MEANT: "an operation on its way has a gradient that is not meant to be its derivative: it leaves out rows of"
    " padding, divides by frequency, passes through steps, or draws numbers",
    FAILED: "the target raised, or gave other shapes, where its inputs had moved a little",
    TURNS: "the function turns within the shortest step",
    ELSEWHERE: "alone, it makes nothing of this argument, as where it reads the same from somewhere else",
    TOO_MANY: "too many of them would have to be examined one by one",
}


def leaf_line(leaf: LeafFinding) -> str:
    """What is to be said of one leaf."""
    slope = leaf.slope
    if slope.verdict == DIFFERS:
        why = "a hook changed it" if slope.why == HOOKED else numbers(slope)
        causes = "; ".join(cause_text(cause) for cause in leaf.causes[:MOST_CAUSES])
        if not causes:
            return f"WRONG: the gradient of {leaf.name}: {why}"
        return f"NOT THE DERIVATIVE: the gradient of {leaf.name}: {why}. {causes[0].upper()}{causes[1:]}"
    if slope.verdict == CUT:
        return (
            f"not examined: {leaf.name}: {REASONS.get(slope.why, 'a cut hides a part of the function from autograd')}"
        )
    if slope.verdict == KINK:
        return f"not examined: {leaf.name}: at a kink, where there is no derivative"
    return f"not examined: {leaf.name}{f': {REASONS[slope.why]}' if slope.why in REASONS else ''}"


def cause_text(cause: Departure) -> str:
    """What made it so."""
    at = f" at {cause.source}" if cause.source else ""
    if cause.kind == HOOK:
        return f"a hook changed what flows back at {cause.name}{f' ({cause.source})' if cause.source else ''}"
    if cause.kind == FUNCTION:
        return f"the backward of {cause.name}, called{at}, gives {times(cause.factor)} the derivative"
    return (
        f"the derivative of {cause.name}{at} is 0 in {cause.dtype}, where it is {cause.size:.3g} in size: what should"
        " come through there is missing"
    )


def times(factor: float) -> str:
    """ "−1 times", "twice"."""
    word = {2: "twice", 0.5: "half of"}.get(round(factor, 4), f"{factor:.4g} times")
    return word.replace("-", MINUS)


def numbers(slope: Slope) -> str:
    """What is claimed and what was found, along the line that was walked."""
    if slope.found is None:
        return "differences say otherwise"
    return f"along one direction it claims a slope of {slope.claimed:.6g}, and differences give {slope.found:.6g}"


def listed(lines: list[str]) -> Iterator[str]:
    """As many of the lines as anybody reads."""
    yield from lines[:MOST_LISTED]
    if len(lines) > MOST_LISTED:
        yield f"… and {len(lines) - MOST_LISTED} more"


# --- custom Functions


def function_lines(found: FunctionFinding) -> Iterator[str]:
    """What is to be said of a custom Function: what is wrong with it, or why nothing is known of it."""
    called = f", called at {found.source}" if found.source else ""
    times = f", {found.calls} times" if found.calls > 1 else ""
    for each in found.inputs:
        if each.slope.verdict == DIFFERS and each.fault is not None:
            word = "NOT THE DERIVATIVE" if each.fault.kind in (faults.SIGN, faults.FACTOR) else "WRONG"
            defined = f" ({found.defined})" if found.defined else ""
            yield (
                f"{word}: the backward of {found.name}{defined}{called}{times}:"
                f" for {each.name} it gives {fault_text(each.fault, each.slope)}"
            )
        elif each.slope.why in REASONS:
            yield f"not examined: {found.name}{called}, for {each.name}: {REASONS[each.slope.why]}"
        elif each.slope.verdict == KINK and each.slope.why != BESIDE:
            yield f"not examined: {found.name}{called}, for {each.name}: at a kink, where there is no derivative"
    if found.why in FUNCTION_REASONS:
        yield f"not examined: {found.name}{called}: {FUNCTION_REASONS[found.why]}"


FUNCTION_REASONS: Mapping[str, str] = {
    function_runs.NOT_REACHED: "no gradient came to it",
    function_runs.DRAWN: "it draws numbers by what it is given, and its gradient is that of their distribution",
    FAILED: "it cannot be run alone",
    TOO_LARGE: "what it is given is too large",
    NOT_PLAIN: "it is given tensors of another kind",
}


def fault_text(fault: Fault, slope: Slope) -> str:
    """In what way a backward is wrong."""
    if fault.kind in (faults.SIGN, faults.FACTOR):
        return factor_text(-1.0 if fault.kind == faults.SIGN else fault.factor)
    if fault.kind == faults.PART:
        within = {
            faults.ZERO: "zero there",
            faults.SIGN: "the opposite sign there",
            faults.FACTOR: f"factor {fault.factor:.4g} there",
        }
        told = f" ({within[fault.within]})" if fault.within in within else ""
        return f"what is right only in part: it is wrong for {fault.where}{told}"
    if fault.kind == faults.SWAPPED:
        return (
            f"the gradient of {fault.other}: the two are swapped"
            if fault.other
            else "what is right if the gradients that arrive are swapped"
        )
    if fault.kind == faults.CONJUGATE and fault.other:
        return f"what is right with the complex conjugate of {fault.other}: a conj() is missing or too many"
    if fault.kind == faults.TRANSPOSED and fault.other:
        return f"what is right with {fault.other} transposed: a transpose is missing or too many"
    return TEXTS.get(fault.kind) or f"no derivative: {numbers(slope)}"


def factor_text(factor: float) -> str:
    """ "twice the derivative of its forward (factor 2), which may be meant"."""
    meant = f"right if that is meant, as in a layer that {'reverses' if factor < 0 else 'scales'} gradients"
    return f"{times(factor)} the derivative of its forward (factor {factor:.4g}); {meant}"


TEXTS: Mapping[str, str] = {
    faults.NONE: "None, although the result depends on it",
    faults.ZERO: "zero, although the result depends on it",
    faults.STALE: "what would be right for another call: what it kept is stale, since it belongs to another call or was"
    " changed before the backward pass (alone, the Function is right)",
    faults.CONSTANT: "the derivative and a constant: something comes back even where no gradient arrives",
    faults.IGNORES: "the same whatever gradient arrives: it is not multiplied by the incoming gradient",
    faults.CONJUGATE: "the complex conjugate of the derivative: a conj() is missing or too many",
    faults.TRANSPOSED: "the transpose of the derivative",
    faults.MISSING_SUM: "a part of the derivative: a sum is missing, and one slice of what arrived stands for all",
    faults.OVERSUMMED: "a sum too many: what belongs to single elements is added up",
    faults.OF_RESULT: "the derivative at another point: the result stands where the input should (it was kept in its"
    " place)",
    faults.ELEMENTWISE: "the derivative times another factor for each element: a factor of the chain rule is missing or"
    " too much",
}
