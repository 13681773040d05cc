"""Graph that knows its target -> what runs of that say of the gradients of its leaves and of its custom Functions.

What is expected comes from differences of what the target returns, never from a gradient. Before that, the target has
to give what was recorded, and to give it twice.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.check.departures import loses_a_derivative
from graphviz_ad._internal.check.function_runs import FunctionFinding, functions_examined
from graphviz_ad._internal.check.leaf_runs import slopes_of_leaves
from graphviz_ad._internal.check.meant_gradients import functions_that_draw
from graphviz_ad._internal.check.verdicts import (
    ABSENT,
    AGREES,
    CUT,
    DIFFERS,
    HOOKED,
    KINK,
    MEANT,
    ROUNDING,
    STEPS,
    TURNS,
    UNKNOWN,
    Slope,
)
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.graph.target import Runs, Target
from graphviz_ad._internal.maths.agreement import ROUGHLY, SHIFTED, allowed, equal
from graphviz_ad._internal.maths.gradient_sums import known

ROUNDINGS = 8  # of a gradient, at least
OF_STATISTICS = 1_000  # of the norm of a large tensor
MOST_OPERATIONS, MOST_ELEMENTS = 10_000, 1 << 24  # of a target that is run unasked

(
    NO_TARGET,
    NO_GRADIENTS,
    TALKS,
    RANDOM,
    OTHER_NOW,
    TOO_LARGE,
    NOT_NEEDED,
    NOT_ASKED,
    OUT_OF_REACH,
    FAILED,
) = (
    "no target",
    "no gradients",
    "talks to others",
    "random",
    "other now",
    "too large",
    "not needed",
    "not asked",
    "out of reach",
    "failed",
)


@dataclass(frozen=True)
class TargetFindings:
    """What runs of a target said: of its leaves by key, and of its custom Functions.

    ``problem`` says why there were none, ``said`` what the target or torch said; ``runs`` is how often it was run, in
    ``precision``.
    """

    leaves: Mapping[str, Slope] = field(default_factory=dict)
    functions: tuple[FunctionFinding, ...] = ()
    problem: str = ""
    said: str = ""
    unseen: str = ""  # why custom Functions could not be looked at one by one
    runs: int = 0
    precision: str = ""


def target_examined(graph: Graph, hidden: Mapping[str, str], *, asked: bool) -> TargetFindings:
    """Run the target again, unless it is large and nobody has ``asked`` for it; ``hidden`` are the leaves of which
    something hides a part of the function from their gradients, and what.
    """
    target = graph.target
    if target is None:
        return TargetFindings(problem=NO_TARGET)
    problem = why_not(graph, asked)
    if problem:
        return TargetFindings(problem=problem)
    try:
        return Examination(graph, target, hidden).findings()
    except RerunError as error:
        return TargetFindings(problem=FAILED, said=str(error))


def why_not(graph: Graph, asked: bool) -> str:
    """Why a target is not run again."""
    nodes = (graph.detail or graph).node_list
    if not graph.has_gradients:
        return NO_GRADIENTS
    if any(node.messages for node in nodes):
        return TALKS
    elements = sum(math.prod(node.ports[0].shape or ()) for node in nodes if node.kind == "leaf")
    return TOO_LARGE if not asked and (len(nodes) > MOST_OPERATIONS or elements > MOST_ELEMENTS) else ""


class Examination:
    """One target, run as it was and, where it can be, in double precision."""

    def __init__(self, graph: Graph, target: Target, hidden: Mapping[str, str]) -> None:
        self.graph, self.target, self.hidden = graph, target, hidden
        self.own = target.runs(double=False)
        operations = len((graph.detail or graph).node_list)
        self.roundings = ROUNDINGS + math.sqrt(operations)
        self.leaves = {node.key: node for node in graph.node_list if node.kind == "leaf"}
        self.names = names_of_inputs(list(self.leaves.values()), self.own)
        self.found = {key: node for key, node in self.leaves.items() if key in self.names}

    def findings(self) -> TargetFindings:
        """All of them."""
        problem = self.what_has_changed() if self.found else OUT_OF_REACH
        if problem:
            return TargetFindings(problem=problem, runs=self.own.count)
        runs = self.precise()
        functions, unseen = functions_in(runs, functions_that_draw(self.graph))
        names = list(self.names.values())
        slopes = slopes_of_leaves(runs, names, runs.precision, self.roundings)
        blurred = [name for name in names if slopes[name].why == ROUNDING]
        if blurred and runs is not self.own:  # something in it rounds that torch does not know of
            slopes |= slopes_of_leaves(self.own, blurred, self.own.precision, self.roundings)
        if runs is not self.own:
            slopes |= self.lost_in_own_precision(slopes, runs)
        steps = any(function.has_steps for function in functions)
        verdicts = {key: self.verdict(node, slopes[self.names[key]], steps) for key, node in self.found.items()}
        absent = {key: Slope(UNKNOWN, 0.0, None, ABSENT) for key in self.leaves if key not in self.found}
        count = runs.count + (self.own.count if runs is not self.own else 0)
        return TargetFindings({**verdicts, **absent}, functions, unseen=unseen, runs=count, precision=runs.precision)

    def lost_in_own_precision(self, slopes: Mapping[str, Slope], runs: Runs) -> dict[str, Slope]:
        """What is said of gradients that are right in double precision, and of which the target's own has lost a part:
        where torch is known to have made a derivative 0 on the way, and the two are not the same.
        """
        names = {key: name for key, name in self.names.items() if slopes[name].verdict == AGREES}
        lossy = {name for key, name in names.items() if loses_a_derivative(self.graph, key)}
        if not lossy or not self.gives_the_same(runs):
            return {}
        exact, found = runs.gradients({}), {}
        for name in lossy:
            fine, coarse = exact.get(name), self.gradients.get(name)
            if fine is None or coarse is None or fine.shape != coarse.shape:
                continue
            with np.errstate(all="ignore"):
                apart = np.asarray(fine - coarse)
                off, size = float(np.linalg.norm(apart)), float(np.linalg.norm(fine))
            if math.isfinite(off) and off > SHIFTED * size > 0:
                claimed, true = (float(np.vdot(apart, each).real) / off for each in (coarse, fine))
                found[name] = Slope(DIFFERS, claimed, true)
        return found

    def gives_the_same(self, runs: Runs) -> bool:
        """Whether the target returns in double precision what it does in its own, as one that draws numbers may not."""
        pairs = zip(self.own.outputs({}), runs.outputs({}), strict=True)
        with np.errstate(all="ignore"):
            return all(
                one.shape == other.shape and np.linalg.norm(one - other) <= ROUGHLY * np.linalg.norm(other)
                for one, other in pairs
            )

    def precise(self) -> Runs:
        """Runs in double precision, where there can be such."""
        if unit(self.own.precision) <= unit("float64"):
            return self.own
        try:
            runs = self.target.runs(double=True)
            return runs if runs.seeds and runs.gradients({}) is not None else self.own
        except RerunError:
            return self.own

    def what_has_changed(self) -> str:
        """Why runs of it now say nothing about what was recorded."""
        once, again = self.own.outputs({}), self.own.outputs({})
        if not all(self.is_same(one, other, self.own.precision) for one, other in zip(once, again, strict=True)):
            return RANDOM
        self.gradients = self.own.gradients({})
        wrong = [node for node in self.found.values() if not self.is_as_recorded(node, arrived(node))]
        return OTHER_NOW if wrong else ""

    def is_as_recorded(self, node: Node, kept: Snapshot | None) -> bool:
        """Whether a run gives a leaf the gradient that was recorded; None is nothing but 0."""
        grad = self.gradients[self.names[node.key]]
        if grad is None or kept is None:
            array = grad if kept is None else known(kept)
            return array is None or not np.any(array)
        whole = known(kept)
        if whole is not None:
            return self.is_same(grad, whole, kept.dtype)
        norm = np.asarray(np.linalg.norm(grad))
        near = allowed(kept.dtype, OF_STATISTICS, norm)
        return kept.norm is None or equal(norm, np.asarray(kept.norm), near) is not False

    def is_same(self, found: Array, kept: Array, dtype: str) -> bool:
        """Whether two arrays are equal up to rounding, as far as that can be told: of what is not finite it cannot."""
        with np.errstate(all="ignore"):
            size = np.max(np.abs(kept), initial=0.0, where=np.isfinite(kept))
        return equal(found, kept, allowed(dtype, self.roundings, size), dtype) is not False

    def verdict(self, node: Node, slope: Slope, steps: bool) -> Slope:
        """What is said of a leaf, given what differences say of its gradient."""
        if slope.verdict == DIFFERS and (node.key in self.hidden or steps):
            return replace(slope, verdict=CUT, why=STEPS if steps else self.hidden[node.key])
        if self.hidden.get(node.key) == MEANT and is_blurred(slope):  # as at a step of the function
            return replace(slope, verdict=CUT, why=MEANT)
        if slope.verdict == AGREES and not self.is_as_recorded(node, node.grad):
            return replace(slope, verdict=DIFFERS, why=HOOKED)
        return slope


def is_blurred(slope: Slope) -> bool:
    """Whether differences were taken, and said neither yes nor no."""
    return slope.verdict == KINK or (slope.verdict == UNKNOWN and slope.why in ("", ROUNDING, TURNS))


def names_of_inputs(leaves: Sequence[Node], runs: Runs) -> dict[str, str]:
    """Leaf -> the input of the runs that it is: by its name, or by what it holds, where it has none."""
    names = Counter(node.name for node in leaves)
    named = {name for name in runs.inputs if name not in runs.unnamed}
    found = {node.key: node.name for node in leaves if node.name in named and names[node.name] == 1 and node.name}
    pairs = [
        (node.key, name)
        for node in leaves
        for name in runs.unnamed
        if node.name is None and name in runs.inputs and holds(node.value, runs.inputs[name])
    ]
    keys, inputs = (Counter(column) for column in zip(*pairs, strict=True)) if pairs else (Counter(), Counter())
    return found | {key: name for key, name in pairs if keys[key] == inputs[name] == 1}


def holds(kept: Snapshot | None, array: Array) -> bool:
    """Whether what was kept of a tensor is what these numbers give."""
    whole = known(kept)
    if kept is None or kept.shape != array.shape:
        return False
    return (
        np.array_equal(whole, array)
        if whole is not None
        else kept.norm is not None
        and bool(
            equal(
                np.asarray(kept.norm), np.asarray(np.linalg.norm(array)), allowed(kept.dtype, OF_STATISTICS, kept.norm)
            )
        )
    )


def arrived(node: Node) -> Snapshot | None:
    """The gradient of a leaf, before a hook changed it."""
    return node.ports[0].arrived or node.grad


def functions_in(runs: Runs, drawing: Container[str]) -> tuple[tuple[FunctionFinding, ...], str]:
    """What is said of the custom Functions, and why they could not be seen."""
    try:
        return functions_examined(runs.functions(), drawing), ""
    except RerunError as error:
        return (), str(error)
