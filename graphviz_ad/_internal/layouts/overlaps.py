"""Placed Scene -> what makes it hard to read: arrows that cross, or run through boxes and words, and arrows that are
far too long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from graphviz_ad._internal.scene.scene import Arrow, Point, Scene

FINE = 10  # straight pieces in which a Bézier is looked at
SHARES = tuple(
    ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in (i / FINE for i in range(1, FINE + 1))
)
END = 2.0  # points around the end of an arrow
NEAR = 1.0  # points by which an arrow may touch what it does not lead to
Frame = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Overlaps:
    """How often arrows cross, and run through a box or through words; ``longest`` is the length of the longest."""

    crossings: int
    through_boxes: int
    through_words: int
    longest: float

    @property
    def faults(self) -> int:
        """What must not be in any picture."""
        return self.through_boxes + self.through_words


@dataclass(frozen=True)
class Course:
    """Where an arrow runs: points along it, and the rectangle around them."""

    arrow: Arrow
    line: tuple[Point, ...]
    around: Frame


def overlaps(scene: Scene) -> Overlaps:
    """What is in the way of what in a placed scene."""
    courses = [course(arrow) for arrow in scene.arrows if arrow.path]
    boxes = [(box.key, frame_at(box.center, box.width, box.height)) for box in scene.boxes if box.center]
    words = [frame_at(a.label_center, a.width - 10, a.height - 6) for a in scene.arrows if a.lines and a.label_center]
    return Overlaps(
        sum(cross(a, b) for a, b in combinations(courses, 2)),
        sum(is_in_the_way(each, key, frame) for each in courses for key, frame in boxes if meet(each.around, frame)),
        sum(runs_through(each.line, frame) for each in courses for frame in words if meet(each.around, frame)),
        max((sum(math.dist(a, b) for a, b in pairwise(each.line)) for each in courses), default=0.0),
    )


def course(arrow: Arrow) -> Course:
    """Where an arrow runs."""
    line = tuple(points_along(arrow.path))
    xs, ys = zip(*line, strict=True)
    return Course(arrow, line, (min(xs), min(ys), max(xs), max(ys)))


def meet(a: Frame, b: Frame) -> bool:
    """Whether two rectangles overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def is_in_the_way(each: Course, key: str, frame: Frame) -> bool:
    """Whether an arrow runs through a box; of its own boxes it touches the borders at its ends."""
    own = key in (each.arrow.tail, each.arrow.head)
    return runs_through(shortened(each.line) if own else each.line, frame)


def shortened(line: Sequence[Point]) -> list[Point]:
    """A line without what is within a point or two of its ends."""
    first, last = line[0], line[-1]
    return [point for point in line if math.dist(point, first) > END and math.dist(point, last) > END]


def points_along(path: Sequence[Point]) -> Iterator[Point]:
    """Points along a chain of Béziers, its ends included."""
    yield from path[:1]
    for i in range(0, len(path) - 3, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = path[i : i + 4]
        if ax == bx == cx == dx or ay == by == cy == dy:  # straight, as most are
            yield dx, dy
            continue
        for a, b, c, d in SHARES:
            yield a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy


def frame_at(center: Point, width: float, height: float) -> Frame:
    """The rectangle of that middle."""
    return center[0] - width / 2, center[1] - height / 2, center[0] + width / 2, center[1] + height / 2


def runs_through(line: Sequence[Point], frame: Frame) -> bool:
    """Whether a line is inside a rectangle anywhere."""
    inner = frame[0] + NEAR, frame[1] + NEAR, frame[2] - NEAR, frame[3] - NEAR
    return any(enters(a, b, inner) for a, b in pairwise(line))


def enters(start: Point, end: Point, frame: Frame) -> bool:
    """Whether a straight piece is inside a rectangle anywhere: what is left of it between two sides, and two more."""
    low, high = 0.0, 1.0
    for at, way, least, most in (
        (start[0], end[0] - start[0], frame[0], frame[2]),
        (start[1], end[1] - start[1], frame[1], frame[3]),
    ):
        if way == 0:
            if not least < at < most:
                return False
            continue
        first, last = sorted(((least - at) / way, (most - at) / way))
        low, high = max(low, first), min(high, last)
    return low < high


def cross(a: Course, b: Course) -> bool:
    """Whether two arrows cross."""
    if not meet(a.around, b.around):
        return False
    others = list(pairwise(b.line))
    for p, q in pairwise(a.line):
        left, right = (p[0], q[0]) if p[0] < q[0] else (q[0], p[0])
        low, high = (p[1], q[1]) if p[1] < q[1] else (q[1], p[1])
        for r, s in others:
            if (r[0] > right and s[0] > right) or (r[0] < left and s[0] < left):
                continue
            if (r[1] > high and s[1] > high) or (r[1] < low and s[1] < low):
                continue
            if turns(p, r, s) != turns(q, r, s) and turns(p, q, r) != turns(p, q, s):
                return True
    return False


def turns(a: Point, b: Point, c: Point) -> bool:
    """Whether the way from a over b to c turns left."""
    return (c[1] - a[1]) * (b[0] - a[0]) > (b[1] - a[1]) * (c[0] - a[0])
