"""Columns of items -> the same columns, each in an order in which few links cross.

From several orders to start with, sweeps there and back put each item where its neighbours are, and swaps of two
neighbours in a column save what is left. A graph of derivatives is nearly a tree towards its output: the order in which
a search backwards from there finds the items is often the best start.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from random import Random

Pair = tuple[int, int]  # an item and one in the next column
Columns = list[list[int]]
Neighbours = Sequence[Sequence[int]]

KEPT, MOST_KEPT = 32, 5_000  # columns whose order is kept, the last ones; items in them
SWEEPS = 12
PATIENCE = 4  # sweeps without a better order
COUNTED = 30_000  # more links than this are not counted: the last order is taken
TRANSPOSED = 4_000  # more items than this are not transposed, and have one start
ROUNDS = 8  # of swaps
SHAKEN = 300  # more items than this are not shaken
FAR = 4.0  # places, that an item may be moved by shaking


def uncrossed(columns: Columns, pairs: Sequence[Pair], count: int, tries: int = 0) -> Columns:
    """The best order that the sweeps come across; ties keep the given order. ``tries``: how often the best so far is
    shaken, to begin anew from there.
    """
    found = kept_order if count <= MOST_KEPT else kept_order.__wrapped__
    return [list(column) for column in found(tuple(map(tuple, columns)), tuple(pairs), count, tries)]


@lru_cache(KEPT)
def kept_order(
    given: tuple[tuple[int, ...], ...], pairs: tuple[Pair, ...], count: int, tries: int
) -> tuple[tuple[int, ...], ...]:
    """The same, found once: a plan places what has the same links in several directions and sizes."""
    columns = [list(column) for column in given]
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for left, right in pairs:
        after[left].append(right)
        before[right].append(left)
    sweeps = Sweeps(before, after, many=count > TRANSPOSED, counted=len(pairs) <= COUNTED)
    best, fewest = columns, -1
    for start in starts(columns, before, after) if count <= TRANSPOSED else [columns]:
        found, number = sweeps.improved(start)
        if fewest < 0 or number < fewest:
            best, fewest = found, number
        if fewest == 0:
            break
    chance = Random(count)  # the same in each process
    for _ in range(tries if count <= SHAKEN else 0):
        if fewest <= 0:
            break
        found, number = sweeps.improved([shaken(column, chance) for column in best])
        if number < fewest:
            best, fewest = found, number
    return tuple(map(tuple, best))


def shaken(column: Sequence[int], chance: Random) -> list[int]:
    """A column in which each item is moved by a few places."""
    place = {item: i + chance.uniform(0.0, FAR) for i, item in enumerate(column)}
    return sorted(column, key=place.__getitem__)


def starts(columns: Columns, before: Neighbours, after: Neighbours) -> Iterator[Columns]:
    """The given order, and those in which searches along the links find the items: back from the ends, on from the
    begins, and in both directions.
    """
    yield columns
    begins = [item for column in columns for item in column if not before[item]]
    ends = [item for column in reversed(columns) for item in column if not after[item]]
    yield in_order_of_search(columns, before, ends)
    yield in_order_of_search(columns, after, begins)
    yield in_order_of_search(columns, [[*a, *b] for a, b in zip(before, after, strict=True)], ends)


def in_order_of_search(columns: Columns, nexts: Neighbours, first: Iterable[int]) -> Columns:
    """The columns in the order in which a search in depth finds their items."""
    found: dict[int, int] = {}
    for begin in first:
        stack = [begin]
        while stack:
            item = stack.pop()
            if item not in found:
                found[item] = len(found)
                stack += [other for other in reversed(nexts[item]) if other not in found]
    return [sorted(column, key=lambda item: found.get(item, len(found))) for column in columns]


class Sweeps:
    """The links of the items, and where each item stands just now in its column."""

    def __init__(self, before: Neighbours, after: Neighbours, *, many: bool, counted: bool) -> None:
        self.before, self.after = before, after
        self.many, self.counted = many, counted
        self.position = [0] * len(before)

    def improved(self, columns: Columns) -> tuple[Columns, int]:
        """The best order that is found from these columns on, and how many links cross in it."""
        current = [list(column) for column in columns]
        for column in current:
            self.number(column)
        best, fewest, stale = [list(column) for column in current], self.crossings(current), 0
        for sweep in range(SWEEPS if self.counted else PATIENCE):
            if fewest == 0 or stale == PATIENCE:
                break
            self.sweep(current, sweep)
            found = self.crossings(current) if self.counted else -1 - sweep
            stale += 1
            if found < fewest:
                stale = 0
                best, fewest = [list(column) for column in current], found
        return best, fewest

    def sweep(self, columns: Columns, turn: int) -> None:
        """Put the items of each column where their neighbours before them are, or behind them, in turns; by the middle
        of those and by their mean in turns; and with swaps that save nothing in turns, too, which open ways to others.
        """
        forward = turn % 2 == 0
        middle = median if turn % 4 < 2 and not self.many else mean
        for column in columns if forward else reversed(columns):
            self.sort(column, self.before if forward else self.after, middle)
        if not self.many:
            if turn % 4 >= 2:
                self.transpose(columns, ties=True)
            self.transpose(columns)

    def number(self, column: Sequence[int]) -> None:
        """Take down where the items of a column stand."""
        for place, item in enumerate(column):
            self.position[item] = place

    def sort(self, column: list[int], neighbours: Neighbours, middle: Callable[[list[int]], float]) -> None:
        """Sort by the middle of the neighbours; an item without any keeps its place."""
        position = self.position
        keys = {item: middle([position[other] for other in near]) for item in column if (near := neighbours[item])}
        moved = iter(sorted(keys, key=keys.__getitem__))
        column[:] = [next(moved) if item in keys else item for item in column]
        self.number(column)

    def transpose(self, columns: Columns, *, ties: bool = False) -> None:
        """Swap neighbours in a column while that saves crossings; with ``ties``, those where it costs none, too."""
        for _ in range(ROUNDS):
            swapped = [self.swapped(column, ties) for column in columns]
            if not any(swapped):
                return

    def swapped(self, column: list[int], ties: bool) -> bool:
        """Whether swaps in a column saved something."""
        position, saved = self.position, False
        for place in range(len(column) - 1):
            upper, lower = column[place], column[place + 1]
            gain = saving(self.before[upper], self.before[lower], position)
            gain += saving(self.after[upper], self.after[lower], position)
            if gain > 0 or (ties and gain == 0):
                column[place], column[place + 1] = lower, upper
                position[lower], position[upper] = place, place + 1
                saved = saved or gain > 0
        return saved

    def crossings(self, columns: Columns) -> int:
        """How many pairs of links cross, all columns together."""
        return crossings(columns, self.after, self.position)


def mean(places: list[int]) -> float:
    """The mean of some places."""
    return sum(places) / len(places)


def median(places: list[int]) -> float:
    """The middle of some places; of an even number, between the middle two and nearer to the side that is denser."""
    places.sort()
    half = len(places) // 2
    if len(places) % 2:
        return places[half]
    low, high = places[half - 1], places[half]
    left, right = low - places[0], places[-1] - high
    return (low * right + high * left) / (left + right) if left + right else (low + high) / 2


def crossings(columns: Columns, after: Neighbours, position: Sequence[int]) -> int:
    """How many pairs of links cross, all columns together."""
    total = 0
    for column in columns:
        seen: list[int] = []
        for item in column:
            ends = [position[other] for other in after[item]]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def saving(upper: Sequence[int], lower: Sequence[int], position: Sequence[int]) -> int:
    """How many crossings fewer the links of two items have when the lower is above the upper."""
    gain = 0
    for a in upper:
        place = position[a]
        for b in lower:
            other = position[b]
            if place > other:
                gain += 1
            elif place < other:
                gain -= 1
    return gain
