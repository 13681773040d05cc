"""Placed Scene -> what makes it hard to read: arrows that cross, or run through boxes and words, and arrows that are
far too long.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.scene.scene import Arrow, Point, Scene

FINE = 10  # straight pieces in which a Bézier is looked at
SHARES = tuple(
    ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in (i / FINE for i in range(1, FINE + 1))
)
END = 2.0  # points around the end of an arrow
NEAR = 1.0  # points by which an arrow may touch what it does not lead to
Frame = tuple[float, float, float, float]  # left, top, right, bottom
Numbers: TypeAlias = "NDArray[np.float64]"
Truths: TypeAlias = "NDArray[np.bool_]"
Places: TypeAlias = "NDArray[np.intp]"


class Overlaps:
    """What is in the way of what in a placed scene, where arrows with keys in ``turned`` turn between rows; each is
    counted when it is asked for, as crossings cost most and matter least.
    """

    def __init__(self, scene: Scene, turned: Collection[str] = ()) -> None:
        self.scene, self.turned = scene, turned
        self.courses = [course(arrow) for arrow in scene.arrows if arrow.path]
        self.pieces = Pieces(self.courses)

    @property
    def faults(self) -> int:
        """What must not be in any picture."""
        return self.through_boxes + self.through_words

    @cached_property
    def crossings(self) -> int:
        """How many pairs of arrows cross."""
        return self.pieces.crossings()

    @cached_property
    def through_boxes(self) -> int:
        """How often arrows run through a box."""
        boxes = [(box.key, frame_at(box.center, box.width, box.height)) for box in self.scene.boxes if box.center]
        return sum(in_the_way(self.pieces, key, frame) for key, frame in boxes)

    @cached_property
    def through_words(self) -> int:
        """How often arrows run through words."""
        said = [arrow for arrow in self.scene.arrows if arrow.lines]
        words = [frame_at(a.label_center, a.width - 10, a.height - 6) for a in said if a.label_center]
        return sum(len(self.pieces.through(frame)) for frame in words)

    @cached_property
    def longest(self) -> float:
        """The length of the longest arrow that does not turn between rows."""
        return max((each.length for each in self.courses if each.arrow.key not in self.turned), default=0.0)

    @cached_property
    def longest_turn(self) -> float:
        """The length of the longest that does."""
        return max((each.length for each in self.courses if each.arrow.key in self.turned), default=0.0)


@dataclass(frozen=True)
class Course:
    """Where an arrow runs: points along it, and the rectangle around them."""

    arrow: Arrow
    line: tuple[Point, ...]
    around: Frame

    @property
    def length(self) -> float:
        """How long it is."""
        return sum(math.dist(a, b) for a, b in pairwise(self.line))


def overlaps(scene: Scene, turned: Collection[str] = ()) -> Overlaps:
    """What is in the way of what in a placed scene; ``turned`` are the keys of arrows that turn between rows."""
    return Overlaps(scene, turned)


class Pieces:
    """All straight pieces of arrows, side by side: as many of them are looked at at once as can be."""

    def __init__(self, courses: Sequence[Course]) -> None:
        self.courses = courses
        lines = [list(pairwise(each.line)) for each in courses]
        ends = np.array([piece for line in lines for piece in line], dtype=np.float64).reshape(-1, 2, 2)
        self.starts, self.ends = ends[:, 0], ends[:, 1]
        least, most = ends.min(1), ends.max(1)
        self.left, self.top = np.ascontiguousarray(least.T)
        self.right, self.bottom = np.ascontiguousarray(most.T)
        self.first = np.cumsum([0, *map(len, lines)])  # piece of each arrow
        self.arrow = np.repeat(np.arange(len(lines)), [len(line) for line in lines])

    def crossings(self) -> int:
        """How many pairs of arrows cross."""
        return sum(self._crossed_by(i) for i in range(len(self.courses)))

    def _crossed_by(self, i: int) -> int:
        """How many of the arrows behind one it crosses."""
        own = slice(self.first[i], self.first[i + 1])
        near = self._near(self.courses[i].around, own.stop)
        meeting = (self.left[near] <= self.right[own, None]) & (self.right[near] >= self.left[own, None])
        meeting &= (self.top[near] <= self.bottom[own, None]) & (self.bottom[near] >= self.top[own, None])
        mine, others = np.nonzero(meeting)  # of all pairs of pieces, few are near each other
        p, q = self.starts[own][mine], self.ends[own][mine]
        r, s = self.starts[near[others]], self.ends[near[others]]
        cross = (turns(p, r, s) != turns(q, r, s)) & (turns(p, q, r) != turns(p, q, s))
        return len(set(self.arrow[near[others[cross]]].tolist()))

    def through(self, frame: Frame) -> Sequence[int]:
        """The arrows that are inside a rectangle anywhere."""
        near = self._near(frame)
        inside = enter(self.starts[near], self.ends[near], frame)
        found: list[int] = sorted({*self.arrow[near][inside].tolist()})  # np.unique imports numpy.ma
        return found

    def _near(self, frame: Frame, first: int = 0) -> Places:
        """Which pieces may meet a rectangle, from the first that is asked for on."""
        left, top, right, bottom = frame
        meets = (self.left[first:] <= right) & (self.right[first:] >= left)
        meets &= (self.top[first:] <= bottom) & (self.bottom[first:] >= top)
        return np.flatnonzero(meets) + first


def in_the_way(pieces: Pieces, key: str, frame: Frame) -> int:
    """How many arrows run through a box; of its own arrows it is touched at their ends."""
    found = [pieces.courses[i] for i in pieces.through(frame)]
    return sum(key not in (each.arrow.tail, each.arrow.head) or runs_through(each, frame) for each in found)


def course(arrow: Arrow) -> Course:
    """Where an arrow runs."""
    line = tuple(points_along(arrow.path))
    xs, ys = zip(*line, strict=True)
    return Course(arrow, line, (min(xs), min(ys), max(xs), max(ys)))


def runs_through(own: Course, frame: Frame) -> bool:
    """Whether an arrow is inside its own box but at its ends."""
    line = np.array(shortened(own.line)).reshape(-1, 2)
    return bool(enter(line[:-1], line[1:], frame).any())


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


def enter(starts: Numbers, ends: Numbers, frame: Frame) -> Truths:
    """Which straight pieces are inside a rectangle anywhere: what is left of each between two sides, and two more.

    ``starts`` and ``ends``: pieces × 2.
    """
    least, most = np.array(frame[:2]) + NEAR, np.array(frame[2:]) - NEAR
    ways = ends - starts
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = (least - starts) / ways, (most - starts) / ways
    between = (least < starts) & (starts < most)  # for all of the way, where a piece does not move between two sides
    low = np.where(ways != 0, np.minimum(first, last), np.where(between, 0.0, 1.0))
    high = np.where(ways != 0, np.maximum(first, last), np.where(between, 1.0, 0.0))
    left: Truths = np.maximum(low.max(-1), 0.0) < np.minimum(high.min(-1), 1.0)
    return left


def turns(a: Numbers, b: Numbers, c: Numbers) -> Truths:
    """Whether the way from a over b to c turns left, for arrays of points whose last axis is x and y."""
    turned: Truths = (c[..., 1] - a[..., 1]) * (b[..., 0] - a[..., 0]) > (b[..., 1] - a[..., 1]) * (
        c[..., 0] - a[..., 0]
    )
    return turned
