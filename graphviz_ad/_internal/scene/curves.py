"""Chains of cubic Béziers, as arrows are drawn -> points along them, their length, and parts of them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

from graphviz_ad._internal.scene.scene import Point

Chain = tuple[Point, ...]  # 3n + 1 points
PIECES = 16  # chords in whose place a Bézier stands when it is measured


def on_curve(points: Sequence[Point], t: float) -> Point:
    """The point of a cubic Bézier at ``t`` from 0 to 1."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    return a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3


def chords(points: Chain) -> list[Point]:
    """Points on a chain, close enough that lines between them are taken for it."""
    places = [points[0]]
    for start in range(0, len(points) - 3, 3):
        places += [on_curve(points[start : start + 4], (i + 1) / PIECES) for i in range(PIECES)]
    return places


@lru_cache(maxsize=256)
def measured(points: Chain) -> tuple[list[Point], list[float]]:
    """Points on a chain, and how long the way to each is."""
    places = chords(points)
    return places, [0.0, *accumulate(math.dist(a, b) for a, b in pairwise(places))]


def path_length(points: Chain) -> float:
    """Length of a chain, measured along chords."""
    return measured(points)[1][-1]


def along(points: Chain, shares: Iterable[float]) -> list[Point]:
    """The points at these shares of the length of a chain, from 0 to 1."""
    places, ways = measured(points)
    found = []
    for share in shares:
        way = share * ways[-1]
        i = min(max(bisect_right(ways, way), 1), len(ways) - 1)
        step = ways[i] - ways[i - 1]
        rest = (way - ways[i - 1]) / step if step else 0.0
        (x, y), (to_x, to_y) = places[i - 1], places[i]
        found.append((x + (to_x - x) * rest, y + (to_y - y) * rest))
    return found


def straight(begin: Point, end: Point) -> Chain:
    """A straight line as a chain."""
    (x, y), (to_x, to_y) = begin, end
    third = ((to_x - x) / 3, (to_y - y) / 3)
    return begin, (x + third[0], y + third[1]), (to_x - third[0], to_y - third[1]), end


def joined(*chains: Chain) -> Chain:
    """Chains one after the other, with straight lines between those that do not meet."""
    found = chains[0]
    for chain in chains[1:]:
        if math.dist(found[-1], chain[0]) > 1e-6:
            found = (*found, *straight(found[-1], chain[0])[1:])
        found = (*found, *chain[1:])
    return found


def cut_near(points: Chain, place: Point) -> tuple[Chain, Chain]:
    """The parts of a chain before and behind the point of it that is nearest to a place."""
    nearest = min(range(len(places := chords(points))), key=lambda i: (math.dist(places[i], place), i))
    start, t = nearest // PIECES * 3, nearest % PIECES / PIECES
    if not t:
        return points[: start + 1], points[start:]
    before, behind = split_curve(points[start : start + 4], t)
    return (*points[:start], *before), (*behind, *points[start + 4 :])


def split_curve(points: Sequence[Point], t: float) -> tuple[Chain, Chain]:
    """A Bézier as two."""
    rows = [list(points)]
    while len(rows[-1]) > 1:
        rows.append([(ax + (bx - ax) * t, ay + (by - ay) * t) for (ax, ay), (bx, by) in pairwise(rows[-1])])
    return tuple(row[0] for row in rows), tuple(row[-1] for row in reversed(rows))
