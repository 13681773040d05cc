"""Arrows that cross others -> the same with a small arc over each, so that nobody takes one for the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from graphviz_ad._internal.layouts.margins import Path
from graphviz_ad._internal.scene.scene import Point

RADIUS = 5.0  # points of an arc
HANDLE = 0.5523 * RADIUS  # of a Bézier that is a quarter of a circle
Piece = tuple[Point, Point]


def with_bridges(paths: Sequence[Path], lines: Collection[int]) -> list[Path]:
    """The paths, in which these ones bridge all others that they cross, and those of them before."""
    found, crossed = list(paths), [straight_pieces(path) for path in paths]
    waiting = sorted(lines)
    below = [piece for i, pieces in enumerate(crossed) if i not in lines for piece in pieces]
    for line in waiting:
        found[line] = bridging(paths[line], below)
        below += crossed[line]
    return found


def straight_pieces(path: Path) -> list[Piece]:
    """The pieces of a path that run straight across or down."""
    return [(path[i], path[i + 3]) for i in range(0, len(path) - 3, 3) if axis_of(path[i : i + 4]) is not None]


def axis_of(points: Sequence[Point]) -> int | None:
    """Along which coordinate all of these points are in a line; None along neither."""
    return next((axis for axis in (0, 1) if len({point[1 - axis] for point in points}) == 1), None)


def bridging(path: Path, below: Iterable[Piece]) -> Path:
    """A path with an arc over each of these pieces that it crosses where it runs straight."""
    made: Path = path[:1]
    below = list(below)
    for i in range(0, len(path) - 3, 3):
        piece = path[i : i + 4]
        axis = axis_of(piece)
        for at in bridges(piece[0], piece[3], axis, below) if axis is not None else ():
            made = arched(made, at, axis or 0, forward=piece[3][axis or 0] > piece[0][axis or 0])
        made = (*made, *piece[1:]) if made[-1] == piece[0] else joined(made, piece[3])
    return made


def bridges(start: Point, end: Point, axis: int, below: Sequence[Piece]) -> Iterator[Point]:
    """The middles of the arcs of a straight piece, from its start, none in another or in an end of it."""
    (first, last), level = sorted((start[axis], end[axis])), start[1 - axis]
    places = sorted(
        a[axis]
        for a, b in below
        if a[axis] == b[axis]
        and first + RADIUS < a[axis] < last - RADIUS
        and min(a[1 - axis], b[1 - axis]) < level < max(a[1 - axis], b[1 - axis])
    )
    kept = [at for before, at in pairwise([float("-inf"), *places]) if at - before > 2 * RADIUS]
    for at in kept if end[axis] > start[axis] else kept[::-1]:
        yield (at, level) if axis == 0 else (level, at)


def joined(path: Path, end: Point) -> Path:
    """A path that goes on straight."""
    (x, y), (to_x, to_y) = path[-1], end
    return (*path, *((x + (to_x - x) * share, y + (to_y - y) * share) for share in (1 / 3, 2 / 3)), end)


def arched(path: Path, middle: Point, axis: int, *, forward: bool) -> Path:
    """A path that goes on straight as far as an arc, and over it, to the left or upwards."""
    way = 1.0 if forward else -1.0

    def point(along: float, across: float) -> Point:
        x, y = middle
        return (x + way * along, y - across) if axis == 0 else (x - across, y + way * along)

    path = joined(path, point(-RADIUS, 0.0))
    path = (*path, point(-RADIUS, HANDLE), point(-HANDLE, RADIUS), point(0.0, RADIUS))
    return (*path, point(HANDLE, RADIUS), point(RADIUS, HANDLE), point(RADIUS, 0.0))
