"""Knots of a link and the corridors between which they lie -> a smooth path with as few bends as the corridors
allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from graphviz_ad._internal.scene.scene import Point

MANY = 24  # knots, of which not each is tried


class Corridor(NamedTuple):
    """From ``start`` to ``stop`` along u, a path must stay between ``low`` and ``high`` across."""

    start: float
    stop: float
    low: float
    high: float


class Knot(NamedTuple):
    """A place where the path may bend, in the corridor of its column; a ``fixed`` one must be on the path."""

    u: float
    v: float
    corridor: Corridor
    fixed: bool = False


def smooth_curve(knots: Sequence[Knot]) -> tuple[Point, ...]:
    """A chain of cubic Béziers, level at each knot that it keeps."""
    kept = [0]
    while kept[-1] < len(knots) - 1:
        kept.append(_farthest(knots, kept[-1]))
    path: list[Point] = [(knots[0].u, knots[0].v)]
    for first, last in pairwise(kept):
        start, end = knots[first], knots[last]
        if end.u - start.u < 1e-9:  # the border of a box that fills its column
            continue
        third = (end.u - start.u) / 3
        path += [(start.u + third, start.v), (end.u - third, end.v), (end.u, end.v)]
    return tuple(path)


def _farthest(knots: Sequence[Knot], place: int) -> int:
    """The last knot that one curve can reach from this one without leaving a corridor; of many knots, one beyond which
    it does not seem to come.
    """
    limit = next((i for i in range(place + 1, len(knots)) if knots[i].fixed), len(knots) - 1)
    if _free(knots, place, limit):
        return limit
    if limit - place > MANY:
        return _far(knots, place, limit)
    return next((goal for goal in range(limit - 1, place + 1, -1) if _free(knots, place, goal)), place + 1)


def _far(knots: Sequence[Knot], place: int, limit: int) -> int:
    """A knot that one curve can reach where the last is out of reach, found in steps that grow and then shrink."""
    reached, step = place + 1, 2
    while place + step < limit and _free(knots, place, place + step):
        reached, step = place + step, 2 * step
    beyond = min(place + step, limit)
    while beyond - reached > 1:
        middle = (reached + beyond) // 2
        reached, beyond = (middle, beyond) if _free(knots, place, middle) else (reached, middle)
    return reached


def _free(knots: Sequence[Knot], place: int, goal: int) -> bool:
    """Whether the S-curve between two knots stays in all corridors; it climbs one way, so that its values at their
    ends say all.

    The curve leaves and arrives level: a cubic Bézier with handles of a third, along which u grows evenly.
    """
    first_u, first_v, _, _ = knots[place]
    last_u, last_v, _, _ = knots[goal]
    along, climb = last_u - first_u, last_v - first_v
    if along <= 0:
        return climb == 0
    checked = None
    for _, _, corridor, _ in knots[place : goal + 1]:
        if corridor is checked:
            continue
        checked = corridor
        start, stop, low, high = corridor
        for u in (start, stop):
            share = (u - first_u) / along
            share = 0.0 if share < 0.0 else 1.0 if share > 1.0 else share
            if not low <= first_v + climb * share * share * (3 - 2 * share) <= high:
                return False
    return True
