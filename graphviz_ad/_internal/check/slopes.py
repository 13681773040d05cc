"""A function along a line -> its slope by differences of several steps, and what they say of a slope that was claimed.

A function may have few digits, a kink where the line begins, or steps, as one that rounds has: a claim is called wrong
only where the differences agree with each other, on both sides, and no longer step comes any nearer to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphviz_ad._internal.check.verdicts import (
    AGREES,
    DIFFERS,
    KINK,
    NOT_FINITE,
    ROUNDING,
    STEPS,
    TURNS,
    UNKNOWN,
    Slope,
)
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import EACH, allowed

Line = Callable[[float], Sequence[Array | None]]  # what comes out so many steps along

BEST = 1e-6  # no difference is better than this part of the slope
PRECISE = 1e-2  # what is known no better than to this part of itself denies nothing
VAGUE = 5  # what is known no better than to this part of itself says nothing
SHORTER = 1024  # times, than the shortest step, is one that has to agree before a claim is called wrong
LEAST_OFF = 1e-4  # part of a slope by which a claim has to be off to be called wrong
FAR = (-1.7, -0.9, 0.8, 1.9)  # places along a line where a function is looked at for steps


@dataclass(frozen=True)
class Difference:
    """The slopes by one step: to the left, to the right, and what rounding may do to both."""

    left: float
    right: float
    noise: float

    @property
    def central(self) -> float:
        """The mean of both, which is better than either."""
        return (self.left + self.right) / 2

    @property
    def bend(self) -> float:
        """How far the two are apart."""
        return abs(self.right - self.left)


def total(numbers: Sequence[float]) -> float:
    """The sum of numbers, rounded once; NaN of ∞ and −∞, where `math.fsum` raises."""
    return math.fsum(numbers) if all(map(math.isfinite, numbers)) else sum(numbers)


def steps_for(precision: str) -> tuple[float, ...]:
    """Steps from short to long, as parts of the numbers that move, where a function has so many digits.

    >>> [f"{step:.0e}" for step in steps_for("float64")], [f"{step:.0e}" for step in steps_for("float32")]
    (['1e-06', '1e-05', '1e-04', '1e-03', '1e-02'], ['1e-03', '3e-03', '9e-03', '3e-02'])
    """
    shortest = max(unit(precision), unit("float64")) ** (1 / 3) / 4
    return tuple(shortest * 10**k for k in range(5)) if shortest < 1e-4 else tuple(shortest * 3**k for k in range(4))


class Walk:
    """Differences along one line, each computed when it is asked for. ``seeds`` are the gradients at what comes out."""

    def __init__(self, line: Line, here: Sequence[Array | None], seeds: Sequence[Array | None], precision: str) -> None:
        self.line, self.here, self.seeds, self.precision = line, here, seeds, precision
        self.steps = steps_for(precision)
        self._known: dict[float, Difference] = {}

    def by(self, step: float) -> Difference:
        """The difference by one step."""
        if step not in self._known:
            with np.errstate(all="ignore"):
                behind, ahead = self.line(-step), self.line(step)
                left, right = self._change(behind, self.here) / step, self._change(self.here, ahead) / step
                noise = EACH * max(unit(self.precision), unit("float64")) * self._size(ahead) / step
            self._known[step] = Difference(left, right, noise)
        return self._known[step]

    def _change(self, before: Sequence[Array | None], after: Sequence[Array | None]) -> float:
        pairs = zip(before, after, self.seeds, strict=True)
        return total(
            [
                float(np.sum(np.conj(seed) * (to - fro)).real)
                for fro, to, seed in pairs
                if fro is not None and to is not None and seed is not None
            ]
        )

    def _size(self, made: Sequence[Array | None]) -> float:
        return math.hypot(
            *(
                float(np.linalg.norm(np.abs(seed) * np.abs(part)))
                for part, seed in zip(made, self.seeds, strict=True)
                if part is not None and seed is not None
            ),
            0.0,
        )

    def goes_on_below(self, found: Difference, apart: float) -> bool:
        """Whether a much shorter step says something else: then the function turns within the steps that were taken, as
        the sine of large numbers does. What is flat there climbs in steps, which is another matter.
        """
        shorter = self.by(self.steps[0] / SHORTER)
        if shorter.left == shorter.right == 0:
            return False
        return not abs(shorter.central - found.central) <= max(apart / 10, 10 * shorter.noise)

    def climbs_in_steps(self) -> bool:
        """Whether the function is flat wherever it is looked at, and yet not everywhere the same."""
        step = self.steps[0]
        places = [(self.line(far), self.line(far + step)) for far in FAR]
        flat = all(self._change(*pair) == 0 for pair in places)
        return flat and any(self._change(self.here, place) != 0 for place, _ in places)


def compared(walk: Walk, claimed: float, size: float, dtype: str = "float64", roundings: float = 1) -> Slope:
    """What the differences say of a claim; ``size`` is what was added up for it, in ``dtype`` with so many
    roundings.
    """
    fine, coarse = (walk.by(step) for step in walk.steps[:2])
    slack = float(allowed(dtype, roundings, size))
    if not all(map(math.isfinite, (fine.left, fine.right, coarse.central, claimed, size))):
        return Slope(UNKNOWN, claimed, None, NOT_FINITE)
    scale = max(size, abs(fine.central))
    if has_kink(fine, coarse, PRECISE * scale):
        return Slope(KINK, claimed, fine.central)
    error = 10 * doubt_between(fine, coarse) + slack
    if abs(fine.central - claimed) <= error and (error <= scale / VAGUE or scale <= 10 * fine.noise):
        return Slope(AGREES, claimed, fine.central, doubt=error)
    return by_all_steps(walk, claimed, scale, slack)


def by_all_steps(walk: Walk, claimed: float, scale: float, slack: float) -> Slope:
    """What is to be said of a claim that the first differences do not confirm."""
    found = [walk.by(step) for step in walk.steps]
    if all(each.central == 0 and each.bend == 0 for each in found) and walk.climbs_in_steps():
        return Slope(UNKNOWN, claimed, 0.0, STEPS)
    pairs = [pair for pair in pairwise(found) if all(math.isfinite(each.central) for each in pair)]
    if not pairs:
        return Slope(UNKNOWN, claimed, None, NOT_FINITE)
    doubt, best = min(((doubt_between(*pair), pair[0]) for pair in pairs), key=lambda each: each[0])
    error, apart, scale = 10 * doubt + slack, abs(best.central - claimed), max(scale, abs(best.central))
    if apart <= error <= scale / VAGUE:
        return Slope(AGREES, claimed, best.central, doubt=error)
    if has_kink(found[0], found[1], abs(found[0].central - claimed) / 20):
        return Slope(KINK, claimed, found[0].central)
    comes_nearer = any(abs(each.central - claimed) <= abs(found[0].central - claimed) / 5 for each in found[1:])
    sure = doubt <= PRECISE * scale and best.bend <= apart / 20 and not comes_nearer
    if sure and apart > max(error, LEAST_OFF * scale):
        if walk.goes_on_below(best, apart):
            return Slope(UNKNOWN, claimed, best.central, TURNS)
        return Slope(DIFFERS, claimed, best.central, doubt=error)
    return Slope(UNKNOWN, claimed, best.central, ROUNDING)


def has_kink(fine: Difference, coarse: Difference, least: float) -> bool:
    """Whether the slopes on both sides are apart by so much, and not the less the shorter the step is."""
    return fine.bend > max(least, 10 * fine.noise) and fine.bend > coarse.bend / 3


def doubt_between(fine: Difference, coarse: Difference) -> float:
    """How far the finer of two differences may be off."""
    return abs(fine.central - coarse.central) + fine.noise + BEST * abs(fine.central)


# --- directions


def direction(at: Array, grad: Array | None, seed: Sequence[int]) -> Array:
    """A direction in which every element moves as its gradient points, so that nothing cancels; by random amounts of
    its own size, so that no two can be mistaken. Where there is no gradient, it moves at random.
    """
    random = np.random.default_rng(seed)
    amounts, signs = random.uniform(0.5, 1.5, at.shape), random.choice((-1.0, 1.0), at.shape)
    turned = np.exp(2j * np.pi * random.uniform(size=at.shape)) if np.iscomplexobj(at) else signs
    if grad is not None:
        with np.errstate(all="ignore"):
            turned = np.where((grad == 0) | ~np.isfinite(grad), turned, grad / np.abs(grad))
    return np.asarray(turned * amounts * sizes_of(at))


def sizes_of(at: Array) -> Array:
    """How far each number moves in a step of 1: as far as it is large; a small one among large ones a little further,
    and what is all 0 by a tenth.
    """
    large = np.abs(at)
    typical = float(np.sqrt(np.mean(large**2))) if at.size else 0.0
    return np.maximum(large, 1e-3 * typical) if typical and np.isfinite(typical) else np.full(at.shape, 0.1)


def rise(grad: Array | None, along: Array) -> tuple[float, float]:
    """The slope that a gradient claims along a direction, and the sizes that are added up for it."""
    if grad is None:
        return 0.0, 0.0
    products = np.real(np.conj(grad) * along)
    with np.errstate(all="ignore"):  # infinite ones may have no sum
        return float(np.sum(products)), float(np.sum(np.abs(products)))
