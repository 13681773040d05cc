"""Runs of a target -> what differences say of the gradient of each of its inputs.

All inputs move at once, each as much as the others, so that one walk examines all; what a walk says nothing of, or what
it denies, is walked along alone, and what is denied then once more from a point beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.check.slopes import VAGUE, Walk, compared, direction, rise, total
from graphviz_ad._internal.check.verdicts import AGREES, BESIDE, DIFFERS, FAILED, KINK, TOO_MANY, UNKNOWN, Slope
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.graph.target import Gradients, Runs

ROUNDS = 2  # of walks along all that are left: gradients may be of very different sizes
MOST_ALONE = 400  # inputs that are walked along alone
NOTICED = 1e-2  # part by which each gradient would have to be wrong for a walk along all to show it; in single
NOTICED_IN_SINGLE = 1 / VAGUE  # precision, walks along one show no more than that either
LEAST_SHARE = 1e-3  # of the largest slope, that others are brought down to
ASIDE = 1e-2  # how far the point beside is, as a part of the numbers
ALL = 0  # the first number of the seed of the walk along all


@dataclass(frozen=True)
class Point:
    """A place where the target is run, and what it gives there."""

    inputs: Mapping[str, Array]
    gradients: Gradients
    outputs: Sequence[Array]


def point_of(runs: Runs, inputs: Mapping[str, Array]) -> Point:
    """What the target gives at some inputs."""
    return Point(inputs, runs.gradients(inputs), runs.outputs(inputs))


def slopes_of_leaves(runs: Runs, names: Sequence[str], dtype: str, roundings: float) -> dict[str, Slope]:
    """What differences say of each of the inputs of these names; ``dtype`` is that of the gradients."""
    here = point_of(runs, runs.inputs)
    judge = _Judge(runs, dtype, roundings)
    found: dict[str, Slope] = {}
    for _ in range(ROUNDS):
        found |= judge.all_at_once(here, [name for name in names if name not in found])
    alone = [name for name in names if name not in found]
    for number, name in enumerate(alone[:MOST_ALONE]):
        found[name] = judge.alone(here, name, number)
    found |= {name: Slope(UNKNOWN, 0.0, None, TOO_MANY) for name in alone[MOST_ALONE:]}
    doubtful = [name for name in names if found[name].verdict in (DIFFERS, KINK)]
    beside = point_beside(runs) if doubtful else None
    for number, name in enumerate(doubtful):
        there = judge.alone(beside, name, len(alone) + number) if beside else Slope(UNKNOWN, 0.0, None, FAILED)
        found[name] = seen_from_both(found[name], there)
    return found


def point_beside(runs: Runs) -> Point | None:
    """What the target gives near by, if it gives anything there."""
    try:
        return point_of(runs, moved_aside(runs.inputs))
    except RerunError:
        return None


def seen_from_both(here: Slope, beside: Slope) -> Slope:
    """What is said of a slope where it may be at a kink, after a look from beside."""
    if beside.verdict == here.verdict:
        return here
    if beside.verdict == AGREES:
        return replace(here, verdict=KINK, why=BESIDE)
    return replace(here, verdict=KINK if here.verdict == KINK else UNKNOWN)


def moved_aside(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """A point near by, for which nothing speaks but that it is another one."""
    return {
        name: array + ASIDE * direction(array, None, (ALL, 2, number))
        for number, (name, array) in enumerate(inputs.items())
    }


class _Judge:
    def __init__(self, runs: Runs, dtype: str, roundings: float) -> None:
        self.runs, self.dtype, self.roundings = runs, dtype, roundings

    def all_at_once(self, here: Point, names: Sequence[str]) -> dict[str, Slope]:
        """Those of whom a walk along all says that they are right."""
        ways = {name: direction(here.inputs[name], here.gradients[name], (ALL, 1, i)) for i, name in enumerate(names)}
        slopes = {name: rise(here.gradients[name], way)[0] for name, way in ways.items()}
        steepest = max(map(abs, slopes.values()), default=0.0)
        flattest = max(min((abs(slope) for slope in slopes.values() if slope), default=0.0), LEAST_SHARE * steepest)
        ways = {
            name: way * min(1.0, flattest / abs(slopes[name]) if slopes[name] else 1.0) for name, way in ways.items()
        }
        if not ways:
            return {}
        walk, found = self._walk(here, ways)
        if found.verdict != AGREES:
            return {}
        noticed = NOTICED if unit(self.runs.precision) <= unit("float64") else NOTICED_IN_SINGLE
        unseen = walk.by(walk.steps[0]).noise  # smaller ones could not be seen alone either
        shares = {name: abs(rise(here.gradients[name], way)[0]) for name, way in ways.items()}
        return {
            name: replace(found, claimed=share)
            for name, share in shares.items()
            if here.gradients[name] is not None and (share <= unseen or noticed * share > found.doubt)
        }

    def alone(self, here: Point, name: str, number: int) -> Slope:
        """What a walk along one says."""
        return self._walk(here, {name: direction(here.inputs[name], here.gradients[name], (number + 1, 1))})[1]

    def _walk(self, here: Point, ways: Mapping[str, Array]) -> tuple[Walk, Slope]:
        def line(step: float) -> Sequence[Array]:
            return self.runs.outputs(
                {**here.inputs, **{name: here.inputs[name] + step * way for name, way in ways.items()}}
            )

        claims = [rise(here.gradients[name], way) for name, way in ways.items()]
        walk = Walk(line, here.outputs, self.runs.seeds, self.runs.precision)
        slope, size = (total(column) for column in zip(*claims, strict=True))
        try:
            return walk, compared(walk, slope, size, self.dtype, self.roundings)
        except RerunError:  # where it leads to, the target has no value
            return walk, Slope(UNKNOWN, slope, None, FAILED)
