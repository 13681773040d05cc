"""Norms of gradients, in the order in which the program ran -> which of them are not as they should be.

This is all that is said of sizes anywhere: in boxes, charts, below a picture and by ``focus="auto"``; a diagnosis has
the same limits. A gradient is out of the usual

- beside the last of its kind, which stands nearest to where gradients start: less than `VANISHES`, or more than
  `EXPLODES` times as large;
- beside its neighbours: more than `FAR` times as large or as small as the middle one of those around it;
- by itself: less than `NOTHING` where another of its kind has more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from statistics import median

VANISHES, EXPLODES = 1e-5, 1e3  # times the last
FAR = 1e4  # times as large, or as small, as those around it
AROUND = 2  # that stand close by, on each side
VANISH, GROW, ODD = WAYS = ("vanish", "grow", "odd")  # how one is out of the usual: odd beside its neighbours alone
NOTHING = 1e-30  # as good as no gradient
TINIEST = 5e-324
LEAST, MOST, BETWEEN = ENDS = ("least", "most", "between")  # what is said of those that are not

Norms = Sequence[float | None]


def far_off(norms: Norms) -> list[int]:
    """The places of those that are out of the usual."""
    return [*_far_off(tuple(norms))]


@lru_cache(maxsize=4)  # each box of a folded picture asks it of all layers
def _far_off(norms: tuple[float | None, ...]) -> tuple[int, ...]:
    low, high = limits(norms)
    odd, kept = {*odd_ones(norms)}, last_of(norms)[0]
    known = [(i, norm) for i, norm in enumerate(norms) if norm is not None and math.isfinite(norm)]
    return tuple([i for i, norm in known if not low <= norm <= high or (i in odd and i != kept)])


def far_ends(norms: Norms) -> tuple[str, ...]:
    """Which of the least and the most are out of the usual; `BETWEEN` where others are, and neither of these."""
    far = {norms[i] for i in far_off(norms)}
    known = [norm for norm in norms if norm is not None and math.isfinite(norm)]
    ends = [end for end, norm in ((LEAST, min(known)), (MOST, max(known))) if norm in far] if far else []
    return tuple(ends) or (BETWEEN,) * bool(far)


def worst_of_runs(norms: Norms) -> list[int]:
    """The places of those that are out of the usual, of several in a row that of the one furthest from the last."""
    far, last = far_off(norms), last_of(norms)[1]
    runs = groupby(enumerate(far), key=lambda pair: pair[1] - pair[0])

    def distance(i: int) -> float:
        return abs(math.log(max(norms[i] or 0.0, TINIEST)) - math.log(max(last, TINIEST)))

    return [max((i for _, i in run), key=distance) for _, run in runs]


def limits(norms: Norms) -> tuple[float, float]:
    """Below and above which those are that are so beside the last, or by themselves."""
    _, last = last_of(norms)
    return (max(VANISHES * last, min(NOTHING, last)), EXPLODES * last) if last else (0.0, math.inf)


def last_of(norms: Norms) -> tuple[int, float]:
    """The place and the norm of the last that is more than nothing, or of the largest; (0, 0) where all are 0."""
    known = [(i, norm) for i, norm in enumerate(norms) if norm is not None and math.isfinite(norm)]
    most = max(known, key=lambda each: each[1], default=(0, 0.0))
    return next((each for each in reversed(known) if each[1] > NOTHING), most)


def odd_ones(norms: Norms) -> list[int]:
    """The places of those that are far from what the ones around them are."""
    known = [(i, norm) for i, norm in enumerate(norms) if norm is not None and math.isfinite(norm)]
    found = []
    for place, (i, norm) in enumerate(known):
        start = max(min(place - AROUND, len(known) - 2 * AROUND - 1), 0)
        others = [other for j, other in known[start : start + 2 * AROUND + 1] if j != i]
        usual = float(median(others)) if len(others) > 1 else norm
        if norm != usual and not usual / FAR <= norm <= usual * FAR:
            found.append(i)
    return found
