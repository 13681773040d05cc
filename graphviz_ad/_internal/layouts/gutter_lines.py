"""Boxes in rows + arrows that lead far -> the way of each around all that stands there: between the rows, where each
has a lane of its own, and through gaps in them.

``u`` runs along the rows, ``v`` across them, in each row from its own axis on. Gutter ``i`` lies before row ``i``, the
last one behind all rows. What is known of a way before the gutters have their breadth is where it runs across rows and
in which order gutters hold what runs in them; so they are as broad as that needs, and no broader.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import combinations, pairwise

from graphviz_ad._internal.scene.scene import Point

LANE, OUTER = 16.0, 18.0  # points between two lanes, and between two ways around the ends of rows
CLEAR, INSET = 5.0, 13.0  # points between a way and what it passes, and between the corner of a box and a way from it
HALF = 10.0  # points on both sides of a way that no other runs in, beside what is kept clear
KEPT = 13.0  # points of an arrow that its head takes, which nothing crosses
NEAR = 14.0  # points: of two ways across a gutter that are closer, one is not told from the other
BEND, CROSSING = 25.0, 160.0  # points of a detour that are as bad as a bend, and as crossing an arrow
SHORT, KINK = 16.0, 130.0  # points from one bend to the next that are a kink, and how bad that is
DETOUR, AROUND = 2.0, 120.0  # times the straight way, and points more, that a way is long at most
Frame = tuple[float, float, float, float]  # least u and v, greatest u and v
Span = tuple[float, float]


@dataclass
class Row:
    """What stands in a row: how far it reaches to both sides of its axis, ``blocks`` that nothing passes, and from
    where to where along u an arrow runs that may be crossed. Ways that were found are blocks from then on, of which
    some only touch the border of the row, and so reach a point beyond it.
    """

    low: float
    high: float
    blocks: list[Frame] = field(default_factory=list)
    arrows: list[Span] = field(default_factory=list)

    def free(self, first: float, last: float, low: float, high: float) -> list[Span]:
        """Between two places along u, where nothing is in the way from one v to another."""
        taken = sorted((a - CLEAR, c + CLEAR) for a, b, c, d in self.blocks if b < high and d > low)
        found, begin = [], first
        for start, end in taken:
            if start > begin:
                found.append((begin, min(start, last)))
            begin = max(begin, end)
        return [(a, b) for a, b in [*found, (begin, last)] if a <= b and a <= last]

    def shafts(self) -> list[float]:
        """Places along u where a way may run across the whole row, its outside included."""
        ends = [u for a, _, c, _ in self.blocks for u in (a, c)] + [u for span in self.arrows for u in span]
        first, last = min(ends, default=0.0) - CLEAR, max(ends, default=0.0) + CLEAR
        gaps = self.free(first, last, -self.low, self.high)
        outside = (first - OUTER, first, last, last + OUTER)
        return sorted({*outside, *(middle for a, b in gaps if a > first and b < last for middle in [(a + b) / 2])})

    def crossed_at(self, u: float) -> int:
        """How many arrows a way across the row crosses there."""
        return sum(a < u < b for a, b in self.arrows)

    def take(self, u: float, low: float, high: float) -> None:
        """Keeps all others away from a way there."""
        self.blocks.append((u - HALF, low, u + HALF, high))


@dataclass(frozen=True)
class Wish:
    """An arrow that is to be drawn: the row and the frame of the box that it comes from, and the row, the same or a
    later one, and the place on the near side of that to which it leads.
    """

    row: int
    frame: Frame
    goal_row: int
    goal: float

    @property
    def leaves_low(self) -> bool:
        """Whether its goal is on the near side of its row, where it leaves its box then."""
        return self.goal_row <= self.row

    def is_detour(self, rows: Sequence[Row], way: Way) -> bool:
        """Whether a way is much longer than the straight one, or leads across a row that it has no need to cross."""
        between = [rows[i].low + rows[i].high for i in range(self.row + 1, self.goal_row)]
        straight = max(self.frame[0] - self.goal, self.goal - self.frame[2], 0.0) + sum(between)
        long = length(way) + sum(between)
        return len(way.gutters) - 1 > len(between) or long > DETOUR * straight + AROUND


@dataclass(frozen=True)
class Turn:
    """An arrow from the end of a row to the begin of the next: where it leaves the one, and comes into the other."""

    row: int
    out: float
    back: float


@dataclass(frozen=True)
class Way:
    """Where a way runs across, from its box to its goal, and the gutters between these places."""

    across: tuple[float, ...]
    gutters: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A piece of a way in a gutter, by the number of the way and of the piece: from where to where along u, and on
    which side of the gutter its ends go on, against v if ``low``.
    """

    way: int
    piece: int
    ends: Span
    low: tuple[bool, bool]

    @property
    def span(self) -> Span:
        """From the least u to the greatest."""
        return min(self.ends), max(self.ends)

    def leaving(self, *, low: bool) -> list[float]:
        """Where it goes on on one side of the gutter."""
        return [u for u, side in zip(self.ends, self.low, strict=True) if side == low]


