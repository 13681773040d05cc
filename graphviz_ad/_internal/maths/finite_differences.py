"""A function of numbers -> its derivative by differences, for steps from long to short, and how far off each of them
is.

A long step misses the bend of the function: the error falls with h for forward, with h² for central differences. A
short step is lost in the rounding of f(x + h) − f(x): the error grows as h gets smaller. Both together make the V.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.snapshot import Array

Function = Callable[[Array], float]  # of a vector of inputs
STEPS = tuple(10.0 ** (-k / 2) for k in range(33))  # 1 … 1e-16


@dataclass(frozen=True)
class Curve:
    """The derivatives that one kind of difference gives, step by step, and their errors; NaN where the function has
    no value.

    An error is the largest distance from the true derivatives, as a share of the largest of these.
    """

    name: str
    steps: tuple[float, ...]
    derivatives: tuple[Array, ...]
    errors: tuple[float, ...]
    evaluations: int

    @property
    def best(self) -> int:
        """Which of the steps came closest; what nobody knows beforehand."""
        return min(range(len(self.steps)), key=lambda i: (not np.isfinite(self.errors[i]), self.errors[i]))


def curve(name: str, function: Function, at: Array, exact: Array, steps: Sequence[float] = STEPS) -> Curve:
    """Differences of that name, "forward" or "central", for every step."""
    slopes, evaluations = KINDS[name]
    found = tuple(slopes(function, at, step) for step in steps)
    return Curve(name, tuple(steps), found, tuple(relative_error(each, exact) for each in found), evaluations(len(at)))


def forward(function: Function, at: Array, step: float) -> Array:
    """(f(x + h) − f(x)) / h for each input."""
    here = function(at)
    return np.array([(function(moved(at, i, step)) - here) / step for i in range(len(at))])


def central(function: Function, at: Array, step: float) -> Array:
    """(f(x + h) − f(x − h)) / 2h for each input."""
    return np.array(
        [(function(moved(at, i, step)) - function(moved(at, i, -step))) / (2 * step) for i in range(len(at))]
    )


def moved(at: Array, i: int, step: float) -> Array:
    """The point with one input changed."""
    point = at.copy()
    point[i] += step
    return point


def relative_error(found: Array, exact: Array) -> float:
    """The largest error as a share of the largest derivative, or as it is where all derivatives are 0; NaN where a
    number is missing or infinite.
    """
    if not (np.isfinite(found).all() and np.isfinite(exact).all()):
        return math.nan
    largest = float(np.max(np.abs(exact), initial=0.0))
    error = float(np.max(np.abs(found - exact), initial=0.0))
    return error / largest if largest else error


KINDS: dict[str, tuple[Callable[[Function, Array, float], Array], Callable[[int], int]]] = {
    "forward": (forward, lambda inputs: inputs + 1),
    "central": (central, lambda inputs: 2 * inputs),
}
