"""Placed Scene -> the same in several rows, as long text stands in lines: so that a long graph fills a screen with
letters that can be read.

The picture is cut where no box, word or frame is in the way. Each arrow across a cut goes on at the begin of the next
row, where it would have gone on; between the rows, such arrows run side by side in lanes and never cross. ``u`` runs
along the rows, ``v`` across them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import le
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.layouts.margins import MARGIN, Frame, Path, Places, settle, size_of
from graphviz_ad._internal.scene.scene import Point, Scene

LANE, ROUND = 12.0, 8.0  # points between two arrows side by side, and of the radius of their corners
AIR = 10.0  # points between a row and the lanes beside it
# points between a cut and what it must not touch, and before the box in front of which it is, for an arrowhead
CLEARANCE, HEAD = 3.0, 16.0
TANGLE = 0.02  # how much worse a picture gets with an arrow that goes from row to row, beyond one at each cut
MOST, TYPICAL, UNBOUND = 12, 4, 36  # rows; the last of a picture that is for no place
PLACES = 200  # for a cut; of more, some are passed over
Table: TypeAlias = "NDArray[np.float64]"
Truths: TypeAlias = "NDArray[np.bool_]"
FINE = 12  # straight pieces in which a Bézier is searched


@dataclass(frozen=True)
class Cut:
    """Where a row ends, and the arrows across it by their numbers; those of a cut that is made, from low to high v."""

    u: float
    arrows: tuple[int, ...]


@dataclass(frozen=True)
class Rows:
    """Where everything is in rows, and how large the picture is then; ``places`` are None where one row is best, and
    all stays where it was. ``tangle`` counts the arrows that lead from row to row beyond one at each cut; ``turned``
    are the keys of those that lead alone from the last box of a row to the first of the next, which are followed
    easily however long they are; ``lines`` are those that run between the rows from one box to another.
    """

    scene: Scene
    size: Point
    count: int = 1
    places: Places | None = None
    tangle: int = 0
    turned: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def settled(self) -> Scene:
        """The scene in these rows."""
        return (
            settle(self.scene, self.places, f"{self.scene.engine}, in {self.count} rows")
            if self.places is not None
            else self.scene
        )


def wrapped(scene: Scene, fits: Callable[[Point], float]) -> Scene:
    """The placed scene in as many rows as fit best; the scene itself where one row does. ``fits`` as in `best_rows`."""
    return best_rows(scene, fits, most=UNBOUND).settled()


def best_rows(
    scene: Scene, fits: Callable[[Point], float], fold: Fold | None = None, *, least: int = 2, most: int = MOST
) -> Rows:
    """The rows, at most so many, into which a placed scene fits best.

    ``fits`` says how well a picture of some width and height fits, in any unit; each arrow that has to find its way to
    the next row makes it a little worse. ``fold`` makes rows of cuts; None leads arrows from row to row.
    """
    return best_rows_of(Strip(scene), fits, fold, least=least, most=most)


def best_rows_of(
    strip: Strip, fits: Callable[[Point], float], fold: Fold | None = None, *, least: int = 2, most: int = MOST
) -> Rows:
    """The same of a strip, which may be asked for rows of either kind. Only those that are best are made."""
    best = Rows(strip.scene, strip.scene.size or (1.0, 1.0))
    chosen: tuple[Cut, ...] = ()
    score = fits(best.size)
    for rows in range(least, most + 1):
        cuts = strip.cuts(rows)
        if len(cuts) < rows - 1:
            break
        made, places, turned = fold(strip, cuts) if fold is not None else (strip.scene, None, alone_at_a_cut(cuts))
        size = strip.measured(cuts) if places is None else size_of(made, places)
        tangle = sum(len(cut.arrows) for cut in cuts) - len(cuts)
        if (now := fits(size) * max(1 - TANGLE * tangle, 0.5)) > score:
            keys = tuple([strip.scene.arrows[number].key for number in turned])
            best, score, chosen = Rows(made, size, rows, places, tangle, keys), now, cuts
        elif now < 0.8 * score:
            break
    return replace(best, places=strip.folded(chosen)) if chosen and best.places is None else best


def alone_at_a_cut(cuts: Sequence[Cut]) -> list[int]:
    """The arrows that lead but from one row to the next, and that no other accompanies."""
    times = Counter(number for cut in cuts for number in cut.arrows)
    return [cut.arrows[0] for cut in cuts if len(cut.arrows) == 1 == times[cut.arrows[0]]]


def no_longer_than(length: float, *, flat: bool) -> Callable[[Point], float]:
    """Says how well a picture fits whose rows, from left to right if ``flat``, should be no longer."""
    return lambda size: min(length / max(size[0] if flat else size[1], 1.0), 1.0)


# what is drawn, where it is, and which arrows turn at the end of a row to go on in the next
Fold = Callable[["Strip", Sequence[Cut]], tuple[Scene, Places, Sequence[int]]]


class Strip:
    """A placed scene along its direction: where it can be cut, and what it looks like then."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.flat = scene, scene.direction != "TB"
        self.length = self.turn(scene.size or (0.0, 0.0))[0]
        frames = [*_frames(scene)]
        self.extents = [self.extent(frame) for frame, _ in frames]
        self.words = [is_word for _, is_word in frames]
        self.paths = [self.turned(arrow.path) for arrow in scene.arrows]
        self.points = _points(self.paths)
        self.spans = [(min(u for u, _ in path), max(u for u, _ in path)) if path else (0.0, 0.0) for path in self.paths]
        self.reach = [_around_points(points) for points in self.points]
        self.pieces: dict[tuple[int, float], tuple[Path, Path]] = {}
        self.made: dict[int, Cut] = {}  # those of the candidates that were asked for
        self.candidates = self.possible()
        self.table: list[list[tuple[float, int]]] = []  # what `choices` has found so far
        self.numbers = _Numbers(self)

    def turn(self, point: Point) -> Point:
        """From x and y to u and v, and back."""
        return point if self.flat else (point[1], point[0])

    def turned(self, path: Path) -> Path:
        """The same for a whole path."""
        return path if self.flat else tuple([(y, x) for x, y in path])

    def extent(self, frame: Frame) -> tuple[float, float, float, float]:
        """A frame in u and v."""
        return (*self.turn(frame[:2]), *self.turn(frame[2:]))

    def possible(self) -> list[Cut]:
        """The gaps that arrows alone cross, and each of them once."""
        gaps = list(self.gaps())
        crossing: list[list[int]] = [[] for _ in gaps]
        closed = set()
        for arrow, ((low, high), points) in enumerate(zip(self.spans, self.points, strict=True)):
            us = [u for u, _ in points]
            straight = all(map(le, us, us[1:]))
            for gap in range(bisect_right(gaps, low), bisect_left(gaps, high)):
                if crosses_once(us, gaps[gap], straight=straight):
                    crossing[gap].append(arrow)
                else:
                    closed.add(gap)
        found = [(u, crossing[gap]) for gap, u in enumerate(gaps) if gap not in closed]
        return [Cut(u, tuple(arrows)) for u, arrows in found[:: 1 + len(found) // PLACES]]

    def cut(self, place: int) -> Cut:
        """A candidate as it is made, its arrows in the order in which they cross it; found once."""
        if place not in self.made:
            u, arrows = self.candidates[place].u, self.candidates[place].arrows
            crossings = [(_crossing(self.paths[arrow], u), arrow) for arrow in arrows if len(arrows) > 1]
            self.made[place] = Cut(u, tuple(arrow for _, arrow in sorted(crossings)) or arrows)
        return self.made[place]

    def gaps(self) -> Iterator[float]:
        """Places just before a box or frame where no other, and no word, is in the way."""
        reach = -math.inf
        for low, high, is_word in sorted(
            (extent[0], extent[2], is_word) for extent, is_word in zip(self.extents, self.words, strict=True)
        ):
            gap = low - reach
            if not is_word and math.inf > gap > 2 * CLEARANCE:
                yield low - min(gap / 2, HEAD)
            reach = max(reach, high)

    def split(self, arrow: int, u: float) -> tuple[Path, Path]:
        """The path of an arrow before and after a cut; found once, for each number of rows asks again."""
        if (arrow, u) not in self.pieces:
            self.pieces[arrow, u] = split(self.paths[arrow], u)
        return self.pieces[arrow, u]

    def choices(self, rows: int) -> list[tuple[float, int]]:
        """For each place where that many rows may end, counted from the first: what they cost at least, and where
        the last of them begins.

        Rows of one length are best, as the squares of all lengths add up; an arrow to the next row costs as much as a
        bit of unevenness.
        """
        if len(self.table) >= rows:
            return self.table[rows - 1]
        ends, prices, squares = self.ends_and_prices
        if not self.table:
            self.table.append([(end * end + price, 0) for end, price in zip(ends, prices, strict=True)])
        while len(self.table) < rows:
            # of two ways alike, the one with the longer rows on top
            before, weight = np.array([cost for cost, _ in self.table[-1]]), 1 + 0.01 * len(self.table)
            costs = before + weight * squares + np.array(prices)[:, None]
            self.table.append([*zip(costs.min(1).tolist(), costs.argmin(1).tolist(), strict=True)])
        return self.table[rows - 1]

    @cached_property
    def ends_and_prices(self) -> tuple[list[float], list[float], Table]:
        """Where rows may end, what that costs, and for each end the squares of the lengths of rows up to there, from
        each end before it; of others, they are infinite.
        """
        ends = [0.0, *(cut.u for cut in self.candidates), self.length]
        price = TANGLE * (self.length / TYPICAL) ** 2
        prices = [0.0, *(price * max(len(cut.arrows) - 1, 0) for cut in self.candidates), 0.0]
        squares = [
            [(end - ends[j]) ** 2 if j < i else math.inf for j in range(len(ends))] for i, end in enumerate(ends)
        ]
        return ends, prices, np.array(squares)

    def bands(self, edges: Sequence[float], allowed: Truths | None = None) -> list[tuple[float, float]]:
        """The least and greatest v of what is between two places along u and the next, of the arrows that are allowed
        there.
        """
        numbers, low, high = self.numbers, np.array(edges[:-1])[:, None], np.array(edges[1:])[:, None]
        inside = (low <= numbers.middles) & (numbers.middles <= high)
        crossing = (numbers.spans[0] < high) & (numbers.spans[1] > low)
        crossing = crossing if allowed is None else crossing & allowed
        reach = numbers.reach
        whole = crossing & (low <= reach[0]) & (reach[2] <= high)  # as most are
        least = np.minimum(_least(inside, numbers.extents[1]), _least(whole, reach[1])).tolist()
        most = np.maximum(_most(inside, numbers.extents[3]), _most(whole, reach[3])).tolist()
        for row, number in np.argwhere(crossing & ~whole).tolist():
            found = [v for u, v in self.points[number] if edges[row] <= u <= edges[row + 1]]
            least[row], most[row] = min([least[row], *found]), max([most[row], *found])
        return [*zip(least, most, strict=True)]

    def cuts(self, rows: int) -> tuple[Cut, ...]:
        """The best cuts into so many rows; fewer where there are not enough gaps."""
        place, chosen = len(self.candidates) + 1, []
        for row in range(rows - 1, 0, -1):
            place = self.choices(row + 1)[place][1]
            if place:
                chosen.append(self.cut(place - 1))
        return tuple(reversed(chosen))

    def measured(self, cuts: Sequence[Cut]) -> Point:
        """How large the picture is in rows, without making them."""
        return _Rows(self, cuts).size()

    def folded(self, cuts: Sequence[Cut]) -> Places:
        """Where everything is in rows."""
        rows = _Rows(self, cuts)
        scene = self.scene
        centers = [self.turn(rows.moved(self.turn(box.center))) for box in scene.boxes if box.center]
        labels = [
            self.turn(rows.moved(self.turn(arrow.label_center))) if arrow.label_center else None
            for arrow in scene.arrows
        ]
        paths = [self.turned(rows.path(number)) for number in range(len(scene.arrows))]
        frames = [
            self.frame(rows, group.corner, group.size) if group.corner and group.size and group.size[0] else None
            for group in scene.groups
        ]
        return Places(centers, paths, labels, frames)

    def frame(self, rows: _Rows, corner: Point, size: Point) -> Frame:
        """The frame of a group, in its row."""
        u, v = rows.moved(self.turn(corner))
        x, y = self.turn((u, v))
        return x, y, x + size[0], y + size[1]


class _Numbers:
    """The same as numbers side by side: where boxes, words and frames are and how far arrows reach, in u and v, as all
    are moved for each number of rows that is tried.
    """

    def __init__(self, strip: Strip) -> None:
        scene = strip.scene
        self.extents = np.array(strip.extents).reshape(-1, 4).T
        self.middles = (self.extents[0] + self.extents[2]) / 2
        self.spans = np.array(strip.spans).reshape(-1, 2).T
        self.reach = np.array(strip.reach).reshape(-1, 4).T
        middles = [
            *((box.center, (box.width / 2, box.height / 2)) for box in scene.boxes if box.center),
            *(
                (arrow.label_center, (arrow.width / 2, arrow.height / 2))
                for arrow in scene.arrows
                if arrow.label_center
            ),
        ]
        frames = [(group.corner, group.size) for group in scene.groups if group.corner and group.size and group.size[0]]
        self.places = self.points(map(strip.turn, [*(middle for middle, _ in middles), *(each for each, _ in frames)]))
        halves = [strip.turn(half) for _, half in middles]
        sizes = self.points(map(strip.turn, (size for _, size in frames)))
        self.before = np.concatenate([self.points(halves), np.zeros_like(sizes)])
        self.behind = np.concatenate([self.points(halves), sizes])
        self.drawn = [i for i, path in enumerate(strip.paths) if path]
        paths = [strip.paths[i] for i in self.drawn]
        self.starts = np.array([path[0][0] for path in paths])
        around = np.array([_around_points(path) for path in paths]).reshape(-1, 4)
        self.low, self.high = around[:, :2], around[:, 2:]

    def points(self, found: Iterable[Point]) -> Table:
        """Some points, one below the other."""
        return np.array([*found], dtype=float).reshape(-1, 2)


def _least(chosen: Truths, values: Table) -> Table:
    """The least of the chosen values, in each row; of none, it is infinite."""
    found: Table = np.where(chosen, values, math.inf).min(1, initial=math.inf)
    return found


def _most(chosen: Truths, values: Table) -> Table:
    """The greatest of them."""
    found: Table = np.where(chosen, values, -math.inf).max(1, initial=-math.inf)
    return found


class _Rows:
    """The rows of a folded strip: how far each moves, and the ways from one to the next."""

    def __init__(self, strip: Strip, cuts: Sequence[Cut]) -> None:
        self.strip, self.cuts = strip, cuts
        self.ends, self.torn = [cut.u for cut in cuts], {arrow for cut in cuts for arrow in cut.arrows}
        self.margin = LANE * max((len(cut.arrows) for cut in cuts), default=0) + AIR
        edges = [0.0, *(cut.u for cut in cuts), strip.length]
        bands = strip.bands(edges)
        self.shifts: list[Point] = []
        self.lanes: list[float] = []  # v of the first lane below each row
        v = 0.0
        for (low, high), start, cut in zip(bands, edges, [*cuts, None], strict=False):
            self.shifts.append((self.margin - start if start else self.margin - strip.extents[0][0], v - low))
            v += high - low + AIR
            self.lanes.append(v)
            v += LANE * max(len(cut.arrows) - 1, 0) + AIR if cut else 0.0
        first = min(extent[0] for extent in strip.extents)
        self.shifts[0] = (self.margin - first, self.shifts[0][1])

    def row(self, u: float) -> int:
        """The row of what stands there."""
        return bisect_left(self.ends, u)

    def size(self) -> Point:
        """How large the picture is, as `size_of` has it, but no arrow is moved that stays in its row."""
        numbers, shifts, ends = self.strip.numbers, np.array(self.shifts), np.array(self.ends)
        places = numbers.places + shifts[np.searchsorted(ends, numbers.places[:, 0])]
        whole = np.array([number not in self.torn for number in numbers.drawn], dtype=bool)
        moves = shifts[np.searchsorted(ends, numbers.starts)]
        torn = [np.array(self.path(number)) for number in numbers.drawn if number in self.torn]
        lows = [places - numbers.before, (numbers.low + moves)[whole], *torn]
        highs = [places + numbers.behind, (numbers.high + moves)[whole], *torn]
        low, high = np.concatenate(lows).min(0) - MARGIN, np.concatenate(highs).max(0) + MARGIN
        along, across = (high - low).tolist()
        return self.strip.turn((round(along, 3), round(across, 3)))

    def moved(self, point: Point) -> Point:
        """A place of the strip in its row."""
        return self.into(self.row(point[0]), point)

    def into(self, row: int, point: Point) -> Point:
        """A place of the strip, moved with a row."""
        return point[0] + self.shifts[row][0], point[1] + self.shifts[row][1]

    def all_into(self, row: int, path: Path) -> Path:
        """A path of the strip, moved with a row."""
        du, dv = self.shifts[row]
        return tuple([(u + du, v + dv) for u, v in path])

    def path(self, number: int) -> Path:
        """An arrow: its pieces in the rows, and the ways between them."""
        rest = self.strip.paths[number]
        row = self.row(rest[0][0]) if rest else 0
        if number not in self.torn:
            return self.all_into(row, rest)
        done: Path = ()
        for index, cut in enumerate(self.cuts):
            if number in cut.arrows:
                piece, rest = split(rest, cut.u) if done else self.strip.split(number, cut.u)
                done = _joined(done, self.all_into(index, piece))
                done = _joined(done, self.way(index, cut.arrows.index(number), done[-1], self.into(index + 1, rest[0])))
                row = index + 1
        return _joined(done, self.all_into(row, rest))

    def way(self, index: int, place: int, start: Point, end: Point) -> Path:
        """From the end of a row to the begin of the next, in the lane of the ``place``-th arrow of the cut."""
        count = len(self.cuts[index].arrows)
        # what leaves highest goes around the others
        out, back = start[0] + LANE * (count - place), end[0] - LANE * (place + 1)
        lane = self.lanes[index] + LANE * (count - 1 - place)
        return rounded_way([start, (out, start[1]), (out, lane), (back, lane), (back, end[1]), end])


def _frames(scene: Scene) -> Iterator[tuple[Frame, bool]]:
    """What a cut must not touch, boxes, words on arrows and frames of groups; and whether it is words."""
    for box in scene.boxes:
        if box.center:
            yield _around(box.center, box.width, box.height), False
    for arrow in scene.arrows:
        if arrow.label_center:
            yield _around(arrow.label_center, arrow.width, arrow.height), True
    for group in scene.groups:
        if group.corner and group.size and group.size[0]:
            yield (*group.corner, group.corner[0] + group.size[0], group.corner[1] + group.size[1]), False


def _around(center: Point, width: float, height: float) -> Frame:
    return center[0] - width / 2, center[1] - height / 2, center[0] + width / 2, center[1] + height / 2


def _segments(path: Path) -> Iterator[tuple[Point, Point, Point, Point]]:
    for i in range(0, len(path) - 3, 3):
        yield path[i], path[i + 1], path[i + 2], path[i + 3]


SHARES = [i / FINE for i in range(1, FINE + 1)]
# of the four points of a Bézier at the share t
WEIGHTS = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in SHARES]


def crosses_once(us: Sequence[float], place: float, *, straight: bool) -> bool:
    """Whether an arrow with points there crosses a place once, from low to high; ``straight``: it never turns."""
    sides = [us[0] < place, us[-1] < place] if straight else [u < place for u in us]
    return sides[0] and False in sides and not any(sides[sides.index(False) :])


def _points(paths: Sequence[Path]) -> list[list[Point]]:
    """Points along chains of Béziers, their ends included; all at once, as there are many."""
    segments = [segment for path in paths for segment in _segments(path)]
    first, second, third, last = np.array(segments, dtype=float).reshape(-1, 4, 1, 2).swapaxes(0, 1)
    a, b, c, d = np.array(WEIGHTS).T[:, :, None]
    along = iter((a * first + b * second + c * third + d * last).tolist())
    return [[*path[:1], *((u, v) for _ in range(len(path) // 3) for u, v in next(along))] for path in paths]


def _around_points(points: Sequence[Point]) -> Frame:
    """From the least u and v to the greatest; of none, it is within nothing."""
    if not points:
        return -math.inf, 0.0, math.inf, 0.0
    along, across = zip(*points, strict=True)
    return min(along), min(across), max(along), max(across)


def _share(segment: tuple[Point, Point, Point, Point], u: float) -> float:
    """How far along a Bézier that runs to higher u it gets there, by bisection."""
    (first, _), (second, _), (third, _), (last, _) = segment
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        rest = 1 - middle
        reached = (
            rest**3 * first + 3 * middle * rest**2 * second + 3 * middle * middle * rest * third + middle**3 * last
        )
        low, high = (middle, high) if reached < u else (low, middle)
    return high


def _crossing(path: Path, u: float) -> float:
    """The v at which a chain that runs to higher u gets there; as `split` has it, to the last bit."""
    for segment in _segments(path):
        if segment[3][0] >= u:
            share = _share(segment, u)
            (_, a), (_, b), (_, c), (_, d) = segment
            ab, bc, cd = a + (b - a) * share, b + (c - b) * share, c + (d - c) * share
            abc, bcd = ab + (bc - ab) * share, bc + (cd - bc) * share
            return abc + (bcd - abc) * share
    raise ValueError("the path does not get there")


def split(path: Path, u: float) -> tuple[Path, Path]:
    """A chain that runs to higher u, before and after it gets there."""
    for number, segment in enumerate(_segments(path)):
        if segment[3][0] >= u:
            before, after = _halves(segment, _share(segment, u))
            # straight ahead across the cut, so that the way to the next row begins and ends without a kink
            v = before[3][1]
            return (*path[: 3 * number], *before[:2], (before[2][0], v), before[3]), (
                after[0],
                (after[1][0], v),
                *after[2:],
                *path[3 * number + 4 :],
            )
    raise ValueError("the path does not get there")


def _halves(segment: tuple[Point, Point, Point, Point], t: float) -> tuple[Path, Path]:
    """De Casteljau: both parts of a Bézier."""
    levels: list[list[Point]] = [list(segment)]
    while len(levels[-1]) > 1:
        levels.append([(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(levels[-1])])
    return tuple(level[0] for level in levels), tuple(level[-1] for level in reversed(levels))


def _joined(a: Path, b: Path) -> Path:
    return (*a, *b[1:]) if a else b


def line_between(start: Point, end: Point) -> Path:
    (x, y), across, down = start, end[0] - start[0], end[1] - start[1]
    return tuple([(x + across * share, y + down * share) for share in (0.0, 1 / 3, 2 / 3, 1.0)])


def rounded_way(corners: Sequence[Point]) -> Path:
    """A way around corners as a chain of Béziers."""
    path: Path = (corners[0],)
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(ROUND, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        begin, end = _step_towards(corner, before, radius), _step_towards(corner, after, radius)
        path = _joined(path, line_between(path[-1], begin))
        path = (*path, _step_towards(corner, before, 0.45 * radius), _step_towards(corner, after, 0.45 * radius), end)
    return _joined(path, line_between(path[-1], corners[-1]))


def _step_towards(start: Point, goal: Point, distance: float) -> Point:
    share = distance / (math.dist(start, goal) or 1.0)
    return start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share