@dataclass(frozen=True)
class Lanes:
    """For each gutter how many lanes it has, and the lane of each run, by the numbers of its way and piece."""

    counts: tuple[int, ...]
    of_run: Mapping[tuple[int, int], int]


def ways_around(rows: Sequence[Row], wishes: Sequence[Wish]) -> list[Way | None]:
    """The way of each, the shortest first, as those that are found are in the way of the others; None where there is
    none but detours.
    """
    found: list[Way | None] = [None] * len(wishes)
    order = sorted(range(len(wishes)), key=lambda i: (abs(wishes[i].goal_row - wishes[i].row), i))
    for wish in wishes:
        rows[wish.goal_row].take(wish.goal, -rows[wish.goal_row].low - 1, -rows[wish.goal_row].low + 1)
    for number in order:
        way = shortest(rows, wishes[number])
        if way is not None and not wishes[number].is_detour(rows, way):
            found[number] = way
            take(rows, wishes[number], way)
    return found


def take(rows: Sequence[Row], wish: Wish, way: Way) -> None:
    """Keeps others away from where a way runs across rows."""
    row, (_, low, _, high) = rows[wish.row], wish.frame
    row.take(way.across[0], *((-row.low - 1, low) if wish.leaves_low else (high, row.high + 1)))
    for u, (before, after) in zip(way.across[1:-1], pairwise(way.gutters), strict=True):
        passed = rows[min(before, after)]
        passed.take(u, -passed.low, passed.high)


def exits(row: Row, wish: Wish, shafts: Sequence[float]) -> Iterator[float]:
    """Where a way may leave its box on the side of its goal: where along u, in its middle, near its goal, or so that it
    goes straight on across another row.
    """
    first, low, last, high = wish.frame
    inset = min(INSET, (last - first) / 2)
    begin, end = (-row.low - 1, low) if wish.leaves_low else (high, row.high + 1)
    gaps = row.free(first + inset, last - inset, begin, end)
    wished = [(first + last) / 2, wish.goal, *(u for u in shafts if first < u < last)]
    yield from dict.fromkeys(
        min((min(max(u, a), b) for a, b in gaps), key=lambda at: abs(at - u)) for u in wished if gaps
    )


State = tuple[float, int, float, tuple[float, ...], tuple[int, ...]]


def shortest(rows: Sequence[Row], wish: Wish) -> Way | None:
    """The way with the fewest detours, bends and arrows that it crosses."""
    shafts = [row.shafts() for row in rows]
    over = [[(at, CROSSING * row.crossed_at(at)) for at in each] for row, each in zip(rows, shafts, strict=True)]
    waiting: list[State] = []
    first = wish.row + (not wish.leaves_low)
    for u in exits(rows[wish.row], wish, [u for each in shafts for u in each]):
        heappush(waiting, (0.0, first, u, (u,), (first,)))
    seen: set[tuple[int, float]] = set()
    best: tuple[float, Way] | None = None
    while waiting:
        cost, gutter, u, across, gutters = heappop(waiting)
        if best is not None and cost >= best[0]:
            break
        if (gutter, u) in seen:
            continue
        seen.add((gutter, u))
        if gutter == wish.goal_row:
            whole = cost + along(u, wish.goal)
            if best is None or whole < best[0]:
                best = whole, Way((*across, wish.goal), gutters)
        for row in (gutter - 1, gutter):
            if 0 <= row < len(rows):
                beyond = gutter + 1 if row == gutter else row
                depth = rows[row].low + rows[row].high
                for at, crossed in over[row]:
                    more = along(u, at) + depth + crossed
                    heappush(waiting, (cost + more, beyond, at, (*across, at), (*gutters, beyond)))
    return None if best is None else best[1]


def length(way: Way | None) -> float:
    """How long a way runs along the rows."""
    return sum(abs(a - b) for a, b in pairwise(way.across)) if way is not None else 0.0


def along(first: float, last: float) -> float:
    """What it costs to go from one place to another in a gutter."""
    way = abs(last - first)
    return way + (2 * BEND if way else 0.0) + (KINK if 0 < way < SHORT else 0.0)


def runs_of(ways: Sequence[Way | None], wishes: Sequence[Wish], turns: Sequence[Turn]) -> list[list[Run]]:
    """What runs in each gutter; a turn has the number behind all ways, in the order of rows."""
    count = 1 + max([*(gutter for way in ways if way for gutter in way.gutters), *(turn.row + 1 for turn in turns), -1])
    found: list[list[Run]] = [[] for _ in range(count)]
    for number, turn in enumerate(turns, len(ways)):
        found[turn.row + 1].append(Run(number, 0, (turn.out, turn.back), (True, False)))
    for number, (way, wish) in enumerate(zip(ways, wishes, strict=True)):
        if way is None:
            continue
        rows = [wish.row, *(min(a, b) for a, b in pairwise(way.gutters)), wish.goal_row]
        for piece, gutter in enumerate(way.gutters):
            low = rows[piece] < gutter, rows[piece + 1] < gutter
            found[gutter].append(Run(number, piece, (way.across[piece], way.across[piece + 1]), low))
    return found


def lanes_of(gutters: Sequence[Sequence[Run]]) -> Lanes:
    """The lanes of all gutters."""
    of_run: dict[tuple[int, int], int] = {}
    counts = []
    for runs in gutters:
        lanes: list[tuple[Run, int]] = []
        for run in in_good_order(runs):
            lane = max((1 + at for other, at in lanes if share_a_lane_badly(run, other)), default=0)
            lanes.append((run, lane))
            of_run[run.way, run.piece] = lane
        counts.append(1 + max((lane for _, lane in lanes), default=-1))
    return Lanes(tuple(counts), of_run)


def share_a_lane_badly(a: Run, b: Run) -> bool:
    """Whether two runs would touch in one lane."""
    return a.span[0] - LANE < b.span[1] and b.span[0] - LANE < a.span[1]


def in_good_order(runs: Sequence[Run]) -> list[Run]:
    """The runs of a gutter so that few of them cross; each is put where it crosses least of those before it."""
    order: list[Run] = []
    for run in runs:
        tries = [[*order[:place], run, *order[place:]] for place in range(len(order) + 1)]
        order = min(tries, key=lambda each: sum(tangle(a, b) for a, b in combinations(each, 2)))
    return order


def tangle(upper: Run, lower: Run) -> int:
    """How often two runs cross where one has the lane before the other, or cannot be told apart."""
    up, down = lower.leaving(low=True), upper.leaving(low=False)
    crossed = sum(upper.span[0] < u < upper.span[1] for u in up) + sum(lower.span[0] < u < lower.span[1] for u in down)
    return crossed + 3 * at_bends(upper, lower)


def at_bends(upper: Run, lower: Run) -> int:
    """How often one of two runs crosses the other, or runs beside it, right where that bends."""
    up, down = lower.leaving(low=True), upper.leaving(low=False)
    return sum(abs(u - end) < NEAR for us, ends in ((up, upper.ends), (down, lower.ends)) for u in us for end in ends)


def muddled(gutters: Sequence[Sequence[Run]], lanes: Lanes) -> set[int]:
    """The numbers of ways that are crossed by others at bends, or cross those there."""
    found: set[int] = set()
    for runs in gutters:
        order = sorted(runs, key=lambda run: lanes.of_run[run.way, run.piece])
        found |= {way for a, b in combinations(order, 2) if at_bends(a, b) for way in (a.way, b.way)}
    return found


@dataclass(frozen=True)
class Lines:
    """The arrows that run between the rows, by their numbers: what was wished, the way of each that has one, and the
    lanes of all, each in a gutter that has ``room`` for one; ``turns`` are the numbers of what turns to a row, by rows.
    """

    wishes: Mapping[int, Wish]
    ways: Mapping[int, Way]
    lanes: Lanes
    numbers: Mapping[int, int]
    turns: Mapping[int, int]
    one: float

    @classmethod
    def found(cls, rows: Sequence[Row], wishes: Mapping[int, Wish], turns: Mapping[int, Turn], one: float) -> Lines:
        """Ways and lanes for all that is wished, but for what would cross others at bends."""
        asked, turning = list(wishes.values()), list(turns.values())
        found = ways_around(rows, asked)
        while True:
            gutters = runs_of(found, asked, turning)
            lanes = lanes_of(gutters)
            bad = [number for number in sorted(muddled(gutters, lanes)) if number < len(asked)]
            if not bad:
                break
            found[max(bad, key=lambda number: length(found[number]))] = None
        ways = {arrow: way for arrow, way in zip(wishes, found, strict=True) if way is not None}
        numbers = {arrow: i for i, arrow in enumerate(wishes)}
        return cls(wishes, ways, lanes, numbers, {row: len(asked) + i for i, row in enumerate(turns)}, one)

    def room(self, gutter: int, empty: float) -> float:
        """How broad a gutter is, and what it is without anything that runs in it."""
        count = self.lanes.counts[gutter] if gutter < len(self.lanes.counts) else 0
        return self.one + (count - 1) * LANE if count else empty

    def lane(self, way: int, piece: int, begin: float) -> float:
        """Where a lane is in a gutter that begins there."""
        return begin + self.one / 2 + self.lanes.of_run[way, piece] * LANE

    def lane_of_turn(self, row: int, begin: float) -> float:
        """The same of what turns to a row."""
        return self.lane(self.turns[row], 0, begin)

    def corners(self, arrow: int, axes: Sequence[float], begins: Sequence[float], end: float) -> list[Point]:
        """The corners of a line in u and v, from the border of its box through its lanes to its end; where the axes of
        the rows are, and where gutters begin.
        """
        way, wish, number = self.ways[arrow], self.wishes[arrow], self.numbers[arrow]
        corners = [(way.across[0], axes[wish.row] + wish.frame[1 if wish.leaves_low else 3])]
        for piece, gutter in enumerate(way.gutters):
            lane = self.lane(number, piece, begins[gutter])
            corners += [(way.across[piece], lane), (way.across[piece + 1], lane)]
        return without_straight_ones([*corners, (way.across[-1], end)])


def without_straight_ones(points: Iterable[Point]) -> list[Point]:
    """Corners where something turns."""
    found: list[Point] = []
    for point in points:
        if found and math.dist(found[-1], point) < 1e-6:
            continue
        while len(found) > 1 and (found[-2][0] == found[-1][0] == point[0] or found[-2][1] == found[-1][1] == point[1]):
            found.pop()
        found.append(point)
    return found
